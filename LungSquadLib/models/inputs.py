"""A network's input as its card describes it: a cube of CT, or rows of tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..fields import Fields, is_plain
from ..imaging import AXES
from ..imaging.resample import AIR

MAX_COLUMNS = 50_000
KINDS = ("expression", "clinical", "image", "features")


@dataclass(frozen=True)
class InputSpec:
    """An image: `size` voxels of `spacing` mm along each axis, HU `hu_low` to `hu_high`.

    `axes` are the directions of x, y and z in the patient. `margin_mm` is how far round the mask,
    in its own axial slices, the network sees the CT; None: everything.
    """

    size: int
    spacing: float
    hu_low: float
    hu_high: float
    clip: bool
    axes: str = AXES
    margin_mm: float | None = None

    def visible(self, hu: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Return HU (z, y, x) with air in place of what the network must not see.

        That is everything above and below the slices of the mask, and what lies farther from it in
        its slices than `margin_mm`. Cases that were cut out so are then like any others.
        """
        if self.margin_mm is None:
            return hu
        radius = round(self.margin_mm / self.spacing)
        image = sitk.GetImageFromArray((mask != 0).astype(np.uint8))
        near = sitk.BinaryDilate(image, (radius, radius, 0), sitk.sitkBall, 0, 1)
        return np.where(sitk.GetArrayViewFromImage(near) != 0, hu, np.asarray(AIR, hu.dtype))

    def scaled(self, hu: np.ndarray) -> np.ndarray:
        """Scale HU of any shape for the network: `hu_low` is 0, `hu_high` is 1; float32."""
        scaled = (np.asarray(hu, np.float32) - self.hu_low) / (self.hu_high - self.hu_low)
        return (np.clip(scaled, 0, 1) if self.clip else scaled).astype(np.float32, copy=False)

    def __str__(self) -> str:
        return f"{self.size} voxels of {self.spacing:g} mm a side"


@dataclass(frozen=True)
class Cube:
    """The crop that features of a mask are measured in: `size` voxels of `spacing` mm a side."""

    size: int
    spacing: float


@dataclass(frozen=True)
class Source:
    """One of the tables that a network takes.

    Attributes:
        name: given by its user ("expression").
        kind: one of `KINDS`: genes, clinical data, image features, any numbers.
        columns: in the network's order; a category is a column "column=value" of 1 and 0.
        scale: of its values, in words.
        extractor: SHA-256 of the model that extracts an image source's features, if one does.
        cube: the crop of an image source's features, if they are measured in the mask.
    """

    name: str
    kind: str
    columns: tuple[str, ...]
    scale: str
    extractor: str | None = None
    cube: Cube | None = None


@dataclass(frozen=True)
class TableSpec:
    """The sources of a network of tables; a row joins their columns, NaN for missing values."""

    sources: tuple[Source, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of all sources, joined."""
        return tuple(column for source in self.sources for column in source.columns)

    @property
    def widths(self) -> tuple[int, ...]:
        """Number of columns of each source."""
        return tuple(len(source.columns) for source in self.sources)

    def __str__(self) -> str:
        return ", ".join(
            f"{len(source.columns)} columns of {source.name}" for source in self.sources
        )


def read_input(fields: Fields) -> InputSpec | TableSpec:
    """Read the input of a card's JSON; `ValueError` if it is not valid."""
    if not fields.has("sources"):
        return _image(fields)
    sources = fields.items("sources", _source, most=32)
    fields.end()
    if not sources or len({source.name for source in sources}) < len(sources):
        raise ValueError("the card must have sources with different names")
    return TableSpec(sources)


def read_cube(fields: Fields) -> Cube:
    """Read a cube from JSON; `ValueError` if it is not valid."""
    cube = Cube(fields.integer("size", 8, 512), fields.number("spacing", 0.05, 20))
    fields.end()
    return cube


def _image(fields: Fields) -> InputSpec:
    if not fields.has("axes"):
        raise ValueError(
            "it does not say along which axes of the patient its images run: train the model, or "
            "import its weights, again"
        )
    result = InputSpec(
        size=fields.integer("size", 4, 1024),
        spacing=fields.number("spacing", 0.1, 10),
        hu_low=fields.number("hu_low", -1e5, 1e5),
        hu_high=fields.number("hu_high", -1e5, 1e5),
        clip=fields.flag("clip"),
        axes=fields.text("axes", most=20),
        margin_mm=fields.number("margin_mm", 0, 1000) if fields.has("margin_mm") else None,
    )
    if result.hu_high - result.hu_low < 1:
        raise ValueError("the card's input's 'hu_high' is not above 'hu_low'")
    if result.axes != AXES:
        raise ValueError(f"its images run along {result.axes}, and here they run along {AXES}")
    fields.end()
    return result


def _source(fields: Fields) -> Source:
    source = Source(
        name=fields.identifier("name"),
        kind=fields.identifier("kind"),
        columns=fields.texts("columns", most=MAX_COLUMNS),
        scale=fields.text("scale", most=400),
        extractor=fields.digest("extractor", digits=64) if fields.has("extractor") else None,
        cube=read_cube(fields.child("cube")) if fields.has("cube") else None,
    )
    fields.end()
    if source.kind not in KINDS:
        raise ValueError(f"the source '{source.name}' is of an unknown kind: update LungSquad")
    if not source.columns or len(set(source.columns)) < len(source.columns):
        raise ValueError(f"the source '{source.name}' must have columns, each once")
    if not all(len(column) <= 200 and is_plain(column) for column in source.columns):
        raise ValueError(f"a column of the source '{source.name}' has no proper name")
    return source
