"""The task of a classifier: loss, optimizer, learning rates and batches."""

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
from ..checkpoint import SingleOptimizerTask
from ..distributed import DistributedContext
from ..loop import cosine_rate
from ..samples import Prefetcher, Samples
from .options import DECAY, Recipe


@dataclass(frozen=True)
class Group:
    """Layers with one learning rate, trained from one epoch on.

    By their names ("" is the whole network), for training may replace layers.
    """

    layers: tuple[str, ...]
    rate: float
    from_epoch: int = 0


class Classifier(SingleOptimizerTask):
    """A `loop.Task`: cross-entropy, AdamW, a learning rate that rises and falls (cosine).

    Args:
        network: what is trained.
        predict: returns features and logits of a batch, by that network.
        groups: its layers; layers of no group are frozen.
        samples: its inputs, with `labels` (N,) class indices.
        training, validation: indices of samples.
        classes: their number.
        recipe: of the optimization.
        context: the processes that share each batch.

    Raises:
        InputError: there are too few samples for batch norms, or for the processes to share.
    """

    def __init__(
        self,
        network: nn.Module,
        predict: Callable[[Tensor], NetworkOutput],
        groups: Sequence[Group],
        *,
        samples: Samples,
        labels: np.ndarray,
        training: np.ndarray,
        validation: np.ndarray,
        classes: int,
        recipe: Recipe,
        context: DistributedContext,
    ) -> None:
        _check_batches(len(training), recipe.batch, context.size)
        self.network, self.groups, self.recipe, self.context = network, groups, recipe, context
        self.samples, self.labels = samples, labels
        self.training, self.validation = training, validation
        self._forward = predict
        self._position = Position(seed=recipe.seed)
        seed_dropouts(network, self._position)
        if context.size > 1:
            share_norms(network)
        for layer in network.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.momentum = recipe.norm_momentum
        self.device = device_of(network)
        self.class_weights = _class_weights(labels[training], classes, recipe.class_weights)
        unused = set(_unused_biases(network))
        self._optimizer = torch.optim.AdamW(
            [{"params": [w for w in self._weights(group) if w not in unused]} for group in groups],
            weight_decay=DECAY if recipe.weight_decay is None else recipe.weight_decay,
        )
        self._prefetcher = Prefetcher(self.device)

    def steps(self, epoch: int) -> int:
        return len(self._batches(epoch))

    def step(self, epoch: int, number: int) -> Mapping[str, float]:
        batches = self._batches(epoch)
        self._set_rates(epoch, number, len(batches))
        chosen = batches[number]
        share = self.context.share(len(chosen))
        self._position.step = epoch * len(batches) + number
        self._position.start, self._position.total = share.start, len(chosen)
        x = self._prefetcher.get(epoch, number, len(batches), partial(self._input, epoch))
        y = torch.from_numpy(self.labels[chosen])
        loss = self._loss(self._logits(x), y[share], self.class_weights[y].sum())
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.context.all_reduce_gradients(self.network.parameters())
        self._optimizer.step()
        return {"loss": float(self.context.all_reduce_sum(loss.detach()))}

    def validate(self) -> Mapping[str, float]:
        logits = torch.from_numpy(self.predict(self.validation)[0]).float()
        y = self.labels[self.validation]
        weight = self.class_weights[y].sum()
        metrics = {
            "validation loss": float(
                self._loss(logits.to(self.device), torch.from_numpy(y), weight)
            )
        }
        if len(self.class_weights) == 2 and len(set(y.tolist())) == 2:
            metrics["validation AUC"] = auc(y, log_odds(logits.numpy(), 1))
        return metrics

    @torch.no_grad()
    def predict(self, chosen: np.ndarray, *, batch: int = 16) -> tuple[np.ndarray, np.ndarray]:
        """Return logits (n, classes) and features (n, D) in eval mode, float64, in each process."""
        self.network.eval()
        parts = np.array_split(chosen, max(math.ceil(len(chosen) / batch), 1))
        numbers = range(self.context.rank, len(parts), self.context.size)
        local = {n: self._forward(self.samples.plain(parts[n]).to(self.device)) for n in numbers}
        return tuple(  # type: ignore[return-value]
            self._gathered(parts, {n: both[i] for n, both in local.items()}) for i in (1, 0)
        )

    def _batches(self, epoch: int) -> list[np.ndarray]:
        """Return the epoch's batches, which differ in size by one at most."""
        random = np.random.default_rng((self.recipe.seed, 0, epoch))
        order = random.permutation(self.training)
        return np.array_split(order, _batch_count(len(order), self.recipe.batch))

    def _set_rates(self, epoch: int, number: int, steps: int) -> None:
        """Set learning rates and modes of the layers, which follow from the position."""
        rate = self.recipe.learning_rate * cosine_rate(
            (epoch + number / steps) / self.recipe.epochs
        )
        self.network.train()
        for group, options in zip(self.groups, self._optimizer.param_groups, strict=True):
            trained = epoch >= group.from_epoch
            for layer in self._layers(group):
                layer.train(trained).requires_grad_(trained)
            options["lr"] = rate * group.rate

    def _layers(self, group: Group) -> list[nn.Module]:
        return [self.network.get_submodule(name) for name in group.layers]

    def _weights(self, group: Group) -> Iterator[nn.Parameter]:
        for layer in self._layers(group):
            yield from layer.parameters()

    def _input(self, epoch: int, number: int) -> Tensor:
        """Return this process's share of a batch."""
        chosen = self._batches(epoch)[number]
        return self.samples.augmented(chosen[self.context.share(len(chosen))], epoch)

    def _logits(self, x: Tensor) -> Tensor:
        mixed = self.recipe.precision == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=mixed):
            return self._forward(x.to(self.device)).logits.float()

    def _loss(self, logits: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        """Return the weighted cross-entropy of samples of a batch whose weights sum to `weight`."""
        all_reduce_sum = nn.functional.cross_entropy(
            logits, y.to(self.device), self.class_weights.to(self.device), reduction="sum"
        )
        return all_reduce_sum / weight.to(self.device)

    def _gathered(self, parts: list[np.ndarray], local: Mapping[int, Tensor]) -> np.ndarray:
        """Return the rows of all parts, gathered from all processes, in each process."""
        width = next(iter(local.values())).shape[1] if local else 0
        width = int(self.context.all_reduce_max(width))
        rows = torch.zeros(sum(map(len, parts)), width, dtype=torch.float64)
        starts = np.cumsum([0, *map(len, parts)])
        for number, values in local.items():
            rows[starts[number] : starts[number + 1]] = torch.from_numpy(float64_of(values))
        return self.context.all_reduce_sum(rows).numpy()


def layer_groups(
    network: nn.Module, recipe: Recipe, *, freeze: str, pretrained: Collection[str]
) -> list[Group]:
    """Return the layer groups of a network with a trunk and a head.

    Args:
        network: a `TrunkAndHead`.
        recipe: of the optimization.
        freeze: "none" trains all from the start; "gradual" the head alone for a quarter of the
            epochs, then one more convolution, from the last to the first, each eighth of them
            (after Howard and Ruder, ACL 2018, arXiv:1801.06146, section 3.3).
        pretrained: those of "trunk", "head.before" and "head.after" with pretrained weights, which
            have a lower rate.
    """
    blocks = list(_blocks(network.get_submodule("trunk")))
    rate = recipe.pretrained_lr_factor if "trunk" in pretrained else 1.0
    starts = [0] * len(blocks)
    if freeze == "gradual":
        starts = [round(recipe.epochs * (0.25 + 0.125 * n)) for n in range(len(blocks))]
    for layer in network.get_submodule("trunk").children():
        if isinstance(layer, nn.Dropout):
            layer.p = recipe.trunk_dropout
    trunk = zip(reversed(blocks), starts, strict=True)
    head = head_groups(recipe, pretrained=pretrained, prefix="head.")
    return [*head, *(Group(block, rate, start) for block, start in trunk)]


def head_groups(recipe: Recipe, *, pretrained: Collection[str], prefix: str = "") -> list[Group]:
    """Return the groups of the two parts of a `Head`; see `layer_groups`."""
    rates = {
        part: recipe.pretrained_lr_factor if f"head.{part}" in pretrained else 1.0
        for part in ("before", "after")
    }
    return [Group((prefix + part,), rate) for part, rate in rates.items()]


def correct_prior(network: nn.Module, class_weights: Tensor) -> None:
    """Correct the last layer's biases for the class weights of the loss.

    A network trained with weights w predicts as if class c were w_c times as common: its logits
    are too high by log w_c (prior correction, Saerens et al., Neural Computation 2002;14:21).
    """
    last = [layer for layer in network.modules() if getattr(layer, "bias", None) is not None][-1]
    with torch.no_grad():
        last.get_parameter("bias").sub_(class_weights.log().to(last.get_parameter("bias").device))


def _blocks(trunk: nn.Module) -> Iterator[tuple[str, ...]]:
    """Yield the names of the trunk's layers, each convolution with the layers that follow it."""
    block: list[str] = []
    for name, layer in trunk.named_children():
        if isinstance(layer, nn.Conv3d) and block:
            yield tuple(block)
            block = []
        block.append(f"trunk.{name}")
    yield tuple(block)


def _unused_biases(network: nn.Module) -> Iterator[nn.Parameter]:
    """Yield biases that a batch norm subtracts again.

    Their gradient consists of rounding errors, which Adam would scale to steps of full length.
    """
    layers = [layer for layer in network.modules() if not any(layer.children())]
    for layer, following in itertools.pairwise(layers):  # in the order of computation
        bias = getattr(layer, "bias", None)
        if bias is not None and isinstance(following, nn.modules.batchnorm._BatchNorm):
            yield bias


def _batch_count(samples: int, batch: int) -> int:
    """Return the number of batches; a last batch of one sample, which has no norm, is avoided."""
    return max(min(math.ceil(samples / batch), samples // 2), 1)


def _check_batches(samples: int, batch: int, processes: int) -> None:
    if samples < 2:
        raise InputError(f"Training needs two cases at least, not {samples}.")
    least = samples // _batch_count(samples, batch)
    if processes > least:
        raise InputError(
            f"{processes} processes cannot share a batch of {least}: start fewer, or raise --batch."
        )


def _class_weights(labels: np.ndarray, classes: int, weighted: bool) -> Tensor:
    """Return weights (classes,) by the inverse of the classes' frequency, or ones."""
    if not weighted:
        return torch.ones(classes)
    counts = np.bincount(labels, minlength=classes)
    return torch.from_numpy((len(labels) / (classes * np.maximum(counts, 1))).astype(np.float32))
