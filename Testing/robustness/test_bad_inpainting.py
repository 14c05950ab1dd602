"""Training an inpainter, and inpainting with it, as a careless user would."""

from __future__ import annotations

import json
import shutil

import pytest
import SimpleITK as sitk

from LungSquadLib.cli import main
from Testing.ball_cohort import ball_store
from Testing.hostile import contents, sentences, table
from Testing.inpainters import write_inpainter
from Testing.samples import ball_images, write_model

pytestmark = pytest.mark.usefixtures("one_thread")
TRAIN = "train inpainting {store} --size 32 --width 2 --epochs 1 --device cpu -o {here}/run"
INPAINT = "inpaint {p}/inpainter.safetensors {p}/ct.nrrd {p}/mask.nrrd -o {here}/out"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A store, damaged ones, a case, and models; all must be the same when all is over."""
    folder = tmp_path_factory.mktemp("inpainting")
    store = ball_store(folder, 8).folder
    for name, change in STORES.items():
        shutil.copytree(store, folder / name)
        index = json.loads((folder / name / "index.json").read_text())
        change(index["cases"])
        (folder / name / "index.json").write_text(json.dumps(index))
    case = folder / "cut" / "cases" / "c003.npz"
    case.write_bytes(case.read_bytes()[:5000])
    for name, image in zip(("ct", "mask"), ball_images(), strict=True):
        sitk.WriteImage(image, str(folder / f"{name}.nrrd"))
    mask = sitk.ReadImage(str(folder / "mask.nrrd"))
    sitk.WriteImage(mask * 0, str(folder / "empty.nrrd"))
    two = mask * 1
    two[0, 0, 0] = 2
    sitk.WriteImage(two, str(folder / "two.nrrd"))
    mask.SetOrigin((5000.0, 0.0, 0.0))
    sitk.WriteImage(mask, str(folder / "elsewhere.nrrd"))
    write_inpainter(folder / "inpainter.safetensors", classes=("LUAD", "LUSC"))
    write_inpainter(folder / "plain.safetensors")
    write_inpainter(folder / "flat.safetensors", dimensions=2)
    write_model(folder / "other.safetensors")
    before = contents(folder)
    yield folder
    assert contents(folder) == before


def one_patient(cases) -> None:
    for case in cases:
        case["patient"] = "LS-1"


STORES = {
    "cut": lambda cases: None,
    "lonely": one_patient,
    "empty": lambda cases: cases.clear(),
}
COMMANDS = {
    # training
    "no store": (TRAIN.replace("{store}", "{p}"), "is no store of a cohort"),
    "one patient": (TRAIN.replace("{store}", "{p}/lonely"), "There are 1 patients, and three"),
    "empty store": (TRAIN.replace("{store}", "{p}/empty"), "There are 0 patients, and three"),
    "label of an empty store": (
        TRAIN.replace("{store}", "{p}/empty") + " --label histology",
        "it has none",
    ),
    "no such column": (f"{TRAIN} --label grade", "has no column 'grade'; it has"),
    "a class of few": (f"{TRAIN} --label age", "Of the label '"),
    "no epochs": (f"{TRAIN} --epochs 0", "--epochs must be 1 or more, not 0"),
    "no batch": (f"{TRAIN} --batch 0", "--batch must be 1 or more, not 0"),
    "negative seed": (f"{TRAIN} --seed -1", "--seed must be 0 to"),
    "NaN for a rate": (f"{TRAIN} --learning-rate nan", "--learning-rate must be above 0"),
    "larger than the store": (f"{TRAIN} --size 64", "build it with a larger size"),
    "odd size": (f"{TRAIN} --size 36", "the size 36 is not a multiple of 8"),
    "tiny size": (f"{TRAIN} --size 8", "must be a whole number from 32 to 128"),
    "far too wide": (f"{TRAIN} --width 999", "must be a whole number from 1 to 256"),
    "name that is none": (f"{TRAIN} --name my/model", "the card's 'name' must be"),
    "run among other things": (TRAIN.replace("{here}/run", "{p}/volumes"), "is not empty"),
    "run in a file": (TRAIN.replace("{here}/run", "{p}/ct.nrrd"), "is a file"),
    # inpainting
    "no model": (INPAINT.replace("inpainter", "gone"), "there is no such file"),
    "a classifier": (INPAINT.replace("inpainter", "other"), "is a classifier, and an inpainter"),
    "a model of slices": (INPAINT.replace("inpainter", "flat"), "inpaints slices"),
    "empty mask": (INPAINT.replace("mask.nrrd", "empty.nrrd"), "empty"),
    "two labels": (INPAINT.replace("mask.nrrd", "two.nrrd"), "--label"),
    "mask of another CT": (INPAINT.replace("mask.nrrd", "elsewhere.nrrd"), "do not overlap"),
    "CT for a mask": (INPAINT.replace("mask.nrrd", "ct.nrrd"), "ct.nrrd"),
    "replaced elsewhere": (f"{INPAINT} --replace {{p}}/elsewhere.nrrd", "do not overlap"),
    "HU out of this world": (f"{INPAINT} --hu 1e9", "must be -1000 to 500, not 1e+09"),
    "NaN for HU": (f"{INPAINT} --hu nan", "must be -1000 to 500, not nan"),
    "infinite HU": (f"{INPAINT} --hu=-inf", "must be -1000 to 500, not -inf"),
    "unknown class": (f"{INPAINT} --class SCLC", "has no class 'SCLC'; its classes: LUAD, LUSC"),
    "class of a model without": (
        INPAINT.replace("inpainter", "plain") + " --class LUAD",
        "has no class 'LUAD'; its classes: none",
    ),
    "seed below 0 of an inpainting": (f"{INPAINT} --seed -1", "--seed must be 0 to"),
    "output is the CT": (INPAINT.replace("{here}/out", "{p}/ct.nrrd"), "is a file, so nothing can"),
    "output folder of the CT": (INPAINT.replace("{here}/out", "{p}"), "is an input or another"),
}


@table(COMMANDS)
def test_what_cannot_be_inpainted_is_refused_and_nothing_is_left(row, files, here, refused):
    command, phrase = row
    refused(command.format(p=files, here=here, store=files / "store").split(), phrase)


def test_a_damaged_case_is_named_and_no_model_is_left(files, here, capfd):
    words = TRAIN.format(p=files, here=here, store=files / "cut").split()
    assert main(words) == 2
    message = sentences(capfd.readouterr().err)
    assert "c003.npz' is damaged or was changed" in message
    assert len(message.splitlines()) == 1
    assert not (here / "run" / "model.safetensors").exists()
