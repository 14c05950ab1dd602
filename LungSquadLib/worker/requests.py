"""What can be asked of the worker: every field of a request, checked before anything is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..fields import Fields, shown
from ..imaging.geometry import FARTHEST_MM, Point, plausible_place
from .protocol import Message

MOST_MODELS = 16
MOST_GENERATED = 100  # images that one request asks for


@dataclass(frozen=True)
class Ping:
    """Is anybody there?"""


@dataclass(frozen=True)
class Models:
    """Which models are on this machine?"""


@dataclass(frozen=True)
class Cancel:
    """Stop working on a request, or forget one that waits."""

    request: int


@dataclass(frozen=True)
class Predict:
    """What `lungsquad predict` does; the fields are its arguments."""

    ct: str
    mask: str
    models: tuple[str, ...]
    folder: str
    roi: str | None
    label: int | None
    series: str | None
    device: str
    seed: int
    keep_identity: bool
    centre: Point | None
    profile: str | None


@dataclass(frozen=True)
class Inspect:
    """What does a folder or file hold?"""

    path: str


@dataclass(frozen=True)
class Rois:
    """What can be chosen in a mask file?"""

    mask: str


@dataclass(frozen=True)
class ImportMask:
    """Write a mask file's tumour on the CT's voxels."""

    ct: str
    mask: str
    out: str
    roi: str | None
    label: int | None
    series: str | None


@dataclass(frozen=True)
class Segment:
    """Segment a mask of the tumour at a point, and write it."""

    ct: str
    point: Point
    out: str
    series: str | None


@dataclass(frozen=True)
class Sample:
    """Make a phantom patient."""

    folder: str
    seed: int


@dataclass(frozen=True)
class Export:
    """Write SEG and SR of a case that was made on a copy of a DICOM series."""

    results: str
    ct: str
    mask: str
    source: str
    series: str | None
    folder: str
    keep_identity: bool


@dataclass(frozen=True)
class Batch:
    """What `lungsquad batch` does; the fields are its arguments."""

    manifest: str
    folder: str
    models: tuple[str, ...]
    jobs: int
    device: str
    seed: int
    keep_identity: bool


@dataclass(frozen=True)
class Generate:
    """What `lungsquad gan sample` does; the fields are its arguments."""

    model: str
    folder: str
    n: int
    seed: int
    truncation: float
    label: str | None
    like: int | None


@dataclass(frozen=True)
class Inpaint:
    """Inpaint a tumour in a CT where a mask says, and write the part that changes."""

    ct: str
    mask: str
    model: str
    out: str
    hu: float | None
    kind: str | None
    seed: int


# What takes time.
Work = (
    Models
    | Predict
    | Inspect
    | Rois
    | ImportMask
    | Segment
    | Sample
    | Export
    | Batch
    | Generate
    | Inpaint
)
Request = Ping | Cancel | Work


def request_id(message: Message) -> int | None:
    """The number under which a message wants its answers, if it has a proper one."""
    try:
        return Fields(message, "the request").integer("id", 0, 2**53)
    except ValueError:
        return None


def read_request(message: Message) -> Request:
    """What a message asks for.

    Raises:
        ValueError: with half a sentence that says which field is wrong and how.
    """
    fields = Fields(message, "the request")
    fields.integer("id", 0, 2**53)
    verb = _text(fields, "verb")
    if verb not in _VERBS:
        raise ValueError(f"there is no verb {shown(verb)}: known are {', '.join(_VERBS)}")
    request = _VERBS[verb](fields)
    fields.end()
    return request


def _predict(fields: Fields) -> Predict:
    return Predict(
        ct=_path(fields, "ct"),
        mask=_path(fields, "mask"),
        models=_models(fields),
        folder=_path(fields, "folder"),
        roi=_text(fields, "roi") if fields.has("roi") else None,
        label=fields.integer("label", -(2**63), 2**63) if fields.has("label") else None,
        series=_text(fields, "series") if fields.has("series") else None,
        device=_text(fields, "device") if fields.has("device") else "auto",
        seed=fields.integer("seed", 0, 2**63 - 1) if fields.has("seed") else 0,
        keep_identity=fields.flag("keep_identity") if fields.has("keep_identity") else False,
        centre=_point(fields, "centre") if fields.has("centre") else None,
        profile=_path(fields, "profile") if fields.has("profile") else None,
    )


def _import_mask(fields: Fields) -> ImportMask:
    return ImportMask(
        ct=_path(fields, "ct"),
        mask=_path(fields, "mask"),
        out=_path(fields, "out"),
        roi=_text(fields, "roi") if fields.has("roi") else None,
        label=fields.integer("label", -(2**63), 2**63) if fields.has("label") else None,
        series=_text(fields, "series") if fields.has("series") else None,
    )


def _segment(fields: Fields) -> Segment:
    return Segment(
        ct=_path(fields, "ct"),
        point=_point(fields, "point"),
        out=_path(fields, "out"),
        series=_text(fields, "series") if fields.has("series") else None,
    )


def _sample(fields: Fields) -> Sample:
    seed = fields.integer("seed", 0, 2**63 - 1) if fields.has("seed") else 7
    return Sample(_path(fields, "folder"), seed)


def _export(fields: Fields) -> Export:
    return Export(
        results=_path(fields, "results"),
        ct=_path(fields, "ct"),
        mask=_path(fields, "mask"),
        source=_path(fields, "source"),
        series=_text(fields, "series") if fields.has("series") else None,
        folder=_path(fields, "folder"),
        keep_identity=fields.flag("keep_identity") if fields.has("keep_identity") else False,
    )


def _batch(fields: Fields) -> Batch:
    return Batch(
        manifest=_path(fields, "manifest"),
        folder=_path(fields, "folder"),
        models=_models(fields),
        jobs=fields.integer("jobs", 1, 2**31) if fields.has("jobs") else 1,
        device=_text(fields, "device") if fields.has("device") else "auto",
        seed=fields.integer("seed", 0, 2**63 - 1) if fields.has("seed") else 0,
        keep_identity=fields.flag("keep_identity") if fields.has("keep_identity") else False,
    )


def _generate(fields: Fields) -> Generate:
    return Generate(
        model=_text(fields, "model"),
        folder=_path(fields, "folder"),
        n=fields.integer("n", 1, MOST_GENERATED) if fields.has("n") else 16,
        seed=fields.integer("seed", 0, 2**63 - 1) if fields.has("seed") else 0,
        truncation=fields.number("truncation", 0, 1) if fields.has("truncation") else 1.0,
        label=_text(fields, "label") if fields.has("label") else None,
        like=fields.integer("like", 0, MOST_GENERATED - 1) if fields.has("like") else None,
    )


def _inpaint(fields: Fields) -> Inpaint:
    return Inpaint(
        ct=_path(fields, "ct"),
        mask=_path(fields, "mask"),
        model=_text(fields, "model"),
        out=_path(fields, "out"),
        hu=fields.number("hu", -(2**15), 2**15) if fields.has("hu") else None,
        kind=_text(fields, "class") if fields.has("class") else None,
        seed=fields.integer("seed", 0, 2**63 - 1) if fields.has("seed") else 0,
    )


_VERBS: dict[str, Callable[[Fields], Request]] = {
    "ping": lambda _: Ping(),
    "models": lambda _: Models(),
    "predict": _predict,
    "inspect": lambda fields: Inspect(_path(fields, "path")),
    "rois": lambda fields: Rois(_path(fields, "mask")),
    "mask": _import_mask,
    "segment": _segment,
    "sample": _sample,
    "dicom": _export,
    "batch": _batch,
    "generate": _generate,
    "inpaint": _inpaint,
    "cancel": lambda fields: Cancel(fields.integer("request", 0, 2**53)),
}


def _text(fields: Fields, name: str) -> str:
    """Any text: ROI names and paths hold what their makers liked."""
    value = fields.take(name)
    if not isinstance(value, str) or "\0" in value:
        raise _wrong(name, "a text", value)
    return value


def _path(fields: Fields, name: str) -> str:
    value = _text(fields, name)
    if not Path(value).is_absolute():  # nobody should have to know where the worker was started
        raise _wrong(name, "a full path", value)
    return value


def _point(fields: Fields, name: str) -> Point:
    values: Any = fields.take(name)
    numbers = isinstance(values, list) and all(type(value) in (int, float) for value in values)
    if not numbers or len(values) != 3 or not plausible_place(values):
        raise _wrong(name, f"three numbers within {FARTHEST_MM:g} mm", values)
    return (float(values[0]), float(values[1]), float(values[2]))


def _models(fields: Fields) -> tuple[str, ...]:
    values: Any = fields.take("models")
    texts = isinstance(values, list) and all(isinstance(value, str) for value in values)
    if not texts or not 1 <= len(values) <= MOST_MODELS:
        raise _wrong("models", f"a list of 1 to {MOST_MODELS} names or files", values)
    return tuple(values)


def _wrong(name: str, expected: str, value: object) -> ValueError:
    return ValueError(f"the request's '{name}' must be {expected}, but is {shown(value)}")
