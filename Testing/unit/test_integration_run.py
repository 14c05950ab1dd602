"""A run on tables: the same bytes whatever stops it, and a page that says what came out."""

import csv
import hashlib
import json
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from sklearn.metrics import roc_auc_score

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

from LungSquadLib.cli import main
from LungSquadLib.data.tables.clinical import read_clinical
from LungSquadLib.data.tables.join import join
from LungSquadLib.data.tables.matrix_file import read_matrix
from LungSquadLib.errors import CancelledError, InputError
from LungSquadLib.evaluation.integration import (
    AUC,
    BALANCED,
    Difference,
    ablation,
    findings,
    importance,
)
from LungSquadLib.models.file import read_model_file
from LungSquadLib.phantom.tables import Simulation, write_simulated
from LungSquadLib.pipeline.report_integration import report_integration
from LungSquadLib.progress import Silent
from LungSquadLib.statistics.intervals import Estimate
from LungSquadLib.statistics.text import format_estimate
from LungSquadLib.training.card import CardText
from LungSquadLib.training.experiment import read_rows
from LungSquadLib.training.integration import task as integration
from LungSquadLib.training.integration.experiment import outer_fits, train_integration
from LungSquadLib.training.integration.export import read_fitted
from LungSquadLib.training.integration.options import IntegrationOptions
from LungSquadLib.training.integration.task import predict
from Testing.table_cohort import cohort

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]
SMALL = IntegrationOptions("histology", folds=2, seeds=2, inner_folds=2, epochs=3)
FILES = ("model.safetensors", "predictions.csv", "splits.csv", "run.json")


