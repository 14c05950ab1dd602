"""An expression profile in the panel: used beside the image, and never for another patient."""

from __future__ import annotations

import pytest

from .conftest import at_rest


@pytest.fixture(scope="session")
def molecular_models(tmp_path_factory):
    """A folder with a model of images and one that takes its features and expression."""
    pytest.importorskip("torch", reason="networks: torch is not installed")
    from LungSquadLib.models.card import ClassLabel
    from LungSquadLib.models.inputs import Source

    from ..samples import write_model
    from ..table_models import autoencoder, integrator

    folder = tmp_path_factory.mktemp("molecular_models")
    classes = (ClassLabel("LUAD", "adenocarcinoma"), ClassLabel("LUSC", "squamous cell carcinoma"))
    image = write_model(
        folder / "image.safetensors", task="histology", classes=classes, name="of-image"
    )
    write_model(folder / "survival.safetensors", seed=1, name="of-survival")
    columns = tuple(f"feature {n}" for n in range(1, image.network.feature_count + 1))
    source = Source("image", "image", columns, "features", image.sha256)
    integrator(folder / "both.safetensors", source, branch=4)
    autoencoder(folder / "groups.safetensors")
    return folder


@pytest.fixture
def profile_file(tmp_path):
    from ..table_models import profile

    path = tmp_path / "Hans M.csv"
    path.write_text("".join(f"{gene},{value}\n" for gene, value in profile().genes.items()))
    return path


@pytest.fixture
def molecular(panel, molecular_models, working_here, monkeypatch, wait_until):
    """The panel on the ball's CT, with those models."""
    from LungSquadLib.models import catalogue

    monkeypatch.setenv(catalogue.VARIABLE, str(molecular_models))
    panel.enter()
    wait_until(lambda: at_rest(panel))
    return panel


@pytest.fixture
def choose(molecular, monkeypatch, wait_until):
    """Choose a file as the user does."""
    import qt

    def choose(path) -> None:
        monkeypatch.setattr(qt.QFileDialog, "getOpenFileName", lambda *_: str(path))
        molecular.ui.profileButton.click()
        wait_until(lambda: at_rest(molecular))

    return choose


@pytest.fixture
def predict(molecular, wait_until):
    """Press the button and wait for the message at the end."""

    def press() -> str:
        molecular.ui.predictButton.click()
        wait_until(lambda: at_rest(molecular), 60)
        return molecular.ui.statusLabel.text

    return press


def texts(table) -> list[list[str]]:
    node = table.mrmlTableNode()
    return [
        [node.GetCellText(row, column) for column in range(node.GetNumberOfColumns())]
        for row in range(node.GetNumberOfRows())
    ]


def texts_of(node) -> list[str]:
    """The texts of a node that a scene's file keeps."""
    names = node.GetAttributeNames() or ()
    kept = [node.GetName() or "", *(node.GetAttribute(name) or "" for name in names)]
    if node.IsA("vtkMRMLTextNode"):
        kept.append(node.GetText())
    if node.IsA("vtkMRMLScriptedModuleNode"):
        kept += [node.GetParameter(name) for name in node.GetParameterNames()]
    return kept


def test_without_a_profile_the_image_alone_is_used(molecular, predict):
    ui = molecular.ui
    assert ui.profileStatus.text == "None: predictions use the image alone."
    assert ui.profileButton.enabled
    assert not ui.profileRemoveButton.enabled
    assert predict() == "Prediction finished. Read the warnings before the probabilities."
    assert not ui.molecularFrame.visible
    assert len(molecular.result.stored) == 2


def test_image_molecules_and_both_stand_side_by_side(
    molecular, choose, predict, profile_file, scene, screenshot
):
    from LungSquadLib.mrml.hierarchy import nodes_of

    choose(profile_file)
    ui = molecular.ui
    assert "Check that it belongs to this patient" in ui.profileStatus.text
    assert predict() == "Prediction finished. Read the warnings before the probabilities."
    assert ui.molecularFrame.visible
    rows = texts(ui.molecularTable)
    assert [row[0] for row in rows if row[1]] == ["image", "molecular", "multimodal", "molecular"]
    assert [row[6] for row in rows[:3]] == ["Alive at two years?"] * 3  # as the first model asks
    assert all(" to " in row[3] for row in rows[:4])
    assert "auc 0.900 (0.800 to 0.950)" in rows[1][4]
    sha256 = next(row[0] for row in rows if row[0].startswith("Profile")).rpartition(" ")[2]
    assert sha256[:12] in ui.molecularLabel.text
    assert "largest contributions GENE" in ui.molecularFlags.text
    report = (
        molecular.prediction.files.runs(molecular.context.state.ct)[0].files.results / "report.html"
    )
    assert sha256 in report.read_text()
    assert "Hans" not in report.read_text() + str(rows) + ui.molecularFlags.text
    assert not any("Hans" in text for node in nodes_of(scene) for text in texts_of(node))
    screenshot(molecular.widget, "molecules")


