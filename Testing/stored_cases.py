"""Rows of a store's index for tests, made on the spot."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from LungSquadLib.data.store import StoredCase


def content(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def stored_case(name: str, **changes: Any) -> StoredCase:
    """A case of a patient, series and images of its own."""
    case = StoredCase(
        case=name,
        patient=f"LS-{content(name)[:16]}",
        series=content("series " + name)[:16],
        site="",
        columns={},
        file=f"cases/{name}.npz",
        sha256=content("file " + name),
        pixels=content("pixels " + name),
        crop=content("crop " + name),
        volume_ml=1.0,
        flags=(),
    )
    return replace(case, **changes)
