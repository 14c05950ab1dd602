"""A crop or a prediction as nodes of a scene: table, saliency, crop box."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from vtkmodules.vtkCommonCore import vtkPoints, vtkStringArray

from ..fields import parsed_json
from ..imaging.crop import Crop
from ..imaging.diameter import Diameter
from ..imaging.geometry import Grid
from ..inference.prediction import Prediction
from ..report.side_by_side import IMAGE, made_from, questions
from ..report.tables import prediction_row
from ..statistics.text import decimal, percent
from .coordinates import index_to_ras, matrix_of, to_ras
from .hierarchy import file_beside, remove, results_of
from .scene import new_node
from .volumes import add_volume

RESEARCH = "Research software, not a medical device."
# Colour of the saliency, one of those that every scene has; what is below the threshold shows
# the CT under it.
_COLOURS = "vtkMRMLPETProceduralColorNodePET-Heat"
_LEAST_SHOWN = 0.15
_BOX_COLOUR = (0.36, 0.75, 0.95)
_RULER_COLOUR = (1.0, 0.9, 0.3)
_MODEL = "LungSquad.model"


@dataclass(frozen=True)
class Shown:
    """The nodes that were added to a scene for one result; `remove` takes them out again."""

    box: Any = None
    table: Any = None
    saliency: Any = None
    record: Any = None

    @property
    def nodes(self) -> list[Any]:
        """Those that there are."""
        every = (self.box, self.table, self.saliency, self.record)
        return [node for node in every if node is not None]

    def remove(self) -> None:
        """Leave the scene as it was before."""
        remove(self.nodes)


def show_crop(crop: Crop, volume: Any) -> Shown:
    """Add a crop's box to the scene of its CT's node, beside it."""
    box = add_crop_box(volume.GetScene(), crop)
    file_beside(volume, [box], folder="LungSquad crop")
    return Shown(box)


def show_prediction(prediction: Prediction, volume: Any, *, with_box: bool = True) -> Shown:
    """Add a prediction's table, saliency, record and crop box to the scene of its CT's node.

    They are filed beside the CT. Nothing else in the scene changes: what the views show is left to
    who looks at them.
    """
    scene, card = volume.GetScene(), prediction.model.card
    shown = Shown(
        add_crop_box(scene, prediction.crop) if with_box else None,
        add_table(scene, prediction),
        add_saliency(scene, prediction),
        add_record(scene, prediction),
    )
    mark_as_made(shown.nodes, card.name)
    file_beside(volume, shown.nodes, folder=f"LungSquad: {card.title}")
    return shown


@dataclass(frozen=True)
class Stored:
    """A prediction that the scene holds: what `Prediction.to_dict` gave, and its nodes."""

    described: dict[str, Any]
    table: Any
    saliency: Any


def stored_predictions(volume: Any) -> list[Stored]:
    """The predictions that the scene holds for a volume; what is no record of one is left out."""
    found = []
    nodes = results_of(volume)
    for record in nodes:
        if not record.IsA("vtkMRMLTextNode"):
            continue
        described = _described(record.GetText())
        own = [one for one in nodes if one.GetAttribute(_MODEL) == record.GetAttribute(_MODEL)]
        tables = [one for one in own if one.IsA("vtkMRMLTableNode")]
        saliencies = [one for one in own if one.IsA("vtkMRMLScalarVolumeNode")]
        if described is not None and tables and saliencies:
            found.append(Stored(described, tables[-1], saliencies[-1]))
    return found


def mark_as_made(nodes: Iterable[Any], model: str) -> None:
    """Say which model made some nodes; from then on none of them is a patient's."""
    for node in nodes:
        node.SetAttribute(_MODEL, model)


def is_result(node: Any) -> bool:
    """Whether a model made a node; also where the CT that it was about is gone."""
    return node.GetAttribute(_MODEL) is not None


