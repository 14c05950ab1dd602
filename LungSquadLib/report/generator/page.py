"""The page and the files of a generator's audit."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from ...errors import InputError
from ...evaluation.generator.image_set import Material
from ...evaluation.generator.results import Audit, Gallery, ImageSetMeasure
from ...files import whole_folder, write_json
from ...imaging.files.write import check_distinct
from ...models.card import Metric
from ...models.file import Model, write_model_file
from ...statistics.intervals import Estimate
from ...statistics.memorisation import LEVEL, MAX_DISTANCE_RATIO
from ...statistics.text import format_estimate, format_p
from ..classifier.page import figure_of
from ..page import Child, Markup, element, page, table
from .pictures import grid, histograms, pairs

_HEADER = (
    "",
    "Generated",
    "Real training slices",
    "Untrained network",
    "Pixels one by one",
)


def audit_page(audit: Audit) -> str:
    """The whole page.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    title = f"Audit of '{audit.model}'" if audit.model else "Audit of generated slices"
    first, *more = audit.sentences or ("Nothing could be measured.",)
    return page(
        title,
        element("h2", "What was found"),
        element("p", first, class_="verdict"),
        [element("p", sentence) for sentence in more],
        [element("p", sentence, class_="flag warning") for sentence in audit.cautions],
        _images(audit.gallery) if audit.gallery is not None else None,
        element("h2", "All numbers"),
        table([_row(one) for one in audit.measures], header=_HEADER),
        element("h2", "How it was measured"),
        _facts(audit),
        [element("p", text, class_="soft") for text in _METHODS],
    )


def _images(gallery: Gallery) -> list[Markup]:
    def shown(slices: Material, caption: str, columns: int) -> Markup:
        return grid(slices, caption, window=gallery.window, columns=columns)

    cells = [
        element("h2", "Generated and real slices"),
        element(
            "div",
            shown(gallery.fakes, "Generated, the first ones of the first seed.", 8),
            shown(gallery.reals, "Real, drawn at random.", 8),
            class_="figures",
        ),
    ]
    if len(gallery.copies):
        least, most = gallery.distances[[0, -1]]
        caption = (
            "In turn a generated slice and the training slice nearest to it, the nearest first: "
            f"root mean square difference {least:.2f} to {most:.2f} of a range of 2, in blocks."
        )
        both = pairs(gallery.copies, gallery.originals)
        cells += [element("h2", "The generated slices most like a training slice")]
        cells += [shown(both, caption, 8)]
    drawn = [figure_of(one) for one in histograms(gallery)]
    cells += [element("h2", "Tumours"), element("div", drawn, class_="figures")]
    return cells


def _row(measure: ImageSetMeasure) -> tuple[Child, ...]:
    others = (measure.reference, measure.untrained, measure.gaussian)
    # An outlier moves a distance by orders of magnitude, and then its digits say nothing.
    digits = 3 if abs(measure.value.value) < 10 else 1

    def text(interval: Estimate | None) -> str:
        return "" if interval is None else format_estimate(interval, digits)

    label = [measure.label, element("br"), element("small", measure.better)]
    return (label, text(measure.value), *map(text, others))


def _facts(audit: Audit) -> Markup:
    counts, copied = audit.counts, audit.memorisation
    rows: list[tuple[Child, ...]] = [
        ("Model", audit.model or "none: images alone"),
        ("SHA-256", element("code", audit.sha256)) if audit.sha256 else ("SHA-256", "none"),
        ("Slices", audit.slicing),
        ("Seen", f"{counts.training_slices} slices of {counts.training_patients} patients"),
        ("Held out", f"{counts.held_out_slices} slices of {counts.held_out_patients} patients"),
        ("Generated", f"{counts.images} slices of each of {counts.seeds} seeds"),
        ("Compared", f"{counts.compared} slices of each set"),
    ]
    if copied is not None:
        told = (
            f"nearer in {copied.closer_fraction:.1%} of pairs, {format_p(copied.p)}, "
            f"{copied.distance_ratio:.2f} times as far, nearer than any held-out slice: "
            f"{copied.memorised}; Mann-Whitney z of plain distances {copied.z:.1f}"
        )
        rows.append(("Copies", told))
    return table(rows)


_METHODS = (
    "Numbers are means over seeds with 95 % intervals (Student's t): new generated slices, other "
    "real ones, other projections; not other patients. Real training slices against held-out ones "
    "say what is attainable; where a measure looks at one set only, that column shows held-out "
    "real slices.",
    "SWD: sliced Wasserstein distance x 1000 on a Laplacian pyramid of CT and mask (Karras et al. "
    "2017). KID: unbiased, cubic kernel (Binkowski et al. 2018). Frechet distance: covariances "
    "shrunk by a tenth towards their diagonals. Precision and recall: nearest neighbours, k = 3 "
    "(Kynkäänniemi et al. 2019). Features are in standard deviations of the held-out slices; "
    "slices with an empty mask have none and are left out there.",
    "The segmenter is a small U-Net, trained for this audit on real training slices; it sees the "
    "CT alone, with at most 64 pixels a side.",
    "Copies: CT and mask as means of 16 x 16 blocks, where noise on single pixels is averaged out. "
    "Distances of generated slices to training slices against those of held-out real ones (Meehan "
    "et al. 2020), both in relation to the distance to held-out slices of other patients, since "
    f"what is blurred lies near to everything; patients are what was drawn. Flagged: p below "
    f"{LEVEL:g}, and typically at most {MAX_DISTANCE_RATIO:g} times as far.",
)


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
    told = {one.name: Metric.of(one.value, n=n, where=where) for one in audit.measures}
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
