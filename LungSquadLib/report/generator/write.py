"""An audit's folder, and the model file with the audit in its card."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from ...errors import InputError
from ...evaluation.generator.results import Audit
from ...files import whole_folder, write_json
from ...imaging.files.write import check_distinct
from ...models.card import Metric
from ...models.file import Model, write_model_file
from .page import audit_page

RESULT, PAGE, MODEL = FILES = ("audit.json", "index.html", "model.safetensors")
COPIES = "An audit found that its images are copies of the images that it was trained on."


def metrics(audit: Audit) -> dict[str, Metric]:
    """What goes into the model's card: every measure, and p of the test for copies."""
    counts = audit.counts
    n = counts.compared or counts.images
    where = (
        f"{counts.held_out_patients} held-out patients, {counts.seeds} seeds"
        if counts.compared
        else f"generated slices alone, {counts.seeds} seeds"
    )
    told = {
        one.name: Metric(one.value.value, one.value.low, one.value.high, n, where)
        for one in audit.measures
    }
    found = audit.memorisation
    if found is not None:
        told["memorisation_p"] = Metric(found.p, found.p, found.p, counts.images, where)
    return told


def with_audit(model: Model, audit: Audit, path: str | os.PathLike[str]) -> str:
    """Write the model again with the audit in its card; return the new file's SHA-256.

    A model that copies says so in its notice, which every output shows.

    Raises:
        ModelError: the path is none of a model.
    """
    card = replace(model.card, metrics={**model.card.metrics, **metrics(audit)})
    if audit.memorisation is not None and audit.memorisation.flagged:
        card = replace(card, notice=" ".join(filter(None, (card.notice, COPIES))))
    return write_model_file(path, model.trainable(), card=card, reference=model.reference)


def check_folder(folder: str | os.PathLike[str], model: Model) -> None:
    """Refuse, before the work, a folder that is or lies in a file, or that holds the very model.

    Raises:
        InputError: it is so.
    """
    target = Path(folder)
    there = next((place for place in (target, *target.parents) if place.exists()), target)
    if there.exists() and not there.is_dir():
        raise InputError(f"'{there}' is a file, so nothing can be written into it.")
    check_distinct([target / name for name in FILES], [model.path])


def write_audit(audit: Audit, model: Model, folder: str | os.PathLike[str]) -> Path:
    """Write `audit.json`, `index.html` and `model.safetensors`; what else lies there stays.

    Returns:
        The page.

    Raises:
        InputError: the folder is a file, or holds the very model.
        MissingPackageError: matplotlib is not installed.
    """
    check_folder(folder, model)
    with whole_folder(folder, last=PAGE) as temporary:
        write_json(temporary / RESULT, audit.to_dict())
        with_audit(model, audit, temporary / MODEL)
        (temporary / PAGE).write_text(audit_page(audit), encoding="utf-8")
    return Path(folder) / PAGE
