"""The task of inpainting: a generator and a discriminator of patches.

Isola et al. 2017 (arXiv:1611.07004), section 3: the generator minimises the L1 distance from the
true image and the error of the discriminator (least squares, Mao et al. 2017, arXiv:1611.04076).
Other than there, only the region to fill counts, and the error of the tumour's mean HU is part of
the loss.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import InputError
from ...networks.devices import device_of
from ...networks.inpainting import Inpainter, PatchDiscriminator
from ..checkpoint import load_optimizer, load_weights, optimizer_tensors, part, prefixed
from ..distributed import DistributedContext
from ..loop import cosine_rate
from ..samples import Prefetcher
from .data import CT, MASK, NOISE, REGION, InpaintingDataset
from .options import InpaintingOptions

PATCH = 4  # voxels a side of a patch that the discriminator scores
UNCONDITIONAL = 0.1  # probability that a sample's class is hidden


class InpaintingTask:
    """A `loop.Task`: generator and discriminator in turn, Adam, cosine learning rate with warm-up.

    Args:
        network: what is trained.
        samples: its inputs.
        labels: (N,) class of each sample; -1 for none.
        training, validation: indices of samples.
        options: of the training.
        context: the processes that share each batch.

    Raises:
        InputError: there are too many processes for the batches.
    """

    def __init__(
        self,
        network: Inpainter,
        samples: InpaintingDataset,
        *,
        labels: np.ndarray,
        training: np.ndarray,
        validation: np.ndarray,
        options: InpaintingOptions,
        context: DistributedContext,
    ) -> None:
        self.network, self.samples, self.labels = network, samples, labels
        self.training, self.validation = training, validation
        self.options, self.context = options, context
        if context.size > (fewest := min(map(len, self._batches(0)))):
            raise InputError(
                f"{context.size} processes cannot share a batch of {fewest}: start fewer, or raise "
                "--batch."
            )
        self.device = device_of(network)
        self.discriminator = PatchDiscriminator(classes=network.classes).to(
            self.device,
            memory_format=torch.channels_last_3d,  # type: ignore[call-overload]
        )
        self._optimizers = {
            "generator": torch.optim.Adam(network.parameters(), betas=(0.9, 0.99)),
            "discriminator": torch.optim.Adam(self.discriminator.parameters(), betas=(0.9, 0.99)),
        }
        self._prefetcher = Prefetcher(self.device)

    def steps(self, epoch: int) -> int:
        return len(self._batches(epoch))

    def step(self, epoch: int, number: int) -> Mapping[str, float]:
        batches = self._batches(epoch)
        done = (epoch + number / len(batches)) / self.options.epochs
        factor = cosine_rate(done, warm_up=0.05, final=0.02)
        for optimizer in self._optimizers.values():
            optimizer.param_groups[0]["lr"] = self.options.learning_rate * factor
        chosen = self._share(batches[number])
        x = self._prefetcher.get(
            epoch,
            number,
            len(batches),
            lambda other: self.samples.augmented(self._share(batches[other]), epoch),
        )
        batch = Batch.of(x.to(self.device), self._labels(chosen, epoch))
        adversarial = epoch >= round(self.options.critic_start * self.options.epochs)
        losses = self._update(batch, len(batches[number]), adversarial)
        names = ("distance", "HU", "adversarial", "discriminator")
        return dict(zip(names, self.context.all_reduce_sum(losses).tolist(), strict=True))

    @torch.no_grad()
    def validate(self) -> Mapping[str, float]:
        """Return mean errors in HU: of the region's voxels ("loss"), and of the tumours' means."""
        self.network.eval()
        errors = torch.zeros(2)
        for number in self.validation[self.context.rank :: self.context.size].tolist():
            chosen = np.array([number])
            x = self.samples.plain(chosen).to(self.device)
            batch = Batch.of(x, torch.from_numpy(self.labels[chosen]).to(self.device))
            inpainted = batch.inpainted(self.network)
            distance = _mean((inpainted - batch.ct).abs(), batch.region)
            errors += torch.stack([distance, batch.mean_error(inpainted)])[:, 0].cpu()
        window = self.samples.spec.hu_high - self.samples.spec.hu_low
        errors = self.context.all_reduce_sum(errors) * window / len(self.validation)
        return dict(zip(("validation loss", "validation HU"), errors.tolist(), strict=True))

    def weights(self) -> dict[str, Tensor]:
        return self.network.state_dict()

    def optimizer_state(self) -> dict[str, Tensor]:
        tensors = prefixed("weights.discriminator.", self.discriminator.state_dict())
        for name, optimizer in self._optimizers.items():
            tensors |= prefixed(f"{name}.", optimizer_tensors(optimizer))
        return tensors

    def restore(self, weights: Mapping[str, Tensor], state: Mapping[str, Tensor] | None) -> None:
        load_weights(self.network, weights)
        if state is not None:
            load_weights(self.discriminator, part("weights.discriminator.", state))
            for name, optimizer in self._optimizers.items():
                load_optimizer(optimizer, part(f"{name}.", state))
        self.network.eval()

    def _update(self, batch: Batch, total: int, adversarial: bool) -> Tensor:
        """Update the generator, then the discriminator.

        Args:
            batch: this process's part.
            total: samples of all processes.
            adversarial: whether there is a discriminator yet.

        Returns:
            This process's part of the four losses (4,).
        """
        options = self.options
        self.network.train()
        inpainted = batch.inpainted(self.network)
        weight = batch.region * (1 + (options.tumour_weight - 1) * batch.mask)
        distance = _mean((inpainted - batch.ct).abs(), weight).sum() / total
        mean_error = batch.mean_error(inpainted).sum() / total
        realism, error = torch.zeros_like(mean_error), torch.zeros_like(mean_error)
        fake = inpainted + batch.noise * batch.region
        if adversarial:
            realism = batch.squared_error(self.discriminator, fake, 1.0).sum() / total
        loss = options.distance_weight * distance + options.mean_weight * mean_error + realism
        self._descend(loss, self.network, self._optimizers["generator"])
        if adversarial:
            real_error = batch.squared_error(self.discriminator, batch.ct, 1.0)
            fake_error = batch.squared_error(self.discriminator, fake.detach(), 0.0)
            error = (real_error + fake_error).sum() / (2 * total)
            self._descend(error, self.discriminator, self._optimizers["discriminator"])
        return torch.stack([distance, mean_error, realism, error]).detach()

    def _descend(self, loss: Tensor, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad(set_to_none=True)
        weights = list(network.parameters())
        gradients = torch.autograd.grad(loss, weights)  # of this network alone
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient
        self.context.all_reduce_gradients(weights)
        optimizer.step()

    def _batches(self, epoch: int) -> list[np.ndarray]:
        """Return the epoch's batches, which differ in size by one at most."""
        order = np.random.default_rng((self.options.seed, 0, epoch)).permutation(self.training)
        return np.array_split(order, math.ceil(len(order) / self.options.batch))

    def _share(self, chosen: np.ndarray) -> np.ndarray:
        return chosen[self.context.share(len(chosen))]

    def _labels(self, chosen: np.ndarray, epoch: int) -> Tensor:
        """Return classes (n,), some of them hidden: the network is to work without, too."""
        random = np.random.default_rng((self.options.seed, 4, epoch))
        kept = random.random(len(self.labels)) >= UNCONDITIONAL
        labels = np.where(kept, self.labels, -1)[chosen]
        return torch.from_numpy(labels).to(self.device)


