"""A cohort staged: what fails is a row, what is whole is kept, and who disagrees is said."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from sklearn.metrics import cohen_kappa_score

from LungSquadLib.cli import main
from LungSquadLib.evaluation.staging.methods import agreements, disagreement
from LungSquadLib.identity import pseudonym

SIZES = {"a": 8, "b": 25, "c": 36, "d": 60, "e": 80, "f": 28}  # T1a T1c T2a T3 T4 T1c
REPORTED = {"a": "pT1a", "b": "T1b", "c": "pT1b", "d": "T3", "e": "Tis", "f": ""}


@pytest.fixture(scope="module")
def patients(tmp_path_factory):
    """CTs and masks: rods of some mm; the manifest has a case more whose mask is not there."""
    folder = tmp_path_factory.mktemp("patients")
    image = sitk.Image(90, 5, 5, sitk.sitkInt16) - 800
    sitk.WriteImage(image, str(folder / "ct.nrrd"))
    rows = ["ct,mask,case,patient_id,t_stage,edition"]
    for name, mm in SIZES.items():
        mask = np.zeros((5, 5, 90), np.uint8)
        mask[2, 2, 3 : 3 + mm] = 1
        mask[4, 4, 80] = name == "f"
        sitk.WriteImage(sitk.GetImageFromArray(mask), str(folder / f"{name}.nrrd"))
        rows.append(f"ct.nrrd,{name}.nrrd,case-{name},MRN-{name},{REPORTED[name]},7")
    rows.append("ct.nrrd,nowhere.nrrd,gone,MRN-g,T2,7")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "whole.csv").write_text("\n".join(rows[:-1]) + "\n", encoding="utf-8")
    return folder


def table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return {row["case"]: row for row in csv.DictReader(file)}


def stage(patients, out, *options, manifest="manifest.csv"):
    return main(["stage", str(patients / manifest), "-o", str(out), *map(str, options)])


@pytest.fixture(scope="module")
def staged(patients, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    assert stage(patients, out) == 0
    return out


@pytest.fixture
def measured(patients, staged, tmp_path):
    """Stages those who can be measured, and were: nothing is measured again."""
    out = tmp_path / "measured"
    shutil.copytree(staged / "cases", out / "cases")

    def run(*options):
        code = stage(patients, out, *options, manifest="whole.csv")
        return out if code == 0 else code

    return run


def test_every_case_is_a_row_and_one_that_fails_says_why(staged):
    rows = table(staged / "stage.csv")
    stages = {name: row["size"] for name, row in rows.items()}
    assert stages == {
        "case-a": "T1a",
        "case-b": "T1c",
        "case-c": "T2a",
        "case-d": "T3",
        "case-e": "T4",
        "case-f": "T1c",
        "gone": "",
    }
    assert "no file or folder 'MASK'" in rows["gone"]["sentence"]
    assert (rows["case-d"]["size_mm"], rows["case-d"]["pieces"]) == ("60.0", "1")
    assert (rows["case-f"]["size_mm"], rows["case-f"]["pieces"]) == ("28.0", "2")
    assert "2 separate pieces" in rows["case-f"]["sentence"]
    assert (rows["gone"]["reported"], rows["case-e"]["reported"]) == ("T2", "")


def test_disagreement_is_said_patient_by_patient(staged):
    rows = table(staged / "stage.csv")
    flagged = {name for name, row in rows.items() if "disagree" in row["sentence"]}
    assert flagged == {"case-c"}
    assert rows["case-c"]["sentence"].startswith("The methods disagree: size T2a, reported T1b.")
    page = (staged / "index.html").read_text()
    assert "size T2a, reported T1b" in page
    assert "no file or folder" in page


def test_agreement_is_that_of_scikit_learn_with_an_interval_and_n(staged):
    (found,) = json.loads((staged / "agreement.json").read_text())["agreement"]
    assert (found["methods"], found["n"], found["same"]) == (["size", "reported"], 4, 3)
    expected = cohen_kappa_score([1, 1, 2, 3], [1, 1, 1, 3], weights="quadratic")
    assert found["kappa"]["value"] == pytest.approx(expected)
    assert found["kappa"]["low"] < expected <= found["kappa"]["high"]
    assert found["counts"] == [[2, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]


def test_editions_that_differ_are_said(staged, measured, capsys):
    page = (staged / "index.html").read_text()
    assert "Reported by the 7th edition, measured by the 8th" in page
    rows = table(measured("--edition", 7, "--jobs", 2) / "stage.csv")
    said = capsys.readouterr().out
    assert "6 done, 0 finished before" in said  # by the 8th edition they had been
    assert "Reported by" not in said
    assert (rows["case-a"]["size"], rows["case-b"]["size"]) == ("T1a", "T1b")


def test_a_second_run_keeps_what_is_whole(staged, measured, capsys):
    out, first = measured(), table(staged / "stage.csv")
    assert "0 done, 6 finished before, 0 failed" in capsys.readouterr().out
    assert table(out / "stage.csv") == {name: first[name] for name in first if name != "gone"}
    (out / "cases/case-a.json").write_text("{}")
    measured()
    assert "1 done, 5 finished before, 0 failed" in capsys.readouterr().out


def test_tables_of_models_stand_beside_the_ruler(measured, tmp_path):
    """Seeds are counted, only patients that were tested on, under pseudonyms or IDs."""
    mlp, groups = tmp_path / "predictions.csv", tmp_path / "groups.csv"
    lines = ["seed,part,patient,predicted"]
    for seed, said in enumerate(("T1", "T2", "T2")):
        lines += [f"{seed},test,{pseudonym('MRN-a')},{said}", f"{seed},test,stranger,T4"]
    lines += [f"0,validation,{pseudonym('MRN-a')},T4"] * 4
    mlp.write_text("\n".join(lines) + "\n")
    groups.write_text("patient,part,group\nMRN-b,test,T1\nMRN-c,train,T4\nMRN-d,test,T3\n")
    out = measured("--predictions", mlp, "--groups", groups)
    rows = table(out / "stage.csv")
    assert {row["mlp"] for name, row in rows.items() if name != "case-a"} == {""}
    assert rows["case-a"]["mlp"] == "T2"
    assert rows["case-a"]["sentence"].startswith(
        "The methods disagree: size T1a, MLP T2, reported T1a."
    )
    assert [rows[f"case-{name}"]["cluster"] for name in "bcd"] == ["T1", "", "T3"]
    described = json.loads((out / "agreement.json").read_text())
    counts = {"-".join(one["methods"]): one["n"] for one in described["agreement"]}
    assert counts == {
        "size-mlp": 1,
        "size-cluster": 2,
        "size-reported": 4,
        "mlp-reported": 1,
        "cluster-reported": 2,
    }


def test_a_clinical_table_says_what_was_reported(measured, tmp_path):
    clinical, mapping = tmp_path / "c.csv", tmp_path / "m.json"
    clinical.write_text("who,T\nMRN-a,pT2a\nMRN-d,T3\nsomebody,T1\n")
    mapping.write_text(json.dumps({"patient": "who", "columns": {"T": "t_stage"}, "edition": "8"}))
    rows = table(measured("--clinical", clinical, "--mapping", mapping) / "stage.csv")
    assert [rows[f"case-{name}"]["reported"] for name in "abd"] == ["T2", "", "T3"]


def test_no_id_leaves_the_manifest_unless_it_is_asked_for(staged, patients, measured):
    written = b"".join(path.read_bytes() for path in staged.rglob("*") if path.is_file())
    assert b"MRN-" not in written
    assert str(patients).encode() not in written
    assert table(staged / "stage.csv")["case-b"]["patient"] == pseudonym("MRN-b")
    kept = measured("--keep-identity")
    assert table(kept / "stage.csv")["case-b"]["patient"] == "MRN-b"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("patient,other\nx,T1\n", "lacks the column 'predicted'"),
        ("patient,predicted\nx,T1\n", "none of the manifest's patients"),
        ("patient,predicted\nMRN-a,LUAD\n", "no T stage"),
        ("patient,predicted\nMRN-a,g1\n", "no T stage"),
    ],
)
def test_a_table_that_does_not_fit_is_a_sentence(patients, tmp_path, capsys, content, sentence):
    (tmp_path / "p.csv").write_text(content)
    assert stage(patients, tmp_path / "out", "--predictions", tmp_path / "p.csv") == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_manifest_without_a_folder_is_a_sentence(patients, capsys):
    assert main(["stage", str(patients / "manifest.csv")]) == 2
    assert "an output folder with -o" in capsys.readouterr().err


def test_of_several_tumours_of_a_patient_the_largest_counts(patients, tmp_path):
    manifest = patients / "several.csv"
    rows = [f"ct.nrrd,{name}.nrrd,MRN-{name in 'ac'},T2" for name in "acd"]
    manifest.write_text("\n".join(["ct,mask,patient_id,t_stage", *rows]) + "\n")
    assert main(["stage", str(manifest), "-o", str(tmp_path)]) == 0
    (found,) = json.loads((tmp_path / "agreement.json").read_text())["agreement"]
    assert (found["n"], found["same"]) == (2, 1)


def test_where_all_have_one_stage_there_is_no_kappa():
    (found,) = agreements([{"size": "T1a", "reported": "T1"}] * 3)
    assert (found.n, found.kappa) == (3, None)
    assert "kappa is undefined" in found.sentence
    assert disagreement({"size": "T1a", "reported": "T1"}) is None
    assert agreements([{"size": "T1a"}]) == []
