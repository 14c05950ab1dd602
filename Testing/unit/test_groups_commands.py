"""`lungsquad train autoencoder` and `autoencoder assign`: their output, which names nobody."""

import contextlib
import csv
import hashlib
import io
import json
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

from LungSquadLib.cli import main
from LungSquadLib.data.tables import join
from LungSquadLib.evaluation.clusters import analyse
from LungSquadLib.statistics.clustering import cluster_agreement
from LungSquadLib.training.autoencoder.grouping import stability

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]
ID = "SIM0-"  # with which the simulated patients' IDs begin


def said(*words):
    """What a command that succeeds prints."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert main([str(word) for word in words]) == 0
    return out.getvalue()


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Few groups and permutations are tried, and pseudonyms take no tenth of a second each."""

    def named(identities):
        return {one: f"LS-{hashlib.sha256(one.encode()).hexdigest()[:16]}" for one in identities}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(analyse, "stability", partial(stability, counts=(2,)))
        patch.setattr(analyse, "cluster_agreement", partial(cluster_agreement, n=99))
        patch.setattr(join, "pseudonyms", named)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("groups")
    words = ("--genes", 160, "--effect", 4)
    said("tables", "simulate", "-o", place / "it", "--patients", 45, *words)
    return place


def train(folder, *more):
    files = folder / "it"
    sources = (f"expression={files / 'expression.csv'}", f"clinical={files / 'clinical.csv'}")
    words = ("--epochs", 10, "--seeds", 1, "--latent", 3, "--hidden", 8, "--device", "cpu")
    words += ("--learning-rate", 0.01)
    return said("train", "autoencoder", "--sources", *sources, *words, "-o", folder / "run", *more)


@pytest.fixture(scope="module")
def told(folder):
    return train(folder).splitlines()


def written(folder):
    return {path.name: path.read_bytes() for path in (folder / "run").rglob("*") if path.is_file()}


def rows_of(path):
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_what_the_groups_follow_is_told(folder, told):
    assert told[0].startswith("The four groups ")
    assert [line for line in told if line.startswith("note: There are only ")]
    assert told[-2:] == [f"{folder}/run/model.safetensors", f"{folder}/run/index.html"]


@pytest.mark.usefixtures("told")
def test_no_patient_is_named(folder):
    files = written(folder)
    assert {"groups.csv", "groups.json", "index.html", "splits.csv"} <= set(files)
    assert not [name for name, content in files.items() if ID.encode() in content]


@pytest.mark.usefixtures("told")
def test_the_same_command_gives_the_same_bytes(folder):
    before = written(folder)
    found = json.loads(train(folder, "--json"))
    assert written(folder) == before
    assert found["findings"] == json.loads(before["groups.json"])["findings"]


@pytest.fixture(scope="module")
def assign(folder, told):
    assert told
    return partial(
        said,
        "autoencoder",
        "assign",
        folder / "run" / "model.safetensors",
        folder / "it/expression.csv",
    )


def test_patients_of_the_training_are_in_their_groups_again(folder, assign, tmp_path):
    out = tmp_path / "out.csv"
    assert assign("-o", out) == f"{out}\n"
    groups = {row["patient"]: row["group"] for row in rows_of(folder / "run" / "groups.csv")}
    assert {row["patient"]: row["group"] for row in rows_of(out)} == groups
    assert ID not in out.read_text()


def test_patients_are_shown_and_named_where_that_is_asked_for(assign, capsys):
    shown = assign()
    assert "p_T1" in shown
    assert "z0" not in shown
    assert ID not in shown
    assert "note: The table shares " in capsys.readouterr().err
    found = json.loads(assign("--json", "--keep-ids"))
    assert all(row["patient"].startswith(ID) for row in found["patients"])
    assert set(found["patients"][0]) >= {"group", "p_T4", "out_of_distribution", "missing", "z2"}
