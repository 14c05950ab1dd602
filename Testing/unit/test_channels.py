"""A network sees the window, no more, and what it makes comes back as HU and a mask."""

import numpy as np
import pytest

from LungSquadLib.imaging.slices import from_channels, to_channels

LOW, HIGH = -1350.0, 150.0


def test_the_window_is_minus_one_to_one():
    hu = np.array([[[-3000, -1350], [-600, 150], [-975, 3000]]], np.int16)
    mask = np.array([[[0, 1], [2, 0], [0, 0]]], np.uint8)
    channels = to_channels(hu, mask, low=LOW, high=HIGH)
    assert channels.dtype == np.float32
    assert channels.shape == (1, 2, 3, 2)
    assert np.array_equal(channels[0, 0], [[-1, -1], [0, 1], [-0.5, 1]])
    assert np.array_equal(channels[0, 1], [[-1, 1], [1, -1], [-1, -1]])


@pytest.mark.parametrize(("low", "high"), [(LOW, HIGH), (-160, 240), (-1024, 3071)])
def test_slices_come_back_within_the_window(low, high):
    random = np.random.default_rng(0)
    hu = random.integers(-1200, 3200, (3, 8, 9)).astype(np.int16)
    mask = random.integers(0, 2, hu.shape).astype(np.uint8)
    back = from_channels(to_channels(hu, mask, low=low, high=high), low=low, high=high)
    assert np.array_equal(back[0], np.clip(hu, low, high))
    assert back[0].dtype == np.int16
    assert np.array_equal(back[1], mask)
    assert back[1].dtype == np.uint8


def test_a_generator_that_overshoots_stays_in_the_window():
    images = np.array([[[[-7.0, 7.0]], [[-1e-6, 1e-6]]]], np.float32)
    hu, mask = from_channels(images, low=LOW, high=HIGH)
    assert hu.tolist() == [[[-1350, 150]]]
    assert mask.tolist() == [[[0, 1]]]
