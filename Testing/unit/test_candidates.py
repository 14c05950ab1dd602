"""The lungs of a CT are searched for tumours; what lies elsewhere is no candidate."""

import numpy as np
import pytest
import SimpleITK as sitk

from LungSquadLib.errors import CancelledError, InputError
from LungSquadLib.imaging.ct import as_ct
from LungSquadLib.inference import candidates as search
from LungSquadLib.inference.candidates import LUNG_STEP_MM, candidates, lung_mask
from Testing.segmenters import write_segmenter
from Testing.unit.test_training_run import StopAt

pytestmark = pytest.mark.usefixtures("one_thread")
SPACING = (1.2, 1.1, 2.0)
BALLS = {(60.0, 50.0, 60.0): 6.0, (35.0, 62.0, 30.0): 10.0}  # middle in mm: radius


@pytest.fixture(scope="module", params=[1.0, 0.7], ids=["two voxels", "three voxels"])
def model(tmp_path_factory, request):
    """A segmenter; its voxels are two or three to one of the windows."""
    path = tmp_path_factory.mktemp("model") / "segmenter.safetensors"
    return write_segmenter(path, spacing=request.param)


@pytest.fixture(scope="module")
def chest():
    """A body of 120 mm with lung in it, two balls there, one in the air outside, all at -850."""
    size = [round(120 / step) for step in SPACING]
    x, y, z = (np.arange(n) * step for n, step in zip(size, SPACING, strict=True))
    x, y, z = np.broadcast_arrays(x, y[:, None], z[:, None, None])
    hu = np.full(x.shape, -1000)
    hu[(abs(x - 60) < 52) & (abs(y - 60) < 52)] = 40
    hu[(abs(x - 60) < 44) & (abs(y - 60) < 44)] = -850
    for (a, b, c), radius in {**BALLS, (3.0, 3.0, 60.0): 4.0}.items():
        hu[(x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2 < radius**2] = 30
    image = sitk.GetImageFromArray(hu.astype(np.int16))
    image.SetSpacing(SPACING)
    image.SetOrigin((-20.0, 5.0, 300.0))
    return image


def test_the_lung_is_the_air_within_the_body(chest):
    volume = np.count_nonzero(lung_mask(as_ct(chest))) * LUNG_STEP_MM**3
    assert volume == pytest.approx(88 * 88 * 120, rel=0.06)


def test_each_ball_in_the_lung_is_a_candidate(model, chest):
    listed = candidates(model, chest)
    balls = sorted(BALLS.items(), key=lambda ball: ball[1])
    listed = sorted(listed, key=lambda candidate: candidate.diameter_mm)[:2]
    for candidate, ((x, y, z), radius) in zip(listed, balls, strict=True):
        assert candidate.position == pytest.approx((x - 20, y + 5, z + 300), abs=0.7)
        assert candidate.diameter_mm == pytest.approx(2 * radius, rel=0.06)
        assert candidate.volume_ml == pytest.approx(4 / 3 * np.pi * radius**3 / 1000, rel=0.17)
        assert 0.9 < candidate.score <= 1
    # What is denser than lung at its border, the chest wall, is too large for a candidate.
    assert len(candidates(model, chest)) == 2
    assert candidates(model, chest, least_score=1.01) == []


@pytest.mark.parametrize("doubtful", ["coarse", "fine"])
def test_a_candidate_must_convince_in_coarse_and_in_fine_voxels(
    model, chest, monkeypatch, doubtful
):
    probability = search._probability

    def less(model, ct, start, factor):
        usual = probability(model, ct, start, factor)
        return np.minimum(usual, 0.7) if (factor > 1) == (doubtful == "coarse") else usual

    usual = [candidate.score for candidate in candidates(model, chest)]
    monkeypatch.setattr(search, "_probability", less)
    assert min(usual) > 0.9
    small = min(candidates(model, chest), key=lambda candidate: candidate.diameter_mm)
    assert small.score == pytest.approx(0.7, abs=0.01)


def test_a_ct_without_lung_is_refused(model):
    image = sitk.GetImageFromArray(np.full((40, 60, 60), 30, np.int16))
    with pytest.raises(InputError, match="no lung"):
        candidates(model, image)


def test_the_search_can_be_cancelled(model, chest):
    with pytest.raises(CancelledError):
        candidates(model, chest, progress=StopAt(5))
