"""Section 4, beside the image models: the patient's expression profile and its predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from ...errors import InputError
from ...imaging.flags import Flag
from ...models.catalogue import OF_TABLES, Entry
from ...models.inputs import TableSpec
from ...report.molecular import questions
from ..hierarchy import remove
from ..results import show_molecular
from .context import Context
from .section import Section, flags_text, show_text
from .tasks import in_scene


class ProfileSection(Section):
    """Holds a profile's file for one CT and tumour, and only while these are chosen.

    The file's path is kept in no scene: loaded again, it could be another patient's.

    Attributes:
        file: the profile that is chosen, or None.
    """

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.file: Path | None = None
        self._case_nodes: tuple[Any, Any] | None = None  # CT and segmentation of the profile
        self._entries: list[Entry] = []
        self._case: Mapping[str, Any] | None = None
        self._table: Any = None
        self.on_click(self.ui.profileButton, self._choose)
        self.on_click(self.ui.profileRemoveButton, self._remove_pressed)

    def update(self) -> None:
        super().update()
        chosen = (self.state.ct, self.state.segmentation)
        if self._case_nodes is not None and self._case_nodes != chosen:
            self._remove()
            self.context.report(
                _(
                    "The CT or the segmentation has changed, so the expression profile was "
                    "removed. Choose this patient's profile."
                )
            )
        idle = not self.tasks.title
        self.ui.profileButton.enabled = idle and bool(self._entries)
        self.ui.profileRemoveButton.enabled = idle and self.file is not None
        self.ui.profileStatus.text = self._status()
        self._show()

    def scene_closes(self) -> None:
        self._table = None  # it is removed with the scene
        self._remove()

    def list_models(self, entries: Sequence[Entry]) -> None:
        """Take those of the models on this machine that use an expression profile."""
        self._entries = [entry for entry in entries if _uses_expression(entry)]

    def models_for(self, chosen: Sequence[Entry], *, every: bool) -> list[Path]:
        """Return the models for the chosen profile: of the same questions, or all of them.

        Args:
            chosen: image models.
            every: whether these are all image models.

        Raises:
            InputError: a profile is chosen, and there is no model for these questions.
        """
        if self.file is None:
            return []
        tasks = {entry.card.task for entry in chosen if entry.card is not None}
        models = [
            entry.path
            for entry in self._entries
            if entry.card is not None and (every or entry.card.task in tasks)
        ]
        if not models:
            raise InputError(
                _(
                    "No installed model uses an expression profile for this question. Choose all "
                    "models, or remove the profile."
                )
            )
        return models

    def choose(self, path: str) -> None:
        """Use a profile's file for the CT and the segmentation that are chosen."""
        self._remove()
        self.file = Path(path).resolve()
        self._case_nodes = (self.state.ct, self.state.segmentation)
        self.context.refresh()

    def show_predictions(self, case: Mapping[str, Any], file: Path, volume: Any) -> None:
        """Show the predictions for a profile, unless another one was chosen meanwhile.

        Args:
            case: `prediction.json`.
            file: the profile that was used.
            volume: the CT's node.
        """
        if file == self.file and self._case_nodes is not None and self._case_nodes[0] is volume:
            self._case, self._table = case, show_molecular(case, volume)

    def _choose(self) -> None:
        kinds = _("Tables (*.csv *.tsv *.txt *.gz);;All files (*)")
        title = _("Expression profile of this patient")
        if path := qt.QFileDialog.getOpenFileName(self.context.widget, title, "", kinds):
            self.choose(path)

    def _remove_pressed(self) -> None:
        self._remove()
        self.context.refresh()

    def _remove(self) -> None:
        """Forget the file and remove its predictions."""
        if in_scene(self._table):
            remove([self._table])
        self.file = self._case_nodes = self._case = self._table = None
        self.ui.molecularTable.setMRMLTableNode(None)

    def _status(self) -> str:
        if not self._entries:
            return _("No installed model uses an expression profile.")
        if self.file is None:
            return _("None: predictions use the image alone.")
        return _("{name}. Check that it belongs to this patient.").format(name=self.file.name)

    def _show(self) -> None:
        if not in_scene(self._table):  # the user may have deleted it
            self._case = self._table = None
        self.ui.molecularFrame.visible = self._case is not None
        self.ui.molecularTable.setMRMLTableNode(self._table)
        if self._case is not None:
            show_text(self.ui.molecularLabel, _summary(self._case))
            show_text(self.ui.molecularFlags, _details(self._case))


def _uses_expression(entry: Entry) -> bool:
    card = entry.card
    if card is None or entry.shadowed or card.kind not in OF_TABLES or not card.classes:
        return False
    sources = card.input.sources if isinstance(card.input, TableSpec) else ()
    return any(source.kind == "expression" for source in sources)


def _summary(case: Mapping[str, Any]) -> str:
    profile = case["profile"]
    title = _("Predictions from image and expression profile ({genes} genes, SHA-256 {sha256}...):")
    lines = [title.format(genes=profile["genes"], sha256=profile["sha256"][:12])]
    lines += [each.disagreement for each in questions(case) if each.disagreement]
    return "\n".join(lines)


def _details(case: Mapping[str, Any]) -> str:
    lines = []
    for prediction in case["molecular"]:
        model = f"{prediction['model']['title']} ({prediction['modality']})"
        genes = ", ".join(
            f"{gene['column']} {gene['value']:+.2f}" for gene in prediction["contributions"][:5]
        )
        lines.append(_("{model}: largest contributions {genes}.").format(model=model, genes=genes))
        lines.append(flags_text([Flag.of(flag) for flag in prediction["flags"]]))
    return "\n".join(line for line in dict.fromkeys(lines) if line)
