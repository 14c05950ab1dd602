"""`lungsquad gan audit` with input that cannot be audited: one sentence, exit code 2, no trace."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import pytest

pytest.importorskip("torch")

from LungSquadLib.cli import main
from LungSquadLib.data.overlap import seen
from LungSquadLib.data.slice_set import Slicing, write_index
from LungSquadLib.inference.segmenter import train_segmenter
from LungSquadLib.models.file import read_model_file
from Testing.hostile import table
from Testing.slice_samples import disc_set, write_generator

pytestmark = pytest.mark.usefixtures("one_thread")
SLICING = Slicing(16)


def slices(**other):
    return lambda here: disc_set(here / "slices", 3, slicing=replace(SLICING, **other)).folder


def generator(**other):
    return lambda here: write_generator(here / "generator.safetensors", **other).path


def unfinished(here):
    write_index(here / "slices", SLICING)
    return here / "slices"


def damaged(here):
    folder = disc_set(here / "slices", 3).folder
    next(folder.glob("cases/*.npz")).write_bytes(b"PK")
    return folder


def a_file(here):
    (here / "a-file").write_text("of a lifetime")
    return here / "a-file"


OUT = "-o {here}/out"
AUDITS = {
    "no such model": (lambda here: here / "none.safetensors", slices(), OUT, "no such file"),
    "no generator": (lambda here: "demo-histology", slices(), OUT, "a generator is needed here"),
    "another resolution": (
        generator(),
        slices(resolution=32),
        OUT,
        "The resolution of the slices is 32",
    ),
    "another window": (
        generator(),
        slices(window="mediastinum"),
        OUT,
        "The lowest HU of the slices is -160",
    ),
    "another pixel size": (
        generator(),
        slices(context="slice"),
        OUT,
        "The pixel size of the slices is 25",
    ),
    "one channel": (generator(channels=1), slices(), OUT, "images of 1 channels"),
    "tiny images": (generator(resolution=8), slices(resolution=8), OUT, "takes 16 or more"),
    "no slices": (generator(), lambda here: here / "none", OUT, "is no set of slices"),
    "an empty set": (generator(), unfinished, OUT, "is not finished or holds no slices"),
    "a damaged set": (generator(), damaged, OUT, "is damaged or was changed"),
    "folder is a file": (generator(), slices(), "-o {file}", "is a file"),
    "folder below a file": (generator(), slices(), "-o {file}/out", "is a file"),
    "onto the model": (generator(), slices(), "-o {here}/onto", "is an input"),
    "few images": (generator(), slices(), f"{OUT} --images 2", "--images must be 16 to 2000"),
    "images without end": (generator(), slices(), f"{OUT} --images 99999999", "--images must be"),
    "one seed": (generator(), slices(), f"{OUT} --seeds 1", "--seeds must be 2 to 10"),
    "words for seeds": (generator(), slices(), f"{OUT} --seeds many", "invalid int value"),
}


@table(AUDITS)
def test_an_audit_that_cannot_be_is_refused(row, here, refused):
    model, folder, options, phrase = row
    model, folder = model(here), folder(here)
    if "onto" in options:
        (here / "onto").mkdir()
        model = model.rename(here / "onto" / "model.safetensors")
    options = options.format(here=here, file=a_file(here)).split()
    refused(["gan", "audit", model, folder, *options], phrase)


def test_an_audit_is_a_page_numbers_and_a_model_that_carries_it(here, capsys, monkeypatch):
    quick = partial(train_segmenter, updates=10)
    monkeypatch.setattr("LungSquadLib.evaluation.generator.audit.train_segmenter", quick)
    found = disc_set(here / "slices", 12)
    model = write_generator(here / "generator.safetensors", known=seen(found.cases[:8]))
    command = f"gan audit {model.path} {found.folder} -o {here}/out --images 16 --seeds 2 --json"
    assert main(command.split()) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads((here / "out" / "audit.json").read_text(encoding="utf-8"))
    assert told["sha256"] == model.sha256
    audited = read_model_file(here / "out" / "model.safetensors")
    swd, in_card = told["measures"]["swd_mean"], audited.card.metrics["swd_mean"]
    assert in_card.value == swd["generated"]["value"]
    assert swd["untrained"] is not None
    assert all((audited.weights[name] == one).all() for name, one in model.weights.items())
    assert replace(audited.card, metrics={}, notice=None) == replace(model.card, notice=None)
    assert sorted(path.name for path in (here / "out").iterdir()) == [
        "audit.json",
        "index.html",
        "model.safetensors",
    ]
    assert main(command.removesuffix(" --json").split()) == 0
    said = capsys.readouterr().out
    assert told["findings"][0] in said
    assert said.splitlines()[-1] == str(here / "out" / "index.html")
