"""A small network that finds the tumour in a slice, trained in a minute, to judge others by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..networks.unet import UNet
from ..progress import Progress, Silent, step

_WIDTH, _DEPTH = 8, 4
_RATE = 5e-3
_AT_ONCE = 64  # slices that are looked at together


@dataclass(frozen=True, eq=False)
class Segmenter:
    """A trained U-Net: what it takes for tumour, and what it sees on the way there."""

    network: UNet

    def masks(self, ct: np.ndarray) -> np.ndarray:
        """Where it sees tumour, bool (n, y, x), in CT slices (n, y, x) in -1..1."""
        return self._answers(ct, lambda x: self.network(x)[:, 0] > 0)

    def features(self, ct: np.ndarray) -> np.ndarray:
        """What its coarsest level sees in CT slices (n, y, x), averaged over places: (n, D)."""
        return self._answers(ct, lambda x: self.network.encode(x).mean((2, 3)))

    def _answers(self, ct: np.ndarray, of: Callable[[Tensor], Tensor]) -> np.ndarray:
        starts = range(0, max(len(ct), 1), _AT_ONCE)  # of no slices there are no features either
        parts = [ct[start : start + _AT_ONCE] for start in starts]
        with torch.inference_mode():
            return np.concatenate([of(_tensor(part)).numpy() for part in parts])


def train_segmenter(
    images: np.ndarray,
    *,
    updates: int = 300,
    batch: int = 8,
    seed: int = 0,
    progress: Progress | None = None,
) -> Segmenter:
    """A segmenter of CT slices, of binary cross-entropy and Dice loss (Milletari et al. 2016).

    With the same number of threads, the same images and seed give the same bits.

    Args:
        images: (n, 2, y, x) CT and mask in -1..1, as `imaging.channels` makes them; sides are
            multiples of 8.
        updates: how many times `batch` images, turned and mirrored at random, are looked at.
        batch: images of an update.
        seed: of weights, choice and turning.
        progress: told of every update.
    """
    progress = progress or Silent()
    torch.manual_seed(seed)
    network = UNet(2, inputs=1, outputs=1, width=_WIDTH, depth=_DEPTH)
    optimiser = torch.optim.Adam(network.parameters(), lr=_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=updates)
    for number in range(updates):
        step(progress, number / updates, "training a segmenter to judge by")
        random = np.random.default_rng((seed, number))
        chosen = images[random.integers(len(images), size=batch)]
        chosen = _turned(chosen, random)
        loss = _loss(network(_tensor(chosen[:, 0])), _tensor(chosen[:, 1] > 0))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return Segmenter(network.eval())


def dice(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Dice coefficients (n,) of masks (n, y, x) with their partners; 1 where both are empty."""
    shared = (first & second).sum((1, 2))
    both = first.sum((1, 2)) + second.sum((1, 2))
    return np.where(both > 0, 2 * shared / np.maximum(both, 1), 1.0)


def _turned(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A batch mirrored and turned by quarters, all alike."""
    images = np.rot90(images, int(random.integers(4)), (2, 3))
    return images[..., ::-1] if random.integers(2) else images


def _loss(logits: Tensor, truth: Tensor) -> Tensor:
    entropy = nn.functional.binary_cross_entropy_with_logits(logits, truth)
    found = torch.sigmoid(logits)
    shared, both = (found * truth).sum((1, 2, 3)), (found + truth).sum((1, 2, 3))
    return entropy + (1 - (2 * shared + 1) / (both + 1)).mean()


def _tensor(slices: np.ndarray) -> Tensor:
    """(n, y, x) as (n, 1, y, x), float32."""
    return torch.from_numpy(np.ascontiguousarray(slices[:, None], np.float32))
