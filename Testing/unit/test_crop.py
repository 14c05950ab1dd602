"""The crop is, voxel for voxel, whole-volume resampling and cutting."""

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import example, given, settings
from hypothesis import strategies as st

from LungSquadLib.errors import CancelledError, InputError
from LungSquadLib.imaging.crop import crop
from LungSquadLib.imaging.ct import open_ct
from LungSquadLib.imaging.geometry import Grid, in_lps
from LungSquadLib.imaging.mask_files import read_mask

from .test_geometry import angles, rotation


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
    ct, mask = in_lps(ct), in_lps(mask)
    grid = Grid.of(ct)
    try:
        cut = crop(ct, mask, size=sides, spacing=spacing, centre_lps=centre_lps)
    except InputError:  # rightly, where there is no tumour in it
        there = np.argwhere(sitk.GetArrayViewFromImage(mask)).mean(axis=0)[::-1]
        wanted = there if centre_lps is None else grid.to_index(centre_lps)
        for rounding in (-1e-6, 1e-6):
            centre = np.floor(wanted * grid.spacing / spacing + 0.5 + rounding).astype(int)
            _, marked = whole_volume_crop(ct, mask, centre, sides, spacing)
            if not (marked.astype(bool) & ~half_way(ct, centre, sides, spacing)).any():
                return None
        raise
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
    ct.SetDirection(rotation(*(draw(angles) for _ in range(3))))
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
@pytest.mark.slow
def test_crop_equals_whole_volume_resampling(case, sides, spacing):
    check(*case, sides, spacing)


@settings(max_examples=80)
@given(cases(), st.tuples(*[st.floats(-1.5, 2.5)] * 3), st.integers(1, 33))
@pytest.mark.slow
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


def test_hu_are_rounded_to_the_nearest_whole_one():
    for seed in range(6):
        random = np.random.default_rng(seed)
        ct = sitk.GetImageFromArray(random.integers(-1000, 900, (9, 10, 11)).astype(np.int16))
        ct.SetSpacing(random.uniform(0.6, 2.7, 3).tolist())
        mask = sitk.GetImageFromArray(np.ones((9, 10, 11), np.uint8))
        mask.CopyInformation(ct)
        cut = crop(ct, mask, size=8)
        resample = sitk.ResampleImageFilter()
        resample.SetReferenceImage(cut.ct)
        resample.SetDefaultPixelValue(-1024)
        exact = sitk.GetArrayFromImage(resample.Execute(sitk.Cast(ct, sitk.sitkFloat64)))
        decided = np.abs(exact - np.floor(exact) - 0.5) > 0.01
        assert np.mean(decided) > 0.9
        ours = sitk.GetArrayFromImage(cut.ct)
        assert np.array_equal(ours[decided], np.rint(exact)[decided])


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
    assert "it is too large for it" in cut.flags[0].sentence
    aside = crop(ct, mask, size=20, centre_lps=(-10.0, 42.0, 150.0))
    assert "its centre was chosen by hand" in aside.flags[0].sentence


def test_half_a_voxel_decides_whether_tumour_lies_in_the_crop():
    """Voxels of 0.5 mm, crop voxels of 1 mm: the crop's outer faces lie between voxel centres."""
    for length in (1, 6, 7, 8, 9, 14):
        array = np.zeros((1, 1, 60), np.uint8)
        array[0, 0, 20 : 20 + length] = 1
        mask = sitk.GetImageFromArray(array)
        mask.SetSpacing((0.5, 0.5, 0.5))
        cut = crop(sitk.Cast(mask, sitk.sitkInt16), mask, size=(4, 1, 1))
        first = cut.ct.GetOrigin()[0]
        places = (20 + np.arange(length)) * 0.5
        inside = (places >= first - 0.5) & (places < first + 3.5)
        assert cut.tumour_outside_fraction == pytest.approx(1 - inside.mean()), length
        centre = first + 2  # the grid point nearest to the centre of mass, halves upwards
        assert centre == np.floor(places.mean() + 0.5), length


