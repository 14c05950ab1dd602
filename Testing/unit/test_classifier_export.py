"""What a run starts from and what its model says: of which cases, and by hand."""

import csv
import json
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from LungSquadLib.files import sha256_of_file
from LungSquadLib.models.file import read_model_file
from LungSquadLib.models.keras_import import import_keras
from LungSquadLib.pipeline.evaluate_run import evaluate_run
from LungSquadLib.training.augment import Augmentation
from LungSquadLib.training.classifier.data import set_up
from LungSquadLib.training.classifier.experiment import train_classifier
from LungSquadLib.training.classifier.options import ClassifierOptions
from LungSquadLib.training.loop import TensorBoard
from Testing.ball_cohort import ball_store
from Testing.samples import write_model

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]
COUNT = 24
KERAS = "oracle/keras122_random_weights.h5"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("balls")
    ball_store(folder, COUNT)
    write_model(folder / "start.safetensors")
    return folder


@pytest.fixture(scope="module")
def transfer(place):
    """A head on the frozen trunk of random weights, one split twice over."""
    return ClassifierOptions(
        "histology",
        init=str(place / "start.safetensors"),
        freeze="trunk",
        folds=1,
        seeds=2,
        size=32,
        hidden=(8,),
        views=2,
        augmentation=Augmentation(shift_mm=3),
        epochs=6,
        batch=6,
        learning_rate=0.02,
    )


@pytest.fixture(scope="module")
def finished(place, transfer):
    return train_classifier(place / "store", place / "run", transfer)


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def relabelled(store, out, label):
    """A copy of a store in which `label(case)` is the histology of each case."""
    shutil.copytree(store, out)
    index = json.loads((out / "index.json").read_text())
    for case in index["cases"]:
        case["columns"]["histology"] = label(case)
    (out / "index.json").write_text(json.dumps(index))
    return out


def test_the_cards_numbers_are_means_over_seeds_of_all_held_out_patients(finished):
    card = read_model_file(finished.folder / "model.safetensors").card
    rows = [row for row in rows_of(finished.folder / "predictions.csv") if row["part"] == "test"]
    by_seed = [[row for row in rows if row["seed"] == seed] for seed in ("0", "1")]
    truth = [[row["histology"] == "LUSC" for row in some] for some in by_seed]

    def mean(column, statistic):
        return np.mean(
            [
                statistic(y, np.array([float(row[column]) for row in some]))
                for y, some in zip(truth, by_seed, strict=True)
            ]
        )

    assert card.metrics["AUC"].value == pytest.approx(mean("score", roc_auc_score))
    assert card.baseline.metrics["AUC"].value == pytest.approx(mean("volume", roc_auc_score))
    brier = mean("score", lambda y, p: np.mean((p - y) ** 2))
    assert card.metrics["Brier"].value == pytest.approx(brier)
    right = np.mean([row["histology"] == row["predicted"] for row in rows])
    assert card.metrics["accuracy"].value == pytest.approx(right)
    assert card.metrics["AUC"].n == len({row["patient"] for row in rows})


def test_the_test_parts_labels_change_neither_weights_nor_temperature(
    tmp_path, place, transfer, finished
):
    setup = finished.setup
    split = tmp_path / "split.csv"
    parts = [(name, part) for part, names in setup.splits[0, 0].parts.items() for name in names]
    split.write_text("\n".join(["case,part", *(f"{name},{part}" for name, part in parts)]))
    tested = setup.splits[0, 0].test

    def other(case):
        label = case["columns"]["histology"]
        return label if case["case"] not in tested else {"LUAD": "LUSC", "LUSC": "LUAD"}[label]

    options = replace(transfer, split=str(split), seeds=1)
    models = []
    for name, label in (("kept", lambda case: case["columns"]["histology"]), ("dealt", other)):
        store = relabelled(place / "store", tmp_path / name, label)
        run = train_classifier(store, tmp_path / f"run-{name}", options)
        models.append(read_model_file(run.folder / "model.safetensors"))
    kept, dealt = models
    assert kept.card.metrics["AUC"] != dealt.card.metrics["AUC"]
    assert kept.card.temperature == dealt.card.temperature
    for name, value in kept.weights.items():
        assert np.array_equal(value, dealt.weights[name]), name


