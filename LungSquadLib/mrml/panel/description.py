"""Section 4, above the predictions: the nodule as radiologists would describe it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...imaging.flags import Flag
from ...report.description import volume_sentence
from ..descriptions import StoredDescriptions, stored_descriptions
from .context import Context
from .inputs import CropSource
from .section import Section, flags_text, is_of_tumour, show_text, show_whether_current


class DescriptionSection(Section):
    """Shows the descriptions that the scene holds for the CT.

    Attributes:
        stored: these descriptions, or None.
    """

    def __init__(self, context: Context, *, crop: CropSource) -> None:
        super().__init__(context)
        self._crop = crop
        self.stored: StoredDescriptions | None = None

    def update(self) -> None:
        super().update()
        volume = self.state.ct
        self.stored = stored = None if volume is None else stored_descriptions(volume)
        self.ui.descriptionFrame.visible = stored is not None
        self.ui.descriptionTable.setMRMLTableNode(None if stored is None else stored.table)
        if stored is not None:
            self._show(stored)

    def scene_closes(self) -> None:
        self.stored = None
        self.ui.descriptionTable.setMRMLTableNode(None)

    def _show(self, stored: StoredDescriptions) -> None:
        ui, crop, described = self.ui, self._crop.crop, stored.described
        current = crop is not None and all(is_of_tumour(each, crop) for each in described)
        show_whether_current(ui.descriptionOutdatedLabel, current)
        show_text(ui.descriptionLabel, "\n".join(map(_verdict, described)))
        lines = dict.fromkeys(line for each in described for line in _notes(each))
        show_text(ui.descriptionNotes, "\n".join(filter(None, lines)))
        ui.descriptionTable.resizeColumnsToContents()


def _verdict(description: Mapping[str, Any]) -> str:
    sentence: str = description["sentence"]
    return f"{description['model']['title']}:\n{sentence[:1].upper()}{sentence[1:]}."


def _notes(description: Mapping[str, Any]) -> tuple[str, ...]:
    flags = flags_text([Flag.of(flag) for flag in description["flags"]])
    return (
        description["impression"],
        description["notice"],
        volume_sentence(description),
        flags,
    )
