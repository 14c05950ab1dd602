"""Models are found by name or file, and a broken one never hides the others."""

from __future__ import annotations

import os
import sys

import pytest

from LungSquadLib.errors import ModelError
from LungSquadLib.models import catalogue
from LungSquadLib.models.catalogue import available, find, user_folder
from Testing import model_samples as samples


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Empty folders for LUNGSQUAD_MODELS (two), the user and the bundled models."""
    folders = [tmp_path / name for name in ("first", "second", "bundled")]
    user = tmp_path / "data" / "LungSquad" / "models"
    for folder in [*folders, user]:
        folder.mkdir(parents=True)
    monkeypatch.setenv("LUNGSQUAD_MODELS", os.pathsep.join(map(str, folders[:2])))
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(catalogue, "BUNDLED", folders[2])
    return (*folders, user)


def test_models_are_found_in_all_places(folders):
    for folder, name in zip(folders, "abcd", strict=True):
        samples.model_file(folder / f"file-{name}.safetensors", name=name)
    entries = available()
    assert [entry.name for entry in entries] == ["a", "b", "d", "c"]
    sources = ["LUNGSQUAD_MODELS", "LUNGSQUAD_MODELS", "user", "bundled"]
    assert [entry.source for entry in entries] == sources
    assert all(entry.card and not entry.problem and not entry.shadowed for entry in entries)
    assert find("c") == folders[2] / "file-c.safetensors"


def test_demo_models_come_last(folders):
    names = [("demo-b", 0), ("z", 0), ("demo-a", 1), ("y", 2), ("demo-b", 2)]
    for number, (name, folder) in enumerate(names):
        samples.model_file(folders[folder] / f"{number}.safetensors", name=name)
    assert [entry.name for entry in available()] == ["z", "y", "demo-b", "demo-a", "demo-b"]
    assert find("demo-b") == folders[0] / "0.safetensors"
    with pytest.raises(ModelError, match=r"there are y, z, demo-a, demo-b\."):
        find("x")


def test_the_first_of_two_with_one_name_is_found(folders):
    first = samples.model_file(folders[0] / "x.safetensors", name="same")
    samples.model_file(folders[2] / "y.safetensors", name="same")
    assert [entry.shadowed for entry in available()] == [False, True]
    assert find("same") == first


def test_a_broken_file_is_listed_with_its_sentence_and_hides_nothing(folders):
    (folders[0] / "aaa.safetensors").write_bytes(b"")
    (folders[0] / "readme.txt").write_text("not a model")
    (folders[1] / "folder.safetensors").mkdir()
    good = samples.model_file(folders[1] / "good.safetensors", name="good")
    entries = {entry.name: entry for entry in available()}
    assert set(entries) == {"aaa", "folder", "good"}
    assert "is empty" in entries["aaa"].problem
    assert "folder" in entries["folder"].problem
    assert entries["aaa"].card is None
    assert find("good") == good
    with pytest.raises(ModelError, match="empty"):
        find("aaa")


def test_a_missing_folder_is_reported(folders, monkeypatch):
    monkeypatch.setenv("LUNGSQUAD_MODELS", str(folders[0] / "nowhere"))
    (entry,) = available()
    assert "nowhere' in LUNGSQUAD_MODELS does not exist" in entry.problem
    folders[3].rmdir()
    monkeypatch.setenv("LUNGSQUAD_MODELS", "")
    assert available() == []


def test_an_unknown_name_lists_the_names_there_are(folders):
    with pytest.raises(ModelError, match="there is none"):
        find("histology")
    samples.model_file(folders[0] / "x.safetensors", name="one")
    samples.model_file(folders[1] / "x.safetensors", name="two")
    with pytest.raises(ModelError, match=r"no model named 'histology': there are one, two\."):
        find("histology")


def test_files_are_used_as_they_are(folders, monkeypatch):
    assert find("some/where.safetensors").name == "where.safetensors"
    assert find("where.safetensors").name == "where.safetensors"
    monkeypatch.chdir(folders[0])
    (folders[0] / "plain").write_bytes(b"")
    assert find("plain").name == "plain"


@pytest.mark.parametrize(
    ("platform", "variable", "tail"),
    [
        ("linux", "XDG_DATA_HOME", "LungSquad/models"),
        ("win32", "LOCALAPPDATA", "LungSquad/models"),
        ("darwin", "HOME", "Library/Application Support/LungSquad/models"),
    ],
)
def test_user_folder_is_where_the_system_wants_it(tmp_path, monkeypatch, platform, variable, tail):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv(variable, str(tmp_path))
    assert user_folder() == tmp_path / tail
    if platform != "darwin":
        monkeypatch.delenv(variable)
        assert user_folder().is_absolute()
