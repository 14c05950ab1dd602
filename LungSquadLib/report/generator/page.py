"""The page and the files of a generator's audit."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from ...errors import InputError
from ...evaluation.generator.image_set import ImageSet
from ...evaluation.generator.results import Audit, Gallery, ImageSetMeasure
from ...files import whole_folder, write_json
from ...imaging.files.write import check_distinct
from ...models.card import Metric
from ...models.file import Model, write_model_file
from ...statistics.memorisation import LEVEL, MAX_DISTANCE_RATIO
from ...statistics.text import format_estimate, format_p
from ..page import Child, Markup, element, figures, findings, page, section, small_print, table
from .pictures import grid, histograms, pairs

_HEADER = (
    "",
    "Generated",
    "Real training slices",
    "Untrained network",
    "Independent pixels",
)


def audit_page(audit: Audit) -> str:
    """Return the whole page.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    title = f"Audit of '{audit.model}'" if audit.model else "Audit of generated slices"
    return page(
        title,
        findings(audit.findings or ("Nothing could be measured.",), audit.cautions),
        _images(audit.gallery) if audit.gallery is not None else None,
        section("All measures", table(list(map(_row, audit.measures)), header=_HEADER)),
        section("Methods", _counts(audit), small_print(_METHODS)),
    )


def _images(gallery: Gallery) -> list[Markup]:
    def slices(images: ImageSet, caption: str) -> Markup:
        return grid(images, caption, window=gallery.window, columns=8)

    cells = section(
        "Generated and real slices",
        element(
            "div",
            slices(gallery.fakes, "Generated, the first ones of the first seed."),
            slices(gallery.reals, "Real, drawn at random."),
            class_="figures",
        ),
    )
    if len(gallery.nearest):
        least, most = gallery.distances[[0, -1]]
        caption = (
            "Pairs of a generated slice and the training slice nearest to it, the nearest first: "
            f"root mean square difference {least:.2f} to {most:.2f} of a range of 2, in blocks."
        )
        both = pairs(gallery.nearest, gallery.neighbours)
        cells += section("The generated slices nearest to a training slice", slices(both, caption))
    return [*cells, *section("Tumours", figures(histograms(gallery)))]


def _row(measure: ImageSetMeasure) -> tuple[Child, ...]:
    compared = (measure.generated, measure.reference, measure.untrained, measure.gaussian)
    # An outlier changes a distance by orders of magnitude, and then its digits mean nothing.
    digits = 3 if abs(measure.generated.value) < 10 else 1
    label = [measure.label, element("br"), element("small", measure.better)]
    return (
        label,
        *("" if each is None else format_estimate(each, digits) for each in compared),
    )


def _counts(audit: Audit) -> Markup:
    counts, test = audit.counts, audit.memorisation
    rows: list[tuple[Child, ...]] = [
        ("Model", audit.model or "none: images only"),
        ("SHA-256", element("code", audit.sha256)) if audit.sha256 else ("SHA-256", "none"),
        ("Slices", audit.slicing),
        ("Training", f"{counts.training_slices} slices of {counts.training_patients} patients"),
        ("Held out", f"{counts.held_out_slices} slices of {counts.held_out_patients} patients"),
        ("Generated", f"{counts.images} slices of each of {counts.seeds} seeds"),
        ("Compared", f"{counts.compared} slices of each set"),
    ]
    if test is not None:
        numbers = (
            f"closer in {test.closer_fraction:.1%} of pairs, {format_p(test.p)}, median distance "
            f"ratio {test.distance_ratio:.2f}, nearer than any held-out slice: {test.memorised}; "
            f"Mann-Whitney z of plain distances {test.z:.1f}"
        )
        rows.append(("Memorisation", numbers))
    return table(rows)


_METHODS = (
    "Numbers are means over seeds with 95 % intervals (Student's t): new generated slices, other "
    "real ones, other projections; not other patients. Real training slices against held-out ones "
    "are what is attainable; for measures of one set only, that column is of held-out real slices.",
    "SWD: sliced Wasserstein distance x 1000 on a Laplacian pyramid of CT and mask (Karras et al. "
    "2017). KID: unbiased, cubic kernel (Binkowski et al. 2018). Frechet distance: covariances "
    "shrunk by a tenth towards their diagonals. Precision and recall: nearest neighbours, k = 3 "
    "(Kynkäänniemi et al. 2019). Features are in standard deviations of the held-out slices; "
    "slices with an empty mask are left out there.",
    "The segmenter is a small U-Net, trained for this audit on real training slices; its input "
    "is the CT, with at most 64 pixels a side.",
    "Memorisation: CT and mask as means of 16 x 16 blocks, where noise on single pixels is "
    "averaged out. Distances of generated slices to training slices against those of held-out real "
    "ones (Meehan et al. 2020), both divided by the distance to held-out slices of other patients, "
    "since blurred images lie near to everything; the test is over patients. Flagged: p below "
    f"{LEVEL:g}, and a median distance ratio of at most {MAX_DISTANCE_RATIO:g}.",
)


RESULT, PAGE, MODEL = FILES = ("audit.json", "index.html", "model.safetensors")
MEMORISED = "An audit found that its images are copies of its training images."


def metrics(audit: Audit) -> dict[str, Metric]:
    """Return the metrics of the model's card: every measure, and p of the memorisation test."""
    counts = audit.counts
    n = counts.compared or counts.images
    where = (
        f"{counts.held_out_patients} held-out patients, {counts.seeds} seeds"
        if counts.compared
        else f"generated slices only, {counts.seeds} seeds"
    )
    result = {each.name: Metric.of(each.generated, n=n, where=where) for each in audit.measures}
    test = audit.memorisation
    if test is not None:
        result["memorisation_p"] = Metric(test.p, test.p, test.p, counts.images, where)
    return result


def with_audit(model: Model, audit: Audit, path: str | os.PathLike[str]) -> str:
    """Write the model with the audit in its card; return the new file's SHA-256.

    The notice of a model that memorises warns of it in every output.

    Raises:
        ModelError: the path is none of a model.
    """
    card = replace(model.card, metrics={**model.card.metrics, **metrics(audit)})
    if audit.memorisation is not None and audit.memorisation.flagged:
        card = replace(card, notice=" ".join(filter(None, (card.notice, MEMORISED))))
    return write_model_file(path, model.trainable(), card=card, reference=model.reference)


def check_folder(folder: str | os.PathLike[str], model: Model) -> None:
    """Refuse a folder that is or lies in a file, or that holds the model itself.

    Raises:
        InputError: the folder is refused.
    """
    target = Path(folder)
    existing = next((path for path in (target, *target.parents) if path.exists()), target)
    if existing.exists() and not existing.is_dir():
        raise InputError(f"'{existing}' is a file, so nothing can be written into it.")
    check_distinct([target / name for name in FILES], [model.path])


def write_audit(audit: Audit, model: Model, folder: str | os.PathLike[str]) -> Path:
    """Write `audit.json`, `index.html` and `model.safetensors`; what else lies there stays.

    Returns:
        The page.

    Raises:
        InputError: the folder is a file, or holds the model itself.
        MissingPackageError: matplotlib is not installed.
    """
    check_folder(folder, model)
    with whole_folder(folder, last=PAGE) as temporary:
        write_json(temporary / RESULT, audit.to_dict())
        with_audit(model, audit, temporary / MODEL)
        (temporary / PAGE).write_text(audit_page(audit), encoding="utf-8")
    return Path(folder) / PAGE
