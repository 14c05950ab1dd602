"""AUC of a cross-validation: pairs of one fold, whatever shift there is between its networks."""

import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from LungSquadLib.cli import main
from LungSquadLib.errors import InputError
from LungSquadLib.evaluation.classifier.evaluate import evaluate
from LungSquadLib.evaluation.classifier.rows import Columns
from LungSquadLib.evaluation.classifier.table import Table
from LungSquadLib.statistics.discrimination import auc, delong, macro_auc, paired_difference
from LungSquadLib.statistics.intervals import bootstrap
from LungSquadLib.statistics.labelled_rows import LabelledRows
from LungSquadLib.statistics.survival import concordance


def cross_validated(seed=0, *, patients=100, folds=5, repeats=2, shift=1.0, apart=1.0):
    """Labels, scores with a shift of each fold's network, patients, repeats and folds."""
    random = np.random.default_rng(seed)
    y = np.arange(patients) % 2
    own = random.normal(size=patients) + apart * y
    columns = []
    for repeat in range(repeats):
        fold = random.permutation(patients) % folds
        noisy = own + 0.3 * random.normal(size=patients) + shift * random.normal(size=folds)[fold]
        columns.append((y, noisy, np.arange(patients), np.full(patients, repeat), fold))
    return tuple(np.concatenate(one) for one in zip(*columns, strict=True))


def pair_by_pair(y, score, strata):
    wins = [
        (score[p] > score[n]) + (score[p] == score[n]) / 2
        for p in np.flatnonzero(y == 1)
        for n in np.flatnonzero(y == 0)
        if strata[p] == strata[n]
    ]
    return np.mean(wins)


def test_the_area_is_that_of_all_pairs_of_one_fold_and_repeat():
    y, score, patient, repeat, fold = cross_validated(patients=40)
    score = np.round(score, 1)  # ties
    rows = LabelledRows(y, patient, repeat, fold)
    found = rows.auc(score)
    assert found.value == pytest.approx(pair_by_pair(y, score, repeat * 100 + fold))
    each, pairs = [], []
    for stratum in np.unique(rows.strata):
        its = rows.strata == stratum
        each.append(roc_auc_score(y[its], score[its]))
        pairs.append(y[its].sum() * (1 - y[its]).sum())
    assert found.value == pytest.approx(np.average(each, weights=pairs))
    assert found.method == "DeLong by patient, mean of repeats, within folds"


def test_a_shift_between_folds_changes_nothing():
    y, score, patient, repeat, fold = cross_validated(shift=0)
    moved, rows = score + 3 * fold, LabelledRows(y, patient, repeat, fold)
    assert rows.auc(moved) == rows.auc(score)
    other = np.random.default_rng(1).normal(size=len(y))
    assert rows.auc_difference(moved, other) == rows.auc_difference(score, other)
    three = np.arange(len(y)) % 3
    p = np.random.default_rng(2).normal(size=(len(y), 3)) + np.eye(3)[three]
    several = LabelledRows(three, np.arange(len(y)), None, fold)
    assert several.macro_auc(p + fold[:, None]) == several.macro_auc(p)
    whole = np.mean([pair_by_pair((three == k).astype(int), p[:, k], fold) for k in range(3)])
    assert macro_auc(three, p, fold) == pytest.approx(whole)
    time, event = np.random.default_rng(3).exponential(np.exp(score)), np.ones(len(y), int)
    assert concordance(time, event, -moved, fold) == concordance(time, event, -score, fold)
    assert auc(y, moved) < auc(y, score) - 0.05  # what pooling costs


def test_the_interval_covers_as_often_as_it_says():
    hits, noticed = 0, 0
    truth = 0.7505  # of N(1, 1.09) against N(0, 1.09)
    for seed in range(300):
        y, score, patient, repeat, fold = cross_validated(seed, patients=60)
        rows = LabelledRows(y, patient, repeat, fold)
        found = rows.auc(score)
        hits += found.low <= truth <= found.high
        luck = np.random.default_rng(seed).normal(size=60)[patient]
        again = np.random.default_rng(seed + 1000).normal(size=60)[patient]
        noticed += rows.auc_difference(luck, again)[1] < 0.05
    assert 0.92 <= hits / 300 <= 0.985, hits
    assert noticed / 300 <= 0.08, noticed


