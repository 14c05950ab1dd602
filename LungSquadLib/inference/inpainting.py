"""Inpainting of tumours in cubes of voxels: the network's part, shared by all its users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
import torch

from ..imaging.blending import blend_weights, distance_mm, noise_like
from ..imaging.resample import AIR
from ..models.file import Model
from ..models.inputs import InputSpec
from ..networks.devices import device_of
from ..networks.inpainting import Inpainter

BAND_MM = 6.0  # beyond the masks, in which the inpainted voxels blend into the CT
CORE_MM = 2.0  # from the masks on, within which all is filled: there a tumour's edge is blurred
TISSUE_HU = (-700.0, -600.0)  # lung below, vessels and soft tissue above
MOSTLY = 0.5  # weight of the inpainted image from which a voxel can be of the synthetic tumour
LUNG_HU = -850.0
TYPICAL = "tumour_HU"  # metric of an inpainter's card: mean HU of its training tumours


@dataclass(frozen=True)
class InpaintingRequest:
    """A tumour to be inpainted in one cube.

    Attributes:
        hu: (z, y, x) the CT; sides are multiples of the network's step.
        mask: not 0 where the tumour is to be.
        mean_hu: of the tumour.
        label: its class; -1 for any.
        remove: not 0 where a tumour is to be replaced by lung.
    """

    hu: np.ndarray
    mask: np.ndarray
    mean_hu: float
    label: int = -1
    remove: np.ndarray | None = None

    def distance(self, spacing: float) -> np.ndarray:
        """Return each voxel's distance (z, y, x) in mm from the masks."""
        removed = False if self.remove is None else self.remove != 0
        return distance_mm((self.mask != 0) | removed, (spacing,) * 3)

    def region(self, spacing: float, band_mm: float, *, keeps_tissue: bool) -> np.ndarray:
        """Return the voxels (z, y, x) that are filled; see `region_to_fill`."""
        return region_to_fill(
            self.hu, self.distance(spacing), band_mm=band_mm, keeps_tissue=keeps_tissue
        )


def region_to_fill(
    hu: np.ndarray, distance: np.ndarray, *, band_mm: float, keeps_tissue: bool
) -> np.ndarray:
    """Return the voxels (z, y, x) that are filled: the masks, and known voxels of the band.

    Args:
        hu: (z, y, x); -1024 HU in the band is not known (beyond the CT).
        distance: mm from each voxel to the masks.
        band_mm: width of the band.
        keeps_tissue: whether vessels and soft tissue from `CORE_MM` on are left as they are.
    """
    free = hu > AIR
    if keeps_tissue:
        free &= (distance < CORE_MM) | (hu < TISSUE_HU[1])
    return (distance < band_mm) & (free | (distance <= 0))


