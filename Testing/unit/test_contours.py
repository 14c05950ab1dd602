"""Outlines of masks: filled again, they must give back the mask."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from LungSquadLib.imaging.contours import outlines

masks = arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))


def fill(polygons: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Even-odd filling by counting, for each pixel centre, the edges to the right of it."""
    crossings = np.zeros(shape, int)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    for polygon in polygons:
        for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
            if x0 == x1:
                low, high = min(y0, y1), max(y0, y1)
                crossings += (columns < x0) & (rows > low) & (rows < high)
    return crossings % 2 == 1


def area(polygon: np.ndarray) -> float:
    """Signed; positive is clockwise where y points down."""
    x, y = polygon.T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2)


@given(masks)
@settings(max_examples=300, deadline=None)
def test_even_odd_filling_gives_back_the_mask(mask):
    assert np.array_equal(fill(outlines(mask), mask.shape), mask)


@given(masks)
@settings(max_examples=200, deadline=None)
def test_each_edge_between_mask_and_background_is_passed_once(mask):
    framed = np.pad(mask, 1)
    edges = np.sum(framed[1:] != framed[:-1]) + np.sum(framed[:, 1:] != framed[:, :-1])
    length = sum(np.abs(polygon - np.roll(polygon, -1, axis=0)).sum() for polygon in outlines(mask))
    assert length == edges


@given(masks)
@settings(max_examples=200, deadline=None)
def test_corners_are_right_angles_on_pixel_corners(mask):
    for polygon in outlines(mask):
        assert np.all(polygon % 1 == 0.5)
        steps = np.roll(polygon, -1, axis=0) - polygon
        assert np.all((steps == 0).sum(axis=1) == 1)
        assert np.all((steps[:, 0] == 0) != (np.roll(steps[:, 0], 1) == 0))


@given(masks)
@settings(max_examples=200, deadline=None)
def test_outer_outlines_are_clockwise_and_holes_are_not(mask):
    # Together the signed areas are the mask's area, which even-odd filling alone does not ask for.
    assert sum(area(polygon) for polygon in outlines(mask)) == mask.sum()


def test_single_pixel_has_four_corners_around_its_centre():
    mask = np.zeros((3, 4))
    mask[1, 2] = 7
    (polygon,) = outlines(mask)
    assert polygon.tolist() == [[1.5, 0.5], [2.5, 0.5], [2.5, 1.5], [1.5, 1.5]]


def test_hole_is_an_outline_of_its_own():
    mask = np.ones((5, 5), np.uint8)
    mask[2, 1:3] = 0
    outer, hole = outlines(mask)
    assert len(outer) == len(hole) == 4
    assert (area(outer), area(hole)) == (25.0, -2.0)


@pytest.mark.parametrize("mask", [np.eye(2), np.eye(2)[::-1], np.eye(6), np.eye(6)[::-1]])
def test_pixels_that_touch_at_a_corner_share_an_outline(mask):
    assert len(outlines(mask)) == 1


@pytest.mark.parametrize("mask", [1 - np.eye(2), 1 - np.eye(4)])
def test_holes_that_touch_at_a_corner_stay_apart_where_the_mask_passes(mask):
    padded = np.pad(mask, 1, constant_values=1)
    assert len(outlines(padded)) == 1 + len(mask)


def test_empty_mask_has_no_outline():
    assert outlines(np.zeros((4, 4), bool)) == []


def test_mask_must_be_two_dimensional():
    with pytest.raises(ValueError, match="rows and columns"):
        outlines(np.zeros((2, 2, 2)))


def test_tumour_in_a_whole_slice_takes_under_five_milliseconds():
    y, x = np.mgrid[:512, :512]
    radius = 40 + 6 * np.sin(5 * np.arctan2(y - 300, x - 200))
    mask = np.hypot(x - 200, y - 300) < radius
    mask &= np.hypot(x - 205, y - 300) > 12
    taken = []
    for _ in range(7):
        start = time.perf_counter()
        outlines(mask)
        taken.append(time.perf_counter() - start)
    assert min(taken) < 0.005
