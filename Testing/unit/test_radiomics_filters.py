"""Filters against the reference response maps of the standard, and features of their responses."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

import LungSquadLib as ls
from LungSquadLib.errors import InputError
from LungSquadLib.radiomics.convolution import (
    gabor,
    laplacian_of_gaussian,
    laws,
    mean_filter,
    wavelet,
)
from LungSquadLib.radiomics.filters import image_filter
from LungSquadLib.radiomics.settings import RadiomicsSettings
from Testing.ibsi_response_maps import MAPS, TOLERANCE, checkerboard, impulse, points, sphere

PADDINGS = ("zero", "nearest", "periodic", "mirror")
FAMILIES = ("stat", "ih", "cm", "rlm", "szm", "dzm", "ngt", "ngl")


def response(name):
    """The response that a map has, at voxels of 2 mm."""
    kind, part, *number = name.split("_")
    variant = int(number[0]) if number else 1
    if kind == "1":
        if part == "b":
            return mean_filter(impulse(), 15, "zero", in_plane=True)
        return mean_filter(checkerboard(), 15, PADDINGS[variant - 1])
    if kind == "2":
        if part == "a":
            return laplacian_of_gaussian(impulse(), [1.5] * 3, "zero")
        sigma = [2.5] * 3 if part == "b" else [0, 2.5, 2.5]
        return laplacian_of_gaussian(checkerboard(), sigma, "mirror")
    if kind == "3":
        kernels = {"a": ("E5", "L5", "S5"), "b": ("E3", "W5", "R5"), "c": ("L5", "S5")}[part]
        image, padding = (impulse(), "zero") if part == "a" else (checkerboard(), "mirror")
        pooling, energy = "max" if variant > 1 else None, 7 if variant > 2 else None
        return laws(image, kernels, padding, pooling=pooling, energy=energy)
    if name == "4_b_1":
        how = {"theta": 5 * np.pi / 4}
        return gabor(sphere(), sigma=10, wavelength=4, gamma=2.5, padding="mirror", **how)
    if name == "4_b_2":
        how = {"directions": 8, "planes": True}
        return gabor(sphere(), sigma=10, wavelength=4, gamma=2.5, padding="mirror", **how)
    if kind == "4":
        how = {"theta": np.pi / 3} if variant == 1 else {"directions": 4, "planes": True}
        return gabor(impulse(), sigma=5, wavelength=2, gamma=0.5, padding="zero", **how)
    if kind == "6":
        return wavelet(sphere(), "coif1", "HHL", "periodic", rotations=variant == 2)
    if kind == "5":
        return wavelet(impulse(), "db2", "LHL", "zero", rotations=variant == 2)
    bands = "LLL" if variant == 1 else "HHH"
    return wavelet(checkerboard(), "haar", bands, "mirror", level=2, rotations=True)


@pytest.mark.parametrize("name", MAPS)
def test_responses_are_those_of_the_standard(name):
    extent, indices, values = points()[name]
    computed = response(name)[tuple(indices.T)]
    assert np.abs(computed - values).max() <= TOLERANCE * extent / 10


@pytest.mark.parametrize(
    ("text", "name"),
    [
        *(("mean:30", "1_a_4"), ("log:5", "2_b"), ("log:5:2D", "2_c"), ("laws:L5S5:14", "3_c_3")),
        *(("gabor:20:8:2.5", "4_b_2"), ("wavelet:haar:LLL:2", "7_a_1")),
    ],
)
def test_a_text_names_the_filter_of_the_standard(text, name):
    extent, indices, values = points()[name]
    phantom = sphere() if name == "4_b_2" else checkerboard()
    computed = image_filter(text, 2.0).respond(phantom)[tuple(indices.T)]
    assert np.abs(computed - values).max() <= TOLERANCE * extent / 10


@pytest.mark.parametrize(
    "text", ["mean:5:2D", "log:1.5:2D", "laws:L5S5:3", "gabor:2:4:1:2D", "wavelet:db3:LH:2"]
)
def test_a_filter_of_axial_slices_depends_on_one_slice(text):
    volume = np.random.default_rng(0).normal(size=(5, 40, 40))
    other = np.where(np.arange(5)[:, None, None] == 2, volume, 0)
    respond = image_filter(text, 1.0).respond
    assert np.allclose(respond(volume)[2], respond(other)[2])
    assert np.abs(respond(other)[[0, 1, 3, 4]]).max() == 0


@pytest.mark.parametrize(("name", "moments"), [("haar", 1), ("db2", 2), ("db3", 3), ("coif1", 2)])
def test_wavelets_are_orthonormal_and_blind_to_polynomials(name, moments):
    """As Daubechies defines them: the high-pass filter has so many vanishing moments."""
    x = np.arange(64.0)

    def along_x(line, bands):
        volume = np.broadcast_to(line, (3, 3, 64))
        return wavelet(volume, name, bands, "periodic")[1, 1] / 2  # low-pass along y and z: 2

    for power in range(moments + 1):
        inside = along_x(((x - 32) / 32) ** power, "HLL")[10:-10]
        assert np.allclose(inside, 0, atol=1e-12) == (power < moments)
    impulse = np.eye(64)[30]
    low, high = along_x(impulse, "LLL"), along_x(impulse, "HLL")
    assert (low**2).sum() == pytest.approx(1)
    assert (high**2).sum() == pytest.approx(1)
    assert (low * np.roll(low, 2)).sum() == pytest.approx(0, abs=1e-12)
    assert (low * high).sum() == pytest.approx(0, abs=1e-12)


def image(array, spacing=1.0):
    made = sitk.GetImageFromArray(array)
    made.SetSpacing((spacing,) * 3)
    return made


def settings(name, **more):
    return RadiomicsSettings(filter=name, bin_size=None, bin_number=16, families=FAMILIES, **more)


@pytest.mark.parametrize(
    "name",
    [
        *("mean:5", "log:1.5", "laws:L5S5E5:3", "wavelet:db2:LLH:2", "gabor:1.5:4:1"),
        *("wavelet:coif1:LLH:2", "mean:5:2D", "log:1.5:2D", "laws:L5S5:3", "gabor:1.5:4:1:2D"),
        *("wavelet:db3:LHH:1", "wavelet:db3:LH:2"),
    ],
)
def test_features_are_of_the_response_whatever_lies_around_the_tumour(name):
    hu = np.random.default_rng(0).integers(-900, 100, (40, 44, 48)).astype(np.int16)
    mask = np.zeros(hu.shape, np.uint8)
    mask[17:24, 18:25, 20:27] = 1
    values = ls.radiomic_features(image(hu), image(mask), settings(name))
    expected = image_filter(name, 1.0).respond(hu.astype(float))[mask > 0]
    assert values["stat_mean"] == pytest.approx(expected.mean(), abs=1e-6)
    assert values["stat_max"] == pytest.approx(expected.max(), abs=1e-6)
    assert values["ih_max"] == 16


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("median:3", "is no filter"),
        ("laws:L5", "is no filter"),
        ("log:", "is no filter"),
        ("log:0", "has no size"),
        ("log:99", "more than 100 voxels"),
        ("gabor:2:0:1", "has no size"),
    ],
)
def test_what_is_no_filter_is_refused(name, message):
    with pytest.raises(InputError, match=message):
        settings(name)


def test_a_filter_of_axial_slices_takes_slices_as_they_are():
    hu = np.random.default_rng(0).integers(-900, 100, (9, 30, 30)).astype(np.int16)
    mask = np.zeros(hu.shape, np.uint8)
    mask[4, 12:18, 12:18] = 1
    thick, in_plane = image(hu), image(mask)
    for each in (thick, in_plane):
        each.SetSpacing((1.0, 1.0, 5.0))
    values = ls.radiomic_features(thick, in_plane, settings("mean:3:2D", by_slice=True))
    means = [
        hu[4, y - 1 : y + 2, x - 1 : x + 2].mean() for y in range(12, 18) for x in range(12, 18)
    ]
    assert values["stat_min"] == pytest.approx(min(means))
    assert values["stat_max"] == pytest.approx(max(means))


def test_a_filter_needs_equal_voxels_and_a_number_of_bins():
    with pytest.raises(InputError, match="equal sides"):
        settings("log:2", by_slice=True)
    with pytest.raises(InputError, match="--bin-number"):
        RadiomicsSettings(filter="log:2", families=("stat",))
    with pytest.raises(InputError, match="without morph"):
        RadiomicsSettings(filter="log:2", bin_size=None, bin_number=8)
    again = settings("log:2")
    assert RadiomicsSettings.from_dict(again.to_dict()) == again
