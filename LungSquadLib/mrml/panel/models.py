"""Section 8: the models on this machine, and published models that can be added."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import qt
import slicer
from slicer.i18n import tr as _

from ...models.catalogue import VARIABLE, Entry
from ...models.encoder_import import PublishedEncoder
from ...models.file import SUFFIX, read_card
from ...models.published import SERVER, PublishedModel, published_models
from .context import Context
from .section import Section
from .tasks import Steps, WorkerCall


class ModelsSection(Section):
    """Lists the models with licence and training data; adds one from a file or the internet."""

    def __init__(self, context: Context, *, changed: Callable[[], None]) -> None:
        """Create the section.

        Args:
            context: the panel's services.
            changed: called when a model was added.
        """
        super().__init__(context)
        self._changed = changed
        self._entries: list[Entry] = []
        self._published = published_models()
        ui = self.ui
        table = ui.modelTable
        titles = [_("Model"), _("Learnt from"), _("Licence"), _("Added by")]
        table.setColumnCount(len(titles))
        table.setHorizontalHeaderLabels(titles)
        table.horizontalHeader().setSectionResizeMode(qt.QHeaderView.Stretch)
        table.connect("itemSelectionChanged()", context.refresh)
        for model in self._published:
            ui.publishedSelector.addItem(model.title, model.name)
        ui.publishedSelector.currentIndexChanged.connect(lambda _index: context.refresh())
        self.on_click(ui.addModelButton, self._add)
        self.on_click(ui.fetchModelButton, self._fetch)
        self.on_click(ui.importWeightsButton, self._import)

    def list_models(self, entries: Sequence[Entry]) -> None:
        """Show the models on this machine."""
        if entries == self._entries:
            return  # or each look would undo the user's choice
        self._entries = list(entries)
        table = self.ui.modelTable
        table.setRowCount(len(entries))
        for row, entry in enumerate(entries):
            for column, text in enumerate(_cells(entry)):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(text)
                table.setItem(row, column, item)
        table.selectRow(0)

    def update(self) -> None:
        super().update()
        ui, idle = self.ui, not self.tasks.title
        row = ui.modelTable.currentRow()
        ui.installedLabel.text = _about(self._entries[row]) if row >= 0 else ""
        published = self._chosen()
        names = {entry.name for entry in self._entries}
        ui.publishedLabel.text = _about_published(published, names)
        ui.addModelButton.enabled = ui.importWeightsButton.enabled = idle
        ui.fetchModelButton.enabled = idle and isinstance(published, PublishedModel)

    def _chosen(self) -> PublishedModel | PublishedEncoder:
        return self._published[max(self.ui.publishedSelector.currentIndex, 0)]

    def _add(self) -> None:
        """Let the user choose a model file, and add it."""
        if not self.context.has_packages("torch"):
            return
        kinds = _("LungSquad models (*.safetensors);;All files (*)")
        title = _("Model file of LungSquad")
        path = qt.QFileDialog.getOpenFileName(self.context.widget, title, "", kinds)
        if path and self._may_replace(read_card(path).name):
            self._start({"file": str(Path(path).absolute())}, "add")

    def _may_replace(self, name: str) -> bool:
        """Return whether no model has this name, or the user wants another in its place."""
        if all(entry.name != name for entry in self._entries):
            return True
        question = _("There is already a model '{name}'. Use the one in the file instead?")
        return bool(slicer.util.confirmOkCancelDisplay(question.format(name=name), _("LungSquad")))

    def _fetch(self) -> None:
        """Ask the user, then fetch the chosen published model."""
        model = self._chosen()
        if not self.context.has_packages("torch", "h5py", "safetensors"):
            return
        question = _(
            "'{title}' ({size:.1f} MB) is downloaded from {host}. Licence: {licence}. The request "
            "names the file; nothing about a patient is sent. Fetch it now?"
        ).format(title=model.title, size=model.size / 1e6, host=_host(), licence=model.licence)
        if slicer.util.confirmOkCancelDisplay(question, _("LungSquad")):
            self._start({"name": model.name}, "fetch")
        else:
            self.context.report(_("Nothing was fetched."))

    def _import(self) -> None:
        """Let the user choose the weights of the chosen published model, and import them."""
        model = self._chosen()
        keras = ["h5py"] if isinstance(model, PublishedModel) else []
        if not self.context.has_packages("torch", "safetensors", *keras):
            return
        title = _("Published weights: {title}").format(title=model.title)
        kinds = _("All files (*)")
        if path := qt.QFileDialog.getOpenFileName(self.context.widget, title, "", kinds):
            weights = str(Path(path).absolute())
            self._start({"name": model.name, "weights": weights}, "fetch")

    def _start(self, request: dict[str, Any], verb: str) -> None:
        self.tasks.start(_("Adding a model"), self._steps(request, verb))

    def _steps(self, request: dict[str, Any], verb: str) -> Steps:
        added = Path((yield WorkerCall(verb, request))["path"])
        self._changed()
        names = [entry.path for entry in self._entries]
        if added in names:
            self.ui.modelTable.selectRow(names.index(added))
        done = _("The model '{name}' is installed: '{path}'.")
        self.context.report(done.format(name=added.name.removesuffix(SUFFIX), path=added))


def _cells(entry: Entry) -> list[str]:
    """Return what the table shows of a model."""
    sources = {"bundled": _("LungSquad"), "user": _("you"), VARIABLE: VARIABLE}
    source = sources[entry.source]
    if entry.shadowed:
        source = _("{source} (not used: another has its name)").format(source=source)
    if entry.card is None:
        return [entry.name, entry.problem or "", "", source]
    return [entry.card.title, entry.card.training.data, entry.card.licence, source]


def _about(entry: Entry) -> str:
    """Return all that is shown of the chosen model, in lines."""
    card = entry.card
    if card is None:
        return str(entry.problem)
    lines = [
        f"{card.title}. {card.question}",
        _("Learnt from: {data}").format(data=card.training.data),
        _("Licence: {licence}").format(licence=card.licence),
        card.notice or "",
        _("File: {path}").format(path=entry.path),
    ]
    return "\n".join(line for line in lines if line)


def _about_published(model: PublishedModel | PublishedEncoder, installed: set[str]) -> str:
    """Return all that is shown of a published model, in lines."""
    size = _("{size:.1f} MB").format(size=model.size / 1e6) if model.size else _("not known")
    lines = [
        _("Learnt from: {data}").format(data=model.trained_on),
        _("Licence: {licence}. In a hospital: {hospital}.").format(
            licence=model.licence, hospital=model.hospital
        ),
        _("Size: {size}. Source: {source}.").format(size=size, source=model.source),
    ]
    if isinstance(model, PublishedModel):
        lines.append(_("'Fetch...' downloads it from {host}.").format(host=_host()))
    else:
        lines.append(
            _(
                "Download the file from its source, then press 'Import weights...'. The model "
                "computes features for trainings."
            )
        )
    if getattr(model, "card_name", model.name) in installed:
        lines.append(_("It is installed."))
    return "\n".join(lines)


def _host() -> str:
    """Return the only host that a fetch speaks to."""
    return str(urlsplit(SERVER).hostname)
