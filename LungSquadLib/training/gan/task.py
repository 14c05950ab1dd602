"""Training of the progressive GAN (Karras et al. 2017, arXiv:1710.10196), read from top to bottom.

One update of the critic and one of the generator for each minibatch; WGAN-GP (Gulrajani et al.
2017, arXiv:1704.00028) with the paper's drift term; a running average of the generator's weights is
what the training is for. Few patients make the critic learn them by heart: images are changed
before it sees them, as often as held-out patients say it is needed (Karras et al. 2020,
arXiv:2006.06676, section 3.1, equation 1, first heuristic).
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

from ...networks.devices import device_of
from ...networks.progressive import GROUP, Critic, Generator, downsampled
from ...networks.seeded_dropout import mixed
from ..checkpoint import load_optimiser, load_weights, optimiser_tensors, part, prefixed
from ..distributed import World
from .ada import DRAWN, MOST, disguised
from .growth import Growth, Tick

_MEASURED = 64  # images of each sort that the critic is asked about after a tick


@dataclass(frozen=True)
class GanRecipe:
    """How to train: every number that changes the result.

    Attributes:
        learning_rate, betas: of Adam.
        penalty: weight of the gradient penalty (lambda).
        drift: weight of the critic's squared scores of real images.
        average: of the generator's weights from before, in an update of their running average.
        overfit: the critic may overfit so far, 0 to 1, before images are changed more often.
        patience: images in which the share of changed ones can rise from none to all.
        seed: of all that is drawn.
    """

    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.0, 0.99)
    penalty: float = 10.0
    drift: float = 1e-3
    average: float = 0.999
    overfit: float = 0.5
    patience: int = 500_000
    seed: int = 0


@dataclass(frozen=True)
class Material:
    """Images that the networks are shown: `images` (N, C, y, x), `labels` (N,) where there are."""

    images: Tensor
    labels: Tensor | None = None

    def chosen(self, numbers: np.ndarray) -> Material:
        """Some of them."""
        where = torch.from_numpy(numbers)
        return Material(self.images[where], None if self.labels is None else self.labels[where])


class Gan:
    """A `loop.Task` whose epochs are the ticks of a `Growth`.

    Args:
        generator, critic: what is trained.
        growth: at which level when.
        training: images to learn from; `held_out`: of other patients, to tell overfitting.
        recipe: the numbers.
        world: the processes that share each minibatch, in groups of four images.
    """

    def __init__(
        self,
        generator: Generator,
        critic: Critic,
        growth: Growth,
        *,
        training: Material,
        held_out: Material,
        recipe: GanRecipe,
        world: World,
    ) -> None:
        self.generator, self.critic, self.growth = generator, critic, growth
        self.average = copy.deepcopy(generator).eval().requires_grad_(False)
        self.training, self.held_out = training, held_out
        self.recipe, self.world = recipe, world
        self.device = device_of(generator)
        self.changed = 0.0  # the share of images that are changed before the critic sees them
        self._at = growth.ticks[0]
        self._begun = time.monotonic()
        self._optimisers = {
            name: torch.optim.Adam(network.parameters(), recipe.learning_rate, recipe.betas)
            for name, network in (("generator", generator), ("critic", critic))
        }

    def steps(self, epoch: int) -> int:
        self._at, self._begun = self.growth.ticks[epoch], time.monotonic()
        return self._at.steps

    def step(self, epoch: int, number: int) -> Mapping[str, float]:
        at = self.growth.ticks[epoch]
        shown, alpha = at.start + number * at.batch, at.alpha(number)
        groups = self.world.share(at.batch // GROUP)
        share = slice(groups.start * GROUP, groups.stop * GROUP)
        real = self._real(at, shown)
        real = Material(
            self._levelled(real.images[share], at.level, alpha),
            None if real.labels is None else real.labels[share],
        )
        critic = self._train_critic(real, at, shown, share, alpha)
        generator = self._train_generator(real.labels, at, shown, share, alpha)
        with torch.no_grad():
            for kept, now in zip(
                self.average.parameters(), self.generator.parameters(), strict=True
            ):
                kept.lerp_(now, 1 - self.recipe.average)
        return {"critic": self._total(critic), "generator": self._total(generator)}

    def _train_critic(
        self, real: Material, at: Tick, shown: int, share: slice, alpha: float
    ) -> Tensor:
        """Real images up, generated ones down, gradients of length one between them."""
        with torch.no_grad():
            fake = self.generator(
                self._latents(shown, 0, at.batch)[share], real.labels, level=at.level, alpha=alpha
            )
        real_seen = self._seen(real.images, shown, 0, at.batch, share)
        fake_seen = self._seen(fake, shown, 1, at.batch, share)
        where = torch.rand(at.batch, 1, 1, 1, generator=self._drawn(shown, 2))[share].to(fake)
        critic = partial(self.critic, labels=real.labels, level=at.level, alpha=alpha)
        penalty = gradient_penalty(critic, torch.lerp(real_seen, fake_seen, where))
        up, down = critic(real_seen), critic(fake_seen)
        loss = down - up + self.recipe.penalty * penalty + self.recipe.drift * up.square()
        return self._update("critic", self.critic, loss.sum() / at.batch)

    def _train_generator(
        self, labels: Tensor | None, at: Tick, shown: int, share: slice, alpha: float
    ) -> Tensor:
        """Generated images up."""
        z = self._latents(shown, 1, at.batch)[share]
        fake = self.generator(z, labels, level=at.level, alpha=alpha)
        seen = self._seen(fake, shown, 3, at.batch, share)
        self.critic.requires_grad_(False)
        loss = -self.critic(seen, labels, level=at.level, alpha=alpha).sum() / at.batch
        loss = self._update("generator", self.generator, loss)
        self.critic.requires_grad_(True)
        return loss

    def _update(self, name: str, network: torch.nn.Module, loss: Tensor) -> Tensor:
        optimiser = self._optimisers[name]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.world.sum_gradients(network.parameters())
        optimiser.step()
        return loss.detach()

    @torch.no_grad()
    def validate(self) -> Mapping[str, float]:
        """How far real and generated images are apart for the critic, and how far it overfits."""
        at, shown = self._at, self._at.stop
        alpha = at.alpha(at.steps)
        count = min(_MEASURED, len(self.training.images), len(self.held_out.images))
        scores = {}
        for sort, material in (("training", self.training), ("held out", self.held_out)):
            some = material.chosen(_order(len(material.images), self.recipe.seed, 0)[:count])
            images = self._levelled(some.images, at.level, alpha)
            scores[sort] = self._score(images, some.labels, at.level, alpha)
            if sort == "training":
                z = self._latents(shown, 2, count)
                fake = self.generator(z, some.labels, level=at.level, alpha=alpha)
                scores["generated"] = self._score(fake, some.labels, at.level, alpha)
        gap = scores["training"] - scores["generated"]
        overfit = (scores["training"] - scores["held out"]) / (abs(gap) + 1e-6)
        self._change_more(overfit > self.recipe.overfit, at)
        images_shown = at.steps * at.batch
        return {
            "images": float(shown),
            "resolution": float(at.resolution),
            "alpha": alpha,
            "gap": gap,
            "overfit": overfit,
            "changed": self.changed,
            "s per 1000": (time.monotonic() - self._begun) / images_shown * 1000,
            "memory MB": _memory_mb(),
        }

    def _score(self, images: Tensor, labels: Tensor | None, level: int, alpha: float) -> float:
        return float(self.critic(images, labels, level=level, alpha=alpha).mean())

    def _change_more(self, more: bool, at: Tick) -> None:
        step = at.steps * at.batch / self.recipe.patience
        self.changed = min(max(self.changed + (step if more else -step), 0.0), MOST)

    @torch.no_grad()
    def shown(self, count: int) -> Tensor:
        """What the average generator makes of latents that stay the same, with labels by turns."""
        at, classes = self._at, self.generator.classes
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

    def memory(self) -> dict[str, Tensor]:
        tensors = {"changed": torch.tensor(self.changed, dtype=torch.float64)}
        for name, optimiser in self._optimisers.items():
            tensors |= prefixed(f"{name}.", optimiser_tensors(optimiser))
        return tensors

    def restore(self, weights: Mapping[str, Tensor], memory: Mapping[str, Tensor] | None) -> None:
        load_weights(self.average, part("average.", weights))
        load_weights(self.generator, part("generator.", weights))
        load_weights(self.critic, part("critic.", weights))
        if memory is not None:
            self.changed = float(memory["changed"])
            for name, optimiser in self._optimisers.items():
                load_optimiser(optimiser, part(f"{name}.", memory))

    def _real(self, at: Tick, shown: int) -> Material:
        """The real images of a minibatch: all are shown once before any is shown again."""
        count = len(self.training.images)
        places = np.arange(shown, shown + at.batch)
        rounds = {
            n: _order(count, self.recipe.seed, n + 1) for n in set((places // count).tolist())
        }
        numbers = np.array([rounds[place // count][place % count] for place in places.tolist()])
        return self.training.chosen(numbers)

    def _levelled(self, images: Tensor, level: int, alpha: float) -> Tensor:
        images = images.to(self.device)
        return downsampled(images, level, alpha, levels=self.growth.levels)

    def _seen(self, images: Tensor, shown: int, stream: int, total: int, share: slice) -> Tensor:
        """Images as the critic sees them; what is drawn for one does not hang on who has it."""
        drawn = torch.rand(total, DRAWN, generator=self._drawn(shown, 3 + stream))
        return disguised(images, self.changed, drawn=drawn[share])

    def _latents(self, shown: int, stream: int, count: int) -> Tensor:
        drawn = self._drawn(shown, 8 + stream)
        z = torch.randn(count, self.generator.latent, generator=drawn)
        return z.to(next(self.generator.parameters()))

    def _drawn(self, shown: int, stream: int) -> torch.Generator:
        generator = torch.Generator()
        return generator.manual_seed(mixed(self.recipe.seed, shown, stream))

    def _total(self, loss: Tensor) -> float:
        return float(self.world.summed(loss))


def gradient_penalty(critic: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """How far the critic's slope at each image is from one, squared (Gulrajani et al., eq. 3).

    Args:
        critic: gives a score for each image.
        images: (N, C, y, x), somewhere between real and generated ones.

    Returns:
        (N,), through which gradients flow to the critic's weights.
    """
    images = images.detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(images).sum(), images, create_graph=True)
    return (slope.square().sum(dim=(1, 2, 3)).sqrt() - 1).square()


def _order(count: int, seed: int, number: int) -> np.ndarray:
    return np.random.default_rng((seed, number)).permutation(count)


def _memory_mb() -> float:
    """The most memory that this process has had; 0 where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
