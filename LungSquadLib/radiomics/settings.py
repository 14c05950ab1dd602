"""The settings of radiomics: how CT and mask are prepared, and which features are computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from ..errors import InputError
from ..options import check, described, option
from .filters import HELP, image_filter
from .names import FAMILIES

_PREPARATION, _GREY_LEVELS, _FEATURES = "preparation", "grey levels", "features"


@dataclass(frozen=True)
class RadiomicsSettings:
    """The image processing and the features, as the IBSI reference manual describes them.

    Processing follows the order of the fields: interpolation, re-segmentation, filter,
    discretisation, features. `to_dict` and `from_dict` are its JSON form.
    """

    spacing_mm: float | None = option(
        1.0,
        help="voxel spacing after interpolation",
        low=0.05,
        high=20,
        unit="mm",
        group=_PREPARATION,
    )
    by_slice: bool = option(False, help="interpolate within axial slices only", group=_PREPARATION)
    interpolation: Literal["linear", "cubic"] = option(
        "linear", help="method for HU; masks are linear", group=_PREPARATION
    )
    mask_threshold: float = option(
        0.5,
        help="least share of an interpolated voxel in the mask",
        above=0,
        high=1,
        group=_PREPARATION,
    )
    round_hu: bool = option(True, help="leave interpolated HU as they are", group=_PREPARATION)
    hu_range: tuple[float, float] | None = option(
        (-1000.0, 400.0),
        help="range of HU that intensity and texture are computed from",
        metavar=("LOW", "HIGH"),
        unit="HU",
        group=_PREPARATION,
    )
    outlier_sd: float | None = option(
        None,
        help="leave out voxels further from the mean than so many standard deviations",
        above=0,
        group=_PREPARATION,
    )
    filter: str | None = option(None, help=HELP, metavar="NAME:...", group=_PREPARATION)
    bin_size: float | None = option(
        25.0,
        help="width of a grey level, from the lower end of the range on",
        above=0,
        unit="HU",
        group=_GREY_LEVELS,
    )
    bin_number: int | None = option(
        None, help="grey levels, instead of a width", low=2, high=4096, group=_GREY_LEVELS
    )
    ivh_bin_size: float | None = option(
        None,
        help="bin width of the intensity-volume histogram",
        above=0,
        unit="HU",
        group=_GREY_LEVELS,
    )
    ivh_bin_number: int | None = option(
        None,
        help="bins of the intensity-volume histogram, instead of a width",
        low=2,
        high=100000,
        group=_GREY_LEVELS,
    )
    dimensions: tuple[str, ...] = option(
        ("3D",),
        help="dimensions of texture",
        choices=("2D", "2.5D", "3D"),
        metavar="D,...",
        group=_FEATURES,
    )
    families: tuple[str, ...] = option(
        tuple(FAMILIES),
        help="features to compute",
        choices=tuple(FAMILIES),
        metavar="NAME,...",
        group=_FEATURES,
    )

    def __post_init__(self) -> None:
        check(self)
        if self.hu_range is not None and self.hu_range[0] >= self.hu_range[1]:
            low, high = self.hu_range
            raise InputError(f"--hu-range must go from low to high, not from {low:g} to {high:g}.")
        if (self.bin_size is None) == (self.bin_number is None):
            raise InputError("Grey levels have either a width (--bin-size) or a --bin-number.")
        if None not in (self.ivh_bin_size, self.ivh_bin_number):
            raise InputError("Give --ivh-bin-size or --ivh-bin-number, not both.")
        if self.filter is not None:
            self._check_filter(self.filter)
        for name in ("dimensions", "families"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise InputError(f"--{name} must name at least one value, and each once.")

    def _check_filter(self, name: str) -> None:
        if self.spacing_mm is None:
            raise InputError("A --filter needs voxels of equal sides: give --spacing-mm.")
        in_plane = image_filter(name, self.spacing_mm).in_plane
        if self.by_slice and not in_plane:
            raise InputError(
                f"The filter '{name}' needs voxels of equal sides: leave out --by-slice, or choose "
                "a filter of axial slices."
            )
        unfit = [family for family in ("morph", "loc", "ivh") if family in self.families]
        if unfit or self.bin_number is None:
            raise InputError(
                "Responses to a --filter are no HU: give a --bin-number, and --families without "
                "morph, loc and ivh."
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON has them."""
        return described(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RadiomicsSettings:
        """Return settings from their JSON form; what is not given has its default.

        Raises:
            InputError: a name is unknown, or a value is not allowed.
        """
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise InputError(f"Radiomics has no setting named '{unknown[0]}'.")
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
        }
        return cls(**given)


_A = RadiomicsSettings(
    spacing_mm=None, by_slice=True, hu_range=(-500, 400), dimensions=("2D", "2.5D")
)
_C = RadiomicsSettings(spacing_mm=2, hu_range=(-1000, 400), ivh_bin_size=2.5)
_D = RadiomicsSettings(spacing_mm=2, hu_range=None, outlier_sd=3, bin_size=None, bin_number=32)

# The processing of IBSI's CT phantom, reference manual, "Reference data sets".
CONFIGURATIONS = {
    "A": _A,
    "B": replace(_A, spacing_mm=2, bin_size=None, bin_number=32),
    "C": _C,
    "D": _D,
    "E": replace(_D, interpolation="cubic", hu_range=(-1000, 400), ivh_bin_number=1000),
}
