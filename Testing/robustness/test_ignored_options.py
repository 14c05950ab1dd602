"""Ignored options, places that cannot be written, numbers: refused before anything is read."""

from __future__ import annotations

import os
import shlex

import pytest

from LungSquadLib.cli import main

# Nothing that is named here is there: a verb that reads before it checks would say so.
IGNORED = {
    "stage ct mask -o out": "-o would be ignored",
    "stage ct mask --jobs 2": "--jobs would be ignored",
    "stage ct mask --predictions a --groups b": "--predictions, --groups would be ignored",
    "stage ct mask --mapping m.json --keep-identity": "--mapping, --keep-identity would be",
    "stage ct mask --profile p.csv": "--profile and --models belong together",
    "stage ct mask --models a,b": "--profile and --models belong together",
    "stage ct mask --reported-edition 7": "--reported-edition would be ignored",
    "stage m.csv -o out --roi GTV --label 2 --series 1.2": "--roi, --label, --series would be",
    "stage m.csv -o out --profile p.csv --models a": "--profile, --models would be ignored",
    "stage m.csv -o out --reported T2 --reported-edition 7": "--reported, --reported-edition would",
    "stage m.csv -o out --mapping m.json": "--mapping would be ignored",
    "predict --profile p.csv --model m -o out --roi GTV": "--roi would be ignored",
    "predict --profile p.csv --model m -o out --label 1 --series 1": "--label, --series would be",
    "predict --profile p.csv --model m -o out --centre 1 2 3": "--centre would be ignored",
    "predict --profile p.csv --model m -o out --keep-identity": "--keep-identity would be ignored",
    "demo --roi GTV --label 1 --series 1.2 -o out": "--roi, --label, --series would be ignored",
    "demo --ct ct --mask mask --seed 3 -o out": "--seed would be ignored",
    "cohort build m.csv -o out --scheduler tcp://h:1 --jobs 2": "--jobs would be ignored",
    "cohort fetch 4d-lung -o out --clinical t.csv --no-labels": "--no-labels would be ignored",
    "models fetch --list -o out --weights w.h5": "-o, --weights would be ignored",
    "models fetch hosny2018 --weights w.h5 --server https://h": "--server would be ignored",
    "tables simulate -o out --manifest m.csv --patients 90": "--patients would be ignored",
    "evaluate t.csv --label y --predicted p --threshold 0.5": "--threshold would be ignored",
    "evaluate t.csv --label y --predicted p --baseline v": "A baseline is compared with a score",
    "evaluate t.csv --label y --predicted p --time t --event e": "Survival is shown by score",
    "train classifier s -o out --label y --init m --width 2": "--width would be ignored",
    "train classifier s -o out --label y --init m --hu -900 300": "--hu would be ignored",
    "train classifier s -o out --label y --views 4": "--views would be ignored",
    "train classifier s -o out --label y --init m --precision bf16": "--precision would be ignored",
    "train classifier s -o out --label y --split p.csv --folds 3": "--folds would be ignored",
    "train classifier s -o out --label y --synthetic-fraction 1": "--synthetic-fraction would",
    "train integration --sources a=a.csv --label y --synthetic-fraction 1 -o o": "--synthetic-fr",
    "train integration --sources a --external-test b --folds 3 --label y -o out": "--folds would",
    "train integration --sources a=a.csv --both-directions --label y -o out": "--both-directions",
    "train integration --sources joined --mapping m.json --label y -o out": "columns and names",
    "train autoencoder --sources joined --keep-ids -o out": "whose columns and names",
    "gan data store --keep-column mrn -o out": "--keep-column is about a manifest",
}
WRITING = (
    *("crop ct mask -o {}.nrrd", "segment ct --at 1,2,3 -o {}.nrrd", "slices ct mask -o {}"),
    *("predict ct mask --model m -o {}", "batch m.csv --model m -o {}", "demo -o {}"),
    *("cohort build m.csv -o {}", "cohort show s -o {}", "cohort phantoms -o {}"),
    *("tables join a=a.csv -o {}", "tables simulate -o {}", "stage m.csv -o {}"),
    *("train classifier s --label y -o {}", "train gan s -o {}", "train inpainting s -o {}"),
    *(
        "train autoencoder --sources a=a.csv -o {}",
        "train integration --sources a=a.csv --label y -o {}",
    ),
    *("gan data s -o {}", "gan sample m -o {}", "gan interpolate m -o {}", "gan audit m s -o {}"),
    *("autoencoder assign m t.csv -o {}.csv", "validate m s --label y -o {}", "compare a b -o {}"),
    *("evaluate t.csv --label y --score p -o {}", "inpaint m ct mask -o {}"),
    *("report r -o {}.html", "models import-keras w.h5 -o {}.safetensors"),
    "models train-demo -o {}",
)
NUMBERS = (
    *("batch m.csv --model m -o out --jobs 0", "cohort build m.csv -o out --jobs -1"),
    *("train classifier s --label y -o out --jobs 0", "gan data s -o out --jobs 0"),
    *("predict ct mask --model m -o out --seed -1", "train gan s -o out --seed 4294967296"),
    *("inpaint m ct mask -o out --seed -1", "stage m.csv --jobs 0"),
)


@pytest.fixture
def refusal(tmp_path, monkeypatch, capfd):
    """What a command that exits with 2 says, having written nothing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "joined").mkdir()
    (tmp_path / "store").mkdir()

    def said(command: str, **environment: str) -> str:
        before = sorted(tmp_path.rglob("*"))
        (tmp_path / "joined" / "join.json").touch()
        code = main(shlex.split(command))
        out, error = capfd.readouterr()
        assert (code, out) == (2, ""), (command, error)
        left = set(tmp_path.rglob("*")) - {*before, tmp_path / "joined" / "join.json"}
        assert not left, (command, left)
        return error

    return said


def test_an_option_that_would_be_ignored_is_refused(refusal, monkeypatch):
    empty = lambda folder: None  # noqa: E731 - a folder of joined tables, whatever is in it
    monkeypatch.setattr("LungSquadLib.pipeline.sources.open_joined", empty)
    for command, phrase in IGNORED.items():
        assert phrase in refusal(command), command


def test_where_nothing_can_be_written_is_said_before_anything_is_read(
    refusal, tmp_path, monkeypatch
):
    (tmp_path / "file").touch()
    for command in WRITING:
        assert "is a file, so nothing can be written" in refusal(command.format("file/x")), command
    denied = tmp_path / "denied"
    denied.mkdir()
    access = os.access
    monkeypatch.setattr("os.access", lambda path, mode: path != denied and access(path, mode))
    for command in WRITING:
        assert "must not be written to" in refusal(command.format("denied/x")), command


def test_numbers_that_nothing_can_be_done_with_are_refused_before_anything_is_read(refusal):
    for command in NUMBERS:
        said = refusal(command)
        assert "--seed must be 0 to" in said or "--jobs must be 1 or more" in said, (command, said)
