"""The task of segmentation: a U-Net, Dice loss and cross-entropy on the known voxels, AdamW."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...networks.devices import device_of
from ...statistics.agreement import dice
from ..checkpoint import load_optimizer, load_weights, optimizer_tensors, part, prefixed
from ..loop import cosine_rate
from ..samples import Prefetcher
from .data import SegmentationSetup
from .samples import COMPLETE, Sample

WEIGHT_DECAY = 1e-4


class SegmentationTask:
    """A `loop.Task`: one network, and the exponential average of its weights, which is the result.

    Args:
        network: what is trained.
        setup: of the run.
        training, validation: numbers of cases.
    """

    def __init__(
        self,
        network: nn.Module,
        setup: SegmentationSetup,
        *,
        training: np.ndarray,
        validation: np.ndarray,
    ) -> None:
        self.network, self.options = network, setup.options
        self.samples = setup.samples()
        self.training, self.validation = training, validation
        self.device = device_of(network)
        self.averaged = {name: value.clone() for name, value in network.state_dict().items()}
        self._optimizer = torch.optim.AdamW(
            network.parameters(), weight_decay=WEIGHT_DECAY, betas=(0.9, 0.99)
        )
        self._prefetcher = Prefetcher(self.device)

    def steps(self, epoch: int) -> int:
        del epoch
        return math.ceil(len(self.training) / self.options.batch)

    def step(self, epoch: int, number: int) -> Mapping[str, float]:
        batches = self._batches(epoch)
        done = (epoch + number / len(batches)) / self.options.epochs
        self._optimizer.param_groups[0]["lr"] = self.options.learning_rate * cosine_rate(done)
        x = self._prefetcher.get(
            epoch, number, len(batches), lambda other: self._batch(batches[other], epoch, other)
        )
        self.network.train()
        x = x.to(self.device)
        loss = segmentation_loss(self.network(x[:, :-1]), x[:, -1:], x[:, 1:2]).mean()
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._average(epoch * len(batches) + number)
        return {"loss": loss.item()}

    @torch.no_grad()
    def validate(self) -> Mapping[str, float]:
        """Return one minus the mean Dice coefficient with one click, of the averaged weights.

        Cases with all their surroundings, of which there are few, count as much as the others.
        """
        raw = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.network.load_state_dict(self.averaged)
        self.network.eval()
        values: dict[bool, list[float]] = {}
        for number in self.validation.tolist():
            sample = self.samples.plain(number)
            logits = self.network(_tensor([sample])[:, :-1].to(self.device))[0, 0].cpu().numpy()
            known = sample.known > 0
            complete = float(known.mean()) >= COMPLETE
            values.setdefault(complete, []).append(dice((logits > 0) & known, sample.mask > 0))
        self.network.load_state_dict(raw)
        return {
            "validation loss": 1 - float(np.mean([np.mean(group) for group in values.values()]))
        }

    def weights(self) -> dict[str, Tensor]:
        return self.averaged

    def optimizer_state(self) -> dict[str, Tensor]:
        return {
            **prefixed("raw.", self.network.state_dict()),
            **prefixed("adam.", optimizer_tensors(self._optimizer)),
        }

    def restore(self, weights: Mapping[str, Tensor], state: Mapping[str, Tensor] | None) -> None:
        self.averaged = {name: value.to(self.device).clone() for name, value in weights.items()}
        load_weights(self.network, weights if state is None else part("raw.", state))
        if state is not None:
            load_optimizer(self._optimizer, part("adam.", state))

    @torch.no_grad()
    def _average(self, update: int) -> None:
        kept = min(self.options.average, (1 + update) / (10 + update))
        for name, value in self.network.state_dict().items():
            self.averaged[name].lerp_(value, 1 - kept)

    def _batches(self, epoch: int) -> list[np.ndarray]:
        """Return the epoch's batches, which differ in size by one at most."""
        random = np.random.default_rng((self.options.seed, 0, epoch))
        return np.array_split(random.permutation(self.training), self.steps(epoch))

    def _batch(self, chosen: np.ndarray, epoch: int, number: int) -> Tensor:
        # A case that an epoch shows several times looks different each time.
        draw = epoch * self.steps(epoch) + number
        return _tensor([self.samples.augmented(case, draw) for case in chosen.tolist()])


def _tensor(samples: list[Sample]) -> Tensor:
    """Return channels and mask (n, 5, ...)."""
    x = torch.from_numpy(np.stack([np.concatenate([s.x, s.mask[None]]) for s in samples]))
    if x.ndim == 5:
        return x.contiguous(memory_format=torch.channels_last_3d)
    return x.contiguous(memory_format=torch.channels_last)


def segmentation_loss(logits: Tensor, mask: Tensor, known: Tensor) -> Tensor:
    """Return cross-entropy plus soft Dice loss (N,) over the known voxels.

    Dice: Milletari et al. 2016, arXiv:1606.04797.
    """
    axes: Any = tuple(range(1, logits.ndim))
    entropy = nn.functional.binary_cross_entropy_with_logits(logits, mask, reduction="none")
    entropy = (entropy * known).sum(axes) / known.sum(axes).clamp(min=1)
    p = logits.sigmoid() * known
    both = p.sum(axes) + mask.sum(axes)
    return entropy + 1 - (2 * (p * mask).sum(axes) + 1) / (both + 1)
