"""What is dropped on Slicer's window, with a stand-in for Slicer's dialog."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from LungSquadLib.imaging.files.write import write_volumes

from ..samples import ball_images


@pytest.fixture
def dialog(module, monkeypatch):
    """Slicer's dialog for dropped files; `paths` is what was dropped, `shown` the open module."""
    import slicer

    dialog = SimpleNamespace(paths=[], shown="LungSquad", accepted=None)

    def url(path):
        return SimpleNamespace(toLocalFile=lambda: str(path))

    dialog.mimeData = lambda: SimpleNamespace(urls=lambda: [url(path) for path in dialog.paths])
    dialog.acceptMimeData = lambda accepted: setattr(dialog, "accepted", accepted)
    monkeypatch.setattr(slicer, "qSlicerFileDialog", SimpleNamespace(Read=0), raising=False)
    for name, value in (
        ("selectedModule", lambda: dialog.shown),
        ("getModuleWidget", lambda _name: module),
    ):
        monkeypatch.setattr(slicer.util, name, value, raising=False)
    dialog.taker = sys.modules["LungSquad"].LungSquadFileDialog(dialog)
    return dialog


@pytest.mark.parametrize(
    ("paths", "shown", "accepted"),
    [
        (["a"], "LungSquad", True),
        (["a"], "Markups", False),
        (["a", "b"], "LungSquad", False),
        ([], "LungSquad", False),
    ],
)
def test_one_file_is_taken_while_the_module_is_shown(dialog, paths, shown, accepted):
    dialog.paths, dialog.shown = paths, shown
    dialog.taker.isMimeDataAccepted()
    assert dialog.accepted is accepted


def test_a_ct_and_then_its_mask_are_dropped(dialog, module, wait_until, tmp_path):
    panel, (ct, mask) = module.panel, ball_images()
    write_volumes({tmp_path / "ct.nrrd": ct, tmp_path / "mask.nrrd": mask})
    dialog.paths = [tmp_path / "ct.nrrd"]
    dialog.taker.dropEvent()
    wait_until(lambda: panel.context.state.ct is not None)
    dialog.paths = [tmp_path / "mask.nrrd"]
    dialog.taker.dropEvent()
    wait_until(lambda: panel.crop.crop is not None, 30)
    assert panel.ui.cropLabel.text


def test_a_folder_without_a_ct_is_a_sentence(dialog, module, wait_until, tmp_path):
    dialog.paths = [tmp_path]
    dialog.taker.dropEvent()
    wait_until(lambda: "holds no" in module.panel.ui.statusLabel.text, 30)
