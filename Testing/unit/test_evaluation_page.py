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
from LungSquadLib.report.classifier.methods import cited_references, methods_text
from LungSquadLib.report.classifier.metrics_score import metrics_items, score_range
from LungSquadLib.report.classifier.page import write_evaluation
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
    written |= {"metrics.csv", "methods.md", "references.bib"}
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


def test_metrics_has_the_published_weights_and_answers_what_is_known(found, folder, card):
    blank = {item.item: item for item in metrics_items(found)}
    known = {item.item: item for item in metrics_items(found, replace(STUDY, card=card))}
    assert list(known) == list(range(1, 31))
    assert sum(item.weight for item in known.values()) == pytest.approx(1, abs=1e-9)
    by_category = {}  # the weights of Kocak et al. 2024, table 1, summed by category
    for item in known.values():
        by_category[item.category] = by_category.get(item.category, 0) + item.weight
    assert {name: round(weight, 4) for name, weight in by_category.items()} == {
        "study design": 0.2022,
        "imaging data": 0.1460,
        "segmentation": 0.0674,
        "image processing and feature extraction": 0.1348,
        "feature processing": 0.0900,
        "preparation for modeling": 0.0899,
        "metrics and comparison": 0.1348,
        "testing": 0.1124,
        "open science": 0.0225,
    }
    answers = {number: item.answer for number, item in known.items() if item.answer}
    yes = dict.fromkeys((11, 13, 18, 20, 21, 22, 23, 24, 25, 26), "yes")
    assert answers == yes | dict.fromkeys((12, 14, 15, 16), "n/a")
    assert [n for n, item in blank.items() if item.answer] == [20, 21, 22, 24, 25]
    low, high = score_range(list(known.values()))
    # by hand: the weights of the ten items that are met, of 1 less the four that do not apply
    assert low == pytest.approx(0.3359 / 0.8989, abs=1e-4)
    assert high == 1
    with (folder / "metrics.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["answer"] for row in rows] == [item.answer for item in known.values()]


def test_what_is_not_measured_is_no_in_metrics():
    table = Table.of("t", {"truth": [0, 1, 2] * 9, "said": [0, 1, 1] * 9})
    items = metrics_items(evaluate(table, Columns("truth", predicted="said")))
    assert {item.item: item.answer for item in items if item.answer} == {22: "no", 25: "no"}
    assert score_range(items)[0] == 0


def test_the_methods_cite_what_was_computed_and_the_references_are_those(found, folder):
    text = (folder / "methods.md").read_text(encoding="utf-8")
    references = (folder / "references.bib").read_text(encoding="utf-8")
    for part in ("64 mm at 1 mm", "split 5eed, seeds 0, 1", "120 for training", "3 for no mask"):
        assert part in text
    cited = set(re.findall(r"@(\w+)", text))
    assert set(re.findall(r"^@\w+\{(\w+),$", references, re.MULTILINE)) == cited
    assert {"delong1988", "brier1950", "kaplan1958", "vickers2006", "lungsquad"} <= cited
    assert "<script>" not in text
    assert "<script>" not in references
    bare = methods_text(replace(found, survival=None, calibration=None))
    assert "Kaplan" not in cited_references(bare)
    assert "brier1950" not in bare
    with pytest.raises(KeyError, match="nobody1999"):
        cited_references("As in [@delong1988; @nobody1999].")


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
        "methods.md",
        "metrics.csv",
        "references.bib",
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
