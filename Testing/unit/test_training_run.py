"""A run: whatever stops it, and however its work is shared, the same model comes out."""

import csv
import json
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.distance import mahalanobis

import LungSquadLib
from LungSquadLib.cli import main
from LungSquadLib.data.build import build_cohort
from LungSquadLib.data.store import Preprocessing, open_store
from LungSquadLib.errors import CancelledError, InputError
from LungSquadLib.imaging.ct import as_ct
from LungSquadLib.inference.classifier import logits_and_features, predict
from LungSquadLib.models.file import read_model_file
from LungSquadLib.pipeline.evaluate_run import evaluate_run
from LungSquadLib.progress import Silent
from LungSquadLib.statistics.text import format_estimate
from LungSquadLib.training.augment import Augmentation
from LungSquadLib.training.card import CardText
from LungSquadLib.training.checkpoint import read_checkpoint
from LungSquadLib.training.classifier import fit as fitting
from LungSquadLib.training.classifier.data import set_up
from LungSquadLib.training.classifier.experiment import ClassifierExperiment, train_classifier
from LungSquadLib.training.classifier.fit import trained_network
from LungSquadLib.training.classifier.options import ClassifierOptions
from LungSquadLib.training.distributed import DistributedContext
from LungSquadLib.training.experiment import Session
from Testing import two_processes
from Testing.ball_cohort import ball_store, ball_volumes
from Testing.samples import ball_images, write_model

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]
ROOT = Path(__file__).parents[2]
RECIPE = {"epochs": 2, "batch": 6, "learning_rate": 0.02}
AUGMENTATION = Augmentation(shift_mm=3)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("balls")
    ball_store(folder, 24)
    write_model(folder / "start.safetensors")
    return folder


@pytest.fixture(scope="module")
def transfer(place):
    """Options of a small transfer: a head on the frozen trunk of random weights."""
    return ClassifierOptions(
        "histology",
        init=str(place / "start.safetensors"),
        freeze="trunk",
        folds=2,
        seeds=2,
        size=32,
        hidden=(8,),
        views=3,
        clinical=("age",),
        augmentation=AUGMENTATION,
        **(RECIPE | {"epochs": 12}),
    )


@pytest.fixture(scope="module")
def whole(transfer):
    """Options that train all of a small network."""
    return replace(
        transfer, init=None, freeze="none", width=0.05, folds=1, seeds=1, clinical=(), **RECIPE
    )


@pytest.fixture(scope="module")
def finished(place, transfer):
    return train_classifier(place / "store", place / "finished", transfer).folder