def remove_prediction(volume: Any, model: str) -> None:
    """Take a model's results for a volume out of the scene."""
    remove(node for node in results_of(volume) if node.GetAttribute(_MODEL) == model)


def _described(text: str) -> dict[str, Any] | None:
    """A scene's file may come from anywhere: a record must be one."""
    try:
        described = parsed_json(text)
        prediction_row(described)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    if made_from(described) != IMAGE:
        return None
    return dict(described)


def add_record(scene: Any, prediction: Prediction) -> Any:
    """A text node with all numbers and their provenance, as JSON."""
    node = new_node(scene, "vtkMRMLTextNode", f"Record {prediction.model.card.title}")
    node.SetText(json.dumps(prediction.to_dict(), ensure_ascii=False, allow_nan=False))
    return node


def add_crop_box(scene: Any, crop: Crop) -> Any:
    """A markups ROI round the crop's voxels, outer faces included; locked, it is a result."""
    side = " x ".join(f"{value:g}" for value in _size(Grid.of(crop.ct)))
    with _placing_kept(scene):
        node = new_node(scene, "vtkMRMLMarkupsROINode", f"Crop {side} mm")
    node.CreateDefaultDisplayNodes()
    node.SetLocked(True)
    display = node.GetDisplayNode()
    display.SetHandlesInteractive(False)
    display.SetPropertiesLabelVisibility(False)
    display.SetFillOpacity(0.0)
    display.SetGlyphScale(0.0)  # no dot in the middle, it would sit on the tumour
    display.SetColor(*_BOX_COLOUR)
    display.SetSelectedColor(*_BOX_COLOUR)
    place_crop_box(node, crop)
    return node


def place_crop_box(node: Any, crop: Crop) -> None:
    """Move a box to where a crop lies."""
    grid = Grid.of(crop.ct)
    matrix = index_to_ras(grid)
    matrix[:3, 3] = matrix[:3, :3] @ ((np.array(grid.size) - 1) / 2) + matrix[:3, 3]
    matrix[:3, :3] /= grid.spacing
    if np.linalg.det(matrix[:3, :3]) < 0:  # a box is the same in a mirror, an ROI's axes are not
        matrix[:3, 2] *= -1
    node.SetAndObserveObjectToNodeMatrix(matrix_of(matrix))
    node.SetSize(*_size(grid).tolist())


def _size(grid: Grid) -> np.ndarray:
    return np.array(grid.size) * grid.spacing


def add_ruler(scene: Any) -> Any:
    """A line for the tumour's diameter, with its length beside it; locked, it is a result."""
    with _placing_kept(scene):
        node = new_node(scene, "vtkMRMLMarkupsLineNode", "Largest axial diameter")
    node.CreateDefaultDisplayNodes()
    node.SetLocked(True)
    display = node.GetDisplayNode()
    display.SetHandlesInteractive(False)
    display.SetPointLabelsVisibility(False)
    display.SetGlyphScale(1.5)
    display.SetColor(*_RULER_COLOUR)
    display.SetSelectedColor(*_RULER_COLOUR)
    return node


def place_ruler(node: Any, diameter: Diameter) -> None:
    """Draw a diameter."""
    positions = vtkPoints()
    for point in (diameter.start_lps, diameter.end_lps):
        positions.InsertNextPoint(*to_ras(point))
    node.SetControlPointPositionsWorld(positions)


@contextmanager
def _placing_kept(scene: Any) -> Iterator[None]:
    """Slicer would have the user's next click place points of any markups node that is new."""
    selection = scene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
    node, kind = selection.GetActivePlaceNodeID(), selection.GetActivePlaceNodeClassName()
    yield
    selection.SetReferenceActivePlaceNodeID(node)
    selection.SetReferenceActivePlaceNodeClassName(kind)


