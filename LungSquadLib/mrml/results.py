"""A crop or predictions as nodes of a scene: tables, saliency, crop box, size measurement."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import SimpleITK as sitk
from vtkmodules.vtkCommonCore import vtkPoints, vtkStringArray

from ..fields import parsed_json
from ..imaging.crop import Crop
from ..imaging.diameter import Diameter
from ..imaging.geometry import Grid, Point
from ..inference.prediction import Prediction
from ..report.molecular import IMAGE, modality, questions
from ..report.tables import prediction_row
from ..statistics.text import format_number, format_percent
from .coordinates import index_to_ras, matrix_of, to_ras
from .hierarchy import file_beside, remove, results_of
from .scene import new_node
from .tumour import Tumour, segment_of, tumour_of
from .volumes import add_volume

RESEARCH = "Research software, not a medical device."
# Colours of the saliency, from black to magenta, which every scene has and no segment is drawn in.
# Below the threshold the CT is visible.
_COLOURS = "vtkMRMLColorTableNodeMagenta"
SALIENCY_THRESHOLD = 0.15
_BOX_COLOUR = (0.36, 0.75, 0.95)
_MEASUREMENT_COLOUR = (1.0, 0.9, 0.3)
_MODEL = "LungSquad.model"
_MOLECULAR = "(molecular)"  # in place of a model's name, which cannot have brackets
_MOLECULAR_TITLES = (
    "source",
    "prediction",
    "probability",
    "interval",
    "metrics",
    "model",
    "question",
)


@dataclass(frozen=True)
class ResultNodes:
    """The nodes that were added to a scene for one result."""

    box: Any = None
    table: Any = None
    saliency: Any = None
    record: Any = None

    @property
    def nodes(self) -> list[Any]:
        """Those that exist."""
        every = (self.box, self.table, self.saliency, self.record)
        return [node for node in every if node is not None]

    def remove(self) -> None:
        """Remove the nodes, which leaves the scene as it was before."""
        remove(self.nodes)


def show_crop(crop: Crop, volume: Any) -> ResultNodes:
    """Add a crop's box to the scene of its CT's node, filed beside the CT."""
    box = add_crop_box(volume.GetScene(), crop)
    file_beside(volume, [box], folder="LungSquad crop")
    return ResultNodes(box)


def show_prediction(
    prediction: Prediction, volume: Any, *, tumour: Tumour | None = None, with_box: bool = True
) -> ResultNodes:
    """Add a prediction's table, saliency, record and crop box to the scene of its CT's node.

    They are filed beside the CT. Nothing else in the scene changes; what the views show is left to
    the caller. `tumour` is noted on them, where it is given.
    """
    scene, card = volume.GetScene(), prediction.model.card
    added = ResultNodes(
        add_crop_box(scene, prediction.crop) if with_box else None,
        add_table(scene, prediction),
        add_saliency(scene, prediction.saliency, card.title),
        add_record(scene, f"Record {card.title}", prediction.to_dict()),
    )
    mark_as_result(added.nodes, card.name, tumour)
    of = "" if tumour is None else f", {tumour.name}"
    file_beside(volume, added.nodes, folder=f"LungSquad: {card.title}{of}")
    return added


# Results that a scene holds


@dataclass(frozen=True)
class StoredPrediction:
    """A prediction that a scene holds: what `Prediction.to_dict` gave, its nodes, its tumour."""

    described: dict[str, Any]
    table: Any
    saliency: Any
    tumour: Tumour | None = None


def stored_predictions(volume: Any) -> list[StoredPrediction]:
    """Return the predictions that the scene holds for a volume, without broken records."""
    origins: dict[tuple[Any, ...], list[Any]] = {}
    for node in results_of(volume):
        origins.setdefault(_origin(node), []).append(node)
    predictions = []
    for nodes in origins.values():
        tables = [node for node in nodes if node.IsA("vtkMRMLTableNode")]
        saliencies = [node for node in nodes if node.IsA("vtkMRMLScalarVolumeNode")]
        for record in nodes if tables and saliencies else ():
            described = _parsed_record(record.GetText()) if record.IsA("vtkMRMLTextNode") else None
            if described is not None:
                tumour = tumour_of(record)
                stored = StoredPrediction(described, tables[-1], saliencies[-1], tumour)
                predictions.append(stored)
    return predictions


def _origin(node: Any) -> tuple[Any, ...]:
    """Return the model and the segment that a result is of."""
    return (node.GetAttribute(_MODEL), *segment_of(node))


def mark_as_result(nodes: Iterable[Any], model: str, tumour: Tumour | None = None) -> None:
    """Note on nodes which model made them, and of which tumour; none is a patient's data."""
    for node in nodes:
        node.SetAttribute(_MODEL, model)
        if tumour is not None:
            tumour.mark(node)


def is_result(node: Any) -> bool:
    """Return whether a model made a node, also where its CT was removed."""
    return node.GetAttribute(_MODEL) is not None


