"""The inpainting network: a tumour of a given mask, mean and class in a masked region of a CT.

After Shin et al. 2018 (arXiv:1807.10225), who make tumours with pix2pix (Isola et al. 2017,
arXiv:1611.07004): a U-Net as the generator, and a discriminator of small patches, both given the
conditions. Other than there, the network fills only the masked region, and starts from the mean.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .unet import CONVOLUTIONS, SLOPE, UNet, instance_norm

LUNG = (
    0.1  # the scaled value that the masked region starts from: lung, with -1000 to 500 HU as 0 to 1
)

_STEEPNESS = 1.75  # between 1.5 and 2 the start is nearest to real nodules
_SMOOTHINGS = 6  # of the start, each by 3 voxels


class Inpainter(nn.Module):
    """Fills a masked region of a CT with a tumour and what surrounds it.

    Args:
        dimensions: 3 for cubes, 2 for slices.
        input_size: voxels along each axis that it is trained on; other multiples of `step` will do.
        width: of the `UNet`.
        depth: likewise.
        classes: kinds of tumour that can be requested; 0 where there is nothing to choose.
        surroundings: whether the masked region starts from the known voxels round it, rather than
            from `LUNG`; and whether dense tissue round a tumour is to be kept.
    """

    def __init__(
        self,
        dimensions: int = 3,
        *,
        input_size: int = 64,
        width: int = 8,
        depth: int = 4,
        classes: int = 0,
        surroundings: bool = False,
    ) -> None:
        super().__init__()
        self.input_size, self.classes, self.surroundings = input_size, classes, surroundings
        self.unet = UNet(dimensions, inputs=3 + classes, outputs=1, width=width, depth=depth)
        self.step = self.unet.step
        if input_size % self.step:
            raise ValueError(f"the size {input_size} is not a multiple of {self.step}")
        nn.init.zeros_(self.unet.last.weight)  # training starts from the plain tumour of `forward`

    def forward(
        self, ct: Tensor, mask: Tensor, *, region: Tensor, mean: Tensor, labels: Tensor
    ) -> Tensor:
        """Fill the masked region.

        Args:
            ct: (N, 1, ...), scaled; what lies in the region is not used.
            mask: (N, 1, ...), 1 where the tumour is to be, within the region.
            region: (N, 1, ...), 1 where the CT is replaced; the rest stays as it is.
            mean: (N,) of the tumour, scaled as `ct`.
            labels: (N,) int64, the class; -1 for any.

        Returns:
            (N, 1, ...), scaled as `ct`.
        """
        mean = mean.view(-1, *(1 for _ in ct.shape[1:]))
        if self.surroundings:
            background, profile = from_surroundings(ct, region), as_drawn(mask)
        else:
            background, profile = torch.full_like(ct, LUNG), blurred(mask)
        start = torch.where(region > 0, background + (mean - background) * profile, ct)
        x = torch.cat([start, region, conditions(mask, labels, self.classes)], 1)
        return torch.where(region > 0, start + self.unet(x), ct)

    def for_inference(self) -> Inpainter:
        """Return the network itself: nothing can be folded."""
        return self


class PatchDiscriminator(nn.Module):
    """Discriminates real from synthetic patches of 26 voxels a side (Isola et al., section 3.2.2).

    Args:
        dimensions: 3 for cubes, 2 for slices.
        width: channels of its first layer.
        classes: as of the `Inpainter`.
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

    def forward(self, ct: Tensor, mask: Tensor, *, region: Tensor, labels: Tensor) -> Tensor:
        """Score each patch: (N, 1, ...), sides a quarter of the input's; arguments as above."""
        scores: Tensor = self.layers(
            torch.cat([ct, region, conditions(mask, labels, self.classes)], 1)
        )
        return scores


def blurred(mask: Tensor) -> Tensor:
    """Blur a mask's edge as a scanner does; its mean inside the mask stays 1."""
    pool = {4: nn.functional.avg_pool2d, 5: nn.functional.avg_pool3d}[mask.ndim]
    soft = pool(mask, 3, stride=1, padding=1, count_include_pad=False)
    axes: Any = tuple(range(1, mask.ndim))
    inside = (soft * mask).sum(axes, keepdim=True) / mask.sum(axes, keepdim=True).clamp(min=1)
    return soft / inside.clamp(min=0.1)


def as_drawn(mask: Tensor) -> Tensor:
    """Return how dense a tumour is in and round a mask that a reader drew; its mean inside is 1.

    Readers draw generously: the edge of the mask has half of the middle's density, and the
    density ends within a voxel or two of it.
    """
    pool = {4: nn.functional.avg_pool2d, 5: nn.functional.avg_pool3d}[mask.ndim]
    soft = mask
    for _ in range(2):
        soft = pool(soft, 3, stride=1, padding=1, count_include_pad=False)
    soft = soft**_STEEPNESS
    axes: Any = tuple(range(1, mask.ndim))
    inside = (soft * mask).sum(axes, keepdim=True) / mask.sum(axes, keepdim=True).clamp(min=1)
    return soft / inside.clamp(min=0.01)


def from_surroundings(ct: Tensor, region: Tensor) -> Tensor:
    """Fill a region smoothly from the voxels round it.

    Means of the known voxels in ever larger cells (Gortler et al. 1996, doi:10.1145/237170.237200,
    section 3.3) are smoothed; voxels of 0, which may be beyond the known CT, are not used.

    Args:
        ct: (N, 1, ...), scaled; what lies in the region is not used.
        region: (N, 1, ...), 1 where the CT is filled.

    Returns:
        (N, 1, ...): `ct` outside the region.
    """
    pool = {4: nn.functional.avg_pool2d, 5: nn.functional.avg_pool3d}[ct.ndim]
    weight = ((region == 0) & (ct > 0)).to(ct.dtype)
    filled = _pulled(torch.where(weight > 0, ct, 0.0), weight)
    filled = torch.where(region > 0, filled, ct)
    for _ in range(_SMOOTHINGS):
        smooth = pool(filled, 3, stride=1, padding=1, count_include_pad=False)
        filled = torch.where(region > 0, smooth, ct)
    return filled


def _pulled(total: Tensor, weight: Tensor) -> Tensor:
    """Return weighted means, of the smallest cell round each voxel that has any weight."""
    means = total / weight.clamp(min=1e-6)
    if any(side % 2 for side in total.shape[2:]):
        axes: Any = tuple(range(1, total.ndim))
        everywhere = total.sum(axes, keepdim=True) / weight.sum(axes, keepdim=True).clamp(min=1e-6)
        return torch.where(weight > 0, means, everywhere)
    pool = {4: nn.functional.avg_pool2d, 5: nn.functional.avg_pool3d}[total.ndim]
    coarse = nn.functional.interpolate(_pulled(pool(total, 2), pool(weight, 2)), scale_factor=2)
    return torch.where(weight > 0, means, coarse)


def conditions(mask: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Join the mask with its product with the one-hot class: (N, 1 + classes, ...)."""
    one_hot = labels.view(-1, 1) == torch.arange(classes, device=labels.device)
    one_hot = one_hot.view(len(labels), classes, *(1 for _ in mask.shape[2:]))
    return torch.cat([mask, mask * one_hot], 1)
