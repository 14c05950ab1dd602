"""Model cards: what a model predicts, its training, performance, intended use and limits."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..errors import ModelError
from ..fields import Fields, parsed_json, printable
from ..networks import checked_arguments, kind_of, size_of, widths_of
from ..statistics.intervals import Estimate
from .characteristics import Characteristic, read_characteristic
from .inputs import InputSpec, TableSpec, read_input

FORMAT_VERSION = 5  # raised when a field changes; no other version is read
MAX_SEEN = 10_000  # of each kind; together 660 kB of the header, which has room for 1 MiB


@dataclass(frozen=True)
class ClassLabel:
    """A class: a short code ("LUAD") and its name for people ("adenocarcinoma")."""

    code: str
    name: str


@dataclass(frozen=True)
class NetworkSpec:
    """A network of `LungSquadLib.networks.build` and its arguments."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Metric:
    """A measure of performance with its 95 % interval, the number of cases and which these are."""

    value: float
    low: float
    high: float
    n: int
    where: str

    @classmethod
    def of(cls, estimate: Estimate, *, n: int, where: str) -> Metric:
        """Make a metric of an estimate, with the number of cases and which they are."""
        return cls(estimate.value, estimate.low, estimate.high, n, where)


@dataclass(frozen=True)
class Seen:
    """The cases a model was trained on, as short hashes (16 digits, sorted) without identities.

    Attributes:
        patients: of the patients' pseudonyms.
        series: of the CT series' pseudonyms.
        pixels: of the CTs' content.
    """

    patients: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    pixels: tuple[str, ...] = ()

    def __or__(self, other: Seen) -> Seen:
        """Join both: a model inherits the cases of the model it started from."""
        return Seen(
            tuple(sorted({*self.patients, *other.patients})),
            tuple(sorted({*self.series, *other.series})),
            tuple(sorted({*self.pixels, *other.pixels})),
        )

    def __str__(self) -> str:
        return (
            f"{len(self.patients)} patients, {len(self.series)} series, {len(self.pixels)} CTs "
            "(as hashes)"
        )


@dataclass(frozen=True)
class Training:
    """The training of a model; None for what is not known.

    Attributes:
        data: training data, in words.
        patients: number of patients.
        fingerprint: of the training data; `split_hash`: of the split.
        seed: of the training; `command`: what was run.
        seen: training and validation cases, and those of the model it started from.
        overlap_allowed: a sentence if the user allowed training and test to overlap, which makes
            the metrics too good.
        started_from: SHA-256 of the file of the model it started from.
    """

    data: str
    patients: int | None = None
    fingerprint: str | None = None
    split_hash: str | None = None
    seed: int | None = None
    command: str | None = None
    seen: Seen | None = None
    overlap_allowed: str | None = None
    started_from: str | None = None


@dataclass(frozen=True)
class Baseline:
    """The volume-only baseline: a logistic model of the logarithm of the tumour's volume."""

    kind: str
    intercept: float
    slope: float
    metrics: Mapping[str, Metric] = field(default_factory=dict)

    def probability(self, volume_ml: float) -> float:
        """Return the positive class's probability for a tumour of `volume_ml` mL (above 0)."""
        if not volume_ml > 0:
            raise ValueError(f"a tumour's volume must be above 0 mL, not {volume_ml}")
        logit = self.intercept + self.slope * math.log(volume_ml)
        return 1 / (1 + math.exp(-logit)) if logit > -700 else 0.0


@dataclass(frozen=True)
class ReferenceSpec:
    """Statistics of the network on reference cases; the file holds tensors `reference.*` too.

    Attributes:
        n: number of reference cases behind the features' mean and precision.
        between_sd: standard deviation of the positive class's logit between reference patients.
        icc: agreement of that logit when the mask is perturbed.
    """

    n: int
    between_sd: float | None = None
    icc: Estimate | None = None


