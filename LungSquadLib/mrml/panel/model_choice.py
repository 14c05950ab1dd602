"""Models, and the classes that they know, in combo boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import qt
from slicer.i18n import tr as _

from ...models.catalogue import Entry


def usable_models(entries: Sequence[Entry], *kinds: str) -> list[Entry]:
    """Return the models of some kinds that can be chosen."""
    return [
        entry
        for entry in entries
        if entry.card is not None and entry.card.kind in kinds and not entry.shadowed
    ]


def offer_models(selector: Any, entries: Sequence[Entry]) -> None:
    """List models in a combo box, by their titles; the one that was used last is chosen."""
    selector.clear()
    for entry in entries:
        assert entry.card is not None  # noqa: S101 - or it would not be usable
        selector.addItem(entry.card.title, entry.name)
    choose_last_used(selector)


def keep_last_used(selector: Any) -> None:
    """Keep what is chosen in a combo box in Slicer's settings, for later sessions."""
    qt.QSettings().setValue(_setting(selector), selector.currentData)


def last_used(selector: Any) -> str:
    """Return the model that was used last; an empty text where none was."""
    return str(qt.QSettings().value(_setting(selector)) or "")


def choose_last_used(selector: Any) -> None:
    """Choose the model that was used last, where it is listed."""
    index = selector.findData(last_used(selector))
    if index >= 0:
        selector.currentIndex = index


def _setting(selector: Any) -> str:
    return f"LungSquad/{selector.objectName}"


def offer_classes(selector: Any, label: Any, entry: Entry | None) -> None:
    """List the classes that a model knows in a combo box, which is hidden where there are none."""
    card = None if entry is None else entry.card
    selector.clear()
    selector.addItem(_("any"), None)
    for label_class in () if card is None else card.classes:
        selector.addItem(label_class.name, label_class.code)
    selector.visible = label.visible = selector.count > 1
