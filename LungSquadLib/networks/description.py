"""The network that describes a nodule: a distribution over each characteristic's scale."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .trunk_and_head import (
    SLOPE,
    GlobalPools,
    NetworkOutput,
    description_trunk,
    initialise,
    layers_of,
    norm,
)

SIZES = 2  # volume and diameter
_LEAST = 1e-4  # probability of a value


class DescriptionNetwork(nn.Module):
    """Predicts how readers would rate a nodule, characteristic by characteristic.

    A cumulative logit model with location and scale (McCullagh, J R Stat Soc B 1980;42:109-142,
    section 6): the probability of at most the value k is the logistic function of (t_k - location)
    / scale. The thresholds t_k, in rising order, are those of the characteristic; location and
    scale depend on the nodule, and so does the spread of the readers.

    Args:
        width: factor on the trunk's counts of channels.
        levels: how many values each characteristic's scale has.
        input_size: voxels along each axis.
        hidden: units of the dense layer before the last.
        dropout: probability after it.

    Attributes:
        feature_count: as `hidden`.
    """

    def __init__(
        self,
        width: float = 1.0,
        *,
        levels: Sequence[int] = (5,),
        input_size: int = 48,
        hidden: int = 64,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        del input_size  # any size has the same weights
        self.levels, self.feature_count = tuple(levels), hidden
        self.trunk, channels = description_trunk(width)
        self.pools = GlobalPools()
        self.dense = layers_of(
            dense1=nn.Linear(2 * channels + SIZES, hidden),
            norm1=norm(hidden),
            relu1=nn.LeakyReLU(SLOPE),
        )
        self.drop = nn.Dropout(dropout)
        self.last = nn.Linear(hidden, 2 * len(levels))
        initialise(self)
        with torch.no_grad():
            self.last.weight.mul_(0.1)
        self.thresholds = nn.ParameterList(_thresholds(count) for count in levels)

    def forward(self, x: Tensor, sizes: Tensor) -> Tensor:
        """Log probabilities of crops (N, 1, z, y, x) with `size_inputs` (N, 2); see `head`."""
        return self.forward_with_features(x, sizes).logits

    def forward_with_features(self, x: Tensor, sizes: Tensor) -> NetworkOutput:
        """Features (N, hidden), and the log probabilities of `head`, of crops and their sizes."""
        features = self.dense(torch.cat([self.pools(self.trunk(x)), sizes], 1))
        return NetworkOutput(features, self.head(features))

    def head(self, features: Tensor) -> Tensor:
        """Return log probabilities (N, sum of levels): of all values, of each characteristic."""
        location, log_scale = self.last(self.drop(features)).chunk(2, 1)
        columns = []
        for number, thresholds in enumerate(self.thresholds):
            at, gaps = thresholds[:1], nn.functional.softplus(thresholds[1:])
            rising = torch.cat([at, at + gaps.cumsum(0)])
            logit = (rising - location[:, number, None]) * torch.exp(-log_scale[:, number, None])
            at_most = nn.functional.pad(logit.sigmoid(), (1, 0))
            at_most = nn.functional.pad(at_most, (0, 1), value=1.0)
            columns.append(at_most.diff(dim=1).clamp(_LEAST).log())
        return torch.cat(columns, 1)

    def for_inference(self) -> DescriptionNetwork:
        """Return the network in eval mode."""
        return self.eval().requires_grad_(False)


def size_inputs(volume_ml: float, diameter_mm: float) -> tuple[float, float]:
    """Return logarithms of volume and largest axial diameter, about 0 with a spread of about 1."""
    return (math.log(1000 * volume_ml) - 5) / 2, (math.log(diameter_mm) - 2) / 0.6


def _thresholds(count: int) -> nn.Parameter:
    """Return the first threshold, and the others' distances by the inverse of softplus."""
    values = torch.zeros(count - 1)
    values[0] = -(count - 2) / 2 * math.log(2)
    return nn.Parameter(values)
