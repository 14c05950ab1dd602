"""The readings of a CT of LIDC-IDRI: what each reader outlined and how they rated it; nodules.

An `LidcReadMessage` has a `readingSession` for each reader, with an `unblindedReadNodule` for each
finding. A nodule of 3 mm or more has `characteristics`, and a `roi` for each slice whose `edgeMap`
points are pixels just outside the nodule (Armato et al. 2011, doi:10.1118/1.3528204, section II.C).
Smaller nodules are a single point, and other findings are `nonNodule`: both are left out. Which
readers outlined the same nodule is not in the file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

import numpy as np

from ..errors import InputError, parsing
from .ratings import CHARACTERISTICS

ROOT = "LidcReadMessage"
LARGEST_XML = 32 << 20  # bytes; those of the collection have at most 2 MB
_LARGEST_PIXEL = 1 << 15
_SERIES = ("SeriesInstanceUid", "CTSeriesInstanceUid")


@dataclass(frozen=True)
class Outline:
    """A closed outline in one slice.

    Attributes:
        sop_uid: SOP Instance UID of the slice.
        z: the slice's position in mm.
        inclusion: False where it is round a part that does not belong to the nodule.
        points: (N, 2) column and row of pixels on the outline, which are just outside the nodule.
    """

    sop_uid: str
    z: float
    inclusion: bool
    points: np.ndarray


@dataclass(frozen=True)
class Reading:
    """A nodule of 3 mm or more as one reader (from 0) outlined and rated it."""

    reader: int
    ratings: Mapping[str, int]
    outlines: tuple[Outline, ...]


@dataclass(frozen=True)
class Annotations:
    """All readings of one CT series."""

    series_uid: str
    readings: tuple[Reading, ...]


def read_annotations(path: Path) -> Annotations | None:
    """Read the annotations of a CT; None for other XML, such as that of a chest radiograph.

    The file may not declare a document type, so that it has no entities and names no other files.

    Raises:
        InputError: the file is too large, damaged, or does not say which series it is about.
        OSError: it cannot be read.
    """
    if path.stat().st_size > LARGEST_XML:
        raise InputError(f"'{path}' is larger than {LARGEST_XML >> 20} MB: no annotations are.")
    with parsing(path, "XML of LIDC-IDRI"):
        root = _parsed(path.read_bytes())
        if root.tag != ROOT:
            return None
        uids = {text for name in _SERIES for text in _texts(root, f"ResponseHeader/{name}")}
        if len(uids) != 1:
            raise InputError(f"'{path}' does not say which series it is about.")
        sessions = enumerate(root.iterfind("readingSession"))
        readings = [
            reading
            for number, session in sessions
            for nodule in session.iterfind("unblindedReadNodule")
            if (reading := _reading(number, nodule)) is not None
        ]
    return Annotations(uids.pop(), tuple(readings))


def _parsed(content: bytes) -> ElementTree.Element:
    """Return the root element; names are without their prefixes."""
    builder, parser = ElementTree.TreeBuilder(), expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise ValueError("it declares a document type")

    def start(name: str, _: Mapping[str, str]) -> None:
        builder.start(_local(name), {})

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda name: builder.end(_local(name))
    parser.CharacterDataHandler = builder.data
    parser.Parse(content, True)
    return builder.close()


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _texts(element: ElementTree.Element, path: str) -> list[str]:
    texts = [(child.text or "").strip() for child in element.iterfind(path)]
    return [text for text in texts if text]


def _reading(reader: int, nodule: ElementTree.Element) -> Reading | None:
    """Return a reader's nodule; None if it has less than 3 mm."""
    outlines = tuple(_outline(roi) for roi in nodule.iterfind("roi"))
    outlines = tuple(outline for outline in outlines if len(outline.points) > 1)
    characteristics = nodule.find("characteristics")
    if characteristics is None or not len(characteristics) or not outlines:
        return None
    ratings = {
        name: value
        for name in CHARACTERISTICS
        for text in _texts(characteristics, name)[:1]
        if 1 <= (value := int(text)) <= 6
    }
    return Reading(reader, ratings, outlines) if ratings else None


def _outline(roi: ElementTree.Element) -> Outline:
    edges = roi.findall("edgeMap")
    points = [(_pixel(edge, "xCoord"), _pixel(edge, "yCoord")) for edge in edges]
    z = float((_texts(roi, "imageZposition") or ["nan"])[0])
    uid = (_texts(roi, "imageSOP_UID") or [""])[0]
    inclusion = (_texts(roi, "inclusion") or ["TRUE"])[0].upper() != "FALSE"
    return Outline(uid, z, inclusion, np.array(points, int).reshape(-1, 2))


def _pixel(edge: ElementTree.Element, name: str) -> int:
    value = float(_texts(edge, name)[0])
    if not (math.isfinite(value) and 0 <= value < _LARGEST_PIXEL):
        raise ValueError(f"{name} is {value:g}")
    return round(value)


@dataclass(frozen=True)
class Region:
    """The voxels of one reading.

    Attributes:
        reader: who drew it.
        voxels: (N, 3) z, y and x of the voxels, N > 0, each once.
        spacing: mm along z, y and x.
    """

    reader: int
    voxels: np.ndarray
    spacing: tuple[float, float, float]

    @cached_property
    def keys(self) -> np.ndarray:
        """The voxels as one number each."""
        z, y, x = self.voxels.astype(np.int64).T
        return (z << 40) | (y << 20) | x

    @cached_property
    def centre(self) -> np.ndarray:
        """The centre in mm from the first voxel of the grid."""
        return self.voxels.mean(axis=0) * self.spacing

    @cached_property
    def radius(self) -> float:
        """The radius in mm of a ball of the same volume."""
        return float((len(self.voxels) * np.prod(self.spacing) * 3 / (4 * np.pi)) ** (1 / 3))


def region_dice(a: Region, b: Region) -> float:
    """Return the Dice coefficient of two regions (Dice, Ecology 1945;26:297-302)."""
    shared = len(np.intersect1d(a.keys, b.keys, assume_unique=True))
    return 2 * shared / (len(a.keys) + len(b.keys))


def same_nodule(regions: Sequence[Region]) -> list[list[int]]:
    """Group regions into nodules, each with at most one region of a reader.

    Regions of different readers belong together where they share voxels, or where the distance of
    their centres is less than the smaller one's radius. The pairs that overlap most join first,
    then the nearest; so a reader who drew two parts has the better one in the group, and the other
    is a nodule of its own.

    Returns:
        The groups, each as indices in ascending order; ordered by their first index.
    """
    pairs = []
    for i, j in combinations(range(len(regions)), 2):
        a, b = regions[i], regions[j]
        distance = float(np.linalg.norm(a.centre - b.centre))
        overlap = region_dice(a, b) if a.reader != b.reader else 0.0
        if a.reader != b.reader and (overlap > 0 or distance < min(a.radius, b.radius)):
            pairs.append((-overlap, distance, i, j))
    groups = {i: [i] for i in range(len(regions))}
    for _, _, i, j in sorted(pairs):
        first, second = groups[i], groups[j]
        readers = [regions[k].reader for k in (*first, *second)]
        if first is not second and len(set(readers)) == len(readers):
            for k in second:
                groups[k] = first
            first.extend(second)
    distinct = {id(group): sorted(group) for group in groups.values()}
    return sorted(distinct.values())
