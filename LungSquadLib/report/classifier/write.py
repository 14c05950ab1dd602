"""An evaluation's folder: numbers, figures, page, checklist, card."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

from ...errors import InputError
from ...evaluation.classifier.facts import Facts
from ...evaluation.classifier.results import Evaluation, plain
from ...files import whole_folder, write_csv, write_json
from .card_page import card_page
from .checklist import COLUMNS, checklist
from .page import evaluation_page
from .plots import NAMES, pictures

RESULT, PAGE, CHECKLIST, CARD, FIGURES = FILES = (
    "evaluation.json",
    "index.html",
    "checklist.csv",
    "card.md",
    "figures",
)


def write_evaluation(
    evaluation: Evaluation, folder: str | os.PathLike[str], *, facts: Facts | None = None
) -> Path:
    """Write `evaluation.json`, `index.html`, `checklist.csv`, `figures/`, and a model's `card.md`.

    Args:
        evaluation: what was found.
        folder: made if it is not there; what else lies in it stays.
        facts: what is known of how the score came about.

    Returns:
        The page.

    Raises:
        InputError: the folder is a file, or its `figures` holds something else.
        MissingPackageError: matplotlib is not installed.
    """
    target, facts = Path(folder), facts or Facts()
    if target.is_file():
        raise InputError(f"'{target}' is a file, so nothing can be written into it.")
    for path in (target / FIGURES).glob("*"):
        if path.stem not in NAMES or path.suffix not in (".png", ".svg"):
            raise InputError(
                f"'{target / FIGURES}' holds files that are no evaluation's: choose another folder."
            )
    with whole_folder(target, last=PAGE) as temporary:
        drawn, items = pictures(evaluation, facts), checklist(evaluation, facts)
        page = evaluation_page(evaluation, drawn, items, facts=facts)
        (temporary / FIGURES).mkdir()
        for one in drawn:
            (temporary / FIGURES / f"{one.name}.png").write_bytes(one.png)
            (temporary / FIGURES / f"{one.name}.svg").write_bytes(one.svg)
        write_json(temporary / RESULT, evaluation.to_dict() | {"facts": plain(facts)})
        write_csv(temporary / CHECKLIST, COLUMNS, [asdict(item) for item in items])
        if facts.card is not None:
            text = card_page(facts.card, evaluation)
            (temporary / CARD).write_text(text, encoding="utf-8")
        (temporary / PAGE).write_text(page, encoding="utf-8")
    return target / PAGE
