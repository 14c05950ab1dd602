"""The faults of `Testing/mutants` still apply, and the tool that tries them tells them apart."""

import subprocess

import pytest

from Testing.mutants import faults, trial

LINE = "number.py\treturn 1\treturn 2\ttest_number.py\n"


def test_every_fault_applies_to_one_place_and_has_its_tests():
    wrong = []
    for fault in faults.read():
        try:
            faults.check(fault)
        except ValueError as error:
            wrong.append(str(error))
    assert not wrong, "\n".join(wrong)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A function that returns 1, a test that wants it, and one that does not care."""
    (tmp_path / "number.py").write_text("def one():\n    return 1\n")
    (tmp_path / "test_number.py").write_text(
        "from number import one\n\ndef test_one():\n    assert one() == 1\n"
    )
    (tmp_path / "test_nothing.py").write_text("def test_nothing():\n    import number\n")
    (tmp_path / "test_broken.py").write_text("def test_broken(:\n")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    monkeypatch.setattr(trial, "ROOT", tmp_path)
    return tmp_path


@pytest.mark.slow
def test_killed_survived_and_what_is_neither(project, tmp_path):
    def fault(old="return 1", new="return 2", tests="test_number.py"):
        return faults.Fault("number.py", old, new, tests, "list.tsv:1")

    tree = trial.Tree(tmp_path / "scratch", timeout=30)
    assert tree.sound("test_number.py") is None
    assert tree.try_out(fault()).verdict == "killed"
    assert (tree.root / "number.py").read_text() == (project / "number.py").read_text()
    assert tree.try_out(fault(tests="test_nothing.py")).verdict == "survived"
    assert tree.try_out(fault(tests="test_broken.py")).verdict == "error"
    assert tree.try_out(fault(old="return 3")).verdict == "error"
    assert "WITHOUT A FAULT" in tree.sound("test_broken.py").output
    tree.timeout = 0.01
    assert tree.try_out(fault()).verdict == "timeout"


def test_a_line_that_is_no_fault_is_said(tmp_path):
    (tmp_path / "list.tsv").write_text("# a comment\n\n" + LINE)
    (fault,) = faults.read(tmp_path)
    assert fault.area == "list"
    assert fault.where == "list.tsv:3"
    (tmp_path / "list.tsv").write_text("number.py\treturn 1\n")
    with pytest.raises(ValueError, match=r"list\.tsv:1"):
        faults.read(tmp_path)
