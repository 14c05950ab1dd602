"""The models that make images and ship with the package do what their cards say."""

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("torch")

from LungSquadLib.imaging.slice_features import slice_features
from LungSquadLib.inference.generator import sample
from LungSquadLib.inference.inpaint_ct import inpaint
from LungSquadLib.models.catalogue import BUNDLED, read_model
from LungSquadLib.phantom.patient import Phantom
from LungSquadLib.phantom.scan import scanned

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("name", ["demo-generator", "demo-inpainting"])
def test_they_are_small_say_what_they_are_and_how_good(name):
    assert (BUNDLED / f"{name}.safetensors").stat().st_size < 3_000_000
    card = read_model(BUNDLED / f"{name}.safetensors").card
    assert "phantoms only" in (card.notice or "")
    assert card.training.seen is not None
    assert {"dice", "swd_mean"} <= set(card.metrics) or {"HU_error"} <= set(card.metrics)


def test_the_generator_makes_tumours_where_its_masks_are():
    made = sample(read_model(BUNDLED / "demo-generator.safetensors"), 32)
    found = slice_features(made.hu, made.mask, spacing_mm=made.spacing_mm)
    there = np.isfinite(found["hu_mean"])
    assert there.mean() > 0.8
    denser = found["hu_mean"][there] - found["hu_rim"][there]
    assert np.median(denser) > 300
    assert 10 < np.median(found["largest_diameter_mm"][there]) < 60


def test_the_translator_paints_what_is_asked_and_nothing_else():
    ct, mask = scanned(Phantom(5))
    made = inpaint(read_model(BUNDLED / "demo-inpainting.safetensors"), ct, mask, hu=-20)
    before = sitk.GetArrayFromImage(ct.read(ct.grid.box))
    after = sitk.GetArrayFromImage(made.ct)
    weights = np.zeros(before.shape)
    weights[made.box.slices] = sitk.GetArrayFromImage(made.weights)
    assert np.array_equal(before[weights == 0], after[weights == 0])
    inside = sitk.GetArrayFromImage(made.mask) != 0
    assert after[inside].mean() == pytest.approx(-20, abs=5)
    assert made.measured["diameter_mm"] == pytest.approx(made.requested["diameter_mm"], abs=8)
