"""Clicks become masks on the CT's grid, whatever its spacing and the tumour's size."""

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from LungSquadLib.errors import InputError, ModelError
from LungSquadLib.imaging.ct import as_ct
from LungSquadLib.imaging.geometry import Grid
from LungSquadLib.imaging.resample import AIR
from LungSquadLib.inference.segmentation import _Clicks, _segmented, _separated, segment_clicks
from LungSquadLib.inference.segmentation_cubes import (
    averaged_logits,
    click_map,
    connected,
    cube_of,
    expected_dice,
    logits_of,
    network_input,
    segment_array,
)
from LungSquadLib.models.inputs import InputSpec
from LungSquadLib.networks.segmentation import SegmentationNetwork
from LungSquadLib.progress import Silent
from LungSquadLib.statistics.agreement import dice
from Testing.segmenters import write_segmenter

pytestmark = pytest.mark.usefixtures("one_thread")
SPEC = InputSpec(32, 1.0, -1000.0, 400.0, True)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_segmenter(tmp_path_factory.mktemp("model") / "segmenter.safetensors")


def ball_ct(radius, *, spacing=(0.8, 0.7, 1.5), side=110.0, middle=(52.0, 55.0, 57.0)):
    """A CT of lung with a ball of tumour, its grid and the LPS of a point in mm from the corner."""
    size = tuple(round(side / step) for step in spacing)
    grid = Grid(size, spacing, (-30.5, 12.25, 100.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    x, y, z = (np.arange(n) * step for n, step in zip(size, spacing, strict=True))
    distance = np.sqrt(
        (x - middle[0]) ** 2
        + ((y - middle[1]) ** 2)[:, None]
        + ((z - middle[2]) ** 2)[:, None, None]
    )
    # A soft border of 1 mm, as a scanner has; half-way at the radius.
    hu = -850 + 900 * np.clip(radius - distance + 0.5, 0, 1)

    def lps(*aside):
        aside = aside or (0.0, 0.0, 0.0)
        index = (np.array(middle) + aside) / np.array(spacing)
        return tuple(grid.to_lps(index).tolist())

    return grid.image(np.rint(hu).astype(np.int16)), lps


def volume_and_middle(mask):
    array, grid = sitk.GetArrayFromImage(mask.image), Grid.of(mask.image)
    centre = grid.to_lps(np.argwhere(array)[:, ::-1].mean(axis=0))
    return np.count_nonzero(array) * grid.voxel_volume, centre


def test_a_click_is_a_gaussian_of_two_voxels():
    drawn = click_map((9, 11, 13), [(4, 5, 6), (4, 5, 12)])
    assert drawn[4, 5, 6] == 1
    assert drawn[2, 5, 6] == pytest.approx(np.exp(-0.5))
    assert drawn[4, 7, 8] == pytest.approx(np.exp(-1))
    assert drawn[4, 5, 11] == pytest.approx(np.exp(-1 / 8))  # of the nearer click
    assert not click_map((5, 5), []).any()


def test_the_channels_are_ct_known_inside_and_outside():
    hu = np.array([[AIR, -1000.0], [-300.0, 900.0]])
    x = network_input(SPEC, hu, [(0, 1)], [(1, 0)])
    assert x[0].tolist() == [[0, 0], [0.5, 1]]
    assert x[1].tolist() == [[0, 1], [1, 1]]
    assert x[2, 0, 1] == x[3, 1, 0] == 1
    assert x[2, 1, 0] < 1


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_coarse_voxels_are_means_round_their_centres(factor):
    """In a CT whose HU rise by 10 each mm, the mean of a block is the value at its centre."""
    z, y, x = np.indices((60, 60, 60))
    image = sitk.GetImageFromArray((10.0 * x - 7.0 * y + 3.0 * z).astype(np.float32))
    cube = cube_of(as_ct(image), (2, 3, 4), 6, spacing=1.0, factor=factor)
    middle = 0 if factor % 2 else 0.5  # mm before the voxel's number times its side
    zz, yy, xx = np.indices((6, 6, 6))
    x, y, z = (
        (index + first) * factor - middle
        for index, first in zip((xx, yy, zz), (2, 3, 4), strict=True)
    )
    assert cube == pytest.approx(10 * x - 7 * y + 3 * z, abs=1e-3)


def test_what_lies_beyond_the_ct_is_unknown_in_coarse_voxels_too():
    image = sitk.GetImageFromArray(np.full((20, 20, 20), -500, np.int16))
    cube = cube_of(as_ct(image), (-2, -2, -2), 8, spacing=1.0, factor=3)
    assert (cube[:2] == AIR).all()
    assert cube[2, 2, 2] == AIR  # 8 known voxels of 27
    assert cube[2, 5, 5] == -500  # 18 of 27
    assert (cube[3:, 3:, 3:] == -500).all()


@pytest.mark.parametrize("radius", [5.0, 9.0, 16.0, 28.0, 44.0])
def test_a_ball_of_any_size_is_found_whole_and_in_its_place(model, radius):
    image, lps = ball_ct(radius)
    mask = segment_clicks(model, image, [lps(0.3 * radius, 0, -0.4 * radius)])
    volume, middle = volume_and_middle(mask)
    assert volume == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.06)
    assert middle == pytest.approx(lps(), abs=0.35)
    assert Grid.of(mask.image).offset_in(as_ct(image).grid) is not None
    assert "segmentation_reaches_faces" not in {flag.code for flag in mask.flags}


def test_the_flags_give_the_agreement_with_region_growing(model):
    image, lps = ball_ct(9.0)
    mask = segment_clicks(model, image, [lps()])
    assert [flag.code for flag in mask.flags] == ["segmentation_agrees"]
    assert "is 0.9" in mask.flags[0].sentence


def test_a_bridge_to_the_wall_that_is_less_probable_is_cut(model):
    """A ball of 50 HU hangs on a wall by a bridge of -300 HU, which the network holds for 80 %."""
    image, lps = ball_ct(9.0)
    hu, grid = sitk.GetArrayFromImage(image), as_ct(image).grid
    z, y, x = np.indices(hu.shape)
    x, y, z = (index * step for index, step in zip((x, y, z), grid.spacing, strict=True))
    bridge = (abs(y - 55) < 3) & (abs(z - 57) < 3) & (x > 52)
    hu = np.maximum(hu, np.where(bridge, -300, -1000))
    hu[x > 66] = 50
    mask = segment_clicks(model, grid.image(hu.astype(np.int16)), [lps()])
    volume, middle = volume_and_middle(mask)
    assert volume == pytest.approx(4 / 3 * np.pi * 9**3, rel=0.15)
    assert middle == pytest.approx(lps(), abs=0.8)
    assert "segmentation_reaches_faces" not in {flag.code for flag in mask.flags}


def test_a_mask_that_was_cut_off_grows_back_to_its_border():
    """The logits fall by 1 a voxel from the middle: a threshold of 1 takes a shell of 1 voxel."""
    z, y, x = np.indices((40,) * 3) - 19.5
    distance = np.sqrt(x * x + y * y + z * z)
    bridge = (np.abs(y) < 1) & (np.abs(z) < 1) & (x > 0)
    mask = _separated(np.maximum(8 - distance, np.where(bridge, 0.5, -9)), [(19, 19, 19)])
    ball = distance < 8
    assert np.count_nonzero(mask & ball) > 0.95 * np.count_nonzero(ball)
    assert np.count_nonzero(mask & ~ball) < 0.01 * np.count_nonzero(ball)


class Ramp(torch.nn.Module):
    """The CT's channel plus the index along the last axis."""

    step = 1

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return x[:, :1] + torch.arange(x.shape[-1])


def test_mirrored_logits_are_turned_back():
    """Mirrored along the last of three axes the index is reversed: once in four."""
    random = np.random.default_rng(0)
    x = random.random((2, 4, 8, 6, 5)).astype(np.float32)
    x[:, 1] = 1
    index = np.arange(5)
    expected = x[:, 0] + (3 * index + index[::-1]) / 4
    assert averaged_logits(Ramp(), x) == pytest.approx(expected, abs=1e-5)


class BlobWithoutLung(torch.nn.Module):
    """Takes what is dense for tumour; where a cube has no lung, only what is near the click."""

    step = 1

    def __init__(self, threshold):
        super().__init__()
        self.weight, self.dense = threshold.weight, threshold

    def forward(self, x):
        logits = self.dense(x)
        lung = (logits < 0).flatten(1).any(1)
        near = torch.where(x[:, 2:3] > 0.05, logits, -9.0)
        return torch.where(lung[:, None, None, None, None], logits, near)


def test_deep_in_a_large_tumour_a_cube_is_taken_that_reaches_the_lung(tmp_path):
    model = write_segmenter(tmp_path / "m.safetensors")
    model.__dict__["network"] = BlobWithoutLung(model.network)
    radius = 57.0  # a cube of 64 mm lies within
    image, lps = ball_ct(radius, spacing=(1.0, 1.0, 2.0), side=126.0, middle=(63.0, 63.0, 63.0))
    volume, middle = volume_and_middle(segment_clicks(model, image, [lps()]))
    assert volume == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.1)
    assert middle == pytest.approx(lps(), abs=1.5)


