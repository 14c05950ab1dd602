"""What the panel's sections have in common: each is enabled, or says what is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from ...imaging.flags import Flag, merged
from ..tumour import CaseKey, Tumour
from .context import Context
from .state import State
from .tasks import Tasks


class Section:
    """One collapsible part of the panel.

    Where `name` is given, the .ui has a `<name>Hint` and a `<name>Frame`: the frame is enabled when
    nothing is `missing`.
    """

    name = ""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.ui: Any = context.ui

    @property
    def state(self) -> State:
        """The user's choices; only while there is a scene to keep them."""
        return self.context.state

    @property
    def tasks(self) -> Tasks:
        """Runs work that takes time."""
        return self.context.tasks

    def on_click(self, button: Any, action: Callable[[], None]) -> None:
        """Call a function when a button is pressed; the status line shows its errors."""

        def pressed(_checked: bool = False) -> None:
            with self.context.errors_reported():
                action()

        button.clicked.connect(pressed)

    def file_to_save(self, title: str, kinds: str, suffix: str) -> Path | None:
        """Let the user choose a file to write; None where it was cancelled."""
        name = qt.QFileDialog.getSaveFileName(self.context.widget, title, "", kinds)
        if not name:
            return None
        return Path(name if name.lower().endswith(suffix) else name + suffix)

    def missing(self) -> str:
        """Return what the user must do first, or an empty text."""
        return ""

    def update(self) -> None:
        """Show the current state; called after every change, so it must be quick."""
        if self.name:
            missing = self.missing()
            show_text(getattr(self.ui, f"{self.name}Hint"), missing)
            getattr(self.ui, f"{self.name}Frame").enabled = not missing

    def scene_closes(self) -> None:
        """Let go of all nodes."""

    def close(self) -> None:
        """Let go of everything: the panel is closed."""
        self.scene_closes()


def show_text(label: Any, text: str) -> None:
    """Show a text in a label; the label of an empty text takes no room."""
    label.text, label.visible = text, bool(text)


def show_whether_current(label: Any, tumour: Tumour | None, key: CaseKey | None) -> None:
    """Say in a label that results are out of date, if they were not made from what is there now.

    Args:
        label: the label.
        tumour: that the results are of.
        key: of the crop that is shown.
    """
    current = tumour is not None and tumour.key is not None and tumour.key.matches(key)
    outdated = _("Out of date: the CT, the outline or the crop has changed since. Predict again.")
    show_text(label, "" if current else outdated)


def flags_text(flags: Sequence[Flag]) -> str:
    """Return flags as lines of text, the severe ones first."""
    severities = {"severe": _("Severe"), "warning": _("Warning"), "info": _("Info")}
    return "\n".join(f"{severities[flag.severity]}: {flag.sentence}" for flag in merged(flags))
