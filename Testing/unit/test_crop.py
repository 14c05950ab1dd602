"""The crop is, voxel for voxel, whole-volume resampling and cutting."""

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import example, given, settings
from hypothesis import strategies as st

from LungSquadLib.errors import CancelledError, InputError
from LungSquadLib.imaging.crop import crop
from LungSquadLib.imaging.ct import open_ct
from LungSquadLib.imaging.geometry import Grid
from LungSquadLib.imaging.masks import read_mask

from .test_geometry import rotation


def whole_volume_crop(ct, mask, centre, sides, spacing):
    """SimpleITK resamples everything; then a block is cut. Padding where the grid ends."""
    resample = sitk.ResampleImageFilter()
    extent = np.array(ct.GetSize()) * ct.GetSpacing()
    resample.SetSize([int(np.ceil(length / spacing)) for length in extent])
    resample.SetOutputSpacing([spacing] * 3)
    resample.SetOutputOrigin(ct.GetOrigin())
    resample.SetOutputDirection(ct.GetDirection())
    resample.SetDefaultPixelValue(-1024)
    hu = sitk.GetArrayFromImage(resample.Execute(ct))
    resample.SetDefaultPixelValue(0)
    resample.SetInterpolator(sitk.sitkNearestNeighbor)
    marked = sitk.GetArrayFromImage(resample.Execute(mask))
    start = centre - np.array(sides) // 2
    pad = int(max(np.abs(start).max(), *sides)) + 1
    cut = tuple(slice(a + pad, a + pad + n) for a, n in zip(start[::-1], sides[::-1], strict=True))
    hu = np.pad(hu, pad + max(sides), constant_values=-1024)[
        max(sides) :, max(sides) :, max(sides) :
    ]
    marked = np.pad(marked, pad + max(sides))[max(sides) :, max(sides) :, max(sides) :]
    return hu[cut], marked[cut]


