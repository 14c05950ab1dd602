"""Descriptions of a nodule as nodes of a scene: a table and a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..fields import parsed_json
from ..imaging.flags import Flag
from ..report.description import RATING_TITLES, rating_rows, volume_sentence
from .hierarchy import file_beside
from .results import add_record, mark_as_result, nodes_of_model, remove_prediction, text_table
from .tumour import Tumour, tumour_of

_TITLES = RATING_TITLES[:4]  # the others are about the model, and stand in the report
_DESCRIPTIONS = "(descriptions)"  # in place of a model's name, which cannot have brackets


@dataclass(frozen=True)
class StoredDescriptions:
    """The descriptions that a scene holds for a CT, as `Description.to_dict` gave them."""

    described: list[dict[str, Any]]
    table: Any
    tumour: Tumour | None = None


def show_descriptions(
    descriptions: Sequence[Mapping[str, Any]], volume: Any, *, tumour: Tumour | None = None
) -> list[Any]:
    """Add the descriptions of a nodule as a table and a record, in place of earlier ones.

    Args:
        descriptions: of one or more models, as `Description.to_dict` gives them.
        volume: the CT's node.
        tumour: the tumour that they describe; without it, the only one.

    Returns:
        The nodes.
    """
    remove_prediction(volume, _DESCRIPTIONS, tumour)
    rows = []
    for description in descriptions:
        if len(descriptions) > 1:
            rows.append([description["model"]["title"], *[""] * (len(_TITLES) - 1)])
        rows += [row[: len(_TITLES)] for row in rating_rows(description)]
    name, scene = "Description (readers' impression, no pathology)", volume.GetScene()
    nodes = [
        text_table(scene, name, _TITLES, rows),
        add_record(scene, "Record of the description", list(descriptions)),
    ]
    mark_as_result(nodes, _DESCRIPTIONS, tumour)
    of = "" if tumour is None else f", {tumour.name}"
    file_beside(volume, nodes, folder=f"LungSquad: description{of}")
    return nodes


def stored_descriptions(volume: Any) -> list[StoredDescriptions]:
    """Return the descriptions that the scene holds for the tumours of a volume, the whole ones."""
    stored = []
    for record in nodes_of_model(volume, _DESCRIPTIONS):
        if not record.IsA("vtkMRMLTextNode"):
            continue
        described, tumour = _parsed(record.GetText()), tumour_of(record)
        nodes = nodes_of_model(volume, _DESCRIPTIONS, tumour)
        tables = [node for node in nodes if node.IsA("vtkMRMLTableNode")]
        if described and tables:
            stored.append(StoredDescriptions(described, tables[-1], tumour))
    return stored


def _parsed(text: str) -> list[dict[str, Any]]:
    """Return the descriptions of a record, which may come from anywhere; none if it is broken."""
    try:
        described = list(parsed_json(text))
        for description in described:
            rating_rows(description)
            texts = [description[name] for name in ("sentence", "impression", "notice")]
            texts += [description["model"]["title"], volume_sentence(description)]
            [Flag.of(flag) for flag in description["flags"]]
            if not all(isinstance(each, str) for each in texts):
                return []
    except (LookupError, TypeError, ValueError, AttributeError):
        return []
    return described