def content(folder):
    """The files of a run that must not depend on how it went, but for the logs' time stamps."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in paths
        if not path.name.startswith("events.") and path.name != "run.json"
    }


class StopAt(Silent):
    """Cancels after so many reports."""

    def __init__(self, left):
        self.left = left

    def report(self, fraction, message):
        self.left -= 1

    @property
    def cancelled(self):
        return self.left <= 0


@pytest.mark.parametrize("stop", [2, 30, 75, 110])
def test_a_cancelled_transfer_goes_on_to_the_same_bytes(tmp_path, place, transfer, finished, stop):
    with pytest.raises(CancelledError):
        train_classifier(place / "store", tmp_path / "run", transfer, progress=StopAt(stop))
    train_classifier(place / "store", tmp_path / "run", transfer)
    assert content(tmp_path / "run") == content(finished)


@pytest.mark.linux
def test_a_killed_training_of_a_whole_network_goes_on_to_the_same_bytes(tmp_path, place, whole):
    expected = train_classifier(place / "store", tmp_path / "whole", whole).folder
    call = (
        "import sys\n"
        "from Testing.unit.test_training_run import killed_run\n"
        "if __name__ == '__main__':\n"
        "    killed_run(*sys.argv[1:])\n"
    )
    folder = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", call, place / "store", folder])
    checkpoint = folder / "fits" / "seed0-fold0" / "checkpoint"
    while not checkpoint.exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (folder / "model.safetensors").exists()
    train_classifier(place / "store", folder, whole)
    assert content(folder) == content(expected)


def killed_run(store, folder):
    """Runs in a process of its own, as `whole` does, slowly enough to be killed."""
    options = ClassifierOptions(
        "histology",
        folds=1,
        seeds=1,
        size=32,
        hidden=(8,),
        width=0.05,
        views=3,
        augmentation=AUGMENTATION,
        **RECIPE,
    )
    train_classifier(store, folder, options, progress=Slow())


class Slow(Silent):
    def report(self, fraction, message):
        time.sleep(0.3)


def test_parallel_trainings_give_the_same_bytes(tmp_path, place, transfer, finished):
    train_classifier(place / "store", tmp_path / "run", transfer, jobs=2)
    assert content(tmp_path / "run") == content(finished)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


def test_two_processes_train_what_one_trains(tmp_path, place, monkeypatch):
    two_processes.main(place / "store", tmp_path / "one")
    for name, value in {
        "WORLD_SIZE": "2",
        "RANK": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": free_port(),
    }.items():
        monkeypatch.setenv(name, value)
    words = [sys.executable, "-m", "Testing.two_processes", place / "store", tmp_path / "two"]
    other = subprocess.Popen(words, cwd=ROOT)
    monkeypatch.setenv("RANK", "0")
    two_processes.main(place / "store", tmp_path / "two")
    assert other.wait() == 0
    (one, facts), (two, others) = (read_checkpoint(tmp_path / name) for name in ("one", "two"))
    assert others["loss"] == pytest.approx(facts["loss"], abs=1e-9)
    for name, value in one.items():
        assert float((value - two[name]).abs().max()) < 1e-9, name


def test_torchrun_makes_the_same_model_of_a_transfer(tmp_path, place, transfer):
    arguments = [
        "train", "classifier", place / "store", "--label", "histology", "--size", "32",
        "--init", place / "start.safetensors", "--hidden", "8", "--folds", "2", "--seeds", "1",
        "--epochs", "4", "--views", "2", "--device", "cpu", "--json", "-o", tmp_path / "two",
        "--survival", "time", "event",
    ]  # fmt: skip
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    words = [*torchrun, "-m", "LungSquadLib", *map(str, arguments)]
    subprocess.run(words, check=True, cwd=ROOT)
    options = replace(transfer, seeds=1, views=2, clinical=(), augmentation=Augmentation())
    options = replace(options, epochs=4, batch=8, learning_rate=1e-3)
    train_classifier(place / "store", tmp_path / "one", options)
    one, two = (read_model_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    for name, value in one.weights.items():
        assert np.abs(value - two.weights[name]).max() < 1e-5, name
    evaluation = json.loads((tmp_path / "two" / "evaluation" / "evaluation.json").read_text())
    assert 0 <= evaluation["survival"]["concordance"]["value"] <= 1


def test_the_model_says_what_it_is_and_predicts(finished):
    model = read_model_file(finished / "model.safetensors")
    card = model.card
    assert card.metrics["AUC"].n == 24
    assert "2-fold cross-validation, mean of 2 seeds" in card.metrics["AUC"].where
    assert card.baseline.metrics["AUC"].n == 24
    assert len(card.training.seen.patients) == len(card.training.seen.pixels) == 24
    assert card.reference.icc is not None
    prediction = predict(*ball_images(), model)
    assert sum(prediction.probabilities) == pytest.approx(1)
    assert prediction.ood is not None


def test_the_heads_scale_is_that_of_the_training_rows(tmp_path, place, transfer, monkeypatch):
    setup, seen = set_up(place / "store", transfer), []
    job = ClassifierExperiment(setup, CardText()).fits()[0]
    store = replace(setup.store, cases=setup.cases)
    features = fitting.trunk_features(setup, store, tmp_path, Silent())
    scale_of = fitting.FeatureScale.of

    def spied(values):
        seen.append(values)
        return scale_of(values)

    monkeypatch.setattr(fitting.FeatureScale, "of", spied)
    session = Session(tmp_path, DistributedContext(), Silent())
    trained = fitting.fit_model(setup, job, fitting.fit_data(setup, job, session), session)
    names = [case.case for case in setup.cases]
    training = [names.index(name) for name in job.parts.train]
    np.testing.assert_array_equal(seen[0], features[training])
    on_scale = trained.task.samples.values[training]
    np.testing.assert_allclose(on_scale.mean(axis=(0, 1)), 0, atol=1e-3)


def test_one_auc_has_one_interval_wherever_it_is_read(tmp_path, place, transfer, finished):
    shutil.copytree(finished, tmp_path / "run")
    evaluate_run(train_classifier(place / "store", tmp_path / "run", transfer))
    card, place = (
        read_model_file(finished / "model.safetensors").card,
        tmp_path / "run" / "evaluation",
    )
    written = json.loads((place / "evaluation.json").read_text(encoding="utf-8"))
    on_page, own = written["discrimination"]["auc"], card.metrics["AUC"]
    ends = ("value", "low", "high")
    assert [on_page[name] for name in ends] == pytest.approx([getattr(own, name) for name in ends])
    volume = card.baseline.metrics["AUC"]
    (of_page,) = [one for one in written["baselines"] if one["name"] == "volume"]
    if not of_page["inverted"]:
        assert of_page["auc"]["value"] == pytest.approx(volume.value)
    page = (place / "index.html").read_text(encoding="utf-8")
    assert format_estimate(own) in page


def test_the_reference_is_measured_on_cases_that_no_training_has_seen(place, transfer, finished):
    """Out of fold, by hand: each case by the fold's network that did not learn from it."""
    setup, distances = set_up(place / "store", transfer), []
    with (finished / "splits.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["seed"] == "0"]
    for job in (fit for fit in ClassifierExperiment(setup, CardText()).fits() if fit.seed == 0):
        network, _ = trained_network(setup, job, finished)
        train, test = (
            logits_and_features(
                network,
                setup.spec,
                [
                    setup.store.hu(setup.by_name[row["case"]])
                    for row in rows
                    if (int(row["fold"]), row["part"]) == (job.fold, part)
                ],
            )[1]
            for part in ("train", "test")
        )
        covariance = np.cov(train.T)
        ball = np.eye(len(covariance)) * np.trace(covariance) / len(covariance)
        inverse = np.linalg.inv(0.9 * covariance + 0.1 * ball)
        distances += [mahalanobis(one, train.mean(0), inverse) for one in test]
    model = read_model_file(finished / "model.safetensors")
    assert len(distances) == 24
    np.testing.assert_allclose(model.reference.distances, np.sort(distances), rtol=1e-3)


def test_answers_are_out_of_fold_and_beside_their_baselines(finished):
    with (finished / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    tested = [(row["seed"], row["case"]) for row in rows if row["part"] == "test"]
    assert len(tested) == len(set(tested)) == 48
    with (finished / "splits.csv").open(newline="") as file:
        parts = {
            (row["seed"], row["fold"], row["case"]): row["part"] for row in csv.DictReader(file)
        }
    assert all(parts[row["seed"], row["fold"], row["case"]] == row["part"] for row in rows)
    assert all(0 <= float(row["clinical"]) <= 1 for row in rows)


def test_features_that_are_there_are_not_made_again(tmp_path, place, transfer, finished):
    files = {path: path.stat().st_mtime_ns for path in (place / "store" / "features").iterdir()}
    train_classifier(place / "store", tmp_path / "run", replace(transfer, seeds=1))
    after = {path: path.stat().st_mtime_ns for path in (place / "store" / "features").iterdir()}
    assert files == after


def test_a_folder_of_another_run_is_left_alone(place, transfer, finished):
    before = content(finished)
    with pytest.raises(InputError, match="another dropout"):
        train_classifier(place / "store", finished, replace(transfer, dropout=0.1))
    assert content(finished) == before


def test_labels_dealt_out_at_random_are_no_better_than_chance(tmp_path, place, transfer):
    options = replace(transfer, permuted_labels=True, seeds=4, clinical=(), learning_curve=(4,))
    train_classifier(place / "store", tmp_path, options)
    with (tmp_path / "controls.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    by_kind = {
        kind: [float(row["AUC"]) for row in rows if row["kind"] == kind]
        for kind in ("main", "permuted labels", "learning curve")
    }
    assert np.mean(by_kind["main"]) > 0.75
    # A single feature tells these balls apart: each shuffled training lands on either side of it.
    assert abs(np.mean(by_kind["permuted labels"]) - 0.5) < 0.4
    assert np.std(by_kind["permuted labels"]) > np.std(by_kind["main"])
    assert {row["patients"] for row in rows if row["kind"] == "learning curve"} == {"4"}


def test_the_label_is_no_baseline_of_itself(tmp_path, place, transfer):
    with pytest.raises(InputError, match="cannot be clinical data as well"):
        train_classifier(place / "store", tmp_path, replace(transfer, clinical=("histology",)))


def test_a_column_that_is_not_there_is_named(tmp_path, place, transfer):
    for name, options in (
        ("--clinical", replace(transfer, clinical=("smoking",))),
        ("--survival", replace(transfer, survival=("smoking", "event"))),
    ):
        with pytest.raises(InputError, match=f"no column 'smoking' for {name}; it has.*'age'"):
            train_classifier(place / "store", tmp_path / "run", options)


def split_file(path, cases, *, leaked):
    """A split in which, if it is to leak, a case of one patient is in training and in test."""
    names = [case for case in cases if case != "again"]
    parts = dict(zip(names, ["train"] * 14 + ["validation"] * 4 + ["test"] * 6, strict=True))
    parts |= {"again": "test"} if leaked else {}
    lines = ["case,part", *(f"{case},{part}" for case, part in parts.items())]
    path.write_text("\n".join(lines))
    return str(path)


def test_a_leaked_split_is_refused_and_marked_where_it_is_allowed(tmp_path, place, whole):
    manifest = ball_volumes(tmp_path / "volumes", 24)
    lines = manifest.read_text().splitlines()
    lines.append(lines[1].replace("c000,", "again,"))  # the first patient a second time
    manifest.write_text("\n".join(lines))
    build_cohort(manifest, tmp_path / "store", preprocessing=Preprocessing(32, 4))
    cases = [line.split(",")[0] for line in lines[1:]]
    clean = replace(whole, split=split_file(tmp_path / "clean.csv", cases, leaked=False))
    set_up(tmp_path / "store", clean)
    leaked = replace(whole, split=split_file(tmp_path / "leaked.csv", cases, leaked=True))
    with pytest.raises(InputError, match=r"The test set shares 1 patient.*again.*--allow-overlap"):
        train_classifier(tmp_path / "store", tmp_path / "run", leaked)
    assert not (tmp_path / "run").exists()
    allowed = replace(leaked, allow_overlap=True)
    done = train_classifier(tmp_path / "store", tmp_path / "run", allowed)
    card = read_model_file(done.folder / "model.safetensors").card
    assert "shares 1 patient" in card.training.overlap_allowed
    assert "test set" in card.notice
    assert any("shares" in sentence for sentence in done.warnings)


def test_a_model_is_not_trained_on_with_patients_that_it_was_tested_on(place, finished, whole):
    again = replace(whole, init=str(finished / "model.safetensors"), freeze="none")
    with pytest.raises(InputError, match=r"The store shares 24 patients.*the model you start from"):
        train_classifier(place / "store", place / "refused", again)
    assert not (place / "refused").exists()


def test_a_model_is_tested_on_patients_that_it_has_not_seen(tmp_path, place, finished, capsys):
    model = str(finished / "model.safetensors")
    out = str(tmp_path / "out")
    assert main(["validate", model, str(place / "store"), "--label", "histology", "-o", out]) == 2
    assert "shares 24 patients" in capsys.readouterr().err
    assert not Path(out).exists()
    ball_store(tmp_path, 8, seed=9, first=100)
    store = str(tmp_path / "store")
    assert main(["validate", model, store, "--label", "histology", "-o", out, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"]["used"] == 8
    assert (tmp_path / "out" / "evaluation" / "index.html").exists()
    assert main(["validate", model, store, "--label", "age", "-o", out]) == 2
    assert "--classes" in capsys.readouterr().err


def test_runs_are_compared_on_the_same_patients(tmp_path, place, transfer, finished, capsys):
    other = replace(transfer, epochs=1)
    train_classifier(place / "store", tmp_path / "short", other)
    runs = [str(finished), str(tmp_path / "short")]
    assert main(["compare", *runs, "-o", str(tmp_path / "out")]) == 0
    assert "'short'" in capsys.readouterr().out
    found = json.loads((tmp_path / "out" / "comparison.json").read_text())
    first, second = found["points"][-1]["AUC"]
    difference = found["points"][-1]["difference_to_first"][0]
    assert difference["value"] == pytest.approx(second["value"] - first["value"])
    assert difference["low"] <= difference["value"] <= difference["high"]
    third = train_classifier(place / "store", tmp_path / "third", replace(transfer, folds=3))
    assert main(["compare", str(finished), str(third.folder)]) == 2
    assert "differ in their folds" in capsys.readouterr().err
    assert main(["compare", str(finished), str(tmp_path)]) == 2


def test_a_trained_network_is_wrapped_for_the_ct_it_was_made_of(finished, place):
    """What prediction says of a stored patient's CT is what training's own answers would be."""
    model = read_model_file(finished / "model.safetensors")
    volumes = place / "volumes"
    ct = as_ct(sitk.ReadImage(str(volumes / "ct3.nrrd")))
    prediction = predict(ct, sitk.ReadImage(str(volumes / "mask3.nrrd")), model)
    store = open_store(place / "store")
    case = next(one for one in store.cases if one.case == "c003")
    logits, _ = logits_and_features(model.network, model.card.image, [store.hu(case)])
    powers = np.exp(logits[0] / model.card.temperature)
    assert prediction.probabilities == pytest.approx(powers / powers.sum(), abs=1e-5)


def test_the_packages_example_runs(tmp_path, place, monkeypatch):
    example = LungSquadLib.__doc__.split("with an evaluation:\n")[1].split("\nFrom molecular")[0]
    assert 'freeze="trunk"' in example
    shorter = "freeze='trunk', folds=2, seeds=1, views=1, size=32, epochs=2"
    code = textwrap.dedent(example.replace('freeze="trunk"', shorter))
    shutil.copytree(place / "volumes", tmp_path / "here")
    (tmp_path / "here" / "example.py").write_text(f"import LungSquadLib as ls\n{code}")
    monkeypatch.chdir(tmp_path / "here")
    after = runpy.run_path("example.py")
    assert after["evaluation"].counts.used == 24
    assert (tmp_path / "here" / "run" / "evaluation" / "index.html").exists()