def add_saliency(scene: Any, prediction: Prediction) -> Any:
    """The saliency (0 to 1) as a volume that is ready to be laid over the CT."""
    node = add_volume(scene, prediction.saliency, name=f"Saliency {prediction.model.card.title}")
    display = node.GetDisplayNode()
    display.SetAndObserveColorNodeID(_COLOURS)
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(0.0, 1.0)
    display.SetThreshold(_LEAST_SHOWN, 1.0)
    display.SetApplyThreshold(True)
    return node


def add_table(scene: Any, prediction: Prediction) -> Any:
    """A table in words: answer, probabilities, interval, robustness, flags, model."""
    name = f"Prediction {prediction.model.card.title}"
    return text_table(scene, name, ("what", "value"), rows(prediction))


def text_table(scene: Any, name: str, titles: Sequence[str], told: Sequence[Sequence[str]]) -> Any:
    """A node with a table of texts: at least one row, a cell for each of the titles."""
    node = new_node(scene, "vtkMRMLTableNode", name)
    for title, texts in zip(titles, zip(*told, strict=True), strict=True):
        column = vtkStringArray()
        column.SetName(title)
        for text in texts:
            column.InsertNextValue(text)
        node.AddColumn(column)
    node.SetUseColumnTitleAsColumnHeader(True)
    return node


def rows(prediction: Prediction) -> list[tuple[str, str]]:
    """A prediction for people: what, and what is said of it."""
    card, crop = prediction.model.card, prediction.crop
    interval, robustness = prediction.interval, prediction.robustness
    positive = card.classes[card.positive].name
    told = [("Notice", notice) for notice in (RESEARCH, card.notice) if notice]
    told += [
        ("Question", card.question),
        ("Answer", card.classes[prediction.answer].name),
    ]
    told += [
        (f"Probability of {label.name}", percent(value, 1))
        for label, value in zip(card.classes, prediction.probabilities, strict=True)
    ]
    told += [
        (
            f"{interval.level:.0%} interval of {positive}",
            f"{percent(interval.low, 1)} to {percent(interval.high, 1)}",
        ),
        (
            f"{positive} in {robustness.positions} positions of the crop",
            f"{percent(robustness.low, 1)} to {percent(robustness.high, 1)}",
        ),
    ]
    if robustness.icc is not None:
        told.append(("Agreement between positions of the crop (ICC)", decimal(robustness.icc)))
    if prediction.baseline is not None:
        told.append((f"{positive} by tumour volume alone", percent(prediction.baseline, 1)))
    told.append(("Tumour volume", f"{crop.mask_volume_ml:.2f} mL"))
    told += [(f"Flag, {flag.severity}", flag.sentence) for flag in prediction.flags]
    told += [
        ("Model", f"{card.name}: {card.title}"),
        ("Trained on", card.training.data),
        ("Model SHA-256", prediction.model.sha256),
    ]
    return told


_MADE = "(molecules)"  # no model can be called so
_TITLES = ("made from", "answer", "probability", "interval", "metrics", "model", "question")


def show_molecular(case: Mapping[str, Any], volume: Any) -> Any:
    """Add a case's answers side by side to the scene of its CT's node, in place of earlier ones.

    Args:
        case: `prediction.json` of a case with a profile.
        volume: the CT's node.

    Returns:
        The table's node.
    """
    remove_molecular(volume)
    rows = [
        (
            one.made_from,
            one.code,
            f"{question.code} {percent(one.probability)}",
            one.interval,
            one.metric,
            one.title,
            question.question,
        )
        for question in questions(case)
        for one in question.answers
    ]
    notes = [RESEARCH, *case["notices"], f"Profile, SHA-256 {case['profile']['sha256']}"]
    rows += [(note, *[""] * (len(_TITLES) - 1)) for note in notes]
    node = text_table(volume.GetScene(), "Molecules beside images", _TITLES, rows)
    mark_as_made([node], _MADE)
    file_beside(volume, [node], folder="LungSquad: molecules beside images")
    return node


def remove_molecular(volume: Any) -> None:
    """Take such answers for a volume out of the scene."""
    remove_prediction(volume, _MADE)
