"""The task of the progressive GAN (Karras et al. 2017, arXiv:1710.10196).

One update of the critic and one of the generator for each minibatch; WGAN-GP (Gulrajani et al.
2017, arXiv:1704.00028) with the paper's drift term, or the logistic loss with a penalty of the
slope at real images (R1, Mescheder et al. 2018, arXiv:1801.04406). The result is a running average
of the generator's weights. With few patients the critic overfits: images are augmented before it
sees them, with a probability that follows its overfitting to held-out patients (ADA, Karras et al.
2020, arXiv:2006.06676, section 3.1, equation 1, first heuristic).
"""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...networks.devices import device_of
from ...networks.progressive import GROUP, Critic, Generator, downsampled
from ...networks.seeded_dropout import mixed
from ..checkpoint import load_optimizer, load_weights, optimizer_tensors, part, prefixed
from ..distributed import DistributedContext
from .ada import DRAWN, MOST, augment
from .data import ImageSet
from .growth import Growth, Tick
from .options import Loss

_MEASURED = 64  # images of each kind that the critic scores after a tick


@dataclass(frozen=True)
class GanRecipe:
    """The optimization of a GAN.

    Attributes:
        learning_rate, betas: of Adam.
        loss: "wasserstein" or "logistic".
        penalty: weight of the gradient penalty of WGAN-GP (lambda).
        slope: weight of the logistic loss's squared slope at real images (gamma, halved).
        penalty_interval: updates of the critic from one penalty to the next, which weighs as many
            times more (Karras et al. 2019, arXiv:1912.04958, section 3.1).
        drift: weight of the critic's squared scores of real images, for WGAN-GP.
        average: decay of the running average of the generator's weights, per update.
        overfit: overfitting of the critic, 0 to 1, above which `p_augment` rises.
        patience: images in which `p_augment` can rise from 0 to 1.
        seed: of all random numbers.
    """

    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.0, 0.99)
    loss: Loss = "wasserstein"
    penalty: float = 10.0
    slope: float = 1.0
    penalty_interval: int = 1
    drift: float = 1e-3
    average: float = 0.999
    overfit: float = 0.5
    patience: int = 500_000
    seed: int = 0


