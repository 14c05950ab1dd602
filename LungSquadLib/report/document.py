"""The report: one HTML file that needs nothing else, from a case and its predictions."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..statistics.text import format_interval, format_number, format_percent
from .figures import probability_bars, spread_figure
from .molecular import IMAGE, modality, molecular_markup
from .page import RESEARCH, Child, Markup, element, flag_markup, joined

_HERE = Path(__file__).parent


def report_page(
    case: dict[str, Any],
    planes: Sequence[Markup],
    viewers: Sequence[Markup],
    *,
    views: Sequence[Markup] = (),
    made: str,
) -> str:
    """The whole page.

    Args:
        case: as `Case.to_dict` gives it.
        planes: figures of the CT.
        viewers: the crop to scroll through, one for each prediction.
        views: pictures of 3D Slicer's views, where there are some.
        made: when, for people.
    """
    script = (_HERE / "viewer.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    predictions = case["predictions"]
    body: list[Child] = [
        element("h2", "Answers"),
        element("div", [_answer(p) for p in predictions], class_="answers"),
        [element("p", text, class_="soft") for text in _explanations(predictions)],
        molecular_markup(case),
        _flags(case["flags"]),
        element("h2", "The tumour in the CT"),
        element("div", list(planes), class_="planes"),
        [element("h2", "As 3D Slicer shows it"), element("div", list(views), class_="views")]
        if views
        else [],
        element("h2", "What the networks saw, and where they looked"),
        element(
            "div",
            [
                element("div", element("h3", p["question"]), viewer, class_="card")
                for p, viewer in zip(predictions, viewers, strict=True)
            ],
            class_="answers",
        ),
        element("p", _SALIENCY, class_="soft"),
        element("h2", "Measurements"),
        _table(_measurements(case)),
        _models(case),
        element("h2", "Provenance"),
        _table(_provenance(case)),
        _footer(case, made),
        element("script", Markup(script)),
    ]
    return _page(case, body, policy=f"; script-src 'sha256-{digest}'")


def profile_page(case: dict[str, Any], *, made: str) -> str:
    """The whole page of a case that is an expression profile alone; arguments as `report_page`."""
    body: list[Child] = [
        molecular_markup(case),
        _flags(case["flags"]),
        _models(case),
        element("h2", "Provenance"),
        _table(_parameters(case)),
        _footer(case, made),
    ]
    return _page(case, body)


def _page(case: dict[str, Any], body: Sequence[Child], *, policy: str = "") -> str:
    style = (_HERE / "style.css").read_text(encoding="utf-8")
    allowed = "default-src 'none'; img-src data:; style-src 'unsafe-inline'" + policy
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=allowed),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"LungSquad report, {case['patient']}"),
        element("style", Markup(style)),
    )
    title = element(
        "header",
        element("h1", "LungSquad report"),
        element("span", f"patient {case['patient']}", class_="soft"),
    )
    notices = [element("p", notice, class_="notice") for notice in case["notices"]]
    research = element("p", RESEARCH, class_="notice research")
    return "<!doctype html>\n" + element(
        "html", head, element("body", title, research, notices, list(body)), lang="en"
    )


def _footer(case: dict[str, Any], made: str) -> Markup:
    told = f"Made {made} by LungSquad {case['lungsquad']}. {RESEARCH}"
    return element("footer", element("small", told))


_SALIENCY = (
    "Saliency (Grad-CAM) marks where the last convolution spoke for the answer; it explains the "
    "network, not the disease. Scroll with the slider or the wheel."
)


def _answer(prediction: dict[str, Any]) -> Markup:
    names = {one["code"]: one["name"] for one in prediction["classes"]}
    answer, probabilities = prediction["predicted_class"], prediction["probabilities"]
    positive, interval = prediction["positive_class"], prediction["interval"]
    robustness = prediction["robustness"]
    icc = "" if robustness["icc"] is None else f"; ICC {format_number(robustness['icc'])}"
    lines: list[Child] = [
        f"{names[positive]}: {format_percent(probabilities[positive])}, interval "
        f"{format_percent(interval['low'])} to {format_percent(interval['high'])}. In "
        f"{robustness['positions']} positions of the crop {format_percent(robustness['low'])} to "
        f"{format_percent(robustness['high'])}{icc}.",
    ]
    if prediction["volume_only_baseline"] is not None:
        lines.append(
            f" Volume-only baseline: {format_percent(prediction['volume_only_baseline'])}."
        )
    return element(
        "div",
        element("h3", prediction["question"]),
        element(
            "p",
            names[answer],
            " ",
            element("small", format_percent(probabilities[answer])),
            class_="verdict",
        ),
        probability_bars(
            [(names[code], value, code == answer) for code, value in probabilities.items()]
        ),
        spread_figure(prediction),
        _legend(names[positive], prediction["volume_only_baseline"] is not None),
        element("p", lines),
        element("p", _ood(prediction["out_of_distribution"])),
        class_="card",
    )


def _explanations(predictions: Sequence[dict[str, Any]]) -> list[str]:
    """What interval and positions of the crop mean, each once."""
    intervals = {f"Interval: {p['interval']['explanation']}": None for p in predictions}
    positions = {
        f"Position of the crop: {p['robustness']['explanation']}": None for p in predictions
    }
    return [*intervals, *positions]


def _legend(positive: str, baseline: bool) -> Markup:
    entries = [
        ("background:#1c2733", f"probability of {positive}"),
        ("background:#cfe0f3", "interval"),
        ("background:#5b87b8;border-radius:5px;width:10px", "other positions of the crop"),
    ]
    if baseline:
        entries.append(("background:#ffb02e", "volume-only baseline"))
    spans = [element("span", element("i", style=style), text) for style, text in entries]
    return element("p", spans, class_="legend soft")


def _ood(score: dict[str, Any] | None) -> str:
    if score is None:
        return "Out-of-distribution score: not known; the model has no reference cases."
    if score["out_of_distribution"] is None:
        return (
            f"Out-of-distribution score: not decided; the model has only {score['held_out']} "
            "held-out cases."
        )
    rank = f"p = {score['p']:.2g}, by rank among {score['held_out']} held-out cases"
    if score["out_of_distribution"]:
        return f"Out of distribution for the model ({rank})."
    return f"Not out of distribution for the model ({rank}), which proves no similarity."


def _flags(flags: Sequence[dict[str, str]]) -> Markup:
    shown = [flag_markup(flag) for flag in flags]
    none = element("p", "None: nothing about the images asks for caution.", class_="flag")
    return joined([element("h2", "Flags"), shown or none])


def _measurements(case: dict[str, Any]) -> list[tuple[str, Child]]:
    crop = case["crop"]
    return [
        ("Volume", f"{crop['mask_volume_ml']:.2f} mL ({crop['mask_voxels']} voxels of the CT)"),
        *size_rows(case["t_stage"]),
        ("Centre of mass (LPS)", _point(crop["mask_centre_of_mass_lps"])),
        ("Centre of the crop (LPS)", _point(crop["centre_lps"])),
        ("Tumour outside the crop", f"{crop['tumour_outside_fraction']:.1%}"),
        ("Crop outside the CT", f"{crop['padding_fraction']:.1%}"),
    ]


def _models(case: dict[str, Any]) -> list[Markup]:
    """Each model once, also where it answers twice."""
    every = (*case["predictions"], *case.get("molecular", ()))
    return [_model(one) for one in {one["model"]["sha256"]: one for one in every}.values()]


def _model(prediction: dict[str, Any]) -> Markup:
    model = prediction["model"]
    rows: list[tuple[str, Child]] = [
        ("Name", f"{model['name']}: {model['title']}"),
        ("Trained on", model["training_data"]),
    ]
    rows += [
        (
            name.replace("_", " "),
            f"{format_interval(metric['value'], metric['low'], metric['high'])}, "
            f"n = {metric['n']}, {metric['where']}",
        )
        for name, metric in _named_metrics(model)
    ]
    rows += [
        ("Intended use", model["intended_use"]),
        ("Must not be used", [element("p", sentence) for sentence in model["must_not"]]),
        ("Licence", model["licence"]),
        ("SHA-256", element("code", model["sha256"])),
    ]
    return joined([element("h2", f"Model: {prediction['question']}"), _table(rows)])


def _named_metrics(model: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The model's metrics, and beside them those of what it must beat."""
    yield from model["metrics"].items()
    for name, metric in model.get("volume_only_metrics", {}).items():
        yield f"{name} of the volume-only baseline", metric


