"""The table of radiomic features in the panel: computed by the worker, for the current outline."""

from __future__ import annotations

import csv
import math

import pytest

from ..mrml.nodes import halve_segment
from ..samples import ball_images
from .conftest import at_rest


@pytest.fixture
def finished(panel, wait_until):
    """Wait for the end of what a button began; the status line's text is returned."""

    def wait() -> str:
        wait_until(lambda: panel.tasks.title)
        wait_until(lambda: at_rest(panel), 60)
        return panel.ui.statusLabel.text

    return wait


def cells(panel) -> dict[str, list[str]]:
    """The texts of the table, by the feature's label."""
    table = panel.ui.radiomicsTable
    rows = (
        [table.item(row, column).text() for column in range(table.columnCount)]
        for row in range(table.rowCount)
    )
    return {label: texts for label, *texts in rows}


def test_the_worker_computes_the_features_and_the_panel_lists_copies_and_saves_them(
    panel, gui, working_here, finished, tmp_path, screenshot
):
    import qt

    import LungSquadLib as ls

    ui = panel.ui
    ui.radiomicsSection.collapsed = False
    assert not ui.radiomicsTable.visible
    ui.radiomicsButton.click()
    assert finished() == "210 features."
    screenshot(ui.radiomicsSection, "radiomics")
    rows = cells(panel)
    assert float(rows["volume"][0]) == pytest.approx(4 / 3 * math.pi * 9.0**3, rel=0.02)  # a ball
    assert rows["volume"][1:] == ["mm3", "RNU0", "", ""]
    assert float(rows["mean"][0]) == pytest.approx(-5, abs=60)  # 40 HU, and lung at the border
    assert ui.radiomicsTable.isColumnHidden(4)
    assert ui.radiomicsTable.isColumnHidden(5)
    ui.copyRadiomicsButton.click()
    lines = qt.QApplication.clipboard().text().splitlines()
    assert lines[1].split("\t")[:3] == ["volume", rows["volume"][0], "mm3"]
    gui.file_answers.append(str(tmp_path / "features"))
    ui.saveRadiomicsButton.click()
    with (tmp_path / "features.csv").open(encoding="utf-8", newline="") as file:
        saved = {row["feature"]: row["value"] for row in csv.DictReader(file)}
    computed = ls.radiomic_features(*ball_images())
    assert saved.keys() == computed.keys()
    assert float(saved["cm_contrast_3D_comb"]) == pytest.approx(computed["cm_contrast_3D_comb"])


def test_what_a_cohort_says_of_features_is_beside_them(
    panel, gui, working_here, finished, tmp_path
):
    table = tmp_path / "cohort.robustness.csv"
    table.write_text(
        "feature,icc,robust,volume_correlation\n"
        "morph_volume,0.9512,1,1.0\nstat_mean,0.4,0,-0.3\nstat_var,,,\n"
    )
    gui.file_answers.append(str(table))
    panel.ui.robustnessButton.click()
    finished()
    rows = cells(panel)
    assert rows["volume"][3:] == ["0.95", "1.00"]
    assert rows["surface area"][3:] == ["", ""]
    values = [
        (row["icc"], row["volume_correlation"])
        for row in panel.radiomics.rows
        if row["feature"] in ("stat_mean", "stat_var")
    ]
    assert values == [(0.4, -0.3), (None, None)]
    assert not panel.ui.radiomicsTable.isColumnHidden(4)
    texts = [panel.ui.radiomicsTable.item(row, 4).text() for row in range(60)]
    assert [text for text in texts if text] == ["0.95", "0.40 (below 0.75)"]


def test_a_file_that_is_no_table_of_robustness_is_refused(
    panel, gui, working_here, finished, tmp_path
):
    table = tmp_path / "features.csv"
    table.write_text("case,morph_volume\none,1\n")
    gui.file_answers.append(str(table))
    panel.ui.robustnessButton.click()
    assert "is not a table of `lungsquad radiomics --robustness`" in finished()
    panel.ui.radiomicsButton.click()  # the file is forgotten
    assert finished() == "210 features."


def test_features_of_another_outline_are_not_shown(
    panel, drawn, working_here, finished, wait_until
):
    ui = panel.ui
    ui.radiomicsSection.collapsed = False
    ui.radiomicsButton.click()
    finished()
    volume = cells(panel)["volume"][0]
    assert ui.radiomicsTable.visible
    halve_segment(*drawn[1:])
    wait_until(lambda: at_rest(panel))
    assert not ui.radiomicsTable.visible
    assert not ui.copyRadiomicsButton.visible
    ui.radiomicsButton.click()
    finished()
    assert ui.radiomicsTable.visible
    assert float(cells(panel)["volume"][0]) < 0.7 * float(volume)
