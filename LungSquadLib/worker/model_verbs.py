"""The worker's verbs about model files: they are listed, fetched and added."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

from ..progress import Progress, step


@dataclass(frozen=True)
class Models:
    """List the models on this machine, with their cards."""

    def run(self, _progress: Progress) -> list[dict[str, Any]]:
        from ..models.catalogue import available

        return [{**asdict(entry), "path": str(entry.path)} for entry in available()]


@dataclass(frozen=True)
class FetchModel:
    """Fetch a published model, or import it from its weights, as `lungsquad models fetch`.

    Only this verb uses the internet, and only without `weights`.
    """

    name: str
    weights: str | os.PathLike[str] | None = None

    def run(self, progress: Progress) -> dict[str, str]:
        from ..models import published

        path = published.fetch_model(self.name, source=self.weights, progress=progress)
        return {"path": str(path)}


@dataclass(frozen=True)
class AddModel:
    """Check a model file, and copy it to this user's models."""

    file: str | os.PathLike[str]

    def run(self, progress: Progress) -> dict[str, str]:
        from ..models.published import add_model

        step(progress, 0.0, "Reading the model")
        return {"path": str(add_model(self.file))}