def remove_prediction(volume: Any, model: str, tumour: Tumour | None = None) -> None:
    """Remove a model's results for a volume, or for one tumour in it, from the scene."""
    remove(nodes_of_model(volume, model, tumour))


def nodes_of_model(volume: Any, model: str, tumour: Tumour | None = None) -> list[Any]:
    """Return the nodes of a model's results for a volume, or for one tumour in it."""
    nodes = [node for node in results_of(volume) if node.GetAttribute(_MODEL) == model]
    if tumour is None:
        return nodes
    segments = ((tumour.segmentation, tumour.segment), (None, None))
    return [node for node in nodes if segment_of(node) in segments]


@lru_cache(maxsize=64)
def _parsed_record(text: str) -> dict[str, Any] | None:
    """Return the prediction in a record, which may come from anywhere, or None."""
    try:
        described = parsed_json(text)
        prediction_row(described)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    if modality(described) != IMAGE:
        return None
    return dict(described)


def add_record(scene: Any, name: str, described: Any) -> Any:
    """Add a text node with all numbers and their provenance, as JSON."""
    node = new_node(scene, "vtkMRMLTextNode", name)
    node.SetText(json.dumps(described, ensure_ascii=False, allow_nan=False))
    return node


# Crop box and size measurement


def add_crop_box(scene: Any, crop: Crop) -> Any:
    """Add a locked markups ROI round the crop's voxels, outer faces included."""
    side = " x ".join(f"{value:g}" for value in _size(Grid.of(crop.ct)))
    with _placement_kept(scene):
        node = new_node(scene, "vtkMRMLMarkupsROINode", f"Crop {side} mm")
    node.CreateDefaultDisplayNodes()
    node.SetLocked(True)
    display = node.GetDisplayNode()
    display.SetHandlesInteractive(False)
    display.SetPropertiesLabelVisibility(False)
    display.SetFillOpacity(0.0)
    display.SetGlyphScale(0.0)  # no dot in the middle: it would cover the tumour
    display.SetColor(*_BOX_COLOUR)
    display.SetSelectedColor(*_BOX_COLOUR)
    place_crop_box(node, crop)
    return node


def add_movable_box(scene: Any) -> Any:
    """Add a markups ROI with handles, which is not saved with the scene."""
    with _placement_kept(scene):
        node = new_node(scene, "vtkMRMLMarkupsROINode", "Box round the tumour")
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetHandlesInteractive(True)
    display.SetRotationHandleVisibility(False)
    display.SetPropertiesLabelVisibility(False)
    display.SetFillOpacity(0.0)
    display.SetSelectedColor(*_MEASUREMENT_COLOUR)
    for each in (node, display):
        each.SetSaveWithScene(False)
    return node


def place_crop_box(node: Any, crop: Crop) -> None:
    """Move a box to a crop."""
    grid = Grid.of(crop.ct)
    matrix = index_to_ras(grid)
    matrix[:3, 3] = matrix[:3, :3] @ ((np.array(grid.size) - 1) / 2) + matrix[:3, 3]
    matrix[:3, :3] /= grid.spacing
    if np.linalg.det(matrix[:3, :3]) < 0:  # a mirrored box is the same box, but not for an ROI
        matrix[:3, 2] *= -1
    node.SetAndObserveObjectToNodeMatrix(matrix_of(matrix))
    node.SetSize(*_size(grid).tolist())


def _size(grid: Grid) -> np.ndarray:
    return np.array(grid.size) * grid.spacing


def add_size_measurement(scene: Any) -> Any:
    """Add a locked line for the tumour's diameter, with its length beside it."""
    with _placement_kept(scene):
        node = new_node(scene, "vtkMRMLMarkupsLineNode", "Axial diameter")
    node.CreateDefaultDisplayNodes()
    node.SetLocked(True)
    display = node.GetDisplayNode()
    display.SetHandlesInteractive(False)
    display.SetPointLabelsVisibility(False)
    display.SetGlyphScale(1.5)
    display.SetTextScale(2.2)  # or the label is cut at the edge of a small view
    display.SetColor(*_MEASUREMENT_COLOUR)
    display.SetSelectedColor(*_MEASUREMENT_COLOUR)
    return node


def add_candidates(volume: Any, points: Sequence[tuple[Point, str]], *, model: str) -> Any:
    """Add the candidates of tumours in a CT as locked points (LPS mm), each with its label."""
    scene = volume.GetScene()
    with _placement_kept(scene):
        node = new_node(scene, "vtkMRMLMarkupsFiducialNode", "Candidates (experimental)")
    node.CreateDefaultDisplayNodes()
    for point, label in points:
        number = node.AddControlPointWorld(*to_ras(point).tolist())
        node.SetNthControlPointLabel(number, label)
    node.SetLocked(True)
    mark_as_result([node], model)
    file_beside(volume, [node], folder="LungSquad candidates")
    return node


