"""The variational autoencoder: expression of a patient in, a place in a small space out."""

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
    """Where patients lie in the latent space, as normal distributions."""

    mean: Tensor  # (N, latent)
    log_variance: Tensor  # (N, latent)


class Autoencoder(nn.Module):
    """Kingma and Welling, arXiv:1312.6114, with ReLU, on standardised columns.

    It knows the groups that were found in its latent space too, as a mixture of normal
    distributions, so that a new patient finds its group without those it was found in.

    Args:
        widths: columns of its one source.
        classes: groups; 0 where none have been found yet.
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
        """Of rows (N, columns), NaN where a number is missing."""
        features = self.encoder(self.scale(x))
        return Code(self.mean(features), self.log_variance(features).clamp(-10, 10))

    def decode(self, z: Tensor) -> Tensor:
        """Standardised rows (N, columns) of places (N, latent)."""
        return self.reconstruction(self.decoder(z))

    def squared_error(self, x: Tensor, reconstruction: Tensor) -> Tensor:
        """Mean (N,) over the columns that a row (N, columns) has, of its standardised numbers."""
        counts = ~x.isnan() & (self.scale.sd > 0)
        squared = torch.where(counts, self.scale(x) - reconstruction, 0).square()
        return squared.sum(1) / counts.sum(1).clamp(min=1)

    def forward(self, x: Tensor) -> NetworkOutput:
        """Log probabilities (N, classes) of the groups, of rows (N, columns).

        The features tell whether a row is like others: its place, and how badly it is rebuilt, for
        what is unlike anything known lands among the known: the encoder has no other places.
        """
        place = self.encode(x).mean
        error = self.squared_error(x, self.decode(place)).clamp(min=1e-6).log()
        return NetworkOutput(torch.cat([place, error[:, None]], 1), self.groups(place))

    def groups(self, place: Tensor) -> Tensor:
        """Log probabilities (N, classes) of the groups, of places (N, latent)."""
        offset = place[:, None] - self.group_mean
        squared = torch.einsum("nkd,kde,nke->nk", offset, self.group_precision, offset)
        volume = torch.linalg.slogdet(self.group_precision).logabsdet
        log = self.group_weight.log() + (volume - squared - self.latent * math.log(2 * math.pi)) / 2
        return log.log_softmax(1)

    def for_inference(self) -> Autoencoder:
        """Itself: it is quick as it is."""
        return self


def _dense(sizes: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), batch_norm(after), nn.ReLU()]
    return nn.Sequential(*layers)
