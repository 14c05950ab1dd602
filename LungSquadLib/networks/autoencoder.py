"""The variational autoencoder: from a patient's expression to a position in a latent space."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .tables import Standardiser, batch_norm
from .trunk_and_head import NetworkOutput


class Code(NamedTuple):
    """Normal distributions of patients in the latent space."""

    mean: Tensor  # (N, latent)
    log_variance: Tensor  # (N, latent)


class Autoencoder(nn.Module):
    """Kingma and Welling, arXiv:1312.6114, with ReLU, on standardised columns.

    It also holds the groups of its latent space as a mixture of normal distributions, so that a new
    patient can be assigned without the training patients.

    Args:
        widths: columns of its only source.
        classes: groups; 0 before clustering.
        latent: dimensions of the latent space.
        hidden: units of the encoder's dense layers; the decoder has them in reverse.
    """

    group_weight: Tensor
    group_mean: Tensor
    group_precision: Tensor

    def __init__(
        self,
        *,
        widths: Sequence[int] = (1,),
        classes: int = 0,
        latent: int = 8,
        hidden: Sequence[int] = (128,),
    ) -> None:
        super().__init__()
        (columns,) = widths
        self.latent = latent
        self.feature_count = latent + 1
        self.scale = Standardiser(columns)
        self.encoder = _dense((columns, *hidden))
        self.mean = nn.Linear((columns, *hidden)[-1], latent)
        self.log_variance = nn.Linear((columns, *hidden)[-1], latent)
        self.decoder = _dense((latent, *reversed(hidden)))
        self.reconstruction = nn.Linear((latent, *reversed(hidden))[-1], columns)
        self.register_buffer("group_weight", torch.full((classes,), 1 / max(classes, 1)))
        self.register_buffer("group_mean", torch.zeros(classes, latent))
        self.register_buffer("group_precision", torch.eye(latent).repeat(classes, 1, 1))

    def encode(self, x: Tensor) -> Code:
        """Encode rows (N, columns), NaN where a value is missing."""
        features = self.encoder(self.scale(x))
        return Code(self.mean(features), self.log_variance(features).clamp(-10, 10))

    def decode(self, z: Tensor) -> Tensor:
        """Decode positions (N, latent) into standardised rows (N, columns)."""
        return self.reconstruction(self.decoder(z))

    def squared_error(self, x: Tensor, reconstruction: Tensor) -> Tensor:
        """Return the mean squared error (N,) over each row's known standardised values."""
        counts = ~x.isnan() & (self.scale.sd > 0)
        squared = torch.where(counts, self.scale(x) - reconstruction, 0).square()
        return squared.sum(1) / counts.sum(1).clamp(min=1)

    def forward(self, x: Tensor) -> NetworkOutput:
        """Return features (N, latent + 1) and log probabilities (N, classes) of the groups.

        The features, for the out-of-distribution score, are the latent position and the logarithm
        of the reconstruction error: rows out of distribution may be encoded among the others, but
        are reconstructed badly.
        """
        position = self.encode(x).mean
        error = self.squared_error(x, self.decode(position)).clamp(min=1e-6).log()
        return NetworkOutput(torch.cat([position, error[:, None]], 1), self.groups(position))

    def groups(self, position: Tensor) -> Tensor:
        """Return log probabilities (N, classes) of the groups at positions (N, latent)."""
        offset = position[:, None] - self.group_mean
        squared = torch.einsum("nkd,kde,nke->nk", offset, self.group_precision, offset)
        volume = torch.linalg.slogdet(self.group_precision).logabsdet
        log = self.group_weight.log() + (volume - squared - self.latent * math.log(2 * math.pi)) / 2
        return log.log_softmax(1)

    def for_inference(self) -> Autoencoder:
        """Return the network itself: nothing can be folded."""
        return self


def _dense(sizes: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), batch_norm(after), nn.ReLU()]
    return nn.Sequential(*layers)
