"""A patient with an expression profile and no image, from the profile to a folder of results."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import __version__
from ..data.tables.profile import read_profile
from ..errors import InputError
from ..files import whole_folder, write_json
from ..identity import pseudonym
from ..imaging.files.write import check_distinct
from ..imaging.flags import merged
from ..models.catalogue import OF_TABLES
from ..models.file import Model
from ..report.page import RESEARCH
from ..report.render import FORMAT_VERSION, REPORT, RESULT, rendered
from .molecular import molecular_flags, molecular_part, notices_of, predict_molecular
from .options import PredictionOptions


def run_profile(
    profile: str | os.PathLike[str],
    models: Sequence[Model],
    folder: str | os.PathLike[str],
    *,
    options: PredictionOptions | None = None,
) -> dict[str, Any]:
    """Predict from a profile without an image; write `prediction.json` and a report.

    Raises:
        InputError: as `read_profile` and `predict_profile`; or a model takes images only.
    """
    options = options or PredictionOptions()
    check_distinct([folder], [profile])
    for model in models:
        if model.card.kind not in OF_TABLES:
            raise InputError(f"The model '{model.card.name}' takes images: give a CT and a mask.")
    read = read_profile(profile)
    predictions = predict_molecular(models, read, None, device=options.device, seed=options.seed)
    described = {
        "format_version": FORMAT_VERSION,
        "lungsquad": __version__,
        "notice": RESEARCH,
        "notices": notices_of(predictions),
        "patient": pseudonym(read.sha256),
        "flags": [flag.to_dict() for flag in merged((), molecular_flags(predictions))],
        "predictions": [],
        **molecular_part(read, predictions),
        "files": {"report": REPORT},
    }
    with whole_folder(folder, last=RESULT) as temporary:
        write_json(temporary / RESULT, described)
        (temporary / REPORT).write_text(rendered(temporary), encoding="utf-8")
        check_distinct([Path(folder) / entry.name for entry in temporary.iterdir()], [profile])
    return described
