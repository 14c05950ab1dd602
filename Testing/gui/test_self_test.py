"""The self-test for a real Slicer runs here as well, so that it is whole when it is needed."""

from __future__ import annotations

import sys

import pytest


@pytest.mark.slow
def test_the_self_test_passes_in_the_stand_in(module, scene, monkeypatch):
    import slicer

    monkeypatch.setattr(slicer.util, "getModuleWidget", lambda _name: module, raising=False)
    code = sys.modules["LungSquad"]
    torch_was_there = sys.modules.pop("torch", None)  # of another test; Slicer has none loaded
    try:
        code.LungSquadTest().runTest()
    finally:
        if torch_was_there is not None:
            sys.modules["torch"] = torch_was_there
