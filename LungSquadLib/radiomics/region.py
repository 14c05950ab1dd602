"""The region of interest: CT and masks on one grid, and the grey levels of its voxels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..imaging.crop import mask_box
from ..imaging.ct import CT, as_ct
from ..imaging.geometry import Box
from ..imaging.masks import Mask, as_mask
from ..progress import Progress
from .filters import image_filter
from .interpolation import TOO_SMALL, Axis, axis_round, interpolated, whole_axis
from .settings import RadiomicsSettings

PEAK_RADIUS_MM = 10 * (3 / (4 * np.pi)) ** (1 / 3)  # of a ball of 1 cm³
MOST_LEVELS = 4096  # grey levels: as many HU as a CT of 12 bits has
_TIE = 1e-6  # interpolation gives 0.4999999 for one half


@dataclass(frozen=True)
class Region:
    """A tumour and what lies around it, after interpolation and re-segmentation.

    Attributes:
        hu: (z, y, x) float64; the response to the filter, if the settings have one.
        shape: the morphological mask (z, y, x).
        inside: the intensity mask (z, y, x), which re-segmentation may have made smaller.
        spacing: between voxels along z, y and x, mm.
        settings: the settings it was made with.
    """

    hu: np.ndarray
    shape: np.ndarray
    inside: np.ndarray
    spacing: tuple[float, float, float]
    settings: RadiomicsSettings

    @property
    def voxel_mm3(self) -> float:
        """The volume of a voxel."""
        return float(np.prod(self.spacing))

    @cached_property
    def values(self) -> np.ndarray:
        """The HU of the intensity mask's voxels, (n,)."""
        return self.hu[self.inside]

    @cached_property
    def levels(self) -> np.ndarray:
        """The grey levels (z, y, x), from 1 on; 0 outside the intensity mask.

        Raises:
            InputError: there are more than `MOST_LEVELS`.
        """
        low, high = float(self.values.min()), float(self.values.max())
        if (number := self.settings.bin_number) is not None:
            binned = number_of_bins(self.values, number)
        else:
            width = self.settings.bin_size or 1.0
            origin = low if self.settings.hu_range is None else self.settings.hu_range[0]
            bins = np.floor((high - origin) / width) + 1
            if bins > MOST_LEVELS:
                raise InputError(
                    f"A bin size of {width:g} HU makes {bins:.0f} grey levels; at most "
                    f"{MOST_LEVELS} can be computed. Choose wider bins."
                )
            binned = np.floor((self.values - origin) / width) + 1
        levels = np.zeros(self.inside.shape, np.int32)
        levels[self.inside] = binned
        return levels

    @property
    def level_values(self) -> np.ndarray:
        """The grey levels of the intensity mask's voxels, (n,)."""
        return self.levels[self.inside]

    @property
    def level_count(self) -> int:
        """The number of grey levels: the highest that occurs, or the fixed bin number."""
        return self.settings.bin_number or int(self.levels.max())


def box_of(mask: np.ndarray) -> tuple[slice, ...]:
    """Return the smallest box that holds a mask, which is not empty."""
    return tuple(slice(int(indices.min()), int(indices.max()) + 1) for indices in np.nonzero(mask))


def number_of_bins(values: np.ndarray, count: int) -> np.ndarray:
    """Return the bins 1 to `count` of values, which share their range evenly."""
    low, high = values.min(), values.max()
    if low == high:
        return np.full(len(values), count)
    return np.minimum(np.floor(count * (values - low) / (high - low)) + 1, count)


def region_of(
    ct: CT | sitk.Image,
    mask: Mask | sitk.Image,
    settings: RadiomicsSettings,
    progress: Progress | None = None,
) -> Region:
    """Interpolate CT and mask round the tumour, and re-segment the mask.

    Raises:
        InputError: CT or mask cannot be used, or no voxel is left; the message says why.
    """
    ct = as_ct(ct)
    mask = as_mask(mask, ct)
    grid, box = ct.grid, mask_box(mask, ct.grid)
    steps = [settings.spacing_mm] * 2 + [None if settings.by_slice else settings.spacing_mm]
    margin, respond = PEAK_RADIUS_MM, None
    if settings.filter is not None and settings.spacing_mm is not None:
        filtering = image_filter(settings.filter, settings.spacing_mm)
        margin, respond = max(margin, filtering.radius * settings.spacing_mm), filtering.respond
    axes = [
        axis_round(whole_axis(size, voxel_mm, step), start, stop, margin)
        for size, voxel_mm, step, start, stop in zip(
            grid.size, grid.spacing, steps, box.start, box.stop, strict=True
        )
    ]
    needed = [axis.voxels(settings.interpolation) for axis in axes]
    (x0, x1), (y0, y1), (z0, z1) = needed
    block = Box((x0, y0, z0), (x1, y1, z1))
    hu = ct.hu(block, progress)
    drawn = np.zeros(hu.shape)
    part = box.within(block)
    inside = part.shifted((-box.start[0], -box.start[1], -box.start[2]))
    drawn[part.shifted((-x0, -y0, -z0)).slices] = sitk.GetArrayViewFromImage(mask.image)[
        inside.slices
    ]
    z, y, x = tuple(reversed(axes))
    order, starts = (z, y, x), (z0, y0, x0)
    shape = interpolated(drawn, starts, order, "linear") >= settings.mask_threshold - _TIE
    if not shape.any():
        raise InputError(TOO_SMALL)
    if settings.spacing_mm is None:
        hu = hu[_within(z, z0), _within(y, y0), _within(x, x0)].astype(np.float64)
    else:
        hu = interpolated(hu, starts, order, settings.interpolation)
        hu = np.rint(hu) if settings.round_hu else hu
    spacing = (z.spacing, y.spacing, x.spacing)
    used = resegmented(hu, shape, settings)
    return Region(hu if respond is None else respond(hu), shape, used, spacing, settings)


def _within(axis: Axis, start: int) -> slice:
    return slice(axis.first - start, axis.first - start + len(axis.index))


def resegmented(hu: np.ndarray, shape: np.ndarray, settings: RadiomicsSettings) -> np.ndarray:
    """Return the voxels of a mask within the range of HU and of outliers.

    Raises:
        InputError: there are none.
    """
    low, high = settings.hu_range or (-np.inf, np.inf)
    if settings.outlier_sd is not None:
        mean, extent = hu[shape].mean(), settings.outlier_sd * hu[shape].std()
        low, high = max(low, mean - extent), min(high, mean + extent)
    inside = shape & (hu >= low) & (hu <= high)
    if not inside.any():
        raise InputError(
            f"No voxel of the tumour lies between {low:g} and {high:g} HU. Choose another mask, or "
            "another range."
        )
    return inside