@pytest.fixture(scope="module", autouse=True)
def one_setting():
    """A single setting for the inner folds to choose from: quick."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(integration, "SETTINGS", (integration.Setting(10, 0.3),))
        yield


class Stopping(Silent):
    """Progress that cancels when so much is done."""

    def __init__(self, at):
        self.at, self.cancelled = at, False

    def report(self, fraction, message):
        self.cancelled = fraction >= self.at


def train(place, data=None, options=SMALL, **more):
    return train_integration(data or cohort(40, genes=12), place, options, **more)


def digests(place):
    return {name: hashlib.sha256((place / name).read_bytes()).hexdigest() for name in FILES}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    place = tmp_path_factory.mktemp("run") / "run"
    finished = train(place, card_text=CardText(name="lung", notice="Of made-up patients."))
    return finished, report_integration(finished, samples=60)


def test_a_run_that_was_stopped_ends_with_the_same_bytes(tmp_path, run):
    card_text = CardText(name="lung", notice="Of made-up patients.")
    with pytest.raises(CancelledError):
        train(tmp_path / "run", card_text=card_text, progress=Stopping(0.5))
    assert not (tmp_path / "run" / "model.safetensors").exists()
    done = sorted((tmp_path / "run" / "fits").iterdir())
    assert 1 <= len(done) < 5
    (done[0] / "predictions.csv").write_text("broken")
    train(tmp_path / "run", card_text=card_text)
    assert digests(tmp_path / "run") == digests(run[0].folder)


def test_a_folder_of_another_run_is_refused(run):
    with pytest.raises(InputError, match="another branch_width"):
        train(run[0].folder, options=replace(SMALL, branch_width=4))
    with pytest.raises(InputError, match="another data"):
        train(run[0].folder, cohort(40, genes=12, seed=5))


def test_too_few_patients_for_the_inner_folds_are_said_before_anything_is_written(tmp_path):
    data = cohort(40, genes=12)
    stage = ("T4",) * 4 + ("T1",) * 18 + ("T2",) * 18
    options = replace(SMALL, label="t_stage", classes=("T1", "T2", "T4"))
    with pytest.raises(InputError, match="Of the label 'T4' there are"):
        train(tmp_path / "run", replace(data, facts={"t_stage": stage}), options)
    assert not (tmp_path / "run").exists()


def test_the_model_says_what_it_is_and_answers(run):
    finished, _ = run
    setup, model = finished.setup, read_model_file(finished.folder / "model.safetensors")
    card = model.card
    assert card.kind == "integrator"
    assert (card.name, card.notice) == ("lung", "Of made-up patients.")
    assert [one.code for one in card.classes] == ["LUAD", "LUSC"]
    assert [one.name for one in card.table.sources] == ["expression", "image"]
    assert set(card.table.sources[0].columns) <= set(setup.sources[0].columns)
    assert card.metrics["AUC"].n == len(setup.patients)
    known = {hashlib.sha256(one.encode()).hexdigest()[:16] for one in map(str, cohort(40).patients)}
    assert set(card.training.seen.patients) <= known
    assert len(card.training.seen.patients) == len(setup.patients)
    names = [column for one in setup.sources for column in one.columns]
    place = [names.index(column) for column in card.table.columns]
    logits, features = predict(model.network, setup.rows.x[:, place])
    assert np.isfinite(logits).all()
    assert features.shape[1] == len(model.reference.mean)


def test_the_reference_is_measured_on_patients_that_no_training_has_seen(run):
    """Out of fold: each patient by the fold's network that did not learn from it, once."""
    setup, place = run[0].setup, run[0].folder
    distances = []
    with (place / "splits.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["seed"] == "0"]
    for fold in ("0", "1"):
        parts = {
            part: [
                setup.index[row["case"]]
                for row in rows
                if (row["fold"], row["part"]) == (fold, part)
            ]
            for part in ("train", "test")
        }
        job = outer_fits(setup)[int(fold)]
        _, fitted = read_fitted(setup, job, place)
        train, test = (
            predict(fitted.network, setup.rows.x[parts[part]][:, fitted.columns])[1]
            for part in ("train", "test")
        )
        assert not set(parts["train"]) & set(parts["test"])
        covariance = np.cov(train.T)
        ball = np.eye(len(covariance)) * np.trace(covariance) / len(covariance)
        inverse = np.linalg.inv(0.9 * covariance + 0.1 * ball)
        distances += [mahalanobis(one, train.mean(0), inverse) for one in test]
    model = read_model_file(place / "model.safetensors")
    assert len(distances) == len(setup.patients)
    np.testing.assert_allclose(model.reference.distances, np.sort(distances), rtol=1e-6)


def test_the_page_says_first_what_came_out(run):
    finished, found = run
    text = (finished.folder / "index.html").read_text(encoding="utf-8")
    first = re.search(r'<p class="verdict">(.*?)</p>', text)[1]
    assert first == found.sentences[0]
    assert re.match(r"(Histology can|The network separates histology).*: AUC 0\.\d{3} \(", first)
    for name in ("logistic regression", "clinical variables only", "the network with image alone"):
        assert name in text
    assert (finished.folder / "evaluation" / "index.html").is_file()
    written = json.loads((finished.folder / "integration.json").read_text(encoding="utf-8"))
    assert written["sentences"][0] == first
    with (finished.folder / "columns.csv").open(encoding="utf-8") as file:
        columns = list(csv.DictReader(file))
    assert {one["source"] for one in columns} == {"expression", "image"}


def test_one_auc_has_one_interval_wherever_it_is_read(run):
    finished, _ = run
    place = finished.folder
    card = read_model_file(place / "model.safetensors").card
    with_all = json.loads((place / "integration.json").read_text(encoding="utf-8"))
    on_page = json.loads((place / "evaluation" / "evaluation.json").read_text(encoding="utf-8"))
    arm = with_all["ablation"]["models"][0]["measures"]
    three = [card.metrics["AUC"], arm["AUC"], on_page["discrimination"]["auc"]]
    for name in ("value", "low", "high"):
        one, *others = (vars(it)[name] if hasattr(it, "n") else it[name] for it in three)
        assert others == pytest.approx([one, one], abs=1e-9)
    text = format_estimate(card.metrics["AUC"])
    for page in (place / "index.html", place / "evaluation" / "index.html"):
        assert text in page.read_text(encoding="utf-8")
    assert "pairs of patients in the same fold" in card.metrics["AUC"].where
    assert card.metrics["AUC"].value == pytest.approx(
        within_folds(read_rows(place / "predictions.csv"), finished.setup)
    )


def within_folds(rows, setup):
    """Mean of scikit-learn's AUC of each fold and seed, by their pairs."""
    test = [row for row in rows if row["part"] == "test"]
    areas, pairs = [], []
    for key in sorted({(row["seed"], row["fold"]) for row in test}):
        its = [row for row in test if (row["seed"], row["fold"]) == key]
        y = np.array([row[setup.options.label] == setup.classes[setup.positive] for row in its])
        areas.append(roc_auc_score(y, [float(row["score"]) for row in its]))
        pairs.append(y.sum() * (~y).sum())
    return np.average(areas, weights=pairs)


def simulated(place, label, **how):
    """A small simulated cohort, and the ablation of a run on it, with the AUC of each arm."""
    made = write_simulated(
        place / "tables", Simulation(patients=130, genes=160, missing=0.2, **how)
    )
    genes, features = (
        read_matrix(made / f"{name}.csv", name=name, kind=kind)
        for name, kind in (("expression", "expression"), ("features", "features"))
    )
    data = join([genes, features], [read_clinical(made / "clinical.csv")], keep_ids=True)
    options = replace(SMALL, label=label, seeds=1, epochs=15)
    finished = train(place / "run", data, options)
    found = ablation(finished.setup, read_rows(finished.folder / "predictions.csv"), samples=199)
    return finished, found, {one.name: one.measures[AUC].value for one in found.models}


def test_of_simulated_patients_each_source_tells_what_it_knows(tmp_path):
    finished, found, area = simulated(tmp_path / "histology", "histology", effect=1)
    assert found.above_chance
    assert area["the network"] > 0.75
    assert area["the network with expression alone"] > 0.75
    assert area["the network with features alone"] < 0.65
    assert area["clinical variables only"] < 0.65
    assert found.confusion.sum() == len(finished.setup.patients)
    _, found, area = simulated(tmp_path / "survival", "survival2y", effect=1.5)
    assert found.above_chance
    assert area["the network with features alone"] > 0.65
    assert area["the network with features alone"] > area["the network with expression alone"] + 0.1


def test_of_simulated_patients_nothing_is_told_where_there_is_nothing(tmp_path):
    finished, found, _ = simulated(tmp_path, "histology", effect=0)
    assert not found.above_chance
    assert "Histology cannot be predicted from these data" in findings(finished.setup, found)[0]
    assert found.models[0].measures[BALANCED].value < 0.6


def test_a_headline_needs_interval_shuffles_and_better_than_the_baselines(run):
    setup, ablated = run[0].setup, run[1].ablation
    options = replace(setup.options, label="t_stage")

    def first(low, p, shuffles, *differences):
        arms = (replace(ablated.models[0], measures=dict(ablated.models[0].measures)),)
        arms[0].measures[ablated.measure] = Estimate(0.7, low, 0.9, "")
        against = tuple(
            Difference(name, Estimate(low + 0.1, low, low + 0.2, ""), name != "fewer")
            for name, low in differences
        )
        changed = replace(ablated, models=arms, p=p, permutations=shuffles, differences=against)
        return findings(replace(setup, options=options), changed)[0]

    better, worse = ("logistic regression", 0.1), ("clinical variables only", -0.3)
    assert first(0.6, 0.001, 1000, better).startswith("T stage can be predicted")
    assert first(0.6, 0.001, 1000, better, ("fewer", -0.1)).startswith("T stage can be predicted")
    none = "T stage cannot be predicted"
    assert first(0.49, 0.001, 1000, better).startswith(none)  # the interval holds chance
    assert first(0.6, 0.048, 1000, better).startswith(none)  # p may as well be 0.06
    assert first(0.6, 0.05, 19, better).startswith(none)
    said = first(0.6, 0.001, 1000, better, worse)
    assert "not demonstrably better than clinical variables only" in said
    assert "p = 0.001, the least of 1000 permutations" in said
    said = first(0.6, 0.001, 1000, better, ("'volume'", -0.02))  # -0.020 to 0.180
    assert "not demonstrably better than 'volume'" in said


def test_columns_are_ranked_over_all_trainings():
    def table(*columns):
        return [
            {"source": "e", "column": name, "rank": rank, "importance": size, "effect": -size}
            for name, rank, size in columns
        ]

    found = importance([table(("a", 1, 0.4), ("b", 2, 0.1)), table(("a", 1, 0.2), ("c", 2, 0.2))])
    first, second, third = found.columns
    assert (first.name, first.selected, first.rank) == ("a", 1, 1)
    assert first.importance == pytest.approx(0.3)
    assert (second.name, second.selected) == ("c", 0.5)
    assert second.importance == pytest.approx(0.1)
    assert third.effect == pytest.approx(-0.1)
    assert found.shared == 1


@pytest.fixture
def no_evaluation(monkeypatch):
    """Without the full evaluation, whose figures take most of the time."""
    monkeypatch.setattr(
        "LungSquadLib.pipeline.report_integration.write_evaluation", lambda *_, **__: 0
    )


@pytest.mark.usefixtures("no_evaluation")
def test_another_cohort_has_a_page_of_its_own(tmp_path):
    options = replace(SMALL, seeds=1, allow_overlap=True, reference_scores=("age",))
    data = cohort(40, genes=12)
    finished = train(tmp_path / "run", data, options, external_test=cohort(30, genes=12, seed=8))
    found = report_integration(finished, samples=30)
    assert found.ablation.patients == len(finished.setup.splits[0, 0].test)
    assert found.ablation.models[-1].name == "'age'"
    text = (tmp_path / "run" / "index.html").read_text(encoding="utf-8")
    assert "same name in both cohorts" in text
    cell = r">{}</th><td>(\d+) patients"
    counts = [int(re.search(cell.format(part), text)[1]) for part in ("Training", "Test")]
    assert counts == [40, 30]
    assert len(list((tmp_path / "run" / "fits").iterdir())) == 1


def test_real_tables_tell_histology(tmp_path, shared_data):
    folder = shared_data / "open" / "nsclc_radiogenomics"
    genes = read_matrix(folder / "GSE103584_top1000var_log10_zscore.csv")
    facts = read_clinical(next(folder.glob("NSCLCR01*.csv")))
    options = replace(SMALL, seeds=1, epochs=30)
    finished = train(tmp_path / "run", join([genes], [facts], keep_ids=True), options)
    assert np.bincount(finished.setup.y).tolist() == [96, 31]
    assert finished.setup.excluded == {"another histology": 3}
    found = ablation(finished.setup, read_rows(finished.folder / "predictions.csv"), samples=100)
    assert found.main.value > 0.88
    assert "scaled, and perhaps chosen, on all patients" in " ".join(finished.setup.warnings)


def write_table(path, header, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


@pytest.mark.usefixtures("no_evaluation")
def test_the_command_line_trains_and_no_patient_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    quick = partial(report_integration, samples=50)
    monkeypatch.setattr("LungSquadLib.pipeline.report_integration.report_integration", quick)
    data, draws = cohort(40, genes=12), np.random.default_rng(3)
    names = [f"SECRET-{n:03d}" for n in range(40)]
    genes = data.sources[0]
    cells = [["" if np.isnan(one) else one for one in row] for row in genes.values.tolist()]
    rows = [[name, *row] for name, row in zip(names, cells, strict=True)]
    write_table(tmp_path / "Jane_Doe.csv", ["patient", *genes.columns], rows)
    clinical = [
        [name, label, draws.integers(40, 80), 1 - draws.integers(2)]
        for name, label in zip(names, data.facts["histology"], strict=True)
    ]
    write_table(tmp_path / "Doe_clinical.csv", ["patient", "grade", "years", "other"], clinical)
    arguments = ["train", "integration", "--sources", "expression=Jane_Doe.csv"]
    arguments += ["clinical=Doe_clinical.csv", "--label", "grade", "--clinical-columns", "age"]
    mapping = {"patient": "patient", "columns": {"years": "age"}}
    (tmp_path / "map.json").write_text(json.dumps(mapping), encoding="utf-8")
    arguments += [
        "--mapping",
        "map.json",
        "--reference-scores",
        "other",
        "--folds",
        "2",
        "--seeds",
        "1",
    ]
    arguments += ["--inner-folds", "2", "--epochs", "2", "--device", "cpu"]
    assert main([*arguments, "-o", "run"]) == 0
    said = capsys.readouterr().out
    assert re.match("'grade' cannot be predicted from these data: AUC", said)
    assert "run/index.html" in said
    for path in (tmp_path / "run").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"SECRET" not in content, path
            assert b"Doe" not in content, path
    write_table(
        tmp_path / "few.csv", ["patient", "grade", "age"], [row[:3] for row in clinical[:3]]
    )
    refused = ["train", "integration", "--sources", "clinical=few.csv", "--clinical-columns", "age"]
    assert main([*refused, "--label", "grade", "--exclude-columns", "nothing", "-o", "two"]) == 2
    assert "No source has the column 'nothing'" in capsys.readouterr().err
    assert not (tmp_path / "two").exists()
