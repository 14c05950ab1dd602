"""Filters against the reference response maps of the standard, and features of their responses."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

import LungSquadLib as ls
from LungSquadLib.errors import InputError
from LungSquadLib.radiomics.filters import (
    convolved,
    gabor,
    image_filter,
    laplacian_of_gaussian,
    laws,
    mean_filter,
    wavelet,
)
from LungSquadLib.radiomics.settings import RadiomicsSettings
from Testing.ibsi_response_maps import MAPS, TOLERANCE, checkerboard, impulse, points

PADDINGS = ("zero", "nearest", "periodic", "mirror")
FAMILIES = ("stat", "ih", "cm", "rlm", "szm", "dzm", "ngt", "ngl")


def response(name):
    """The response that a map has, at voxels of 2 mm."""
    kind, part, *number = name.split("_")
    variant = int(number[0]) if number else 1
    if kind == "1":
        if part == "b":
            return convolved(impulse(), [None, *[np.full(15, 1 / 15)] * 2], "zero")
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
    if kind == "4":
        how = {"theta": np.pi / 3} if variant == 1 else {"directions": 4, "planes": True}
        return gabor(impulse(), sigma=5, wavelength=2, gamma=0.5, padding="zero", **how)
    if kind == "5":
        return wavelet(impulse(), "db2", "LHL", "zero", rotations=variant == 2)
    bands = "LLL" if variant == 1 else "HHH"
    return wavelet(checkerboard(), "haar", bands, "mirror", level=2, rotations=True)


@pytest.mark.parametrize("name", MAPS)
def test_responses_are_those_of_the_standard(name):
    extent, indices, values = points()[name]
    computed = response(name)[tuple(indices.T)]
    assert np.abs(computed - values).max() <= TOLERANCE * extent / 10


def image(array, spacing=1.0):
    made = sitk.GetImageFromArray(array)
    made.SetSpacing((spacing,) * 3)
    return made


def settings(name, **more):
    return RadiomicsSettings(filter=name, bin_size=None, bin_number=16, families=FAMILIES, **more)


@pytest.mark.parametrize(
    "name", ["mean:5", "log:1.5", "laws:L5S5E5:3", "wavelet:db2:LLH:2", "gabor:1.5:4:1"]
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
        ("laws:L5S5", "is no filter"),
        ("log:", "is no filter"),
        ("log:0", "has no size"),
        ("log:99", "more than 100 voxels"),
        ("gabor:2:0:1", "has no size"),
    ],
)
def test_what_is_no_filter_is_refused(name, message):
    with pytest.raises(InputError, match=message):
        settings(name)


def test_a_filter_needs_equal_voxels_and_a_number_of_bins():
    with pytest.raises(InputError, match="equal sides"):
        settings("log:2", by_slice=True)
    with pytest.raises(InputError, match="--bin-number"):
        RadiomicsSettings(filter="log:2", families=("stat",))
    with pytest.raises(InputError, match="without morph"):
        RadiomicsSettings(filter="log:2", bin_size=None, bin_number=8)
    again = settings("log:2")
    assert RadiomicsSettings.from_dict(again.to_dict()) == again