def test_models_of_the_chosen_question_are_used(
    molecular, choose, predict, profile_file, wait_until
):
    ui = molecular.ui
    choose(profile_file)
    ui.modelSelector.currentIndex = ui.modelSelector.findData("of-survival")
    wait_until(lambda: at_rest(molecular))
    assert "No installed model uses an expression profile for this question" in predict()
    ui.modelSelector.currentIndex = ui.modelSelector.findData("of-image")
    wait_until(lambda: at_rest(molecular))
    predict()
    assert "Sample autoencoder" not in {row[5] for row in texts(ui.molecularTable)}


@pytest.fixture
def with_predictions(molecular, choose, profile_file):
    """The panel with a profile and its predictions, without running a network."""

    def predict() -> None:
        choose(profile_file)
        case = {
            "predictions": [],
            "molecular": [],
            "notices": [],
            "profile": {"genes": 40, "sha256": "0" * 64},
        }
        molecular.profile.show_predictions(case, molecular.profile.file, molecular.context.state.ct)
        molecular.refresh()

    predict()
    return predict


@pytest.mark.parametrize("how", ["ct", "segmentation", "scene", "removed", "deleted ct", "other"])
def test_another_patient_never_has_it(
    how, molecular, with_predictions, choose, scene, drawn, wait_until, tmp_path
):
    """Neither the file nor its predictions outlive the CT and outlines that it was chosen for."""
    import LungSquadLib.mrml as lsm

    from ..samples import ball_images

    wait_until(lambda: molecular.ui.molecularFrame.visible)
    ct, mask = ball_images(radius=6.0)
    if how == "ct":
        molecular.ui.ctSelector.setCurrentNode(lsm.add_volume(scene, ct, name="Second CT"))
    elif how == "segmentation":
        other = lsm.add_segmentation(scene, drawn[0], name="Others")
        molecular.tumour.choose(other, lsm.add_segment(other, mask))
    elif how == "scene":
        scene.Clear(0)
    elif how == "removed":
        molecular.ui.profileRemoveButton.click()
    elif how == "other":
        choose(tmp_path / "other.csv")
    else:
        scene.RemoveNode(drawn[0])
    wait_until(lambda: at_rest(molecular))
    assert molecular.profile.file == (tmp_path / "other.csv" if how == "other" else None)
    assert not molecular.ui.molecularFrame.visible
    assert molecular.ui.molecularTable.mrmlTableNode() is None
    assert scene.GetFirstNodeByName("Predictions from image and expression") is None
    reported = how in ("ct", "segmentation", "deleted ct")
    assert ("Choose this patient's profile" in molecular.ui.statusLabel.text) == reported


def test_predictions_for_an_earlier_profile_are_not_shown(
    molecular, with_predictions, choose, tmp_path
):
    earlier = molecular.profile.file
    choose(tmp_path / "other.csv")
    molecular.profile.show_predictions({}, earlier, molecular.context.state.ct)
    assert not molecular.ui.molecularFrame.visible


def test_there_is_one_table_and_the_user_may_delete_it(
    molecular, with_predictions, scene, wait_until
):
    profile = molecular.profile
    profile.show_predictions(
        profile._case, profile.file, molecular.context.state.ct
    )  # predicted again
    assert scene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 1
    wait_until(lambda: molecular.ui.molecularFrame.visible)
    scene.RemoveNode(molecular.ui.molecularTable.mrmlTableNode())
    wait_until(lambda: at_rest(molecular))
    assert not molecular.ui.molecularFrame.visible


def test_a_wrong_profile_is_reported(molecular, choose, predict, tmp_path):
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("EGFR,1,2\nKRAS,3,4\nTP53,1,2\n")
    choose(wrong)
    assert "holds 2 patients" in predict()
    assert not molecular.ui.molecularFrame.visible


def test_without_a_model_for_profiles_none_can_be_chosen(panel, wait_until):
    assert panel.ui.profileStatus.text == "No installed model uses an expression profile."
    assert not panel.ui.profileButton.enabled