def _provenance(case: dict[str, Any]) -> list[tuple[str, Child]]:
    ct, mask, crop = case["ct"], case["mask"], case["crop"]
    rows: list[tuple[str, Child]] = [
        ("CT", f"{ct['source']}, {_grid(ct)}"),
        ("CT voxels, SHA-256", element("code", ct["sha256"])),
        ("Mask", f"'{mask['name']}' from {mask['source']}"),
        ("Mask voxels, SHA-256", element("code", mask["sha256"])),
        ("Crop, SHA-256", element("code", crop["ct_sha256"])),
    ]
    rows += [(name, value) for name, value in case.get("identity", {}).items()]
    rows += _parameters(case)
    rows += [(f"File {name}", path) for name, path in case["files"].items()]
    return rows


def _parameters(case: dict[str, Any]) -> list[tuple[str, Child]]:
    rows: list[tuple[str, Child]] = []
    for prediction in (*case["predictions"], *case.get("molecular", ())):
        parameters = ", ".join(f"{key} {value}" for key, value in prediction["parameters"].items())
        of = "" if modality(prediction) == IMAGE else f" ({modality(prediction)})"
        rows.append((f"Parameters, {prediction['model']['name']}{of}", parameters))
    return rows


def _grid(described: dict[str, Any]) -> str:
    size = " x ".join(map(str, described["size"]))
    return f"{size} voxels of {' x '.join(f'{value:.4g}' for value in described['spacing_mm'])} mm"


def _point(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values) + " mm"


def _table(rows: Sequence[tuple[str, Child]]) -> Markup:
    return element(
        "table", [element("tr", element("th", name), element("td", value)) for name, value in rows]
    )


def size_rows(staged: dict[str, Any]) -> list[tuple[str, Child]]:
    """Both diameters, and the stage with what it leaves out.

    Args:
        staged: as `SizeStage.to_dict` gives it.
    """
    editions = ", ".join(f"{stage} ({one}th)" for one, stage in staged["editions"].items())
    sentences = [staged["sentence"], staged["limits"], f"By edition: {editions}."]
    return [
        ("Largest diameter", f"{staged['largest_diameter']['mm']:.1f} mm"),
        ("Largest axial diameter", f"{staged['axial_diameter']['mm']:.1f} mm"),
        ("T stage by size", [element("p", sentence) for sentence in sentences]),
    ]
