"""The network that others are judged by finds tumours, and is the same every time."""

import numpy as np
import pytest

pytest.importorskip("torch")

from LungSquadLib.data.slice_set import Slicing
from LungSquadLib.errors import CancelledError
from LungSquadLib.imaging.slices import to_channels
from LungSquadLib.inference.segmenter import train_segmenter
from LungSquadLib.statistics.agreement import dice
from Testing.slice_samples import disc_slices

pytestmark = pytest.mark.usefixtures("one_thread")
SLICING = Slicing(32)


def images(n, seed=0):
    hu, mask = disc_slices(n, SLICING, seed=seed)
    return to_channels(hu, mask, low=SLICING.hu_low, high=SLICING.hu_high)


@pytest.mark.slow
def test_it_segments_tumours_of_new_patients_and_nothing_without_tumour():
    segmenter = train_segmenter(images(60), updates=200)
    new_patients = images(40, seed=1)
    pairs = zip(segmenter.masks(new_patients[:, 0]), new_patients[:, 1] > 0, strict=True)
    assert np.mean([dice(*pair) for pair in pairs]) > 0.95
    lung = np.random.default_rng(0).normal(-0.3, 0.05, (20, 32, 32)).astype(np.float32)
    assert segmenter.masks(lung).mean() < 0.1
    features = segmenter.features(new_patients[:, 0])
    assert features.shape == (40, 64)
    assert (features.std(0) > 0).any()


def test_the_same_seed_gives_the_same_bits():
    one, two, other = (
        train_segmenter(images(20), updates=3, seed=seed).features(images(4)[:, 0])
        for seed in (0, 0, 1)
    )
    assert (one == two).all()
    assert (one != other).any()


def test_it_can_be_cancelled():
    class Impatient:
        cancelled = True

        def report(self, fraction, message):
            raise AssertionError("nothing is reported once it is cancelled")

    with pytest.raises(CancelledError):
        train_segmenter(images(8), progress=Impatient())


def test_dice_of_masks():
    masks = np.zeros((4, 4, 4), bool)
    masks[0, :2], masks[1, 1:3] = True, True
    pairs = zip(masks[[0, 0, 2, 3]], masks[[0, 1, 0, 2]], strict=True)
    assert [dice(*pair) for pair in pairs] == [1, 0.5, 0, 1]
