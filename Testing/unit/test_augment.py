"""Augmentation: every movement is the one it says, and the same key gives the same numbers."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from LungSquadLib.imaging.crop import central_cube
from LungSquadLib.training.augment import Augmentation, Drawn, apply, draw

SIDE, SIZE, MARGIN = 88, 64, 12
HU = np.random.default_rng(0).integers(-1000, 400, (SIDE,) * 3).astype(np.int16)
NONE = Augmentation(
    flip_x=False, quarter_turns=False, shift_mm=0, resampled=0, noise_hu=0, hu_shift=0
)
shifts = st.integers(-MARGIN, MARGIN)


def drawn(augmentation, n=200):
    return [draw(augmentation, seed=1, epoch=i, case_key="case") for i in range(n)]


def ball(z, y, x, radius=5.0):
    """A ball of 1000 HU in air, at an offset from the middle of the block."""
    grid = np.indices((SIDE,) * 3) - (SIDE - 1) / 2
    distance = np.sqrt(sum((axis - at) ** 2 for axis, at in zip(grid, (z, y, x), strict=True)))
    return (1000 * np.clip(radius - distance + 0.5, 0, 1) - 1024).astype(np.int16)


def centre(hu):
    """Centre of mass from the middle (z, y, x), and the mass."""
    mass = hu.astype(np.float64) + 1024
    grid = np.indices(hu.shape) - (hu.shape[0] - 1) / 2
    return np.array([(axis * mass).sum() for axis in grid]) / mass.sum(), mass.sum()


def test_nothing_drawn_is_the_middle():
    inside = HU[MARGIN:-MARGIN, MARGIN:-MARGIN, MARGIN:-MARGIN]
    for one in drawn(NONE, 5):
        assert np.array_equal(apply(HU, one, size=SIZE), inside)
    cut = central_cube(HU, SIZE)
    assert np.array_equal(cut, inside)
    assert cut.dtype == np.float32
    assert np.array_equal(central_cube(HU, SIDE), HU)


@given(shifts, shifts, shifts)
def test_a_shift_by_whole_voxels_is_a_slice(z, y, x):
    cut = apply(HU, Drawn(shift=(z, y, x)), size=SIZE)
    z, y, x = (MARGIN + one for one in (z, y, x))
    assert np.array_equal(cut, HU[z : z + SIZE, y : y + SIZE, x : x + SIZE])


@pytest.mark.parametrize("side", [SIDE, SIDE - 1])
def test_resampling_agrees_with_slicing_where_hardly_anything_turns(side):
    hu = HU[:side, :side, :side]
    nearly = apply(hu, Drawn(shift=(3, -5, 7), degrees=1e-7), size=SIZE)
    assert np.abs(nearly - apply(hu, Drawn(shift=(3, -5, 7)), size=SIZE)).max() < 0.01


def test_four_quarter_turns_are_none():
    turned = central_cube(HU, SIZE)
    block = turned.astype(np.int16)
    for number in range(4):
        assert np.array_equal(apply(block, Drawn(turns=number), size=SIZE), turned) == (number == 0)
    for _ in range(4):
        block = apply(block, Drawn(turns=1), size=SIZE).astype(np.int16)
    assert np.array_equal(block, turned)


def test_flips_mirror_the_axis_they_name():
    for axis in range(3):
        flips = tuple(i == axis for i in range(3))
        assert np.array_equal(apply(HU, Drawn(flips=flips), size=SIDE), np.flip(HU, axis))


@pytest.mark.parametrize(
    ("axis", "at", "expected"),
    [
        # right-handed in (x, y, z): about z, x goes to y; about x, y to z; about y, z to x
        ((1, 0, 0), (0, 0, 20), (0, 10, np.sqrt(300))),
        ((0, 0, 1), (0, 20, 0), (10, np.sqrt(300), 0)),
        ((0, 1, 0), (20, 0, 0), (np.sqrt(300), 0, 10)),
    ],
)
def test_a_ball_goes_where_the_rotation_says(axis, at, expected):
    found, _ = centre(apply(ball(*at), Drawn(axis=axis, degrees=30), size=SIZE))
    assert found == pytest.approx(expected, abs=0.05)


def test_scale_moves_a_ball_outwards_and_makes_it_larger():
    _, before = centre(central_cube(ball(0, 0, 15), SIZE))
    found, after = centre(apply(ball(0, 0, 15), Drawn(scale=1.1), size=SIZE))
    assert found == pytest.approx((0, 0, 16.5), abs=0.05)
    assert after / before == pytest.approx(1.1**3, rel=0.02)


def test_shift_turn_and_rotation_together_move_the_ball_as_each_does():
    # The crop moves by +4 along y, so the ball is at y = -4; a quarter turn brings y to -x.
    one = Drawn(shift=(0, 4, 0), turns=1, axis=(1, 0, 0), degrees=1e-6)
    still = Drawn(shift=(0, 4, 0), turns=1)
    for each in (one, still):
        found, _ = centre(apply(ball(0, 0, 0), each, size=SIZE))
        assert found == pytest.approx((0, 0, -4), abs=0.02)


def test_noise_has_its_standard_deviation_and_the_shift_its_height():
    difference = apply(HU, Drawn(noise_hu=25, hu_shift=-12), size=SIZE) - central_cube(HU, SIZE)
    assert difference.std() == pytest.approx(25, rel=0.01)
    assert difference.mean() == pytest.approx(-12, abs=0.2)


def test_the_same_key_draws_the_same_and_another_one_other_things():
    key = {"seed": 3, "epoch": 4, "case_key": "a"}
    one = draw(Augmentation(), **key)
    assert one == draw(Augmentation(), **key)
    assert np.array_equal(apply(HU, one, size=SIZE), apply(HU.copy(), one, size=SIZE))
    for change in ({"seed": 4}, {"epoch": 3}, {"case_key": "b"}):
        assert draw(Augmentation(), **key | change) != one


def test_an_option_leaves_the_others_draws_alone():
    for one, other in zip(drawn(Augmentation()), drawn(Augmentation(hu_shift=0)), strict=True):
        assert replace(one, hu_shift=0.0) == other


def test_draws_stay_within_what_is_asked_and_reach_it():
    augmentation = Augmentation(flip_z=True, resampled=0.5)
    all_drawn = drawn(augmentation, 1000)
    shift = np.array([one.shift for one in all_drawn])
    assert (shift.min(), shift.max()) == (-10, 10)
    degrees = np.array([one.degrees for one in all_drawn])
    scale = np.array([one.scale for one in all_drawn])
    assert 9.8 < np.abs(degrees).max() <= 10
    assert 0.098 < np.abs(scale - 1).max() <= 0.1
    assert np.mean((degrees == 0) & (scale == 1)) == pytest.approx(0.5, abs=0.05)
    assert np.bincount([one.turns for one in all_drawn]) == pytest.approx(250, abs=60)
    flips = np.mean([one.flips for one in all_drawn], axis=0)
    assert flips == pytest.approx([0.5, 0, 0.5], abs=0.06)
    assert 14.8 < max(one.noise_hu for one in all_drawn) <= 15
    assert np.std([one.hu_shift for one in all_drawn]) == pytest.approx(20, rel=0.1)
    coarse = [draw(augmentation, seed=0, epoch=i, case_key="", spacing=2.0) for i in range(100)]
    assert np.abs([one.shift for one in coarse]).max() == 5


def test_the_default_never_reaches_beyond_the_block():
    tissue = np.full((SIDE,) * 3, 40, np.int16)
    augmentation = Augmentation(resampled=1, noise_hu=0, hu_shift=0)
    for one in drawn(augmentation, 60):
        assert apply(tissue, one, size=SIZE).min() > 39
    worst = Drawn(shift=(10, -10, 10), axis=(0.6, 0.64, 0.48), degrees=10, scale=0.9)
    assert apply(tissue, worst, size=SIZE).min() > 39


def test_what_lies_beyond_the_block_is_air():
    tissue = np.full((SIZE,) * 3, 40, np.int16)
    cut = apply(tissue, Drawn(degrees=45), size=SIZE)
    assert cut[:, 0, 0].max() == -1024
    assert cut[32, 32, 32] == 40


def test_the_number_of_threads_changes_nothing():
    one = Drawn(shift=(3, 2, 1), axis=(0.6, 0, 0.8), degrees=8, scale=1.05)
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    results = []
    try:
        for threads in (1, 3):
            sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
            results.append(apply(HU, one, size=SIZE))
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
    assert np.array_equal(*results)


def test_a_block_that_is_too_small_is_refused():
    with pytest.raises(ValueError, match="no crop of 64"):
        central_cube(HU[:50, :50, :50], SIZE)
