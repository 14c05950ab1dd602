"""Sliced Wasserstein distances and structural similarity, against closed forms and scipy."""

import numpy as np
import pytest
from scipy import ndimage

from LungSquadLib.statistics.image_similarity import (
    SlicedWasserstein,
    laplacian_pyramid,
    ms_ssim,
    random_pairs,
)


def textures(n, *, side=64, seed=0, blur=2.0):
    drawn = np.random.default_rng(seed).normal(size=(n, 2, side, side))
    smooth = ndimage.gaussian_filter(drawn, (0, 0, blur, blur))
    return np.clip(smooth / smooth.std() / 3, -1, 1).astype(np.float32)


def test_pyramid_adds_up_to_the_images():
    images = textures(3)
    levels = laplacian_pyramid(images)
    assert [level.shape[-1] for level in levels] == [64, 32, 16]
    kernel = np.array([1, 4, 6, 4, 1]) / 16
    back = levels[-1]
    for level in levels[-2::-1]:
        spread = np.zeros_like(level)
        spread[..., ::2, ::2] = 4 * back
        for axis in (2, 3):
            spread = ndimage.correlate1d(spread, kernel, axis, mode="mirror")
        back = level + spread
    assert back == pytest.approx(images, abs=1e-5)


def test_a_set_has_no_distance_to_itself():
    images = textures(8)
    assert SlicedWasserstein(images).to(images) == {64: 0, 32: 0, 16: 0}


def test_distance_of_brighter_images_is_that_of_their_projections():
    """All descriptors moved by one vector v: |d.v| along d, on average |v| sqrt(2 / (pi D))."""
    images = textures(64, side=16, blur=0)
    moved = images.copy()
    moved[:, 0] += 0.5
    found = SlicedWasserstein(images, directions=1000).to(moved)[16]
    channel = images[:, 0].std()
    expected = 1000 * 0.5 / channel * np.sqrt(49) * np.sqrt(2 / np.pi / 98)
    assert found == pytest.approx(expected, rel=0.08)


def test_blurring_is_seen_where_it_happens():
    reals = textures(64, seed=1)
    distance = SlicedWasserstein(reals)
    like = distance.to(textures(64, seed=2))
    blurred = distance.to(ndimage.gaussian_filter(textures(64, seed=2), (0, 0, 1, 1)))
    assert blurred[64] > 3 * like[64]
    assert blurred[64] > blurred[32] > blurred[16]


def test_both_channels_count_together():
    """Channels that are each right but belong to different images are found."""
    random = np.random.default_rng(0)
    one = random.choice([-1.0, 1.0], size=(64, 1, 1, 1)) * textures(64, side=16, blur=4)[:, :1]
    reals, mixed = np.concatenate([one, one], 1), np.concatenate([one, np.roll(one, 1, 0)], 1)
    distance = SlicedWasserstein(reals)
    assert distance.to(mixed)[16] > 3 * distance.to(reals[::-1])[16]


def test_sets_of_other_sizes_are_refused():
    with pytest.raises(ValueError, match="compared with"):
        SlicedWasserstein(textures(4, side=16)).to(textures(5, side=16))
    with pytest.raises(ValueError, match="power of two"):
        laplacian_pyramid(np.zeros((1, 2, 24, 24)))


def test_similarity_of_equal_images_is_one():
    images = textures(4)
    assert ms_ssim(images, images) == pytest.approx(1)


def test_similarity_of_even_images_is_their_luminance():
    dark, bright = np.full((1, 1, 64, 64), -0.2), np.full((1, 1, 64, 64), 0.6)
    c1 = 0.02**2
    luminance = (2 * 0.2 * 0.6 + c1) / (0.2**2 + 0.6**2 + c1)
    weight = 0.3001 / (0.0448 + 0.2856 + 0.3001)  # of the third scale, the last at 64 pixels
    assert ms_ssim(-dark, bright) == pytest.approx(luminance**weight, rel=1e-4)


def test_similarity_at_one_scale_is_that_of_scipy():
    a, b = textures(1, side=16, seed=1), textures(1, side=16, seed=1) + textures(1, side=16) / 3

    def mean(image):
        blurred = ndimage.gaussian_filter(image.astype(float), (0, 0, 1.5, 1.5), truncate=10 / 3)
        return blurred[..., 5:-5, 5:-5]

    c1, c2 = 0.02**2, 0.06**2
    x, y = mean(a), mean(b)
    va, vb, vab = mean(a * a) - x * x, mean(b * b) - y * y, mean(a * b) - x * y
    ssim = (2 * x * y + c1) / (x * x + y * y + c1) * (2 * vab + c2) / (va + vb + c2)
    assert ms_ssim(a, b) == pytest.approx(ssim.mean((2, 3)).mean(1), rel=1e-4)


def test_pairs_are_of_different_images():
    first, second = random_pairs(3, 500)
    assert (first != second).all()
    assert set(zip(first.tolist(), second.tolist(), strict=True)) == {
        (a, b) for a in range(3) for b in range(3) if a != b
    }
    with pytest.raises(ValueError, match="cannot be drawn"):
        random_pairs(1, 5)
