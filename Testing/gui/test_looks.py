"""How the panel looks and is operated: light and dark, on fine screens, and by the keyboard."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from .conftest import MODULE, at_rest

ICONS = MODULE.parent / "Resources" / "Icons"
LIGHT, DARK = "#f0f0f0", "#353535"  # backgrounds as of Slicer's styles
READABLE, VISIBLE = 4.5, 3.0  # contrast of text and of graphics, WCAG 2.1, 1.4.3 and 1.4.11


def pixels(image) -> np.ndarray:
    """The pixels of a QImage, (rows, columns, RGBA), 0 to 1."""
    from PySide6.QtGui import QImage

    image = image.convertToFormat(QImage.Format.Format_RGBA8888)
    shape = (image.height(), image.bytesPerLine() // 4, 4)
    return np.frombuffer(image.constBits(), np.uint8).reshape(shape)[:, : image.width()] / 255


def luminance(colours: np.ndarray) -> np.ndarray:
    """Relative luminance of sRGB colours, WCAG 2.1."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    return linear[..., :3] @ (0.2126, 0.7152, 0.0722)


def contrast(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Contrast of two luminances, 1 to 21."""
    return (np.maximum(first, second) + 0.05) / (np.minimum(first, second) + 0.05)


def luminance_of(name: str) -> float:
    from PySide6.QtGui import QColor

    return float(luminance(np.array(QColor(name).getRgbF()[:3])))


def drawn_icon(side: int):
    """The icon of the `.svg` file."""
    from PySide6.QtGui import QImage, QPainter
    from PySide6.QtSvg import QSvgRenderer

    image = QImage(side, side, QImage.Format.Format_ARGB32)
    image.fill(0)
    painter = QPainter(image)
    QSvgRenderer(str(ICONS / "LungSquad.svg")).render(painter)
    painter.end()
    return image


@pytest.fixture
def style(application):
    """Call with the name of a style of Slicer, which all windows have from now on."""
    from PySide6.QtGui import QColor, QPalette

    before = application.palette()

    def choose(name: str) -> None:
        light, role = name == "light", QPalette.ColorRole
        palette = QPalette(QColor(LIGHT if light else DARK))
        if not light:
            for text in (role.WindowText, role.Text, role.ButtonText, role.ToolTipText):
                palette.setColor(text, QColor("#ffffff"))
                disabled = QPalette.ColorGroup.Disabled
                palette.setColor(disabled, text, QColor("#999999"))
            palette.setColor(role.Base, QColor("#232323"))
        application.setPalette(palette)

    yield choose
    application.setPalette(before)


@pytest.fixture
def predicted(opened, panel, working_here, wait_until):
    """The opened panel with a prediction, all sections unfolded."""
    panel.ui.predictButton.click()
    wait_until(lambda: panel.tasks.title)
    wait_until(lambda: at_rest(panel), 120)
    for name, widget in vars(panel.ui).items():
        if name.endswith("Section") and name != "editorSection":
            widget.collapsed = False
    wait_until(lambda: at_rest(panel))
    return opened


def sections(panel) -> dict:
    """The numbered sections by name, in their order."""
    named = [(name, each) for name, each in vars(panel.ui).items() if name.endswith("Section")]
    numbered = [(name, each) for name, each in named if each.text[0].isdigit()]
    return dict(sorted(numbered, key=lambda pair: pair[1].text))


@pytest.mark.parametrize("background", [LIGHT, DARK])
def test_the_icon_reads_on_light_and_dark(application, background):
    image = pixels(drawn_icon(128))
    drawn = image[image[..., 3] == 1]
    visible = contrast(luminance(drawn), luminance_of(background)) >= VISIBLE
    assert visible.mean() > 0.8


def test_the_icons_files_show_the_same(application):
    from PySide6.QtGui import QImage

    png = pixels(QImage(str(ICONS / "LungSquad.png")))
    assert np.abs(png - pixels(drawn_icon(128))).mean() < 0.01


@pytest.mark.parametrize("name", ["light", "dark"])
def test_every_text_is_readable(name, style, predicted, screenshot):
    """The darkest and the lightest pixel of each label and button differ enough."""
    from PySide6.QtWidgets import QAbstractButton, QLabel

    style(name)
    for part, section in sections(predicted.panel).items():
        screenshot(section, f"{part}-{name}")
    background = luminance_of(LIGHT if name == "light" else DARK)
    widgets = predicted.widget.findChildren(QLabel) + predicted.widget.findChildren(QAbstractButton)
    shown = [each for each in widgets if each.isVisible() and each.enabled and each.text]
    assert len(shown) > 40
    faint = []
    for widget in shown:
        lights = luminance(pixels(widget.grab().toImage()))
        if contrast(lights.min(), lights.max()) < READABLE:
            faint.append(widget.objectName)
        if isinstance(widget, QLabel):
            assert contrast(np.median(lights), background) < 1.1, widget.objectName
    assert faint == []


def test_pictures_are_as_sharp_as_the_screen(gui):
    from LungSquadLib.mrml.panel.drawing import pixmap

    picture = np.zeros((2, 3, 3), np.uint8)
    picture[0, 1] = 200, 100, 50
    for ratio in (1.0, 1.5, 2.0):
        drawn = pixmap(picture, ratio)
        times = int(np.ceil(ratio))
        assert drawn.devicePixelRatio() == times
        assert (drawn.width() // times, drawn.height() // times) == (3, 2)
        shown = np.rint(pixels(drawn.toImage())[..., :3] * 255)
        np.testing.assert_array_equal(shown, picture.repeat(times, 0).repeat(times, 1))


def test_the_tab_key_goes_through_the_panel_from_top_to_bottom(predicted, application):
    """Every control is reached once, in the order of reading, and none keeps the focus."""
    from PySide6.QtCore import QPoint, Qt
    from PySide6.QtTest import QTest

    window = predicted.widget.window()
    window.activateWindow()
    QTest.qWaitForWindowActive(window)
    ui = predicted.panel.ui
    ui.patientSection.setFocus()
    application.processEvents()
    visited = []
    while (focus := application.focusWidget()) not in visited:
        assert focus is not None
        visited.append(focus)
        QTest.keyClick(focus, Qt.Key.Key_Tab)
        application.processEvents()
        assert len(visited) < 300
    assert application.focusWidget() is visited[0]
    inside = {
        name: [each for each in visited if section.isAncestorOf(each)]
        for name, section in sections(predicted.panel).items()
    }
    assert all(inside.values()), [name for name, each in inside.items() if not each]
    order = [each for each in visited if any(each in part for part in inside.values())]
    assert order == [each for part in inside.values() for each in part]
    for name, reached in inside.items():
        corners = [each.mapTo(predicted.widget, QPoint(0, 0)) for each in reached]
        for before, after in pairwise(corners):
            same_row = abs(after.y() - before.y()) < 8
            assert after.x() > before.x() if same_row else after.y() > before.y(), name
    wanted = [
        widget
        for name, widget in vars(ui).items()
        if widget.isWidgetType()
        and widget.focusPolicy == Qt.FocusPolicy.StrongFocus
        and widget.isVisible()
        and widget.enabled
        and name.endswith(("Button", "Box", "Selector", "List", "Table"))
    ]
    assert len(wanted) > 20
    assert [widget.objectName for widget in wanted if widget not in visited] == []
