"""The T stage by size: every limit of every edition, and what a ruler cannot see."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import SimpleITK as sitk

from LungSquadLib.errors import InputError
from LungSquadLib.imaging.stage import EDITIONS, GROUPS, reported_stage, size_stage, stage_of

LIMITS = {
    "7": (("T1a", 20), ("T1b", 30), ("T2a", 50), ("T2b", 70), ("T3", None)),
    "8": (
        ("T1a", 10),
        ("T1b", 20),
        ("T1c", 30),
        ("T2a", 40),
        ("T2b", 50),
        ("T3", 70),
        ("T4", None),
    ),
}
LIMITS["9"] = LIMITS["8"]
BOUNDARIES = [
    (edition, limit, below, above)
    for edition, stages in LIMITS.items()
    for (below, limit), (above, _) in pairwise(stages)
]


def rod(mm, spacing=(1.0, 1.0, 1.0), *, axis=0):
    """A mask that is one voxel thick and `mm` long."""
    shape = [3, 3, 3]
    count = round(mm / spacing[axis])
    shape[axis] = count + 2
    array = np.zeros(shape, np.uint8)
    array[tuple(slice(1, -1) if n == axis else 1 for n in range(3))] = 1
    image = sitk.GetImageFromArray(array.transpose())
    image.SetSpacing(spacing)
    return image


@pytest.mark.parametrize(("edition", "limit", "below", "above"), BOUNDARIES)
def test_a_limit_belongs_to_the_lower_stage(edition, limit, below, above):
    for mm in (limit, limit + 0.04, limit + 1e-9, 3 * (limit / 3), sum([0.1] * (10 * limit))):
        assert stage_of(mm, edition) == below
    for mm in (limit + 0.1, limit + 0.06):
        assert stage_of(mm, edition) == above


@pytest.mark.parametrize(("edition", "limit", "below", "above"), BOUNDARIES)
def test_limits_of_masks_made_of_voxels(edition, limit, below, above):
    for axis in range(3):
        steps = [0.1 if n == axis else 0.001 for n in range(3)]
        staged = [
            size_stage(rod(mm, steps, axis=axis), edition=edition).stage
            for mm in (limit, limit + 0.1)
        ]
        assert staged == [below, above]


def test_every_edition_has_limits_and_no_size_is_without_a_stage():
    assert set(EDITIONS) == set(LIMITS)
    for edition in EDITIONS:
        stages = [stage_of(mm / 10, edition) for mm in range(1, 3000)]
        assert list(dict.fromkeys(stages)) == [stage for stage, _ in LIMITS[edition]]
        assert {stage[:2] for stage in stages} <= set(GROUPS)


def test_the_rule_says_which_diameter_is_staged():
    upright = rod(35, axis=2)
    by_largest, by_axial = size_stage(upright), size_stage(upright, rule="axial")
    assert (by_largest.stage, by_largest.mm) == ("T2a", 35)
    assert (by_axial.stage, by_axial.mm) == ("T1a", 1)
    assert by_largest.resolution_mm == pytest.approx(3**0.5)
    assert by_axial.resolution_mm == pytest.approx(2**0.5)
    for staged in (by_largest, by_axial):
        assert "largest diameter 35.0 mm, largest axial diameter 1.0 mm" in staged.sentence


@pytest.mark.parametrize(
    ("mm", "words"),
    [
        (25, "T1c"),
        (29, "T1c, on the border to T2a"),
        (31, "T2a, on the border to T1c"),
        (32, "T2a"),
        (300, "T4"),
    ],
)
def test_a_stage_says_when_one_voxel_would_change_it(mm, words):
    staged = size_stage(rod(mm))
    assert staged.words == words
    assert any(flag.code == "t_stage_border" for flag in staged.flags) == ("border" in words)


def test_thick_slices_make_borders_wide():
    words = size_stage(rod(15, (1.0, 1.0, 8.0))).words
    assert words == "T1b, on the border to T1a and T1c"


def test_a_diameter_is_of_one_piece_and_never_across_the_gap():
    array = np.zeros((9, 9, 60), np.uint8)
    array[4, 4, 1:13] = 1  # 12 mm
    array[4, 4, 58] = 1
    array[1:8, 6, 50] = 1  # 7 mm, upright
    staged = size_stage(sitk.GetImageFromArray(array))
    assert (staged.largest.mm, staged.axial.mm, staged.pieces) == (12, 12, 3)
    assert staged.largest.start_lps[1:] == (4, 4)
    (flag,) = [flag for flag in staged.flags if flag.code == "t_stage_pieces"]
    assert "3 separate pieces" in flag.sentence
    array[4, 5, 13] = 1  # touches by an edge: one piece
    assert size_stage(sitk.GetImageFromArray(array)).largest.mm > 13


def test_a_piece_in_the_box_of_another_is_not_of_it():
    array = np.zeros((3, 12, 12), np.uint8)
    array[1, 1, 1:11] = array[1, 1:11, 6] = 1  # a T, 11.18 mm from its foot to one arm
    array[1, 10, 10] = 1
    staged = size_stage(sitk.GetImageFromArray(array))
    assert (staged.mm, staged.pieces) == (11.2, 2)


def test_pieces_keep_their_place():
    image = rod(12)
    image.SetOrigin((-30.0, 12.0, 700.0))
    found = size_stage(image).largest
    np.testing.assert_allclose(sorted((found.start_lps[0], found.end_lps[0])), (-29.5, -17.5))
    assert found.start_lps[1:] == found.end_lps[1:] == (13, 701)


@pytest.mark.filterwarnings("error")
def test_an_empty_mask_is_a_sentence():
    with pytest.raises(InputError, match="empty"):
        size_stage(sitk.Image(4, 4, 4, sitk.sitkUInt8))


def test_an_edition_that_is_not_there_is_a_sentence():
    with pytest.raises(InputError, match="edition '6'; there are 7, 8, 9"):
        size_stage(rod(5), edition="6")


@pytest.mark.parametrize(
    ("text", "stage"),
    [("pT2a", "T2a"), ("cT1", "T1"), (" T1mi", "T1mi"), ("ypT4", "T4"), ("PT3(2)", "T3")],
)
def test_reported_stages_are_read(text, stage):
    assert reported_stage(text) == stage


@pytest.mark.parametrize("text", ["Tis", "pTX", "2", "T5", "T0", "", "T2d", "T2a N0"])
def test_what_is_no_stage_by_size_is_a_sentence(text):
    with pytest.raises(InputError, match="no T stage"):
        reported_stage(text)


def test_the_longest_piece_is_staged_though_another_ones_box_is_larger():
    array = np.zeros((3, 40, 30), np.uint8)
    array[1, 2:21, 11] = array[1, 11, 2:21] = 1  # a cross: 19 mm, its box 26.9 mm
    array[1, 30, 2:25] = 1  # a rod of 23 mm
    staged = size_stage(sitk.GetImageFromArray(array))
    assert staged.largest.mm == pytest.approx(np.hypot(23, 0), abs=0.05)
    assert (staged.pieces, staged.stage) == (2, "T1c")
