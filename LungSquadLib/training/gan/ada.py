"""Adaptive discriminator augmentation (ADA): images are augmented before a critic sees them.

Real and generated images alike, each augmentation with a probability: below about 0.8 it does not
leak into generated images (Karras et al. 2020, arXiv:2006.06676, section 2.2).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

MOST = 0.8  # largest probability that does not leak into generated images
SHIFT = 0.125  # largest shift, relative to the image's width
GREY = 0.2  # standard deviation of brightness, and of the contrast's binary logarithm

DRAWN = 10  # random numbers for each image, augmented or not


def augment(images: Tensor, p_augment: float, *, drawn: Tensor) -> Tensor:
    """Return images of which some are mirrored, rotated, shifted, brighter or of other contrast.

    Args:
        images: (N, C, y, x); the first channel is the CT, the only one whose greys change.
        p_augment: probability of each augmentation for each image.
        drawn: (N, `DRAWN`) random numbers from 0 to 1, on the CPU.

    Returns:
        The same shape; gradients flow to `images`.
    """
    if not p_augment:
        return images
    n, size = len(images), images.shape[-1]
    chosen, how = drawn[:, :5] < p_augment, drawn[:, 5:8]
    greys = torch.special.ndtri(drawn[:, 8:].clamp(1e-6, 1 - 1e-6)) * GREY * chosen[:, 3:]
    angle = torch.floor(4 * how[:, 0]) * chosen[:, 1] * (math.pi / 2)
    mirror = 1 - 2.0 * chosen[:, 0]
    largest = math.floor(SHIFT * size)
    shift = torch.round((2 * how[:, 1:] - 1) * largest) * chosen[:, 2:3] * (2 / size)
    cos, sin = torch.cos(angle), torch.sin(angle)
    rows = [mirror * cos, -mirror * sin, shift[:, 0], sin, cos, shift[:, 1]]
    theta = torch.stack(rows, dim=1).view(n, 2, 3).to(images.device)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    moved = functional.grid_sample(
        images, grid, mode="nearest", padding_mode="reflection", align_corners=False
    )
    contrast, brightness = (
        values[:, None, None].to(images.device) for values in (torch.exp2(greys[:, 0]), greys[:, 1])
    )
    grey = moved[:, 0] * contrast + brightness
    return torch.cat([grey[:, None], moved[:, 1:]], dim=1)
