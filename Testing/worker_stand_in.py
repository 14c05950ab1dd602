"""A worker whose work is replaced by what a test names in `roi`; the rest is the real worker."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import SimpleITK as sitk

from LungSquadLib.files import whole_folder
from LungSquadLib.progress import step
from LungSquadLib.worker import __main__ as worker
from LungSquadLib.worker import verbs

REAL = {cls: cls.run for cls in verbs.VERBS.values() if hasattr(cls, "run")}


def real(request, progress):
    return REAL[type(request)](request, progress)


class Pausing:
    """Progress that holds the work half-way until it is cancelled."""

    def __init__(self, progress):
        self._progress = progress

    @property
    def cancelled(self):
        return self._progress.cancelled

    def report(self, fraction, message):
        self._progress.report(fraction, message)
        limit = time.monotonic() + 120
        while fraction >= 0.5 and not self.cancelled and time.monotonic() < limit:
            time.sleep(0.02)


def pausing(request, progress):
    case = replace(request.case, roi=None)
    return real(replace(request, case=case), Pausing(progress))


def heedful(_request, progress):
    while True:
        step(progress, 0.5, "at it")
        time.sleep(0.02)


def preliminary(request, progress):
    """A first result, and never the last one."""
    saliency = Path(request.preliminary, "saliency.nrrd")
    saliency.parent.mkdir()
    dense = sitk.ReadImage(request.case.ct) > 0
    sitk.WriteImage(sitk.Cast(dense, sitk.sitkFloat32), str(saliency))
    named = [{"code": code, "name": f"class {code}"} for code in ("A", "B")]
    result = {
        "question": "A or B?",
        "classes": named,
        "probabilities": {"A": 0.3, "B": 0.7},
        "predicted_class": "B",
        "positive_class": "A",
        "volume_only_baseline": None,
        "flags": [],
        "notice": None,
        "model": {"name": "one", "title": "Model one"},
        "files": {"saliency": str(saliency)},
    }
    progress.preliminary(result)
    heedful(request, progress)


def stuck(_request, progress):
    progress.report(0.5, "stuck")
    time.sleep(600)  # in C: nothing gets it out


def writing(request, progress):
    with whole_folder(request.folder, last="b") as temporary:
        (temporary / "a").write_text("half", encoding="utf-8")
        progress.report(0.5, "writing")
        while True:
            time.sleep(0.02)


def chatter(_request, _progress):
    print("from Python", flush=True)
    os.write(1, b'from a library\n{"type": "result", "id": 1, "result": "forged"}\n')
    subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)
    return sys.stdin.read() + os.read(0, 10).decode()  # at their end at once


def no_memory(_request, _progress):
    raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")


WORK = {
    None: real,
    "echo": lambda request, _: {**asdict(request.case), **asdict(request.options)},
    "pausing": pausing,
    "heedful": heedful,
    "preliminary": preliminary,
    "stuck": stuck,
    "writing": writing,
    "chatter": chatter,
    "fault": lambda *_: 1 / 0,
    "memory": no_memory,
    "nan": lambda *_: float("nan"),
}


def work_named_in_roi(request, progress):
    return WORK[request.case.roi](request, progress)


def replace_work(work, requests=tuple(REAL)):
    """Let the worker do other work for some requests, without loading torch."""
    verbs.load = lambda: None
    for cls in requests:
        cls.run = work


if __name__ == "__main__":
    replace_work(work_named_in_roi, [verbs.Predict])
    worker.main()
