"""The integration network on tables: learnt from its own fold alone, and finding what there is."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from LungSquadLib.errors import InputError
from LungSquadLib.inference.attribution import integrated_gradients
from LungSquadLib.models.inputs import Cube
from LungSquadLib.progress import Silent
from LungSquadLib.statistics.calibration import fit_temperature
from LungSquadLib.statistics.discrimination import auc, balanced_accuracy, variance_ratio
from LungSquadLib.training.card import CardText
from LungSquadLib.training.checkpoint import read_checkpoint
from LungSquadLib.training.distributed import DistributedContext
from LungSquadLib.training.experiment import Session, read_rows
from LungSquadLib.training.integration import task as integration
from LungSquadLib.training.integration.data import set_up
from LungSquadLib.training.integration.experiment import IntegrationExperiment
from LungSquadLib.training.integration.options import IntegrationOptions
from LungSquadLib.training.integration.task import (
    Rows,
    Setting,
    Shape,
    Tables,
    fit_network,
    initial_network,
    predict,
)
from Testing.table_cohort import cohort, joined, matrix

pytestmark = pytest.mark.usefixtures("one_thread")
SMALL = IntegrationOptions("histology", folds=2, seeds=1, inner_folds=2, epochs=5)


@pytest.fixture(scope="module", autouse=True)
def two_settings():
    """Few settings for the inner folds to choose from: quick."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(integration, "SETTINGS", (Setting(10, 0.3), Setting(20, 0.3)))
        yield


def rows(count=80, width=20, seed=0, effect=1.5):
    draws = np.random.default_rng(seed)
    y = draws.integers(2, size=count)
    x = draws.normal(size=(count, width))
    x[:, :4] += effect * (y[:, None] - 0.5)
    return Rows(x.astype(np.float32), y)


def fitted(training, validation, **options):
    shape = Shape((training.x.shape[1],), 2)
    return fit_network(
        training, validation, shape=shape, setting=Setting(10, 0.3), seed=5, epochs=25, **options
    )


def test_the_variance_ratio_is_that_of_an_analysis_of_variance():
    from sklearn.feature_selection import f_classif

    some = rows(60, 6)
    y = some.y + (some.x[:, 5] > 1)
    np.testing.assert_allclose(variance_ratio(some.x, y), f_classif(some.x, y)[0], rtol=1e-6)
    x = some.x.copy()
    x[::3, 1], x[:, 2], x[:, 3] = np.nan, 7.0, np.nan
    known = ~np.isnan(x[:, 1])
    ratio = variance_ratio(x, y)
    np.testing.assert_allclose(ratio[1], f_classif(x[known, 1:2], y[known])[0][0], rtol=1e-6)
    assert ratio[2] == ratio[3] == 0


def test_the_balanced_accuracy_counts_each_class_alike():
    y = np.array([0] * 8 + [1] * 2)
    assert balanced_accuracy(y, np.zeros(10, int)) == 0.5
    assert balanced_accuracy(y, np.array([0] * 4 + [1] * 4 + [1, 0])) == 0.5
    assert balanced_accuracy(y, y) == 1


def test_the_network_learns_from_columns_that_tell():
    training, test = rows(seed=1), rows(200, seed=3)
    model = fitted(training, rows(30, seed=2))
    logits = model.logits(test.x)
    assert auc(test.y, logits[:, 1] - logits[:, 0]) > 0.9
    assert set(range(4)) <= set(model.columns.tolist())
    assert len(model.columns) == 10
    assert model.temperature >= 1
    mean = training.x[:, model.columns].mean(axis=0)
    np.testing.assert_allclose(model.network.scale.mean, mean, atol=1e-5)


@pytest.mark.parametrize("ordinal", [False, True])
def test_who_nothing_tells_of_is_answered_the_shares(ordinal):
    shares = torch.tensor([0.4, 0.35, 0.2, 0.05])
    network = initial_network({"widths": [3], "classes": 4, "ordinal": ordinal}, 0)
    network.init_output_bias(shares)
    nothing = torch.zeros(1, network.feature_count)
    torch.testing.assert_close(network.last.eval()(nothing).softmax(1)[0], shares)
    if not ordinal:
        network.fold_temperature(7.0, shares)
        torch.testing.assert_close((network.last(nothing) / 7).softmax(1)[0], shares)


