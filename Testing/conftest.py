"""Where real data are found; what is not there is skipped, and said in one line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real CT, masks, tables and oracles."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("LUNGSQUAD_DATA", beside))
    if not folder.is_dir():
        pytest.skip("real data: neither ../shared/data nor $LUNGSQUAD_DATA is there")
    return folder
