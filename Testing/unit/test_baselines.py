"""What a network has to beat: fitted on training cases alone, whatever their columns hold."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from LungSquadLib.data.store import StoredCase, case_name
from LungSquadLib.statistics.calibration import fit_ridge_logistic
from LungSquadLib.training.classifier.predictions import clinical_baseline, volume_baseline


def case(number, volume=1.0, **columns):
    name = f"c{number}"
    texts = {key: str(value) for key, value in columns.items()}
    file = case_name(name)
    return StoredCase(name, name, "", "", texts, file, "", name, name, volume, ())


@pytest.fixture(scope="module")
def cohort():
    """Sixty cases, of which the older and the smokers are positive more often."""
    draw = np.random.default_rng(0)
    age, smokes = draw.normal(65, 10, 60), draw.integers(0, 2, 60)
    positive = (age / 10 + 2 * smokes + draw.logistic(0, 1, 60) > 7.5).astype(int)
    cases = [
        case(n, np.exp(draw.normal(positive[n])), age=age[n], smokes=("no", "yes")[smokes[n]])
        for n in range(60)
    ]
    return cases, positive


@pytest.mark.parametrize("penalty", [0.1, 1.0, 30.0])
def test_the_ridge_logistic_is_that_of_scikit_learn(penalty):
    draw = np.random.default_rng(1)
    x = draw.normal(0, 2, (80, 5))
    y = (x[:, 0] - x[:, 1] + draw.logistic(0, 1, 80) > 1).astype(int)
    ours = fit_ridge_logistic(x, y, penalty=penalty)
    theirs = LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=10_000).fit(x, y)
    assert ours.slopes == pytest.approx(theirs.coef_[0], abs=1e-5)
    assert ours.intercept == pytest.approx(theirs.intercept_[0], abs=1e-5)
    assert ours.log_odds(x) == pytest.approx(theirs.decision_function(x), abs=1e-4)


def test_a_column_that_separates_the_classes_keeps_a_finite_slope():
    x = np.arange(10.0)[:, None] * 100
    fitted = fit_ridge_logistic(x, (x[:, 0] > 450).astype(int))
    assert np.isfinite(fitted.slopes).all()
    assert (fitted.log_odds(x) > 0).tolist() == [False] * 5 + [True] * 5
    with pytest.raises(ValueError, match="both classes"):
        fit_ridge_logistic(x, np.ones(10))


def test_numbers_are_standardised_and_words_become_columns(cohort):
    cases, positive = cohort
    age = np.array([float(one.columns["age"]) for one in cases])
    smokes = np.array([one.columns["smokes"] == "yes" for one in cases], float)
    x = np.column_stack([(age - age.mean()) / age.std(), 0 * age, 1 - smokes, smokes])
    expected = LogisticRegression(tol=1e-10).fit(x, positive).predict_proba(x)[:, 1]
    found = clinical_baseline(cases, positive, cases, ("age", "smokes"))
    assert found == pytest.approx(expected, abs=1e-4)


def test_a_missing_number_is_the_mean_where_none_was_missing_before(cohort):
    cases, positive = cohort
    mean = np.mean([float(one.columns["age"]) for one in cases])
    asked = [case(100, age="", smokes="yes"), case(101, age=mean, smokes="yes")]
    asked.append(case(102, age="unknown", smokes="yes"))
    found = clinical_baseline(cases, positive, asked, ("age", "smokes"))
    assert found[0] == found[2] == pytest.approx(found[1])


def test_what_is_missing_may_tell_by_itself(cohort):
    cases, positive = cohort
    gaps = [
        replace(one, columns={"age": "" if truth else one.columns["age"]})
        for one, truth in zip(cases, positive, strict=True)
    ]
    found = clinical_baseline(gaps, positive, gaps, ("age",))
    assert found[positive == 1].min() > found[positive == 0].max()


def test_an_unknown_word_is_between_those_that_are_known(cohort):
    cases, positive = cohort
    asked = [case(n, smokes=word) for n, word in enumerate(("no", "pipe", "", "yes"))]
    no, pipe, missing, yes = clinical_baseline(cases, positive, asked, ("smokes",))
    assert no < pipe == missing < yes


@pytest.mark.parametrize("value", ["7", "same", ""])
def test_a_column_that_says_nothing_changes_nothing(cohort, value):
    cases, positive = cohort
    more = [replace(one, columns={**one.columns, "constant": value}) for one in cases]
    found = clinical_baseline(more, positive, more, ("age", "constant"))
    assert found == pytest.approx(clinical_baseline(cases, positive, cases, ("age",)), abs=1e-9)


def test_nothing_of_a_test_case_reaches_the_fit(cohort):
    cases, positive = cohort
    training, y, tested = cases[:40], positive[:40], cases[40:]
    strange = replace(tested[0], volume_ml=1e9, columns={"age": "1e9", "smokes": "a pipe"})
    for answered in (
        lambda test: clinical_baseline(training, y, [*training, *test], ("age", "smokes")),
        lambda test: volume_baseline(training, y, [*training, *test]),
    ):
        before, after = answered(tested), answered([strange, *tested[1:]])
        assert before[40] != after[40]
        assert np.delete(before, 40).tolist() == np.delete(after, 40).tolist()


def test_volume_alone_is_a_logistic_of_its_logarithm(cohort):
    cases, positive = cohort
    x = np.log([[one.volume_ml] for one in cases])
    expected = LogisticRegression(C=1e9, tol=1e-10).fit(x, positive).predict_proba(x)[:, 1]
    assert volume_baseline(cases, positive, cases) == pytest.approx(expected, abs=1e-3)