@dataclass(frozen=True)
class Card:
    """A model's card. `from_json` checks everything; a card made by hand is checked on writing.

    Attributes:
        name: identifier of the model.
        title, question: for people; the question is one sentence.
        task: what is predicted, as an identifier ("histology", "survival2y"); "generation",
            "inpainting", "segmentation".
        classes: in the order of the network's outputs; of a generator or inpainter the conditions,
            which may be none.
        positive: index of the class that AUC, baseline and risk are about.
        temperature: the logits are divided by it before the softmax.
        must_not: sentences about uses that are not allowed.
        notice: a sentence that every output must show.
        characteristics: of a descriptor, in the order of the network's outputs.
    """

    name: str
    title: str
    task: str
    question: str
    classes: tuple[ClassLabel, ...]
    network: NetworkSpec
    input: InputSpec | TableSpec
    positive: int
    training: Training
    licence: str
    intended_use: str
    must_not: tuple[str, ...]
    temperature: float = 1.0
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    baseline: Baseline | None = None
    reference: ReferenceSpec | None = None
    notice: str | None = None
    doi: str | None = None
    characteristics: tuple[Characteristic, ...] = ()
    format_version: int = FORMAT_VERSION

    @property
    def kind(self) -> str:
        """What the model does; see `networks.RegisteredNetwork.kind`."""
        return kind_of(self.network.name)

    @property
    def image(self) -> InputSpec:
        """The image it takes or makes; `ModelError` for a model of tables."""
        if isinstance(self.input, TableSpec):
            raise ModelError(f"The model '{self.name}' takes tables. Choose a model of images.")
        return self.input

    @property
    def table(self) -> TableSpec:
        """The tables it takes; `ModelError` for a model of images."""
        if isinstance(self.input, InputSpec):
            raise ModelError(f"The model '{self.name}' is of images. Choose a model of tables.")
        return self.input

    @classmethod
    def from_json(cls, text: str) -> Card:
        """Read a card from JSON and check every field.

        Raises:
            ModelError: names the wrong field and what is allowed.
        """
        try:
            return checked_card(text)
        except ValueError as error:
            raise ModelError(f"The model card is not valid: {error}.") from error

    def to_json(self) -> str:
        """Return the card as JSON text."""
        try:
            return json.dumps(asdict(self), ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ModelError(f"The model card cannot be written as JSON: {error}.") from error


def checked_card(text: str) -> Card:
    """As `Card.from_json`, with a clause in a `ValueError`."""
    fields = Fields(parsed_json(text), "the card")
    version = fields.integer("format_version", 1, 10**6)
    if version > FORMAT_VERSION:
        raise ValueError(
            f"it has format version {version}, made by a newer LungSquad (this one reads "
            f"{FORMAT_VERSION}): update LungSquad"
        )
    if version < FORMAT_VERSION:
        raise ValueError(
            f"it has format version {version}, made by an older LungSquad (this one reads "
            f"{FORMAT_VERSION}): train the model, or import its weights, again"
        )
    card = Card(
        format_version=version,
        name=fields.identifier("name"),
        title=fields.text("title", most=200),
        task=fields.identifier("task"),
        question=fields.text("question", most=400),
        classes=fields.items("classes", _class_label, most=32),
        network=_network(fields.child("network")),
        input=read_input(fields.child("input")),
        temperature=fields.number("temperature", 1e-3, 1e3),
        positive=fields.integer("positive", 0, 31),
        training=_training(fields.child("training")),
        metrics=fields.table("metrics", _metric, most=200),
        baseline=_baseline(fields.child("baseline")) if fields.has("baseline") else None,
        reference=_reference(fields.child("reference")) if fields.has("reference") else None,
        licence=fields.text("licence", most=4000),
        intended_use=fields.text("intended_use", most=2000),
        must_not=fields.texts("must_not", most=20),
        notice=fields.text("notice") if fields.has("notice") else None,
        doi=fields.text("doi", most=200) if fields.has("doi") else None,
        characteristics=fields.items("characteristics", read_characteristic, most=32)
        if fields.has("characteristics")
        else (),
    )
    fields.end()
    _agrees(card)
    return card


def _agrees(card: Card) -> None:
    """Refuse a card whose fields contradict each other."""
    arguments = card.network.arguments
    if len(card.classes) != (classes := arguments.get("classes", 0)):
        raise ValueError(
            f"the card names {len(card.classes)} classes, but its network has {classes}"
        )
    levels = tuple(len(scale.words) for scale in card.characteristics)
    if levels != tuple(arguments.get("levels", ())):
        raise ValueError("the scales of the card's characteristics are not those of its network")
    if len({label.code for label in card.classes}) != len(card.classes):
        raise ValueError("two of the card's classes have the same code")
    if card.positive >= max(len(card.classes), 1):
        raise ValueError(f"the card's positive class is {card.positive}, but classes count from 0")
    if isinstance(card.input, TableSpec):
        widths = widths_of(card.network.name, arguments)
        if card.input.widths != widths:
            raise ValueError(
                f"the card's sources have {card.input.widths} columns, but its network takes "
                f"{widths}"
            )
    elif card.input.size != (size := size_of(card.network.name, arguments)):
        raise ValueError(
            f"the card's input has {card.input.size} voxels along each axis, but its network "
            f"takes {size or 'tables'}"
        )
    if card.kind != "classifier" and card.baseline:
        raise ValueError("the card has a baseline, which only classifiers have")
    if card.kind in ("generator", "inpainter", "segmenter") and card.reference:
        raise ValueError("the card has a reference, which models of images or masks do not have")


def _class_label(fields: Fields) -> ClassLabel:
    label = ClassLabel(code=fields.identifier("code"), name=fields.text("name", most=100))
    fields.end()
    return label


def _network(fields: Fields) -> NetworkSpec:
    name, arguments = fields.identifier("name"), fields.take("arguments")
    if not isinstance(arguments, dict):
        raise ValueError(
            f"the card's network's 'arguments' must be an object, not {printable(arguments)}"
        )
    fields.end()
    return NetworkSpec(name, checked_arguments(name, arguments))


def _training(fields: Fields) -> Training:
    result = Training(
        data=fields.text("data", most=2000),
        patients=fields.integer("patients", 0, 10**9) if fields.has("patients") else None,
        fingerprint=fields.text("fingerprint", most=200) if fields.has("fingerprint") else None,
        split_hash=fields.text("split_hash", most=200) if fields.has("split_hash") else None,
        seed=fields.integer("seed", 0, 2**64 - 1) if fields.has("seed") else None,
        command=fields.text("command", most=2000) if fields.has("command") else None,
        seen=_seen(fields.child("seen")) if fields.has("seen") else None,
        overlap_allowed=fields.text("overlap_allowed") if fields.has("overlap_allowed") else None,
        started_from=fields.digest("started_from", digits=64)
        if fields.has("started_from")
        else None,
    )
    fields.end()
    return result


def _seen(fields: Fields) -> Seen:
    patients, series, pixels = (
        fields.digests(name, digits=16, most=MAX_SEEN) for name in ("patients", "series", "pixels")
    )
    fields.end()
    return Seen(patients, series, pixels)


def _interval(fields: Fields) -> Estimate:
    result = Estimate(
        fields.number("value"),
        fields.number("low"),
        fields.number("high"),
        fields.text("method", most=200) if fields.has("method") else None,
    )
    _ordered(result)
    fields.end()
    return result


def _metric(fields: Fields) -> Metric:
    result = Metric(
        value=fields.number("value"),
        low=fields.number("low"),
        high=fields.number("high"),
        n=fields.integer("n", 1, 10**9),
        where=fields.text("where", most=400),
    )
    _ordered(result)
    fields.end()
    return result


def _ordered(estimate: Estimate | Metric) -> None:
    if not estimate.low <= estimate.value <= estimate.high:
        raise ValueError(
            f"in the card, the value {estimate.value:g} lies outside its interval "
            f"{estimate.low:g} to {estimate.high:g}"
        )


def _baseline(fields: Fields) -> Baseline:
    kind = fields.identifier("kind")
    if kind != "log_volume_logistic":
        raise ValueError(f"the card's baseline is of the unknown kind '{kind}': update LungSquad")
    result = Baseline(
        kind=kind,
        intercept=fields.number("intercept", -1e3, 1e3),
        slope=fields.number("slope", -1e3, 1e3),
        metrics=fields.table("metrics", _metric, most=100),
    )
    fields.end()
    return result


def _reference(fields: Fields) -> ReferenceSpec:
    result = ReferenceSpec(
        n=fields.integer("n", 2, 10**9),
        between_sd=fields.number("between_sd", 0, 1e6) if fields.has("between_sd") else None,
        icc=_interval(fields.child("icc")) if fields.has("icc") else None,
    )
    fields.end()
    return result
