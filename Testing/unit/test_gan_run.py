"""A run of the progressive GAN: from a set of slices to a model, the same bytes after any stop."""

import csv
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from LungSquadLib.cli import main
from LungSquadLib.data.overlap import seen
from LungSquadLib.data.slice_set import Slicing
from LungSquadLib.errors import CancelledError, InputError
from LungSquadLib.inference.generator import sample
from LungSquadLib.models.file import read_model_file
from LungSquadLib.training.gan.experiment import set_up, train_gan
from LungSquadLib.training.gan.options import GanOptions
from Testing.slice_samples import disc_set
from Testing.unit.test_gan import StopAt

pytestmark = pytest.mark.usefixtures("one_thread")

OPTIONS = GanOptions(preset="tiny", phase=32, label="histology")


@pytest.fixture(scope="module")
def slices(tmp_path_factory):
    return disc_set(tmp_path_factory.mktemp("slices"), 12)


@pytest.fixture(scope="module")
def run(slices, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gan") / "run"
    train_gan(slices.folder, folder, OPTIONS)
    return folder


def test_the_run_ends_in_a_generator_that_says_what_it_has_seen(slices, run):
    model = read_model_file(run / "model.safetensors")
    card = model.card
    assert (card.kind, card.task) == ("generator", "generation")
    assert [label.code for label in card.classes] == ["LUAD", "LUSC"]
    assert (card.image.size, card.image.spacing) == (16, 4.0)
    assert (card.image.hu_low, card.image.hu_high) == (-1350, 150)
    fold = set_up(slices, OPTIONS).fold
    assert not set(fold.train) & {*fold.validation, *fold.test}
    assert card.training.patients == len(fold.train) == 10
    known = [case for case in slices.cases if case.case not in fold.test]
    assert card.training.seen == seen(known)
    made = sample(model, 3, label="LUSC")
    assert made.hu.shape == made.mask.shape == (3, 16, 16)


def test_a_fold_that_the_data_come_with_is_kept_out(slices):
    ages = {case.case: case.columns["age"] for case in slices.cases}
    options = GanOptions(preset="tiny", held_out=0.4, fold_column="age", test_fold="57")
    fold = set_up(slices, options).fold
    assert [ages[name] for name in fold.test] == ["57"]
    assert len(fold.validation) == 2  # a fifth of the other eleven patients
    assert sorted([*fold.train, *fold.validation, *fold.test]) == sorted(ages)


def test_a_run_with_noise_ends_in_a_generator_with_noise(slices, tmp_path):
    options = GanOptions(preset="tiny", phase=8, noise=True, loss="logistic", penalty_interval=2)
    train_gan(slices.folder, tmp_path / "run", options)
    model = read_model_file(tmp_path / "run" / "model.safetensors")
    assert model.card.network.arguments["noise"] is True
    assert any(weights.any() for name, weights in model.weights.items() if "strength" in name)
    assert sample(model, 2).hu.std() > 0


def test_the_weights_are_those_of_the_running_average(run):
    from LungSquadLib.training.experiment import read_fit

    average, _ = read_fit(run / "fits" / "final")
    weights = read_model_file(run / "model.safetensors").weights
    assert all(np.array_equal(weights[name], value.numpy()) for name, value in average.items())


def test_the_run_is_told_and_shown(run):
    rows = list(csv.DictReader((run / "fits" / "final" / "log.csv").open()))
    assert [float(row["resolution"]) for row in rows] == [4, 8, 8, 16, 16]
    assert [float(row["images"]) for row in rows] == [32, 64, 96, 128, 160]
    assert {"gap", "overfit", "p_augment", "s per 1000", "memory MB"} <= set(rows[0])
    assert len(list((run / "fits" / "final" / "samples").glob("*.png"))) == 5
    assert json.loads((run / "run.json").read_text())["run"]["options"]["preset"] == "tiny"


@pytest.mark.parametrize("number", [3, 8])
def test_a_stopped_run_goes_on_to_the_same_bytes(slices, run, tmp_path, number):
    folder = tmp_path / "run"
    with pytest.raises(CancelledError):
        train_gan(slices.folder, folder, OPTIONS, progress=StopAt(number))
    assert not (folder / "model.safetensors").exists()
    train_gan(slices.folder, folder, OPTIONS)
    model = "model.safetensors"
    assert (folder / model).read_bytes() == (run / model).read_bytes()


def test_another_seed_gives_another_model(slices, run, tmp_path):
    train_gan(slices.folder, tmp_path / "run", GanOptions("tiny", "histology", 32, seed=1))
    first, second = (
        read_model_file(folder / "model.safetensors").weights for folder in (run, tmp_path / "run")
    )
    assert any(not np.array_equal(first[name], second[name]) for name in first)


def test_the_command_line_trains_without_conditions(slices, tmp_path, capsys):
    out = tmp_path / "run"
    call = f"train gan {slices.folder} -o {out} --preset tiny --phase 8 --device cpu --name discs"
    assert main([*call.split(), "--notice", "Discs."]) == 0
    assert capsys.readouterr().out.strip() == str(out / "model.safetensors")
    card = read_model_file(out / "model.safetensors").card
    assert (card.name, card.classes, card.notice) == ("discs", (), "Discs.")


def test_no_identity_of_the_input_is_in_the_run(slices, run):
    told = b"".join(path.read_bytes() for path in run.rglob("*") if path.is_file())
    assert str(slices.folder).encode() not in told


WRONG = {
    "no slices": ("{here}", "", "is no set of slices"),
    "no such column": ("{slices}", "--label stage", "no column 'stage'; they have histology, age"),
    "nobody held out": (
        "{slices}",
        "--held-out 0",
        "--held-out must be above 0 and below 1, not 0",
    ),
    "a fold of no column": ("{slices}", "--fold-column fold --test-fold 3", "no column 'fold'"),
    "no such fold": ("{slices}", "--fold-column age --test-fold 3", "There is no fold '3'"),
    "a column without a fold": ("{slices}", "--fold-column age", "go together: give both"),
    "two patients": ("{few}", "", "There are 2 patients, and three are needed"),
    "small images": ("{small}", "", "Slices of fewer than 8 pixels a side are no images"),
    "no rate": ("{slices}", "--learning-rate nan", "--learning-rate must be above 0"),
    "no images": ("{slices}", "--phase 0", "--phase must be 4 to 1000000000, not 0"),
    "no preset": ("{slices}", "--preset huge", "invalid choice: 'huge'"),
    "no seed": ("{slices}", "--seed -1", "seed must be 0 to"),
    "no name": ("{slices}", "--name ../x", "'name' must be"),
    "another run": ("{slices}", "--seed 5 -o {run}", "holds a training with another"),
    "something else": ("{slices}", "-o {small}", "holds no training and is not empty"),
    "a file": ("{slices}", "-o {file}", "is a file, so nothing can be written into it"),
}


@pytest.mark.parametrize(("source", "options", "sentence"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_trained_is_refused_in_a_sentence(
    slices, run, tmp_path, capsys, source, options, sentence
):
    disc_set(tmp_path / "few", 2)
    disc_set(tmp_path / "small", 4, slicing=Slicing(4))
    (tmp_path / "file").write_text("x")
    before = sorted(tmp_path.rglob("*"))
    places = {"slices": slices.folder, "here": tmp_path, "run": run}
    places |= {name: tmp_path / name for name in ("few", "small", "file")}
    call = f"train gan {source} --preset tiny -o {tmp_path / 'out'} {options}".format(**places)
    assert main(call.split()) == 2
    said = capsys.readouterr().err.strip()
    assert sentence in said
    assert len(said.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_damaged_checkpoint_is_said(slices, tmp_path):
    with pytest.raises(CancelledError):
        train_gan(slices.folder, tmp_path / "run", OPTIONS, progress=StopAt(8))
    path = tmp_path / "run" / "fits" / "final" / "checkpoint"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="is damaged"):
        train_gan(slices.folder, tmp_path / "run", OPTIONS)
