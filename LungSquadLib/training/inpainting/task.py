"""Training of a translator against its critic, read from top to bottom.

Isola et al. 2017 (arXiv:1611.07004), section 3: the generator is to come near the true image (L1)
and to look real to a critic of patches (here least squares, Mao et al. 2017, arXiv:1611.04076).
Added are two things: only the hole counts, and the tumour's mean HU must be what was asked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import InputError
from ...networks.devices import device_of
from ...networks.inpainting import Inpainter, PatchDiscriminator
from ..checkpoint import load_optimiser, load_weights, optimiser_tensors, part, prefixed
from ..classifier.samples import Ahead
from ..distributed import World
from .data import CT, GRAIN, HOLE, MASK, Hollows

WARM_UP = 0.05  # share of the training in which the rate rises
LAST_RATE = 0.02  # of the learning rate, at the end
PATCH = 4  # voxels of the input a side that one number of the critic's stands for
OPEN = 0.1  # share of the samples whose class is left open


@dataclass(frozen=True)
class Recipe:
    """How to train: every number that changes the result.

    Attributes:
        epochs: passes over the training cases.
        batch: cubes of an update, over all processes.
        learning_rate: of both networks.
        alone: share of the epochs before the critic has a say: there is nothing to judge yet.
        near: weight of the L1 distance, as in the paper; `asked` of the mean HU's error.
        tumour: how much more a voxel of the tumour counts than one of the band round it.
        seed: of all that is drawn.
    """

    epochs: int = 40
    batch: int = 2
    learning_rate: float = 3e-3
    alone: float = 0.4
    near: float = 100.0
    asked: float = 50.0
    tumour: float = 2.0
    seed: int = 0


class Translation:
    """A `loop.Task`: generator and critic by turns, Adam, a rate that rises and falls (cosine).

    Args:
        network: what is trained.
        samples: what it is trained on.
        labels: (N,) class of each case; -1 where there is none.
        training, validation: which of them (numbers).
        recipe: the numbers.
        world: the processes that share each batch.

    Raises:
        InputError: there are too many processes for the batches.
    """

    def __init__(
        self,
        network: Inpainter,
        samples: Hollows,
        *,
        labels: np.ndarray,
        training: np.ndarray,
        validation: np.ndarray,
        recipe: Recipe,
        world: World,
    ) -> None:
        self.network, self.samples, self.labels = network, samples, labels
        self.training, self.validation = training, validation
        self.recipe, self.world = recipe, world
        if world.size > (fewest := min(map(len, self._batches(0)))):
            raise InputError(
                f"{world.size} processes cannot share a batch of {fewest}: start fewer, or raise "
                "--batch."
            )
        self.device = device_of(network)
        self.critic = PatchDiscriminator(classes=network.classes).to(
            self.device,
            memory_format=torch.channels_last_3d,  # type: ignore[call-overload]
        )
        self._optimiser, self._critics = (
            torch.optim.Adam(own.parameters(), betas=(0.9, 0.99)) for own in (network, self.critic)
        )
        self._ahead = Ahead()

    def steps(self, epoch: int) -> int:
        return len(self._batches(epoch))

    def step(self, epoch: int, number: int) -> Mapping[str, float]:
        batches = self._batches(epoch)
        done = (epoch + number / len(batches)) / self.recipe.epochs
        for optimiser in (self._optimiser, self._critics):
            optimiser.param_groups[0]["lr"] = self.recipe.learning_rate * _rate(done)
        chosen = self._share(batches[number])
        x = self._ahead.get((epoch, number), partial(self.samples.augmented, chosen, epoch))
        if number + 1 < len(batches):
            following = self._share(batches[number + 1])
            self._ahead.begin(
                (epoch, number + 1), partial(self.samples.augmented, following, epoch)
            )
        whole = len(batches[number])
        judged = epoch >= round(self.recipe.alone * self.recipe.epochs)
        told = self._update(
            Sample.of(x.to(self.device), self._labels(chosen, epoch)), whole, judged
        )
        names = ("distance", "HU", "looks", "critic")
        return dict(zip(names, self.world.summed(told).tolist(), strict=True))

    @torch.no_grad()
    def validate(self) -> Mapping[str, float]:
        """Mean error in HU: of the voxels of the hole ("loss"), and of the tumours' means."""
        self.network.eval()
        errors = torch.zeros(2)
        for number in self.validation[self.world.rank :: self.world.size].tolist():
            chosen = np.array([number])
            x = self.samples.plain(chosen).to(self.device)
            sample = Sample.of(x, torch.from_numpy(self.labels[chosen]).to(self.device))
            painted = sample.painted(self.network)
            distance = _mean((painted - sample.ct).abs(), sample.hole)
            errors += torch.stack([distance, sample.wrong(painted)])[:, 0].cpu()
        spec = self.samples.spec
        errors = self.world.summed(errors) * (spec.hu_high - spec.hu_low) / len(self.validation)
        return dict(zip(("validation loss", "validation HU"), errors.tolist(), strict=True))

    def weights(self) -> dict[str, Tensor]:
        return self.network.state_dict()

    def memory(self) -> dict[str, Tensor]:
        return {
            **prefixed("optimiser.", optimiser_tensors(self._optimiser)),
            **prefixed("critic.", self.critic.state_dict()),
            **prefixed("critics.", optimiser_tensors(self._critics)),
        }

    def restore(self, weights: Mapping[str, Tensor], memory: Mapping[str, Tensor] | None) -> None:
        load_weights(self.network, weights)
        if memory is not None:
            load_optimiser(self._optimiser, part("optimiser.", memory))
            load_weights(self.critic, part("critic.", memory))
            load_optimiser(self._critics, part("critics.", memory))
        self.network.eval()

    def _update(self, sample: Sample, whole: int, judged: bool) -> Tensor:
        """A step of the generator, then one of the critic; a share of what `whole` samples give."""
        self.network.train()
        painted = sample.painted(self.network)
        weight = sample.hole * (1 + (self.recipe.tumour - 1) * sample.mask)
        distance = _mean((painted - sample.ct).abs(), weight).sum() / whole
        wrong = sample.wrong(painted).sum() / whole
        looks, error = torch.zeros_like(wrong), torch.zeros_like(wrong)
        shown = painted + sample.grain * sample.hole
        if judged:
            looks = sample.judged(self.critic, shown, 1.0).sum() / whole
        loss = self.recipe.near * distance + self.recipe.asked * wrong + looks
        self._follow(loss, self.network, self._optimiser)
        if judged:
            real = sample.judged(self.critic, sample.ct, 1.0)
            fake = sample.judged(self.critic, shown.detach(), 0.0)
            error = (real + fake).sum() / (2 * whole)
            self._follow(error, self.critic, self._critics)
        return torch.stack([distance, wrong, looks, error]).detach()

    def _follow(self, loss: Tensor, network: nn.Module, optimiser: torch.optim.Optimizer) -> None:
        optimiser.zero_grad(set_to_none=True)
        weights = list(network.parameters())
        gradients = torch.autograd.grad(loss, weights)  # of these alone, not of the other network
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient
        self.world.sum_gradients(weights)
        optimiser.step()

    def _batches(self, epoch: int) -> list[np.ndarray]:
        """The epoch's batches, which differ in size by one at most."""
        order = np.random.default_rng((self.recipe.seed, 0, epoch)).permutation(self.training)
        return np.array_split(order, math.ceil(len(order) / self.recipe.batch))

    def _share(self, chosen: np.ndarray) -> np.ndarray:
        return chosen[self.world.share(len(chosen))]

    def _labels(self, chosen: np.ndarray, epoch: int) -> Tensor:
        """The classes, of which some are left open, so that the network knows that too."""
        random = np.random.default_rng((self.recipe.seed, 4, epoch))
        kept = random.random(len(self.labels)) >= OPEN
        labels = np.where(kept, self.labels, -1)[chosen]
        return torch.from_numpy(labels).to(self.device)


