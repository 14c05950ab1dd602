"""Training: a whole network learns what can be learnt, and makes the demo models' files."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from LungSquadLib.errors import InputError
from LungSquadLib.models.file import read_model_file
from LungSquadLib.models.inputs import InputSpec
from LungSquadLib.networks import build
from LungSquadLib.progress import Silent
from LungSquadLib.statistics.calibration import log_odds
from LungSquadLib.statistics.discrimination import auc
from LungSquadLib.training import demo_models as demo
from LungSquadLib.training.augment import Augmentation
from LungSquadLib.training.classifier.options import Recipe
from LungSquadLib.training.classifier.task import Classifier, layer_groups
from LungSquadLib.training.distributed import DistributedContext
from LungSquadLib.training.loop import Schedule, fit
from LungSquadLib.training.samples import Crops

pytestmark = pytest.mark.usefixtures("one_thread")
SPEC = InputSpec(32, 1.0, -1000.0, 300.0, True)
RECIPE = Recipe(epochs=4, batch=4, learning_rate=1e-2, norm_momentum=0.3)


def balls(n):
    """Balls in lung: those of class 1 are solid, the others ground glass."""
    random = np.random.default_rng(0)
    labels = np.arange(n) % 2
    z, y, x = np.indices((34, 34, 34)) - 16.5
    hu = random.normal(-850, 30, (n, 34, 34, 34)).astype(np.int16)
    for one, label in zip(hu, labels, strict=True):
        one[x * x + y * y + z * z < random.uniform(4, 8) ** 2] += 850 if label else 400
    return hu, labels


@pytest.mark.slow
def test_a_whole_network_learns_to_tell_solid_from_ground_glass():
    hu, labels = balls(56)
    torch.manual_seed(0)
    arguments = {"width": 0.0625, "classes": 2, "input_size": 32, "hidden": [8], "dropout": 0.2}
    network = build("transfer", arguments)
    crops = Crops(list(map(str, range(56))), hu.__getitem__, SPEC, Augmentation(shift_mm=1), 0)
    task = Classifier(
        network,
        network.forward_with_features,
        layer_groups(network, RECIPE, freeze="none", pretrained=()),
        samples=crops,
        labels=labels,
        training=np.arange(32),
        validation=np.arange(32, 40),
        classes=2,
        recipe=RECIPE,
        context=DistributedContext(),
    )
    fit(
        task,
        Schedule(RECIPE.epochs),
        checkpoint=None,
        context=DistributedContext(),
        progress=Silent(),
    )
    unseen = np.arange(40, 56)
    logits, features = task.predict(unseen)
    assert auc(labels[unseen], log_odds(logits, 1)) > 0.9
    assert features.shape == (16, network.feature_count)
    assert not network.training
    assert task.validate()["validation loss"] < np.log(2)


@pytest.mark.slow
def test_a_demo_model_is_written_with_what_was_measured(tmp_path, monkeypatch):
    short = [replace(one, recipe=Recipe(epochs=1, batch=4)) for one in demo.DEMOS]
    monkeypatch.setattr(demo, "DEMOS", short)
    split = demo.Split(training=8, validation=4, test=8, agreement=2)
    written = demo.train_demo_models(tmp_path, only="demo-survival2y", jobs=2, split=split)
    model = read_model_file(tmp_path / "demo-survival2y.safetensors")
    card = model.card
    assert written == {"demo-survival2y": model.sha256}
    assert "phantoms only" in card.notice
    assert card.training.patients == 0
    assert card.metrics["AUC"].n == card.metrics["accuracy"].n == 8
    assert card.baseline.metrics["AUC"].n == 8
    assert len(model.reference.distances) == 8
    # The same phantoms by the finished model: nothing of it changes, the weights least of all.
    demo.renew_references(tmp_path, only="demo-survival2y", jobs=2, split=split)
    again = read_model_file(tmp_path / "demo-survival2y.safetensors")
    for name, weights in model.weights.items():
        np.testing.assert_array_equal(weights, again.weights[name])
    np.testing.assert_allclose(again.reference.distances, model.reference.distances, rtol=1e-3)
    np.testing.assert_array_equal(again.reference.mean, model.reference.mean)
    assert replace(again.card, reference=None) == replace(card, reference=None)
    assert again.card.reference.icc.value == pytest.approx(card.reference.icc.value, abs=1e-3)


def test_an_unknown_demo_model_is_named_with_those_there_are(tmp_path):
    with pytest.raises(InputError, match="demo-histology, demo-survival2y"):
        demo.train_demo_models(tmp_path, only="demo-cats")
