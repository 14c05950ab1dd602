"""The panel in a stand-in of Slicer's GUI, offscreen: pictures of it, its event loop watched."""

from __future__ import annotations

import os
import sys
import tempfile
import time
import traceback
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import SimpleNamespace

import pytest

from ..mrml.conftest import drawn, model_file, scene  # noqa: F401 - fixtures
from ..samples import write_model

LIBRARIES = "libdbus-1-3 libegl1 libfontconfig1 libgl1 libglib2.0-0 libx11-6 libxkbcommon0"
MODULE = Path(__file__).resolve().parents[2] / "LungSquad" / "LungSquad.py"
PATIENCE = float(os.environ.get("LUNGSQUAD_PATIENCE", "1"))  # of waiting, on a busy machine
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


@pytest.fixture(scope="session")
def application():
    """Qt's application, with no screen."""
    try:
        from PySide6.QtWidgets import QApplication
    except ImportError as missing:
        pytest.skip(f"GUI: Qt cannot be loaded ({missing}); on Debian install {LIBRARIES}")
    return QApplication.instance() or QApplication(["Slicer"])


@pytest.fixture
def gui(application, scene, monkeypatch, tmp_path):  # noqa: F811 - a fixture
    """Slicer's GUI, stood in for; see `install`.

    An exception that Qt or VTK would only print fails the test, unless it takes it from `errors`.
    """
    from ..slicer_stand_in import install

    errors: list = []
    monkeypatch.setattr(sys, "excepthook", lambda *error: errors.append(error))
    installed = install(monkeypatch, folder=tmp_path)
    installed.errors = errors
    yield installed
    for error in errors:
        pytest.fail("".join(traceback.format_exception(*error)))


@pytest.fixture
def module(gui, scene, monkeypatch):  # noqa: F811 - a fixture
    """The module's widget as Slicer opens it, and takes it away in the end."""
    import slicer

    if not MODULE.is_file():
        pytest.skip(f"the module: {MODULE.name} is not there")
    name = MODULE.stem
    known = SimpleNamespace(path=str(MODULE), name=name)
    monkeypatch.setattr(slicer.modules, name.lower(), known, raising=False)
    spec = spec_from_file_location(name, MODULE)
    code = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, code)
    spec.loader.exec_module(code)
    getattr(code, name)(known)
    slicer.app.startupCompleted.emit()
    widget = getattr(code, f"{name}Widget")()
    yield widget
    put_away(widget)


def put_away(widget) -> None:
    """As Slicer ends a module's widget; its children hear no more of the scene."""
    import slicer

    widget.cleanup()
    for child in widget.parent.findChildren(slicer.qMRMLWidget):
        child.setMRMLScene(None)
    widget.parent.deleteLater()


@pytest.fixture
def opened(module, application):
    """The module as Slicer shows it: in a column that scrolls.

    `widget` is what is seen, `panel` the panel, `waiting()` whether it has yet to show something.
    """
    from PySide6.QtWidgets import QScrollArea

    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setWidget(module.parent)
    area.resize(520, 1000)
    area.show()
    module.enter()
    panel = module.panel
    timers = (panel._timer, panel.crop._timer, panel.synthetic._timer, panel.table._timer)
    yield SimpleNamespace(
        widget=module.parent,
        panel=panel,
        module=module,
        waiting=lambda: any(timer.isActive() for timer in timers),
    )
    area.takeWidget()
    area.deleteLater()


