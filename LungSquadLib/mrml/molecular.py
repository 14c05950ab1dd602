"""Answers of images, of molecules and of both as one table in a scene."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..report.side_by_side import questions
from ..statistics.text import percent
from .hierarchy import file_beside
from .results import RESEARCH, mark_as_made, remove_prediction, text_table

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