@dataclass(frozen=True)
class Batch:
    """The channels of `InpaintingDataset`, (N, 1, z, y, x) each, and the classes (N,)."""

    ct: Tensor
    mask: Tensor
    region: Tensor
    noise: Tensor
    labels: Tensor

    @classmethod
    def of(cls, x: Tensor, labels: Tensor) -> Batch:
        """Return the channels of a tensor of `InpaintingDataset`."""
        ct, mask, region, noise = (x[:, n : n + 1] for n in (CT, MASK, REGION, NOISE))
        return cls(ct, mask, region, noise, labels)

    @property
    def mean(self) -> Tensor:
        """The mean of each true tumour (N,)."""
        return _mean(self.ct, self.mask)

    def inpainted(self, network: Inpainter) -> Tensor:
        """Return the CT with the region filled by a network."""
        inpainted: Tensor = network(
            self.ct, self.mask, region=self.region, mean=self.mean, labels=self.labels
        )
        return inpainted

    def mean_error(self, inpainted: Tensor) -> Tensor:
        """Return the absolute error (N,) of each inpainted tumour's mean."""
        return (_mean(inpainted, self.mask) - self.mean).abs()

    def squared_error(self, discriminator: PatchDiscriminator, ct: Tensor, target: float) -> Tensor:
        """Return the discriminator's squared error (N,) over patches that touch the region."""
        scores = discriminator(ct, self.mask, region=self.region, labels=self.labels)
        touched = nn.functional.max_pool3d(self.region, PATCH)
        return _mean((scores - target) ** 2, touched)


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted mean of each sample (N,)."""
    axes: Any = tuple(range(1, values.ndim))
    return (values * weight).sum(axes) / weight.sum(axes).clamp(min=1)
