"""Rows of a store's index for tests, made on the spot."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace


def content(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def stored_case(name: str, **changes) -> SimpleNamespace:
    """A case of a patient, series and images of its own."""
    fields = {
        "case": name,
        "patient": f"LS-{content(name)[:16]}",
        "series": content("series " + name)[:16],
        "site": "",
        "pixels": content("pixels " + name),
        "crop": content("crop " + name),
        "sha256": content("file " + name),
    }
    return SimpleNamespace(**fields | changes)
