"""What a network takes: a cube of CT, or rows of tables; as its card says it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..fields import Fields, is_plain
from ..imaging import AXES

MAX_COLUMNS = 50_000
KINDS = ("expression", "clinical", "image", "features")


@dataclass(frozen=True)
class InputSpec:
    """What the network takes, or makes: `size` voxels of `spacing` mm along each axis, in HU.

    `axes` says where x, y and z run in the patient.
    """

    size: int
    spacing: float
    hu_low: float
    hu_high: float
    clip: bool
    axes: str = AXES

    def scaled(self, hu: np.ndarray) -> np.ndarray:
        """What goes into the network: HU `hu_low` is 0, `hu_high` is 1; any shape; float32."""
        scaled = (np.asarray(hu, np.float32) - self.hu_low) / (self.hu_high - self.hu_low)
        return (np.clip(scaled, 0, 1) if self.clip else scaled).astype(np.float32, copy=False)

    def __str__(self) -> str:
        return f"{self.size} voxels of {self.spacing:g} mm a side"


@dataclass(frozen=True)
class Cube:
    """What features of a mask are measured in: `size` voxels of `spacing` mm along each axis."""

    size: int
    spacing: float


@dataclass(frozen=True)
class Source:
    """One of the tables whose rows a network takes together.

    Attributes:
        name: as its user calls it ("expression").
        kind: one of `KINDS`: genes, facts of a patient, features of an image, any numbers.
        columns: in the network's order; one of several values is "column=value", 1 or 0.
        scale: what its numbers are, in words.
        extractor: SHA-256 of the model whose features an image source has, if they are a model's.
        cube: what an image source's features were measured in, if they are of the mask.
    """

    name: str
    kind: str
    columns: tuple[str, ...]
    scale: str
    extractor: str | None = None
    cube: Cube | None = None


@dataclass(frozen=True)
class TableSpec:
    """What a network of tables takes: a row of its sources' columns, NaN where nothing is known."""

    sources: tuple[Source, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Of all sources, one after the other."""
        return tuple(column for source in self.sources for column in source.columns)

    @property
    def widths(self) -> tuple[int, ...]:
        """Columns of each source."""
        return tuple(len(source.columns) for source in self.sources)

    def __str__(self) -> str:
        return ", ".join(f"{len(one.columns)} columns of {one.name}" for one in self.sources)


def read_input(fields: Fields) -> InputSpec | TableSpec:
    """The input that a card's JSON says; `ValueError` for anything else."""
    if not fields.has("sources"):
        return _image(fields)
    sources = fields.items("sources", _source, most=32)
    fields.end()
    if not sources or len({source.name for source in sources}) < len(sources):
        raise ValueError("the card's sources must be there, each with a name of its own")
    return TableSpec(sources)


def read_cube(fields: Fields) -> Cube:
    """The cube that JSON says; `ValueError` for anything else."""
    cube = Cube(fields.integer("size", 8, 512), fields.number("spacing", 0.05, 20))
    fields.end()
    return cube


def _image(fields: Fields) -> InputSpec:
    if not fields.has("axes"):
        raise ValueError(
            "it does not say along which axes of the patient its images run, as models of older "
            "LungSquads: train it, or import its weights, again"
        )
    result = InputSpec(
        size=fields.integer("size", 4, 1024),
        spacing=fields.number("spacing", 0.1, 10),
        hu_low=fields.number("hu_low", -1e5, 1e5),
        hu_high=fields.number("hu_high", -1e5, 1e5),
        clip=fields.flag("clip"),
        axes=fields.text("axes", most=20),
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
        raise ValueError(f"the columns of the source '{source.name}' must be there, each once")
    if not all(len(column) <= 200 and is_plain(column) for column in source.columns):
        raise ValueError(f"a column of the source '{source.name}' has no proper name")
    return source
