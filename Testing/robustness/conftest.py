"""What the tests of bad input share: a good case, a folder to work in, and the check."""

from __future__ import annotations

import tempfile

import pytest

from LungSquadLib.cli import main
from Testing.hostile import contents, sentences
from Testing.robustness.bad_inputs import Good


@pytest.fixture(scope="session")
def good(tmp_path_factory):
    """A case in which nothing is wrong; it must be the same when all is over."""
    case = Good.made(tmp_path_factory.mktemp("good"))
    before = contents(case.folder)
    yield case
    assert contents(case.folder) == before


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in; temporary files go there too, so that leftovers are seen."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("LUNGSQUAD_MODELS", "")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def refused(here, capfd):
    """Run a command that must be refused, with these words, and must leave no trace."""

    def check(command, phrase):
        before = contents(here)
        code = main([str(part) for part in command])
        out, said = capfd.readouterr()
        said = sentences(said)
        assert code == 2, said
        assert out == ""
        first, *listed = said.splitlines()
        assert first.startswith("lungsquad"), said
        assert phrase in first, said
        assert all(line.startswith("  ") for line in listed), said  # what one can choose from
        assert first.endswith((".", "?", ":", "--help)")), said
        assert all(line.isprintable() for line in (first, *listed))
        assert "Traceback" not in said
        assert "A fault in LungSquad" not in said
        assert len(said) < 3000
        assert contents(here) == before

    return check
