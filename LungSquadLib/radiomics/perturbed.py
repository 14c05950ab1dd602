"""Radiomic features of perturbed masks, by which their robustness is judged."""

from __future__ import annotations

from ..errors import InputError
from ..imaging.ct import CT
from ..imaging.jitter import perturbed_masks
from ..imaging.masks import Mask
from .extract import radiomic_features
from .settings import RadiomicsSettings

AS_DRAWN, PERTURBED = "as drawn", "perturbed"


def perturbed_features(
    ct: CT, mask: Mask, settings: RadiomicsSettings
) -> dict[str, dict[str, float]]:
    """Compute the features of the masks that a network's predictions are perturbed with.

    A crop that moves by whole voxels changes no feature, so it is not among the perturbations.

    Args:
        ct: HU, LPS mm.
        mask: on its grid.
        settings: of processing and features.

    Returns:
        Features by name, by perturbation; without those perturbations that leave no voxel.
    """
    values = {}
    for name, perturbed in perturbed_masks(mask, ct):
        try:
            values[name] = radiomic_features(ct, perturbed, settings)
        except InputError:  # nothing is left of a small tumour
            continue
    return values
