"""Image, molecules and both: features made as in training, answers side by side, one report."""

import csv
import json
import re
from html import unescape

import numpy as np
import pytest
import SimpleITK as sitk

torch = pytest.importorskip("torch")

from LungSquadLib.cli import main
from LungSquadLib.data.build import build_cohort
from LungSquadLib.data.store import Preprocessing, open_store
from LungSquadLib.data.tables.image import mask_features
from LungSquadLib.imaging.ct import open_ct
from LungSquadLib.imaging.mask_files import read_mask
from LungSquadLib.inference.profile import _features, predict_multimodal
from LungSquadLib.models import catalogue
from LungSquadLib.models.card import ClassLabel
from LungSquadLib.models.inputs import Cube, Source
from LungSquadLib.pipeline.sources import network_features
from LungSquadLib.report.molecular import questions
from LungSquadLib.report.render import rendered

from ..samples import ball_images, write_model
from ..table_models import autoencoder, integrator, profile

CLASSES = (ClassLabel("LUSC", "squamous cell carcinoma"), ClassLabel("LUAD", "adenocarcinoma"))


def write_profile(path, of):
    path.write_text("gene,Hans M\n" + "".join(f"{g},{v!r}\n" for g, v in of.genes.items()))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A patient's files, and a model of images whose positive class is the integrators' other."""
    folder = tmp_path_factory.mktemp("patient")
    for image, name in zip(ball_images(), ("ct", "mask"), strict=True):
        sitk.WriteImage(image, str(folder / f"{name}.nrrd"))
    (folder / "manifest.csv").write_text("ct,mask,patient_id\nct.nrrd,mask.nrrd,P1\n")
    write_profile(folder / "p.csv", profile())
    write_model(folder / "image.safetensors", task="histology", classes=CLASSES)
    return folder


@pytest.fixture(scope="module")
def of_images(folder):
    return catalogue.read_model(folder / "image.safetensors")


@pytest.fixture(scope="module")
def patient(folder):
    ct = open_ct(folder / "ct.nrrd")
    return ct, read_mask(folder / "mask.nrrd", ct)


@pytest.fixture(scope="module")
def store(folder):
    """The patient as a cohort has it."""
    build_cohort(folder / "manifest.csv", folder / "store", preprocessing=Preprocessing())
    return open_store(folder / "store")


@pytest.fixture(scope="module")
def of_network(of_images):
    count = of_images.network.feature_count
    columns = tuple(f"feature {number}" for number in range(count, 0, -1))  # a card has any order
    return Source("image", "image", columns, "features", of_images.sha256)


@pytest.fixture(scope="module")
def joint(folder, of_network):
    return integrator(folder / "joint.safetensors", of_network, branch=4)


@pytest.fixture(scope="module")
def groups(folder):
    return autoencoder(folder / "groups.safetensors")


@pytest.fixture
def nothing_installed(monkeypatch, tmp_path):
    monkeypatch.delenv(catalogue.VARIABLE, raising=False)
    monkeypatch.setattr(catalogue, "BUNDLED", tmp_path / "bundled")
    monkeypatch.setattr(catalogue, "user_folder", lambda: tmp_path / "user")
    return tmp_path


@pytest.fixture(scope="module")
def case(folder, of_images, joint, groups):
    """Everything at once, from the command line."""
    models = [part for one in (of_images, joint, groups) for part in ("--model", str(one.path))]
    files = [str(folder / name) for name in ("ct.nrrd", "mask.nrrd")]
    beside = ["--profile", str(folder / "p.csv"), "-o", str(folder / "out"), "--device", "cpu"]
    assert main(["predict", *files, *models, *beside]) == 0
    return json.loads((folder / "out" / "prediction.json").read_text())


def test_a_networks_features_are_those_that_a_store_gives(
    store, patient, of_images, of_network, nothing_installed
):
    trained_on = network_features(store, of_images)
    made = _features(of_network, patient, [of_images], "cpu", None)
    assert set(made) == set(trained_on.columns)
    for column, value in zip(trained_on.columns, trained_on.values[0], strict=True):
        assert made[column] == pytest.approx(value, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("how", [Preprocessing(), Preprocessing(16, 2, 1.5)])
def test_a_masks_features_are_those_that_its_store_gives(folder, patient, how, tmp_path):
    build_cohort(folder / "manifest.csv", tmp_path / "store", preprocessing=how)
    trained_on = mask_features(open_store(tmp_path / "store"))
    source = Source("image", "image", trained_on.columns, "as measured", cube=trained_on.cube)
    made = _features(source, patient, (), "cpu", None)
    values = np.array([made[one] for one in trained_on.columns], np.float32)
    assert values.tolist() == trained_on.values[0].tolist()


def test_features_of_unknown_crops_are_not_made(folder, patient, nothing_installed):
    source = Source("image", "image", ("volume_ml",), "as measured")
    model = integrator(folder / "unknown.safetensors", source)
    (molecular,) = predict_multimodal(model, profile(), patient, device="cpu")
    (flag,) = (flag for flag in molecular.flags if flag.code == "image_not_used")
    assert "does not say in which crops" in flag.sentence


def test_a_model_predicts_without_the_image_and_with_it(joint, patient, of_images):
    molecular, both = predict_multimodal(joint, profile(), patient, among=[of_images], device="cpu")
    assert (molecular.modality, both.modality) == ("molecular", "multimodal")
    assert molecular.probabilities != both.probabilities
    (without,) = predict_multimodal(joint, profile(), device="cpu")
    assert without.to_dict() == molecular.to_dict()


def test_the_extractor_is_found_on_this_machine(joint, patient, of_images, monkeypatch, tmp_path):
    monkeypatch.setenv(catalogue.VARIABLE, str(of_images.path.parent))
    assert len(predict_multimodal(joint, profile(), patient, device="cpu")) == 2
    monkeypatch.setenv(catalogue.VARIABLE, str(tmp_path))
    monkeypatch.setattr(catalogue, "user_folder", lambda: tmp_path)
    (molecular,) = predict_multimodal(joint, profile(), patient, device="cpu")
    (flag,) = (flag for flag in molecular.flags if flag.code == "image_not_used")
    assert of_images.sha256 in flag.sentence
    assert "not on this machine" in flag.sentence


def test_columns_that_cannot_be_computed_are_reported(folder, patient, nothing_installed):
    source = Source("image", "image", ("volume_ml", "beauty"), "as measured", cube=Cube(64, 1.0))
    model = integrator(folder / "beauty.safetensors", source)
    (molecular,) = predict_multimodal(model, profile(), patient, device="cpu")
    (flag,) = (flag for flag in molecular.flags if flag.code == "image_not_used")
    assert "1 columns" in flag.sentence


def test_predictions_for_one_question_are_compared_for_one_class(case):
    histology, stage = questions(case)
    assert [one.modality for one in histology.predictions] == ["image", "molecular", "multimodal"]
    assert [one.modality for one in stage.predictions] == ["molecular"]
    image, molecules, _ = histology.predictions
    assert histology.class_name == "adenocarcinoma"  # the positive class of the first
    assert image.probability == case["predictions"][0]["probabilities"]["LUAD"]
    answer = case["molecular"][0]
    assert answer["positive_class"] == "LUAD"
    assert molecules.low == answer["interval"]["low"]
    assert molecules.metric == "auc 0.900 (0.800 to 0.950), n = 60"


def entry(task="histology", *, positive="A", p=0.8, codes=("A", "B"), made="molecular"):
    """A prediction, as far as `questions` looks."""
    probabilities = {code: (1 - p) / (len(codes) - 1) for code in codes} | {codes[0]: p}
    return {
        "task": task,
        "question": "?",
        "predicted_class": max(probabilities, key=probabilities.get),
        "classes": [{"code": code, "name": f"name {code}"} for code in codes],
        "probabilities": probabilities,
        "positive_class": positive,
        "interval": {"low": 0.7, "high": 0.9},
        "out_of_distribution": None,
        "model": {"title": f"of {made}", "name": "m", "metrics": {}},
        **({} if made == "image" else {"modality": made}),
    }


def test_another_positive_class_is_turned_round_where_there_are_two():
    image = entry(made="image")
    other = entry(positive="B", p=0.2)
    (question,) = questions({"predictions": [image], "molecular": [other]})
    turned = question.predictions[1]
    assert (turned.probability, turned.low) == (0.2, pytest.approx(0.1))
    assert turned.high == pytest.approx(0.3)
    three = [entry(codes="ABC", made="image"), entry(codes="ABC", positive="C")]
    (question,) = questions({"predictions": three[:1], "molecular": three[1:]})
    assert question.predictions[1].interval == "not known"


def test_disagreement_between_predictions_is_reported():
    image, agrees, differs = (
        entry(made="image"),
        entry(p=0.6),
        entry(p=0.3, made="multimodal"),
    )
    (same,) = questions({"predictions": [image], "molecular": [agrees]})
    assert same.disagreement == ""
    (question,) = questions({"predictions": [image], "molecular": [agrees, differs]})
    assert "name A: of image (image), of molecular (molecular)" in question.disagreement
    assert "name B: of multimodal (multimodal)" in question.disagreement


def test_other_classes_or_another_task_are_another_question():
    image = entry(made="image")
    others = [entry(codes=("A", "C")), entry(task="t_stage")]
    found = questions({"predictions": [image], "molecular": others})
    assert [len(one.predictions) for one in found] == [1, 1]
    assert questions({"predictions": [image]}) == []


def test_the_report_shows_all_and_names_nobody(case, folder):
    page = unescape((folder / "out" / "report.html").read_text())
    assert "Molecules and images" in page
    assert case["profile"]["sha256"] in page
    assert "Check that it is of the patient" in page
    for one in case["molecular"]:
        assert one["contributions"][0]["column"] in page
        assert one["interval"]["explanation"] in page
    for flag in case["flags"]:
        assert flag["sentence"] in page
    everything = page + json.dumps(case)
    for secret in ("Hans", "p.csv", str(folder)):
        assert secret not in everything
    titles = re.findall(r"<h2>Model: ", page)
    assert len(titles) == 3  # the integrator once, though it answers twice


def test_the_report_is_made_again_as_it_was(case, folder):
    def undated(page):
        return re.sub(r"Made [^<]* by", "", page)

    page = (folder / "out" / "report.html").read_text()
    assert undated(rendered(folder / "out")) == undated(page)


def test_a_profile_alone_gives_json_and_a_report(folder, joint, groups, tmp_path, capsys):
    out = tmp_path / "out"
    asked = ["--profile", str(folder / "p.csv"), "--model", str(joint.path)]
    assert main(["predict", *asked, "--model", str(groups.path), "-o", str(out)]) == 0
    said = capsys.readouterr().out
    assert "Random weights: it means nothing." in said
    assert "largest contributions to Sample integrator (molecular): " in said
    described = json.loads((out / "prediction.json").read_text())
    assert described["predictions"] == []
    assert [one["modality"] for one in described["molecular"]] == ["molecular"] * 2
    assert {path.name for path in out.iterdir()} == {"prediction.json", "report.html"}
    assert main(["report", str(out)]) == 0
    page = (out / "report.html").read_text()
    assert "T stage" in page
    assert "Hans" not in page + json.dumps(described)


REFUSED = {
    "neither": (["--model", "M"], "Give CT and MASK, or --profile"),
    "half a case": (["CT", "--profile", "P", "--model", "M"], "Give CT and MASK, or --profile"),
    "no profile": (["CT", "MASK", "--model", "M"], "needs an expression profile"),
    "for nobody": (["CT", "MASK", "--profile", "P", "--model", "I"], "None of the models takes"),
    "no image": (["--profile", "P", "--model", "I"], "takes images: give a CT and a mask"),
    "a choice": (["--profile", "P", "--model", "M", "--label", "1"], "are about a CT"),
    "over itself": (["--profile", "OUT", "--model", "M"], "is an input or another output"),
}


@pytest.mark.parametrize("how", REFUSED)
def test_inconsistent_inputs_are_refused_and_leave_nothing(
    how, folder, joint, of_images, tmp_path, capsys
):
    given, says = REFUSED[how]
    own = tmp_path / "out" / "prediction.json"
    own.parent.mkdir()
    own.write_bytes((folder / "p.csv").read_bytes())
    files = {"CT": "ct.nrrd", "MASK": "mask.nrrd", "P": "p.csv"}
    words = {word: str(folder / name) for word, name in files.items()}
    words |= {"M": str(joint.path), "I": str(of_images.path), "OUT": str(own)}
    out = ["-o", str(tmp_path / "out"), "--device", "cpu"]
    assert main(["predict", *[words.get(one, one) for one in given], *out]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "prediction.json"]
    assert own.read_bytes() == (folder / "p.csv").read_bytes()


@pytest.mark.slow
def test_a_batch_asks_about_the_profiles_that_there_are(folder, of_images, joint, tmp_path, capsys):
    write_profile(folder / "few.csv", profile(known=9))
    (folder / "Hans.csv").write_text("EGFR,Hans\nHans,Hans\n")
    rows = [f"{name},ct.nrrd,mask.nrrd,{name and name + '.csv'}" for name in ("p", "few", "Hans")]
    rows = [row.replace("Hans,", "wrong,", 1) for row in rows]
    manifest = folder / "batch.csv"
    manifest.write_text(
        "\n".join(["case,ct,mask,profile", *rows, "alone,ct.nrrd,mask.nrrd,"]) + "\n"
    )
    models = ["--model", str(of_images.path), "--model", str(joint.path)]
    arguments = ["batch", str(manifest), "-o", str(tmp_path / "out"), "--device", "cpu"]
    assert main([*arguments, *models]) == 0
    results = (tmp_path / "out" / "results.csv").read_text()
    found = [(row["case"], row["modality"]) for row in csv.DictReader(results.splitlines())]
    assert found == [("p", "image"), ("p", "molecular"), ("p", "multimodal"), ("alone", "image")]
    page = (tmp_path / "out" / "index.html").read_text()
    assert [f"({made})</h2>" in page for made in ("molecular", "multimodal")] == [True, True]
    errors = (tmp_path / "out" / "errors.csv").read_text()
    assert "lacks 31 of the 40 genes" in errors
    assert "The profile 'a file of PROFILE' cannot be used: line 2 holds a text" in errors
    assert "Hans" not in errors
    manifest.write_text("\n".join(["case,ct,mask,profile", rows[0], "alone,ct.nrrd,mask.nrrd,"]))
    write_profile(folder / "p.csv", profile(seed=8))
    assert main([*arguments, *models]) == 0
    assert "1 done, 1 finished before" in capsys.readouterr().out
    write_profile(folder / "p.csv", profile())
    assert main([*arguments, *models[:2]]) == 2
    assert "none of the models takes one" in capsys.readouterr().err
