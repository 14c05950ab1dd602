"""A prediction is repeatable, says how sure it is, and looks where it says it looks."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from LungSquadLib.errors import CancelledError
from LungSquadLib.imaging.crop import crop
from LungSquadLib.imaging.ct import as_ct
from LungSquadLib.imaging.geometry import Grid
from LungSquadLib.imaging.jitter import variants
from LungSquadLib.imaging.masks import as_mask
from LungSquadLib.inference import classifier as predicting
from LungSquadLib.inference.attribution import grad_cam, on_ct_grid
from LungSquadLib.inference.classifier import predict
from LungSquadLib.networks import build

from ..samples import ball_images, write_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("models") / "sample.safetensors")


@pytest.fixture(scope="module")
def prediction(model):
    return predict(*ball_images(), model, device="cpu")


def test_the_same_inputs_give_the_same_numbers(model, prediction):
    again = predict(*ball_images(), model, device="cpu")
    assert again.to_dict() == prediction.to_dict()
    assert sitk.Hash(again.saliency) == sitk.Hash(prediction.saliency)


def test_another_seed_moves_the_interval_and_nothing_else(model, prediction):
    other = predict(*ball_images(), model, device="cpu", seed=5)
    assert other.interval != prediction.interval
    assert other.probabilities == prediction.probabilities
    assert other.robustness == prediction.robustness


def test_probabilities_are_the_networks_at_the_crop(model, prediction):
    cut = crop(*ball_images(), size=50)
    x = model.card.image.scaled(sitk.GetArrayFromImage(cut.ct))
    with torch.no_grad():
        logits = model.trainable()(torch.from_numpy(x)[None, None])[0]
    expected = torch.softmax(logits, 0).tolist()
    assert prediction.probabilities == pytest.approx(expected, abs=1e-6)
    assert sum(prediction.probabilities) == pytest.approx(1)
    assert prediction.crop.to_dict() == cut.to_dict()


def test_temperature_divides_the_logits(model, prediction):
    warm = replace(model, card=replace(model.card, temperature=2.0))
    cooled = predict(*ball_images(), warm, device="cpu").probabilities
    odds = [np.log(p[1] / p[0]) for p in (prediction.probabilities, cooled)]
    assert odds[1] == pytest.approx(odds[0] / 2, abs=1e-6)


def test_interval_contains_the_probability_and_is_explained(prediction):
    interval = prediction.interval
    assert 0 <= interval.low <= prediction.probabilities[1] <= interval.high <= 1
    assert interval.high > interval.low
    for word in ("95", "positions", "left out at random", "does not show"):
        assert word in interval.explanation


def test_robustness_counts_each_crop_once_and_compares_with_patients(model, prediction):
    robustness = prediction.robustness
    logits = [np.log(p / (1 - p)) for p in robustness.probabilities.values()]
    assert robustness.low == min(robustness.probabilities.values())
    assert next(iter(robustness.probabilities)) == "0, 0, 0"
    assert robustness.probabilities["0, 0, 0"] == pytest.approx(prediction.probabilities[1])
    # What the network was given, from outside: the crops' voxels, each variant cut by itself.
    ct, mask = ball_images()
    side = model.card.image.size
    around = variants(as_ct(ct), as_mask(mask, as_ct(ct)), size=(side,) * 3, spacing=1.0)
    different = {around.hu(one).tobytes() for one in around.variants}
    assert len(around.variants) == 19
    assert len(different) == len(logits) == robustness.positions < 19
    assert f"from {len(different)} different crops" in robustness.explanation
    assert f"from {len(different)} positions of the crop" in prediction.interval.explanation
    assert robustness.icc == pytest.approx(1 / (1 + np.var(logits, ddof=1)), abs=1e-6)
    assert prediction.to_dict()["robustness"]["positions"] == len(different)
    scanner = np.random.default_rng(0)  # by what a position is called, the crop is found again
    for offset in scanner.choice(list(robustness.probabilities), 3):
        start = np.array([int(n) for n in offset.split(", ")])
        centre = np.array(prediction.crop.centre_lps) + start
        moved = predict(ct, mask, model, device="cpu", centre_lps=tuple(centre))
        assert moved.probabilities[1] == pytest.approx(robustness.probabilities[offset], abs=1e-6)


def test_baseline_is_the_volume_only_probability(prediction):
    volume = prediction.crop.mask_volume_ml
    assert prediction.baseline == pytest.approx(1 / (1 + np.exp(-(0.5 - 0.4 * np.log(volume)))))


def test_a_case_out_of_distribution_is_flagged(model, prediction):
    assert [f.code for f in prediction.flags if f.severity == "severe"] == ["out_of_distribution"]
    at_home = replace(model.reference, distances=np.sort(np.tile([0.0, 1e9], 99)))
    near = predict(*ball_images(), replace(model, reference=at_home), device="cpu")
    assert near.ood.out_of_distribution is False
    assert near.ood.p == pytest.approx(100 / 199, abs=1e-6)
    assert near.ood.distance == prediction.ood.distance
    few = replace(model.reference, distances=model.reference.distances[:98])
    silent = predict(*ball_images(), replace(model, reference=few), device="cpu")
    assert silent.ood.out_of_distribution is None
    assert "few_reference_cases" in [flag.code for flag in silent.flags]
    assert "out_of_distribution" not in [flag.code for flag in silent.flags]


def test_a_model_without_reference_is_flagged(tmp_path):
    model = write_model(tmp_path / "m.safetensors", reference=False)
    prediction = predict(*ball_images(), model, device="cpu")
    assert prediction.ood is None
    assert prediction.robustness.icc is None
    assert "no_reference" in [flag.code for flag in prediction.flags]
    assert prediction.to_dict()["out_of_distribution"] is None


def test_a_tiny_mask_that_cannot_shrink_is_still_predicted(model):
    ct, mask = ball_images(radius=1.2)
    prediction = predict(ct, mask, model, device="cpu")
    assert len(prediction.parameters["variants_skipped"]) == 2
    assert 15 <= prediction.robustness.positions <= 17


def test_it_can_be_cancelled_at_every_step(model):
    class After:
        def __init__(self, reports):
            self.left = reports

        @property
        def cancelled(self):
            return self.left <= 0

        def report(self, fraction, message):
            self.left -= 1

    for reports in (0, 1, 7):
        with pytest.raises(CancelledError):
            predict(*ball_images(), model, device="cpu", progress=After(reports))


def test_variants_are_crops_of_the_changed_masks():
    ct, mask = (as_ct(ball_images()[0]), ball_images()[1])
    drawn = as_mask(mask, ct)
    around = variants(ct, drawn, size=(50, 50, 50), spacing=1.0)
    assert len({variant.name for variant in around.variants}) == 19
    for variant in around.variants:
        if variant.kind == "shift":
            axis = "xyz".index(variant.name[-1])
            moved = sitk.GetImageFromArray(sitk.GetArrayFromImage(drawn.image))
            moved.CopyInformation(drawn.image)
            origin = list(moved.GetOrigin())
            origin[axis] += 2.0 if "+2" in variant.name else -2.0
            centre = tuple(
                np.array(crop(ct, drawn, size=50).mask_centre_of_mass_lps)
                + np.array(origin)
                - drawn.image.GetOrigin()
            )
            cut = crop(ct, drawn, size=50, centre_lps=centre)
            assert np.array_equal(around.hu(variant), sitk.GetArrayFromImage(cut.ct))


def test_a_chosen_centre_goes_with_the_mask():
    ct = as_ct(ball_images()[0])
    drawn = as_mask(ball_images()[1], ct)
    plain = variants(ct, drawn, size=(50, 50, 50), spacing=1.0)
    mass = crop(ct, drawn).mask_centre_of_mass_lps
    moved = tuple(np.add(mass, (7.0, -5.0, 10.0)).tolist())  # whole voxels of the crop
    chosen = variants(ct, drawn, size=(50, 50, 50), spacing=1.0, centre_lps=moved)
    for one, other in zip(plain.variants, chosen.variants, strict=True):
        assert (one.name, one.box.shifted((7, -5, 10))) == (other.name, other.box)


def test_a_chosen_centre_of_the_crop_is_recorded(model, prediction):
    there = tuple(np.add(prediction.crop.mask_centre_of_mass_lps, (8.0, 0.0, 0.0)).tolist())
    chosen = predict(*ball_images(), model, device="cpu", centre_lps=there)
    assert chosen.crop.chosen_centre_lps == there
    assert "8.0 mm away" in next(f.sentence for f in chosen.flags if f.code == "centre_chosen")
    assert chosen.probabilities != prediction.probabilities


def test_grown_and_shrunk_masks_are_so_by_their_margin():
    from LungSquadLib.imaging.crop import mask_box
    from LungSquadLib.imaging.jitter import _margins

    ct, mask = ball_images(radius=12.0, spacing=(0.5, 0.5, 0.5))
    ct = as_ct(ct)
    drawn = as_mask(mask, ct)
    array = sitk.GetArrayFromImage(drawn.image)
    for name, changed, _ in _margins(array, mask_box(drawn, ct.grid), ct.grid):
        radius = (changed.sum() * 0.125 / (4 / 3 * np.pi)) ** (1 / 3)
        margin = float(name.split()[-2]) * (1 if "grown" in name else -1)
        assert radius - 12 == pytest.approx(margin, abs=0.25)  # half a voxel


def place_of(bright, network_name, size):
    """Where Grad-CAM of a network that looks at brightness points, for a bright spot in a crop."""
    torch.manual_seed(0)
    network = build(network_name, {"width": 0.05, "input_size": size}).eval()
    for layer in network.trunk:
        if isinstance(layer, torch.nn.Conv3d):
            torch.nn.init.constant_(layer.weight, 1.0 / layer.weight[0].numel())
    for parameter in network.head.parameters():
        torch.nn.init.constant_(parameter, 0.1)
    x = torch.zeros(1, 1, size, size, size)
    x[0, 0, bright[2], bright[1], bright[0]] = 100.0
    ct = Grid((120, 130, 60), (0.7, 0.6, 1.5), (10.0, -20.0, 30.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    at = Grid((size,) * 3, (1.0,) * 3, (15.0, -10.0, 35.0), ct.direction)
    cam = grad_cam(network, network.trunk(x), 1)
    image = on_ct_grid(cam, network, at, ct)
    array = sitk.GetArrayFromImage(image).astype(float)
    z, y, x_ = np.unravel_index(array.argmax(), array.shape)
    peak = image.TransformIndexToPhysicalPoint((int(x_), int(y), int(z)))
    return np.array(peak), at.to_lps(bright), Grid.of(image), ct


@pytest.mark.parametrize(("name", "size"), [("prognosis", 50), ("transfer", 64)])
def test_saliency_points_at_what_the_network_sees_in_the_patient(name, size):
    peak, truth, grid, ct = place_of((31, 22, 25), name, size)
    assert np.abs(peak - truth).max() <= 11  # the brightest voxel's field of view is 21 mm
    assert grid.offset_in(ct) is not None


def test_saliency_lies_on_the_cts_voxels_within_the_crop(prediction):
    ct = Grid.of(ball_images()[0])
    grid = Grid.of(prediction.saliency)
    assert grid.offset_in(ct) is not None
    low, high = grid.to_lps((0, 0, 0)), grid.to_lps(np.array(grid.size) - 1)
    cut = Grid.of(prediction.crop.ct)
    assert (low >= cut.to_lps((-0.5, -0.5, -0.5)) - 1e-6).all()
    assert (high <= cut.to_lps(np.array(cut.size) - 0.5) + 1e-6).all()
    values = sitk.GetArrayFromImage(prediction.saliency)
    assert values.min() >= 0
    assert values.max() <= 1


def test_auto_takes_what_there_is(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert predicting.chosen_device("auto").type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert predicting.chosen_device("auto").type == "cpu"
