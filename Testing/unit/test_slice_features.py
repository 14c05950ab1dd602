"""Size, shape and HU of tumours in slices, against what geometry says."""

import numpy as np
import pytest

from LungSquadLib.imaging.features import SLICE_FEATURES, slice_features

SIDE = 64


def disc(radius, at=(31.5, 31.5)):
    y, x = np.indices((SIDE, SIDE))
    return np.hypot(y - at[0], x - at[1]) < radius


def features(*masks, hu=None, spacing=0.5):
    masks = np.array(masks)
    hu = np.zeros(masks.shape, np.int16) if hu is None else hu
    return slice_features(hu, masks, spacing_mm=spacing)


def test_a_disc_has_the_measures_of_a_disc():
    found = features(disc(20))
    assert found["area_mm2"][0] == disc(20).sum() / 4
    assert found["equivalent_diameter_mm"][0] == pytest.approx(20, rel=0.01)
    assert found["largest_diameter_mm"][0] == pytest.approx(20, rel=0.05)
    assert found["perimeter_mm"][0] == pytest.approx(20 * np.pi, rel=0.03)
    assert found["compactness"][0] == pytest.approx(1, abs=0.05)
    assert found["components"][0] == 1
    assert found["at_border"][0] == 0


def test_measures_grow_with_the_pixels():
    small, large = features(disc(9)), features(disc(9), spacing=1.0)
    for name, power in (("area_mm2", 2), ("largest_diameter_mm", 1), ("perimeter_mm", 1)):
        assert large[name] == pytest.approx(small[name] * 2**power)
    assert large["compactness"] == pytest.approx(small["compactness"])


def test_parts_and_borders_are_those_of_each_slice():
    corner = disc(5, at=(0, 30))
    touching = np.zeros((SIDE, SIDE), bool)
    touching[10, 10] = touching[11, 11] = True
    found = features(disc(5), disc(5) | corner, corner, touching, disc(4, (10, 10)) | corner)
    assert found["components"].tolist() == [1, 2, 1, 1, 2]
    assert found["at_border"].tolist() == [0, 1, 1, 0, 1]


def test_hu_inside_and_around():
    mask = disc(8)
    y, x = np.indices((SIDE, SIDE))
    # The rim of 3 mm is 6 pixels from the last one inside: none farther than 8 + 6 counts.
    hu = np.where(mask, 40, np.where(np.hypot(y - 31.5, x - 31.5) < 14, -700, -1000))
    hu[mask & (x < 32)] = 60
    found = features(mask, hu=hu[None])
    assert found["hu_mean"][0] == 50
    assert found["hu_sd"][0] == 10
    assert [found[f"hu_p{q}"][0] for q in (10, 50, 90)] == [40, 50, 60]
    assert found["hu_rim"][0] == pytest.approx(-700)


def test_the_rim_is_a_pixel_at_least_and_stays_in_the_image():
    mask = disc(5)
    hu = np.where(mask, 0, -500)[None]
    assert features(mask, hu=hu, spacing=6.25)["hu_rim"][0] == -500
    assert np.isnan(features(np.ones((SIDE, SIDE)))["hu_rim"][0])


def test_an_empty_mask_has_no_measures_and_leaves_others_theirs():
    empty = np.zeros((SIDE, SIDE), bool)
    found = features(empty, disc(7), empty)
    assert list(found) == list(SLICE_FEATURES)
    for name, values in found.items():
        assert np.isnan(values).tolist() == [True, False, True], name
        assert values[1] == features(disc(7))[name][0]
    assert all(np.isnan(values).all() for values in features(empty).values())


def test_slices_do_not_disturb_each_other():
    """More than are measured at once, each as by itself."""
    masks = [disc(3 + n % 20, at=(n % 60, 3 * n % 64)) for n in range(70)]
    together = features(*masks)
    for n in (0, 5, 63, 64, 69):
        for name, values in features(masks[n]).items():
            assert values[0] == pytest.approx(together[name][n], nan_ok=True), name


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="together"):
        slice_features(np.zeros((1, 8, 8)), np.zeros((1, 8, 9)), spacing_mm=1)
