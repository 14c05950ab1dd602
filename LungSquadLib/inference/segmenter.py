"""Tumour segmentation in slices by a small U-Net, for the evaluation of generators."""

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
_BATCH = 64  # slices of a forward pass


@dataclass(frozen=True, eq=False)
class Segmenter:
    """A trained U-Net: its masks, and its features."""

    network: UNet

    def masks(self, ct: np.ndarray) -> np.ndarray:
        """Segment CT slices (n, y, x) in -1..1: bool (n, y, x)."""
        return self._batched(ct, lambda x: self.network(x)[:, 0] > 0)

    def features(self, ct: np.ndarray) -> np.ndarray:
        """Return the coarsest level's activations of CT slices, averaged over pixels: (n, D)."""
        return self._batched(ct, lambda x: self.network.encode(x).mean((2, 3)))

    def _batched(self, ct: np.ndarray, function: Callable[[Tensor], Tensor]) -> np.ndarray:
        starts = range(0, max(len(ct), 1), _BATCH)  # an empty part for no slices
        parts = [ct[start : start + _BATCH] for start in starts]
        with torch.inference_mode():
            return np.concatenate([function(_tensor(part)).numpy() for part in parts])


def train_segmenter(
    images: np.ndarray,
    *,
    updates: int = 300,
    batch: int = 8,
    seed: int = 0,
    progress: Progress | None = None,
) -> Segmenter:
    """Train a segmenter with binary cross-entropy and Dice loss (Milletari et al. 2016).

    The same images, seed and number of threads give the same bits.

    Args:
        images: (n, 2, y, x) CT and mask in -1..1, as `imaging.slices.to_channels` makes them;
            sides are multiples of 8.
        updates: number of updates, each with `batch` images, rotated and mirrored at random.
        batch: images of an update.
        seed: of weights, choice and augmentation.
        progress: receives progress.
    """
    progress = progress or Silent()
    torch.manual_seed(seed)
    network = UNet(2, inputs=1, outputs=1, width=_WIDTH, depth=_DEPTH)
    optimiser = torch.optim.Adam(network.parameters(), lr=_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=updates)
    for number in range(updates):
        step(progress, number / updates, "Training a segmenter for the evaluation")
        random = np.random.default_rng((seed, number))
        chosen = images[random.integers(len(images), size=batch)]
        chosen = _augmented(chosen, random)
        loss = _loss(network(_tensor(chosen[:, 0])), _tensor(chosen[:, 1] > 0))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return Segmenter(network.eval())


def _augmented(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Rotate a batch by quarter turns and mirror it, all images alike."""
    images = np.rot90(images, int(random.integers(4)), (2, 3))
    return images[..., ::-1] if random.integers(2) else images


def _loss(logits: Tensor, truth: Tensor) -> Tensor:
    entropy = nn.functional.binary_cross_entropy_with_logits(logits, truth)
    predicted = torch.sigmoid(logits)
    shared = (predicted * truth).sum((1, 2, 3))
    both = (predicted + truth).sum((1, 2, 3))
    return entropy + (1 - (2 * shared + 1) / (both + 1)).mean()


def _tensor(slices: np.ndarray) -> Tensor:
    """(n, y, x) as (n, 1, y, x), float32."""
    return torch.from_numpy(np.ascontiguousarray(slices[:, None], np.float32))
