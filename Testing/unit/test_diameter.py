"""The largest axial diameter against brute force and known shapes."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from LungSquadLib.errors import InputError
from LungSquadLib.imaging.ct import open_ct
from LungSquadLib.imaging.diameter import axial_diameter
from LungSquadLib.imaging.masks import read_mask


def image(array, spacing=(1.0, 1.0, 1.0), direction=None):
    made = sitk.GetImageFromArray(array.astype(np.uint8))
    made.SetSpacing(spacing)
    made.SetOrigin((-30.0, 12.0, 700.0))
    if direction is not None:
        made.SetDirection(direction)
    return made


def by_brute_force(mask, spacing):
    """Every border point of every voxel with every other, plane by plane."""
    longest = 0.0
    for plane in mask:
        rows, columns = np.nonzero(plane)
        points = [
            (c + dc, r + dr)
            for r, c in zip(rows, columns, strict=True)
            for dc, dr in ((0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5))
        ]
        scaled = np.array(points).reshape(-1, 2) * spacing[:2]
        if len(scaled):
            longest = max(longest, np.linalg.norm(scaled[:, None] - scaled[None], axis=2).max())
    return longest


@given(
    seed=st.integers(0, 10**6),
    spacing=st.tuples(*[st.floats(0.4, 5)] * 3),
    share=st.floats(0.02, 0.9),
)
def test_diameter_is_the_longest_of_all_lines_within_a_plane(seed, spacing, share):
    mask = np.random.default_rng(seed).random((3, 9, 11)) < share
    mask[1, 4, 5] = True
    found = axial_diameter(image(mask, spacing))
    assert found.mm == pytest.approx(by_brute_force(mask, spacing), rel=1e-9)
    assert np.linalg.norm(np.subtract(found.end_lps, found.start_lps)) == pytest.approx(found.mm)
    assert found.start_lps[2] == pytest.approx(found.end_lps[2])


def test_a_single_voxel_has_its_own_width():
    mask = np.zeros((3, 5, 5))
    mask[1, 2, 2] = 1
    assert axial_diameter(image(mask, (0.7, 0.9, 5))).mm == pytest.approx(0.9)


@pytest.mark.parametrize("axes", ["zyx", "xzy", "yxz"])
def test_planes_are_the_patients_axial_ones_however_the_voxels_lie(axes):
    mask = np.zeros((9, 9, 9))
    mask[:, 4, 4] = 1  # long from foot to head, which no axial plane shows
    mask[4, 4, 2:7] = 1
    turned = sitk.PermuteAxes(image(mask), ["xyz".index(a) for a in reversed(axes)])
    found = axial_diameter(turned)
    assert found.mm == pytest.approx(5)
    np.testing.assert_allclose(sorted((found.start_lps[0], found.end_lps[0])), (-28.5, -23.5))


def test_an_empty_mask_is_a_sentence():
    with pytest.raises(InputError, match="empty"):
        axial_diameter(image(np.zeros((3, 3, 3))))


def test_diameter_of_a_real_tumour(shared_data):
    folder = shared_data / "open" / "lidc_0314"
    mask = read_mask(folder / "mask_consensus.nrrd", open_ct(folder))
    array = sitk.GetArrayFromImage(mask.image)
    assert axial_diameter(mask.image).mm == pytest.approx(
        by_brute_force(array, mask.image.GetSpacing())
    )
