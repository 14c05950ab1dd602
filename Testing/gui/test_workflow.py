"""The whole panel, clicked through."""

from __future__ import annotations

import pytest


@pytest.fixture
def panel(module):
    return module.panel


def idle(panel):
    return lambda: not panel.tasks.title and not panel._timer.isActive()


def test_sample_patient_to_prediction(panel, wait_until, screenshot, heartbeat):
    ui = panel.ui
    ui.sampleButton.click()
    wait_until(lambda: panel.current_state().ct is not None and not panel.tasks.title, 60)
    wait_until(lambda: panel.crop.crop is not None or panel.crop.problem)
    assert panel.crop.crop is not None, panel.crop.problem
    screenshot(panel.widget, "crop")
    with heartbeat:
        ui.predictButton.click()
        wait_until(lambda: not panel.tasks.title, 90)
    print(ui.statusLabel.text, heartbeat.longest)
    wait_until(lambda: ui.resultFrame.visible)
    screenshot(panel.widget, "prediction")
    print(ui.answerLabel.text, ui.certaintyLabel.text)
