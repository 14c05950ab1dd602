"""Attribution: how much each column of a table contributes to a network's prediction."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..networks.devices import float64_of, on_device

STEPS = 50  # of the integral


@torch.enable_grad()
def integrated_gradients(
    network: Any, x: np.ndarray, *, positive: int, temperature: float = 1.0
) -> np.ndarray:
    """Return each column's contribution (N, D) to the log odds of a class, from the training mean.

    Sundararajan et al., ICML 2017, arXiv:1703.01365, section 3. Missing values contribute 0.

    Args:
        network: an integrator or an autoencoder with groups, on any device.
        x: (N, D) rows, NaN where a value is missing.
        positive: index of the class.
        temperature: the logits are divided by it.
    """
    mean = network.eval().scale.mean
    rows = on_device(x.astype(np.float32), mean.device)
    total = torch.zeros_like(rows)
    for step in range(STEPS):
        point = (mean + (rows - mean) * ((step + 0.5) / STEPS)).requires_grad_()
        log_p = (network(point).logits / temperature).log_softmax(1)
        rest = log_p[:, [n for n in range(log_p.shape[1]) if n != positive]]
        log_odds = log_p[:, positive] - rest.logsumexp(1)
        (gradient,) = torch.autograd.grad(log_odds.sum(), point)
        total += gradient.nan_to_num() / STEPS
    return float64_of(total * (rows - mean).nan_to_num())
