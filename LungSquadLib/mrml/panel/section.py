"""What the panel's sections have in common: they are ready, or say what is missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .panel import Panel
    from .state import State
    from .tasks import Tasks


class Section:
    """One collapsible part of the panel.

    Where `name` is given, the .ui has a `<name>Hint` and a `<name>Frame`: the frame is enabled when
    nothing is `missing`.
    """

    name = ""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self.ui: Any = panel.ui

    @property
    def state(self) -> State:
        """The user's choices; only while there is a scene to keep them."""
        return self.panel.current_state()

    @property
    def tasks(self) -> Tasks:
        """Where work that takes time is done."""
        return self.panel.tasks

    def on_click(self, button: Any, action: Callable[[], None]) -> None:
        """Do something when a button is pressed; what goes wrong is said."""

        def pressed(_checked: bool = False) -> None:
            with self.panel.errors_told():
                action()

        button.clicked.connect(pressed)

    def missing(self) -> str:
        """A sentence that says what must be done before; empty where nothing."""
        return ""

    def update(self) -> None:
        """Show what the state says; called after every change, so it must be quick."""
        if self.name:
            missing = self.missing()
            hint, frame = (
                getattr(self.ui, f"{self.name}Hint"),
                getattr(self.ui, f"{self.name}Frame"),
            )
            show_text(hint, missing)
            frame.enabled = not missing

    def scene_closes(self) -> None:
        """Let go of all nodes."""

    def close(self) -> None:
        """The panel goes."""
        self.scene_closes()


def show_text(label: Any, text: str) -> None:
    """Show a text; an empty one takes no room."""
    label.text, label.visible = text, bool(text)
