"""A step of training: what moves and when, at which rate, on which samples, with which weights."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import distributed, nn

from LungSquadLib.errors import InputError
from LungSquadLib.networks import build
from LungSquadLib.networks.trunk_and_head import NetworkOutput
from LungSquadLib.training.classifier.options import Recipe
from LungSquadLib.training.classifier.task import Classifier, Group, correct_prior, layer_groups
from LungSquadLib.training.distributed import DistributedContext

pytestmark = pytest.mark.usefixtures("one_thread")
RECIPE = Recipe(epochs=8, batch=6)
EVERYTHING = (Group(("",), 1.0),)
SMALL = {"width": 0.04, "classes": 2, "input_size": 32}
CONVOLUTIONS = (1, 2, 3, 4)


class Table:
    """`Samples` (N, ...) that remember which were asked for in training."""

    def __init__(self, values):
        self.values = torch.as_tensor(values, dtype=torch.float32)
        self.asked = []

    def plain(self, chosen):
        return self.values[chosen]

    def augmented(self, chosen, epoch):
        self.asked.append((epoch, chosen.tolist()))
        return self.values[chosen]


def task_of(network, samples, labels, *, groups=EVERYTHING, recipe=RECIPE, context=None):
    return Classifier(
        network,
        getattr(network, "forward_with_features", lambda x: NetworkOutput(x, network(x))),
        groups,
        samples=samples,
        labels=np.asarray(labels),
        training=np.arange(len(labels)),
        validation=np.arange(len(labels)),
        classes=2,
        recipe=recipe,
        context=context or DistributedContext(),
    )


def on_crops(name="transfer", *, recipe=RECIPE, freeze="none", fresh=False, context=None):
    """A whole network on a dozen crops of noise."""
    torch.manual_seed(0)
    network = build(name, SMALL)
    groups = layer_groups(network, recipe, freeze=freeze, pretrained=() if fresh else ("trunk",))
    crops = Table(torch.rand(12, 1, 32, 32, 32))
    return task_of(network, crops, np.arange(12) % 2, groups=groups, recipe=recipe, context=context)


def on_features(n=20, *, labels=None, recipe=RECIPE, context=None):
    """One dense layer on three features of noise."""
    torch.manual_seed(0)
    labels = np.arange(n) % 2 if labels is None else labels
    return task_of(
        nn.Linear(3, 2), Table(torch.randn(n, 3)), labels, recipe=recipe, context=context
    )


def trained_epoch(task, epoch):
    for number in range(task.steps(epoch)):
        task.step(epoch, number)


def copied(task):
    return {name: value.clone() for name, value in task.network.state_dict().items()}


def moved(before, after):
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


@pytest.fixture(params=[1, 2], ids=["alone", "shared"])
def processes(request):
    """One process; and one that shares with another, of which nothing is ever heard."""
    if request.param == 1:
        yield DistributedContext()
        return
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield DistributedContext(0, 2)
    distributed.destroy_process_group()


def test_gradual_thaws_one_convolution_after_another_from_the_last_on(processes):
    recipe = replace(RECIPE, trunk_dropout=0.2)
    task = on_crops(recipe=recipe, freeze="gradual", context=processes)
    trunk = task.network.trunk
    for epoch in range(7):
        before = copied(task)
        trained_epoch(task, epoch)
        names = moved(before, copied(task))
        assert "head.before.dense1.weight" in names
        for n in CONVOLUTIONS:
            thawed = epoch >= 6 - n  # the head alone for 2 of 8 epochs, then one more each
            assert (f"trunk.conv{n}.weight" in names) == thawed, (epoch, n)
            assert (f"trunk.norm{n}.weight" in names) == thawed, (epoch, n)
            assert (f"trunk.norm{n}.running_mean" in names) == thawed, (epoch, n)
            assert trunk.get_submodule(f"norm{n}").training == thawed
            if n < 4:  # behind the last there is none
                assert trunk.get_submodule(f"drop{n}").training == thawed


def test_nothing_frozen_trains_all_from_the_start():
    task = on_crops()
    before = copied(task)
    trained_epoch(task, 0)
    names = moved(before, copied(task))
    assert {f"trunk.conv{n}.weight" for n in CONVOLUTIONS} <= names


@pytest.mark.parametrize(("fresh", "share"), [(True, 1.0), (False, 0.1)])
def test_a_trunk_from_elsewhere_learns_at_a_tenth_of_the_rate(fresh, share):
    task = on_crops(fresh=fresh, recipe=replace(RECIPE, weight_decay=0.0))
    before = copied(task)
    task.step(0, 0)
    after = copied(task)
    trunk, head = (  # Adam's first step is as long as the rate
        float((after[name] - before[name]).abs().max())
        for name in ("trunk.conv4.weight", "head.after.logits.weight")
    )
    assert trunk / head == pytest.approx(share, rel=0.01)


@pytest.mark.parametrize(("name", "norms"), [("transfer", 5), ("prognosis", 7)])
def test_biases_before_a_norm_stay_and_all_else_is_trained(name, norms):
    task = on_crops(name)
    before = copied(task)
    trained_epoch(task, 0)
    weights = {of for of, _ in task.network.named_parameters()}
    idle = weights - moved(before, copied(task))
    assert all(of.endswith(".bias") and ("conv" in of or "dense" in of) for of in idle)
    assert len(idle) == norms


@pytest.mark.parametrize(
    ("epoch", "number", "share"),
    [(0, 0, 0.01), (1, 0, 0.5), (2, 0, 1.0), (11, 0, 0.505), (19, 3, 0.0105)],
)
def test_the_learning_rate_rises_for_a_tenth_and_falls_to_a_hundredth(epoch, number, share):
    task = on_features(recipe=replace(RECIPE, epochs=20, batch=5, weight_decay=0.0))
    before = task.network.weight.detach().clone()
    task.step(epoch, number)
    length = float((task.network.weight.detach() - before).abs().max())
    assert length == pytest.approx(share * RECIPE.learning_rate, rel=0.02)


@pytest.mark.parametrize(("n", "batch"), [(20, 6), (21, 2), (13, 6), (7, 3), (40, 8), (3, 8)])
def test_an_epoch_has_every_sample_once_in_batches_of_one_size(n, batch):
    task = on_features(n, recipe=replace(RECIPE, batch=batch))
    trained_epoch(task, 0)
    trained_epoch(task, 1)
    orders = []
    for epoch in (0, 1):
        batches = [chosen for of, chosen in task.samples.asked if of == epoch]
        sizes = [len(chosen) for chosen in batches]
        assert min(sizes) >= 2
        assert max(sizes) - min(sizes) <= 1
        assert max(sizes) <= max(batch, 3)
        orders.append([number for chosen in batches for number in chosen])
        assert sorted(orders[-1]) == list(range(n))
    assert orders[0] != orders[1]


def test_classes_weigh_as_if_each_were_as_common():
    labels = np.array([0] * 15 + [1] * 5)
    weights = on_features(labels=labels).class_weights
    assert weights.tolist() == pytest.approx([20 / 30, 20 / 10])
    assert float(weights[labels].sum()) == pytest.approx(20)
    equal = on_features(labels=labels, recipe=replace(RECIPE, class_weights=False))
    assert equal.class_weights.tolist() == [1, 1]


def test_what_balance_did_to_the_answers_is_undone():
    labels = np.arange(200) % 5 == 0
    recipe = replace(RECIPE, epochs=30, batch=100, learning_rate=0.1)
    task = on_features(200, labels=labels.astype(int), recipe=recipe)
    for epoch in range(30):
        trained_epoch(task, epoch)

    def mean():
        logits = torch.from_numpy(task.predict(np.arange(200))[0])
        return float(logits.softmax(1)[:, 1].mean())

    assert mean() == pytest.approx(0.5, abs=0.01)
    correct_prior(task.network, task.class_weights)
    assert mean() == pytest.approx(0.2, abs=0.01)


def test_more_processes_than_a_batch_can_feed_are_refused():
    with pytest.raises(InputError, match=r"4 processes cannot share a batch of 2: .*--batch"):
        on_features(recipe=replace(RECIPE, batch=2), context=DistributedContext(0, 4))
    with pytest.raises(InputError, match="two cases at least, not 1"):
        on_features(1)
