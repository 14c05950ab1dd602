"""Section 4, beside the models: the patient's expression, and what molecules say of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import qt
from slicer.i18n import tr as _

from ...errors import InputError
from ...imaging.flags import Flag
from ...models.catalogue import OF_TABLES, Entry
from ...models.inputs import TableSpec
from ...report.side_by_side import questions
from ..hierarchy import remove
from ..results import show_molecular
from .crop import flags_text
from .section import Section, show_text
from .tasks import is_there

if TYPE_CHECKING:
    from .panel import Panel


class ProfileSection(Section):
    """Holds a profile's file for one CT and tumour, and no longer than these are chosen.

    The file's place is kept in no scene: loaded again, it could be another patient's.

    Attributes:
        file: the profile that is to be asked about, or None.
    """

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self.file: Path | None = None
        self._of: tuple[Any, Any] | None = None  # CT and segmentation
        self._entries: list[Entry] = []
        self._case: Mapping[str, Any] | None = None
        self._table: Any = None
        self.on_click(self.ui.profileButton, self._choose)
        self.on_click(self.ui.profileRemoveButton, self._remove)

    def update(self) -> None:
        super().update()
        if self._of is not None and self._of != (self.state.ct, self.state.segmentation):
            self._forget()
            self.panel.tell(
                _(
                    "The CT or the outlines are others now, so the expression profile was taken "
                    "out: choose this patient's."
                )
            )
        idle = not self.tasks.title
        self.ui.profileButton.enabled = idle and bool(self._entries)
        self.ui.profileRemoveButton.enabled = idle and self.file is not None
        self.ui.profileAbout.text = self._about()
        self._show()

    def scene_closes(self) -> None:
        self._table = None  # it goes with the scene
        self._forget()

    def list_models(self, entries: Sequence[Entry]) -> None:
        """Take those of the models on this machine that a profile can be asked of."""
        self._entries = [entry for entry in entries if _takes_expression(entry)]

    def models_for(self, chosen: Sequence[Entry], *, every: bool) -> list[Path]:
        """Models for the profile that is chosen: of the same questions as others, or all there are.

        Args:
            chosen: models of images.
            every: whether it is all of them.

        Raises:
            InputError: a profile is chosen, and there is none for these questions.
        """
        if self.file is None:
            return []
        tasks = {entry.card.task for entry in chosen if entry.card is not None}
        found = [
            entry.path
            for entry in self._entries
            if entry.card is not None and (every or entry.card.task in tasks)
        ]
        if not found:
            raise InputError(
                _("No model for this question takes a profile: choose all models, or remove it.")
            )
        return found

    def take(self, path: str) -> None:
        """Ask about a profile's file from now on, for the CT and the outlines that are chosen."""
        self._forget()
        self.file, self._of = Path(path).resolve(), (self.state.ct, self.state.segmentation)
        self.panel.refresh()

    def answered(self, case: Mapping[str, Any], file: Path, volume: Any) -> None:
        """Show what was said of a profile's file, unless another one was chosen since.

        Args:
            case: `prediction.json`.
            file: that was asked about.
            volume: the CT's node.
        """
        if file == self.file and self._of is not None and self._of[0] is volume:
            self._case, self._table = case, show_molecular(case, volume)

    def _choose(self) -> None:
        kinds = _("Tables (*.csv *.tsv *.txt *.gz);;All files (*)")
        title = _("Expression profile of this patient")
        if path := qt.QFileDialog.getOpenFileName(self.panel.widget, title, "", kinds):
            self.take(path)

    def _remove(self) -> None:
        self._forget()
        self.panel.refresh()

    def _forget(self) -> None:
        """Neither the file nor what was said of it stays."""
        if is_there(self._table):
            remove([self._table])
        self.file = self._of = self._case = self._table = None
        self.ui.molecularTable.setMRMLTableNode(None)

    def _about(self) -> str:
        if not self._entries:
            return _("No model is installed that takes a profile.")
        if self.file is None:
            return _("None; only the image is asked.")
        return _("{name}: make sure that it is this patient's.").format(name=self.file.name)

    def _show(self) -> None:
        if not is_there(self._table):  # the user may have deleted it
            self._case = self._table = None
        self.ui.molecularFrame.visible = self._case is not None
        self.ui.molecularTable.setMRMLTableNode(self._table)
        if self._case is not None:
            show_text(self.ui.molecularLabel, _told(self._case))
            show_text(self.ui.molecularFlags, _flags(self._case))


def _takes_expression(entry: Entry) -> bool:
    card = entry.card
    if card is None or entry.shadowed or card.kind not in OF_TABLES or not card.classes:
        return False
    sources = card.input.sources if isinstance(card.input, TableSpec) else ()
    return any(source.kind == "expression" for source in sources)


def _told(case: Mapping[str, Any]) -> str:
    profile = case["profile"]
    whose = _("Molecules beside the image, by a profile of {genes} genes (SHA-256 {sha256}...):")
    lines = [whose.format(genes=profile["genes"], sha256=profile["sha256"][:12])]
    lines += [one.disagreement for one in questions(case) if one.disagreement]
    return "\n".join(lines)


def _flags(case: Mapping[str, Any]) -> str:
    lines = []
    for one in case["molecular"]:
        who = f"{one['model']['title']} ({one['made_from']})"
        most = ", ".join(
            f"{gene['column']} {gene['value']:+.2f}" for gene in one["contributions"][:5]
        )
        lines.append(_("{who}, moved most by {most}.").format(who=who, most=most))
        lines.append(flags_text([Flag.of(flag) for flag in one["flags"]]))
    return "\n".join(line for line in dict.fromkeys(lines) if line)
