"""From a CT with a hole and a tumour's mask to a CT with such a tumour, and the critic of that.

After Shin et al. 2018 (arXiv:1807.10225), who paint tumours with pix2pix (Isola et al. 2017,
arXiv:1611.07004): a U-Net as the generator, and a critic that judges small patches, given what was
asked. Other than there, the network paints only in the hole, and starts from what was asked.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .unet import CONVOLUTIONS, SLOPE, UNet, instance_norm

EMPTY = (
    0.1  # what a hole is filled with before it is painted: lung, where -1000 to 500 HU is 0 to 1
)


class Translator(nn.Module):
    """Paints a tumour, and what surrounds it, into a hole of a CT.

    Args:
        dimensions: 3 for cubes, 2 for slices.
        input_size: voxels along each axis that it is trained on; other multiples of `step` will do.
        width: of the `UNet`.
        depth: likewise.
        classes: kinds of tumour that can be asked for; 0 where there is nothing to choose.
    """

    def __init__(
        self,
        dimensions: int = 3,
        *,
        input_size: int = 64,
        width: int = 8,
        depth: int = 4,
        classes: int = 0,
    ) -> None:
        super().__init__()
        self.input_size, self.classes = input_size, classes
        self.unet = UNet(dimensions, inputs=3 + classes, outputs=1, width=width, depth=depth)
        self.step = self.unet.step
        if input_size % self.step:
            raise ValueError(f"the size {input_size} is not a multiple of {self.step}")
        nn.init.zeros_(self.unet.last.weight)  # it begins with what was asked, and betters that

    def forward(
        self, ct: Tensor, mask: Tensor, *, hole: Tensor, asked: Tensor, labels: Tensor
    ) -> Tensor:
        """Paint.

        Args:
            ct: (N, 1, ...), scaled; what lies in the hole is not looked at.
            mask: (N, 1, ...), 1 where the tumour is to be, which is within the hole.
            hole: (N, 1, ...), 1 where there is to be paint; the rest stays as it is.
            asked: (N,) mean of the tumour, scaled as `ct`.
            labels: (N,) int64, the class; -1 leaves it open.

        Returns:
            (N, 1, ...), scaled as `ct`.
        """
        told = asked.view(-1, *(1 for _ in ct.shape[1:]))
        start = torch.where(hole > 0, EMPTY + (told - EMPTY) * blurred(mask), ct)
        x = torch.cat([start, hole, conditions(mask, labels, self.classes)], 1)
        return torch.where(hole > 0, start + self.unet(x), ct)

    def for_inference(self) -> Translator:
        """Itself: it has nothing that could be folded away."""
        return self


class PatchCritic(nn.Module):
    """Judges patches of 26 voxels a side: real or painted (Isola et al. 2017, section 3.2.2).

    Args:
        dimensions: 3 for cubes, 2 for slices.
        width: channels of its first layer.
        classes: as of the `Translator`.
    """

    def __init__(self, dimensions: int = 3, *, width: int = 8, classes: int = 0) -> None:
        super().__init__()
        convolution = CONVOLUTIONS[dimensions]
        self.classes = classes
        self.layers = nn.Sequential(
            convolution(3 + classes, width, 4, stride=2, padding=1),
            nn.LeakyReLU(SLOPE),
            convolution(width, 2 * width, 4, stride=2, padding=1),
            instance_norm(2 * width),
            nn.LeakyReLU(SLOPE),
            convolution(2 * width, 4 * width, 3, padding=1),
            instance_norm(4 * width),
            nn.LeakyReLU(SLOPE),
            convolution(4 * width, 1, 3, padding=1),
        )

    def forward(self, ct: Tensor, mask: Tensor, *, hole: Tensor, labels: Tensor) -> Tensor:
        """One number a patch (N, 1, ...), sides a quarter of the input's; arguments as above."""
        judged: Tensor = self.layers(
            torch.cat([ct, hole, conditions(mask, labels, self.classes)], 1)
        )
        return judged


def blurred(mask: Tensor) -> Tensor:
    """The mask with an edge as scanners make them, and a mean of 1 where the mask is."""
    pool = {4: nn.functional.avg_pool2d, 5: nn.functional.avg_pool3d}[mask.ndim]
    soft = pool(mask, 3, stride=1, padding=1, count_include_pad=False)
    axes: Any = tuple(range(1, mask.ndim))
    inside = (soft * mask).sum(axes, keepdim=True) / mask.sum(axes, keepdim=True).clamp(min=1)
    return soft / inside.clamp(min=0.1)


def conditions(mask: Tensor, labels: Tensor, classes: int) -> Tensor:
    """The mask, and for each class the mask where that is asked for: (N, 1 + classes, ...)."""
    asked = labels.view(-1, 1) == torch.arange(classes, device=labels.device)
    asked = asked.view(len(labels), classes, *(1 for _ in mask.shape[2:]))
    return torch.cat([mask, mask * asked], 1)
