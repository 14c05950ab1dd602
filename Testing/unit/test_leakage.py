"""Answers that come from where they must not: each guard is shown by what it lets through."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from LungSquadLib.data.leakage import duplicate_rows, group_scaling, leakage_reason
from LungSquadLib.errors import InputError
from LungSquadLib.training.integration.data import set_up
from LungSquadLib.training.integration.options import IntegrationOptions
from Testing.table_cohort import cohort, joined, matrix

N = 120
HISTOLOGY = IntegrationOptions("histology", folds=3, inner_folds=3)


def draws(seed=0):
    return np.random.default_rng(seed)


def labels(classes=2):
    return draws(1).integers(classes, size=N)


def grouped(y, groups=12):
    """A category of each patient, and each category's mean label and size."""
    group = draws(2).integers(groups, size=N)
    count = np.bincount(group)
    return group, np.bincount(group, y), count


@pytest.mark.parametrize("classes", [2, 4])
def test_a_column_that_is_the_label_is_accused(classes):
    y = labels(classes)
    assert "separates" in leakage_reason(y * -3.0 + draws().normal(size=N) * 0.1, y)
    recoded = np.array([2.0, 7.0, 1.0, 5.0])[y] + draws().normal(size=N) * 0.05
    assert "separates" in leakage_reason(recoded, y)
    some = np.where(draws().random(N) < 0.5, y, np.nan)
    assert "separates" in leakage_reason(some, y)


def test_a_good_column_is_not_accused():
    y = labels()
    assert leakage_reason(y * 2.5 + draws().normal(size=N), y) is None  # an AUC of 0.96
    assert leakage_reason(draws().normal(size=N), y) is None
    assert leakage_reason(np.full(N, 3.0), y) is None
    assert leakage_reason(np.full(N, np.nan), y) is None


