"""A run of autoencoders: what can be found is found and said, the same bytes after any stop."""

import csv
import json
import re
import signal
import subprocess
import sys
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from LungSquadLib.data.tables.matrix import Dropped
from LungSquadLib.errors import CancelledError, InputError, ModelError
from LungSquadLib.evaluation.clusters import analyse
from LungSquadLib.inference.groups import assign_groups
from LungSquadLib.models.file import read_model_file
from LungSquadLib.progress import Silent
from LungSquadLib.report.clusters import page as write
from LungSquadLib.report.clusters.figures import latent
from LungSquadLib.report.clusters.page import write_groups
from LungSquadLib.training.autoencoder import experiment as autoencoder_run
from LungSquadLib.training.autoencoder import grouping
from LungSquadLib.training.autoencoder.experiment import train_autoencoder
from LungSquadLib.training.autoencoder.grouping import stability
from LungSquadLib.training.autoencoder.options import AutoencoderOptions
from LungSquadLib.training.card import CardText
from Testing.table_cohort import simulated, some
from Testing.unit.test_training_run import StopAt

pytestmark = pytest.mark.usefixtures("one_thread")
ROOT = Path(__file__).parents[2]
OPTIONS = AutoencoderOptions(
    groups=2, latent=3, hidden=(16,), seeds=2, epochs=40, warm_up=10, learning_rate=0.01
)
LEARNT = 150  # patients; the others of the cohort come later
QUICK = replace(OPTIONS, seeds=1, epochs=15, warm_up=5)


@cache
def drawn():
    """Histology parts patients into two groups; T stage is a slope on which there are none."""
    return simulated(patients=200, genes=160, effect=4.0)


def cohort(patients=LEARNT):
    return some(drawn()[0], slice(patients))


def newcomers():
    (matrix,) = some(drawn()[0], slice(LEARNT, None)).sources
    return matrix


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vae") / "run"
    return train_autoencoder(cohort(), folder, OPTIONS)


@pytest.fixture(scope="module", autouse=True)
def few_numbers_of_groups():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(analyse, "stability", partial(stability, counts=(2,)))
        patch.setattr(grouping, "_STARTS", 12)
        yield


@pytest.fixture(scope="module")
def written(finished):
    return write_groups(finished)


@pytest.fixture(scope="module")
def model(finished):
    return read_model_file(finished.folder / "model.safetensors")


def bytes_of(folder):
    return (folder / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_groups_follow_what_drives_them_and_nothing_else(written):
    own = {one.annotation: one for one in written.clusterings[0].agreements}
    assert own["histology"].all_patients.ari > 0.9
    assert own["histology"].all_patients.ari_p < 0.001
    assert own["histology"].test.ari > 0.8
    assert abs(own["t_stage"].all_patients.ari) < 0.1
    first = written.findings[0]
    assert first.startswith("The two groups follow histology (ARI ")
    assert re.search(r", not (to )?T stage \(ARI", first)
    assert written.stability.best == 2
    assert written.findings[1].startswith("The patients fall into groups")
    assert min(written.clusterings[0].seeds) > 0.9
    assert written.survival.log_rank.p > 0.05


@pytest.mark.slow
def test_the_columns_of_the_module_are_those_that_differ(written):
    names = {gene.name for gene in written.genes}
    assert names <= set(drawn()[1]["histology"])
    assert all(abs(gene.difference) > 1 for gene in written.genes)
    assert all(0 < gene.recurrence <= 1 for gene in written.genes)


@pytest.mark.slow
def test_everything_is_learnt_better_than_the_mean_and_beside_its_peers(written):
    test = {one.space: one.test for one in written.errors}
    assert set(test) == {"autoencoder", "PCA", "NMF", "mean"}
    assert test["autoencoder"] < 0.9 * test["mean"]
    spaces = {(one.space, one.method, one.count) for one in written.clusterings}
    assert len(spaces) == len(written.clusterings) == 6


@pytest.mark.slow
def test_the_page_says_it_and_needs_nothing_else(finished, written):
    page = (finished.folder / "index.html").read_text()
    for text in ("follow histology", "Research software", "Survival by group", "By T stage"):
        assert text in page
    assert "UMAP" not in page  # where it is not installed
    assert "<script" not in page
    results = json.loads((finished.folder / "groups.json").read_text())
    assert results["groupings"][0]["agreements"][0]["annotation"] == "t_stage"
    rows = list(csv.DictReader((finished.folder / "groups.csv").open()))
    assert {row["part"] for row in rows} == {"train", "validation", "test"}
    assert len(rows) == LEARNT


@pytest.mark.slow
def test_two_planes_have_one_legend(monkeypatch, written):
    points = written.run.trained.space[:, :2]
    method = SimpleNamespace(fit_transform=lambda space: points)
    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=lambda **how: method))
    for one in latent(replace(written, annotations=())):
        assert one.svg.count(b"<!-- UMAP of the latent space -->") == 1
        texts = re.findall(rb"<!-- ([^<]+ \(\d+\)) -->", one.svg)
        assert len(texts) == len(set(texts)) > 1


