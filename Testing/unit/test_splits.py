"""Splits: by patient, stratified, by site, hashed, and the same whatever the order of the rows."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from LungSquadLib.data.split_files import read_split, write_splits
from LungSquadLib.data.splits import Fold, folds, subsample
from LungSquadLib.errors import InputError
from Testing.stored_cases import stored_case


def cohort(luad=40, lusc=20, sites=1):
    cases = [stored_case(f"c{i:03d}", site=f"s{i % sites}") for i in range(luad + lusc)]
    return cases, ["LUAD"] * luad + ["LUSC"] * lusc


def label_counts(names, cases, labels):
    label_of = dict(zip((case.case for case in cases), labels, strict=True))
    return Counter(label_of[name] for name in names)


def test_every_case_is_in_one_test_and_labels_have_their_share():
    cases, labels = cohort()
    five = folds(cases, labels, count=5, seed=0)
    assert sorted(name for fold in five for name in fold.test) == [case.case for case in cases]
    for fold in five:
        assert sorted(fold.train + fold.validation + fold.test) == [case.case for case in cases]
        assert label_counts(fold.test, cases, labels) == {"LUAD": 8, "LUSC": 4}
        assert label_counts(fold.validation, cases, labels) == {"LUAD": 6, "LUSC": 3}


def test_one_fold_holds_out_a_fifth():
    cases, labels = cohort()
    (fold,) = folds(cases, labels, count=1, seed=0)
    assert label_counts(fold.test, cases, labels) == {"LUAD": 8, "LUSC": 4}


@given(st.randoms(use_true_random=False), st.integers(0, 5))
def test_neither_order_nor_names_matter_and_seeds_do(random, seed):
    cases, labels = cohort(20, 12)
    first = folds(cases, labels, count=3, seed=seed)
    pairs = list(zip(cases, labels, strict=True))
    random.shuffle(pairs)
    shuffled = [list(column) for column in zip(*pairs, strict=True)]
    assert folds(*shuffled, count=3, seed=seed) == first
    renamed = [replace(case, case=f"x{99 - number}") for number, case in enumerate(cases)]
    again = folds(renamed, labels, count=3, seed=seed)
    assert [fold.hash(renamed) for fold in again] == [fold.hash(cases) for fold in first]
    other = folds(cases, labels, count=3, seed=seed + 1)
    assert {fold.hash(cases) for fold in other}.isdisjoint(fold.hash(cases) for fold in first)


def test_the_hash_says_what_is_where():
    cases, _ = cohort(3, 3)
    fold = Fold(("c000", "c003"), ("c001", "c004"), ("c002", "c005"))
    swapped = Fold(("c001", "c003"), ("c000", "c004"), ("c002", "c005"))
    assert len(fold.hash(cases)) == 64
    assert fold.hash(cases) == fold.hash(cases[::-1]) != swapped.hash(cases)


@pytest.mark.parametrize("link", ["patient", "series", "pixels", "crop"])
def test_cases_that_belong_together_are_in_one_part(link):
    cases, labels = cohort()
    for i in range(0, 60, 2):  # 0 with 1, 2 with 3, ...; and a chain of three
        cases[i + 1] = replace(cases[i + 1], **{link: getattr(cases[i], link)})
    other = "series" if link == "patient" else "patient"
    cases[2] = replace(cases[2], **{other: getattr(cases[1], other)})
    for seed in range(5):
        for fold in folds(cases, labels, count=5, seed=seed):
            for names in fold.parts.values():
                held = set(names)
                assert all(
                    (f"c{i:03d}" in held) == (f"c{i + 1:03d}" in held) for i in range(0, 60, 2)
                )
                assert ("c000" in held) == ("c002" in held)


def test_what_is_unknown_links_nothing():
    cases, labels = cohort()
    cases = [replace(case, series="") for case in cases]
    assert len(folds(cases, labels, count=5, seed=0)[0].test) == 12


def test_sites_are_whole():
    cases, labels = cohort(60, 60)
    cases = [replace(case, site=f"s{i % 60 % 7}") for i, case in enumerate(cases)]
    site_of = {case.case: case.site for case in cases}
    result = folds(cases, labels, count=3, seed=1, by_site=True)
    assert sorted(name for fold in result for name in fold.test) == sorted(site_of)
    for fold in result:
        test = {site_of[name] for name in fold.test}
        assert test.isdisjoint(site_of[name] for name in fold.train + fold.validation)


def test_sites_of_any_size_make_folds_of_about_one_size():
    sizes = (10, 40, 10, 20, 10, 20, 10)
    sites = [f"s{number}" for number, size in enumerate(sizes) for _ in range(size)]
    cases = [stored_case(f"c{i:03d}", site=site) for i, site in enumerate(sites)]
    labels = ["LUAD", "LUSC"] * 60
    for seed in range(5):
        result = folds(cases, labels, count=3, seed=seed, by_site=True)
        assert [len(fold.test) for fold in result] == [40, 40, 40]
        (single,) = folds(cases, labels, count=1, seed=seed, by_site=True)
        assert len(single.test) == 20


def test_what_cannot_be_split_is_a_sentence():
    cases, labels = cohort(10, 3)
    with pytest.raises(InputError, match=r"'LUSC' there are 3 patients.* needs 5"):
        folds(cases, labels, count=5, seed=0)
    with pytest.raises(InputError, match=r"'LUSC' there are 3 patients.* needs 4"):
        folds(cases, labels, count=2, seed=0)
    with pytest.raises(InputError, match="one label only"):
        folds(cases, ["LUAD"] * 13, count=2, seed=0)
    with pytest.raises(InputError, match=r"'c012' has no label"):
        folds(cases, [*labels[:-1], ""], count=2, seed=0)
    cases[12] = replace(cases[12], patient=cases[0].patient)
    with pytest.raises(InputError, match=r"'c0(00|12)' has the label .*the same patient"):
        folds(cases, labels, count=2, seed=0)
    cases[12] = replace(cases[12], patient="LS-1", pixels=cases[0].pixels)
    with pytest.raises(InputError, match="the same images"):
        folds(cases, labels, count=2, seed=0)


@pytest.mark.parametrize("change", [{"count": 0}, {"validation": 0.0}, {"validation": 1.0}])
def test_numbers_out_of_range_are_a_sentence(change):
    with pytest.raises(InputError, match="cannot be"):
        folds(*cohort(), **{"count": 5, "seed": 0} | change)


def test_too_few_sites_are_a_sentence():
    cases, labels = cohort(20, 20, sites=2)
    with pytest.raises(InputError, match="no patient there are 2, and 3 are needed"):
        folds(cases, labels, count=3, seed=0, by_site=True)
    cases[1] = replace(cases[1], patient=cases[0].patient)  # who was at both
    with pytest.raises(InputError, match="no patient there are 1, and 2 are needed"):
        folds(cases, labels, count=2, seed=0, by_site=True)
    with pytest.raises(InputError, match="no patient there are 1, and 2 are needed"):
        folds(cases, labels, count=1, seed=0, by_site=True)
    cases[5] = replace(cases[5], site="")
    with pytest.raises(InputError, match="'c005' has no site"):
        folds(cases, labels, count=2, seed=0, by_site=True)


def test_a_site_with_all_of_a_label_is_refused():
    cases, labels = cohort(20, 20)
    cases = [replace(case, site=label) for case, label in zip(cases, labels, strict=True)]
    with pytest.raises(InputError, match=r"By site, fold 1 has no patient with the label"):
        folds(cases, labels, count=2, seed=0, by_site=True)


@pytest.mark.parametrize("n", [2, 3])
def test_the_smallest_cohort_that_is_allowed_has_all_labels_in_all_parts(n):
    least = 4 if n == 2 else n
    cases, labels = cohort(least, least + 1)
    for seed in range(10):
        for share in (0.01, 0.2, 0.9):
            for fold in folds(cases, labels, count=n, seed=seed, validation=share):
                for names in fold.parts.values():
                    assert set(label_counts(names, cases, labels)) == {"LUAD", "LUSC"}


def test_samples_are_nested_stratified_and_leave_the_test_alone():
    cases, labels = cohort(60, 30)
    cases[1] = replace(cases[1], patient=cases[0].patient)
    (fold,) = folds(cases, labels, count=1, seed=0)
    patient_of = {case.case: case.patient for case in cases}
    patients = len({patient_of[name] for name in fold.train})
    smaller = None
    for n in (2, 9, 21, 45, patients):
        sample = subsample(fold, cases, labels=labels, n=n, seed=3)
        assert sample.test == fold.test
        assert len({patient_of[name] for name in sample.train}) == n
        ratio = len(sample.validation) / len(fold.validation)
        assert ratio == pytest.approx(n / patients, abs=0.15)
        assert set(label_counts(sample.validation, cases, labels)) == {"LUAD", "LUSC"}
        counts = label_counts(sample.train, cases, labels)
        assert counts["LUSC"] == pytest.approx(n / 3, abs=1)
        if smaller:
            assert set(smaller.train) < set(sample.train)
            assert set(smaller.validation) <= set(sample.validation)
        smaller = sample
    assert smaller == fold
    assert subsample(fold, cases, labels=labels, n=9, seed=4) != subsample(
        fold, cases, labels=labels, n=9, seed=3
    )
    for n in (1, patients + 1):
        with pytest.raises(InputError, match=f"{n} training patients cannot be drawn"):
            subsample(fold, cases, labels=labels, n=n, seed=0)


def test_what_is_written_is_read_again(tmp_path):
    cases, labels = cohort(10, 10)
    result = folds(cases, labels, count=1, seed=7)
    parts = {**result[0].parts, "synthetic": ["c001 in c002"]}  # which a run makes again
    write_splits(tmp_path / "splits.csv", [(7, 1, parts)])
    assert (tmp_path / "splits.csv").read_text().startswith("seed,fold,case,part\n7,1,c0")
    assert read_split(tmp_path / "splits.csv", cases) == result[0]


def test_cases_may_be_left_out(tmp_path):
    cases, _ = cohort(3, 3)
    path = tmp_path / "mine.csv"
    path.write_text("case,part,why\nc001,train,\nc000,train,\nc002,validation,x\nc005,test,\n")
    assert read_split(path, cases) == Fold(("c000", "c001"), ("c002",), ("c005",))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("case,part\nc009,train\n", r"row 1: there is no case 'c009'"),
        ("case,part\nc001,train\nc002,learn\n", r"row 2: the part 'learn' is none of train"),
        ("case,part\nc001,train\nc001,test\n", r"row 2: the case 'c001' is there for the second"),
        ("case,part\nc001,train\nc002,test\n", r"no case for the part 'validation'"),
        ("case,set\nc001,train\n", r"needs one column 'part'"),
        ("case,part\nc001\n", r"the part '' is none"),
        ("", "needs one column 'case'"),
        ('case,part\n"c001,train\n', "is not a CSV table"),
    ],
)
def test_a_bad_split_is_a_sentence(tmp_path, text, sentence):
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=sentence):
        read_split(path, cohort(3, 3)[0])
