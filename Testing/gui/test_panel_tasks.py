"""Work in the panel: cancelled, pressed twice, killed, failing; then the panel goes on."""

from __future__ import annotations

import itertools
import logging
import os
import signal
import time

import pytest

from .conftest import at_rest, file_names


def is_alive(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def at_work(panel, working, wait_until):
    """The panel in the middle of a prediction that does not end by itself."""
    working("heedful")
    panel.ui.predictButton.click()
    wait_until(lambda: panel.ui.statusLabel.text == "at it")
    return panel


@pytest.fixture
def predict(panel, wait_until):
    """Press Predict and wait for the message at the end."""

    def press() -> str:
        panel.ui.predictButton.click()
        wait_until(lambda: at_rest(panel), 60)
        return panel.ui.statusLabel.text

    return press


@pytest.mark.slow
@pytest.mark.linux
def test_a_killed_worker_is_reported_and_the_next_prediction_starts_another(
    panel, predict, wait_until, temporary
):
    panel.context.state.model = "one"
    panel.refresh()
    wait_until(lambda: panel.ui.modelSelector.currentData == "one")
    panel.ui.predictButton.click()
    wait_until(lambda: panel.worker.pid and panel.tasks.fraction > 0.1)  # it has responded
    pid = panel.worker.pid
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: at_rest(panel))
    assert "ended during the work (killed by SIGKILL)" in panel.ui.statusLabel.text
    assert panel.ui.predictButton.text == "Predict"
    assert predict() == "Prediction finished. Read the warnings before the probabilities."
    assert panel.worker.pid != pid
    assert len(panel.result.stored) == 1


def test_a_python_that_cannot_be_started_is_reported(panel, predict, monkeypatch, tmp_path):
    monkeypatch.setattr(panel.worker, "_python", str(tmp_path / "no python"))
    for _ in range(2):
        assert predict().startswith("The worker could not be started with")
        assert panel.ui.predictionFrame.enabled


def test_a_worker_that_fails_to_start_at_once_is_reported(panel, predict, monkeypatch):
    """On Windows Qt reports it before `start` returns."""
    import qt

    def start(process, _program, _arguments):
        process.errorOccurred.emit(qt.QProcess.FailedToStart)

    monkeypatch.setattr(qt.QProcess, "start", start)
    monkeypatch.setattr(qt.QProcess, "error", lambda _process: qt.QProcess.FailedToStart)
    assert predict().startswith("The worker could not be started with")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise SystemExit('No module named numpy')", "No module named numpy"),
        ("raise SystemExit(3)", "exit code 3"),
        pytest.param("import os; os._exit(128 + 9)", "killed by SIGKILL", marks=pytest.mark.linux),
    ],
)
def test_a_worker_that_ends_before_it_is_ready_did_not_start(
    code, reason, panel, predict, monkeypatch
):
    from LungSquadLib.mrml.panel import worker_process

    monkeypatch.setattr(worker_process, "command", lambda python: [python, "-c", code])
    message = predict()
    assert message.startswith("The worker could not be started with")
    assert f"({reason})" in message
    assert "memory" not in message


def test_pressing_predict_again_cancels_and_leaves_nothing(at_work, wait_until, temporary, scene):
    nodes, pid = scene.GetNumberOfNodes(), at_work.worker.pid
    assert at_work.ui.predictButton.text == "Cancel"
    at_work.ui.predictButton.click()
    wait_until(lambda: at_rest(at_work))
    assert at_work.ui.statusLabel.text == "Cancelled."
    assert (at_work.ui.predictButton.text, at_work.ui.cancelButton.enabled) == ("Predict", False)
    wait_until(lambda: not at_work.worker._cancelled)  # the worker has answered
    assert scene.GetNumberOfNodes() == nodes
    assert file_names(temporary) == ["ct.mha"]  # the copy
    at_work.ui.predictButton.click()
    wait_until(lambda: at_work.ui.statusLabel.text == "at it")
    assert at_work.worker.pid == pid


