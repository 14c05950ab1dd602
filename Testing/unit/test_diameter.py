"""The largest diameters, axial and in 3D, against brute force and known shapes."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from LungSquadLib.errors import InputError
from LungSquadLib.imaging import diameter
from LungSquadLib.imaging.ct import open_ct
from LungSquadLib.imaging.diameter import _directions, axial_diameter, largest_diameter
from LungSquadLib.imaging.mask_files import read_mask


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


def surface_points(mask, spacing):
    """The middles of all faces between tumour and what is not, mm: a mesh's points at half-way."""
    padded = np.pad(mask != 0, 1)
    points = []
    for axis in range(3):
        faces = np.argwhere(np.diff(padded.astype(np.int8), axis=axis)) - 1.0
        faces[:, axis] += 0.5
        points.append(faces)
    return np.concatenate(points)[:, ::-1] * spacing


def longest_of(points):
    """The greatest distance of any two points, all of them compared."""
    points = points - points.mean(0)
    squares = (points**2).sum(1)
    return (
        max(
            float((squares + squares[part, None] - 2 * points[part] @ points.T).max())
            for part in np.array_split(np.arange(len(points)), len(points) // 500 + 1)
        )
        ** 0.5
    )


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


@given(
    seed=st.integers(0, 10**6),
    spacing=st.tuples(*[st.floats(0.4, 5)] * 3),
    share=st.floats(0.02, 0.9),
)
def test_largest_diameter_is_the_longest_of_all_lines(seed, spacing, share):
    mask = np.random.default_rng(seed).random((6, 7, 8)) < share
    mask[1, 4, 5] = True
    found = largest_diameter(image(mask, spacing))
    assert found.mm == pytest.approx(longest_of(surface_points(mask, spacing)), rel=1e-9)
    assert np.linalg.norm(np.subtract(found.end_lps, found.start_lps)) == pytest.approx(found.mm)


@pytest.mark.parametrize("radius", [3, 7.3, 12])
def test_largest_diameter_of_a_ball_which_is_as_long_in_all_directions(radius):
    z, y, x = np.ogrid[-13:14, -13:14, -13:14]
    ball = (x - 0.2) ** 2 + (y + 0.3) ** 2 + (z - 0.1) ** 2 < radius**2
    for spacing in ((1.0, 1.0, 1.0), (0.7, 0.7, 1.0)):
        found = largest_diameter(image(ball, spacing)).mm
        assert found == pytest.approx(longest_of(surface_points(ball, spacing)), rel=1e-9)
        assert found >= axial_diameter(image(ball, spacing)).mm


def test_few_directions_find_the_same_line(monkeypatch):
    """What the directions miss is found among the points near to both sides."""
    monkeypatch.setattr(diameter, "_FINENESS", 1)
    random = np.random.default_rng(0)
    for _ in range(30):
        points = random.normal(size=(200, 3))
        assert diameter._farthest_in_space(points)[0] == pytest.approx(longest_of(points))


def test_no_line_is_far_from_all_directions():
    lines = np.random.default_rng(0).normal(size=(20000, 3))
    lines /= np.linalg.norm(lines, axis=1, keepdims=True)
    for fineness in (1, 3, 6):
        directions, cosine = _directions(fineness)
        nearest = np.abs(lines @ directions.T).max(1).min()
        assert cosine <= nearest < cosine + 0.1 / fineness


def test_a_single_voxel_has_its_own_width():
    mask = np.zeros((3, 5, 5))
    mask[1, 2, 2] = 1
    assert axial_diameter(image(mask, (0.7, 0.9, 5))).mm == pytest.approx(0.9)
    assert largest_diameter(image(mask, (0.7, 0.9, 5))).mm == pytest.approx(5)


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
    for measure in (axial_diameter, largest_diameter):
        with pytest.raises(InputError, match="empty"):
            measure(image(np.zeros((3, 3, 3))))


REAL = {
    "4dlung_113": ("mask_Tumor_c40_full.nrrd", 83.1, 101.2),
    "lidc_0314": ("mask_consensus.nrrd", 21.9, 25.4),
    "lidc_0001": ("mask_consensus.nrrd", 33.4, 35.9),
    "r01_001": ("mask_DERIVED_threshold.nrrd", 14.3, 18.1),
}


@pytest.mark.parametrize("name", REAL)
def test_diameters_of_a_real_tumour(name, case_data):
    folder, (file, axial, largest) = case_data / "open" / name, REAL[name]
    mask = read_mask(folder / file, open_ct(folder)).image
    points = surface_points(sitk.GetArrayFromImage(mask), mask.GetSpacing())
    numbers = np.arange(mask.GetSize()[2])  # of slices: between them lie faces of two
    planes = [points[np.isclose(points[:, 2], z)] for z in numbers * mask.GetSpacing()[2]]
    assert axial_diameter(mask).mm == pytest.approx(max(map(longest_of, filter(len, planes))))
    assert largest_diameter(mask).mm == pytest.approx(longest_of(points))
    if case_data.real:
        assert axial_diameter(mask).mm == pytest.approx(axial, abs=0.05)
        assert largest_diameter(mask).mm == pytest.approx(largest, abs=0.05)
