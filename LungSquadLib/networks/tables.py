"""Layers of networks for tables: standardisation with missing values, ordered classes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .devices import on_device, to_float64

FARTHEST = 5.0  # standard deviations from the mean, to which values are clamped


class Standardiser(nn.Module):
    """Standardise columns to mean 0 and standard deviation 1; a missing value becomes 0, the mean.

    Values are clamped to `FARTHEST`: among thousands of columns each patient has outliers, and a
    single one must not decide a prediction.

    It is a part of the network, so a model carries the scale of its own training patients.

    Args:
        columns: number of columns.
    """

    mean: Tensor
    sd: Tensor

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(columns))
        self.register_buffer("sd", torch.ones(columns))

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Fit the scale to training rows (N, D), NaN where a value is missing.

        A constant or empty column is left out: it becomes 0 for every patient.
        """
        x = to_float64(x)
        known = ~x.isnan()
        count = known.sum(0).clamp(min=1)
        mean = torch.where(known, x, 0).sum(0) / count
        sd = (torch.where(known, x - mean, 0).square().sum(0) / count).sqrt()
        varies = sd > 1e-6 * mean.abs().clamp(min=1e-6)
        self.mean.copy_(on_device(mean, self.mean.device))
        self.sd.copy_(on_device(torch.where(varies, sd, 0), self.sd.device))

    def forward(self, x: Tensor) -> Tensor:
        """Standardise rows (N, D), NaN where a value is missing; the result is finite."""
        varies = self.sd > 0
        scaled = (x - self.mean) / torch.where(varies, self.sd, 1)
        return torch.where(varies & ~x.isnan(), scaled.clamp(-FARTHEST, FARTHEST), 0)

    def inverse(self, x: Tensor) -> Tensor:
        """Return the original values (N, D) of standardised ones, but for clamped values."""
        return x * self.sd + self.mean


def batch_norm(units: int) -> nn.Module:
    """Return a batch norm whose state is all float32, as model files hold it."""
    norm = nn.BatchNorm1d(units)
    norm.register_buffer("num_batches_tracked", None)  # of use only where momentum is None
    return norm


class OrderedClasses(nn.Module):
    """Output layer for ordered classes, T1 to T4 for example: one score and its thresholds.

    The proportional odds model (McCullagh, J R Stat Soc B 1980;42:109). The outputs are log
    probabilities, so that a softmax returns the probabilities and cross-entropy is the likelihood.

    Args:
        features: number of inputs.
        classes: at least 2.
    """

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.score = nn.Linear(features, 1, bias=False)
        self.first = nn.Parameter(torch.tensor([1 - classes / 2]))
        self.steps = nn.Parameter(torch.full((classes - 2,), 0.54))  # softplus of it is about 1

    def forward(self, features: Tensor) -> Tensor:
        """Return log probabilities (N, classes) of features (N, D)."""
        rises = nn.functional.softplus(self.steps).cumsum(0)
        thresholds = self.first + torch.cat([torch.zeros_like(self.first), rises])
        passed = thresholds - self.score(features)  # (N, classes - 1), the logit of "at most k"
        edge = passed.new_full((len(passed), 1), torch.inf)
        high, low = torch.cat([passed, edge], 1), torch.cat([-edge, passed], 1)
        # log(s(high) - s(low)) = log s(high) + log s(-low) + log(1 - e^(low - high))
        between = torch.log1p(-torch.exp(low - high))
        return nn.functional.logsigmoid(high) + nn.functional.logsigmoid(-low) + between