def test_a_high_temperature_leads_to_the_shares():
    draws, shares = np.random.default_rng(0), np.array([0.9, 0.1])
    y = (draws.random(500) < 0.1).astype(int)
    logits = np.log(shares) + draws.normal(size=(500, 2)) * 3  # which know nothing
    assert fit_temperature(logits, y, prior=np.log(shares)) > 10
    assert fit_temperature(logits, y) < 8


def test_attributions_add_up_to_the_answer():
    model = fitted(rows(seed=1), rows(30, seed=2))
    x = rows(5, seed=3).x[:, model.columns]
    x[0, 2] = np.nan
    share = integrated_gradients(model.network, x, positive=1)
    mean = model.network.scale.mean.numpy()
    start = np.where(np.isnan(x), np.nan, mean)
    at, before = (predict(model.network, one)[0] for one in (x, start))
    odds = (at[:, 1] - at[:, 0]) - (before[:, 1] - before[:, 0])
    np.testing.assert_allclose(share.sum(axis=1), odds, atol=0.05)
    assert share[0, 2] == 0


def test_sources_are_dropped_in_training_but_nobody_loses_all():
    x = torch.arange(50 * 5, dtype=torch.float32).view(50, 5)
    x[:10, :3] = torch.nan
    tables, every = Tables(x, (3, 2), seed=1), np.arange(50)
    drawn = tables.augmented(every, 3)
    gone = [drawn[:, part].isnan().all(1) for part in (slice(0, 3), slice(3, 5))]
    assert not (gone[0] & gone[1]).any()
    assert not gone[1][:10].any()  # it is all that these have
    assert 2 < gone[0][10:].sum() < 18
    assert 2 < gone[1][10:].sum() < 18
    torch.testing.assert_close(drawn, tables.augmented(every, 3), equal_nan=True)
    torch.testing.assert_close(drawn[7:9], tables.augmented(every[7:9], 3), equal_nan=True)
    assert not torch.equal(drawn.isnan(), tables.augmented(every, 4).isnan())
    torch.testing.assert_close(tables.plain(every), x, equal_nan=True)


def weights(place, data, options=SMALL):
    setup = set_up(data, options)
    experiment = IntegrationExperiment(setup, CardText())
    job = experiment.fits()[0]
    experiment.fit(job, Session(place, DistributedContext(), Silent()))
    return read_checkpoint(place / "fits" / job.name / "weights.safetensors"), setup, job


def test_what_the_test_patients_have_changes_no_bit_of_a_fold(tmp_path):
    data = cohort(40, genes=20)
    (before, facts), setup, job = weights(tmp_path / "one", data)
    test = setup.indices(job.parts.test)

    def moved(chosen):
        return joined(
            [
                replace(one, values=np.where(chosen[:, None], one.values * 9 + 100, one.values))
                for one in data.sources
            ],
            data.facts,
        )

    is_test = np.isin(np.arange(40), test)
    (after, others), _, _ = weights(tmp_path / "two", moved(is_test))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    for name in ("setting", "columns", "temperature"):
        assert facts[name] == others[name]
    (trained, _), _, _ = weights(tmp_path / "three", moved(~is_test))
    assert any(not torch.equal(before[name], trained[name]) for name in before)
    # Nor do they change what the others are told.
    one, two = (
        [
            {name: cell for name, cell in row.items() if row["part"] == "validation"}
            for row in read_rows(tmp_path / place / "fits" / job.name / "predictions.csv")
        ]
        for place in ("one", "two")
    )
    assert one == two