@pytest.fixture
def screenshot(application, tmp_path):
    """Save a widget's picture, in $LUNGSQUAD_SCREENSHOTS if that is set; its file is returned."""
    folder = Path(os.environ.get("LUNGSQUAD_SCREENSHOTS", tmp_path))

    def save(widget, name: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.png"
        for _ in range(20):  # each turn lays out one more level of the nested frames
            application.processEvents()
            time.sleep(0.02)
        assert widget.grab().save(str(path))
        return path

    return save


@pytest.fixture
def wait_until(application):
    """Run the event loop until a condition holds, or fail after some seconds."""

    def wait(condition, seconds: float = 10.0) -> None:
        end = time.monotonic() + seconds * PATIENCE
        while not condition():
            assert time.monotonic() < end, f"not so after {seconds:g} s"
            application.processEvents()
            time.sleep(0.002)

    return wait


class Heartbeat:
    """Measures how long the event loop was deaf: the longest time between ticks of a timer."""

    def __init__(self, timer):
        self._timer = timer
        timer.setInterval(10)
        timer.timeout.connect(self._tick)

    def __enter__(self):
        self.longest, self._last = 0.0, time.monotonic()
        self._timer.start()
        return self

    def __exit__(self, *_):
        self._timer.stop()
        self._tick()

    def _tick(self):
        now = time.monotonic()
        self.longest, self._last = max(self.longest, now - self._last), now


@pytest.fixture
def heartbeat(application):
    """Within `with heartbeat:` the event loop is watched; then `heartbeat.longest` has seconds."""
    from PySide6.QtCore import QTimer

    return Heartbeat(QTimer())


@pytest.fixture
def temporary(monkeypatch, tmp_path):
    """The folder for temporary files, of this process and of the worker."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(name, str(folder))
    return folder


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """A folder with two models of random weights."""
    pytest.importorskip("torch", reason="networks: torch is not installed")
    folder = tmp_path_factory.mktemp("panel_models")
    for number, name in enumerate(("one", "two")):
        write_model(folder / f"{name}.safetensors", seed=number, name=name, title=f"Model {name}")
    return folder


@pytest.fixture
def panel(drawn, models, temporary, monkeypatch, request):  # noqa: F811 - a fixture
    """The panel on the ball's CT, with its segment chosen and the two models."""
    from LungSquadLib.models import catalogue

    monkeypatch.setenv(catalogue.VARIABLE, str(models))
    monkeypatch.setattr(catalogue, "BUNDLED", temporary)
    monkeypatch.setattr(catalogue, "user_folder", lambda: temporary)
    panel = request.getfixturevalue("module").panel
    panel.enter()
    panel.tumour.choose(*drawn[1:])
    request.getfixturevalue("wait_until")(lambda: panel.crop.crop is not None and at_rest(panel))
    return panel


def file_names(folder) -> list[str]:
    """The names of the files in a folder and its subfolders."""
    return [path.name for path in folder.rglob("*") if path.is_file()]


def at_rest(panel) -> bool:
    """Whether no task is running and no timer is waiting."""
    timers = (panel._timer, panel.crop._timer, panel.synthetic._timer, panel.table._timer)
    return not (panel.tasks.title or any(timer.isActive() for timer in timers))


@pytest.fixture
def working_here(panel, monkeypatch):
    """The panel's requests are answered by this process, which has loaded torch once for all."""
    import qt

    from LungSquadLib.errors import LungSquadError
    from LungSquadLib.progress import Silent
    from LungSquadLib.worker.requests import read_request

    def answer(verb, fields, callbacks):
        progress = Silent()
        progress.preliminary = callbacks.preliminary
        try:
            request = read_request({"id": 1, "verb": verb, **fields})
            result = request.run(progress)
        except (LungSquadError, ValueError) as error:
            callbacks.error(error)
        else:
            callbacks.result(result)

    def request(*arguments):
        qt.QTimer.singleShot(0, lambda: answer(*arguments))
        return 1

    monkeypatch.setattr(panel.worker, "request", request)


@pytest.fixture
def working(monkeypatch):
    """Call with a name of `worker_stand_in.WORK`, which workers do from now on, without torch."""
    from LungSquadLib.mrml.panel import worker_process

    def work(name: str | None) -> None:
        code = (
            "from Testing import worker_stand_in as stand_in; "
            f"stand_in.replace_work(stand_in.WORK[{name!r}]); stand_in.worker.main()"
        )
        monkeypatch.setattr(worker_process, "command", lambda python: [python, "-c", code])

    return work
