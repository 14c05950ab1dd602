"""Training, testing and comparing as a careless user and a failing disk would have it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from LungSquadLib.cli import main
from LungSquadLib.data.build import build_cohort
from LungSquadLib.data.overlap import seen
from LungSquadLib.data.store import Preprocessing, open_store
from LungSquadLib.models.card import Training
from LungSquadLib.models.file import read_model_file, write_model_file
from LungSquadLib.training.augment import Augmentation
from LungSquadLib.training.classifier.experiment import train_classifier
from LungSquadLib.training.classifier.options import ClassifierOptions
from Testing.ball_cohort import ball_store
from Testing.hostile import contents, sentences
from Testing.inpainters import write_inpainter
from Testing.robustness.test_unfinished import LIMITED, run
from Testing.samples import write_model
from Testing.slice_samples import write_generator

HEAD = (
    "train classifier {store} --label histology --init {start} --size 32 --hidden 4 --folds 2 "
    "--seeds 1 --epochs 2 --views 1 --device cpu -o {out}"
)
SCRATCH = (
    "train classifier {store} --label histology --size 32 --width 0.05 --folds 2 --seeds 1 "
    "--epochs 1 --device cpu -o {out}"
)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """For bytes that are to be the same."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Stores, a model to start from, files that are none, and a finished run."""
    folder = tmp_path_factory.mktemp("training")
    store = ball_store(folder, 12).folder
    manifest = folder / "volumes" / "manifest.csv"
    build_cohort(manifest, folder / "coarse", preprocessing=Preprocessing(32, 4, 2.0))
    write_model(folder / "start.safetensors")
    write_generator(folder / "generator.safetensors")
    for name, change in PAINTERS.items():
        write_inpainter(folder / f"{name}.safetensors", **change)
    painter = read_model_file(folder / "painter.safetensors")
    for name, change in {
        "coarse": {"input": replace(painter.card.image, spacing=2.0)},
        "seen": {"training": Training("Them.", seen=seen(open_store(store).cases))},
    }.items():
        card = replace(painter.card, **change)
        write_model_file(folder / f"{name}-painter.safetensors", painter.network, card=card)
    model = (folder / "start.safetensors").read_bytes()
    (folder / "cut.safetensors").write_bytes(model[: len(model) // 2])
    (folder / "pickle.safetensors").write_bytes(b"\x80\x04cos\nmkdir\n(X\x01\0\0\0atR.")
    (folder / "none.h5").write_text("no HDF5")
    for name, change in BROKEN_STORES.items():
        shutil.copytree(store, folder / name)
        change(folder / name)
    for name, parts in SPLITS.items():
        (folder / f"{name}.csv").write_text("\n".join(["case,part", *parts.split()]) + "\n")
    train_classifier(store, folder / "finished", options(folder))
    (folder / "integrated").mkdir()
    shutil.copy(folder / "finished" / "predictions.csv", folder / "integrated")
    (folder / "integrated" / "run.json").write_text('{"run": {"training": "integration"}}')
    return folder


def options(folder: Path) -> ClassifierOptions:
    """The same as those of `HEAD`."""
    return ClassifierOptions(
        "histology",
        init=str(folder / "start.safetensors"),
        freeze="trunk",
        folds=2,
        seeds=1,
        size=32,
        hidden=(4,),
        views=1,
        augmentation=Augmentation(),
        epochs=2,
    )


def filled(command: str, place: Path, here: Path, *, store: Path | None = None) -> list[str]:
    places = {
        "p": place,
        "here": here,
        "store": store or place / "store",
        "start": place / "start.safetensors",
        "out": here / "run",
    }
    if "--split" in command:  # folds beside a split are refused
        command = command.replace("--folds 2 ", "")
    return [part.format(**places) for part in command.split()]


def edited(name: str, change):
    """A change of a JSON file of a store."""

    def edit(store: Path) -> None:
        value = json.loads((store / name).read_text())
        change(value)
        (store / name).write_text(json.dumps(value))

    return edit


def relabelled(index) -> None:
    for number, case in enumerate(index["cases"]):
        case["columns"] |= {
            "score": case["columns"]["histology"],
            "long": "xy"[number % 2] * 120,
            "lines": f"a\n{number % 2}",
            "numbers": ("1", "1.0")[number % 2],
        }


def same_patient(index) -> None:
    index["cases"][1]["patient"] = index["cases"][0]["patient"]


BROKEN_STORES = {
    "unfinished": lambda store: (store / "index.json").unlink(),
    "newer": edited("store.json", lambda value: value.update(format_version=99)),
    "damaged": lambda store: (store / "index.json").write_text('{"rows": 12, "cases": ['),
    "ragged": edited("index.json", lambda value: value["cases"][3]["columns"].clear()),
    "empty": edited("index.json", lambda value: value["cases"].clear()),
    "odd": edited("index.json", relabelled),
    "contradicting": edited("index.json", same_patient),
}
PAINTERS = {
    "painter": {},
    "large-painter": {"input_size": 64},
    "flat-painter": {"dimensions": 2},
}
SPLITS = {
    "lone": "c000,train c002,train c001,train c003,validation c004,validation "
    "c005,test c007,test c006,test c008,test",
    "unknown": "c000,train zzz,test",
    "part-missing": "c000,train c001,train c002,test",
    "twice": "c000,train c000,test",
    "part-unknown": "c000,train c001,exam",
    "one-class": "c000,train c002,train c004,validation c001,validation c003,test c006,test",
    "few": "c000,train c001,train c002,validation c003,validation c004,test c005,test",
}
PAINTER = "{p}/painter.safetensors"
TEST = "validate {p}/finished/model.safetensors {p}/{store} --label histology -o {out}"

COMMANDS = {
    # what to tell
    "no such column": (SCRATCH.replace("histology", "grade"), "has no column 'grade'; it has"),
    "unknown class": (f"{SCRATCH} --classes LUAD,SCLC", "must have two classes at least"),
    "one class": (f"{SCRATCH} --classes LUAD", "must have two classes at least"),
    "a class twice": (f"{SCRATCH} --classes LUAD,LUAD", "A class is named twice"),
    "unknown positive": (f"{SCRATCH} --positive SCLC", "positive class 'SCLC' is none of"),
    "a label of numbers": (SCRATCH.replace("histology", "age"), "Of the label '"),
    "label of our own": (
        SCRATCH.replace("{store}", "{p}/odd").replace("histology", "score"),
        "name of a column of the results",
    ),
    "long values": (
        SCRATCH.replace("{store}", "{p}/odd").replace("histology", "long"),
        "at most 100 characters",
    ),
    "values of two lines": (
        SCRATCH.replace("{store}", "{p}/odd").replace("histology", "lines"),
        "without control characters",
    ),
    "one number, written twice": (
        SCRATCH.replace("{store}", "{p}/odd").replace("histology", "numbers"),
        "are the same number",
    ),
    "two classes of one patient": (
        SCRATCH.replace("{store}", "{p}/contradicting"),
        "the same patient, has 'LUAD'",
    ),
    # how it is tested
    "a hundred folds": (f"{SCRATCH} --folds 100", "this split needs 100: ask for fewer folds"),
    "no fold": (f"{SCRATCH} --folds 0", "--folds must be 1 or more"),
    "folds in words": (f"{SCRATCH} --folds many", "invalid int value"),
    "a small test": (f"{SCRATCH} --folds 1", "an interval needs 4"),
    "one site too few": (f"{SCRATCH} --by-site --folds 3", "and 3 are needed"),
    "two splits": (
        f"{SCRATCH} --by-site --split {{p}}/few.csv",
        "--split replaces them: choose one",
    ),
    "split of nothing": (f"{SCRATCH} --split {{p}}/gone.csv", "No such file"),
    "split of a case": (f"{SCRATCH} --split {{store}}/cases/c000.npz", "is not a CSV table"),
    "unknown case": (f"{SCRATCH} --split {{p}}/unknown.csv", "row 2: there is no case 'zzz'"),
    "unknown part": (f"{SCRATCH} --split {{p}}/part-unknown.csv", "'exam' is none of"),
    "missing part": (f"{SCRATCH} --split {{p}}/part-missing.csv", "no case for the part"),
    "case twice": (f"{SCRATCH} --split {{p}}/twice.csv", "for the second time"),
    "part of one class": (f"{SCRATCH} --split {{p}}/one-class.csv", "each part needs every class"),
    "few to test": (f"{SCRATCH} --split {{p}}/few.csv", "an interval needs 4"),
    "a curve too long": (
        f"{SCRATCH} --learning-curve 4,100",
        "100 training patients cannot be drawn",
    ),
    "a curve too short": (f"{SCRATCH} --learning-curve 1", "1 training patients cannot be drawn"),
    "a curve in words": (
        f"{SCRATCH} --learning-curve few",
        "takes whole numbers separated by commas",
    ),
    "no clinical column": (f"{SCRATCH} --clinical weight", "no column 'weight' for --clinical"),
    # how it is trained
    "no epoch": (f"{SCRATCH} --epochs 0", "--epochs must be 1 or more"),
    "NaN epochs": (f"{SCRATCH} --epochs nan", "invalid int value"),
    "batch of one": (f"{SCRATCH} --batch 1", "--batch must be 2 or more"),
    "NaN for a rate": (f"{SCRATCH} --learning-rate nan", "--learning-rate must be above 0"),
    "negative seed": (f"{SCRATCH} --seed -1", "--seed must be 0 to"),
    "huge seed": (f"{SCRATCH} --seed 99999999999999999999", "--seed must be 0 to"),
    "no views": (f"{HEAD} --views 0", "--views must be 1 or more"),
    # with painted tumours
    "fraction in words": (
        f"{SCRATCH} --synthetic {PAINTER} --synthetic-fraction half",
        "--synthetic-fraction: invalid float value: 'half'",
    ),
    "fraction without a painter": (f"{SCRATCH} --synthetic-fraction 1", "there is no --synthetic"),
    "nothing to paint": (f"{SCRATCH} --synthetic-fraction 0", "must be above 0 and at most 10"),
    "less than nothing": (f"{SCRATCH} --synthetic-fraction -1", "must be above 0 and at most 10"),
    "NaN to paint": (f"{SCRATCH} --synthetic-fraction nan", "must be above 0 and at most 10"),
    "far too much": (f"{SCRATCH} --synthetic-fraction 1000", "must be above 0 and at most 10"),
    "no such painter": (
        f"{SCRATCH} --synthetic {{p}}/gone.safetensors",
        "there is no such file",
    ),
    "painter of a name": (
        f"{SCRATCH} --synthetic nobody",
        "There is no model named 'nobody'",
    ),
    "painter cut short": (
        f"{SCRATCH} --synthetic {{p}}/cut.safetensors",
        "it is cut short",
    ),
    "painter that tells": (
        f"{SCRATCH} --synthetic {{start}}",
        "an inpainter is needed here",
    ),
    "painter of slices": (
        f"{SCRATCH} --synthetic {{p}}/generator.safetensors",
        "makes slices, and a synthetic sample is a cube",
    ),
    "flat painter": (
        f"{SCRATCH} --synthetic {{p}}/flat-painter.safetensors",
        "makes slices, and a synthetic sample is a cube",
    ),
    "painter of larger cubes": (
        f"{SCRATCH} --synthetic {{p}}/large-painter.safetensors",
        "The model of --synthetic takes 64 voxels a side, and the store has 40",
    ),
    "painter of another spacing": (
        f"{SCRATCH} --synthetic {{p}}/coarse-painter.safetensors",
        "The model of --synthetic takes crops of 2 mm a voxel",
    ),
    "painter of seen patients": (
        f"{SCRATCH} --synthetic {{p}}/seen-painter.safetensors",
        "What is validated or tested on shares 12 patients",
    ),
    "nobody to pair": (
        f"{SCRATCH} --split {{p}}/lone.csv --synthetic {PAINTER}",
        "one patient of the class 'LUSC'",
    ),
    "nobody to pair in the curve": (
        f"{SCRATCH} --learning-curve 2 --synthetic {PAINTER}",
        "one patient of the class 'LUAD'",
    ),
    "no jobs": (f"{SCRATCH} --jobs 0", "must be 1 or more"),
    # the network
    "no units": (f"{SCRATCH} --hidden 0", "--hidden must be 1 or more, not 0"),
    "units in words": (f"{SCRATCH} --hidden wide", "takes whole numbers separated by commas"),
    "far too wide": (f"{SCRATCH} --width 9", "'width' of the network 'transfer' must be"),
    "NaN for a width": (f"{SCRATCH} --width nan", "--width must be above 0"),
    "all dropped": (f"{SCRATCH} --dropout 1", "--dropout must be 0 or more and below 1"),
    "larger than the store": (f"{SCRATCH} --size 64", "build it again with --size 64"),
    "huge": (f"{SCRATCH} --size 9999", "must be a whole number from 32 to 128"),
    "HU the wrong way round": (f"{SCRATCH} --hu 400 -1000", "a lower and a higher HU value"),
    "HU out of this world": (f"{SCRATCH} --hu -1000 1e30", "--hu must be -100000 to 100000"),
    "frozen from scratch": (f"{SCRATCH} --freeze trunk", "must not be frozen"),
    "start of nothing": (f"{HEAD} --init {{p}}/gone.safetensors", "there is no such file"),
    "start of a name": (f"{HEAD} --init nobody", "There is no model named 'nobody'"),
    "start cut short": (f"{HEAD} --init {{p}}/cut.safetensors", "it is cut short"),
    "start of a pickle": (f"{HEAD} --init {{p}}/pickle.safetensors", "can carry code"),
    "start of no HDF5": (f"{HEAD} --init {{p}}/none.h5", "it is not an HDF5 file"),
    "start of seen patients": (
        f"{HEAD} --init {{p}}/finished/model.safetensors",
        "shares 12 patients",
    ),
    "name that is none": (f"{SCRATCH} --name my/model", "the card's 'name' must be"),
    "long title": (f"{SCRATCH} --title {'x' * 300}", "at most 200 characters"),
    # the store
    "no store": (SCRATCH.replace("{store}", "{p}"), "is no store of a cohort"),
    "unfinished store": (SCRATCH.replace("{store}", "{p}/unfinished"), "is not finished"),
    "newer store": (SCRATCH.replace("{store}", "{p}/newer"), "update LungSquad"),
    "damaged index": (SCRATCH.replace("{store}", "{p}/damaged"), "index.json' is damaged"),
    "ragged index": (SCRATCH.replace("{store}", "{p}/ragged"), "differ in their columns"),
    "empty store": (SCRATCH.replace("{store}", "{p}/empty"), "has no cases"),
    "another spacing": (HEAD.replace("{store}", "{p}/coarse"), "again with --spacing 1"),
    # the run's folder
    "run in a file": (SCRATCH.replace("{out}", "{p}/none.h5"), "is a file"),
    "run among other things": (SCRATCH.replace("{out}", "{p}/volumes"), "is not empty"),
    "run of another training": (
        HEAD.replace("{out}", "{p}/finished") + " --epochs 3",
        "holds a training with another epochs",
    ),
    # the model on a store
    "test on seen patients": (TEST.replace("{store}", "store"), "shares 12 patients"),
    "test of another label": (
        TEST.replace("{store}", "store").replace("histology", "age"),
        "pass --classes A,B",
    ),
    "test of no label": (
        TEST.replace("{store}", "store").replace("histology", "grade"),
        "has no column 'grade'",
    ),
    "test of three classes": (
        TEST.replace("{store}", "store") + " --classes LUAD,LUSC,SCLC",
        "--classes must name 2 values",
    ),
    "test of another spacing": (TEST.replace("{store}", "coarse"), "again with --spacing 1"),
    "test of an empty store": (TEST.replace("{store}", "empty"), "has no cases"),
    "test into a run": (
        TEST.replace("{store}", "store").replace("{out}", "{p}/finished"),
        "holds a training",
    ),
    # runs side by side
    "one run": ("compare {p}/finished", "two runs at least"),
    "no run": ("compare {p}/finished {p}/store", "is no finished training run"),
    "comparison with another training": (
        "compare {p}/finished {p}/integrated",
        "is a run of `lungsquad train integration`",
    ),
    # the cohort
    "check of no store": ("cohort check {p}/unfinished", "is not finished"),
    "show of a damaged store": ("cohort show {p}/damaged", "index.json' is damaged"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_what_cannot_be_trained_is_refused_before_anything_is_written(name, place, here, refused):
    command, phrase = COMMANDS[name]
    before = contents(place)
    refused(filled(command, place, here), phrase)
    assert contents(place) == before


def content(folder: Path) -> dict[str, bytes]:
    """What of a run does not depend on how it went."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith("events.") and path.name != "run.json"
    }


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)


FIT = "fits/seed0-fold1"
DAMAGES = {
    "answers gone": (f"{FIT}/predictions.csv", Path.unlink),
    "answers cut": (f"{FIT}/predictions.csv", halved),
    "weights gone": (f"{FIT}/weights.safetensors", Path.unlink),
    "weights changed": (f"{FIT}/weights.safetensors", flipped),
    "weights of the model cut": ("fits/final/weights.safetensors", halved),
    "model gone": ("model.safetensors", Path.unlink),
    "predictions cut": ("predictions.csv", halved),
    "split changed": ("splits.csv", flipped),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_damaged_in_a_finished_run_is_made_again(name, place, here):
    shutil.copytree(place / "finished", here / "run")
    path, damage = DAMAGES[name]
    damage(here / "run" / path)
    train_classifier(place / "store", here / "run", options(place))
    assert content(here / "run") == content(place / "finished")


@pytest.mark.parametrize("damage", [halved, flipped])
def test_damaged_features_are_computed_again(damage, place, here):
    store = Path(shutil.copytree(place / "store", here / "store"))
    for path in (store / "features").iterdir():
        damage(path)
    train_classifier(store, here / "run", options(place))
    assert content(here / "run") == content(place / "finished")
    assert content(store) == content(place / "store")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"run": 1}', '{"run": NaN}'])
def test_a_damaged_run_json_is_refused(text, place, here, refused):
    shutil.copytree(place / "finished", here / "run")
    (here / "run" / "run.json").write_text(text)
    refused(filled(HEAD, place, here), "run.json' is damaged")
    refused(["compare", here / "run", place / "finished"], "run.json' is missing or damaged")


def test_damaged_predictions_are_refused_by_compare(place, here, refused):
    run = Path(shutil.copytree(place / "finished", here / "run"))
    table = (run / "predictions.csv").read_text()
    for broken in (table.replace(",LUSC,0.", ",LUSC,x"), table.replace("LUSC", "NA"), ""):
        assert broken != table
        (run / "predictions.csv").write_text(broken)
        refused(["compare", place / "finished", run], "predictions.csv'")


def test_an_empty_store_is_shown_and_not_drawn(place, here, capfd):
    assert main(["cohort", "show", str(place / "empty"), "-o", str(here / "out")]) == 2
    said = sentences(capfd.readouterr().err)
    assert said == (
        f"lungsquad: The store '{place / 'empty'}' has no cases, so there is nothing to draw.\n"
    )
    assert not (here / "out").exists()


def test_a_model_of_other_classes_takes_them_by_other_names(place, here, capfd):
    """Quotes hold a comma together, and blanks round a value do not matter."""

    def change(index):
        for case in index["cases"]:
            value = case["columns"]["histology"]
            case["columns"]["histology"] = {"LUAD": "adeno, any", "LUSC": "squamous"}[value]

    store = Path(shutil.copytree(place / "store", here / "store"))
    edited("index.json", change)(store)
    model = str(place / "finished" / "model.safetensors")
    command = ["validate", model, str(store), "--label", "histology", "--allow-overlap"]
    assert main([*command, "-o", str(here / "out")]) == 2
    assert "pass --classes A,B in this order" in capfd.readouterr().err
    assert not (here / "out").exists()
    command += ["--classes", '"adeno, any", squamous', "-o", str(here / "out"), "--json"]
    assert main(command) == 0
    assert json.loads(capfd.readouterr().out)["counts"]["used"] == 12


class Stopped(Exception):
    pass


def stop_in_training(monkeypatch, place: Path, here: Path, *, store: Path | None = None) -> None:
    """Begin a run, and end it when the first training has written a checkpoint."""

    def stop(*_arguments):
        raise Stopped

    with monkeypatch.context() as patched:
        patched.setattr("LungSquadLib.training.loop.TensorBoard.epoch", stop)
        with pytest.raises(Stopped):
            train_classifier(store or place / "store", here / "run", options(place))
    assert (here / "run" / "fits" / "seed0-fold0" / "checkpoint").exists()


@pytest.mark.parametrize("damage", [halved, flipped])
def test_a_damaged_checkpoint_is_refused_and_can_be_removed(
    damage, place, here, refused, monkeypatch
):
    stop_in_training(monkeypatch, place, here)
    checkpoint = here / "run" / "fits" / "seed0-fold0" / "checkpoint"
    damage(checkpoint)
    refused(filled(HEAD, place, here), "is damaged. Remove it")
    checkpoint.unlink()
    train_classifier(place / "store", here / "run", options(place))
    assert content(here / "run") == content(place / "finished")


@pytest.mark.slow
def test_a_case_that_is_damaged_in_training_is_named_and_built_again(place, here, capfd):
    store = Path(shutil.copytree(place / "store", here / "store"))
    shutil.rmtree(store / "features")
    whole = contents(store)
    halved(store / "cases" / "c007.npz")
    whole_network = HEAD.replace("--views 1 ", "") + " --jobs 2 --freeze none"
    command = filled(whole_network, place, here, store=store)
    assert main(command) == 2
    assert "c007.npz' is damaged or was changed" in sentences(capfd.readouterr().err)
    with pytest.raises(Exception, match=r"c007.npz' is damaged or was changed: .* made it again"):
        train_classifier(store, here / "head", options(place))
    build_cohort(place / "volumes" / "manifest.csv", store, preprocessing=Preprocessing(32, 4))
    assert {name: whole[name] for name in contents(store) if name in whole} == whole
    train_classifier(store, here / "head", options(place))
    assert content(here / "head") == content(place / "finished")


def test_features_go_into_the_run_where_the_store_is_read_only(place, here, monkeypatch):
    store = Path(shutil.copytree(place / "store", here / "store"))
    shutil.rmtree(store / "features")
    before = contents(store)
    with monkeypatch.context() as patched:
        patched.setattr("os.access", lambda *_arguments: False)  # root may always write
        train_classifier(store, here / "run", options(place))
    assert contents(store) == before
    made = content(here / "run")
    features = {name for name in made if name.startswith("features/")}
    assert len(features) == 12
    assert {k: v for k, v in made.items() if k not in features} == content(place / "finished")


@pytest.mark.slow
@pytest.mark.parametrize(("room", "what"), [(2000, "checkpoint"), (20000, "weights.safetensors")])
def test_a_full_disk_is_said_and_the_same_command_finishes(room, what, place, here):
    pytest.importorskip("resource")
    done = run(LIMITED, room, filled(HEAD, place, here))
    (said,) = sentences(done.stderr).splitlines()
    assert done.returncode == 2
    assert said.startswith(f"lungsquad: '{here / 'run' / 'fits' / 'seed0-fold0' / what}'"), said
    assert "is the disk full?" in said
    assert not list(here.rglob(".lungsquad-*"))
    train_classifier(place / "store", here / "run", options(place))
    assert content(here / "run") == content(place / "finished")


ENDED = """
import signal, sys
from LungSquadLib.cli import main
from LungSquadLib.training import experiment, loop
number = int(sys.argv[1])
def end(*_arguments):
    signal.raise_signal(number)
loop.TensorBoard.epoch = end
report = experiment.step
def step(progress, done, message):
    if message.startswith("1 of"):
        end()
    report(progress, done, message)
experiment.step = step
sys.argv[1:] = sys.argv[2:]
if __name__ == "__main__":
    sys.exit(main())
"""


@pytest.mark.skipif(os.name == "nt", reason="this system has no such signals")
@pytest.mark.parametrize(("name", "jobs"), [("SIGINT", "1"), ("SIGTERM", "2")])
@pytest.mark.slow
def test_a_training_that_is_ended_goes_on(name, jobs, place, here):
    command = [*filled(HEAD, place, here), "--jobs", jobs]
    process = subprocess.Popen(
        [sys.executable, "-B", "-c", ENDED, str(int(getattr(signal, name))), *command],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    out, said = process.communicate()
    assert (process.returncode, out, sentences(said)) == (130, "", "lungsquad: Cancelled.\n")
    assert nobody_is_left(process.pid)
    assert not (here / "run" / "model.safetensors").exists()
    train_classifier(place / "store", here / "run", options(place))
    assert content(here / "run") == content(place / "finished")


def nobody_is_left(group: int) -> bool:
    """Whether all processes of a group end, the one that watches over shared memory last."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


CLASSES = {
    "words": ("Adeno, lepidisch " + "x" * 43, "größer </script>"),
    "signs": ("+", "-"),
    "formula and number": ("=1+1", "1.0"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CLASSES)
def test_classes_of_any_name_are_trained_and_evaluated(name, place, here, capsys):
    values = CLASSES[name]

    def change(index):
        for number, case in enumerate(index["cases"]):
            unknown = {"age": "NaN"} if number % 3 == 0 else {}
            case["columns"] |= {"histology": values[number % 2], **unknown}

    store = Path(shutil.copytree(place / "store", here / "store"))
    edited("index.json", change)(store)
    assert main([*filled(HEAD, place, here, store=store), "--clinical", "age", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["counts"]["used"] == 12