def test_a_tumour_larger_than_any_cube_is_flagged(model):
    image, lps = ball_ct(75.0, spacing=(2.0, 2.0, 2.0), side=160.0, middle=(80.0, 80.0, 80.0))
    codes = {flag.code for flag in segment_clicks(model, image, [lps()]).flags}
    assert "segmentation_reaches_faces" in codes


def test_a_click_outside_is_left_out(model):
    image, lps = ball_ct(9.0)
    grid = as_ct(image).grid
    whole = segment_clicks(model, image, [lps()])
    less = segment_clicks(model, image, [lps(-4, 0, 0)], [lps(6, 0, 0)])
    assert volume_and_middle(less)[0] < volume_and_middle(whole)[0]
    index = np.rint(grid.to_index(lps(6, 0, 0)) - Grid.of(less.image).offset_in(grid)).astype(int)
    array = sitk.GetArrayFromImage(less.image)
    x, y, z = index
    assert x >= array.shape[2] or not array[z, y, x]


@pytest.mark.parametrize(("radius", "factor"), [(12.0, 1), (20.0, 2)])
def test_a_click_at_the_rim_will_do(model, radius, factor):
    """The cube lies round the tumour's middle, and has the finest voxels at which it fits in."""
    image, lps = ball_ct(radius)
    click = lps(0, 0.95 * radius, 0)
    volume, middle = volume_and_middle(segment_clicks(model, image, [click]))
    assert volume == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.06)
    assert middle == pytest.approx(lps(), abs=0.35)
    ct = as_ct(image)
    segmented = _segmented(model, ct, _Clicks.of(ct.grid, [click], []), Silent())
    assert segmented.factor == factor


