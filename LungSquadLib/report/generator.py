"""The page and the files of a generator's audit."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..evaluation.generator.image_set import ImageSet
from ..evaluation.generator.results import Audit, Gallery, ImageSetMeasure
from ..files import whole_folder, write_json
from ..imaging.features import SLICE_FEATURES
from ..imaging.files.write import check_distinct, png_bytes
from ..imaging.pictures import windowed
from ..models.card import Metric
from ..models.file import Model, write_model_file
from ..statistics.memorisation import LEVEL, MAX_DISTANCE_RATIO
from ..statistics.text import format_estimate, format_p
from .figure_style import ACCENT, AMBER, BROWN, Picture, picture, plot, style, write_labels
from .figures import outline_path
from .page import (
    Child,
    Markup,
    data_uri,
    element,
    figures,
    findings,
    page,
    section,
    small_print,
    table,
)

if TYPE_CHECKING:
    pass

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


_GAP = 2  # pixels between slices
_BINS = 24
_FEATURES = ("area_mm2", "largest_diameter_mm", "hu_mean", "hu_rim")


def grid(slices: ImageSet, caption: str, *, window: str, columns: int) -> Markup:
    """Return slices side by side, their masks outlined, in one picture."""
    grey = _tiled(windowed(slices.hu, window), columns)
    height, width = grey.shape
    svg = element(
        "svg",
        element("image", href=data_uri(png_bytes(grey)), width=width, height=height),
        element("path", d=outline_path(_tiled(slices.mask, columns), 1, 1), class_="outline"),
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=caption,
    )
    return element("figure", svg, element("figcaption", caption))


def pairs(first: ImageSet, second: ImageSet) -> ImageSet:
    """Alternate the slices of two sets."""
    alternating = (
        np.stack(arrays, 1).reshape(-1, *arrays[0].shape[1:])
        for arrays in zip(
            (first.hu, first.mask, first.patient),
            (second.hu, second.mask, second.patient),
            strict=True,
        )
    )
    return ImageSet(*alternating)


def histograms(gallery: Gallery) -> list[Picture]:
    """Draw histograms of tumour features in generated and in real slices.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    with style():
        drawn = (
            _histogram(name, gallery.fake_features[name], gallery.real_features[name])
            for name in _FEATURES
        )
        return [each for each in drawn if each is not None]


def _histogram(name: str, fakes: np.ndarray, reals: np.ndarray) -> Picture | None:
    fakes, reals = fakes[np.isfinite(fakes)], reals[np.isfinite(reals)]
    if not fakes.size or not reals.size:
        return None
    figure, axes = plot(4.6, 3.0, x=SLICE_FEATURES[name], y="Slices, %")
    both = np.concatenate([fakes, reals])
    bins = np.linspace(both.min(), max(both.max(), both.min() + 1e-6), _BINS + 1).tolist()
    weights = [np.full(len(values), 100 / len(values)) for values in (reals, fakes)]
    axes.hist(reals, bins, weights=weights[0], color=AMBER, alpha=0.55, linewidth=0)
    axes.hist(fakes, bins, weights=weights[1], color=ACCENT, histtype="step", linewidth=1.8)
    axes.set_ylim(0, 1.25 * axes.get_ylim()[1])  # room for the labels
    right = float((both < (bins[0] + bins[-1]) / 2).mean()) > 0.5
    labels = [("generated", ACCENT), ("real", BROWN)]
    write_labels(axes, labels, at=(0.985 if right else 0.015, 0.84), right=right)
    median = f"median {np.median(fakes):.3g} in generated slices, {np.median(reals):.3g} in real"
    title = SLICE_FEATURES[name][0].upper() + SLICE_FEATURES[name][1:]
    return picture(
        figure,
        name,
        title=title,
        alt=f"Histograms of {SLICE_FEATURES[name]}: {median} ones.",
        caption=f"{median[0].upper()}{median[1:]} ones.",
    )


def _tiled(slices: np.ndarray, columns: int) -> np.ndarray:
    """Slices (n, y, x) as one picture, row by row; what is left over stays black."""
    rows = -(-len(slices) // columns)
    padded = np.pad(slices, ((0, rows * columns - len(slices)), (_GAP, 0), (_GAP, 0)))
    height, width = padded.shape[1:]
    tiles = padded.reshape(rows, columns, height, width).swapaxes(1, 2)
    return tiles.reshape(rows * height, columns * width)
