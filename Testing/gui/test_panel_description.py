"""The description of a nodule in the panel: shown, marked when it is out of date, and removed."""

from __future__ import annotations

import re

import pytest

from ..mrml.nodes import halve_segment
from .conftest import at_rest
from .test_panel_profile import texts


@pytest.fixture(scope="session")
def description_models(tmp_path_factory):
    """A folder with a descriptor of known ratings and an image model."""
    pytest.importorskip("torch", reason="networks: torch is not installed")
    from ..descriptors import write_descriptor
    from ..samples import write_model

    folder = tmp_path_factory.mktemp("description_models")
    write_descriptor(folder / "descriptor.safetensors")
    write_model(folder / "image.safetensors", name="of-image", title="Image model")
    return folder


@pytest.fixture
def describing(panel, description_models, monkeypatch, wait_until):
    """The panel on the ball's CT, with those models; the descriptor is chosen."""
    from LungSquadLib.models import catalogue

    monkeypatch.setenv(catalogue.VARIABLE, str(description_models))
    panel.enter()
    wait_until(lambda: at_rest(panel))
    choose(panel, "descriptor")
    wait_until(lambda: at_rest(panel))
    return panel


def choose(panel, name) -> None:
    selector = panel.ui.modelSelector
    selector.currentIndex = selector.findData(name)


@pytest.fixture
def predict(describing, wait_until):
    """Press the button and wait for the end."""

    def press() -> None:
        describing.ui.predictButton.click()
        wait_until(lambda: describing.tasks.title)
        wait_until(lambda: at_rest(describing), 120)
        assert describing.ui.statusLabel.text.startswith("Prediction finished.")

    return press


@pytest.mark.slow
def test_a_worker_describes_the_nodule_and_the_panel_shows_it(
    describing, predict, screenshot, scene
):
    ui = describing.ui
    assert not ui.descriptionFrame.visible
    predict()  # by a worker of its own, as in Slicer
    assert ui.descriptionFrame.visible
    before, mm, after = re.split(r"(\d+) mm", ui.descriptionLabel.text)
    assert before == "A descriptor for tests:\nSolid, markedly spiculated, poorly defined, "
    assert 18 <= int(mm) <= 19  # the ball's diameter, to the outer edges of its voxels
    assert after == "; suspicion 4 of 5 (readers' spread 0.7)."
    rows = {name: row for name, *row in texts(ui.descriptionTable)}
    assert rows["malignancy"] == ["4 of 5: moderately suspicious", "4 to 4", "0.7"]
    assert rows["subtlety"][0] == "not rated"
    assert "no pathology" in ui.descriptionNotes.text
    assert "Set ratings: they mean nothing." in ui.descriptionNotes.text
    assert "By its volume alone, the suspicion would be 3.0." in ui.descriptionNotes.text
    assert "volume alone 0.910 (0.870 to 0.950)" in ui.descriptionNotes.text
    assert not ui.descriptionOutdatedLabel.visible
    assert not ui.resultFrame.visible
    assert ui.reportFrame.enabled
    assert not ui.saveTableButton.enabled
    report = (
        describing.prediction.files.runs(describing.context.state.ct)[0].files.results
        / "report.html"
    )
    assert "markedly spiculated" in report.read_text(encoding="utf-8")
    screenshot(ui.predictionSection, "description")


def test_it_stands_beside_predictions_and_there_is_one(
    describing, working_here, predict, scene, wait_until
):
    choose(describing, "*")
    wait_until(lambda: at_rest(describing))
    for _ in range(2):
        predict()
        assert describing.ui.descriptionFrame.visible
        assert describing.ui.resultFrame.visible
        assert len(describing.result.stored) == 1
        assert scene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 2
        assert scene.GetNumberOfNodesByClass("vtkMRMLTextNode") == 2
    assert describing.ui.saveTableButton.enabled


def test_a_description_of_another_outline_is_called_out_of_date(
    describing, working_here, predict, scene, drawn, wait_until
):
    import LungSquadLib.mrml as lsm

    from ..samples import ball_images

    predict()
    label = describing.ui.descriptionOutdatedLabel
    assert not label.visible
    describing.context.state.centre = "0 40 150"  # the crop moves, and the tumour stays
    wait_until(lambda: at_rest(describing))
    assert not label.visible
    other = lsm.add_segmentation(scene, drawn[0], name="Others")
    describing.tumour.choose(other, lsm.add_segment(other, ball_images(radius=6.0)[1]))
    wait_until(lambda: not describing.ui.descriptionFrame.visible)  # it is of the first tumour
    describing.tumour.choose(*drawn[1:])
    wait_until(lambda: describing.ui.descriptionFrame.visible and at_rest(describing))
    assert not label.visible
    halve_segment(*drawn[1:])
    wait_until(lambda: label.visible)
    assert "Predict again" in label.text


@pytest.mark.parametrize("how", ["ct", "deleted ct", "scene", "table"])
def test_another_patient_never_has_it(
    how, describing, working_here, predict, scene, drawn, wait_until
):
    import LungSquadLib.mrml as lsm

    from ..samples import ball_images

    predict()
    if how == "ct":
        other = lsm.add_volume(scene, ball_images()[0], name="Second CT")
        describing.ui.ctSelector.setCurrentNode(other)
    elif how == "deleted ct":
        scene.RemoveNode(drawn[0])
    elif how == "scene":
        scene.Clear(0)
    else:
        scene.RemoveNode(describing.ui.descriptionTable.mrmlTableNode())
    wait_until(lambda: at_rest(describing))
    assert not describing.ui.descriptionFrame.visible
    assert describing.ui.descriptionTable.mrmlTableNode() is None
    assert not describing.ui.reportFrame.enabled


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ('"sentence": "', '"sentence": 3, "x": "'),
        ('"rounded": 4', '"rounded_": 4'),
        ('"readers_sd": 0.7', '"readers_sd": "much"'),
        ("[{", "[3, {"),
        ("}]", "}"),
    ],
)
def test_a_broken_record_of_a_scene_is_not_shown(
    text, instead, describing, working_here, predict, scene, wait_until
):
    predict()
    (record,) = [
        scene.GetNthNodeByClass(number, "vtkMRMLTextNode")
        for number in range(scene.GetNumberOfNodesByClass("vtkMRMLTextNode"))
    ]
    assert text in record.GetText()
    record.SetText(record.GetText().replace(text, instead))
    describing.refresh()
    wait_until(lambda: at_rest(describing))
    assert not describing.ui.descriptionFrame.visible
