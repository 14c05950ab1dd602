"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data: `$LUNGSQUAD_DATA`, else `../shared/data` beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("LUNGSQUAD_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no real data: '{folder}' does not exist (set LUNGSQUAD_DATA)")
    return folder
