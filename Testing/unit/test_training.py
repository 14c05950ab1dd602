"""Training: it learns what can be learnt, repeats itself, and makes the demo models' files."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from LungSquadLib.errors import CancelledError, InputError
from LungSquadLib.models.bundle import read_bundle
from LungSquadLib.models.card import InputSpec
from LungSquadLib.networks import build
from LungSquadLib.progress import Silent
from LungSquadLib.statistics.calibration import log_odds
from LungSquadLib.statistics.discrimination import auc
from LungSquadLib.training import demo
from LungSquadLib.training.classifier import Cases, Recipe, answers, train

SPEC = InputSpec(32, 1.0, -1000.0, 300.0, True)
RECIPE = Recipe(epochs=4, batch=4, learning_rate=1e-2, norm_momentum=0.3)


def balls(n, seed):
    """Balls in lung: those of class 1 are solid, the others ground glass."""
    random = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    z, y, x = np.indices((34, 34, 34)) - 16.5
    hu = random.normal(-850, 30, (n, 34, 34, 34)).astype(np.int16)
    for one, label in zip(hu, labels, strict=True):
        one[x * x + y * y + z * z < random.uniform(4, 8) ** 2] += 850 if label else 400
    return Cases(hu, labels)


def trained(recipe=RECIPE, progress=None):
    torch.manual_seed(0)
    arguments = {"width": 0.0625, "classes": 2, "input_size": 32, "hidden": [8], "dropout": 0.2}
    network = build("transfer", arguments)
    loss = train(
        network, SPEC, balls(32, 0), balls(8, 1), recipe=recipe, progress=progress or Silent()
    )
    return network, loss


@pytest.fixture(scope="module")
def once():
    return trained()


def test_it_learns_to_tell_solid_from_ground_glass(once):
    network, loss = once
    unseen = balls(16, 2)
    logits, features = answers(network, SPEC, unseen.hu)
    assert auc(unseen.labels, log_odds(logits, 1)) > 0.9
    assert features.shape == (16, network.feature_count)
    assert not network.training
    assert loss < np.log(2)


def test_the_same_seed_gives_the_same_weights_and_another_one_others(once):
    (first, _), (again, _) = once, trained()
    other, _ = trained(replace(RECIPE, seed=1))
    for name, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    assert not torch.equal(first.trunk[0].weight, other.trunk[0].weight)


def test_it_ends_with_the_weights_of_its_best_epoch():
    network, loss = trained(replace(RECIPE, learning_rate=0.1))
    validation = balls(8, 1)
    logits, _ = answers(network, SPEC, validation.hu)
    again = torch.nn.functional.cross_entropy(
        torch.from_numpy(logits), torch.from_numpy(validation.labels)
    )
    assert float(again) == pytest.approx(loss, rel=1e-6)


def test_it_can_be_cancelled_between_batches():
    class Impatient(Silent):
        cancelled = True

    with pytest.raises(CancelledError):
        trained(progress=Impatient())


def test_a_demo_model_is_written_with_what_was_measured(tmp_path, monkeypatch):
    short = [replace(one, recipe=Recipe(epochs=1, batch=4)) for one in demo.DEMOS]
    monkeypatch.setattr(demo, "DEMOS", short)
    split = demo.Split(training=8, validation=4, test=8, agreement=2)
    written = demo.train_demo_models(tmp_path, only="demo-survival2y", jobs=2, split=split)
    model = read_bundle(tmp_path / "demo-survival2y.safetensors")
    card = model.card
    assert written == {"demo-survival2y": model.sha256}
    assert "phantoms only" in card.notice
    assert card.training.patients == 0
    assert card.metrics["AUC"].n == card.metrics["accuracy"].n == 8
    assert card.baseline.metrics["AUC"].n == 8
    assert len(model.reference.distances) == 8


def test_an_unknown_demo_model_is_named_with_those_there_are(tmp_path):
    with pytest.raises(InputError, match="demo-histology, demo-survival2y"):
        demo.train_demo_models(tmp_path, only="demo-cats")