class Gan:
    """A `loop.Task` whose epochs are the ticks of a `Growth`.

    Args:
        generator, critic: what is trained.
        growth: which level is trained when.
        training: images; `held_out`: of other patients, to measure overfitting.
        recipe: of the optimization.
        context: the processes that share each minibatch, in groups of four images.
    """

    def __init__(
        self,
        generator: Generator,
        critic: Critic,
        growth: Growth,
        *,
        training: ImageSet,
        held_out: ImageSet,
        recipe: GanRecipe,
        context: DistributedContext,
    ) -> None:
        self.generator, self.critic, self.growth = generator, critic, growth
        self.average = copy.deepcopy(generator).eval().requires_grad_(False)
        self.training, self.held_out = training, held_out
        self.recipe, self.context = recipe, context
        self.device = device_of(generator)
        self.p_augment = 0.0  # probability of each augmentation of an image
        self._tick = growth.ticks[0]
        self._tick_start = time.monotonic()
        self._optimizers = {
            name: torch.optim.Adam(network.parameters(), recipe.learning_rate, recipe.betas)
            for name, network in (("generator", generator), ("critic", critic))
        }

    def steps(self, epoch: int) -> int:
        self._tick, self._tick_start = self.growth.ticks[epoch], time.monotonic()
        return self._tick.steps

    def step(self, epoch: int, number: int) -> Mapping[str, float]:
        at = self.growth.ticks[epoch]
        images_seen, alpha = at.start + number * at.batch, at.alpha(number)
        groups = self.context.share(at.batch // GROUP)
        share = slice(groups.start * GROUP, groups.stop * GROUP)
        real = self._real(at, images_seen)
        real = ImageSet(
            self._levelled(real.images[share], at.level, alpha),
            None if real.labels is None else real.labels[share],
        )
        critic = self._train_critic(real, at, images_seen, share, alpha)
        generator = self._train_generator(real.labels, at, images_seen, share, alpha)
        with torch.no_grad():
            for kept, now in zip(
                self.average.parameters(), self.generator.parameters(), strict=True
            ):
                kept.lerp_(now, 1 - self.recipe.average)
        return {"critic": self._total(critic), "generator": self._total(generator)}

    def _train_critic(
        self, real: ImageSet, at: Tick, images_seen: int, share: slice, alpha: float
    ) -> Tensor:
        """Update the critic: high scores of real images, low of generated ones, a small slope."""
        with torch.no_grad():
            fake = self.generator(
                self._latents(images_seen, 0, at.batch)[share],
                real.labels,
                level=at.level,
                alpha=alpha,
            )
        real_augmented = self._augmented(real.images, images_seen, 0, at.batch, share)
        fake_augmented = self._augmented(fake, images_seen, 1, at.batch, share)
        random = self._random(images_seen, 2)
        where = torch.rand(at.batch, 1, 1, 1, generator=random)[share].to(fake)
        critic = partial(self.critic, labels=real.labels, level=at.level, alpha=alpha)
        penalty: Tensor | float = 0.0
        if images_seen // at.batch % self.recipe.penalty_interval == 0:
            between = torch.lerp(real_augmented, fake_augmented, where)
            penalty = self.recipe.penalty_interval * (
                squared_slope(critic, real_augmented)
                if self.recipe.loss == "logistic"
                else gradient_penalty(critic, between)
            )
        up, down = critic(real_augmented), critic(fake_augmented)
        if self.recipe.loss == "logistic":
            loss = functional.softplus(down) + functional.softplus(-up)
            loss = loss + self.recipe.slope / 2 * penalty
        else:
            loss = down - up + self.recipe.penalty * penalty + self.recipe.drift * up.square()
        return self._update("critic", self.critic, loss.sum() / at.batch)

    def _train_generator(
        self, labels: Tensor | None, at: Tick, images_seen: int, share: slice, alpha: float
    ) -> Tensor:
        """Update the generator: high scores of its images."""
        z = self._latents(images_seen, 1, at.batch)[share]
        fake = self.generator(z, labels, level=at.level, alpha=alpha)
        seen = self._augmented(fake, images_seen, 3, at.batch, share)
        self.critic.requires_grad_(False)
        lost = -self.critic(seen, labels, level=at.level, alpha=alpha)
        lost = functional.softplus(lost) if self.recipe.loss == "logistic" else lost
        loss = self._update("generator", self.generator, lost.sum() / at.batch)
        self.critic.requires_grad_(True)
        return loss

    def _update(self, name: str, network: torch.nn.Module, loss: Tensor) -> Tensor:
        optimizer = self._optimizers[name]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.context.all_reduce_gradients(network.parameters())
        optimizer.step()
        return loss.detach()

    @torch.no_grad()
    def validate(self) -> Mapping[str, float]:
        """Return the gap between the scores of real and generated images, and the overfitting."""
        at, images_seen = self._tick, self._tick.stop
        alpha = at.alpha(at.steps)
        count = min(_MEASURED, len(self.training.images), len(self.held_out.images))
        scores = {}
        for kind, images_ in (("training", self.training), ("held out", self.held_out)):
            some = images_.subset(_order(len(images_.images), self.recipe.seed, 0)[:count])
            images = self._levelled(some.images, at.level, alpha)
            scores[kind] = self._score(images, some.labels, at.level, alpha)
            if kind == "training":
                z = self._latents(images_seen, 2, count)
                fake = self.generator(z, some.labels, level=at.level, alpha=alpha)
                scores["generated"] = self._score(fake, some.labels, at.level, alpha)
        gap = scores["training"] - scores["generated"]
        overfit = (scores["training"] - scores["held out"]) / (abs(gap) + 1e-6)
        self._adapt_augmentation(overfit > self.recipe.overfit, at)
        tick_images = at.steps * at.batch
        return {
            "images": float(images_seen),
            "resolution": float(at.resolution),
            "alpha": alpha,
            "gap": gap,
            "overfit": overfit,
            "p_augment": self.p_augment,
            "s per 1000": (time.monotonic() - self._tick_start) / tick_images * 1000,
            "memory MB": _memory_mb(),
        }

    def _score(self, images: Tensor, labels: Tensor | None, level: int, alpha: float) -> float:
        return float(self.critic(images, labels, level=level, alpha=alpha).mean())

    def _adapt_augmentation(self, more: bool, at: Tick) -> None:
        step = at.steps * at.batch / self.recipe.patience
        self.p_augment = min(max(self.p_augment + (step if more else -step), 0.0), MOST)

    @torch.no_grad()
    def samples(self, count: int) -> Tensor:
        """Return images of the average generator for fixed latents, of each class in turn."""
        at, classes = self._tick, self.generator.classes
        z = self._latents(0, 3, count)
        labels = torch.arange(count) % classes if classes else None
        return self.average(z, labels, level=at.level, alpha=at.alpha(at.steps))

    def weights(self) -> dict[str, Tensor]:
        networks = {
            "average.": self.average,
            "generator.": self.generator,
            "critic.": self.critic,
        }
        return {
            name: value
            for prefix, network in networks.items()
            for name, value in prefixed(prefix, network.state_dict()).items()
        }

    def optimizer_state(self) -> dict[str, Tensor]:
        tensors = {"p_augment": torch.tensor(self.p_augment, dtype=torch.float64)}
        for name, optimizer in self._optimizers.items():
            tensors |= prefixed(f"{name}.", optimizer_tensors(optimizer))
        return tensors

    def restore(self, weights: Mapping[str, Tensor], state: Mapping[str, Tensor] | None) -> None:
        load_weights(self.average, part("average.", weights))
        load_weights(self.generator, part("generator.", weights))
        load_weights(self.critic, part("critic.", weights))
        if state is not None:
            self.p_augment = float(state["p_augment"])
            for name, optimizer in self._optimizers.items():
                load_optimizer(optimizer, part(f"{name}.", state))

    def _real(self, at: Tick, images_seen: int) -> ImageSet:
        """Return the real images of a minibatch; each image once before any comes again."""
        count = len(self.training.images)
        positions = np.arange(images_seen, images_seen + at.batch)
        rounds = {
            n: _order(count, self.recipe.seed, n + 1) for n in set((positions // count).tolist())
        }
        numbers = np.array([rounds[n // count][n % count] for n in positions.tolist()])
        return self.training.subset(numbers)

    def _levelled(self, images: Tensor, level: int, alpha: float) -> Tensor:
        images = images.to(self.device)
        return downsampled(images, level, alpha, levels=self.growth.levels)

    def _augmented(
        self, images: Tensor, images_seen: int, stream: int, total: int, share: slice
    ) -> Tensor:
        """Return augmented images; the random numbers of an image are the same in any process."""
        drawn = torch.rand(total, DRAWN, generator=self._random(images_seen, 3 + stream))
        return augment(images, self.p_augment, drawn=drawn[share])

    def _latents(self, images_seen: int, stream: int, count: int) -> Tensor:
        random = self._random(images_seen, 8 + stream)
        z = torch.randn(count, self.generator.latent, generator=random)
        return z.to(next(self.generator.parameters()))

    def _random(self, images_seen: int, stream: int) -> torch.Generator:
        generator = torch.Generator()
        return generator.manual_seed(mixed(self.recipe.seed, images_seen, stream))

    def _total(self, loss: Tensor) -> float:
        return float(self.context.all_reduce_sum(loss))


def gradient_penalty(critic: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Return the squared difference of the critic's slope from one (Gulrajani et al., eq. 3).

    Args:
        critic: returns a score of each image.
        images: (N, C, y, x), between real and generated images.

    Returns:
        (N,), differentiable by the critic's weights.
    """
    return (squared_slope(critic, images).sqrt() - 1).square()


def squared_slope(critic: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Return the squared norm (N,) of the critic's slope at images (N, C, y, x), differentiable."""
    images = images.detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(images).sum(), images, create_graph=True)
    return slope.square().sum(dim=(1, 2, 3))


def _order(count: int, seed: int, number: int) -> np.ndarray:
    return np.random.default_rng((seed, number)).permutation(count)


def _memory_mb() -> float:
    """Return the peak memory of this process; 0 if the system does not report it."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