def test_every_arm_answers_for_the_same_patients(tmp_path):
    _, setup, job = weights(tmp_path, cohort(50, genes=30))
    table = read_rows(tmp_path / "fits" / job.name / "predictions.csv")
    assert {row["case"] for row in table if row["part"] == "test"} == set(job.parts.test)
    arms = ("score", "expression alone", "image alone", "logistic", "clinical")
    assert setup.compared_models == arms[1:]
    assert all(0 <= float(row[arm]) <= 1 for row in table for arm in arms)
    # A class is answered where it is more probable than among the training patients.
    share = float(np.mean(setup.y[setup.indices(job.parts.train)]))
    assert share != 0.5
    for row in table:
        assert (row["predicted"] == "LUSC") == (float(row["score"]) > share)
        assert (row["logistic predicted"] == "LUSC") == (float(row["logistic"]) > share)


def test_ordered_classes_are_told():
    draws = np.random.default_rng(0)
    y = draws.integers(4, size=300)
    some = Rows((draws.normal(size=(300, 6)) + y[:, None]).astype(np.float32), y)
    known, validation, test = (some[np.arange(*part)] for part in ((160,), (160, 200), (200, 300)))
    model = fit_network(
        known,
        validation,
        shape=Shape((6,), 4, ordinal=True),
        setting=Setting(6, 0.3),
        epochs=60,
        seed=1,
    )
    apart = np.abs(model.logits(test.x).argmax(axis=1) - test.y)
    assert apart.mean() < 0.6  # by chance 1.25


def test_more_than_two_classes_have_a_probability_each(tmp_path):
    options = replace(SMALL, label="t_stage", epochs=3)
    _, setup, job = weights(tmp_path, cohort(60, genes=12), options)
    for row in read_rows(tmp_path / "fits" / job.name / "predictions.csv"):
        for arm in ("", "logistic ", "expression alone "):
            assert row[f"{arm}predicted"] in setup.classes
            p = [float(row[f"{arm}p_{name}"]) for name in setup.classes]
            assert sum(p) == pytest.approx(1)


def refused(pattern, data=None, **options):
    with pytest.raises(InputError, match=pattern):
        set_up(data or cohort(40, genes=6), replace(SMALL, **options))


def test_what_cannot_be_is_refused_with_a_sentence():
    refused("--folds must be 2 or more", folds=1)
    refused("no column 'grade'", label="grade")
    refused("'score' has the name of a column of the results", label="score")
    refused("No patient has the histology 'SCLC'", classes=("LUAD", "SCLC"))
    refused("positive class 'T1'", positive="T1")
    refused("named twice", classes=("LUAD", "LUAD"))
    refused("has 1 values", classes=("LUAD",))
    refused("No source has the column 'genes'", exclude_columns=("genes",))
    refused(
        "--reference-scores compares scores of two classes",
        label="t_stage",
        reference_scores=("age",),
    )
    refused("--ordinal is for more than two", ordinal=True)
    data = cohort(40, genes=6)
    names = tuple(column for one in data.sources for column in one.columns)
    refused("No column is left", data, exclude_columns=names)
    alone = ("LUAD",) * 39 + ("LUSC",)
    refused("Of the label 'LUSC' there are 1 patients", replace(data, facts={"histology": alone}))


def test_empty_and_constant_columns_are_said_and_do_no_harm(tmp_path):
    data = cohort(50, genes=30)
    x = data.sources[0].values.copy()
    x[:, 3], x[:, 4] = np.nan, 5.0
    x[np.isnan(x).all(axis=1)] = np.nan
    data = joined([replace(data.sources[0], values=x, scale="z-scores")], data.facts)
    _, setup, job = weights(tmp_path, data)
    said = " ".join(setup.warnings)
    assert (
        "Columns of 'expression' that are missing in all patients and carry no information: 1 ("
        in said
    )
    assert "(expression3)" in said
    assert "Columns of 'expression' that are constant and carry no information: 1 (" in said
    assert "scaled, and perhaps chosen, on all patients" in said
    assert all(
        np.isfinite(float(row["score"]))
        for row in read_rows(tmp_path / "fits" / job.name / "predictions.csv")
    )
    assert sum(setup.excluded.values()) == 50 - len(setup.patients)


