"""Agreement of readers: kappa by scikit-learn, Dice by hand, and the page of a cohort."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from LungSquadLib.cli import main
from LungSquadLib.cohorts.ratings import CHARACTERISTICS
from LungSquadLib.cohorts.reader_agreement import (
    CONSENSUS,
    PAIR,
    dice_of_readers,
    mask_agreement,
    rating_agreement,
    size_class,
)
from LungSquadLib.errors import InputError
from LungSquadLib.report.cohort import write_cohort_page
from Testing.lidc_samples import write_arrays


def rated(patient, ratings):
    return {"patient_id": patient} | {
        f"{name}_readers": ratings if name == "texture" else "" for name in CHARACTERISTICS
    }


def test_kappa_is_that_of_scikit_learn_over_all_pairs():
    random = np.random.default_rng(0)
    rows, first, second = [], [], []
    for number in range(60):
        level = random.integers(1, 6)
        values = np.clip(level + random.integers(-1, 2, random.integers(1, 5)), 1, 5)
        rows.append(rated(f"P{number // 2}", " ".join(map(str, values))))
        for i, a in enumerate(values):
            for j, b in enumerate(values):
                if i != j:
                    first.append(a)
                    second.append(b)
    (agreement,) = rating_agreement(rows)
    expected = cohen_kappa_score(first, second, weights="quadratic", labels=range(1, 7))
    assert agreement.kappa.value == pytest.approx(expected)
    assert agreement.kappa.low < expected < agreement.kappa.high
    apart = np.abs(np.subtract(first, second))
    assert agreement.same == pytest.approx(np.mean(apart == 0))
    assert agreement.within_one == pytest.approx(np.mean(apart <= 1))
    assert agreement.pairs == len(first) // 2


def test_the_interval_is_over_patients():
    """Each patient's nodules five times: the same interval, for there are no more patients."""
    random = np.random.default_rng(1)
    rows = [
        rated(f"P{number}", " ".join(map(str, random.integers(1, 6, 2)))) for number in range(30)
    ]
    once, repeated = rating_agreement(rows)[0], rating_agreement(rows * 5)[0]
    for end in ("value", "low", "high"):
        assert getattr(repeated.kappa, end) == pytest.approx(getattr(once.kappa, end))
    assert (repeated.pairs, repeated.patients) == (5 * once.pairs, once.patients)


def test_ratings_are_counted():
    (agreement,) = rating_agreement([rated("A", "1 1 5"), rated("B", "6"), rated("C", "")])
    assert agreement.counts == (2, 0, 0, 0, 1, 1)
    assert (agreement.nodules, agreement.pairs) == (1, 3)
    assert agreement.kappa is None  # of one patient


def test_dice_of_readers_by_hand():
    masks = np.zeros((4, 1, 1, 8), np.uint8)
    masks[0, ..., 0:4] = 1
    masks[1, ..., 2:4] = 1
    masks[3, ..., 3:7] = 1  # the third drew nothing
    values = list(dice_of_readers(masks))
    pairs = [value for kind, value in values if kind == PAIR]
    assert pairs == pytest.approx([2 * 2 / (4 + 2), 2 * 1 / (4 + 4), 2 * 1 / (2 + 4)])
    # Of two others, one is half: their union.
    others = [value for kind, value in values if kind == CONSENSUS]
    assert others == pytest.approx([2 * 2 / (4 + 5), 2 * 2 / (2 + 7), 2 * 1 / (4 + 4)])
    assert [kind for kind, _ in dice_of_readers(masks[:2])] == [PAIR]


@pytest.mark.parametrize(
    ("diameter", "expected"),
    [(5.9, "< 6 mm"), (6.1, "6 to 10 mm"), (19.9, "10 to 20 mm"), (25, "20 mm and more")],
)
def test_classes_of_size(diameter, expected):
    assert size_class(np.pi / 6 * diameter**3 / 1000) == expected


def test_masks_are_described_by_their_quantiles():
    rows = [
        {"case": str(k), "patient_id": f"P{k}", "nodule_ml": "0.1", "texture_class": "solid"}
        | {"kind": PAIR, "dice": str(k / 10)}
        for k in range(11)
    ]
    (whole, size, texture) = mask_agreement(rows)
    assert (whole.part, size.part, texture.part) == ("all", "< 6 mm", "solid")
    assert [whole.worst_tenth, *whole.quartiles] == pytest.approx([0.1, 0.25, 0.75])
    assert whole.median.value == pytest.approx(0.5)
    assert whole.median.low < 0.5 < whole.median.high


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    write_arrays(folder / "in")
    assert main(["cohort", "lidc", str(folder / "in"), "-o", str(folder / "out")]) == 0
    return folder / "out"


def test_the_recipe_writes_the_dice_of_the_readers(cohort):
    with (cohort / "reader_masks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    # Rows of 4, 4 and 7 pixels and one pixel elsewhere; then rows of 2 and 3, twice.
    first = [float(row["dice"]) for row in rows if row["case"] == "stack-0000"]
    assert first[:3] == pytest.approx([4 / 9, 2 / 12, 6 / 11], abs=1e-4)
    second = [float(row["dice"]) for row in rows if row["case"] == "stack-0001"]
    assert second == pytest.approx([2 * 2 / 10], abs=1e-4)


def test_a_page_describes_the_cohort(cohort, tmp_path, capsys):
    assert main(["cohort", "describe", str(cohort), "-o", str(tmp_path / "page")]) == 0
    page = (tmp_path / "page" / "index.html").read_text()
    for sentence in ("2 patients", "stacks72", "0: 1, 3: 1", "doi:10.1118/1.3528204"):
        assert sentence in page
    assert "LIDC-IDRI-0001" not in page  # no patient is named
    described = json.loads((tmp_path / "page" / "description.json").read_text())
    sets = {row["name"]: row for row in described["sets"]}
    assert sets["stacks72"]["slices"] == pytest.approx([1.25, 1.25, 1.25])
    # Three slices' corner of 3 x 2 voxels of 0.7 x 0.6 x 2.5 mm in two slices, and in one.
    volumes = np.array([2 * 6, 1 * 6]) * 0.6 * 0.7 * 2.5
    assert sets["voi3d"]["diameters"] == pytest.approx(np.cbrt(6 * volumes / np.pi), rel=1e-3)
    # One slice of 6 pixels of 0.7 mm: a disc.
    assert sets["slices71"]["diameters"] == pytest.approx([np.sqrt(4 * 6 * 0.49 / np.pi)] * 2)
    assert main(["cohort", "describe", str(cohort), "-o", str(tmp_path / "page")]) == 0


def test_other_folders_are_refused(tmp_path, cohort, capsys):
    assert main(["cohort", "describe", str(tmp_path), "-o", str(tmp_path / "out")]) == 2
    assert "is no folder of `lungsquad cohort lidc`" in capsys.readouterr().err
    (tmp_path / "page" / "figures").mkdir(parents=True)
    (tmp_path / "page" / "figures" / "mine.png").write_text("mine")
    from LungSquadLib.cohorts.description import describe_cohort

    with pytest.raises(InputError, match="holds other files"):
        write_cohort_page(describe_cohort(cohort), tmp_path / "page")