def test_three_classes_are_trained_evaluated_and_have_no_auc(tmp_path, place, transfer):
    store = relabelled(
        place / "store", tmp_path / "store", lambda case: "ABC"[int(case["case"][1:]) % 3]
    )
    options = replace(transfer, seeds=1, folds=2)
    finished = train_classifier(store, tmp_path / "run", options)
    card = read_model_file(finished.folder / "model.safetensors").card
    assert [one.name for one in card.classes] == ["A", "B", "C"]
    assert set(card.metrics) == {"accuracy"}
    assert card.baseline.metrics == {}
    rows = [row for row in rows_of(finished.folder / "predictions.csv") if row["part"] == "test"]
    assert len(rows) == COUNT
    for row in rows:
        shares = {name: float(row[f"p_{name}"]) for name in "ABC"}
        assert sum(shares.values()) == pytest.approx(1)
        assert max(shares, key=shares.get) == row["predicted"]
    evaluate_run(finished)
    assert (finished.folder / "evaluation" / "index.html").exists()


def test_keras_weights_are_a_start(tmp_path, place, transfer, shared_data):
    keras = shared_data / KERAS
    setup = set_up(place / "store", replace(transfer, init=str(keras)))
    theirs = import_keras(keras)[0].trunk.state_dict()
    for name, value in setup.initial_network(0).trunk.state_dict().items():
        assert torch.equal(value, theirs[name]), name
    spec = setup.spec
    assert (spec.size, spec.hu_low, spec.hu_high, spec.clip) == (32, -1024.0, 3071.0, True)
    assert setup.start.sha256 == sha256_of_file(keras)


def test_a_model_says_what_it_started_from(place, finished):
    card = read_model_file(finished.folder / "model.safetensors").card
    assert card.training.started_from == sha256_of_file(place / "start.safetensors")


def scalars(folder):
    """What TensorBoard shows of a folder: {name: [(epoch, value)]}."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder)).Reload()
    return {
        name: [(one.step, one.value) for one in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }


def test_tensorboard_shows_the_log(finished):
    pytest.importorskip("tensorboard")
    place = finished.folder / "fits" / "seed0-fold0"
    log, shown = rows_of(place / "log.csv"), scalars(place)
    assert set(shown) == {name.replace(" ", "/") for name in log[0]} - {"epoch"}
    for name, values in shown.items():
        expected = [float(row[name.replace("/", " ")]) for row in log]
        assert [epoch for epoch, _ in values] == [int(row["epoch"]) for row in log]
        assert [value for _, value in values] == pytest.approx(expected, rel=1e-6)


def test_epochs_that_are_trained_again_are_shown_once(tmp_path):
    pytest.importorskip("tensorboard")
    first, again = TensorBoard(tmp_path), TensorBoard(tmp_path)
    for epoch in (1, 2, 3):
        first.epoch(epoch, {"loss": 1.0})
    (file,) = tmp_path.iterdir()
    file.rename(file.with_name("events.out.tfevents.1"))  # of long ago: they are read in order
    for epoch in (2, 3, 4):
        again.epoch(epoch, {"loss": 0.5})
    assert scalars(tmp_path)["loss"] == [(1, 1.0), (2, 0.5), (3, 0.5), (4, 0.5)]


def test_without_tensorboard_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard.summary.writer.record_writer", None)
    TensorBoard(tmp_path).epoch(1, {"loss": 1.0})
    assert list(tmp_path.iterdir()) == []


def test_a_head_alone_is_trained_by_one_thread(tmp_path, place, transfer):
    torch.set_num_threads(2)
    train_classifier(place / "store", tmp_path / "run", replace(transfer, seeds=1))
    torch.set_num_threads(1)
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["threads"] == {"each": 1, "final": 1, "export": 2}
