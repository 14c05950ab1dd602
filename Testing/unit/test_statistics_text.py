"""Numbers as people read them: rounding makes neither certainty nor nothing."""

import numpy as np
import pytest

from LungSquadLib.statistics.intervals import is_small
from LungSquadLib.statistics.labelled_rows import Measure
from LungSquadLib.statistics.text import decimal, p_value, percent, permutation_p, with_interval


def test_a_number_never_becomes_0_or_1_by_rounding():
    expected = {
        (0.995, 3): "0.995",
        (0.9996, 3): "> 0.999",
        (0.995001, 2): "> 0.99",
        (1.0, 3): "1.000",
        (0.0, 3): "0.000",
        (0.0004, 3): "< 0.001",
        (-0.0004, 3): "> -0.001",
        (-0.9999, 3): "< -0.999",
        (1.0003, 3): "1.000",
        (12.3456, 3): "12.346",
        (0.9994, 3): "0.999",
    }
    for (value, digits), text in expected.items():
        assert decimal(value, digits) == text, value
    assert decimal(-0.0) == "0.000"
    for value in np.random.default_rng(0).random(2000) ** 4 + 1e-9:
        for one in (value, 1 - value):
            assert decimal(one) not in ("0.000", "1.000"), one
            assert float(decimal(one).split()[-1]) == pytest.approx(one, abs=0.001)


def test_estimates_p_and_shares_are_printed_alike():
    assert with_interval(Measure(0.995, 0.98, 0.9997, "")) == "0.995 (0.980 to > 0.999)"
    assert [p_value(p) for p in (0.0004, 0.048, 0.69, 0.996)] == [
        "p < 0.001",
        "p = 0.048",
        "p = 0.69",
        "p > 0.99",
    ]
    assert [percent(p) for p in (0.997, 1.0, 0.0, 0.003, 0.25)] == [
        "> 99%",
        "100%",
        "0%",
        "< 1%",
        "25%",
    ]
    assert [percent(p, 1) for p in (0.9997, 0.9994, 0.0003)] == ["> 99.9%", "99.9%", "< 0.1%"]
    assert permutation_p(0.005, 199) == "p = 0.005, the least of 199 shuffles"
    assert permutation_p(0.69, 1000) == "p = 0.69 of 1000 shuffles"


def test_a_small_p_needs_enough_shuffles_behind_it():
    assert not is_small(1 / 20, 19)
    assert not is_small(1 / 20, 19, level=0.5)  # too few, whatever the level
    assert is_small(1 / 200, 199)
    assert not is_small(0.048, 1000)  # 0.036 to 0.063
    assert is_small(0.03, 1000)
    assert not is_small(0.7, 1000)
