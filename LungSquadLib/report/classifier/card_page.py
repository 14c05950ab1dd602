"""The model card as a page of Markdown: what the model is for, what it is not for, how it did."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ...evaluation.classifier.results import Evaluation
from ...evaluation.classifier.sentences import sample
from ...models.card import Card, Metric
from ...models.inputs import InputSpec
from ...statistics.text import with_interval
from ..document import RESEARCH


def card_page(card: Card, evaluation: Evaluation) -> str:
    """The whole page, from a model's card and the evaluation of its test patients."""
    return "\n".join(_lines(card, evaluation)) + "\n"


def _lines(card: Card, evaluation: Evaluation) -> Iterator[str]:
    yield from (f"# {_text(card.title)}", "", f"*{RESEARCH}*", "")
    yield from ([f"**{_text(card.notice)}**", ""] if card.notice else [])
    yield from (f"{_text(card.question)} Answers:", "")
    yield from (f"- {_text(one.name)} (`{one.code}`)" for one in card.classes)
    yield from ("", "## Use", "", _text(card.intended_use), "")
    yield from (f"- {_text(sentence)}" for sentence in card.must_not)
    yield from ("", "## How well it does", "", _text(sample(evaluation)), "")
    for sentence in (*evaluation.headline, *evaluation.cautions):
        yield f"- {_text(sentence)}"
    yield from _metrics(card.metrics, "")
    if card.baseline is not None:
        yield from _metrics(card.baseline.metrics, " of tumour volume alone")
    yield from ("", "## How it was made", "", _text(card.training.data), "")
    yield f"- Network `{card.network.name}`; input {_text(str(card.input))}"
    if isinstance(card.input, InputSpec):
        yield f"- HU {card.input.hu_low:g} to {card.input.hu_high:g}"
    yield f"- Temperature {card.temperature:.3g}"
    known = {
        "Patients": card.training.patients,
        "Seed": card.training.seed,
        "Split": card.training.split_hash,
        "Training data": card.training.fingerprint,
    }
    yield from (f"- {name}: {value}" for name, value in known.items() if value is not None)
    yield from ("", "## Licence", "", _text(card.licence))


def _metrics(metrics: Mapping[str, Metric], of: str) -> Iterator[str]:
    for name, one in metrics.items():
        yield f"- {_text(name)}{of}: {with_interval(one)}, {_text(one.where)}"


def _text(text: str) -> str:
    """Text that Markdown takes as it is."""
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", text)
