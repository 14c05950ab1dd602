"""Grids and boxes agree with SimpleITK and with themselves."""

import numpy as np
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from LungSquadLib.imaging.geometry import Box, Grid

numbers = st.floats(-200, 200)
# Rounded: where a direction is 1e-311, ITK's own inverse of it fails.
angles = st.floats(-3, 3).map(lambda angle: round(angle, 6))


def rotation(a, b, c):
    turn = sitk.Euler3DTransform()
    turn.SetRotation(a, b, c)
    return turn.GetMatrix()


@st.composite
def grids(draw):
    size = tuple(draw(st.integers(1, 60)) for _ in range(3))
    spacing = tuple(draw(st.floats(0.3, 5)) for _ in range(3))
    origin = tuple(draw(numbers) for _ in range(3))
    return Grid(size, spacing, origin, rotation(*(draw(angles) for _ in range(3))))


@given(grids(), st.tuples(numbers, numbers, numbers))
def test_index_and_point_are_simpleitks(grid, point):
    image = grid.image(np.zeros(grid.size[::-1], np.uint8))
    assert Grid.of(image) == grid
    assert np.allclose(grid.to_index(point), image.TransformPhysicalPointToContinuousIndex(point))
    assert np.allclose(grid.to_lps(grid.to_index(point)), point)


@given(grids(), st.tuples(*[st.integers(-9, 9)] * 3))
def test_a_part_knows_where_it_lies_in_the_whole(grid, start):
    box = Box(start, tuple(s + n for s, n in zip(start, grid.size, strict=True)))
    assert grid.part(box).offset_in(grid) == start


@given(grids(), st.floats(0.05, 0.45), st.integers(0, 2))
def test_a_grid_shifted_by_part_of_a_voxel_does_not_coincide(grid, shift, axis):
    start = np.zeros(3)
    start[axis] = shift
    origin = tuple(grid.to_lps(start).tolist())
    assert Grid(grid.size, grid.spacing, origin, grid.direction).offset_in(grid) is None


def test_boxes_meet_where_they_overlap():
    a, b = Box((0, 0, 0), (5, 5, 5)), Box((3, -2, 7), (9, 9, 9))
    assert a.within(b).voxels == 0
    assert a.within(b.shifted((0, 0, -4))) == Box((3, 0, 3), (5, 5, 5))
    assert a.grown(1) == Box((-1, -1, -1), (6, 6, 6))


def test_a_grid_of_another_spacing_does_not_coincide_though_its_first_voxel_does():
    turned = rotation(0.3, -0.2, 0.5)
    whole = Grid((80, 80, 80), (0.7, 0.7, 1.0), (5.0, 6.0, 7.0), turned)
    same = Grid((60, 60, 60), (0.7, 0.7, 1.00001), whole.origin, turned)
    assert same.offset_in(whole) == (0, 0, 0)
    for spacing in ((0.7, 0.7, 1.001), (0.7, 0.7005, 1.0)):
        assert Grid((60, 60, 60), spacing, whole.origin, turned).offset_in(whole) is None
    tilted = rotation(0.301, -0.2, 0.5)
    assert Grid((60, 60, 60), whole.spacing, whole.origin, tilted).offset_in(whole) is None
