"""Training of a classifier, read from top to bottom."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from ..networks.parts import Answer
from ..networks.seeded_dropout import Position, seed_dropouts
from ..networks.shared_norm import share_norms
from ..statistics.calibration import log_odds
from ..statistics.discrimination import auc
from .checkpoint import load_optimiser, load_weights, optimiser_tensors
from .samples import Ahead, Samples
from .world import World

WARM_UP = 0.1  # share of the training in which the learning rate rises
LAST_RATE = 0.01  # of the learning rate, at the end


@dataclass(frozen=True)
class Recipe:
    """How to train: every number that changes the result.

    Attributes:
        epochs: at most; `patience`: without a better validation loss; 0 never ends early.
        batch: samples of an update, over all processes.
        learning_rate: of the head; `trunk_rate`: times that, of a trunk taken from elsewhere.
        weight_decay: of AdamW.
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
    trunk_rate: float = 0.1
    weight_decay: float = 1e-3
    trunk_dropout: float = 0.0
    norm_momentum: float = 0.05
    balanced: bool = True
    precision: str = "fp32"
    seed: int = 0


@dataclass(frozen=True)
class Group:
    """Layers that are trained from one epoch on, at a rate of their own."""

    layers: nn.Module
    rate: float
    from_epoch: int = 0


class Classifier:
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
    """

    def __init__(
        self,
        network: nn.Module,
        answer: Callable[[Tensor], Answer],
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
        self.device = next(network.parameters()).device
        self.class_weights = _class_weights(labels[training], classes, recipe.balanced)
        idle = set(_idle_biases(network))
        self._optimiser = torch.optim.AdamW(
            [{"params": [w for w in g.layers.parameters() if w not in idle]} for g in groups],
            weight_decay=recipe.weight_decay,
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
        measured = {"loss": float(self._loss(logits.to(self.device), torch.from_numpy(y), weight))}
        if len(self.class_weights) == 2 and len(set(y.tolist())) == 2:
            measured["AUC"] = auc(y, log_odds(logits.numpy(), 1))
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

    def weights(self) -> dict[str, Tensor]:
        return self.network.state_dict()

    def memory(self) -> dict[str, Tensor]:
        return optimiser_tensors(self._optimiser)

    def restore(self, weights: Mapping[str, Tensor], memory: Mapping[str, Tensor] | None) -> None:
        load_weights(self.network, weights)
        if memory is not None:
            load_optimiser(self._optimiser, memory)
        self.network.eval()

    def _batches(self, epoch: int) -> list[np.ndarray]:
        """The epoch's batches, which differ in size by one at most: none is too small to norm."""
        random = np.random.default_rng((self.recipe.seed, 0, epoch))
        order = random.permutation(self.training)
        count = min(math.ceil(len(order) / self.recipe.batch), len(order) // 2)
        return np.array_split(order, count)

    def _set_out(self, epoch: int, number: int, steps: int) -> None:
        """Rates and modes for a step: they follow from where it stands."""
        rate = self.recipe.learning_rate * _rate((epoch + number / steps) / self.recipe.epochs)
        self.network.train()
        for group, options in zip(self.groups, self._optimiser.param_groups, strict=True):
            trained = epoch >= group.from_epoch
            group.layers.train(trained).requires_grad_(trained)
            options["lr"] = rate * group.rate

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
            rows[starts[number] : starts[number + 1]] = values.double().cpu()
        return self.world.summed(rows.to(self.device)).cpu().numpy()


def groups_of(network: nn.Module, recipe: Recipe, *, freeze: str, fresh_trunk: bool) -> list[Group]:
    """What of a network with a trunk and a head is trained, and from when on.

    Args:
        network: a `TrunkAndHead`.
        recipe: the numbers.
        freeze: "none" trains all from the start; "gradual" the head alone for a quarter of the
            epochs, then one more convolution, from the last to the first, each eighth of them
            (after Howard and Ruder, ACL 2018, arXiv:1801.06146, section 3.3).
        fresh_trunk: its weights were not learnt anywhere, so that it learns at full rate.
    """
    blocks = list(_blocks(network.get_submodule("trunk")))
    rate = 1.0 if fresh_trunk else recipe.trunk_rate
    starts = [0] * len(blocks)
    if freeze == "gradual":
        starts = [round(recipe.epochs * (0.25 + 0.125 * n)) for n in range(len(blocks))]
    groups = [Group(network.get_submodule("head"), 1.0)]
    for block, start in zip(reversed(blocks), starts, strict=True):
        for layer in block:
            if isinstance(layer, nn.Dropout):
                layer.p = recipe.trunk_dropout
        groups.append(Group(nn.ModuleList(block), rate, start))
    return groups


def unbalance(network: nn.Module, class_weights: Tensor) -> None:
    """Take what weighing the classes did to the answers off the last layer's biases.

    A network trained with weights w answers as if class c were w_c times as common; its logits
    are then too high by log w_c (Saerens et al., Neural Computation 2002;14:21).
    """
    last = [layer for layer in network.modules() if getattr(layer, "bias", None) is not None][-1]
    with torch.no_grad():
        last.get_parameter("bias").sub_(class_weights.log().to(last.get_parameter("bias").device))


def _blocks(trunk: nn.Module) -> Iterator[list[nn.Module]]:
    """The trunk's layers, each convolution with what follows it."""
    block: list[nn.Module] = []
    for layer in trunk.children():
        if isinstance(layer, nn.Conv3d) and block:
            yield block
            block = []
        block.append(layer)
    yield block


def _idle_biases(network: nn.Module) -> Iterator[nn.Parameter]:
    """Biases that a batch norm takes off again.

    Their gradient is nothing but rounding, which Adam would blow up to steps of full length.
    """
    for layers in network.modules():
        if isinstance(layers, nn.Sequential):
            for layer, following in itertools.pairwise(layers):
                bias = getattr(layer, "bias", None)
                if bias is not None and isinstance(following, nn.modules.batchnorm._BatchNorm):
                    yield bias


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
