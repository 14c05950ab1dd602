"""A tumour painted into cubes of voxels: the network's part, and what every user of it shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
import torch

from ..imaging.blending import blend_weights, distance_mm
from ..imaging.noise_texture import grain
from ..models.file import Model
from ..models.inputs import InputSpec
from ..networks.devices import device_of
from ..networks.inpainting import Translator

BAND_MM = 6.0  # beyond the masks, in which what is painted passes into what was there
LUNG_HU = -850.0
TYPICAL = "tumour_HU"  # metric of a translator's card: the tumours that it was trained on


@dataclass(frozen=True)
class Order:
    """What is to be painted into one cube.

    Attributes:
        hu: (z, y, x) the CT; sides are multiples of the network's step.
        mask: not 0 where the tumour is to be.
        asked_hu: its mean.
        label: its class; -1 leaves it open.
        remove: not 0 where a tumour is to give way to lung.
    """

    hu: np.ndarray
    mask: np.ndarray
    asked_hu: float
    label: int = -1
    remove: np.ndarray | None = None

    def distance(self, spacing: float) -> np.ndarray:
        """How far each voxel is from what is to be painted, mm."""
        removed = False if self.remove is None else self.remove != 0
        return distance_mm((self.mask != 0) | removed, (spacing,) * 3)


@torch.no_grad()
def paint(
    network: Translator, spec: InputSpec, orders: Sequence[Order], *, band_mm: float = BAND_MM
) -> np.ndarray:
    """What the network makes of some cubes of one size: (n, z, y, x) HU, float32, without noise."""
    device = device_of(network)
    holes = [order.distance(spec.spacing) < band_mm for order in orders]

    def cubes(arrays: list[np.ndarray]) -> torch.Tensor:
        x = torch.from_numpy(np.stack(arrays).astype(np.float32, copy=False))[:, None]
        return x.contiguous(memory_format=torch.channels_last_3d).to(device)

    painted = network.eval()(
        cubes([spec.scaled(order.hu) for order in orders]),
        cubes([order.mask != 0 for order in orders]),
        hole=cubes(holes),
        asked=torch.from_numpy(spec.scaled(np.array([order.asked_hu for order in orders]))).to(
            device
        ),
        labels=torch.tensor([order.label for order in orders], device=device),
    )
    scaled = painted[:, 0].clamp(0, 1).cpu().numpy()
    result: np.ndarray = scaled * np.float32(spec.hu_high - spec.hu_low) + np.float32(spec.hu_low)
    return result


def blended(
    hu: np.ndarray, painted: np.ndarray, distance: np.ndarray, *, band_mm: float, seed: int
) -> np.ndarray:
    """The CT with what was painted in its place, with the noise of what surrounds it.

    Args:
        hu: (z, y, x) the CT, int16 or float32, which the result is too.
        painted: of the same shape.
        distance: mm from each voxel to what was painted; from `band_mm` on nothing changes.
        band_mm: where the one passes into the other.
        seed: of the noise.
    """
    weight, random = blend_weights(distance, band_mm), np.random.default_rng((seed, 5))
    noise = grain(hu, weight == 0, random=random)
    mixed = hu + weight * (painted - hu) + np.sqrt(weight) * noise
    mixed = np.rint(mixed) if hu.dtype.kind == "i" else mixed
    return np.where(weight > 0, mixed, hu).astype(hu.dtype)


def synthetic_cube(
    model: Model,
    hu: np.ndarray,
    mask: np.ndarray,
    *,
    other: np.ndarray,
    asked_hu: float,
    label: int = -1,
    seed: int = 0,
) -> np.ndarray:
    """A cube in which another tumour has taken the place of its own: a sample to train with.

    For many at once, `paint` takes as many orders as memory allows; then `blended` each.

    Args:
        model: a translator of cubes.
        hu: (z, y, x) HU at the spacing of the model's card; sides are multiples of its `step`.
        mask: of the tumour that is there; it gives way to lung where the other one is not.
        other: where the new tumour is to be.
        asked_hu: its mean.
        label: its class, by its number in the card; -1 leaves it open.
        seed: of the noise.

    Returns:
        HU of the type and shape of `hu`.
    """
    spec = model.card.image
    order = Order(hu, other, asked_hu, label, remove=mask)
    painted = paint(model.network, spec, [order])[0]
    return blended(hu, painted, order.distance(spec.spacing), band_mm=BAND_MM, seed=seed)


def dense_piece(
    hu: np.ndarray, mask: np.ndarray, hole: np.ndarray, *, asked_hu: float
) -> np.ndarray:
    """What is nearer to a tumour's HU than to lung's, in one piece: the tumour as it came out.

    Args:
        hu: (z, y, x).
        mask: where the tumour was to be; the piece that has most of it is taken.
        hole: how far the piece may reach.
        asked_hu: the tumour's mean.

    Returns:
        (z, y, x) of bool, all False where nothing in the mask is dense.
    """
    dense = (hu > (asked_hu + LUNG_HU) / 2) & hole
    image = sitk.ConnectedComponent(sitk.GetImageFromArray(dense.astype(np.uint8)))
    pieces = sitk.GetArrayFromImage(image)
    counts = np.bincount(pieces[(mask != 0) & dense], minlength=2)
    return dense & (pieces == max(int(counts.argmax()), 1))
