"""Changes that are made to images before a critic sees them, so that it cannot know them by heart.

Real and generated images alike, each change to a share of them: below four fifths or so the
generator still learns what the images are like without (Karras et al. 2020, arXiv:2006.06676,
section 2.2).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

MOST = 0.8  # the largest share of changed images that does not leak into what is generated
SHIFT = 0.125  # of the image's width, at most
GREY = 0.2  # standard deviation of brightness, and of the contrast's binary logarithm


DRAWN = 10  # numbers that are drawn for an image, changed or not


def disguised(images: Tensor, share: float, *, drawn: Tensor) -> Tensor:
    """Images with some of them mirrored, turned, shifted, or changed in their greys.

    Args:
        images: (N, C, y, x); the first channel is the CT, whose greys are changed; all are moved.
        share: probability of each change for each image.
        drawn: (N, `DRAWN`) numbers from 0 to 1, on the CPU.

    Returns:
        The same shape; gradients flow to `images`.
    """
    if not share:
        return images
    n, size = len(images), images.shape[-1]
    yes, how = drawn[:, :5] < share, drawn[:, 5:8]
    greys = torch.special.ndtri(drawn[:, 8:].clamp(1e-6, 1 - 1e-6)) * GREY * yes[:, 3:]
    angle = torch.floor(4 * how[:, 0]) * yes[:, 1] * (math.pi / 2)
    mirror = 1 - 2.0 * yes[:, 0]
    reach = math.floor(SHIFT * size)
    shift = torch.round((2 * how[:, 1:] - 1) * reach) * yes[:, 2:3] * (2 / size)
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