@pytest.mark.slow
def test_names_from_tables_are_escaped(tmp_path, written, monkeypatch):
    monkeypatch.setattr(analyse, "stability", lambda *_, **__: written.stability)
    monkeypatch.setattr(write, "pictures", lambda found: {})
    joined = cohort(40)
    facts = {"<b>a</b>": tuple(np.array(["<i>", "y"])[np.arange(40) % 2].tolist())}
    run = train_autoencoder(replace(joined, facts=facts), tmp_path / "run", QUICK)
    write_groups(run)
    page = (tmp_path / "run" / "index.html").read_text()
    assert "&lt;b&gt;a" in page
    assert "<b>a" not in page


def test_the_model_knows_its_groups_and_whom_it_has_seen(finished, model):
    card = model.card
    assert (card.kind, card.task) == ("autoencoder", "groups")
    assert [label.code for label in card.classes] == ["g1", "g2"]
    assert card.training.patients == len(finished.table.train)
    fold = finished.table.fold
    assert len(card.training.seen.patients) == len(fold.train) + len(fold.validation)
    assert 0 < card.metrics["test_error"].value < 1
    answer = model.network(torch.from_numpy(finished.table.matrix.values))
    groups = finished.mixture(finished.trained.space)
    np.testing.assert_array_equal(answer.logits.argmax(1).numpy(), groups)
    assert (finished.folder / "splits.csv").exists()


def test_groups_are_named_after_stages_where_they_follow_them(tmp_path):
    joined, options = cohort(60), replace(QUICK, groups=4)
    run = train_autoencoder(joined, tmp_path / "run", options, card_text=CardText(name="staged"))
    assert run.classes == ("g1", "g2", "g3", "g4")  # its stages are at random
    card = read_model_file(tmp_path / "run" / "model.safetensors").card
    assert (card.name, card.task) == ("staged", "groups")
    assert [label.name for label in card.classes] == [f"Group {n}" for n in (1, 2, 3, 4)]
    groups = run.mixture(run.trained.space)
    own = tuple(np.array(["T2", "T4", "T1", "T3"])[groups].tolist())
    followed = replace(joined, facts={**joined.facts, "t_stage": own})
    run = train_autoencoder(followed, tmp_path / "other", options)
    assert run.classes == ("T1", "T2", "T3", "T4")
    card = read_model_file(tmp_path / "other" / "model.safetensors").card
    assert card.task == "t_stage"
    assert "not be used to stage" in card.must_not[1]


@pytest.mark.parametrize("number", [3, 60])
def test_a_stopped_run_goes_on_to_the_same_bytes(tmp_path, finished, number):
    with pytest.raises(CancelledError):
        train_autoencoder(cohort(), tmp_path / "run", OPTIONS, progress=StopAt(number))
    assert not (tmp_path / "run" / "model.safetensors").exists()
    train_autoencoder(cohort(), tmp_path / "run", OPTIONS)
    assert bytes_of(tmp_path / "run") == bytes_of(finished.folder)