@pytest.mark.parametrize("radius", [4.0, 11.0, 40.0])
def test_a_box_needs_no_click(model, radius):
    image, lps = ball_ct(radius)
    corners = [lps(*[radius + 2] * 3), lps(*[-radius - 2] * 3)]
    volume, middle = volume_and_middle(segment_clicks(model, image, [], box=corners))
    assert volume == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.06)
    assert middle == pytest.approx(lps(), abs=0.35)


def test_a_mask_ends_at_its_box(model):
    """Over half of a ball, in x: half of its volume, and its middle is off by 3/8 of the radius."""
    radius = 10.0
    image, lps = ball_ct(radius, spacing=(0.5, 0.5, 0.5), side=60.0, middle=(30.0, 30.0, 30.0))
    box = [lps(0, -12, -12), lps(12, 12, 12)]
    mask = segment_clicks(model, image, [lps(4, 0, 0)], box=box)
    volume, middle = volume_and_middle(mask)
    assert volume == pytest.approx(2 / 3 * np.pi * radius**3, rel=0.12)
    assert middle == pytest.approx(lps(3 / 8 * radius, 0, 0), abs=0.5)


def test_where_the_network_finds_nothing_region_growing_does(tmp_path):
    untrained = write_segmenter(tmp_path / "m.safetensors", threshold=False)
    image, lps = ball_ct(9.0)
    mask = segment_clicks(untrained, image, [lps()])
    assert mask.flags[0].code == "segmentation_by_region_growing"
    with pytest.raises(InputError, match=r"finds no tumour there\. The point .* lies in lung"):
        segment_clicks(untrained, image, [lps(30, 0, 0)])


class Doubtful(torch.nn.Module):
    """Takes 2 voxels round each click for tumour, at a probability of 60 %."""

    step = 1

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return torch.where(x[:, 2:3] > 0.6, 0.4, -9.0)