def half_way(ct, centre, sides, spacing):
    """Crop voxels that lie half-way between two voxels of the CT, where rounding decides."""
    near = []
    for c, n, own in zip(centre[::-1], sides[::-1], ct.GetSpacing()[::-1], strict=True):
        index = (np.arange(n) + c - n // 2) * spacing / own
        near.append(np.abs(index - np.floor(index) - 0.5) < 1e-4)
    z, y, x = near
    return z[:, None, None] | y[:, None] | x


def check(ct, mask, sides, spacing, centre_lps=None):
    cut = crop(ct, mask, size=sides, spacing=spacing, centre_lps=centre_lps)
    grid = Grid.of(ct)
    centre = np.rint(grid.to_index(cut.centre_lps) * grid.spacing / spacing).astype(int)
    hu, marked = whole_volume_crop(ct, mask, centre, sides, spacing)
    decided = ~half_way(ct, centre, sides, spacing)
    ours = sitk.GetArrayFromImage(cut.ct).astype(int)
    assert decided.shape == ours.shape
    assert np.abs(ours - hu)[decided].max(initial=0) <= 1
    assert np.array_equal(sitk.GetArrayFromImage(cut.mask)[decided], marked[decided])
    return cut


@st.composite
def cases(draw):
    """A CT of noise with a box of tumour, of any geometry."""
    size = [draw(st.integers(4, 36)) for _ in range(3)]
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    ct = sitk.GetImageFromArray(random.integers(-1000, 1500, size[::-1]).astype(np.int16))
    ct.SetSpacing([draw(st.floats(0.3, 6)) for _ in range(3)])
    ct.SetOrigin([draw(st.floats(-500, 500)) for _ in range(3)])
    # Rounded: where a direction is 1e-311, ITK's own inverse of it fails.
    ct.SetDirection(rotation(*(round(draw(st.floats(-3, 3)), 6) for _ in range(3))))
    array = np.zeros(size[::-1], np.uint8)
    low = [draw(st.integers(0, n - 1)) for n in size]
    high = [draw(st.integers(a + 1, n)) for a, n in zip(low, size, strict=True)]
    array[low[2] : high[2], low[1] : high[1], low[0] : high[0]] = 1
    mask = sitk.GetImageFromArray(array)
    mask.CopyInformation(ct)
    return ct, mask


@settings(max_examples=150)
@given(
    cases(),
    st.tuples(*[st.integers(1, 40)] * 3),
    st.sampled_from([1.0, 1.0, 0.7, 2.0, 3.3]),
)
def test_crop_equals_whole_volume_resampling(case, sides, spacing):
    check(*case, sides, spacing)


@settings(max_examples=80)
@given(cases(), st.tuples(*[st.floats(-1.5, 2.5)] * 3), st.integers(1, 33))
def test_crop_equals_whole_volume_resampling_at_borders_and_outside(case, place, side):
    ct, mask = case
    grid = Grid.of(ct)
    centre = grid.to_lps(np.array(place) * grid.size)
    check(ct, mask, (side, side, side), 1.0, tuple(centre.tolist()))


@settings(max_examples=30)
@given(st.sampled_from([0.8, 2.0, 4.0, 2.0000000000000004]), st.floats(-500, 500))
@example(2.0, 0.1)
def test_half_way_voxels_go_up_whatever_the_origin(spacing, origin):
    array = np.zeros((20, 1, 1), np.uint8)
    array[5:9] = 1
    mask = sitk.GetImageFromArray(array)
    mask.SetSpacing((1, 1, spacing))
    mask.SetOrigin((0, 0, origin))
    ct = sitk.Cast(mask, sitk.sitkInt16)
    cut = crop(ct, mask, size=(1, 1, 41))
    first = round(cut.ct.GetOrigin()[2] - origin)
    expected = [
        int(5 <= np.floor(n / round(spacing, 6) + 0.5 + 1e-9) < 9 and n >= 0)
        for n in range(first, first + 41)
    ]
    assert sitk.GetArrayFromImage(cut.mask)[:, 0, 0].tolist() == expected


def ball(spacing=(0.8, 0.7, 2.5), size=(80, 90, 40), centre=(34.0, 30.0, 50.0), radius=9.0):
    """A CT with lung, wall and a ball of tumour; centre and radius in mm from the origin."""
    x, y, z = (np.arange(n) * s for n, s in zip(size, spacing, strict=True))
    distance = np.sqrt(
        (z[:, None, None] - centre[2]) ** 2 + (y[:, None] - centre[1]) ** 2 + (x - centre[0]) ** 2
    )
    hu = np.where(distance < radius, 40, -800).astype(np.int16)
    hu[:, -10:] = 60
    images = (
        sitk.GetImageFromArray(hu),
        sitk.GetImageFromArray((distance < radius).astype(np.uint8)),
    )
    for image in images:
        image.SetSpacing(spacing)
        image.SetOrigin((-30.5, 12.25, 100.0))
    return images


def codes(cut):
    return [flag.code for flag in cut.flags]


def test_fifty_is_the_centre_of_sixty_four():
    ct, mask = ball()
    large, small = crop(ct, mask, size=64), crop(ct, mask, size=50)
    assert np.array_equal(
        sitk.GetArrayFromImage(large.ct)[7:57, 7:57, 7:57], sitk.GetArrayFromImage(small.ct)
    )
    assert large.centre_lps == pytest.approx(small.centre_lps)


def test_numbers_of_a_ball_are_those_of_the_ball():
    ct, mask = ball()
    cut = crop(ct, mask)
    assert cut.mask_centre_of_mass_lps == pytest.approx((3.5, 42.25, 150.0), abs=0.05)
    assert cut.centre_lps == pytest.approx((3.5, 42.25, 150.0), abs=0.51)
    assert cut.mask_volume_ml == pytest.approx(4 / 3 * np.pi * 0.9**3, rel=0.02)
    assert cut.mask_voxels == sitk.GetArrayFromImage(mask).sum()
    assert cut.tumour_outside_fraction == 0
    assert codes(cut) == ["padding"]
    assert cut.to_dict()["flags"][0]["severity"] == "info"


def test_fractions_outside_are_counted():
    ct, mask = ball(radius=25.0)
    cut = crop(ct, mask, size=20)
    array = sitk.GetArrayFromImage(mask)
    inside = 1 - cut.tumour_outside_fraction
    assert inside == pytest.approx(20**3 / (array.sum() * 0.8 * 0.7 * 2.5), rel=0.1)
    assert "tumour_larger_than_crop" in codes(cut)
    outside = crop(ct, mask, size=20, centre_lps=(500.0, 0.0, 0.0))
    assert (outside.padding_fraction, outside.tumour_outside_fraction) == (1, 1)
    assert "its centre was chosen by hand" in outside.flags[0].sentence
    assert "it is too large for it" in cut.flags[0].sentence
    assert (sitk.GetArrayFromImage(outside.ct) == -1024).all()


def test_a_chosen_centre_is_said_with_its_distance():
    ct, mask = ball()
    plain = crop(ct, mask)
    there = tuple(np.add(plain.mask_centre_of_mass_lps, (3.0, 0.0, -4.0)).tolist())
    chosen = crop(ct, mask, centre_lps=there)
    flag = chosen.flags[-1]
    assert (flag.code, flag.severity) == ("centre_chosen", "info")
    assert "5.0 mm away from the tumour's centre of mass; models were trained" in flag.sentence
    assert chosen.to_dict()["chosen_centre_lps"] == list(there)
    assert chosen.centre_lps == pytest.approx(there, abs=0.51)
    assert "chosen_centre_lps" not in plain.to_dict()
    assert "centre_chosen" not in codes(plain)


def spoil(hu=None, marked=None, **shape):
    ct, mask = ball(**shape)
    for image, change in ((ct, hu), (mask, marked)):
        if change is not None:
            array = sitk.GetArrayFromImage(image)
            change(array)
            changed = sitk.GetImageFromArray(array)
            changed.CopyInformation(image)
            ct, mask = (changed, mask) if image is ct else (ct, changed)
    return codes(crop(ct, mask))


def test_every_flag_is_raised_by_its_cause_alone():
    def metal(hu):
        hu[18:22, 40:44, 40:44] = 3000

    def beyond_view(hu):
        hu[:, :20] = -2048

    def air(hu):
        hu[:] = -990

    def all_soft(hu):
        hu[:] = 40

    def pieces(mask):
        mask[25, 60:64, 60:64] = 1

    def dot(mask):
        mask[:] = 0
        mask[20, 43, 43] = 1

    assert spoil(hu=metal) == ["metal", "padding"]
    assert spoil(hu=beyond_view) == ["field_of_view_cut", "padding"]
    assert spoil(hu=air) == ["implausible_hu", "padding"]
    assert spoil(hu=all_soft) == ["no_lung", "padding"]
    assert spoil(marked=pieces) == ["several_components", "padding"]
    assert spoil(marked=dot) == ["tiny_mask", "padding"]
    assert spoil(spacing=(0.8, 0.7, 5.0), size=(80, 90, 20)) == ["thick_slices", "padding"]
    assert spoil(centre=(34.0, 30.0, 2.0)) == ["mask_at_ct_border", "padding"]


@pytest.mark.parametrize(
    "options",
    [
        {"size": 0},
        {"size": 10_000},
        {"size": (64, 64)},
        {"spacing": 0.0},
        {"spacing": float("nan")},
        {"centre_lps": (float("nan"), 0, 0)},
        {"centre_lps": (1e30, 0, 0)},
    ],
)
def test_senseless_options_are_refused(options):
    with pytest.raises(InputError):
        crop(*ball(), **options)


def test_the_inputs_are_left_as_they_were():
    ct, mask = ball()
    before = sitk.Hash(ct), sitk.Hash(mask)
    crop(ct, mask)
    assert (sitk.Hash(ct), sitk.Hash(mask)) == before


class StopAtOnce:
    cancelled = True

    def report(self, fraction, message):
        raise AssertionError("told although cancelled")


def test_reading_can_be_cancelled(shared_data):
    ct = open_ct(shared_data / "open/lidc_0001/CT")
    mask = read_mask(shared_data / "open/lidc_0001/SEG/seg.dcm", ct)
    with pytest.raises(CancelledError):
        crop(ct, mask, progress=StopAtOnce())
