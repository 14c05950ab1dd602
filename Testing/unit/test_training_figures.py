"""Figures of trainings: the same bytes from the same numbers, and controls are not among them."""

import csv

import pytest

from LungSquadLib.evaluation.classifier.compare import Comparison, Point
from LungSquadLib.report.classifier.training_runs import write_comparison, write_training_curves
from LungSquadLib.statistics.intervals import Estimate

pytest.importorskip("matplotlib")


def log(folder, name, *, scored=True, rise=0.0):
    rows = [
        {"epoch": n, "loss": 1 / n, "validation loss": 1 / n + rise}
        | ({"validation AUC": 1 - 1 / (2 * n)} if scored else {})
        for n in range(1, 6)
    ]
    place = folder / "fits" / name
    place.mkdir(parents=True)
    with (place / "log.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


@pytest.mark.slow
@pytest.mark.parametrize("scored", [True, False])
def test_curves_are_the_same_bytes_and_leave_controls_out(tmp_path, scored):
    log(tmp_path, "seed0-fold0", scored=scored)
    first = write_training_curves(tmp_path).read_bytes()
    for control in ("seed0-fold0-shuffled", "seed0-fold0-n20"):
        log(tmp_path, control, scored=scored, rise=3.0)
    assert write_training_curves(tmp_path).read_bytes() == first
    log(tmp_path, "seed0-fold1", scored=scored, rise=0.1)
    assert write_training_curves(tmp_path).read_bytes() != first


def test_a_comparison_is_the_same_bytes_every_time(tmp_path):
    def found(value):
        return Estimate(value, value - 0.1, value + 0.05, 1000)

    points = tuple(Point(n, (found(0.6), found(0.7)), (found(0.1),)) for n in (20, 0))
    comparison = Comparison(("scratch", "<transfer> $x$"), "histology", 200, 5, points)
    contents = []
    for name in ("one", "two"):
        write_comparison(comparison, tmp_path / name)
        contents.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert contents[0] == contents[1]
    assert set(contents[0]) == {"comparison.json", "comparison.png", "comparison.svg"}
