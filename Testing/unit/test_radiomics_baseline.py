"""Radiomics as a baseline and as a source: nothing of a test case reaches the fit."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.stats import norm, rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from LungSquadLib.cli import main
from LungSquadLib.data.feature_table import read_feature_table
from LungSquadLib.data.store import Store
from LungSquadLib.data.tables.image import radiomics_matrix
from LungSquadLib.errors import InputError
from LungSquadLib.imaging.ct import as_ct
from LungSquadLib.pipeline.evaluate_run import evaluate_run
from LungSquadLib.pipeline.radiomics import extract_cohort
from LungSquadLib.pipeline.sources import read_sources
from LungSquadLib.radiomics.names import described
from LungSquadLib.radiomics.settings import RadiomicsSettings
from LungSquadLib.radiomics.tool_names import _PYRADIOMICS, feature_name, offset_of
from LungSquadLib.statistics.selection import NormalScores, fit_selected_logistic
from LungSquadLib.training.classifier.experiment import train_classifier
from LungSquadLib.training.classifier.options import ClassifierOptions
from LungSquadLib.training.classifier.predictions import radiomics_baseline
from LungSquadLib.training.experiment import read_rows
from Testing.ball_cohort import ball_store
from Testing.stored_cases import stored_case

NAMES = [f"cm_{name}_3D_avg" for name in ("contrast", "corr", "energy", "dissimilarity")]


def draw(n, *, seed=0, noise=40):
    """Features of n cases: two that say something, copies of both, noise; and the classes."""
    random = np.random.default_rng(seed)
    y = np.arange(n) % 2
    signal = random.normal(0, 1, (n, 2)) + 1.2 * y[:, None]
    return np.column_stack([signal, np.exp(signal), random.normal(0, 1, (n, noise))]), y


def test_features_are_scaled_to_the_normal_quantiles_of_their_ranks():
    values = np.random.default_rng(0).integers(0, 9, (30, 2)).astype(float)
    expected = norm.ppf((rankdata(values[:, 1]) - 0.5) / 30)
    assert NormalScores(values)(values)[:, 1] == pytest.approx(expected, abs=1e-8)
    beyond = NormalScores(values)(np.array([[1e9, -1e9], [np.nan, np.inf]]))
    assert beyond[0] == pytest.approx([norm.ppf(1 - 1 / 60), norm.ppf(1 / 60)], abs=1e-8)
    assert np.abs(beyond[1]).max() < 0.5


def test_features_that_say_something_are_selected_once():
    x, y = draw(200)
    model = fit_selected_logistic(x, y, np.arange(200))
    assert len({0, 2} & set(model.selected.tolist())) == 1
    assert len({1, 3} & set(model.selected.tolist())) == 1
    assert {*model.selected[:2].tolist()} <= {0, 1, 2, 3}
    tested, truth = draw(2000, seed=1)
    best = norm.cdf(1.2 * np.sqrt(2) / np.sqrt(2))  # of two independent signals
    assert roc_auc_score(truth, model.probability(tested)) == pytest.approx(best, abs=0.03)


def test_the_model_is_the_ridge_of_scikit_learn_on_the_selected_features():
    x, y = draw(150)
    model = fit_selected_logistic(x, y, np.arange(150))
    scaled = NormalScores(x)(x)[:, model.selected]
    theirs = LogisticRegression(C=1 / model.penalty, tol=1e-10, max_iter=5000).fit(scaled, y)
    assert model.probability(x) == pytest.approx(theirs.predict_proba(scaled)[:, 1], abs=1e-4)


def test_labels_that_nothing_explains_are_not_predicted():
    areas = []
    for seed in range(8):
        x = np.random.default_rng(seed).normal(0, 1, (80, 60))
        y = np.arange(80) % 2
        model = fit_selected_logistic(x[:40], y[:40], np.arange(40))
        areas.append(roc_auc_score(y[40:], model.probability(x[40:])))
    assert np.mean(areas) == pytest.approx(0.5, abs=0.08)


def write(path, keys, x, *, key="case", more=()):
    header = [key, *NAMES[: x.shape[1]], *(name for name, _ in more)]
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(header)
        for n, name in enumerate(keys):
            table.writerow([name, *x[n], *(column[n] for _, column in more)])
    return path


@pytest.fixture
def cohort(tmp_path):
    """Sixty cases, the class of each, and their table, in which the label stands as well."""
    random = np.random.default_rng(3)
    y = np.arange(60) % 2
    x = random.normal(0, 1, (60, 4)) + 0.8 * y[:, None]
    cases = [stored_case(f"c{n:02}") for n in range(60)]
    label = [("diagnosis", y), ("Survival.time", 100 * y)]
    path = write(tmp_path / "features.csv", [case.case for case in cases], x, more=label)
    return cases, y, x, path


def test_only_radiomic_features_of_a_table_are_used(cohort):
    table = read_feature_table(cohort[-1])
    assert table.columns == tuple(NAMES)
    assert table.values == pytest.approx(cohort[2])


def test_nothing_of_a_test_case_reaches_the_fit_and_a_case_without_features_has_no_score(cohort):
    cases, y, x, path = cohort
    training, positive = cases[:40], y[:40]
    before = radiomics_baseline(training, positive, cases, read_feature_table(path))
    x[50] = 1e9
    write(path, [case.case for case in cases[:59]], x)
    after = radiomics_baseline(training, positive, cases, read_feature_table(path))
    assert np.delete(after, [50, 59]).tolist() == np.delete(before, [50, 59]).tolist()
    assert after[50] != before[50]
    assert np.isnan(after[59])


def test_features_that_are_not_robust_in_the_training_cases_are_left_out(cohort, tmp_path):
    cases, y, x, path = cohort
    names = [case.case for case in cases]
    random = np.random.default_rng(0)
    with (tmp_path / "features.perturbed.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["case", "perturbation", *NAMES])
        for kind in ("as drawn", "a", "b", "c"):
            wobble = np.zeros(x.shape) if kind == "as drawn" else random.normal(0, 0.1, x.shape)
            wobble[:40, 1] *= 50  # robust only among cases that are not trained on
            wobble[40:, 3] *= 50  # and the other way round
            for name, row in zip(names, x + wobble, strict=True):
                table.writerow([name, kind, *row])
    read = read_feature_table(path)
    assert read.robust(names[:40], 0.75).tolist() == [True, False, True, True]
    kept = radiomics_baseline(cases[:40], y[:40], cases, read, least_icc=0.75)
    write(path, names, np.delete(x, 1, axis=1))
    (tmp_path / "features.perturbed.csv").unlink()
    assert kept == pytest.approx(
        radiomics_baseline(cases[:40], y[:40], cases, read_feature_table(path)), abs=1e-9
    )
    with pytest.raises(InputError, match="--robustness"):
        read_feature_table(path).robust(names, 0.75)


def test_evaluate_fits_radiomics_on_the_other_folds(cohort, tmp_path, capsys):
    _, y, _, path = cohort
    random = np.random.default_rng(5)
    fold, score = np.arange(60) // 2 % 3, random.random(60)
    scores = tmp_path / "scores.csv"
    with scores.open("w", encoding="utf-8") as file:
        file.write("case,fold,histology,network\n")
        for n in range(60):
            file.write(f"c{n:02},{fold[n]},{('LUAD', 'LUSC')[y[n]]},{score[n]}\n")
    words = ["evaluate", str(scores), "--label", "histology", "--score", "network"]
    words += ["--radiomics", str(path)]
    assert main([*words, "--fold", "fold", "--json"]) == 0
    (baseline,) = json.loads(capsys.readouterr().out)["baselines"]
    table, expected = read_feature_table(path), []
    for number in range(3):
        test = fold == number
        names = np.array([f"c{n:02}" for n in range(60)])
        model = fit_selected_logistic(table.values[~test], y[~test], names[~test])
        area = roc_auc_score(y[test], model.probability(table.values[test]))
        expected.append(area)
    assert baseline["name"] == "radiomics"
    assert baseline["auc"]["value"] == pytest.approx(np.mean(expected))  # folds are equally large
    assert baseline["difference"]["low"] < baseline["difference"]["value"]
    assert main(words) == 2
    assert "needs a --score and its folds" in capsys.readouterr().err
    other = write(tmp_path / "other.csv", ["x1", "x2"], np.zeros((2, 4)))
    assert main([*words[:-1], str(other), "--fold", "fold"]) == 2
    assert "none of the cases" in capsys.readouterr().err


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return ball_store(tmp_path_factory.mktemp("balls"), 14)


def test_a_source_of_radiomics_is_a_store_or_its_table(store, tmp_path):
    few = RadiomicsSettings()
    extract_cohort(store.folder, tmp_path / "features.csv", few)
    computed, read = (
        read_sources([f"radiomics={path}"], keep_ids=True)
        for path in (store.folder, tmp_path / "features.csv")
    )
    (first,), (second,) = computed.sources, read.sources
    assert first.columns == second.columns
    assert len(first.columns) == 210
    assert first.patients == second.patients
    assert first.values == pytest.approx(second.values, nan_ok=True)
    assert set(computed.facts) >= {"histology"}
    assert "case" not in second.columns


def test_a_patient_without_radiomics_is_left_out_of_a_source(store, monkeypatch):
    whole = Store.volume
    first, second = store.cases[:2]

    def volume(store, case):
        ct, mask = whole(store, case)
        empty = sitk.Image(ct.grid.size, sitk.sitkInt16) + 3000  # above the range of HU
        return (as_ct(empty), mask) if case.case == first.case else (ct, mask)

    monkeypatch.setattr(Store, "volume", volume)
    matrix = radiomics_matrix(replace(store, cases=(first, second)))
    assert matrix.patients == (second.patient,)
    with pytest.raises(InputError, match=r"no case with radiomics .*between -1000 and 400 HU"):
        radiomics_matrix(replace(store, cases=(first,)))


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_a_training_has_the_radiomics_baseline(store, tmp_path):
    table = tmp_path / "features.csv"
    extract_cohort(store.folder, table, RadiomicsSettings(families=("morph", "stat")))
    options = ClassifierOptions(
        "histology", folds=2, seeds=1, size=32, width=1 / 16, epochs=1, radiomics=str(table)
    )
    finished = train_classifier(store.folder, tmp_path / "run", options)
    evaluation = evaluate_run(finished)
    assert [baseline.name for baseline in evaluation.baselines] == ["volume", "radiomics"]
    fold, by_name = finished.setup.splits[0, 0], finished.setup.by_name
    training, tested = ([by_name[name] for name in part] for part in (fold.train, fold.test))
    y = np.array([case.columns["histology"] == "LUSC" for case in training]).astype(int)
    expected = radiomics_baseline(training, y, tested, read_feature_table(table))
    written = read_rows(tmp_path / "run" / "predictions.csv")
    rows = {row["case"]: row for row in written if row["part"] == "test"}
    scores = [float(rows[case.case]["radiomics"]) for case in tested]
    assert scores == pytest.approx(expected)
    with pytest.raises(InputError, match="there is no --radiomics"):
        train_classifier(
            store.folder, tmp_path / "other", replace(options, radiomics=None, least_icc=0.8)
        )


def test_names_of_pyradiomics_and_mirp_are_those_of_the_standard():
    targets = {}
    for kind, (_, names, _) in _PYRADIOMICS.items():
        for name in names:
            column = f"original_{kind}_{name}"
            targets[column] = feature_name(column)
            assert described(targets[column])
    assert len(set(targets.values())) == len(targets) == 105
    assert targets["original_glcm_Idmn"] == "cm_inv_diff_mom_norm_3D_avg"
    assert targets["original_gldm_LargeDependenceEmphasis"] == "ngl_hde_3D"
    for column, name in {
        "cm_contrast_d1_3d_v_mrg_fbs_w25.0": "cm_contrast_3D_comb",
        "rlm_sre_2.5d_d_mrg_fbn_n32": "rlm_sre_2_5D_avg",
        "ngl_lde_d1_a0.0_3d_fbs_w25.0": "ngl_lde_3D",
        "ih_p10_fbs_w25.0": "ih_p10",
        "morph_volume": "morph_volume",
        "wavelet-LLH_glcm_ClusterShade": "wavelet-LLH_glcm_ClusterShade",
        "original_shape_Maximum2DDiameterSlice": "original_shape_Maximum2DDiameterSlice",
        "Survival.time": None,
        "original": None,
        "image_voxel_size_x": None,
    }.items():
        assert feature_name(column) == name, column
    assert offset_of("original_firstorder_Kurtosis") == -3
    assert offset_of("original_firstorder_Skewness") == 0


def test_the_published_table_of_lung1_is_read(shared_data):
    path = shared_data / "noncommercial" / "lung1_tables" / "lung1_radiomics_clean.csv.gz"
    if not path.is_file():
        pytest.skip("no tables of LUNG1")
    table = read_feature_table(path)
    assert table.values.shape == (421, 190)
    assert "morph_pca_elongation" in table.columns
    assert "Survival.time" not in table.columns
    assert table.of_patients
