"""What an evaluation writes: figures, a page that needs nothing else, checklists, a card."""

from __future__ import annotations

import csv
import json
import re
import sys
from dataclasses import replace

import numpy as np
import pytest

from LungSquadLib.cli import main
from LungSquadLib.errors import MissingPackageError
from LungSquadLib.evaluation.classifier.evaluate import evaluate
from LungSquadLib.evaluation.classifier.results import StudyDescription
from LungSquadLib.evaluation.classifier.rows import Columns
from LungSquadLib.evaluation.classifier.table import Table
from LungSquadLib.report.classifier.checklist import checklist
from LungSquadLib.report.classifier.figures import NAMES, pictures
from LungSquadLib.report.classifier.write import write_evaluation
from Testing import model_samples

EVIL = "<script>alert('$x$')</script>"
STUDY = StudyDescription(
    title=f"Squamous or not {EVIL}",
    question="Is this tumour a squamous cell carcinoma?",
    data="Computer-made phantoms.",
    patients={"training": 120, "validation": 60, "test": 60},
    excluded=(("no mask", 3),),
    network="transfer, trunk frozen",
    preprocessing="64 mm at 1 mm",
    split_hash="5eed",
    seeds=(0, 1),
    learning_curve=((20, 0, 0.6), (20, 1, 0.55), (80, 0, 0.7), (80, 1, 0.72)),
    permuted_aucs=(0.48, 0.55, 0.51),
    software={"LungSquad": "0.1"},
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found():
    """An evaluation that has everything, of patients with telling names."""
    draw = np.random.default_rng(0)
    y = draw.integers(0, 2, 120)
    x = y - 0.5 + draw.normal(0, 1, 120)
    columns = {
        "y": np.where(y == 1, EVIL, "LUAD"),
        "p": 1 / (1 + np.exp(-x)),
        "volume": np.exp(3 - y + draw.normal(0, 1, 120)),
        "patient": [f"MUSTERMANN-{number:03d}" for number in range(120)],
        "part": np.where(np.arange(120) < 60, "validation", "test"),
        "time": draw.exponential(np.exp(-x)),
        "event": draw.integers(0, 2, 120),
    }
    roles = Columns("y", "p", None, ("volume",), "patient", None, "part", "time", "event")
    return evaluate(Table.of("t", columns), roles, positive=EVIL, samples=40)


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    from LungSquadLib.models.file import read_model_file

    folder = tmp_path_factory.mktemp("model")
    return read_model_file(model_samples.model_file(folder / "m.safetensors")).card


@pytest.fixture(scope="module")
def folder(found, card, tmp_path_factory):
    target = tmp_path_factory.mktemp("evaluation")
    (target / "notes.txt").write_text("of somebody")
    write_evaluation(found, target, study=replace(STUDY, card=card))
    return target


def test_the_folder_holds_everything_and_what_was_there(folder):
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    drawn = {f"figures/{name}.{kind}" for name in NAMES for kind in ("png", "svg")}
    written = {"evaluation.json", "index.html", "checklist.csv", "card.md"}
    assert files == {*drawn, *written, "notes.txt"}


def test_no_file_names_a_patient(folder):
    for path in folder.rglob("*.*"):
        assert b"MUSTERMANN" not in path.read_bytes(), path


def test_the_page_needs_nothing_else_and_runs_nothing(folder):
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert EVIL not in page
    assert "&lt;script&gt;" in page
    assert not re.search(r"(src|href)=\"(?!data:image/)", page)
    assert "default-src &#x27;none&#x27;" in page
    assert "Research software, not a medical device." in page
    assert page.count("<img") == page.count(' alt="') == len(NAMES)


def test_the_page_goes_from_the_question_to_the_checklists(folder):
    page = (folder / "index.html").read_text(encoding="utf-8")
    titles = re.findall("<h2>(.*?)</h2>", page)
    assert titles == [
        "Question and patients",
        "What was found",
        "Discrimination",
        "Calibration and use",
        "Thresholds",
        "Predicted classes",
        "Survival",
        "Controls",
        "Methods",
        "Checklists",
    ]


def test_the_numbers_are_json_of_everything(folder, found, card):
    def refuse(name):
        raise AssertionError(name)

    text = (folder / "evaluation.json").read_text(encoding="utf-8")
    read = json.loads(text, parse_constant=refuse)
    study = read.pop("study")
    assert read == found.to_dict()
    assert study["permuted_aucs"] == list(STUDY.permuted_aucs)
    assert study["card"]["name"] == card.name
    assert read["discrimination"]["roc"]["thresholds"][0] is None  # infinite


def test_figures_are_the_same_bytes_every_time(found, folder):
    for one in pictures(found, STUDY):
        assert one.png == (folder / "figures" / f"{one.name}.png").read_bytes()
        assert one.svg == (folder / "figures" / f"{one.name}.svg").read_bytes()
        assert one.png.startswith(b"\x89PNG")
        assert b"<dc:date>" not in one.svg
        assert one.alt.endswith(".")
        assert one.caption.endswith(".")


def test_a_checklist_says_what_is_known_and_nothing_else(found, folder):
    blank = {(one.guideline, one.item): one.entry for one in checklist(found)}
    known = {(one.guideline, one.item): one.entry for one in checklist(found, STUDY)}
    assert len(blank) == 52 + 42
    assert blank["TRIPOD+AI", "5a"] == ""
    assert known["TRIPOD+AI", "5a"] == STUDY.data
    assert known["CLAIM 2020", "20"] == "training 120, validation 60, test 60; split 5eed"
    assert "3 cases: no mask" in known["CLAIM 2020", "33"]
    for item in ("17", "18a", "18b", "18d", "19"):  # ethics, funding and the like: never known
        assert known["TRIPOD+AI", item] == ""
    with (folder / "checklist.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["guideline"], row["item"]) for row in rows] == list(known)


def test_a_card_says_what_the_model_must_not_be_used_for(folder, card):
    text = (folder / "card.md").read_text(encoding="utf-8")
    assert card.title in text
    assert all(sentence in text for sentence in card.must_not)
    assert "AUC 0." in text
    assert "<script>" not in text


def test_an_evaluation_without_a_model_has_no_card(tmp_path):
    table = Table.of("t", {"truth": [0, 1, 2] * 9, "said": [0, 1, 1] * 9})
    found = evaluate(table, Columns("truth", predicted="said"))
    page = write_evaluation(found, tmp_path / "new")
    assert sorted(path.name for path in page.parent.iterdir()) == [
        "checklist.csv",
        "evaluation.json",
        "figures",
        "index.html",
    ]
    assert "<img" not in page.read_text(encoding="utf-8")


def test_numbers_need_no_matplotlib_and_figures_say_so(found, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingPackageError, match="matplotlib"):
        write_evaluation(found, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "t.csv").write_text("y,p\n" + "0,0\n1,1\n" * 5)
    command = ["evaluate", str(tmp_path / "t.csv"), "--label", "y", "--predicted", "p", "--json"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["hard_predictions"]["report"]["accuracy"] == 1.0
