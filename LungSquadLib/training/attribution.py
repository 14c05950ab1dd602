"""How much each column of a table moved a network's answers."""

from __future__ import annotations

import numpy as np
import torch

from ..networks.integration import IntegrationNetwork

STEPS = 32


def integrated_gradients(
    network: IntegrationNetwork, x: np.ndarray, *, positive: int
) -> np.ndarray:
    """Each column's share (N, D) in the log odds of a class, against the training mean.

    Sundararajan et al., ICML 2017, arXiv:1703.01365, section 3. What is missing has no share.

    Args:
        network: as it was trained.
        x: (N, D) rows, NaN where nothing is known.
        positive: the class.
    """
    rows = torch.from_numpy(np.ascontiguousarray(x, np.float32))
    mean = network.eval().scale.mean
    total = torch.zeros_like(rows)
    for step in range(STEPS):
        at = (mean + (rows - mean) * ((step + 0.5) / STEPS)).requires_grad_()
        log_p = network(at).logits.log_softmax(1)
        others = log_p[:, [n for n in range(log_p.shape[1]) if n != positive]]
        odds = log_p[:, positive] - others.logsumexp(1)
        (gradient,) = torch.autograd.grad(odds.sum(), at)
        total += gradient.nan_to_num() / STEPS
    return (total * (rows - mean).nan_to_num()).double().numpy()
