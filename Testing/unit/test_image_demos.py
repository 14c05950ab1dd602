"""The models that make images and ship with the package do what their cards say."""

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("torch")

from LungSquadLib.imaging.features import slice_features
from LungSquadLib.inference.generator import sample
from LungSquadLib.inference.inpaint_ct import inpaint
from LungSquadLib.models.catalogue import BUNDLED, read_model
from LungSquadLib.phantom.patient import Phantom
from LungSquadLib.phantom.scan import scanned

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("name", ["demo-generator", "demo-inpainting"])
def test_the_demo_models_are_small_and_their_cards_complete(name):
    assert (BUNDLED / f"{name}.safetensors").stat().st_size < 3_000_000
    card = read_model(BUNDLED / f"{name}.safetensors").card
    assert "phantoms only" in (card.notice or "")
    assert card.training.seen is not None
    assert {"dice", "swd_mean"} <= set(card.metrics) or {"HU_error"} <= set(card.metrics)


def test_the_generator_makes_tumours_where_its_masks_are():
    synthetic = sample(read_model(BUNDLED / "demo-generator.safetensors"), 32)
    features = slice_features(synthetic.hu, synthetic.mask, spacing_mm=synthetic.spacing_mm)
    has_tumour = np.isfinite(features["hu_mean"])
    assert has_tumour.mean() > 0.8
    denser = features["hu_mean"][has_tumour] - features["hu_rim"][has_tumour]
    assert np.median(denser) > 300
    assert 10 < np.median(features["largest_diameter_mm"][has_tumour]) < 60


def test_the_inpainter_makes_the_requested_tumour_and_changes_nothing_else():
    ct, mask = scanned(Phantom(5))
    synthetic = inpaint(read_model(BUNDLED / "demo-inpainting.safetensors"), ct, mask, hu=-20)
    before = sitk.GetArrayFromImage(ct.read(ct.grid.box))
    after = sitk.GetArrayFromImage(synthetic.ct)
    weights = np.zeros(before.shape)
    weights[synthetic.box.slices] = sitk.GetArrayFromImage(synthetic.weights)
    assert np.array_equal(before[weights == 0], after[weights == 0])
    inside = sitk.GetArrayFromImage(synthetic.mask) != 0
    assert after[inside].mean() == pytest.approx(-20, abs=5)
    assert synthetic.measured["diameter_mm"] == pytest.approx(
        synthetic.requested["diameter_mm"], abs=8
    )
