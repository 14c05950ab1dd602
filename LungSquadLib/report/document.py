"""The HTML report of a case: predictions, flags, images, measurements, models, provenance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..statistics.text import format_interval, format_number, format_percent
from .description import description_sections, model_sections
from .figures import interval_figure, probability_bars
from .molecular import modality_suffix, molecular_markup
from .page import Child, Markup, element, flag_markup, page, section, small_print, table
from .radiomics import radiomics_section

_VIEWER = Path(__file__).parent / "viewer.js"


def report_page(
    case: dict[str, Any],
    planes: Sequence[Markup],
    viewers: Sequence[Markup],
    *,
    views: Sequence[Markup] = (),
    made: str,
) -> str:
    """Return the page of a case.

    Args:
        case: as `Case.to_dict` gives it.
        planes: figures of the CT.
        viewers: the crop to scroll through, one for each prediction.
        views: pictures of 3D Slicer's views, where there are some.
        made: date and time, for people.
    """
    predictions = case["predictions"]
    saliency = [
        element("div", element("h3", prediction["question"]), viewer, class_="card")
        for prediction, viewer in zip(predictions, viewers, strict=True)
    ]
    return _page(
        case,
        section(
            "Predictions",
            element("div", list(map(_prediction, predictions)), class_="predictions")
            if predictions
            else None,
            small_print(_explanations(predictions)) if predictions else None,
        ),
        description_sections(case.get("descriptions", ())),
        molecular_markup(case),
        _flags(case["flags"]),
        section("The tumour in the CT", element("div", list(planes), class_="planes")),
        section(
            "As 3D Slicer shows it",
            element("div", list(views), class_="views") if views else None,
        ),
        section(
            "Input and saliency of the networks",
            element("div", saliency, class_="predictions") if saliency else None,
            small_print([_SALIENCY]) if saliency else None,
        ),
        section("Measurements", table(_measurements(case))),
        radiomics_section(case),
        _models(case),
        model_sections(case.get("descriptions", ())),
        section("Provenance", table(_provenance(case))),
        made=made,
        script=_VIEWER.read_text(encoding="utf-8"),
    )


def profile_page(case: dict[str, Any], *, made: str) -> str:
    """Return the page of a case that is an expression profile only; see `report_page`."""
    return _page(
        case,
        molecular_markup(case),
        _flags(case["flags"]),
        _models(case),
        section("Provenance", table(_parameters(case))),
        made=made,
    )


def _page(case: dict[str, Any], *sections: Child, made: str, script: str = "") -> str:
    return page(
        "LungSquad report",
        *sections,
        window_title=f"LungSquad report, {case['patient']}",
        subtitle=f"patient {case['patient']}",
        notices=case["notices"],
        made=f"Made {made} by LungSquad {case['lungsquad']}.",
        script=script,
    )


_SALIENCY = (
    "Saliency (Grad-CAM) marks the regions of the last convolution that supported the predicted "
    "class; it explains the network, not the disease. Scroll with the slider or the wheel."
)


def _prediction(prediction: dict[str, Any]) -> Markup:
    names = {label["code"]: label["name"] for label in prediction["classes"]}
    predicted, probabilities = prediction["predicted_class"], prediction["probabilities"]
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
            names[predicted],
            " ",
            element("small", format_percent(probabilities[predicted])),
            class_="verdict",
        ),
        probability_bars(
            [(names[code], value, code == predicted) for code, value in probabilities.items()]
        ),
        interval_figure(prediction),
        _legend(names[positive], prediction["volume_only_baseline"] is not None),
        element("p", lines),
        element("p", _ood(prediction["out_of_distribution"])),
        class_="card",
    )


def _explanations(predictions: Sequence[dict[str, Any]]) -> list[str]:
    """The explanations of the interval and of the positions of the crop, each once."""
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


def _flags(flags: Sequence[dict[str, str]]) -> list[Markup]:
    none = element("p", "No quality warnings.", class_="flag")
    return section("Flags", list(map(flag_markup, flags)) or none)


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


def _models(case: dict[str, Any]) -> list[list[Markup]]:
    """Each model once, also where it made two predictions."""
    predictions = (*case["predictions"], *case.get("molecular", ()))
    return [
        _model(each) for each in {each["model"]["sha256"]: each for each in predictions}.values()
    ]


def _model(prediction: dict[str, Any]) -> list[Markup]:
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
    return section(f"Model: {prediction['question']}", table(rows))


def _named_metrics(model: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The metrics of the model, then those of the volume-only baseline."""
    yield from model["metrics"].items()
    for name, metric in model.get("volume_only_metrics", {}).items():
        yield f"{name} of the volume-only baseline", metric


def _provenance(case: dict[str, Any]) -> list[tuple[str, Child]]:
    ct, mask, crop = case["ct"], case["mask"], case["crop"]
    rows: list[tuple[str, Child]] = [
        ("CT", f"{ct['source']}, {_grid(ct)}"),
        ("CT, SHA-256", element("code", ct["sha256"])),
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
        name = prediction["model"]["name"] + modality_suffix(prediction)
        rows.append((f"Parameters, {name}", parameters))
    return rows


def _grid(described: dict[str, Any]) -> str:
    size = " x ".join(map(str, described["size"]))
    return f"{size} voxels of {' x '.join(f'{value:.4g}' for value in described['spacing_mm'])} mm"


def _point(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values) + " mm"


def size_rows(staged: dict[str, Any]) -> list[tuple[str, Child]]:
    """Return the rows of both diameters and of the T stage by size, with its limits.

    Args:
        staged: as `SizeStage.to_dict` gives it.
    """
    editions = ", ".join(f"{stage} ({edition}th)" for edition, stage in staged["editions"].items())
    sentences = [staged["sentence"], staged["limits"], f"By edition: {editions}."]
    return [
        ("Largest diameter", f"{staged['largest_diameter']['mm']:.1f} mm"),
        ("Largest axial diameter", f"{staged['axial_diameter']['mm']:.1f} mm"),
        ("T stage by size", [element("p", sentence) for sentence in sentences]),
    ]