def test_what_was_noted_when_the_tables_were_read_is_said_with_the_run():
    data = replace(cohort(40, genes=6), notes=("image: The store shares 2 patients.",))
    other = replace(cohort(40, genes=6, seed=2), notes=("clinical: 3 rows have no ID.",))
    setup = set_up(data, replace(SMALL, allow_overlap=True), external_test=other)
    assert {*data.notes, *other.notes} <= {*setup.warnings}


def test_a_site_is_as_a_whole_in_the_test_of_one_fold():
    data = cohort(60, genes=6)
    site = tuple("ABC"[n % 3] for n in range(60))
    sited = replace(data, facts={**data.facts, "site": site})
    options = replace(SMALL, folds=3, seeds=2, by_site=True)
    setup = set_up(sited, options)
    of = {one.case: one.site for one in setup.patients}
    for seed in range(2):
        tested = [{of[name] for name in setup.splits[seed, n].test} for n in range(3)]
        assert sorted(map(sorted, tested)) == [["A"], ["B"], ["C"]]
    without = set_up(sited, replace(options, by_site=False))
    assert any(len({of[name] for name in fold.test}) > 1 for fold in without.splits.values())
    refused("3, and 4 are needed", sited, folds=4, by_site=True)
    some = {**data.facts, "site": ("", "", *site[2:])}
    refused("2 of 60 patients have no site", replace(data, facts=some), by_site=True)
    with pytest.raises(InputError, match="--by-site makes folds, and --external-test leaves none"):
        set_up(sited, options, external_test=sited)


def test_the_label_may_be_a_column_of_a_source_and_is_then_no_feature():
    draws = np.random.default_rng(0)
    y = draws.integers(2, size=60)
    values = np.column_stack([y, draws.normal(size=60) + y, draws.normal(size=(60, 4))])
    values[0, 0] = np.nan
    columns = ("alive", "volume", "a", "b", "c", "d")
    data = joined([matrix("radiomics", values, columns=columns)], {})
    setup = set_up(data, replace(SMALL, label="alive", reference_scores=("volume",)))
    assert setup.sources[0].columns == ("a", "b", "c", "d")
    assert setup.classes == ("0", "1")
    assert setup.excluded == {"no alive": 1}
    np.testing.assert_allclose(setup.reference_scores["volume"], values[1:, 1], rtol=1e-6)


def test_another_cohort_is_the_test_of_all_that_was_learnt():
    first, second = cohort(50, genes=10, seed=1), cohort(40, genes=10, seed=2)
    with pytest.raises(InputError, match="40 patients have the same name in both cohorts"):
        set_up(first, SMALL, external_test=second)
    fewer = replace(
        second.sources[0],
        columns=second.sources[0].columns[:8],
        values=second.sources[0].values[:, :8],
    )
    names = tuple(f"LS-9{n:03d}" for n in range(40))
    others = joined(
        [replace(one, patients=names) for one in (fewer, second.sources[1])], second.facts
    )
    setup = set_up(first, SMALL, external_test=others)
    fold = setup.splits[0, 0]
    assert set(fold.test) == set(names)
    assert {*fold.train, *fold.validation} == set(first.patients)
    assert "2 of 10 columns of 'expression' are not in the test cohort" in " ".join(setup.warnings)
    setup = set_up(first, replace(SMALL, allow_overlap=True), external_test=second)
    assert len(setup.splits[0, 0].test) == 40
    assert not {*setup.splits[0, 0].test} & set(first.patients)


@pytest.mark.parametrize("how", [{"extractor": "a" * 64}, {"cube": Cube(64, 1.0)}])
def test_features_made_in_two_ways_are_not_compared(how):
    first, second = cohort(50, genes=10, seed=1), cohort(40, genes=10, seed=2)
    expression, image = second.sources
    others = joined([expression, replace(image, **how)], second.facts)
    with pytest.raises(InputError, match="'image' were computed differently in the two cohorts"):
        set_up(first, replace(SMALL, allow_overlap=True), external_test=others)
