"""Slices and generated images that cannot be made end in one sentence, and nothing is left."""

from __future__ import annotations

import pytest

from LungSquadLib.data import build
from LungSquadLib.data.slice_set import Slicing, write_index
from LungSquadLib.data.store import Preprocessing, open_store
from Testing.ball_cohort import ball_volumes
from Testing.hostile import contents, table
from Testing.slice_samples import disc_set, write_generator
from Testing.unit.test_cohort_build import in_this_process

DATA, SAMPLE, PATH = (
    "gan data {here}/",
    "gan sample {here}/plain.safetensors",
    "gan interpolate {here}/",
)
OUT = "-o {here}/out"
COMMANDS = {
    # slices
    "a folder of something else": (f"{DATA}other {OUT}", "neither a store of a cohort nor a man"),
    "nothing": (f"{DATA}gone {OUT}", "No such file"),
    "no table": (f"{DATA}binary.csv {OUT}", "is no text in UTF-8"),
    "an empty manifest": (f"{DATA}empty.csv {OUT}", "has no rows"),
    "a manifest without patients": (f"{DATA}nobody.csv {OUT}", "lacks the column 'patient_id'"),
    "a column that cases have": (f"{DATA}taken.csv {OUT}", "a column 'pixels'"),
    "all cases wrong": (f"{DATA}wrong.csv {OUT}", "Not one of 2 cases gave slices; of the first:"),
    "odd resolution": (
        f"{DATA}volumes/manifest.csv {OUT} --resolution 100",
        "--resolution must be a power of two, not 100",
    ),
    "resolution 0": (
        f"{DATA}volumes/manifest.csv {OUT} --resolution 0",
        "--resolution must be 4 to 512, not 0",
    ),
    "unknown window": (f"{DATA}volumes/manifest.csv {OUT} --window bone", "invalid choice: 'bone'"),
    "unknown context": (f"{DATA}volumes/manifest.csv {OUT} --context all", "invalid choice: 'all'"),
    "no jobs": (f"{DATA}volumes/manifest.csv {OUT} --jobs 0", "--jobs must be 1 or more"),
    "whole slices of a store": (f"{DATA}store {OUT} --context slice", "give the manifest that"),
    "more than a store has": (f"{DATA}store {OUT} --resolution 128", "give the manifest that"),
    "a store of small cubes": (f"{DATA}small {OUT}", "slices need 64 voxels of 1 mm"),
    "a store without cases": (f"{DATA}nothing {OUT}", "has no cases"),
    "a set of other slices": (
        f"{DATA}volumes/manifest.csv -o {{here}}/discs",
        "holds slices of 16 x 16 pixels of 4 mm",
    ),
    "a folder in use": (f"{DATA}volumes/manifest.csv -o {{here}}/other", "is not empty"),
    "a set in a file": (f"{DATA}volumes/manifest.csv -o {{here}}/empty.csv", "is a file"),
    "a damaged set": (f"{DATA}volumes/manifest.csv -o {{here}}/damaged", "is damaged"),
    # images
    "no images": (f"{SAMPLE} {OUT} -n 0", "-n must be 1 to 1000, not 0"),
    "fewer than none": (f"{SAMPLE} {OUT} -n -1", "-n must be 1 to 1000, not -1"),
    "a million images": (f"{SAMPLE} {OUT} -n 1000000", "-n must be 1 to 1000"),
    "truncated to nothing": (f"{SAMPLE} {OUT} --truncation 0", "above 0 and at most 1, not 0"),
    "truncated to more": (f"{SAMPLE} {OUT} --truncation 2", "above 0 and at most 1, not 2"),
    "truncated to NaN": (f"{SAMPLE} {OUT} --truncation nan", "above 0 and at most 1, not nan"),
    "negative seed": (f"{SAMPLE} {OUT} --seed -1", "seed must be 0 to"),
    "huge seed": (f"{SAMPLE} {OUT} --seed 99999999999999999999", "seed must be 0 to"),
    "like none": (f"{SAMPLE} {OUT} --like -1", "number of the image to be like must be 0 to"),
    "no conditions": (f"{SAMPLE} {OUT} --label LUAD", "its conditions: none"),
    "unknown condition": (
        f"gan sample {{here}}/conditional.safetensors {OUT} --label SCLC",
        "has no condition 'SCLC'; its conditions: LUAD, LUSC",
    ),
    "a hostile condition": (f"{SAMPLE} {OUT} --label \x1b[2J", "its conditions: none"),
    "a classifier": (f"gan sample {{model}} {OUT}", "is a classifier, and a generator is needed"),
    "a model that is none": (f"gan sample {{here}}/empty.csv {OUT}", "cannot be used"),
    "three channels": (f"gan sample {{here}}/colour.safetensors {OUT}", "images of 3 channels"),
    "images into a file": (f"{SAMPLE} -o {{here}}/empty.csv", "is a file"),
    # interpolations
    "no frames": (f"{PATH}plain.safetensors {OUT} --frames 0", "number of frames must"),
    "one key": (f"{PATH}plain.safetensors {OUT} --keys 1", "number of keys must be 2"),
    "more keys than frames": (
        f"{PATH}plain.safetensors {OUT} --frames 4 --keys 5",
        "5 keys do not fit on a path of 4 frames",
    ),
    "a path into a file": (f"{PATH}plain.safetensors -o {{here}}/empty.csv", "is a file"),
    "a path of a classifier": (f"gan interpolate {{model}} {OUT}", "is a classifier"),
}


@pytest.fixture
def room(here, made):
    """Everything that the commands name, as links."""
    for path in made.iterdir():
        (here / path.name).symlink_to(path)
    return here


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """It must be the same when all is over."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "other").mkdir()
    (folder / "other" / "work.txt").write_text("of a lifetime")
    head = "patient_id,ct,mask"
    tables = {
        "empty": f"{head}\n",
        "nobody": "ct,mask\na,b\n",
        "taken": f"{head},pixels\nA,a,b,c\n",
        "wrong": f"{head}\nA,gone.nrrd,gone.nrrd\nB,gone.nrrd,gone.nrrd\n",
    }
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    manifest = ball_volumes(folder / "volumes", 1)
    with in_this_process():
        build.build_cohort(manifest, folder / "store", preprocessing=Preprocessing(64, 0))
        build.build_cohort(manifest, folder / "small", preprocessing=Preprocessing(32, 4))
        build.build_cohort(folder / "wrong.csv", folder / "nothing")
    assert not open_store(folder / "nothing").cases
    disc_set(folder / "discs", 1)
    (folder / "damaged").mkdir()
    write_index(folder / "damaged", Slicing())
    (folder / "damaged" / "slices.json").write_text("{", encoding="utf-8")
    (folder / "binary.csv").write_bytes(bytes(range(0x80, 0x100)))
    write_generator(folder / "plain.safetensors")
    write_generator(folder / "conditional.safetensors", conditions=("LUAD", "LUSC"))
    write_generator(folder / "colour.safetensors", channels=3)
    before = contents(folder)
    yield folder
    assert contents(folder) == before


@table(COMMANDS)
def test_a_command_that_cannot_be_followed_is_refused(row, good, room, refused):
    command, phrase = row
    words = command.split(" ")
    refused([word.format(here=room, model=good.model) for word in words], phrase)
