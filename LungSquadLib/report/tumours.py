"""One report of several tumours of a patient, with a section for each."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files import whole_folder
from ..statistics.text import format_percent
from .figures import plane_figure
from .page import Child, Markup, element, flag_markup, page, section, table
from .render import PLANES, REPORT, read_planes, read_result

_TITLES = ("Tumour", "Volume", "Axial diameter", "Largest diameter", "T stage by size", "Flags")


@dataclass(frozen=True)
class Tumour:
    """A tumour's name, the content of its `prediction.json`, and figures of it."""

    name: str
    case: Mapping[str, Any]
    planes: Sequence[Markup] = ()


def write_tumours(
    cases: Sequence[tuple[str, str | os.PathLike[str]]], folder: str | os.PathLike[str]
) -> Path:
    """Copy the results of several tumours into one folder and write a report of all of them.

    Args:
        cases: for each tumour its name and its folder, as `run_case` wrote it.
        folder: gets `report.html` and a folder `tumour-1`, `tumour-2`, ... for each.

    Returns:
        The folder.

    Raises:
        InputError: a folder is not one of results.
    """
    described = [
        Tumour(name, read_result(Path(results)), _planes(Path(results))) for name, results in cases
    ]
    with whole_folder(folder, last=REPORT) as temporary:
        for number, (_name, results) in enumerate(cases, 1):
            shutil.copytree(results, temporary / f"tumour-{number}")
        (temporary / REPORT).write_text(tumours_page(described), encoding="utf-8")
    return Path(folder)


def tumours_page(tumours: Sequence[Tumour]) -> str:
    """Return the page of several tumours: a table of them, and a section for each.

    The tumours' own reports are linked as `tumour-1/report.html` and so on.
    """
    notices = dict.fromkeys(notice for each in tumours for notice in each.case["notices"])
    return page(
        f"{len(tumours)} tumours of {tumours[0].case['patient']}",
        section("Tumours", table([_row(each) for each in tumours], header=_TITLES)),
        [_section(number, each) for number, each in enumerate(tumours, 1)],
        notices=list(notices),
    )


def _planes(folder: Path) -> list[Markup]:
    """Return figures of the CT's planes with the tumour's outline."""
    return [plane_figure(plane, "lung") for plane in read_planes(folder / PLANES)]


def _row(tumour: Tumour) -> list[Child]:
    case = tumour.case
    stage, severe = case["t_stage"], [flag["severity"] for flag in case["flags"]]
    counts = [f"{severe.count(each)} {each}" for each in ("severe", "warning") if each in severe]
    return [
        tumour.name,
        f"{case['crop']['mask_volume_ml']:.2f} mL",
        f"{stage['axial_diameter']['mm']:.1f} mm",
        f"{stage['largest_diameter']['mm']:.1f} mm",
        stage["stage"],
        ", ".join(counts) or "no quality warnings",
    ]


def _section(number: int, tumour: Tumour) -> list[Markup]:
    case = tumour.case
    predictions = [
        _prediction_row(each) for each in (*case["predictions"], *case.get("molecular", ()))
    ]
    link = element("a", "The full report of this tumour", href=f"tumour-{number}/{REPORT}")
    return section(
        f"{number}. {tumour.name}",
        element("div", tumour.planes, class_="planes"),
        [element("p", each["sentence"], class_="verdict") for each in case["descriptions"]],
        table(predictions) if predictions else None,
        [flag_markup(flag) for flag in case["flags"]],
        element("p", link),
    )


def _prediction_row(prediction: Mapping[str, Any]) -> list[Child]:
    names = {label["code"]: label["name"] for label in prediction["classes"]}
    positive, interval = prediction["positive_class"], prediction["interval"]
    probability = format_percent(prediction["probabilities"][positive])
    low, high = (format_percent(interval[end]) for end in ("low", "high"))
    return [
        prediction["question"],
        names[prediction["predicted_class"]],
        f"{names[positive]}: {probability} ({interval['level']:.0%} interval {low} to {high})",
        prediction["model"]["title"],
    ]
