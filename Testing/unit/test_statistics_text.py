"""Numbers as people read them: rounding makes neither certainty nor nothing."""

import numpy as np
import pytest

from LungSquadLib.statistics.intervals import Estimate, is_significant
from LungSquadLib.statistics.text import (
    format_estimate,
    format_number,
    format_p,
    format_percent,
    format_permutation_p,
)


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
        assert format_number(value, digits) == text, value
    assert format_number(-0.0) == "0.000"
    for value in np.random.default_rng(0).random(2000) ** 4 + 1e-9:
        for one in (value, 1 - value):
            assert format_number(one) not in ("0.000", "1.000"), one
            assert float(format_number(one).split()[-1]) == pytest.approx(one, abs=0.001)


def test_estimates_p_and_shares_are_printed_alike():
    assert format_estimate(Estimate(0.995, 0.98, 0.9997, "")) == "0.995 (0.980 to > 0.999)"
    assert [format_p(p) for p in (0.0004, 0.048, 0.69, 0.996)] == [
        "p < 0.001",
        "p = 0.048",
        "p = 0.69",
        "p > 0.99",
    ]
    assert [format_percent(p) for p in (0.997, 1.0, 0.0, 0.003, 0.25)] == [
        "> 99%",
        "100%",
        "0%",
        "< 1%",
        "25%",
    ]
    assert [format_percent(p, 1) for p in (0.9997, 0.9994, 0.0003)] == [
        "> 99.9%",
        "99.9%",
        "< 0.1%",
    ]
    assert format_permutation_p(0.005, 199) == "p = 0.005, the least of 199 permutations"
    assert format_permutation_p(0.69, 1000) == "p = 0.69 of 1000 permutations"


def test_a_small_p_needs_enough_shuffles_behind_it():
    assert not is_significant(1 / 20, 19)
    assert not is_significant(1 / 20, 19, level=0.5)  # too few, whatever the level
    assert is_significant(1 / 200, 199)
    assert not is_significant(0.048, 1000)  # 0.036 to 0.063
    assert is_significant(0.03, 1000)
    assert not is_significant(0.7, 1000)