def test_the_interval_is_near_that_of_a_bootstrap_of_patients():
    y, score, patient, repeat, fold = cross_validated(4, patients=150)
    rows = LabelledRows(y, patient, repeat, fold)
    drawn = bootstrap(auc, y, score, rows.strata, groups=patient, n=600)
    found = rows.auc(score)
    assert (found.low, found.high) == pytest.approx((drawn.low, drawn.high), abs=0.02)
    one, other = score, score + np.random.default_rng(0).normal(size=len(score))
    difference = rows.auc_difference(one, other)[0]
    drawn = bootstrap(
        lambda y, a, b, s: auc(y, a, s) - auc(y, b, s),
        y,
        one,
        other,
        rows.strata,
        groups=patient,
        n=600,
    )
    assert (difference.low, difference.high) == pytest.approx((drawn.low, drawn.high), abs=0.02)
    classes = np.arange(150) % 3
    p = np.random.default_rng(5).normal(size=(150, 3)) + np.eye(3)[classes]
    several = LabelledRows(classes, None, None, np.arange(150) // 3 % 5)
    drawn = bootstrap(macro_auc, classes, p, several.fold, n=600)
    found = several.macro_auc(p)
    assert (found.low, found.high) == pytest.approx((drawn.low, drawn.high), abs=0.02)


def test_repeats_do_not_count_as_patients():
    y, score, patient, _, fold = cross_validated(repeats=1)
    once = LabelledRows(y, patient, None, fold).auc(score)
    ten = np.repeat(np.arange(10), len(y))
    often = LabelledRows(np.tile(y, 10), np.tile(patient, 10), ten, np.tile(fold, 10))
    found = often.auc(np.tile(score, 10))
    assert (found.value, found.low, found.high) == pytest.approx((once.value, once.low, once.high))


def test_patients_with_rows_of_both_classes_are_no_independent_rows():
    y, patient, random = np.tile([0, 1], 30), np.arange(60) // 2, np.random.default_rng(0)
    areas, together, apart = [], [], []
    for _ in range(300):
        score = random.normal(size=30)[patient] + 0.5 * y + 0.2 * random.normal(size=60)
        (area,), variance = delong(y, score[None], groups=patient)
        areas.append(area)
        together.append(variance[0, 0])
        apart.append(delong(y, score[None])[1][0, 0])
    assert np.mean(together) == pytest.approx(np.var(areas), rel=0.35)
    assert np.mean(apart) > 3 * np.var(areas)


def test_folds_of_one_class_add_nothing_and_are_counted():
    y, fold = np.array([0, 1] * 20 + [1] * 5), np.repeat([*range(4), 9], [10, 10, 10, 10, 5])
    score = np.random.default_rng(0).normal(size=45)
    found = evaluate(
        Table.of("t", {"y": y, "s": score, "f": fold}), Columns("y", "s", fold="f"), samples=50
    )
    assert found.discrimination.auc.value == pytest.approx(auc(y[:40], score[:40], fold[:40]))
    assert found.counts.folds_of_one_class == 1
    assert any("1 folds have rows of one class only" in said for said in found.cautions)
    assert any("pairs of patients in the same fold" in note for note in found.notes)
    with pytest.raises(InputError, match="leave-one-out"):
        evaluate(
            Table.of("t", {"y": y, "s": score, "f": np.arange(45)}), Columns("y", "s", fold="f")
        )


def test_the_command_line_takes_folds_and_says_where_a_column_looks_like_one(tmp_path, capsys):
    y, score, patient, repeat, fold = cross_validated(shift=3)
    lines = zip(y, score, patient, repeat, fold, strict=True)
    path = tmp_path / "t.csv"
    path.write_text(
        "y,s,who,seed,fold\n" + "".join(f"{','.join(map(str, one))}\n" for one in lines)
    )
    command = ["evaluate", str(path), "--label", "y", "--score", "s", "--group", "who"]
    command += ["--repeat", "seed", "--json"]
    found = []
    for more in ([], ["--fold", "fold"]):
        assert main([*command, *more]) == 0
        found.append(json.loads(capsys.readouterr().out))
    pooled, within = (one["discrimination"]["auc"]["value"] for one in found)
    assert within == pytest.approx(pair_by_pair(y, score, repeat * 10 + fold), abs=1e-5)
    assert pooled < within - 0.1
    assert "--fold fold" in " ".join(found[0]["cautions"])
    assert "--fold" not in " ".join(found[1]["cautions"])


def test_the_default_intervals_are_of_95_percent():
    y, score, *_ = cross_validated(patients=80, repeats=1)
    area, error = auc(y, score), np.sqrt(delong(y, score[None])[1][0, 0])
    slope = error / (area * (1 - area))
    centre = np.log(area / (1 - area))
    ends = 1 / (1 + np.exp(-(centre + 1.959964 * slope * np.array([-1, 1]))))
    found = LabelledRows(y).auc(score)
    assert (found.low, found.high) == pytest.approx(ends, abs=1e-6)
    other = np.random.default_rng(0).normal(size=80)
    both = delong(y, np.stack([score, other]))[1]
    half = 1.959964 * np.sqrt(both[0, 0] + both[1, 1] - 2 * both[0, 1])
    found, _ = paired_difference(y, score, other)
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half))
    x = np.random.default_rng(1).normal(size=400)
    mean = bootstrap(lambda _, x: x.mean(), y[:1].repeat(400), x, n=4000, stratify=False)
    assert mean.high - mean.low == pytest.approx(2 * 1.959964 * x.std() / 20, rel=0.05)
