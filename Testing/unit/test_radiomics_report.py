"""Radiomics of a predicted case: in its JSON, its report, its SR and the table of a batch."""

from __future__ import annotations

import csv
import json

import pytest
import SimpleITK as sitk

pydicom = pytest.importorskip("pydicom")
pytest.importorskip("highdicom")
from pydicom.sr._concepts_dict import concepts

import LungSquadLib as ls
from LungSquadLib.cli import main
from LungSquadLib.radiomics.names import (
    AGGREGATION_LABELS,
    DIRECTIONAL,
    FEATURES,
    UNDIRECTED,
    described,
    unit_of,
)
from LungSquadLib.report.radiomics import radiomics_section

from ..dicom_maker import write_series
from ..samples import ball_images, write_model

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The folder of a batch of one DICOM patient, with radiomics."""
    here = tmp_path_factory.mktemp("patient")
    ct, mask = ball_images()
    array = sitk.GetArrayFromImage(ct)
    write_series(here / "CT", array, spacing=ct.GetSpacing(), origin=ct.GetOrigin())
    sitk.WriteImage(mask, str(here / "mask.nrrd"))
    (here / "m.csv").write_text("case,ct,mask\none,CT,mask.nrrd\n")
    model = str(write_model(here / "a.safetensors").path)
    words = ["batch", str(here / "m.csv"), "--model", model, "-o", str(here / "out")]
    assert main([*words, "--device", "cpu", "--radiomics"]) == 0
    ct = ls.open_ct(here / "CT")
    return here / "out", ls.radiomic_features(ct, ls.read_mask(here / "mask.nrrd", ct))


def test_the_json_and_the_batch_have_the_features_of_the_library(results):
    folder, values = results
    stored = json.loads((folder / "cases/one/prediction.json").read_text())["radiomics"]
    assert stored["features"] == values
    assert stored["settings"] == ls.RadiomicsSettings().to_dict()
    with (folder / "radiomics.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["case"] == "one"
    assert row["patient"].startswith("LS-")
    assert {name: float(row[name]) for name in values} == values


def test_the_report_lists_the_features_by_family(results):
    page = (results[0] / "cases/one/report.html").read_text()
    assert page.count("<details>") == 11
    assert "<td>QCFX</td>" in page
    assert "<td>ACUI, ITBB</td>" in page
    assert radiomics_section({}) == []
    undefined = radiomics_section({"radiomics": {"features": {"cm_corr_3D_avg": None}}})
    assert "not defined" in str(undefined)


def test_the_sr_has_the_features_with_codes_of_the_standard(results):
    folder, values = results
    measured = {}

    def walk(item):
        if item.get("ValueType") == "NUM":
            name = item.ConceptNameCodeSequence[0]
            methods = [
                part.ConceptCodeSequence[0]
                for part in item.get("ContentSequence", ())
                if part.ConceptNameCodeSequence[0].CodeMeaning == "Measurement Method"
            ]
            if name.CodingSchemeDesignator == "IBSI" and methods:
                value = item.MeasuredValueSequence[0]
                unit = value.MeasurementUnitsCodeSequence[0].CodeValue
                key = (name.CodeValue, methods[0].CodeValue)
                measured[key] = (float(value.NumericValue), unit, name.CodeMeaning)
        for part in item.get("ContentSequence", ()):
            walk(part)

    walk(pydicom.dcmread(folder / "cases/one/sr.dcm"))
    assert len(measured) == len(values) == 210
    for name, value in values.items():
        feature, aggregation = described(name)
        stored, unit, meaning = measured[feature.code, aggregation]
        assert stored == pytest.approx(value, rel=1e-6)
        assert unit == unit_of(feature.tag)
        assert meaning.casefold() == feature.label.casefold()
    assert measured["RNU0", "DHQ4"][1] == "mm3"
    assert measured["Q4LE", "DHQ4"][1] == "[hnsf'U]"
    assert measured["ACUI", "ITBB"][1] == "1"


def test_codes_are_those_of_dicom_where_it_lists_the_family():
    known = {code for codes in concepts["IBSI"].values() for code in codes}
    listed = set(FEATURES) - {"stat", "loc", "ivh"}
    assert {feature.code for family in listed for feature in FEATURES[family]} <= known
    ends = {
        code for d in DIRECTIONAL for code in (*DIRECTIONAL[d].values(), *UNDIRECTED[d].values())
    }
    assert set(AGGREGATION_LABELS) == {"DHQ4", *ends}
