"""Predictions of the running task, before their intervals and robustness are measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import SimpleITK as sitk

from ..hierarchy import remove
from ..results import StoredPrediction, add_saliency, mark_as_result
from ..tumour import Tumour


class PreliminaryPredictions:
    """Takes the first results of a prediction, and removes them when it ends, however it ends.

    Of these, the scene has the saliency alone, and is saved without it.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._volume: Any = None
        self._predictions: list[StoredPrediction] = []

    def of(self, volume: Any, segmentation: Any, segment: str) -> list[StoredPrediction]:
        """Return those for a segment on a CT; their `table` is None."""
        if volume is not self._volume:
            return []
        return [
            each
            for each in self._predictions
            if each.tumour is not None and each.tumour.is_segment(segmentation, segment)
        ]

    @contextmanager
    def received(
        self, volume: Any, tumour: Tumour
    ) -> Iterator[Callable[[Mapping[str, Any]], None]]:
        """Yield a function that takes the worker's preliminary results for a tumour of a CT."""

        def receive(described: Mapping[str, Any]) -> None:
            image, model = sitk.ReadImage(described["files"]["saliency"]), described["model"]
            saliency = add_saliency(volume.GetScene(), image, f"{model['title']} (preliminary)")
            mark_as_result([saliency], model["name"])
            for node in (saliency, saliency.GetDisplayNode()):
                node.SetSaveWithScene(False)
            self._predictions.append(StoredPrediction(dict(described), None, saliency, tumour))
            self._changed()

        self._volume = volume
        try:
            yield receive
        finally:
            predictions, self._predictions, self._volume = self._predictions, [], None
            remove(each.saliency for each in predictions)
            self._changed()
