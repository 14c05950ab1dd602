"""Adding a training is four files: those of the documentation train, stop, resume and export."""

import csv
import importlib
import json
import re
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from LungSquadLib.errors import CancelledError, InputError
from LungSquadLib.training.checkpoint import read_checkpoint
from Testing.ball_cohort import ball_store
from Testing.unit.test_training_run import StopAt

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]
PAGE = Path(__file__).parents[2] / "Docs" / "AddATraining.md"
FILES = ("options.py", "data.py", "task.py", "experiment.py")
SHORT = {"size": 16, "width": 4, "epochs": 12, "batch": 2, "learning_rate": 0.02}


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The page's files, word for word, as a package."""
    folder = tmp_path_factory.mktemp("packages") / "segmentation_example"
    folder.mkdir()
    (folder / "__init__.py").touch()
    blocks = re.findall(r"^## (\S+\.py)\n.*?^```python\n(.*?)^```$", PAGE.read_text(), re.S | re.M)
    assert tuple(name for name, _ in blocks) == FILES
    for name, code in blocks:
        (folder / name).write_text(code, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder.parent))
        yield folder.name
        for name in [name for name in sys.modules if name.startswith(folder.name)]:
            del sys.modules[name]


@pytest.fixture(scope="module")
def train(package):
    experiment = importlib.import_module(f"{package}.experiment")
    options = importlib.import_module(f"{package}.options").SegmentationOptions

    def trained(store, folder, progress=None, **changed):
        experiment.train_segmentation(store, folder, options(**SHORT | changed), progress=progress)

    return trained


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return ball_store(tmp_path_factory.mktemp("balls"), 16).folder


@pytest.fixture(scope="module")
def finished(train, store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    train(store, folder)
    return folder


def log(folder):
    with (folder / "fits" / "final" / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_example_learns_the_masks_of_held_out_patients(finished):
    losses = [float(row["loss"]) for row in log(finished)]
    assert len(losses) == SHORT["epochs"]
    assert losses[-1] < losses[0] - 0.2
    weights, facts = read_checkpoint(finished / "model.safetensors")
    assert facts["test dice"] > 0.6
    assert weights["last.weight"].shape[1] == SHORT["width"]


def test_the_run_has_its_folder_split_and_log_from_the_design(finished):
    run = json.loads((finished / "run.json").read_text())
    assert run["run"]["options"]["learning_rate"] == SHORT["learning_rate"]
    with (finished / "splits.csv").open(newline="") as file:
        parts = [row["part"] for row in csv.DictReader(file)]
    assert {part: parts.count(part) for part in set(parts)} == {
        "train": 12,
        "validation": 2,
        "test": 2,
    }
    (fit,) = (finished / "fits").iterdir()
    assert {"log.csv", "weights.safetensors"} <= {path.name for path in fit.iterdir()}
    assert not (fit / "checkpoint").exists()


@pytest.mark.parametrize("stop", [1, 9])
def test_a_stopped_example_resumes_to_the_same_bytes(train, store, finished, tmp_path, stop):
    with pytest.raises(CancelledError):
        train(store, tmp_path / "run", progress=StopAt(stop))
    assert not (tmp_path / "run" / "model.safetensors").exists()
    train(store, tmp_path / "run")
    for name in ("model.safetensors", "splits.csv", "run.json", "fits/final/log.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (finished / name).read_bytes(), name


def test_what_cannot_be_trained_is_refused_before_anything_is_written(
    train, store, finished, tmp_path
):
    for changed, sentence in {
        "size": ({"size": 30}, "--size must be a multiple of 4"),
        "range": ({"learning_rate": 0.0}, "--learning-rate must be above 0"),
        "store": ({"size": 64}, "build it with a larger size"),
    }.values():
        with pytest.raises(InputError, match=sentence):
            train(store, tmp_path / "run", **changed)
        assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match="another width"):
        train(store, finished, width=2)