KILLED = """
import os, sys
from functools import cache, partial
from LungSquadLib.training import loop
from LungSquadLib.training.autoencoder import experiment
from Testing.unit.test_autoencoder_run import OPTIONS, cohort
save, left = loop._save, [50]
def end(*told):
    left[0] -= 1
    return save(*told) if left[0] else os.kill(os.getpid(), 9)
loop._save = end
experiment.Schedule = partial(experiment.Schedule, save_s=0.0)
experiment.train_autoencoder(cohort(), sys.argv[1], OPTIONS)
"""


@pytest.mark.linux
@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path, finished):
    words = [sys.executable, "-c", KILLED, tmp_path / "run"]
    assert subprocess.run(words, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    assert (tmp_path / "run" / "fits" / "seed0" / "checkpoint").exists()
    train_autoencoder(cohort(), tmp_path / "run", OPTIONS)
    assert bytes_of(tmp_path / "run") == bytes_of(finished.folder)


def test_a_collapsed_run_says_so_and_has_no_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(autoencoder_run, "ALIVE", 1e9)
    found = write_groups(train_autoencoder(cohort(40), tmp_path / "run", QUICK))
    assert found.findings[0].startswith("All 3 units of the latent space collapsed")
    assert "collapsed" in (tmp_path / "run" / "index.html").read_text()
    with pytest.raises(ModelError, match="has no groups"):
        assign_groups(read_model_file(tmp_path / "run" / "model.safetensors"), matrix_of(cohort()))


def test_what_is_left_out_is_counted(tmp_path):
    joined = cohort(40)
    (matrix,) = joined.sources
    values = matrix.values.copy()
    values[3, 10:] = np.nan
    values[:, 7], values[:, 8] = 1.5, np.nan
    values[4] = np.nan
    dropped = (Dropped("LS-x", "clinical", "in no source of numbers"),)
    changed = replace(joined, sources=(replace(matrix, values=values),), dropped=dropped)
    table = train_autoencoder(changed, tmp_path / "run", QUICK).table
    assert (len(table.cases), len(table.matrix.columns)) == (38, 158)
    said = " ".join(table.left_out)
    for text in ("'expression': 2; of them with none: 1.", "or none: 2 of 160."):
        assert text in said
    assert "Patients of 'clinical' left out: 1, in no source of numbers." in said


def test_two_names_of_one_profile_are_in_one_part(tmp_path):
    joined = cohort(40)
    (matrix,) = joined.sources
    values = matrix.values.copy()
    values[1::2] = values[::2]
    doubled = replace(joined, sources=(replace(matrix, values=values),))
    run = train_autoencoder(doubled, tmp_path / "run", QUICK)
    part_of = {name: part for part, names in run.table.fold.parts.items() for name in names}
    pairs = zip(matrix.patients[::2], matrix.patients[1::2], strict=True)
    assert all(part_of[one] == part_of[other] for one, other in pairs)


def matrix_of(joined):
    return joined.sources[0]


def test_new_patients_find_their_group(model):
    new = newcomers()
    found = assign_groups(model, new)
    lusc = np.array(drawn()[0].facts["histology"][LEARNT:]) == "LUSC"
    groups = np.array(found.groups)
    assert len(set(groups[lusc])) == len(set(groups[~lusc])) == 1
    assert set(groups[lusc]) != set(groups[~lusc])
    np.testing.assert_allclose(found.probabilities.sum(1), 1, rtol=1e-5)
    assert found.latent.shape == (len(new.patients), 3)
    assert {one.out_of_distribution for one in found.ood_scores} == {None}
    assert sum(one.p <= 0.05 for one in found.ood_scores) < 6
    assert "only 30 held-out cases, and 99 are needed" in " ".join(found.notes)
    assert "shares" not in " ".join(found.notes)
    seen = assign_groups(model, matrix_of(cohort()))
    assert "shares 120 patients" in " ".join(seen.notes)


def test_missing_columns_are_counted_and_more_than_half_refused(model):
    matrix = newcomers()
    fewer = replace(matrix, columns=matrix.columns[:110], values=matrix.values[:, :110])
    values = fewer.values.copy()
    values[0], values[3, :40] = 5, np.nan
    found = assign_groups(model, replace(fewer, values=values))
    assert (found.missing[0], found.columns) == (50, 160)
    assert found.missing[3] >= 90
    assert found.groups[3] == ""
    assert found.rows()[3]["p_g1"] == ""
    said = " ".join(found.notes)
    assert "50 of the model's 160 columns are not in the table" in said
    assert "1 of 30 patients have less than half" in said
    few = replace(matrix, columns=matrix.columns[:79], values=matrix.values[:, :79])
    with pytest.raises(InputError, match="has 79 of the 160 columns"):
        assign_groups(model, few)


def test_another_scale_is_refused_where_it_cannot_be_and_noticed_where_it_may(model):
    matrix = newcomers()
    with pytest.raises(InputError, match=r"table cannot be on the scale of the model.*logarithms"):
        assign_groups(model, replace(matrix, values=matrix.values * 40 + 500))
    found = assign_groups(model, replace(matrix, values=matrix.values * 3))
    assert "is the table on the model's scale (logarithms" in " ".join(found.notes)


WRONG = {
    "groups": ({"groups": 1}, "--groups must be 2 to 32, not 1"),
    "many groups": ({"groups": 33}, "--groups must be 2 to 32"),
    "few patients": ({"groups": 32}, "32 groups cannot be found among"),
    "latent": ({"latent": 0}, "--latent must be 1 or more"),
    "a wide network": ({"hidden": (5000,)}, "'hidden' of the network 'autoencoder' must be"),
    "seeds": ({"seeds": 0}, "--seeds must be 1 or more"),
    "test": ({"test_fraction": 1.0}, "--test-fraction must be above 0 and below 0.9"),
    "rate": ({"learning_rate": float("nan")}, "--learning-rate must be above 0"),
    "bits": ({"free_bits": float("nan")}, "--free-bits must be 0 or more"),
    "seed": ({"seed": -1}, "--seed must be 0 to 4294967295"),
}


@pytest.mark.parametrize(("changes", "sentence"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_is_refused_before_anything_is_written(tmp_path, changes, sentence):
    with pytest.raises((InputError, ModelError), match=sentence):
        train_autoencoder(cohort(40), tmp_path / "run", replace(OPTIONS, **changes))
    assert not (tmp_path / "run").exists()


def test_tables_that_cannot_be_learnt_from_are_refused(tmp_path):
    joined = cohort(40)
    (matrix,) = joined.sources
    nothing = replace(matrix, values=np.full_like(matrix.values, np.nan))
    flat = replace(matrix, values=np.ones_like(matrix.values))
    twice = (matrix, replace(matrix, name="other"))
    for sources, sentence in (
        ((), "the sources have none"),
        (twice, "the sources have expression, other"),
        ((nothing,), "0 have at least half"),
        ((flat,), "No column of 'expression' differs between patients"),
    ):
        with pytest.raises(InputError, match=sentence):
            train_autoencoder(replace(joined, sources=sources), tmp_path / "run", OPTIONS)
    assert not (tmp_path / "run").exists()


def test_another_run_is_not_gone_on_with(finished):
    with pytest.raises(InputError, match="holds a training with another latent"):
        train_autoencoder(cohort(), finished.folder, replace(OPTIONS, latent=5))


def test_no_group_is_found_by_chance_more_often_than_p_says(tmp_path):
    from Testing.benchmarks.false_alarms import count_false_alarms

    assert count_false_alarms(tmp_path, runs=4, progress=Silent()) <= 2
