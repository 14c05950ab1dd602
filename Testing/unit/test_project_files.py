"""The files about the project agree with it: make's help, hooks, the workflow, forms for issues."""

import os
import re
import shutil
import subprocess
from importlib import import_module
from pathlib import Path

import pytest

from LungSquadLib.cli import VERBS

ROOT = Path(__file__).resolve().parents[2]
HOOKS = ROOT / ".pre-commit-config.yaml"
WORKFLOW = ROOT / ".github/workflows/ci.yml"
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("[!c]*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def parsed(path):
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def tracked(*command):
    """What git prints about the files of the project."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("this is no clone, or git is not installed")
    run = subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode in (0, 1), run.stderr
    return run.stdout.splitlines()


@pytest.mark.linux
def test_help_lists_every_target_and_is_the_default():
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    for target in (["help"], []):
        command = ["make", "--no-print-directory", *target]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        lines = [line.split(maxsplit=1) for line in run.stdout.splitlines()]
        assert sorted(name for name, text in lines if text) == sorted(phony.split())


def test_files_are_small_and_have_no_trailing_whitespace():
    for name in tracked("ls-files"):
        path = ROOT / name
        assert not path.exists() or path.stat().st_size < 5_000_000, name
    assert tracked("grep", "-InE", "[ \t]+$") == []


def test_what_is_required_of_a_change_exists_and_can_be_run():
    text = WORKFLOW.read_text(encoding="utf-8")
    for name in (".ci/run", "constraints.txt"):
        assert name in text
        assert (ROOT / name).is_file()
    assert os.access(ROOT / ".ci/run", os.X_OK)
    for target in re.findall(r"^make (\S+)$", (ROOT / ".ci/run").read_text(), re.MULTILINE):
        assert f"\n{target}: " in MAKEFILE


def test_the_workflow_may_only_read_ends_and_uses_pinned_actions():
    workflow = parsed(WORKFLOW)
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert "permissions" not in job
        assert 0 < job["timeout-minutes"] <= 60
        actions = [step["uses"] for step in job["steps"] if "uses" in step]
        assert actions
        assert all(re.fullmatch(r"actions/[a-z-]+@v[1-9]\d*", action) for action in actions)
    versions = workflow["jobs"]["linux"]["strategy"]["matrix"]["python"]
    assert all(isinstance(version, str) for version in versions)  # 3.10 is no number
    assert f'requires-python = ">={versions[0]}"' in PROJECT


def test_the_workflow_names_markers_folders_and_extras_that_exist():
    text = WORKFLOW.read_text(encoding="utf-8")
    (expression,) = re.findall(r'-m "([^"]*)"', text)
    markers = set(re.findall(r"\w+", expression)) - {"not", "and", "or"}
    assert markers == {"slow", "linux"}
    assert all(f'"{marker}: ' in PROJECT for marker in markers)
    folders = re.findall(r"\bTesting/\w+", text)
    assert folders
    assert all((ROOT / folder).is_dir() for folder in folders)
    (extra,) = re.findall(r'"\.\[(\w+)\]"', text)
    assert f"\n{extra} = [\n" in PROJECT


def test_hooks_use_the_tools_of_the_project_and_download_nothing():
    repositories = parsed(HOOKS)["repos"]
    assert [each["repo"] for each in repositories] == ["local"]
    development = PROJECT.partition("\ndev = [\n")[2].partition("\n]")[0]
    for hook in repositories[0]["hooks"]:
        assert {"id", "name", "entry", "language"} <= set(hook)
        assert hook["language"] == "system"
        program = hook["entry"].split()[0]
        tool = program.removeprefix(".venv/bin/")
        assert tool in ("git", "bash") if tool == program else f'"{tool}>=' in development


# GitHub's "Syntax for issue forms" and "Syntax for GitHub's form schema".
@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_forms_have_what_github_requires(path):
    form = parsed(path)
    assert {"name", "description", "body"} <= set(form)
    fields = [each for each in form["body"] if each["type"] != "markdown"]
    assert fields
    for each in form["body"]:
        assert each["type"] in ("markdown", "textarea", "input", "dropdown", "checkboxes")
        required = {"markdown": "value"}.get(each["type"], "label")
        assert each["attributes"][required].strip()
        assert set(each.get("validations", {})) <= {"required"}
    for key in [[each["id"] for each in fields], [each["attributes"]["label"] for each in fields]]:
        assert len(set(key)) == len(key)
    for each in fields:
        for option in each["attributes"].get("options", []):
            assert option["label"]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_forms_name_commands_that_exist_and_keep_patients_out(path):
    text = path.read_text(encoding="utf-8")
    assert "patient data" in text
    assert set(re.findall(r"`lungsquad (\w+)", text)) <= set(VERBS)


def test_a_bug_report_asks_for_the_doctor():
    doctor = next(each for each in parsed(FORMS[0])["body"] if each.get("id") == "doctor")
    assert "`lungsquad doctor`" in doctor["attributes"]["label"]
    assert doctor["validations"] == {"required": True}
    ((module, name),) = re.findall(
        r"`from (\S+) import (\w+);", doctor["attributes"]["description"]
    )
    assert hasattr(import_module(module), name)
