"""The loop: it keeps the best weights, ends early, and goes on to the same bits after any stop."""

import math

import pytest
import torch
from torch import nn

from LungSquadLib.errors import CancelledError, InputError
from LungSquadLib.networks.seeded_dropout import Position, seed_dropouts
from LungSquadLib.progress import Silent
from LungSquadLib.training.checkpoint import load_optimizer, load_weights, optimizer_tensors
from LungSquadLib.training.distributed import DistributedContext
from LungSquadLib.training.loop import Schedule, fit, sparkline

pytestmark = pytest.mark.usefixtures("one_thread")


class Line:
    """A `Task`: a small network with norm and dropout that learns a sum, with AdamW."""

    def __init__(self, rate=0.05):
        torch.manual_seed(0)
        layers = nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.Linear(8, 1)
        self.network = nn.Sequential(*layers)
        self.position = Position(seed=5)
        seed_dropouts(self.network, self.position)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), rate)
        self.x = torch.randn(40, 3, generator=torch.Generator().manual_seed(1))
        self.taken = 0

    def steps(self, epoch):
        return 5

    def step(self, epoch, number):
        self.taken += 1
        self.position.step, self.position.total = 5 * epoch + number, 8
        self.network.train()
        loss = self._loss(self.x[8 * number : 8 * number + 8])
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"loss": loss.item()}

    @torch.no_grad()
    def validate(self):
        self.network.eval()
        return {"validation loss": self._loss(self.x).item()}

    def _loss(self, x):
        return (self.network(x)[:, 0] - x.sum(dim=1)).square().mean()

    def weights(self):
        return self.network.state_dict()

    def optimizer_state(self):
        return optimizer_tensors(self.optimizer)

    def restore(self, weights, state):
        load_weights(self.network, weights)
        if state is not None:
            load_optimizer(self.optimizer, state)


class StopAt(Silent):
    """Cancels at the n-th report."""

    def __init__(self, n):
        self.left = n

    @property
    def cancelled(self):
        self.left -= 1
        return self.left < 0


def trained(task, checkpoint=None, plan=Schedule(6), progress=None):  # noqa: B008
    return fit(
        task,
        plan,
        checkpoint=checkpoint,
        context=DistributedContext(),
        progress=progress or Silent(),
    )


@pytest.mark.parametrize("stops", [(2,), (9,), (11,), (3, 7, 12)])
def test_a_stopped_training_goes_on_to_the_same_bits(tmp_path, stops):
    whole = Line()
    history = trained(whole)
    checkpoint = tmp_path / "checkpoint"
    for stop in stops:
        with pytest.raises(CancelledError):
            trained(Line(), checkpoint, progress=StopAt(stop))
    again = Line()
    assert trained(again, checkpoint) == history
    assert again.taken < whole.taken
    for name, value in whole.weights().items():
        assert torch.equal(value, again.weights()[name]), name


def test_it_learns_and_ends_with_the_weights_of_its_best_epoch():
    task = Line(rate=0.3)
    history = trained(task, plan=Schedule(12))
    losses = [row["validation loss"] for row in history]
    assert min(losses) < losses[0] / 2
    assert task.validate()["validation loss"] == min(losses)


def test_it_ends_early_where_nothing_gets_better():
    task = Line(rate=0.0)
    task.network[1].momentum = 0.0  # nor do the norms move
    assert len(trained(task, plan=Schedule(50, patience=3))) == 4
    assert len(trained(task, plan=Schedule(50, patience=3, patience_start=6))) == 10


class Told(Line):
    """A task whose validation losses are given."""

    def __init__(self, losses):
        super().__init__()
        self.losses = iter(losses)

    def validate(self):
        return {"validation loss": next(self.losses)}


def test_patience_counts_from_the_best_epoch():
    falling = [9.0, 8.0, 7.0, 7.5, 6.0]
    for losses, patience, settled, epochs in (
        (falling + [6.5] * 9, 2, 0, 7),
        (falling + [6.0] * 9, 3, 0, 8),  # as good is no better
        (falling + [6.5] * 9, 1, 0, 4),  # the fourth was worse
        (falling + [6.5] * 9, 2, 6, 9),
        (falling + [6.5] * 9, 0, 0, 12),
    ):
        assert (
            len(trained(Told(losses), plan=Schedule(12, patience=patience, patience_start=settled)))
            == epochs
        )


def test_a_row_has_the_mean_of_the_epochs_losses():
    task, seen = Line(), []
    step = task.step
    task.step = lambda *at: (seen.append(step(*at)), seen[-1])[1]
    row = trained(task, plan=Schedule(1))[0]
    assert row["loss"] == pytest.approx(sum(one["loss"] for one in seen) / 5)


def test_a_checkpoint_whose_numbers_were_changed_is_damaged(tmp_path):
    trained(Line(), tmp_path / "checkpoint")
    content = bytearray((tmp_path / "checkpoint").read_bytes())
    content[-3] ^= 1  # of the last tensor's last number
    (tmp_path / "checkpoint").write_bytes(bytes(content))
    with pytest.raises(InputError, match="damaged"):
        trained(Line(), tmp_path / "checkpoint")


def test_a_finished_training_is_not_trained_again(tmp_path):
    first, again = Line(), Line()
    trained(first, tmp_path / "checkpoint")
    trained(again, tmp_path / "checkpoint")
    assert again.taken == 0
    assert torch.equal(first.network[0].weight, again.network[0].weight)


def test_a_training_that_goes_astray_is_said():
    with pytest.raises(InputError, match="diverged"):
        trained(Line(rate=1e30), plan=Schedule(20))


@pytest.mark.parametrize("content", [b"", b"nonsense" * 9])
def test_a_damaged_checkpoint_is_said(tmp_path, content):
    (tmp_path / "checkpoint").write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        trained(Line(), tmp_path / "checkpoint")


def test_a_checkpoint_of_another_network_is_said(tmp_path):
    other = Line()
    other.network.append(nn.Linear(1, 1))
    trained(other, tmp_path / "checkpoint")
    with pytest.raises(InputError, match="another training"):
        trained(Line(), tmp_path / "checkpoint")


def test_what_is_dropped_follows_from_the_position_whoever_has_the_sample():
    layer = nn.Sequential(nn.Dropout(0.5), nn.Dropout(0.5))
    position = Position(seed=1, step=7, start=0, total=6)
    seed_dropouts(layer, position)
    x = torch.ones(6, 50)
    whole = layer(x)
    position.start = 2
    assert torch.equal(layer(x[2:5]), whole[2:5])
    position.start, position.step = 0, 8
    assert not torch.equal(layer(x), whole)
    assert not torch.equal(layer[0](x), layer[1](x))
    assert layer[0](torch.ones(6, 5000)).mean() == pytest.approx(1, abs=0.03)
    assert torch.equal(layer.eval()(x), x)


def test_a_sparkline_rises_with_its_values():
    assert sparkline([1.0]) == ""
    assert sparkline([0.0, 1.0, 2.0]) == "▁▅█"
    assert sparkline([1.0, 1.0]) == "▁▁"
    line = sparkline([-math.log(n) for n in range(1, 100)])
    assert len(line) == 16
    assert list(line) == sorted(line, reverse=True)
