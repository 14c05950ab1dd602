"""The widgets of CTK that the panel uses, with names that the real ones have, or fewer."""

from __future__ import annotations

from PySide6.QtCore import Property, QEvent, QSize, Qt, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import (
    QAbstractButton,
    QDoubleSpinBox,
    QHBoxLayout,
    QSizePolicy,
    QSlider,
    QStyle,
    QStyleOptionButton,
    QWidget,
)

_HEADER = 24  # pixels
_STEPS = 1000
_NO_LIMIT = 16777215  # Qt's largest size


class ctkCollapsibleButton(QAbstractButton):
    """A header that is clicked to hide or show what is under it."""

    contentsCollapsed = Signal(bool)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._wanted, self._own_doing, self._collapsed_height = {}, False, 14
        self.checkable = self.checked = True
        self.setContentsMargins(0, _HEADER, 0, 0)
        self.setSizePolicy(QSizePolicy.Minimum, QSizePolicy.Preferred)
        self.toggled.connect(self._show_contents)

    def _collapsed(self):
        return not self.checked

    def _set_collapsed(self, collapsed):
        self.checked = not collapsed

    collapsed = Property(bool, _collapsed, _set_collapsed)

    def _height(self):
        return self._collapsed_height

    def _set_height(self, height):
        self._collapsed_height = height

    collapsedHeight = Property(int, _height, _set_height)

    def _show_contents(self, shown):
        for child, wanted in self._wanted.items():
            self._show(child, shown and wanted)
        self.maximumHeight = _NO_LIMIT if shown else _HEADER + self._collapsed_height
        self.contentsCollapsed.emit(not shown)

    def _show(self, child, shown):
        self._own_doing = True
        child.visible = shown
        if self._wanted[child]:  # not by code: Qt tells when code hides it as well
            child.setAttribute(Qt.WA_WState_ExplicitShowHide, False)
        self._own_doing = False

    def childEvent(self, event):
        super().childEvent(event)
        if event.polished() and event.child().isWidgetType():
            child = event.child()
            self._wanted[child] = not child.isHidden()
            child.installEventFilter(self)
            self._show(child, self.checked and self._wanted[child])

    def eventFilter(self, child, event):
        """What code shows or hides while all is folded is so when it is unfolded."""
        if event.type() in (QEvent.ShowToParent, QEvent.HideToParent) and not self._own_doing:
            self._wanted[child] = event.type() == QEvent.ShowToParent
            if not self.checked:
                self._show(child, False)
        return False

    def sizeHint(self):
        layout = self.layout()
        folded = QSize(120, _HEADER + self._collapsed_height)
        return layout.sizeHint() if layout is not None and self.checked else folded

    def hitButton(self, place):
        return place.y() < _HEADER

    def paintEvent(self, _event):
        option = QStyleOptionButton()
        option.initFrom(self)
        option.rect.setHeight(_HEADER)
        option.text = ("\u25be  " if self.checked else "\u25b8  ") + self.text
        self.style().drawControl(QStyle.CE_PushButton, option, QPainter(self), self)


def _of_box(kind, name):
    """A property that the spin box inside has."""
    return Property(
        kind,
        lambda self: getattr(self._box, name),
        lambda self, value: setattr(self._box, name, value),
    )


class ctkSliderWidget(QWidget):
    """A number by slider or spin box."""

    valueChanged = Signal(float)
    value = _of_box(float, "value")
    minimum = _of_box(float, "minimum")
    maximum = _of_box(float, "maximum")
    singleStep = _of_box(float, "singleStep")
    decimals = _of_box(int, "decimals")
    suffix = _of_box(str, "suffix")

    def __init__(self, parent=None):
        super().__init__(parent)
        self._slider, self._box = QSlider(Qt.Horizontal), QDoubleSpinBox()
        self._slider.maximum = _STEPS
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        layout.addWidget(self._box)
        self._slider.sliderMoved.connect(self._slid)
        self._box.valueChanged.connect(self._changed)

    def _slid(self, step):
        self.value = self.minimum + step / _STEPS * (self.maximum - self.minimum)

    def _changed(self, value):
        span = self.maximum - self.minimum
        self._slider.value = round((value - self.minimum) / span * _STEPS) if span else 0
        self.valueChanged.emit(value)