def place_size_measurement(node: Any, diameter: Diameter) -> None:
    """Set the ends of a line to those of a diameter."""
    positions = vtkPoints()
    for point in (diameter.start_lps, diameter.end_lps):
        positions.InsertNextPoint(*to_ras(point))
    node.SetControlPointPositionsWorld(positions)


@contextmanager
def _placement_kept(scene: Any) -> Iterator[None]:
    """Keep the node whose points the user is placing: Slicer would take any new markups node."""
    selection = scene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
    node, kind = selection.GetActivePlaceNodeID(), selection.GetActivePlaceNodeClassName()
    yield
    selection.SetReferenceActivePlaceNodeID(node)
    selection.SetReferenceActivePlaceNodeClassName(kind)


# Saliency and tables


def add_saliency(scene: Any, saliency: sitk.Image, title: str) -> Any:
    """Add a model's saliency, 0 to 1, as a volume with colours to be shown over the CT."""
    node = add_volume(scene, saliency, name=f"Saliency {title}")
    display = node.GetDisplayNode()
    display.SetAndObserveColorNodeID(_COLOURS)
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(0.0, 1.0)
    display.SetThreshold(SALIENCY_THRESHOLD, 1.0)
    display.SetApplyThreshold(True)
    return node


def add_table(scene: Any, prediction: Prediction) -> Any:
    """Add a table of class, probabilities, interval, robustness, flags and model."""
    name = f"Prediction {prediction.model.card.title}"
    return text_table(scene, name, ("quantity", "value"), table_rows(prediction))


def text_table(scene: Any, name: str, titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Any:
    """Add a table node of texts: at least one row, with a cell for each of the titles."""
    node = new_node(scene, "vtkMRMLTableNode", name)
    for title, texts in zip(titles, zip(*rows, strict=True), strict=True):
        column = vtkStringArray()
        column.SetName(title)
        for text in texts:
            column.InsertNextValue(text)
        node.AddColumn(column)
    node.SetUseColumnTitleAsColumnHeader(True)
    return node


def table_rows(prediction: Prediction) -> list[tuple[str, str]]:
    """Return a prediction as rows (quantity, value) of texts."""
    card, crop = prediction.model.card, prediction.crop
    interval, robustness = prediction.interval, prediction.robustness
    positive = card.classes[card.positive].name
    table = [("Notice", notice) for notice in (RESEARCH, card.notice) if notice]
    table += [
        ("Question", card.question),
        ("Prediction", card.classes[prediction.predicted_class].name),
    ]
    table += [
        (f"Probability of {label.name}", format_percent(value, 1))
        for label, value in zip(card.classes, prediction.probabilities, strict=True)
    ]
    table += [
        (
            f"{interval.level:.0%} interval of {positive}",
            f"{format_percent(interval.low, 1)} to {format_percent(interval.high, 1)}",
        ),
        (
            f"Range of {positive} over {robustness.positions} positions of the crop",
            f"{format_percent(robustness.low, 1)} to {format_percent(robustness.high, 1)}",
        ),
    ]
    if robustness.icc is not None:
        table.append(
            ("Agreement between positions of the crop (ICC)", format_number(robustness.icc))
        )
    if prediction.baseline is not None:
        table.append(
            (
                f"Probability of {positive}, volume-only baseline",
                format_percent(prediction.baseline, 1),
            )
        )
    table.append(("Tumour volume", f"{crop.mask_volume_ml:.2f} mL"))
    table += [(f"Flag, {flag.severity}", flag.sentence) for flag in prediction.flags]
    table += [
        ("Model", f"{card.name}: {card.title}"),
        ("Trained on", card.training.data),
        ("Model SHA-256", prediction.model.sha256),
    ]
    return table


def show_molecular(case: Mapping[str, Any], volume: Any) -> Any:
    """Add the predictions from image and expression as one table, in place of an earlier one.

    Args:
        case: `prediction.json` of a case with a profile.
        volume: the CT's node.

    Returns:
        The table's node.
    """
    remove_molecular(volume)
    table = [
        (
            prediction.modality,
            prediction.code,
            f"{question.code} {format_percent(prediction.probability)}",
            prediction.interval,
            prediction.metric,
            prediction.title,
            question.question,
        )
        for question in questions(case)
        for prediction in question.predictions
    ]
    notes = [RESEARCH, *case["notices"], f"Profile, SHA-256 {case['profile']['sha256']}"]
    table += [(note, *[""] * (len(_MOLECULAR_TITLES) - 1)) for note in notes]
    name = "Predictions from image and expression"
    node = text_table(volume.GetScene(), name, _MOLECULAR_TITLES, table)
    mark_as_result([node], _MOLECULAR)
    file_beside(volume, [node], folder=f"LungSquad: {name.lower()}")
    return node


def remove_molecular(volume: Any) -> None:
    """Remove the table of predictions from image and expression of a volume."""
    remove_prediction(volume, _MOLECULAR)
