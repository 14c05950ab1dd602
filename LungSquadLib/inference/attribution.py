"""How much each column of a table moved a network's answers."""

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
    """Each column's share (N, D) in the log odds of a class, against the training mean.

    Sundararajan et al., ICML 2017, arXiv:1703.01365, section 3. What is missing has no share.

    Args:
        network: an integrator or an autoencoder with groups, on any device.
        x: (N, D) rows, NaN where nothing is known.
        positive: the class.
        temperature: the logits are divided by it.
    """
    mean = network.eval().scale.mean
    rows = on_device(x.astype(np.float32), mean.device)
    total = torch.zeros_like(rows)
    for step in range(STEPS):
        at = (mean + (rows - mean) * ((step + 0.5) / STEPS)).requires_grad_()
        log_p = (network(at).logits / temperature).log_softmax(1)
        others = log_p[:, [n for n in range(log_p.shape[1]) if n != positive]]
        odds = log_p[:, positive] - others.logsumexp(1)
        (gradient,) = torch.autograd.grad(odds.sum(), at)
        total += gradient.nan_to_num() / STEPS
    return float64_of(total * (rows - mean).nan_to_num())
