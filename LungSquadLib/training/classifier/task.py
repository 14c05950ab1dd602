"""Training of a classifier, read from top to bottom."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import InputError
from ...networks.devices import device_of, float64_of
from ...networks.seeded_dropout import Position, seed_dropouts
from ...networks.synchronised_norm import share_norms
from ...networks.trunk_and_head import NetworkOutput
from ...statistics.calibration import log_odds
from ...statistics.discrimination import auc
from ..distributed import World
from ..optimised import Optimised
from .samples import Ahead, Samples

DECAY, HEAD_DECAY = 1e-3, 0.1  # of weights, where nothing else is said
WARM_UP = 0.1  # share of the training in which the learning rate rises
LAST_RATE = 0.01  # of the learning rate, at the end


@dataclass(frozen=True)
class Recipe:
    """How to train: every number that changes the result.

    Attributes:
        epochs: at most; `patience`: without a better validation loss; 0 never ends early.
        batch: samples of an update, over all processes.
        learning_rate: of new layers; `taken_rate`: times that, of layers taken from elsewhere.
        weight_decay: of AdamW; None: `HEAD_DECAY` for a head on frozen features, else `DECAY`.
        trunk_dropout: of a trunk that is trained; the head's stays as it is built.
        norm_momentum: of batch norms; 0.01 lags behind for the whole of a short training.
        balanced: weigh the classes as if each were as common; `unbalance` undoes it in the answers.
        precision: "fp32", or "bf16" for mixed precision.
        seed: of all that is drawn.
    """

    epochs: int = 40
    patience: int = 10
    batch: int = 8
    learning_rate: float = 1e-3
    taken_rate: float = 0.1
    weight_decay: float | None = None
    trunk_dropout: float = 0.0
    norm_momentum: float = 0.05
    balanced: bool = True
    precision: str = "fp32"
    seed: int = 0


@dataclass(frozen=True)
class Group:
    """Layers that are trained from one epoch on, at a rate of their own.

    By their names ("" is the whole network), for training puts others in some layers' places.
    """

    layers: tuple[str, ...]
    rate: float
    from_epoch: int = 0


class Classifier(Optimised):
    """A `loop.Task`: cross-entropy, AdamW, a learning rate that rises and falls (cosine).

    Args:
        network: what is trained.
        answer: features and logits of a batch, by that network.
        groups: its layers; those of none stay as they are.
        samples: what it is trained on, with `labels` (N,) class indices.
        training, validation: which of them (numbers).
        classes: how many there are.
        recipe: the numbers.
        world: the processes that share each batch.

    Raises:
        InputError: too few samples to norm, or for the processes to share.
    """

    def __init__(
        self,
        network: nn.Module,
        answer: Callable[[Tensor], NetworkOutput],
        groups: Sequence[Group],
        *,
        samples: Samples,
        labels: np.ndarray,
        training: np.ndarray,
        validation: np.ndarray,
        classes: int,
        recipe: Recipe,
        world: World,
    ) -> None:
        _check_batches(len(training), recipe.batch, world.size)
        self.network, self.groups, self.recipe, self.world = network, groups, recipe, world
        self.samples, self.labels = samples, labels
        self.training, self.validation = training, validation
        self._answer = answer
        self._position = Position(seed=recipe.seed)
        seed_dropouts(network, self._position)
        if world.size > 1:
            share_norms(network)
        for layer in network.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.momentum = recipe.norm_momentum
        self.device = device_of(network)
        self.class_weights = _class_weights(labels[training], classes, recipe.balanced)
        idle = set(_idle_biases(network))
        self._optimiser = torch.optim.AdamW(
            [{"params": [w for w in self._weights(group) if w not in idle]} for group in groups],
            weight_decay=DECAY if recipe.weight_decay is None else recipe.weight_decay,
        )
        self._ahead = Ahead()

    def steps(self, epoch: int) -> int:
        return len(self._batches(epoch))

    def step(self, epoch: int, number: int) -> Mapping[str, float]:
        batches = self._batches(epoch)
        self._set_out(epoch, number, len(batches))
        chosen = batches[number]
        share = self.world.share(len(chosen))
        self._position.step = epoch * len(batches) + number
        self._position.start, self._position.total = share.start, len(chosen)
        x = self._ahead.get((epoch, number), partial(self._input, epoch, chosen[share]))
        if number + 1 < len(batches):
            following = batches[number + 1]
            following = following[self.world.share(len(following))]
            self._ahead.begin((epoch, number + 1), partial(self._input, epoch, following))
        y = torch.from_numpy(self.labels[chosen])
        loss = self._loss(self._logits(x), y[share], self.class_weights[y].sum())
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.world.sum_gradients(self.network.parameters())
        self._optimiser.step()
        return {"loss": float(self.world.summed(loss.detach()))}

    def validate(self) -> Mapping[str, float]:
        logits = torch.from_numpy(self.answers(self.validation)[0]).float()
        y = self.labels[self.validation]
        weight = self.class_weights[y].sum()
        measured = {
            "validation loss": float(
                self._loss(logits.to(self.device), torch.from_numpy(y), weight)
            )
        }
        if len(self.class_weights) == 2 and len(set(y.tolist())) == 2:
            measured["validation AUC"] = auc(y, log_odds(logits.numpy(), 1))
        return measured

    @torch.no_grad()
    def answers(self, chosen: np.ndarray, *, batch: int = 16) -> tuple[np.ndarray, np.ndarray]:
        """Logits (n, classes) and features (n, D) in eval mode, float64, in every process."""
        self.network.eval()
        parts = np.array_split(chosen, max(math.ceil(len(chosen) / batch), 1))
        mine = range(self.world.rank, len(parts), self.world.size)
        found = {n: self._answer(self.samples.plain(parts[n]).to(self.device)) for n in mine}
        return tuple(  # type: ignore[return-value]
            self._gathered(parts, {n: answer[i] for n, answer in found.items()}) for i in (1, 0)
        )

    def _batches(self, epoch: int) -> list[np.ndarray]:
        """The epoch's batches, which differ in size by one at most."""
        random = np.random.default_rng((self.recipe.seed, 0, epoch))
        order = random.permutation(self.training)
        return np.array_split(order, _batch_count(len(order), self.recipe.batch))

    def _set_out(self, epoch: int, number: int, steps: int) -> None:
        """Rates and modes for a step: they follow from where it stands."""
        rate = self.recipe.learning_rate * _rate((epoch + number / steps) / self.recipe.epochs)
        self.network.train()
        for group, options in zip(self.groups, self._optimiser.param_groups, strict=True):
            trained = epoch >= group.from_epoch
            for layer in self._layers(group):
                layer.train(trained).requires_grad_(trained)
            options["lr"] = rate * group.rate

    def _layers(self, group: Group) -> list[nn.Module]:
        return [self.network.get_submodule(name) for name in group.layers]

    def _weights(self, group: Group) -> Iterator[nn.Parameter]:
        for layer in self._layers(group):
            yield from layer.parameters()

    def _input(self, epoch: int, chosen: np.ndarray) -> Tensor:
        return self.samples.augmented(chosen, epoch)

    def _logits(self, x: Tensor) -> Tensor:
        mixed = self.recipe.precision == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=mixed):
            return self._answer(x.to(self.device)).logits.float()

    def _loss(self, logits: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        """The weighted cross-entropy of some samples, of a batch whose weights sum to `weight`."""
        summed = nn.functional.cross_entropy(
            logits, y.to(self.device), self.class_weights.to(self.device), reduction="sum"
        )
        return summed / weight.to(self.device)

    def _gathered(self, parts: list[np.ndarray], mine: Mapping[int, Tensor]) -> np.ndarray:
        """What each process has of some parts, put together in every process."""
        width = next(iter(mine.values())).shape[1] if mine else 0
        width = int(self.world.largest(width))
        rows = torch.zeros(sum(map(len, parts)), width, dtype=torch.float64)
        starts = np.cumsum([0, *map(len, parts)])
        for number, values in mine.items():
            rows[starts[number] : starts[number + 1]] = torch.from_numpy(float64_of(values))
        return self.world.summed(rows).numpy()


def groups_of(
    network: nn.Module, recipe: Recipe, *, freeze: str, taken: Collection[str]
) -> list[Group]:
    """What of a network with a trunk and a head is trained, and from when on.

    Args:
        network: a `TrunkAndHead`.
        recipe: the numbers.
        freeze: "none" trains all from the start; "gradual" the head alone for a quarter of the
            epochs, then one more convolution, from the last to the first, each eighth of them
            (after Howard and Ruder, ACL 2018, arXiv:1801.06146, section 3.3).
        taken: which of "trunk", "head.before" and "head.after" were learnt elsewhere; all others
            learn at full rate.
    """
    blocks = list(_blocks(network.get_submodule("trunk")))
    rate = recipe.taken_rate if "trunk" in taken else 1.0
    starts = [0] * len(blocks)
    if freeze == "gradual":
        starts = [round(recipe.epochs * (0.25 + 0.125 * n)) for n in range(len(blocks))]
    for layer in network.get_submodule("trunk").children():
        if isinstance(layer, nn.Dropout):
            layer.p = recipe.trunk_dropout
    trunk = zip(reversed(blocks), starts, strict=True)
    head = head_groups(recipe, taken=taken, prefix="head.")
    return [*head, *(Group(block, rate, start) for block, start in trunk)]


def head_groups(recipe: Recipe, *, taken: Collection[str], prefix: str = "") -> list[Group]:
    """The two parts of a `Head`, each at the rate that is due to it; see `groups_of`."""
    rates = {
        part: recipe.taken_rate if f"head.{part}" in taken else 1.0 for part in ("before", "after")
    }
    return [Group((prefix + part,), rate) for part, rate in rates.items()]


def unbalance(network: nn.Module, class_weights: Tensor) -> None:
    """Take what weighing the classes did to the answers off the last layer's biases.

    A network trained with weights w answers as if class c were w_c times as common; its logits
    are then too high by log w_c (Saerens et al., Neural Computation 2002;14:21).
    """
    last = [layer for layer in network.modules() if getattr(layer, "bias", None) is not None][-1]
    with torch.no_grad():
        last.get_parameter("bias").sub_(class_weights.log().to(last.get_parameter("bias").device))


def _blocks(trunk: nn.Module) -> Iterator[tuple[str, ...]]:
    """The names of the trunk's layers, each convolution with what follows it."""
    block: list[str] = []
    for name, layer in trunk.named_children():
        if isinstance(layer, nn.Conv3d) and block:
            yield tuple(block)
            block = []
        block.append(f"trunk.{name}")
    yield tuple(block)


def _idle_biases(network: nn.Module) -> Iterator[nn.Parameter]:
    """Biases that a batch norm takes off again.

    Their gradient is nothing but rounding, which Adam would blow up to steps of full length.
    """
    layers = [layer for layer in network.modules() if not any(layer.children())]
    for layer, following in itertools.pairwise(layers):  # in the order in which they work
        bias = getattr(layer, "bias", None)
        if bias is not None and isinstance(following, nn.modules.batchnorm._BatchNorm):
            yield bias


def _batch_count(samples: int, batch: int) -> int:
    """How many batches: of one sample more than asked, where one would be left alone, unnormed."""
    return max(min(math.ceil(samples / batch), samples // 2), 1)


def _check_batches(samples: int, batch: int, processes: int) -> None:
    if samples < 2:
        raise InputError(f"Training needs two cases at least, not {samples}.")
    least = samples // _batch_count(samples, batch)
    if processes > least:
        raise InputError(
            f"{processes} processes cannot share a batch of {least}: start fewer, or raise --batch."
        )


def _class_weights(labels: np.ndarray, classes: int, balanced: bool) -> Tensor:
    if not balanced:
        return torch.ones(classes)
    counts = np.bincount(labels, minlength=classes)
    return torch.from_numpy((len(labels) / (classes * np.maximum(counts, 1))).astype(np.float32))


def _rate(done: float) -> float:
    """The learning rate as a share of its highest, where `done` (0 to 1) of the epochs are over."""
    if done < WARM_UP:
        return max(done / WARM_UP, LAST_RATE)
    falling = (done - WARM_UP) / (1 - WARM_UP)
    return LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * falling)) / 2