def test_a_few_patients_separated_by_one_of_many_columns_are_luck():
    y = np.array([0] * 19 + [1] * 3)
    assert leakage_reason(y * 2.0, y, columns=1000) is None
    assert "separates" in leakage_reason(np.arange(40.0), np.arange(40) // 20, columns=1000)


def test_a_column_that_is_missing_where_the_label_says_so_is_accused():
    y = labels()
    assert "missing" in leakage_reason(np.where(y == 1, draws().normal(size=N), np.nan), y)
    assert (
        leakage_reason(np.where(draws().random(N) < 0.5, draws().normal(size=N), np.nan), y) is None
    )


@pytest.mark.parametrize("classes", [2, 4])
def test_target_encoded_columns_are_accused(classes):
    y = labels(classes)
    group, total, count = grouped(y)
    mean = total / count
    prior = y.mean()
    smoothed = (total + 10 * prior) / (count + 10)
    one_out = (total[group] - y) / (count[group] - 1)
    told = [mean[group], 3 - 7 * mean[group], smoothed[group], 5 * smoothed[group] - 2, one_out]
    for column in told:
        stored = column.astype(np.float32).astype(np.float64)
        assert "made from the labels" in leakage_reason(stored, y), column[:5]


def test_honest_categories_are_not_accused():
    y = labels()
    code = np.clip(np.round(1.5 + y + draws().normal(size=N) * 0.7), 1, 4)
    assert leakage_reason(code, y) is None  # 1 to 4, in an order that goes with the label
    straight = np.repeat([1.0, 2.0, 3.0, 4.0], 10)  # whose mean labels lie on a line
    outcome = np.concatenate([np.arange(10) < n for n in (2, 4, 6, 8)]).astype(int)
    assert leakage_reason(straight, outcome) is None
    group, _, count = grouped(y)
    assert leakage_reason(draws(3).normal(size=12)[group], y) is None
    assert leakage_reason(count[group].astype(float), y) is None  # how common a category is
    assert leakage_reason(np.repeat(draws(5).normal(size=N // 2), 2), y) is None  # brothers, say
    saturated = np.ones(N)  # 1 but for a few, as an exponential filter leaves a texture
    saturated[:8] = draws(6).uniform(0.9, 0.99, size=8)
    assert leakage_reason(saturated, (np.arange(N) % 3 > 0).astype(int)) is None
    pack_years = np.round(draws(4).gamma(2, 15, size=N))
    assert leakage_reason(pack_years, y) is None


def test_a_telling_column_is_refused_by_name_unless_it_is_left_out_or_allowed():
    data = cohort(N)
    y = np.array([one == "LUSC" for one in data.facts["histology"]], float)
    clinical = matrix("clinical", np.stack([y, draws().normal(size=N)], 1), kind="clinical")
    more = replace(data, sources=(*data.sources, clinical))
    with pytest.raises(
        InputError, match=r"'clinical0' of 'clinical'.*--exclude-columns 'clinical0'.*"
    ):
        set_up(more, HISTOLOGY)
    set_up(more, replace(HISTOLOGY, exclude_columns=("clinical0",)))
    set_up(more, replace(HISTOLOGY, allow_leakage=True))
    own = matrix("clinical", draws().normal(size=(N, 1)), columns=("histology=LUAD",))
    with pytest.raises(InputError, match="'histology=LUAD' of 'clinical' is the label"):
        set_up(replace(data, sources=(*data.sources, own)), HISTOLOGY)


def test_the_same_profile_under_two_names_is_found():
    x = draws().normal(size=(30, 80)) * np.geomspace(1, 1e6, 80)
    x[7] = x[20]
    x[3] = x[11] * (1 + 1e-6 * draws(1).normal(size=80))
    x[5, :40], x[25, :40] = np.nan, np.nan  # alike in what is missing alone
    x[[8, 9]] = np.nan
    found = {pair for _, pair in duplicate_rows([matrix("expression", x)])}
    assert found == {(7, 20), (3, 11)}
    assert not [*duplicate_rows([matrix("clinical", np.ones((30, 5)))])]


def twin_cohort():
    data = cohort(60, missing=0)
    x = data.sources[0].values.copy()
    same = [one == "LUAD" for one in data.facts["histology"]]
    first, second = np.flatnonzero(same)[:2]
    x[second] = x[first]
    return data, replace(data.sources[0], values=x), int(first), int(second), same


def test_twins_stay_in_one_part_of_every_fold():
    data, source, first, second, _ = twin_cohort()
    setup = set_up(joined([source], data.facts), replace(HISTOLOGY, seeds=6))
    assert "1 pairs of patients" in " ".join(setup.warnings)
    names = {data.patients[first], data.patients[second]}
    for fold in setup.splits.values():
        assert any(names <= set(part) for part in fold.parts.values())


def test_twins_of_two_classes_or_cohorts_are_refused():
    data, source, first, _, same = twin_cohort()
    x = source.values.copy()
    x[same.index(False)] = x[first]
    with pytest.raises(InputError, match="different labels"):
        set_up(joined([replace(source, values=x)], data.facts), HISTOLOGY)
    other = cohort(60, seed=9, missing=0)
    its = tuple(f"LS-9{n:03d}" for n in range(60))
    values = other.sources[0].values.copy()
    label = other.facts["histology"].index(data.facts["histology"][first])
    values[label] = source.values[first]
    others = joined([replace(other.sources[0], patients=its, values=values)], other.facts)
    with pytest.raises(InputError, match="of the training and of the test cohort"):
        set_up(joined([data.sources[0]], data.facts), HISTOLOGY, external_test=others)


def expression(n=N, genes=200, seed=0):
    """Numbers with a few factors that many genes share, as expression has them."""
    random = draws(seed)
    factors = random.normal(size=(n, 4)) @ random.normal(size=(4, genes))
    return factors + random.normal(size=(n, genes))


def each_by_itself(x, groups, *, sd=True):
    out = x.copy()
    for one in np.unique(groups):
        its = x[groups == one]
        out[groups == one] = (its - its.mean(axis=0)) / (its.std(axis=0, ddof=1) if sd else 1)
    return out


def test_numbers_made_alike_in_each_group_are_noticed():
    y, random = labels(), draws(5)
    x = expression() + 0.5 * y[:, None]
    scaled = each_by_itself(x, y)
    assert group_scaling(scaled, y) == "standardised"
    assert group_scaling(np.round(scaled, 2), y) == "standardised"
    assert group_scaling(scaled * 3 + 7, y) == "standardised"
    assert group_scaling(scaled[5:], y[5:]) == "standardised"  # some were left out afterwards
    holes = np.where(random.random(x.shape) < 0.02, np.nan, scaled)
    assert group_scaling(holes, y) == "standardised"
    assert group_scaling(each_by_itself(x, y, sd=False) * (1 + y[:, None]), y) == "centred"
    assert group_scaling(x, y) is None
    assert group_scaling((x - x.mean(0)) / x.std(0), y) is None  # all patients together
    assert group_scaling(scaled[:, :20], y) is None  # too few columns to say so
    assert group_scaling(scaled[:12], y[:12]) is None  # too few patients


def test_chance_makes_no_groups_alike():
    alarms = 0
    for seed in range(150):
        x = expression(60, 100, seed)
        x = (x - x.mean(0)) / x.std(0)
        alarms += group_scaling(x, draws(seed).permutation(np.arange(60) % 3)) is not None
    assert alarms <= 1


def test_a_cohort_standardised_by_class_is_refused():
    tables = cohort(N, genes=80, missing=0, effect=1)
    (genes, *_), y = tables.sources, np.array(tables.facts["histology"])
    filled = np.where(np.isnan(genes.values), 0, genes.values)
    scaled = replace(genes, values=each_by_itself(filled, y).astype(np.float32))
    with pytest.raises(InputError, match="standardised in each class of 'histology' separately"):
        set_up(replace(tables, sources=(scaled,)), HISTOLOGY)
    allowed = replace(HISTOLOGY, allow_leakage=True)
    assert set_up(replace(tables, sources=(scaled,)), allowed)


def test_sites_that_tell_the_label_or_were_scaled_apart_are_said():
    tables = cohort(N, genes=80, missing=0, effect=1)
    (genes, *_), y = tables.sources, np.array(tables.facts["histology"])
    filled = np.where(np.isnan(genes.values), 0, genes.values)
    site = np.where(y == "LUAD", np.arange(N) % 2, 2)  # as a barcode's tissue source site
    facts = {**tables.facts, "site": tuple(f"0{one}" for one in site)}
    source = replace(genes, values=filled.astype(np.float32))
    said = " ".join(set_up(replace(tables, sources=(source,), facts=facts), HISTOLOGY).warnings)
    assert "Sites differ in 'histology'" in said
    assert "3 of 3 have patients of one class only" in said
    mixed = tuple(f"0{one}" for one in draws().permutation(N) % 3)
    facts["site"] = mixed
    scaled = each_by_itself(filled, np.array(mixed)).astype(np.float32)
    tables = replace(tables, sources=(replace(genes, values=scaled),), facts=facts)
    said = " ".join(set_up(tables, HISTOLOGY).warnings)
    assert "were standardised in each site separately" in said
    assert "Sites differ" not in said
