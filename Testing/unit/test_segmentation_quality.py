"""Dice coefficients of a segmenter on cases whose masks are balls: what geometry says of them."""

from types import SimpleNamespace

import numpy as np
import pytest

from LungSquadLib.imaging.resample import AIR
from LungSquadLib.training.segmentation.quality import segmentation_quality
from Testing.segmenters import write_segmenter

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]
SIDE = 48
# Radius of the dense ball and of the reader's mask (mm), mean texture, whether it was cut out.
BALLS = (
    (4.0, 4.0, "5.0", False),
    (4.0, 4.6, "4.0", False),
    (6.0, 6.0, "2.5", True),
    (8.0, 7.0, "2.0", True),
    (8.0, 8.0, "4.5", False),
    (11.0, 12.0, "", False),
)


@pytest.fixture(scope="module")
def quality(tmp_path_factory):
    """The quality of a segmenter that takes what is dense."""
    model = write_segmenter(tmp_path_factory.mktemp("model") / "segmenter.safetensors")
    axis = np.arange(SIDE) - 23.5
    distance = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    contents = {}
    for number, (dense, drawn, _, cut_out) in enumerate(BALLS):
        hu = np.where(distance < dense, 40, -850).astype(np.int16)
        if cut_out:
            hu[distance > 10] = AIR
        contents[f"case{number}"] = hu, (distance < drawn).astype(np.uint8)
    # A reader's mask goes on where the CT is not known: that part does not count.
    contents["case2"][1][:, :, :3] = 1
    cases = [
        SimpleNamespace(case=name, patient=name, crop=name, columns={"texture": texture})
        for name, (_, _, texture, _) in zip(contents, BALLS, strict=True)
    ]
    source = SimpleNamespace(
        dimensions=3,
        side=SIDE,
        spacing_of=lambda _case: 1.0,
        read=lambda case: contents[case.case],
    )
    return segmentation_quality(model, source, cases, where="here")


def dice_of_balls(first, second):
    """Of concentric balls the smaller one is all that they share."""
    small, large = sorted((first, second))
    return 2 * small**3 / (small**3 + large**3)


def test_dice_is_what_the_radii_say(quality):
    for row, (dense, drawn, _, cut_out) in zip(quality.rows, BALLS, strict=True):
        expected = dice_of_balls(dense, drawn)
        for method in ("one_click", "corrected", "no_click"):
            assert row[f"dice_{method}"] == pytest.approx(expected, abs=0.05), (row, method)
        assert row["mean_of_clicks"] == pytest.approx(expected, abs=0.05)
        assert row["diameter_mm"] == pytest.approx(2 * drawn, rel=0.03)
        assert row["surroundings"] == ("cut_out" if cut_out else "complete")


def test_figures_are_quantiles_of_the_rows_by_size_and_texture(quality):
    rows, metrics = quality.rows, quality.metrics
    values = np.array([row["dice_one_click"] for row in rows])
    for name, share in (
        ("median", 0.5),
        ("lower_quartile", 0.25),
        ("upper_quartile", 0.75),
        ("worst_tenth", 0.1),
    ):
        figure = metrics[f"dice_one_click_{name}"]
        assert figure.value == pytest.approx(np.quantile(values, share))
        assert figure.low <= figure.value <= figure.high
    members = {
        "below_10_mm": [0, 1],
        "10_to_20_mm": [2, 3, 4],
        "above_20_mm": [5],
        "ground_glass": [3],
        "part_solid": [2],
        "solid": [0, 1, 4],
        "complete": [0, 1, 4, 5],
        "cut_out": [2, 3],
    }
    for group, numbers in members.items():
        figure = metrics[f"dice_one_click_median_{group}"]
        assert figure.n == len(numbers), group
        assert figure.value == pytest.approx(np.median(values[numbers])), group
