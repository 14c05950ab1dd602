"""Section 4, above the predictions: the nodule as radiologists would describe it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...imaging.flags import Flag
from ...report.description import volume_sentence
from ..descriptions import StoredDescriptions, stored_descriptions
from .context import Context
from .inputs import CropSource
from .section import Section, flags_text, show_text, show_whether_current


class DescriptionSection(Section):
    """Shows the descriptions that the scene holds for the chosen tumour.

    Attributes:
        all_stored: the descriptions for all tumours of the CT.
        stored: those for the chosen tumour, or None.
    """

    def __init__(self, context: Context, *, crop: CropSource) -> None:
        super().__init__(context)
        self._crop = crop
        self.all_stored: list[StoredDescriptions] = []
        self.stored: StoredDescriptions | None = None

    def update(self) -> None:
        super().update()
        volume, chosen = self.state.ct, (self.state.segmentation, self.state.segment)
        self.all_stored = [] if volume is None else stored_descriptions(volume)
        of_chosen = (
            each
            for each in self.all_stored
            if each.tumour is None or each.tumour.is_segment(*chosen)
        )
        self.stored = stored = next(of_chosen, None)
        self.ui.descriptionFrame.visible = stored is not None
        self.ui.descriptionTable.setMRMLTableNode(None if stored is None else stored.table)
        if stored is not None:
            self._show(stored)

    def scene_closes(self) -> None:
        self.all_stored, self.stored = [], None
        self.ui.descriptionTable.setMRMLTableNode(None)

    def _show(self, stored: StoredDescriptions) -> None:
        ui, described = self.ui, stored.described
        key = None if self._crop.key is None else self._crop.key.of_outline
        show_whether_current(ui.descriptionOutdatedLabel, stored.tumour, key)
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