def test_a_second_task_waits_for_the_first(at_work, wait_until, tmp_path):
    at_work.open_path(str(tmp_path))
    wait_until(lambda: at_work.tasks.message == "at it")
    assert (
        at_work.context.status
        == "Another task is running: Predicting. Wait until it is finished, or cancel it."
    )
    assert not at_work.ui.importMaskButton.enabled
    at_work.ui.cancelButton.click()
    wait_until(lambda: at_rest(at_work))
    assert at_work.ui.importMaskButton.enabled


@pytest.mark.parametrize("what", ["reading", "copying", "sample"])
def test_every_kind_of_task_is_cancelled(
    what, panel, working, wait_until, monkeypatch, temporary, tmp_path
):
    from LungSquadLib.mrml import temporary_files

    working("heedful")
    monkeypatch.setattr(temporary_files, "ct_writer", lambda _ct, _path: itertools.repeat(0.5))
    if what == "reading":
        panel.open_path(str(tmp_path))
        wait_until(lambda: panel.tasks.message == "at it")
    elif what == "sample":
        panel.ui.sampleButton.click()
        wait_until(lambda: panel.tasks.message == "at it")
    else:
        panel.ui.predictButton.click()
        wait_until(lambda: panel.tasks.fraction == 0.05)
        assert panel.worker.pid is None
    panel.ui.cancelButton.click()
    wait_until(lambda: at_rest(panel) and not panel.worker._cancelled)
    assert panel.ui.statusLabel.text == "Cancelled."
    panel.close()
    assert list(temporary.iterdir()) == []


def test_a_task_that_is_cancelled_by_what_it_does_ends_after_its_step(panel, wait_until):
    """Slicer turns the event loop while it loads, and the user may close the scene meanwhile."""
    ended = []

    def steps():
        try:
            panel.tasks.cancel("Stopped.")
            yield 0.5
            ended.append("went on")
        finally:
            ended.append("cleaned up")

    panel.tasks.start("Loading", steps())
    wait_until(lambda: at_rest(panel))
    assert (panel.ui.statusLabel.text, ended) == ("Stopped.", ["cleaned up"])


def test_an_unforeseen_exception_in_a_task_is_a_sentence_and_is_logged(panel, wait_until, caplog):
    def steps():
        yield 0.5
        raise KeyError("nobody thought of this")

    with caplog.at_level(logging.ERROR):
        panel.tasks.start("Working", steps())
        wait_until(lambda: at_rest(panel))
    assert panel.ui.statusLabel.text.startswith("A fault in LungSquad (KeyError: 'nobody")
    assert "nobody thought of this" in caplog.text
    assert "Traceback" in caplog.text
    assert panel.ui.predictButton.enabled


def test_a_section_that_fails_says_so_once_and_the_others_live_on(
    panel, wait_until, monkeypatch, caplog
):
    monkeypatch.setattr(panel.crop, "_check_inputs", lambda: 1 / 0)
    monkeypatch.setattr(panel.ui.reportHint, "text", "old")
    panel.refresh()
    wait_until(lambda: at_rest(panel), 1)  # reporting it must not update all sections again
    assert "ZeroDivisionError" in panel.ui.statusLabel.text
    assert panel.ui.reportHint.text.startswith("Run a prediction")
    assert caplog.text.count("Traceback") == 1


@pytest.mark.parametrize("busy", [False, True])
def test_closing_ends_the_worker_and_twice_does_no_harm(busy, at_work, temporary, wait_until):
    pid = at_work.worker.pid
    if not busy:
        at_work.ui.cancelButton.click()
        wait_until(lambda: at_rest(at_work))
    begun = time.monotonic()
    at_work.close()
    assert time.monotonic() - begun < 2.5
    assert not is_alive(pid)
    at_work.close()
    assert list(temporary.iterdir()) == []
