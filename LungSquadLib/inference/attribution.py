"""How much each column of a table, and each voxel of a CT, contributes to a prediction."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
import torch
from torch import Tensor

from ..imaging.geometry import Box, Grid
from ..networks.devices import float64_of, on_device
from ..networks.trunk_and_head import TrunkAndHead

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


def grad_cam(network: TrunkAndHead, activations: Tensor, target: int) -> np.ndarray:
    """Compute the Grad-CAM of one class on the trunk's output voxels.

    Selvaraju et al., ICCV 2017, doi:10.1109/ICCV.2017.74, in three dimensions.

    Args:
        network: in eval mode.
        activations: the trunk's output for one crop (1, C, z, y, x).
        target: the class.

    Returns:
        (z, y, x), 0 to 1; all 0 if nothing supports the class.
    """
    with torch.enable_grad():
        leaf = activations.detach().requires_grad_()
        logit = network.head(leaf).logits[0, target]
        (gradient,) = torch.autograd.grad(logit, leaf)
    weights = gradient.mean(dim=(2, 3, 4), keepdim=True)
    cam = float64_of(torch.relu((weights * activations).sum(dim=1))[0])
    return cam / cam.max() if cam.max() > 0 else cam


def on_ct_grid(cam: np.ndarray, network: TrunkAndHead, crop: Grid, ct: Grid) -> sitk.Image:
    """Resample the CAM onto the CT's voxels in the crop; 0 beyond the output voxels.

    The value of each voxel of the last convolution lies at the centre of its receptive field; it
    is not stretched over the crop.

    Args:
        cam: (z, y, x) on the trunk's output voxels.
        network: with this trunk.
        crop: grid of the network's input.
        ct: the grid of the CT.
    """
    grid = network.grid
    # A rim of zeros lets the map fade out beyond the trunk's last voxels instead of breaking off.
    first = grid.centre(-1)
    x, y, z = (first + each for each in grid.shift)
    origin = crop.to_lps((x, y, z))
    image = sitk.GetImageFromArray(np.pad(cam, 1).astype(np.float32))
    image.SetSpacing([spacing * grid.stride for spacing in crop.spacing])
    image.SetOrigin(origin.tolist())
    image.SetDirection(crop.direction)
    part = ct.part(_voxels_within(crop, ct))
    resample = sitk.ResampleImageFilter()
    resample.SetSize(part.size)
    resample.SetOutputSpacing(part.spacing)
    resample.SetOutputOrigin(part.origin)
    resample.SetOutputDirection(part.direction)
    resample.SetInterpolator(sitk.sitkLinear)
    return resample.Execute(image)


def _voxels_within(crop: Grid, ct: Grid) -> Box:
    """The CT's voxels whose centres lie in the crop; at least one."""
    corners = np.array([[-0.5, -0.5, -0.5], np.array(crop.size) - 0.5])
    low, high = np.sort(ct.to_index(crop.to_lps(corners)), axis=0)
    size = np.array(ct.size)
    start = np.clip(np.ceil(low), 0, size - 1).astype(int)
    stop = np.clip(np.floor(high) + 1, start + 1, size).astype(int)
    (x0, y0, z0), (x1, y1, z1) = start.tolist(), stop.tolist()
    return Box((x0, y0, z0), (x1, y1, z1))