def test_a_click_into_lung_is_refused_where_the_network_is_unsure(tmp_path):
    model = write_segmenter(tmp_path / "m.safetensors")
    model.__dict__["network"] = Doubtful()
    image, lps = ball_ct(9.0)
    assert "segmentation_unsure" in {f.code for f in segment_clicks(model, image, [lps()]).flags}
    with pytest.raises(InputError, match="lies in lung"):
        segment_clicks(model, image, [lps(30, 0, 0)])


def test_clicks_that_cannot_be_are_refused(model):
    image, lps = ball_ct(9.0)
    with pytest.raises(InputError, match="A side of the box has 106 mm, and 104 mm is"):
        segment_clicks(model, image, [], box=[lps(-50, 0, 0), lps(56, 1, 1)])
    with pytest.raises(InputError, match="two opposite corners, not 1"):
        segment_clicks(model, image, [], box=[lps()])
    with pytest.raises(InputError, match="There is no point in the tumour"):
        segment_clicks(model, image, [])
    with pytest.raises(InputError, match="lies outside the CT"):
        segment_clicks(model, image, [lps(), lps(200, 0, 0)])
    far, at = ball_ct(9.0, spacing=(2.0, 2.0, 2.0), side=200.0, middle=(50.0, 100.0, 100.0))
    with pytest.raises(InputError, match="too far apart"):
        segment_clicks(model, far, [at(), at(140, 0, 0)])


def test_a_model_of_slices_is_refused_for_cubes(tmp_path):
    flat = write_segmenter(tmp_path / "flat.safetensors", dimensions=2)
    image, lps = ball_ct(9.0)
    with pytest.raises(ModelError, match="segments slices, and a model of cubes is needed"):
        segment_clicks(flat, image, [lps()])
    assert segment_array(flat, np.full((33, 30), -800)).shape == (33, 30)
    with pytest.raises(ModelError, match="segments slices"):
        segment_array(flat, np.full((32, 32, 32), -800))


def test_cubes_need_no_click_and_a_click_chooses(model):
    hu = np.full((30, 31, 33), -800.0)
    hu[4:9, 4:9, 4:9] = hu[20:26, 20:26, 20:26] = 30
    assert np.count_nonzero(segment_array(model, hu)) == 125 + 216
    chosen = segment_array(model, hu, [(22, 22, 22)])
    assert np.count_nonzero(chosen) == 216
    assert chosen[20, 20, 20]
    assert not segment_array(model, hu, [(14, 14, 30)]).any()


def test_nothing_unknown_is_in_a_mask(tmp_path):
    untrained = write_segmenter(tmp_path / "m.safetensors", threshold=False)
    torch.nn.init.constant_(untrained.network.unet.last.bias, 5.0)  # all would be tumour
    hu = np.full((16, 16, 16), -500)
    hu[:4] = AIR
    assert segment_array(untrained, hu).sum() == 12 * 16 * 16


def test_a_component_is_chosen_by_the_nearest_voxel():
    mask = np.zeros((1, 12, 12), bool)
    mask[0, 2, 2] = mask[0, 2, 7:9] = True
    assert connected(mask, [(0, 2, 4)]).sum() == 1
    assert connected(mask, [(0, 2, 5.4)]).sum() == 2
    assert connected(mask, [(0, 2, 4), (0, 2, 7)]).sum() == 3
    assert not connected(mask, [(0, 10, 10)]).any()


def test_dice_and_its_expectation():
    first, second = np.array([1, 1, 0, 0]) > 0, np.array([1, 0, 1, 0]) > 0
    assert dice(first, second) == 0.5
    assert dice(~first & first, ~second & second) == 1
    probability = np.array([1.0, 0.5, 0.25, 0.0])
    assert expected_dice(probability, first) == pytest.approx(2 * 1.5 / (1.75 + 2))
    assert expected_dice(probability * 0, first & False) == 0


def test_the_network_takes_any_size_and_pads_with_the_unknown(tmp_path):
    untrained = write_segmenter(tmp_path / "m.safetensors", threshold=False)
    x = np.random.default_rng(0).random((2, 4, 13, 16, 18), np.float32)
    assert logits_of(untrained.network, x).shape == (2, 13, 16, 18)
    with pytest.raises(ValueError, match="not a multiple of 8"):
        SegmentationNetwork(input_size=36)


def test_before_training_nothing_is_tumour():
    network = SegmentationNetwork(2, input_size=32, width=2)
    assert (network(torch.rand(1, 4, 32, 32)) == -2).all()