def test_a_crop_without_tumour_or_outside_the_ct_is_refused():
    ct, mask = ball()
    one = sitk.Image(mask) * 0
    one[5, 4, 3] = 1  # 0.8 x 0.7 mm: the crop's voxels of 4 mm pass it by
    for marked, options, said in (
        (mask, {"centre_lps": (500.0, 0.0, 0.0)}, "500.0, 0.0, 0.0 mm .LPS. lies outside the CT"),
        (mask, {"size": 8, "centre_lps": (-20.0, 20.0, 105.0)}, "holds no tumour; the tumour's"),
        (one, {"spacing": 3.5}, "smaller than the crop's voxels"),
    ):
        with pytest.raises(InputError, match=said):
            crop(ct, marked, **options)


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
    assert spoil(marked=dot) == ["tiny_mask", "not_at_lung", "padding"]
    assert spoil(spacing=(0.8, 0.7, 5.0), size=(80, 90, 20)) == ["thick_slices", "padding"]
    assert spoil(centre=(34.0, 30.0, 2.0)) == ["mask_at_ct_border", "padding"]


def test_an_outline_in_the_chest_wall_or_in_lung_is_reported():
    """The ball's CT: lung of -800 HU with noise of 12, chest wall of 60 in the last 10 rows."""

    def in_wall(mask):
        mask[:] = 0
        mask[18:22, -4:, 40:50] = 1  # 6 rows, 4.2 mm, away from the lung

    def in_lung(mask):
        mask[:] = 0
        mask[5:8, 20:28, 20:28] = 1

    def at_wall(mask):
        mask[:] = 0
        mask[18:22, -10:-4, 40:50] = 1

    assert "not_at_lung" in spoil(marked=in_wall)
    assert "no_contrast" in spoil(marked=in_lung)
    assert not {"not_at_lung", "no_contrast"} & set(spoil(marked=at_wall))
    assert not {"not_at_lung", "no_contrast"} & set(spoil())


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


def test_reading_can_be_cancelled(case_data):
    ct = open_ct(case_data / "open/lidc_0001/CT")
    mask = read_mask(case_data / "open/lidc_0001/SEG/seg.dcm", ct)
    with pytest.raises(CancelledError):
        crop(ct, mask, progress=StopAtOnce())


def small_cases(n):
    """A few voxels of tumour scattered in a small CT of any spacing, LPS mm."""
    for seed in range(n):
        random = np.random.default_rng(seed)
        size = random.integers(3, 9, 3)
        array = (random.random(size[::-1]) < 0.2).astype(np.uint8)
        array[tuple(random.integers(0, size)[::-1])] = 1
        mask = sitk.GetImageFromArray(array)
        mask.SetSpacing(random.uniform(0.4, 5, 3).tolist())
        mask.SetOrigin(random.uniform(-300, 300, 3).tolist())
        yield sitk.Cast(mask, sitk.sitkInt16), mask


def test_the_centre_is_the_grid_point_nearest_to_the_centre_of_mass():
    for ct, mask in small_cases(40):
        cut = crop(ct, mask, size=6)
        marked = sitk.Cast(mask, sitk.sitkFloat64)
        moments = sitk.LabelShapeStatisticsImageFilter()
        moments.Execute(sitk.Cast(marked > 0, sitk.sitkUInt8))
        mass = np.array(moments.GetCentroid(1))
        assert cut.mask_centre_of_mass_lps == pytest.approx(mass.tolist(), abs=1e-6)
        lines = [np.arange(n + 2.0) for n in np.array(ct.GetSize()) * ct.GetSpacing()]
        points = np.stack(np.meshgrid(*lines, indexing="ij"), -1).reshape(-1, 3) + ct.GetOrigin()
        nearest = points[np.linalg.norm(points - mass, axis=1).argmin()]
        assert cut.centre_lps == pytest.approx(nearest.tolist(), abs=1e-6)
        # Of an even number of voxels the centre is the first of the upper half.
        assert cut.ct.TransformIndexToPhysicalPoint((3, 3, 3)) == pytest.approx(nearest.tolist())


def test_tumour_outside_the_crop_is_what_lies_beyond_its_voxels_faces():
    some = 0
    for ct, mask in small_cases(60):
        for size, spacing in ((4, 1.0), (5, 1.0), (7, 0.8), (3, 2.5)):
            try:
                cut = crop(ct, mask, size=size, spacing=spacing)
            except InputError:  # sparse masks: the voxels of a small crop may miss them all
                continue
            beyond = []
            for z, y, x in np.argwhere(sitk.GetArrayFromImage(mask)).tolist():
                point = mask.TransformIndexToPhysicalPoint((x, y, z))
                index = np.array(cut.ct.TransformPhysicalPointToContinuousIndex(point))
                beyond.append(bool((np.abs(index - (size - 1) / 2) > size / 2).any()))
            assert cut.tumour_outside_fraction == pytest.approx(np.mean(beyond))
            some += 0 < np.mean(beyond) < 1
    assert some > 50
