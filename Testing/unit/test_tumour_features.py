"""Size, shape and HU of tumours in space, against what geometry says."""

import math

import numpy as np
import pytest

from LungSquadLib.imaging.features import TUMOUR_FEATURES, tumour_features

SIDE = 48


def ellipsoid(a, b, c, *, middle=(23.5, 23.5, 23.5)):
    z, y, x = (grid - centre for grid, centre in zip(np.indices((SIDE,) * 3), middle, strict=True))
    return (z / a) ** 2 + (y / b) ** 2 + (x / c) ** 2 < 1


def features(mask, hu=None, spacing=1.0):
    hu = np.zeros(mask.shape, np.int16) if hu is None else hu
    return tumour_features(hu, mask, spacing_mm=spacing)


def test_a_ball_has_the_measures_of_a_ball():
    found = features(ellipsoid(15, 15, 15))
    assert found["equivalent_diameter_mm"] == pytest.approx(30, rel=0.01)
    assert found["axial_diameter_mm"] == pytest.approx(30, rel=0.04)
    assert found["surface_mm2"] == pytest.approx(4 * math.pi * 15**2, rel=0.03)
    assert found["sphericity"] == pytest.approx(1, abs=0.03)
    assert found["elongation"] == pytest.approx(1, abs=0.01)
    assert found["flatness"] == pytest.approx(1, abs=0.01)
    assert (found["components"], found["at_border"]) == (1, 0)


def test_an_ellipsoid_has_its_axes_whichever_way_it_lies():
    for order in ((20, 10, 5), (5, 20, 10), (10, 5, 20)):
        found = features(ellipsoid(*order))
        assert found["elongation"] == pytest.approx(0.5, abs=0.01)
        assert found["flatness"] == pytest.approx(0.25, abs=0.01)
        assert found["sphericity"] < 0.9


def test_measures_grow_with_the_voxels():
    mask = ellipsoid(9, 12, 7)
    small, large = features(mask), features(mask, spacing=2.0)
    for name, power in (
        ("equivalent_diameter_mm", 1),
        ("axial_diameter_mm", 1),
        ("surface_mm2", 2),
    ):
        assert large[name] == pytest.approx(small[name] * 2**power)
    for name in ("sphericity", "elongation", "flatness"):
        assert large[name] == pytest.approx(small[name])


def test_parts_and_borders():
    two = ellipsoid(4, 4, 4) | ellipsoid(4, 4, 4, middle=(40, 40, 40))
    assert (features(two)["components"], features(two)["at_border"]) == (2, 0)
    touching = ellipsoid(4, 4, 4, middle=(2, 20, 20))
    assert features(touching)["at_border"] == 1
    # The surface that lies on the border counts, too.
    half = ellipsoid(10, 10, 10, middle=(-0.5, 23.5, 23.5))
    assert features(half)["surface_mm2"] == pytest.approx(3 * math.pi * 10**2, rel=0.05)


def test_hu_inside_and_around():
    mask, wide = ellipsoid(8, 8, 8), ellipsoid(11, 11, 11)
    hu = np.where(mask, 40, np.where(wide, -700, -1000)).astype(np.int16)
    z = np.indices(mask.shape)[0]
    hu[mask & (z < 24)] = 60
    found = features(mask, hu)
    assert (found["hu_mean"], found["hu_sd"]) == (50, 10)
    assert (found["hu_skewness"], found["hu_kurtosis"]) == (0, 1)
    assert found["hu_rim"] == pytest.approx(-700, abs=25)
    shades = np.random.default_rng(0).normal(0, 20, mask.shape)
    assert features(mask, shades)["hu_kurtosis"] == pytest.approx(3, abs=0.3)
    assert features(mask, np.exp(shades / 20))["hu_skewness"] > 2


def test_nothing_is_made_up_where_nothing_can_be_measured():
    empty = features(np.zeros((8, 8, 8), bool))
    assert list(empty) == list(TUMOUR_FEATURES)
    assert all(math.isnan(value) for value in empty.values())
    one = np.zeros((8, 8, 8), bool)
    one[4, 4, 4] = True
    found = features(one)
    assert math.isnan(found["hu_skewness"])
    assert (found["elongation"], found["axial_diameter_mm"]) == (1, 1)
    assert math.isnan(features(np.ones((8, 8, 8), bool))["hu_rim"])
    with pytest.raises(ValueError, match="do not go together"):
        tumour_features(np.zeros((2, 2, 2)), np.zeros((2, 2, 3)), spacing_mm=1)
