"""Columns that say who the patients are go into no output, by whichever verb, but on demand."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from LungSquadLib.cli import main
from LungSquadLib.identifying import identifying, is_identifying_name
from Testing import table_models
from Testing.ball_cohort import ball_volumes
from Testing.robustness.test_identity import inside

NAMED = (
    "Image,Mask,PatientName,patientname,PATIENT_NAME,birth_date,BirthDate,birthdate,mrn,MRN,,"
    "source_folder,SourceFolder,sourcefolder,AccessionNumber,accessionnumber,StudyDate,studydate,"
    "study_date,Study Date,Name,Vorname,Geburtsdatum,geb. Datum,Straße,Ärztin,e-mail,eMail,doctor,"
    "referringphysicianname,Referring Physician,StudyInstanceUID,PatientID,"
    "sopinstanceuid,patientid,image_path,imagepath,ct_file,filename,FileName,file name,StudyTime,"
    "StudyDescription,Comments,"
    "Remarks,Prénom,姓名,Fallnr,Fall-Nr.,Patientennummer,PLZ,ZIP,postalcode,InstitutionName,DOB,"
    "dateofbirth,surname,MedicalRecordNumber,hospital_number,Hausarzt,seg_path,operators_name,URL,"
    "subject_id,barcode,apellidos,fecha de nacimiento,phone no,Tel.,Unnamed: 0,/data/Doe/x.nii,"
    "2019-01-01,VisitDoctor,patientsBirthPlace"
)
MEASURED = (
    "histology,t_stage,age,sex,time,event,site,smoking,os_time,survival_time,true_voxels,volume_ml,"
    "EGFR,OS.time,deadstatus.event,original_glcm_Id,log-sigma-0-5-mm-3D_glcm_Id,mask_ml,diameter_mm,"
    "alive2y,ct_number,image_quality,mask_volume,scanner,kvp,slice_thickness,grade,ki67,candidate,"
    "update,N,T,M,time_to_death,death_time,%GG,vital_status,project,dose_Gy,hospital,type,race,"
    "contrast,recurrence,Overall.Stage,pack years,Tumor Location (choice=RUL),PD-L1 TPS,"
    "Days between CT and surgery"
)
TELLING = {
    "paths": (
        ["/data/Doe/CT", ""],
        ["P1/CT", "P2/CT", "P3/CT"],
        ["C:\\x\\y"],
        ["scan.nii.gz"],
        ["~/Doe/ct"],
    ),
    "dates": (
        *(["1950-03-17", "", "n/a"], ["19500317", "19611224"], ["17.3.1950"], ["12-Mar-2019"]),
        *(["March 3, 1950"], ["3. März 1950"], ["03/1950"], ["13:14:15"], ["2019-08-14T13:14"]),
    ),
    "UIDs": (["1.2.840.113619.2.55"], ["123e4567-e89b-12d3-a456-426614174000"], ["0f" * 16]),
    "e-mail": (["see jane@doe.org"],),
    "names": (["Doe^Jane"], ["Dr. House", "Dr. House"]),
    "numbers": (["471177", "471178"], ["MRN-471177", "MRN-471178"], ["+49 171 123456"]),
    "IDs": (["7", "12"], ["7.0", "12.0"], ["scan of 7", "12 again"]),
    "texts": ([f"Person {chr(65 + n)}son" for n in range(12)],),
    "free text": (["Sister of the mayor, whom Zhivago has seen"],),
}
HARMLESS = (
    *(
        ["LUAD", "LUSC"],
        ["0", "1"],
        ["1", "0"],
        ["T1a", "T2"],
        ["Yes/No", "+/-"],
        ["12.5", "13.25"],
    ),
    *(["123456.7", "1e6"], ["N/A", "nan"], ["Adenocarcinoma, NOS", "x"], ["1037", "99999"]),
    *(["current/former", "never"], ["-800", "40"], ["7", "7"], ["2 x 3 x 4"], ["pT2a pN0", "pT1"]),
    ["123456", "123456", "200000"],
    *([f"{n}.5" for n in range(40)], [str(1000 + n) for n in range(40)], ["LUAD", "LUSC"] * 12),
)


def test_columns_that_identify_are_known_by_name_and_by_content():
    assert [name for name in NAMED.split(",") if not is_identifying_name(name)] == []
    assert [name for name in MEASURED.split(",") if is_identifying_name(name)] == []
    assert [
        name for name in ("ID1", "NHS", "DOB", "MPATH") if is_identifying_name(name, gene=True)
    ] == []
    ids = ["7", "12"]
    for kind, columns in TELLING.items():
        for cells in columns:
            patients = ids if len(cells) == 2 else [f"P{n}" for n in range(len(cells))]
            assert identifying({"x": cells}, patients), (kind, cells)
            assert not identifying({"x": cells}, patients, keep=["x"])
    for cells in HARMLESS:
        patients = (ids * len(cells))[: len(cells)]
        assert not identifying({"x": cells}, patients), cells


# A value of each kind that occurs nowhere by chance; IDs are short.
ID = "ЖщЫ{}"
COLUMNS = {
    "Image": "/data/ЖщЫucker/{}/ct.nrrd",
    "Mask": "ЖщЫucker{}.nrrd",
    "PatientName": "ЖщЫucker^Jane{}",
    "birth_date": "1950-03-1{}ЖщЫ",
    "mrn": "ЖщЫ4711{}",
    "source_folder": "ЖщЫucker-{}",
    "AccessionNumber": "ЖщЫ-ACC-{}",
    "Study Date": "ЖщЫ2019081{}",
    "Doctor": "ЖщЫivago",
    "Bemerkung": "ЖщЫucker has been seen {} times",
    "unnamed kind": "ЖщЫ{}",  # by its content: it is the ID
}


def telling_manifest(folder: Path, *, patients: int = 4, cases: bool = True) -> Path:
    """Balls whose table says in every way who the patients are."""
    manifest = ball_volumes(folder, patients)
    with manifest.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        row |= {name: value.format(number) for name, value in COLUMNS.items()}
        row |= {"patient_id": ID.format(number), "t_stage": "T1"}
        if not cases:
            del row["case"]
    with manifest.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return manifest


def told(folder: Path) -> list[str]:
    """Files that have the letters in their content, as UTF-8, UTF-16 or JSON, or in their name."""
    forms = [
        form for case in ("ЖщЫ", "жщы") for form in (case.encode(), json.dumps(case)[1:-1].encode())
    ]
    found = []
    for path in sorted(folder.rglob("*")):
        content = str(path.relative_to(folder)).encode()
        content += inside(path) if path.is_file() else b""
        found += [str(path.relative_to(folder))] if any(form in content for form in forms) else []
    return found


def test_no_verb_that_reads_a_manifest_writes_who_its_patients_are(tmp_path, capfd):
    manifest = str(telling_manifest(tmp_path / "in", patients=2))
    assert told(tmp_path / "in") == ["manifest.csv"]
    size = ("--size", "40", "--margin", "12")
    out = tmp_path / "out"
    verbs = {
        "store": ["cohort", "build", manifest, *size],
        "slices": ["gan", "data", manifest],
        "stage": ["stage", manifest],
    }
    for name, command in verbs.items():
        assert main([*command, "-o", str(out / name)]) == 0, name
        assert told(out / name) == [], name
        said = capfd.readouterr()
        assert "ЖщЫ" not in said.out + said.err, name
        if name in ("store", "slices"):
            assert all(f"'{column}'" in said.err for column in COLUMNS), name
    table = ["tables", "join", f"image={out / 'store'}", f"clinical={manifest}"]
    assert main([*table, "-o", str(out / "joined")]) == 0
    assert told(out) == []
    capfd.readouterr()
    assert main(["cohort", "show", str(out / "store"), "--json"]) == 0
    columns = json.loads(capfd.readouterr().out)["columns"]
    assert columns == ["age", "event", "histology", "t_stage", "time"]


def test_columns_are_kept_by_name_and_no_others(tmp_path, capfd):
    manifest = telling_manifest(tmp_path / "in", patients=2)
    keep = ("--keep-column", "mrn", "--keep-column", "Study Date")
    commands = {
        "store": ["cohort", "build", str(manifest), "--size", "32", "--margin", "4"],
        "slices": ["gan", "data", str(manifest)],
        "joined": ["tables", "join", f"clinical={manifest}"],
    }
    for name, command in commands.items():
        out = tmp_path / name
        assert main([*command, *keep, "-o", str(out)]) == 0, name
        text = b"".join(inside(path) for path in out.rglob("*") if path.is_file()).decode("latin-1")
        kept = [
            value
            for column, value in COLUMNS.items()
            if value.format(0).encode().decode("latin-1") in text
        ]
        assert kept == ["ЖщЫ4711{}", "ЖщЫ2019081{}"], name
        assert main([*command, "--keep-column", "nobody", "-o", str(out / "x")]) == 2
        assert "'nobody'" in capfd.readouterr().err


def test_names_of_cases_that_are_the_patients_ids_are_not_taken(tmp_path, capfd):
    manifest = ball_volumes(tmp_path, 2)
    text = manifest.read_text(encoding="utf-8")
    for case, number in (("c000", 0), ("c001", 1)):
        text = text.replace(f"{case},P{number},", f"7{number},7{number},")
    manifest.write_text(text, encoding="utf-8")
    command = ["cohort", "build", str(manifest), "--size", "32", "--margin", "4"]
    assert main([*command, "-o", str(tmp_path / "store")]) == 0
    assert "case-0001" in capfd.readouterr().err
    index = json.loads((tmp_path / "store" / "index.json").read_text())["cases"]
    assert [one["case"] for one in index] == ["case-0001", "case-0002"]
    assert all(one["patient"].startswith("LS-") for one in index)
    assert main([*command, "--keep-identity", "-o", str(tmp_path / "kept")]) == 0
    index = json.loads((tmp_path / "kept" / "index.json").read_text())["cases"]
    assert [one["case"] for one in index] == ["70", "71"]


@pytest.mark.slow
def test_no_training_on_tables_writes_who_the_patients_are(tmp_path, capfd, monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.setattr("LungSquadLib.identity._ROUNDS", 1)  # whose time is no part of this
    folder, out = tmp_path / "in", tmp_path / "out"
    assert (
        main(["tables", "simulate", "-o", str(folder), "--patients", "60", "--genes", "160"]) == 0
    )
    for name in ("expression", "clinical", "features"):
        with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            header, *rows = list(csv.reader(file))
        turned = header[0] not in ("patient", "patient_id")
        if turned:
            header = [header[0], *(ID.format(one) for one in header[1:])]
        else:
            for row in rows:
                number = int("".join(filter(str.isdigit, row[0])))
                row[0] = ID.format(row[0])
                row += [str(471000 + number), *(text.format(number) for text in COLUMNS.values())]
            header += ["mrn number", *COLUMNS]
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *rows])
    sources = [f"{name}={folder / f'{name}.csv'}" for name in ("expression", "clinical")]
    table_models.autoencoder(tmp_path / "m.safetensors")
    new = [["patient", *table_models.GENES, "PatientName"]]
    new += [[ID.format(n), *(k % 5 - 2 for k in range(len(new[0]) - 2)), "Doe"] for n in range(2)]
    with (tmp_path / "new.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(new)
    fast = ("--seeds", "1", "--epochs", "2", "--device", "cpu")
    integrate = ["--label", "histology", "--folds", "2", "--inner-folds", "2", *fast]
    verbs = {
        "joined": ["tables", "join", *sources, f"radiomics={folder / 'features.csv'}"],
        "integrate": ["train", "integration", "--sources", *sources, *integrate],
        "vae": ["train", "autoencoder", "--sources", *sources, *fast, "--groups", "2"],
        "assigned.csv": [
            *("autoencoder", "assign", str(tmp_path / "m.safetensors")),
            str(tmp_path / "new.csv"),
        ],
    }
    for name, command in verbs.items():
        assert main([*command, "-o", str(out / name)]) == 0, capfd.readouterr().err
        said = capfd.readouterr()
        assert "ЖщЫ" not in said.out + said.err, name
    assert told(out) == []
    facts = (out / "joined" / "facts.csv").read_text()
    assert "471" not in facts.splitlines()[0]
    columns = json.loads((out / "joined" / "source-radiomics.columns.json").read_text())
    assert "mrn number" not in columns
    assert len(columns) > 3


def test_what_clinicians_write_is_no_name_and_no_path():
    """Slashes and capitals of clinical words: such columns are labels that somebody trains on."""
    columns = {
        "stage": ["T2/N1/M0", "T1/N0/M0", "T2/N1/M0"],
        "egfr": ["+/-/+", "L858R", "wild type"],
        "microsatellites": ["MS stable", "MS instable", "MS stable"],
        "imaging": ["MR imaging", "CT", "CT"],
        "treatment": ["cisplatin/pemetrexed/bevacizumab", "RT", "none"],
    }
    assert identifying(columns, ["P1", "P2", "P3"]) == {}
    columns = {"a": ["Ms Ärger", ""], "b": ["dr. house", ""], "c": ["Frau Doe", ""]}
    assert list(identifying(columns, ["P1", "P2"])) == ["a", "b", "c"]
    assert identifying({"scans": [f"data/p{n}/ct" for n in range(3)]}) == {"scans": "it has paths"}