@dataclass(frozen=True)
class Sample:
    """A batch taken apart: (N, 1, z, y, x) each, and the classes (N,)."""

    ct: Tensor
    mask: Tensor
    hole: Tensor
    grain: Tensor
    labels: Tensor

    @classmethod
    def of(cls, x: Tensor, labels: Tensor) -> Sample:
        """What `Hollows` stacked."""
        ct, mask, hole, noise = (x[:, n : n + 1] for n in (CT, MASK, HOLE, GRAIN))
        return cls(ct, mask, hole, noise, labels)

    @property
    def asked(self) -> Tensor:
        """The mean of each true tumour (N,)."""
        return _mean(self.ct, self.mask)

    def painted(self, network: Inpainter) -> Tensor:
        """What the network makes of it."""
        painted: Tensor = network(
            self.ct, self.mask, region=self.hole, mean=self.asked, labels=self.labels
        )
        return painted

    def wrong(self, painted: Tensor) -> Tensor:
        """How far each painted tumour's mean is from what was asked (N,)."""
        return (_mean(painted, self.mask) - self.asked).abs()

    def judged(self, critic: PatchDiscriminator, ct: Tensor, wanted: float) -> Tensor:
        """The critic's squared error of each sample (N,), over patches that the hole touches."""
        verdict = critic(ct, self.mask, region=self.hole, labels=self.labels)
        touched = nn.functional.max_pool3d(self.hole, PATCH)
        return _mean((verdict - wanted) ** 2, touched)


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    """The weighted mean of each sample (N,)."""
    axes: Any = tuple(range(1, values.ndim))
    return (values * weight).sum(axes) / weight.sum(axes).clamp(min=1)


def _rate(done: float) -> float:
    """The learning rate as a share of its highest, with `done` (0 to 1) of the training over."""
    if done < WARM_UP:
        return max(done / WARM_UP, LAST_RATE)
    falling = (done - WARM_UP) / (1 - WARM_UP)
    return LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * falling)) / 2
