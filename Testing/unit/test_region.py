"""A click into a tumour proposes the tumour: not its vessels, not the wall it sits on."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from LungSquadLib.cli import main
from LungSquadLib.errors import InputError
from LungSquadLib.imaging.crop import mask_box
from LungSquadLib.imaging.ct import as_ct, open_ct
from LungSquadLib.imaging.geometry import Grid
from LungSquadLib.imaging.mask_files import read_mask
from LungSquadLib.imaging.region import HALF_SIDES_MM, propose_mask
from LungSquadLib.phantom.patient import Phantom

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
SIDE_MM = 96
MIDDLE = (48.0, 45.0, 50.0)  # of the tumour, mm along the axes from the first voxel


class Lung:
    """A block of noisy lung; what is put into it lies in mm along its axes."""

    def __init__(self, spacing=(0.8, 0.8, 1.5), direction=AXIAL):
        size = [round(SIDE_MM / step) for step in spacing]
        self.grid = Grid(tuple(size), spacing, (-30.5, 12.25, 100.0), direction)
        x, y, z = (np.arange(n) * step for n, step in zip(size, spacing, strict=True))
        self.x, self.y, self.z = x, y[:, None], z[:, None, None]
        self.hu = np.full(size[::-1], -830.0)

    def ball(self, radius, middle=MIDDLE):
        x, y, z = middle
        return (self.x - x) ** 2 + (self.y - y) ** 2 + (self.z - z) ** 2 < radius**2

    @property
    def image(self):
        noise = np.random.default_rng(3).normal(0, 15, self.hu.shape)
        return self.grid.image(np.rint(self.hu + noise).astype(np.int16))

    def lps(self, along=MIDDLE, aside=(0.0, 0.0, 0.0)):
        index = (np.array(along) + aside) / np.array(self.grid.spacing)
        return tuple(self.grid.to_lps(index).tolist())


def whole(mask, grid):
    """The mask on the whole grid (z, y, x)."""
    array = np.zeros(grid.size[::-1], bool)
    array[mask_box(mask, grid).slices] = sitk.GetArrayFromImage(mask.image)
    return array


def dice(a, b):
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


def codes(mask):
    return {flag.code for flag in mask.flags}


@pytest.mark.parametrize(
    ("spacing", "radius", "least"),
    [((0.8, 0.8, 1.5), 5, 0.9), ((0.8, 0.8, 1.5), 20, 0.97), ((0.7, 0.7, 5.0), 9, 0.9)],
)
def test_a_ball_in_the_lung_is_recovered(spacing, radius, least):
    lung = Lung(spacing)
    lung.hu[lung.ball(radius)] = 40
    proposal = propose_mask(lung.image, lung.lps())
    assert dice(whole(proposal, lung.grid), lung.ball(radius)) > least
    assert proposal.flags == ()


@pytest.mark.parametrize("aside", [(9, 0, 0), (0, -11.5, 0), (2, 3, -12)])
def test_a_click_on_the_rim_or_just_beside_will_do(aside):
    lung = Lung()
    lung.hu[lung.ball(10)] = 40
    found = whole(propose_mask(lung.image, lung.lps(aside=aside)), lung.grid)
    assert dice(found, lung.ball(10)) > 0.94


def on_a_wall(gap):
    """A ball of 12 mm whose middle lies `gap` mm before a wall; the wall, what lies before it."""
    lung = Lung()
    wall = (lung.y > MIDDLE[1] + gap) & (lung.hu < 0)
    truth = lung.ball(12) & ~wall
    lung.hu[wall | truth] = 40
    return lung, wall, truth


@pytest.mark.parametrize("gap", [10, 8])
def test_a_tumour_on_the_wall_is_recovered_without_the_wall(gap):
    lung, wall, truth = on_a_wall(gap)
    proposal = propose_mask(lung.image, lung.lps(aside=(2, 0, 1)))
    found = whole(proposal, lung.grid)
    assert dice(found, truth) > 0.92
    assert np.count_nonzero(found & wall) < 0.08 * np.count_nonzero(truth)
    (touches,) = proposal.flags
    assert (touches.code, touches.severity) == ("proposal_touches_tissue", "warning")
    assert "check the border there" in touches.sentence


@pytest.mark.parametrize("gap", [6, 2])
def test_a_wall_is_not_eaten_even_where_the_tumour_has_no_neck(gap):
    lung, wall, truth = on_a_wall(gap)
    with suppress(InputError):  # nothing at all is no wall either
        found = whole(propose_mask(lung.image, lung.lps(aside=(0, -4, 0))), lung.grid)
        assert np.count_nonzero(found & wall) < 0.05 * np.count_nonzero(truth)


def test_vessels_that_lead_in_are_cut():
    lung, radius = Lung(), 11
    vessel = ((lung.y - 45) ** 2 + (lung.z - 50) ** 2 < 3**2) & (lung.x >= 0)
    lung.hu[lung.ball(radius) | vessel] = 40
    found = whole(propose_mask(lung.image, lung.lps()), lung.grid)
    assert not (found & ~lung.ball(radius + 4)).any()
    assert dice(found, lung.ball(radius)) > 0.94


def test_ground_glass_round_a_core_belongs_to_the_tumour():
    lung = Lung()
    lung.hu[lung.ball(12)] = -540
    lung.hu[lung.ball(5)] = 30
    proposal = propose_mask(lung.image, lung.lps())
    assert dice(whole(proposal, lung.grid), lung.ball(12)) > 0.95
    assert codes(proposal) == {"proposal_with_ground_glass"}


def test_ground_glass_without_a_core_is_found():
    lung = Lung()
    lung.hu[lung.ball(8)] = -560
    found = whole(propose_mask(lung.image, lung.lps()), lung.grid)
    assert dice(found, lung.ball(8)) > 0.93


@pytest.mark.parametrize("hole", [0, 1.5])
def test_a_cavity_is_part_of_the_tumour(hole):
    lung = Lung()
    lung.hu[lung.ball(15) & ~lung.ball(10)] = 40
    open_side = ((lung.y - 45) ** 2 + (lung.z - 50) ** 2 < hole**2) & (lung.x > 48)
    lung.hu[open_side] = -900
    found = whole(propose_mask(lung.image, lung.lps()), lung.grid)
    assert dice(found, lung.ball(15)) > 0.93


def test_the_same_click_gives_the_same_mask():
    lung = Lung()
    lung.hu[lung.ball(9)] = 40
    first, second = (propose_mask(lung.image, lung.lps()) for _ in range(2))
    assert sitk.Hash(first.image) == sitk.Hash(second.image)
    assert first.flags == second.flags


def test_a_tumour_at_the_border_of_the_ct_ends_there():
    lung = Lung()
    edge = (48.0, 45.0, 2.0)
    lung.hu[lung.ball(10, edge)] = 40
    found = whole(propose_mask(lung.image, lung.lps(edge)), lung.grid)
    assert dice(found, lung.ball(10, edge)) > 0.9


def test_only_what_lies_round_the_click_is_read():
    lung = Lung()
    lung.hu[lung.ball(9)] = 40
    ct, read = as_ct(lung.image), []

    class Watched:
        def read(self, box, progress):
            read.append(box)
            return ct.voxels.read(box, progress)

    propose_mask(replace(ct, voxels=Watched()), lung.lps())
    assert len(read) == 1
    for voxels, step in zip(read[0].size, lung.grid.spacing, strict=True):
        assert voxels * step <= 2 * HALF_SIDES_MM[0] + 3 * step


@pytest.mark.parametrize(
    ("point", "phrase"),
    [
        ((400.0, 0.0, 0.0), "lies outside the CT, which covers -30..65 x"),
        ((float("nan"), 0.0, 0.0), "three finite numbers"),
        ((1e300, 0.0, 0.0), "lies outside the CT"),
    ],
)
def test_a_point_that_is_none_is_refused(point, phrase):
    with pytest.raises(InputError, match=phrase):
        propose_mask(Lung().image, point)


def test_a_click_into_lung_is_refused():
    with pytest.raises(InputError, match="lies in lung or air"):
        propose_mask(Lung().image, Lung().lps())


@pytest.mark.parametrize(
    "place",
    [(0, 0, 30), (20, -20, -60), (0, 70, 0), (-150, 0, 0)],
    ids=["mediastinum", "heart", "spine", "chest wall"],
)
def test_a_click_into_what_is_no_tumour_is_refused(body, place):
    phantom, ct = body
    with pytest.raises(InputError, match="cannot be separated from what surrounds it"):
        propose_mask(ct, tuple(phantom.anatomy.to_lps(np.array(place, float)).tolist()))


@pytest.fixture(scope="module")
def body():
    phantom = Phantom(51)
    grid = phantom.chest_grid(112, spacing=(3.2, 3.2, 4.0))
    return phantom, as_ct(grid.image(phantom.ct(grid)))


REAL = {
    "lidc_0314": ("mask_consensus.nrrd", 0.82),
    "lidc_0001": ("mask_consensus.nrrd", 0.83),
    "r01_001": ("mask_DERIVED_threshold.nrrd", 0.87),
}


@pytest.mark.parametrize("name", REAL)
def test_a_real_tumour_is_recovered_from_a_click_beside_its_middle(case_data, name):
    file, least = REAL[name]
    ct = open_ct(case_data / "open" / name / "CT")
    truth = whole(read_mask(case_data / "open" / name / file, ct), ct.grid)
    middle = ct.grid.to_lps(np.argwhere(truth).mean(axis=0)[::-1])
    found = whole(propose_mask(ct, tuple((middle + np.array((3, -2, 1))).tolist())), ct.grid)
    assert dice(found, truth) > least


@pytest.mark.slow
def test_a_real_tumour_between_heart_aorta_and_spine_is_left_to_the_reader(shared_data):
    ct = open_ct(shared_data / "open/4dlung_113/CT")
    with pytest.raises(InputError, match="draw the outline by hand"):
        propose_mask(ct, (58.9, 142.1, -944.1))


def test_the_command_writes_a_mask_that_the_others_read(tmp_path, capsys):
    lung = Lung()
    lung.hu[lung.ball(9)] = 40
    sitk.WriteImage(lung.image, str(tmp_path / "ct.nrrd"))
    x, y, z = lung.lps()
    method = ["--model", "region-growing"]
    arguments = ["segment", str(tmp_path / "ct.nrrd"), *method, "-o"]
    assert main([*arguments, str(tmp_path / "lps.nrrd"), f"--at={x},{y},{z}", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert main([*arguments, str(tmp_path / "ras.nrrd"), f"--at={-x},{-y},{z}", "--ras"]) == 0
    assert f"{said['mask_volume_ml']:.2f} mL" in capsys.readouterr().out
    ct = open_ct(tmp_path / "ct.nrrd")
    masks = [whole(read_mask(tmp_path / f"{name}.nrrd", ct), ct.grid) for name in ("lps", "ras")]
    assert np.array_equal(*masks)
    assert np.count_nonzero(masks[0]) == said["mask_voxels"]
    assert dice(masks[0], lung.ball(9)) > 0.93