def tissue_weights(hu: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Return how far each voxel is vessel or soft tissue that is kept: 0 to 1, float32."""
    low, high = TISSUE_HU
    dense = np.clip((hu.astype(np.float32) - low) / (high - low), 0, 1)
    beyond = np.clip(distance - (CORE_MM - 1), 0, 1)
    return np.asarray(dense * beyond, np.float32)


@torch.no_grad()
def inpaint_cubes(
    network: Inpainter,
    spec: InputSpec,
    requests: Sequence[InpaintingRequest],
    *,
    band_mm: float = BAND_MM,
    keeps_tissue: bool | None = None,
) -> np.ndarray:
    """Inpaint tumours in cubes of one size: (n, z, y, x) HU, float32, without noise.

    `keeps_tissue` is that of `region_to_fill`, by default as the network was trained.
    """
    device = device_of(network)
    keeps = network.surroundings if keeps_tissue is None else keeps_tissue

    def cubes(arrays: list[np.ndarray]) -> torch.Tensor:
        x = torch.from_numpy(np.stack(arrays).astype(np.float32, copy=False))[:, None]
        return x.contiguous(memory_format=torch.channels_last_3d).to(device)

    means = spec.scaled(np.array([request.mean_hu for request in requests]))
    inpainted = network.eval()(
        cubes([spec.scaled(request.hu) for request in requests]),
        cubes([request.mask != 0 for request in requests]),
        region=cubes([r.region(spec.spacing, band_mm, keeps_tissue=keeps) for r in requests]),
        mean=torch.from_numpy(means).to(device),
        labels=torch.tensor([request.label for request in requests], device=device),
    )
    scaled = inpainted[:, 0].clamp(0, 1).cpu().numpy()
    hu: np.ndarray = scaled * np.float32(spec.hu_high - spec.hu_low) + np.float32(spec.hu_low)
    return hu


def weights_of(
    hu: np.ndarray, distance: np.ndarray, *, band_mm: float, keeps_tissue: bool
) -> np.ndarray:
    """Return the weight of the inpainted image (z, y, x), 0 to 1; arguments as of `blended`."""
    weight = blend_weights(distance, band_mm)
    if keeps_tissue:
        weight *= 1 - tissue_weights(hu, distance)
    return np.where((hu > AIR) | (distance <= 0), weight, np.float32(0))


def blended(
    hu: np.ndarray,
    inpainted: np.ndarray,
    distance: np.ndarray,
    *,
    band_mm: float,
    keeps_tissue: bool,
    seed: int,
) -> np.ndarray:
    """Blend inpainted voxels into a CT, with noise like that of their surroundings.

    Args:
        hu: (z, y, x) the CT, int16 or float32; the result is of this type.
        inpainted: (z, y, x).
        distance: mm from each voxel to the masks; from `band_mm` on nothing changes.
        band_mm: width of the transition.
        keeps_tissue: whether vessels and soft tissue of the band are left as they are.
        seed: of the noise.
    """
    weight = weights_of(hu, distance, band_mm=band_mm, keeps_tissue=keeps_tissue)
    random = np.random.default_rng((seed, 5))
    noise = noise_like(hu, weight == 0, random=random)
    noise -= noise[distance <= 0].mean()  # the tumour's mean is that of the inpainted voxels
    mixed = hu + weight * (inpainted - hu) + np.sqrt(weight) * noise
    mixed = np.rint(mixed) if hu.dtype.kind == "i" else mixed
    return np.where(weight > 0, mixed, hu).astype(hu.dtype)


def synthetic_cube(
    model: Model,
    hu: np.ndarray,
    mask: np.ndarray,
    *,
    new_mask: np.ndarray,
    mean_hu: float,
    label: int = -1,
    seed: int = 0,
) -> np.ndarray:
    """Replace a cube's tumour by a synthetic one: a sample to train with.

    For many at once, use `inpaint_cubes` and then `blended` for each.

    Args:
        model: an inpainter of cubes.
        hu: (z, y, x) HU at the spacing of the model's card; sides are multiples of its `step`.
        mask: of the tumour that is there; outside the new one it is replaced by lung.
        new_mask: where the synthetic tumour is to be.
        mean_hu: of the synthetic tumour.
        label: its class, by its number in the card; -1 for any.
        seed: of the noise.

    Returns:
        HU of the type and shape of `hu`.
    """
    spec = model.card.image
    request = InpaintingRequest(hu, new_mask, mean_hu, label, remove=mask)
    inpainted = inpaint_cubes(model.network, spec, [request])[0]
    return blended(
        hu,
        inpainted,
        request.distance(spec.spacing),
        band_mm=BAND_MM,
        keeps_tissue=model.network.surroundings,
        seed=seed,
    )


def dense_component(
    hu: np.ndarray, mask: np.ndarray, region: np.ndarray, *, mean_hu: float
) -> np.ndarray:
    """Segment a synthetic tumour: the connected voxels nearer to its HU than to lung's.

    Args:
        hu: (z, y, x).
        mask: where the tumour was requested; the component that has most of it is returned.
        region: the masked region, which the component does not leave.
        mean_hu: of the tumour.

    Returns:
        (z, y, x) of bool, all False where nothing in the mask is dense.
    """
    dense = (hu > (mean_hu + LUNG_HU) / 2) & region
    image = sitk.ConnectedComponent(sitk.GetImageFromArray(dense.astype(np.uint8)))
    components = sitk.GetArrayFromImage(image)
    counts = np.bincount(components[(mask != 0) & dense], minlength=2)
    return dense & (components == max(int(counts.argmax()), 1))
