"""Write the folder of an evaluation: numbers, figures, page, checklist, model card."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from ...errors import InputError
from ...evaluation.classifier.findings import sample
from ...evaluation.classifier.results import Evaluation, StudyDescription, plain
from ...files import whole_folder, write_csv, write_json
from ...models.card import Card, Metric
from ...models.inputs import InputSpec
from ...statistics.text import format_estimate
from ..page import RESEARCH
from .checklist import COLUMNS, checklist
from .figures import NAMES, pictures
from .methods import cited_references, escaped, methods_text
from .metrics_score import COLUMNS as METRICS_COLUMNS
from .metrics_score import metrics_items
from .page import evaluation_page

RESULT, PAGE, CHECKLIST, METRICS, METHODS, REFERENCES, CARD, FIGURES = FILES = (
    "evaluation.json",
    "index.html",
    "checklist.csv",
    "metrics.csv",
    "methods.md",
    "references.bib",
    "card.md",
    "figures",
)


def write_evaluation(
    evaluation: Evaluation, folder: str | os.PathLike[str], *, study: StudyDescription | None = None
) -> Path:
    """Write `evaluation.json`, `index.html`, `figures/`, and a model's `card.md`.

    And for a paper: `checklist.csv`, `metrics.csv` (the METRICS score), `methods.md` and the
    `references.bib` that it cites.

    Args:
        evaluation: what was found.
        folder: made if it is not there; what else lies in it stays.
        study: how the score came about, as far as it is known.

    Returns:
        The page.

    Raises:
        InputError: the folder is a file, or its `figures` holds something else.
        MissingPackageError: matplotlib is not installed.
    """
    target, study = Path(folder), study or StudyDescription()
    if target.is_file():
        raise InputError(f"'{target}' is a file, so nothing can be written into it.")
    for path in (target / FIGURES).glob("*"):
        if path.stem not in NAMES or path.suffix not in (".png", ".svg"):
            raise InputError(
                f"'{target / FIGURES}' holds files that are no evaluation's: choose another folder."
            )
    with whole_folder(target, last=PAGE) as temporary:
        pictures_, items = pictures(evaluation, study), checklist(evaluation, study)
        metrics = metrics_items(evaluation, study)
        page = evaluation_page(evaluation, pictures_, items, metrics, study=study)
        (temporary / FIGURES).mkdir()
        for picture in pictures_:
            (temporary / FIGURES / f"{picture.name}.png").write_bytes(picture.png)
            (temporary / FIGURES / f"{picture.name}.svg").write_bytes(picture.svg)
        write_json(temporary / RESULT, evaluation.to_dict() | {"study": plain(study)})
        write_csv(temporary / CHECKLIST, COLUMNS, [asdict(item) for item in items])
        write_csv(temporary / METRICS, METRICS_COLUMNS, [asdict(item) for item in metrics])
        methods = methods_text(evaluation, study)
        (temporary / METHODS).write_text(methods, encoding="utf-8")
        (temporary / REFERENCES).write_text(cited_references(methods), encoding="utf-8")
        if study.card is not None:
            text = card_page(study.card, evaluation)
            (temporary / CARD).write_text(text, encoding="utf-8")
        (temporary / PAGE).write_text(page, encoding="utf-8")
    return target / PAGE


def card_page(card: Card, evaluation: Evaluation) -> str:
    """The whole page, from a model's card and the evaluation of its test patients."""
    return "\n".join(_lines(card, evaluation)) + "\n"


def _lines(card: Card, evaluation: Evaluation) -> Iterator[str]:
    yield from (f"# {escaped(card.title)}", "", f"*{RESEARCH}*", "")
    yield from ([f"**{escaped(card.notice)}**", ""] if card.notice else [])
    yield from (f"{escaped(card.question)} Answers:", "")
    yield from (f"- {escaped(label.name)} (`{label.code}`)" for label in card.classes)
    yield from ("", "## Use", "", escaped(card.intended_use), "")
    yield from (f"- {escaped(sentence)}" for sentence in card.must_not)
    yield from ("", "## How well it does", "", escaped(sample(evaluation)), "")
    for sentence in (*evaluation.headline, *evaluation.cautions):
        yield f"- {escaped(sentence)}"
    yield from _metrics(card.metrics, "")
    if card.baseline is not None:
        yield from _metrics(card.baseline.metrics, " of tumour volume alone")
    yield from ("", "## How it was made", "", escaped(card.training.data), "")
    yield f"- Network `{card.network.name}`; input {escaped(str(card.input))}"
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
    yield from ("", "## Licence", "", escaped(card.licence))


def _metrics(metrics: Mapping[str, Metric], of: str) -> Iterator[str]:
    for name, metric in metrics.items():
        yield f"- {escaped(name)}{of}: {format_estimate(metric)}, {escaped(metric.where)}"
