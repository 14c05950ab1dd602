"""The panel in a separate process: what it loads, and what it leaves when it is killed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ..unit.test_worker import is_gone
from .conftest import MODULE
from .figures import figure

OPEN = """
import sys, time
from pathlib import Path
import pytest
from PySide6.QtWidgets import QApplication
application = QApplication([])
from Testing.slicer_stand_in import install
install(pytest.MonkeyPatch(), folder=Path(sys.argv[1]))
import slicer
start = time.perf_counter()
from LungSquadLib.mrml.panel import Panel
ui = slicer.util.loadUI(sys.argv[2])
ui.setMRMLScene(slicer.mrmlScene)
panel = Panel(ui)
panel.enter()
ui.show()
application.processEvents()
seconds = time.perf_counter() - start
"""
TELL = """
assert "torch" not in sys.modules
print(seconds)
"""
WORK = """
from LungSquadLib.mrml.panel.worker_process import Callbacks
callbacks = Callbacks(lambda *_: None, lambda _: print(panel.worker.pid, flush=True), print)
panel.worker.request("models", {}, callbacks)
application.exec()
"""


def started(code, tmp_path):
    command = [
        sys.executable,
        "-c",
        OPEN + code,
        tmp_path,
        MODULE.parent / "Resources/UI/LungSquad.ui",
    ]
    return subprocess.Popen(
        list(map(str, command)),
        cwd=MODULE.parents[1],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_panel_opens_quickly_and_without_torch(application, tmp_path):
    process = started(TELL, tmp_path)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    figure("opening the panel", float(out) * 1000, "ms")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="processes are looked for otherwise")
def test_no_worker_outlives_a_slicer_that_was_killed(application, tmp_path, wait_until):
    process = started(WORK, tmp_path)
    worker = int(process.stdout.readline())
    assert not is_gone(worker)
    process.kill()
    process.communicate()
    wait_until(lambda: is_gone(worker), 20)
