"""The page of a cohort with several readers: what it holds, and how well the readers agree."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ..cohorts.description import CohortDescription, SetDescription
from ..cohorts.lidc import CITATION
from ..cohorts.reader_agreement import CONSENSUS, PAIR, MaskAgreement, RatingAgreement
from ..errors import InputError
from ..files import whole_folder, write_json
from ..statistics.intervals import SAMPLES
from ..statistics.text import format_estimate, format_percent
from .figure_style import (
    ACCENT,
    AMBER,
    BROWN,
    PALE,
    SOFT,
    Picture,
    canvas,
    picture,
    plot,
    style,
    write_labels,
)
from .page import Markup, element, figures, page, section, small_print, table

RESULT, PAGE, FIGURES = "description.json", "index.html", "figures"
_NAMES = ("diameters", "ratings", "kappa", "masks")
_KINDS = {PAIR: "two readers", CONSENSUS: "a reader and the consensus of the others"}
_KAPPA = (
    "Quadratic-weighted kappa (Cohen 1968): 1 where readers always agree, around 0 by chance. All "
    "pairs of readers of a nodule count alike, each both ways round: the readers have no names. "
    f"In brackets the 95 % interval of {SAMPLES:,} bootstrap samples of patients."
)
_DICE = (
    "Dice coefficient: twice the shared volume by the sum of both. The consensus is what at least "
    "half of the other readers drew. The worst tenth is the value that a tenth of the comparisons "
    "do not reach. Sizes are diameters of balls of the nodules' volumes; in brackets the 95 % "
    f"interval of {SAMPLES:,} bootstrap samples of patients."
)
_CEILING = (
    "No model can be shown to do better than the readers among themselves: these figures are its "
    "ceiling. Ratings are impressions from images, and no pathology."
)


def write_cohort_page(description: CohortDescription, folder: str | os.PathLike[str]) -> Path:
    """Write `index.html`, `description.json` and `figures/`, and return the page.

    Args:
        description: of the cohort.
        folder: made if it is not there; what else lies in it stays.

    Raises:
        InputError: the folder is a file, or its `figures` holds something else.
        MissingPackageError: matplotlib is not installed.
    """
    target = Path(folder)
    for path in (target / FIGURES).glob("*"):
        if path.stem not in _NAMES or path.suffix not in (".png", ".svg"):
            raise InputError(f"'{target / FIGURES}' holds other files: choose another folder.")
    pictures = _pictures(description)
    with whole_folder(target, last=PAGE) as temporary:
        (temporary / FIGURES).mkdir()
        for drawn in pictures:
            (temporary / FIGURES / f"{drawn.name}.png").write_bytes(drawn.png)
            (temporary / FIGURES / f"{drawn.name}.svg").write_bytes(drawn.svg)
        write_json(temporary / RESULT, asdict(description))
        (temporary / PAGE).write_text(_page(description, pictures), encoding="utf-8")
    return target / PAGE


def _page(description: CohortDescription, pictures: Sequence[Picture]) -> str:
    by_name = {drawn.name: drawn for drawn in pictures}
    return page(
        "LIDC-IDRI: nodules and readers",
        section(
            "Nodules",
            element("p", f"{description.patients} patients; a nodule can be in several sets."),
            _sets(description.sets),
            figures([by_name["diameters"]]),
        ),
        section(
            "Ratings",
            _ratings(description.ratings) if description.ratings else None,
            figures([by_name[name] for name in ("ratings", "kappa") if name in by_name]),
            small_print([_KAPPA]) if description.ratings else None,
        ),
        section(
            "Masks",
            _masks(description.masks) if description.masks else None,
            figures([by_name["masks"]]) if "masks" in by_name else None,
            small_print([_DICE]) if description.masks else None,
        ),
        section("How to read this", small_print([_CEILING, CITATION])),
    )


def _sets(sets: Sequence[SetDescription]) -> Markup:
    header = (
        *("set", "nodules", "patients", "by fold", "diagnosis (patients)", "malignancy"),
        *("texture", "diameter, mm", "pixel, mm", "slices, mm"),
    )
    rows = [
        (
            described.name,
            str(described.nodules),
            str(described.patients),
            _listed(described.folds),
            _listed(described.diagnoses),
            _listed(described.malignancy),
            _listed(described.texture),
            "{1:.1f} ({0:.1f} to {2:.1f})".format(
                *np.quantile(described.diameters, (0.25, 0.5, 0.75))
            ),
            "{1:.2f} ({0:.2f} to {2:.2f})".format(*described.pixels),
            "{1:.2f} ({0:.2f} to {2:.2f})".format(*described.slices),
        )
        for described in sets
    ]
    caption = (
        "Diameters: median and quartiles. Pixels and slices: median, smallest and largest; a "
        "single slice is written as 1 mm thick."
    )
    return element("div", table(rows, header=header), small_print([caption]))


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name or 'none'}: {count}" for name, count in counts.items()) or "none"


def _ratings(agreements: Sequence[RatingAgreement]) -> Markup:
    header = ("characteristic", "kappa", "same", "within one", "pairs", "nodules", "patients")
    rows = [
        (
            agreement.name,
            format_estimate(agreement.kappa) if agreement.kappa is not None else "-",
            format_percent(agreement.same),
            format_percent(agreement.within_one),
            str(agreement.pairs),
            str(agreement.nodules),
            str(agreement.patients),
        )
        for agreement in agreements
    ]
    return table(rows, header=header)


def _masks(agreements: Sequence[MaskAgreement]) -> Markup:
    header = (
        *("nodules", "compared", "median Dice", "quartiles", "worst tenth"),
        *("comparisons", "nodules", "patients"),
    )
    rows = [
        (
            agreement.part,
            _KINDS[agreement.kind],
            format_estimate(agreement.median),
            "{:.3f} to {:.3f}".format(*agreement.quartiles),
            f"{agreement.worst_tenth:.3f}",
            str(agreement.pairs),
            str(agreement.nodules),
            str(agreement.patients),
        )
        for agreement in agreements
    ]
    return table(rows, header=header)


def _pictures(description: CohortDescription) -> list[Picture]:
    with style():
        pictures = [_diameters(description.sets)]
        if description.ratings:
            pictures.append(_distributions(description.ratings))
        if any(agreement.kappa for agreement in description.ratings):
            pictures.append(_kappas(description.ratings))
        if description.masks:
            pictures.append(_dice(description.masks))
    return pictures


def _diameters(sets: Sequence[SetDescription]) -> Picture:
    drawing = canvas(4.6, 4.2)
    edges = np.arange(0, 41, 2)
    rows, columns = -(-len(sets) // 2), min(len(sets), 2)
    grid = drawing.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    for axes in grid[len(sets) :]:
        axes.set_axis_off()
    for axes, described in zip(grid, sets, strict=False):
        axes.hist(np.minimum(described.diameters, 39.9), edges, color=ACCENT)
        axes.set_title(f"{described.name}: diameter, mm", fontsize=9)
    medians = ", ".join(
        f"{described.name} {np.median(described.diameters):.1f} mm" for described in sets
    )
    return picture(
        drawing,
        "diameters",
        title="Sizes",
        alt=f"Histograms of the nodules' diameters. Medians: {medians}.",
        caption="Diameter of a ball of the nodule's volume; of slices71, which has one slice of "
        "each, of a disc of its area. The last bar holds all from 38 mm on.",
    )


def _distributions(agreements: Sequence[RatingAgreement]) -> Picture:
    drawing = canvas(4.6, 4.2)
    everything = drawing.subplots(-(-len(agreements) // 2), 2, squeeze=False).ravel()
    for axes, agreement in zip(everything, agreements, strict=False):
        fractions = np.array(agreement.counts) / sum(agreement.counts)
        axes.bar(range(1, len(fractions) + 1), fractions, color=ACCENT)
        axes.set_title(agreement.name, fontsize=8.5)
        axes.set_xticks(range(1, len(fractions) + 1))
        axes.set_ylim(0, 1)
    for axes in everything[len(agreements) :]:
        axes.set_axis_off()
    listed = ", ".join(
        f"{agreement.name} {int(np.argmax(agreement.counts)) + 1}" for agreement in agreements
    )
    return picture(
        drawing,
        "ratings",
        title="Ratings",
        alt=f"Shares of the ratings of each characteristic. Most frequent: {listed}.",
        caption="The share of each rating among all readers' ratings. Calcification goes to 6 "
        "(none); texture is 1 for ground glass and 5 for solid.",
    )


def _kappas(agreements: Sequence[RatingAgreement]) -> Picture:
    drawing, axes = plot(4.6, 4.2, x="Quadratic-weighted kappa")
    listed = [(a.name, a.kappa) for a in reversed(agreements) if a.kappa is not None]
    for number, (_, kappa) in enumerate(listed):
        axes.plot([kappa.low, kappa.high], [number, number], color=PALE, linewidth=6)
        axes.plot(kappa.value, number, "o", color=ACCENT, markersize=6)
    axes.set_yticks(range(len(listed)), [name for name, _ in listed])
    axes.set_xlim(min(0.0, *(kappa.low for _, kappa in listed)), 1)
    values = ", ".join(f"{name} {kappa.value:.2f}" for name, kappa in reversed(listed))
    return picture(
        drawing,
        "kappa",
        title="Agreement of two readers",
        alt=f"Kappa of each characteristic: {values}.",
        caption="Points: kappa over all pairs of readers; bars: 95 % intervals over patients.",
    )


def _dice(agreements: Sequence[MaskAgreement]) -> Picture:
    drawing, axes = plot(4.6, 4.2, x="Dice coefficient")
    parts = list(dict.fromkeys(agreement.part for agreement in agreements))
    for agreement in agreements:
        second = agreement.kind == CONSENSUS
        colour, y = (AMBER, -0.14) if second else (ACCENT, 0.14)
        y += len(parts) - 1 - parts.index(agreement.part)
        axes.plot([agreement.worst_tenth, agreement.quartiles[1]], [y, y], color=SOFT, linewidth=1)
        axes.plot(agreement.quartiles, [y, y], color=colour, linewidth=6)
        axes.plot(agreement.median.value, y, "o", color="white", markeredgecolor=colour)
    axes.set_yticks(range(len(parts)), parts[::-1])
    axes.set_xlim(0, 1)
    write_labels(
        axes,
        [("two readers", ACCENT), ("reader, consensus", BROWN)],
        at=(0.02, 0.03),
        right=False,
    )
    whole = next(agreement for agreement in agreements if agreement.part == "all")
    return picture(
        drawing,
        "masks",
        title="Masks of the readers",
        alt=f"Dice coefficients by size and texture; of two readers in all nodules the median is "
        f"{whole.median.value:.2f}, the worst tenth {whole.worst_tenth:.2f}.",
        caption="Points: medians; bars: quartiles; lines: to the worst tenth.",
    )
