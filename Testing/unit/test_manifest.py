"""A manifest as people write it is read; what is wrong with a row is the row's, in words."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from LungSquadLib.cli import main
from LungSquadLib.data.manifest import read_manifest
from LungSquadLib.errors import InputError
from Testing.ball_cohort import ball_volumes

HEADER, ROWS = ("patient_id", "ct", "mask", "grade"), (("a", "ct 0.nrrd", "m0.nrrd", "2"),) * 2


def written(folder: Path, data: bytes | str) -> Path:
    path = folder / "m.csv"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def table(header=HEADER, rows=ROWS, *, by=",", end="\n") -> str:
    return end.join(by.join(row) for row in (header, *rows)) + end


def test_whatever_a_spreadsheet_makes_of_a_manifest_it_reads_the_same(tmp_path):
    capitals = ("Patient ID", "CT", "Mask", "grade")
    forms = {
        "commas": table(),
        "semicolons": table(by=";"),
        "tabs": table(by="\t"),
        "blanks": table(by=" , "),
        "BOM and CRLF": "\ufeff" + table(end="\r\n"),
        "capitals": table(capitals),
        "camel case": table(("PatientID", *capitals[1:])),
        "quotes": table(rows=[[f'"{cell}"' for cell in row] for row in ROWS]),
        "an index": table(("", *HEADER), [("0", *ROWS[0]), ("1", *ROWS[1])]),
        "empty rows": table(rows=[*ROWS, ("", "", "", ""), (" ",) * 4]) + "\n\n",
        "empty cells behind": table(rows=[(*ROWS[0], "", ""), ROWS[1]]),
        "a label of pandas": table((*HEADER, "label"), [(*ROWS[0], "2.0"), (*ROWS[1], "nan")]),
    }
    for name, text in forms.items():
        rows = read_manifest(written(tmp_path, text), required=("patient_id", "ct", "mask"))
        assert [row.number for row in rows] == [1, 2], name
        for row in rows:
            assert (row.ct, row.mask) == (tmp_path / "ct 0.nrrd", tmp_path / "m0.nrrd"), name
            assert (row.patient_id, row.columns, row.problem) == ("a", {"grade": "2"}, ""), name
        if "label" in name:
            assert [row.label for row in rows] == [2, None]


def test_paths_of_windows_in_quotes_and_from_home_are_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "ct.nrrd").touch()
    places = {
        "a b/ct.nrrd": tmp_path / "a b" / "ct.nrrd",
        "a b\\ct.nrrd": tmp_path / "a b" / "ct.nrrd",
        ".\\a b\\ct.nrrd": tmp_path / "a b" / "ct.nrrd",
        "'a b/ct.nrrd'": tmp_path / "a b" / "ct.nrrd",
        "~/ct.nrrd": tmp_path / "home" / "ct.nrrd",
        str(tmp_path / "x.nrrd"): tmp_path / "x.nrrd",
    }
    for cell, place in places.items():
        (row,) = read_manifest(written(tmp_path, f"ct,mask\n{cell},m\n"))
        assert row.ct == place, cell


def test_a_manifest_that_cannot_be_meant_is_refused_with_what_to_do(tmp_path):
    meant = "The column 'label' is the tumour's value"
    refused = {
        "ct,mask,label\na,b,1\na,b,0\n": f"row 2: the label 0 is the mask's background. {meant}",
        "ct,mask,label\na,b,LUAD\n": f"the label 'LUAD' is not a whole number. {meant}",
        "ct,mask,label\na,b,0.0\n": "the label 0 is",
        "ct,mask,label\na,b,1.5\n": "the label '1.5' is not a whole number",
        "ct,mask\n": "has no rows",
        "ct,mask\n,\n,\n": "has no rows",
        "ct,mask,CT,ct\na,b,c,d\n": "the column 'ct' more than once",
        "CT,mask,Ct\na,b,c\n": "the column 'ct' more than once",
        "ct,mask,grade,grade\na,b,1,2\n": "the column 'grade' more than once",
        "image;mask\na;b\n": "lacks the column 'ct'; it has 'image', 'mask'",
        "ct,mask,case\na,b,x\nc,d,X\n": "the case 'X' more than once",
        "ct,mask\na,\nc,nan\n": "row 1: the cell 'mask' is empty",
        "ct,mask\na b,c,d\n": "row 1: it has more or fewer cells than the header (3, not 2)",
    }
    for text, sentence in refused.items():
        with pytest.raises(InputError) as error:
            read_manifest(written(tmp_path, text))
        assert sentence.casefold() in str(error.value).casefold(), text
    with pytest.raises(InputError, match=r"xlsx|UTF-8"):
        read_manifest(written(tmp_path, b"PK\x03\x04" + bytes(range(256)) * 9))
    with pytest.raises(InputError, match="lacks the column 'mrn'"):
        read_manifest(written(tmp_path, "ct,mask\na,b\n"), keep=["mrn"])


def test_a_faulty_row_is_its_own_error_and_names_the_file_as_it_is_written(tmp_path, capfd):
    manifest = ball_volumes(tmp_path / "in", 2)
    with manifest.open(encoding="utf-8", newline="") as file:
        sound, *_ = list(csv.DictReader(file))
    faults = {
        "empty": {"mask": ""},
        "lost": {"ct": "scans/no ct.nrrd"},
        "windows": {"mask": "D:\\scans\\mask.nrrd"},
        "nobody": {"patient_id": "nan"},
    }
    rows = [sound, *({**sound, "case": name, **cells} for name, cells in faults.items())]
    with manifest.open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, list(sound))
        out.writeheader()
        out.writerows(rows)
    for verb, errors in (
        (["cohort", "build", "--size", "32", "--margin", "4"], "errors.csv"),
        (["gan", "data"], "errors.csv"),
        (["stage"], "stage.csv"),
    ):
        folder = tmp_path / verb[0]
        assert main([*verb, str(manifest), "-o", str(folder)]) == 0
        said = capfd.readouterr().err
        hint = "relative paths begin at the manifest's folder"
        assert f"row 3: There is no file or folder 'scans/no ct.nrrd' (column 'ct'; {hint})" in said
        assert "row 4: There is no file or folder 'D:\\scans\\mask.nrrd' (column 'mask'; " in said
        assert "row 2: the cell 'mask' is empty." in said
        text = (folder / errors).read_text(encoding="utf-8")
        assert "There is no file or folder 'CT'." in text
        assert "There is no file or folder 'MASK'." in text
        assert "the cell 'mask' is empty" in text
        assert "scans" not in text
        with (folder / errors).open(encoding="utf-8", newline="") as file:
            failed = [row["case"] for row in csv.DictReader(file) if row.get("error", "x")]
        wanted = ["empty", "lost", "windows", *(["nobody"] if errors == "errors.csv" else [])]
        assert [case for case in failed if case in faults][: len(wanted)] == wanted
