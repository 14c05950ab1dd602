"""Who the patient is stays in the input: no byte of an output tells it, unless asked to keep it."""

from __future__ import annotations

import base64
import csv
import html
import json
import re
import shutil
import struct
import urllib.parse
import zipfile
from pathlib import Path

import numpy as np
import pytest

from LungSquadLib.cli import main
from LungSquadLib.identity import without_names
from Testing import model_samples
from Testing.ball_cohort import ball_volumes
from Testing.dicom_maker import some_hu, write_rtstruct, write_series
from Testing.robustness.bad_inputs import SHAPE, square
from Testing.samples import write_model

NAME = "Müstermann"
TELLING = {
    "PatientName": f"{NAME}^Jäne^Petronella",
    "PatientID": "MRN-471177",
    "OtherPatientIDs": "SSN-88-77-66",
    "PatientBirthDate": "19500317",
    "PatientAge": "071Y",
    "PatientAddress": "12 Elmwood Crescent",
    "PatientTelephoneNumbers": "5550171",
    "PatientComments": "Sister of the mayor",
    "EthnicGroup": "Martian",
    "Occupation": "Lighthouse keeper",
    "InstitutionName": "Sankt Nirgendwo Hospital",
    "InstitutionAddress": "1 Nirgendwo Place",
    "StationName": "NIRGENDWOCT7",
    "DeviceSerialNumber": "SN-990011",
    "ReferringPhysicianName": "Quincy^Augustus",
    "PerformingPhysicianName": "Zhivago^Yuri",
    "OperatorsName": "Hawkeye^Benjamin",
    "RequestingPhysician": "Kildare^James",
    "AccessionNumber": "ACC-5551212",
    "StudyID": "STUDY-4242",
    "StudyDate": "20190814",
    "SeriesDate": "20190815",
    "StudyTime": "131415",
    "StudyDescription": f"Staging of Mrs {NAME}",
    "SeriesDescription": f"Thorax {NAME}",
    "ProtocolName": "Nirgendwo protocol",
    "ImageComments": "Seen by Zhivago",
    "RequestedProcedureDescription": "For Quincy",
}
SECRETS = sorted(
    {part for value in TELLING.values() for part in re.split(r"[\^ ]", value) if len(part) > 4}
    - {"Staging", "Thorax", "Sister", "Place", "protocol", "mayor"}
)


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    """A patient whose files and folders tell who it is."""
    folder = tmp_path_factory.mktemp("patients") / f"{NAME}, Jäne (MRN-471177)"

    def tell(dataset, z):
        dataset.SpecificCharacterSet = "ISO_IR 100"
        for keyword, value in TELLING.items():
            setattr(dataset, keyword, value)
        private = dataset.private_block(0x0009, "NIRGENDWO", create=True)
        private.add_new(1, "LO", NAME)

    series = write_series(folder / "CT", some_hu(SHAPE), edit=tell)
    for path in sorted(series.iterdir()):
        path.rename(series / f"{NAME}_{path.name}")
    outlines = square(series, 2, 3)
    write_rtstruct(folder / f"{NAME}.dcm", series, {"GTV": outlines, "<i x>'\"&": outlines})
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    hostile = {
        "title": "<script>alert(1)</script>\"'",
        "notice": "=1+1 <img src=x onerror=alert(2)>",
    }
    return model_samples.model_file(folder / "m.safetensors", **hostile)


def forms(secret: str) -> set[bytes]:
    """The ways to write a secret down."""
    texts = {
        secret,
        json.dumps(secret)[1:-1],
        html.escape(secret),
        secret.encode("ascii", "xmlcharrefreplace").decode(),
        urllib.parse.quote(secret),
    }
    encodings = ("utf-8", "latin-1", "utf-16-le", "utf-16-be")
    return {text.encode(encoding) for text in texts for encoding in encodings}


FORMS = {secret: forms(secret) for secret in SECRETS}


def told(content: bytes) -> set[str]:
    """The secrets that some bytes tell, in any form."""
    return {secret for secret, ways in FORMS.items() if any(way in content for way in ways)}


def inside(path: Path) -> bytes:
    """A file's bytes, and those of what is packed in it."""
    data = path.read_bytes()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            data += b"".join(entry.filename.encode() for entry in archive.infolist())
            data += b"".join(archive.read(name) for name in archive.namelist())
    for packed in re.findall(rb"base64,([A-Za-z0-9+/=]+)", data):
        data += base64.b64decode(packed)
    return data


def told_by(folder: Path) -> dict[str, set[str]]:
    """The secrets that files and their names tell, by file."""
    paths = [path.relative_to(folder) for path in folder.rglob("*")]
    found = {str(path): told(str(path).encode()) for path in paths}
    for path in paths:
        if (folder / path).is_file():
            found[str(path)] |= told(inside(folder / path))
    return {path: secrets for path, secrets in found.items() if secrets}


def mask(patient: Path) -> str:
    return str(patient / f"{NAME}.dcm")


def test_the_input_tells(patient):
    seen = set().union(*told_by(patient).values())
    assert seen == set(SECRETS)


def test_no_output_of_predict_tells_who_it_is(patient, model, tmp_path):
    case = [str(patient / "CT"), mask(patient), "--roi", "GTV", "--device", "cpu"]
    out = tmp_path / "out"
    assert main(["predict", *case, "--model", str(model), "-o", str(out)]) == 0
    assert main(["report", str(out), "-o", str(out / "again.html")]) == 0
    names = {path.name for path in out.iterdir()}
    assert {"seg.dcm", "sr.dcm", "prediction.json", "report.html", "planes.npz"} <= names
    assert not told_by(out)


def test_identity_is_kept_where_it_is_asked_for(patient, model, tmp_path):
    case = [str(patient / "CT"), mask(patient), "--roi", "GTV", "--device", "cpu"]
    out = tmp_path / "out"
    command = ["predict", *case, "--model", str(model), "-o", str(out), "--keep-identity"]
    assert main(command) == 0
    found = told_by(out)
    assert "MRN-471177" in found["prediction.json"]
    assert {"MRN-471177", NAME, "19500317", "ACC-5551212"} <= found["seg.dcm"]
    assert NAME in found["sr.dcm"]


def cohort_of(patient: Path, folder: Path, *options: str) -> Path:
    """A store of one case that can be built, and one that cannot."""
    manifest = folder / "manifest.csv"
    with manifest.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("patient_id", "ct", "mask", "roi", "histology"))
        table.writerow((TELLING["PatientID"], patient / "CT", mask(patient), "GTV", "LUAD"))
        table.writerow((TELLING["PatientID"], patient / "CT", f"{NAME}.nrrd", "", "LUAD"))
    assert main(["cohort", "build", str(manifest), "-o", str(folder / "store"), *options]) == 0
    return folder / "store"


def test_no_file_of_a_cohort_tells_who_it_is(patient, tmp_path, capfd):
    store = cohort_of(patient, tmp_path)
    assert main(["cohort", "check", str(store)]) == 1  # for one row gave no case
    assert main(["cohort", "show", str(store), "-o", str(store)]) == 0
    assert not told(capfd.readouterr().out.encode())
    names = {path.name for path in store.rglob("*")}
    assert {"case-0001.npz", "index.json", "errors.csv", "contact.png"} <= names
    assert not told_by(store)


def test_a_cohort_keeps_ids_where_it_is_asked_to(patient, tmp_path):
    found = told_by(cohort_of(patient, tmp_path, "--keep-identity"))
    assert "MRN-471177" in found["index.json"] & found["cases/case-0001.npz"]


COLUMNS = {  # further ones of a manifest, none of which a training may see
    "Image": f"scans/{NAME}.nrrd",
    "PatientName": TELLING["PatientName"],
    "birth_date": TELLING["PatientBirthDate"],
    "AccessionNumber": TELLING["AccessionNumber"],
    "Study Date": TELLING["StudyDate"],
    "Doctor": "Quincy",
    "told": TELLING["PatientComments"] + f" and of Mr {NAME} in Nirgendwo",
}


def telling_cohort(folder: Path) -> tuple[Path, str]:
    """A manifest of twelve patients whose files, folder and IDs tell who they are, and a split."""
    manifest = ball_volumes(folder, 12)
    text = manifest.read_text(encoding="utf-8")
    for kind in ("ct", "mask"):
        for path in sorted(folder.glob(f"{kind}*.nrrd")):
            path.rename(folder / f"{NAME}-{path.name}")
        text = text.replace(f",{kind}", f",{NAME}-{kind}")
    header, *rows = text.replace(",P", ",MRN-471177-").splitlines()
    header = header.replace(f"{NAME}-", "") + "," + ",".join(COLUMNS)
    rows = [f"{row},{','.join(COLUMNS.values())}" for row in rows]
    manifest.write_text("\n".join([header, *rows]), encoding="utf-8")
    parts = ["train"] * 6 + ["validation"] * 2 + ["test"] * 4
    named = [f"{row.split(',')[0]},{part}" for row, part in zip(rows, parts, strict=True)]
    return manifest, "\n".join(["case,part", *named])


@pytest.mark.slow
def test_no_file_of_a_training_tells_who_they_are(tmp_path, capfd):
    secret, out = tmp_path / f"{NAME}, Jäne (MRN-471177)", tmp_path / "out"
    manifest, split = telling_cohort(secret)
    store, start, parts = secret / "store", secret / f"{NAME}.safetensors", secret / f"{NAME}.csv"
    small = ("--size", "32", "--margin", "4")
    assert main(["cohort", "build", str(manifest), "-o", str(store), *small]) == 0
    write_model(start)
    parts.write_text(split, encoding="utf-8")
    label = ("--label", "histology")
    trained = [
        *("train", "classifier", str(store), *label, "--init", str(start), "--split", str(parts)),
        *("--size", "32", "--hidden", "4", "--seeds", "1", "--epochs", "1", "--views", "1"),
        *("--device", "cpu"),
    ]
    assert main([*trained, "-o", str(out / "one")]) == 0
    shutil.copytree(out / "one", out / "two")
    model = str(out / "one" / "model.safetensors")
    tested = ["validate", model, str(store), *label, "--allow-overlap", "--device", "cpu"]
    assert main([*tested, "-o", str(out / "test")]) == 0
    runs = [str(out / "one"), str(out / "two")]
    assert main(["compare", *runs, "-o", str(out / "compared")]) == 0
    table = shutil.copy(out / "one" / "predictions.csv", secret / f"{NAME} answers.csv")
    evaluated = ["evaluate", str(table), *label, "--score", "score", "--group", "patient"]
    assert main([*evaluated, "-o", str(out / "evaluated")]) == 0
    shown = capfd.readouterr().out
    assert not told(shown.replace(str(secret), "").encode())
    assert not told_by(store) | told_by(out)
    logs = list((out / "one").rglob("events.out.tfevents.*"))
    assert logs
    assert not [path for path in logs if not path.name.rsplit(".", 1)[1].isdigit()]


@pytest.mark.slow
def test_no_file_of_slices_generator_and_painter_tells_who_they_are(tmp_path, capfd):
    secret, out = tmp_path / f"{NAME}, Jäne (MRN-471177)", tmp_path / "out"
    manifest, _ = telling_cohort(secret)
    store, slices = secret / "store", str(out / "slices")
    small = ("--size", "32", "--margin", "4")
    assert main(["cohort", "build", str(manifest), "-o", str(store), *small]) == 0
    assert main(["gan", "data", str(manifest), "-o", slices]) == 0
    gan = ["--preset", "tiny", "--phase", "8", "--device", "cpu", "-o", str(out / "gan")]
    assert main(["train", "gan", slices, *gan]) == 0
    generator = str(out / "gan" / "model.safetensors")
    assert main(["gan", "sample", generator, "-n", "2", "-o", str(out / "sample")]) == 0
    paint = ["--size", "32", "--width", "2", "--epochs", "1", "--device", "cpu"]
    assert main(["train", "inpainting", str(store), *paint, "-o", str(out / "translate")]) == 0
    painter = str(out / "translate" / "model.safetensors")
    case = [str(secret / f"{NAME}-{kind}3.nrrd") for kind in ("ct", "mask")]
    assert main(["inpaint", painter, *case, "-o", str(out / "painted")]) == 0
    assert not told(capfd.readouterr().out.replace(str(secret), "").encode())
    assert not told_by(out)


def test_no_output_of_crop_slices_and_demo_tells_who_it_is(patient, tmp_path, monkeypatch, capfd):
    case = [str(patient / "CT"), mask(patient), "--roi", "GTV"]
    for suffix in ("nrrd", "nii.gz", "mha"):
        out = tmp_path / "out" / f"crop.{suffix}"
        assert main(["crop", *case, "-o", str(out), "--json"]) == 0
    assert main(["slices", *case, "-o", str(tmp_path / "out" / "slices")]) == 0
    for name in ("demo-histology", "demo-survival2y"):
        model_samples.model_file(tmp_path / "models" / f"{name}.safetensors", name=name)
    monkeypatch.setenv("LUNGSQUAD_MODELS", str(tmp_path / "models"))
    shown = capfd.readouterr().out
    own = ["--ct", case[0], "--mask", case[1], "--roi", "GTV"]
    assert main(["demo", *own, "-o", str(tmp_path / "out" / "demo")]) == 0
    assert not told(shown.encode() + capfd.readouterr().out.encode())
    assert not told_by(tmp_path / "out")
    kinds = {kind for path in (tmp_path / "out").rglob("*.png") for kind in png_chunks(path)}
    assert kinds <= {b"IHDR", b"sCAL", b"IDAT", b"IEND"}  # sCAL: the size of a pixel


def png_chunks(path: Path) -> list[bytes]:
    """The kinds of a PNG's chunks (PNG 5.3): text and times have kinds of their own."""
    data, position, kinds = path.read_bytes(), 8, []
    while position < len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        kinds.append(kind)
        position += 12 + length
    return kinds


FAILING = {
    "whole": ("{p}/CT", "{p}/{n}.dcm", "GTV"),
    "no-ct": ("{p}/{n}-lost.nrrd", "{p}/{n}.dcm", ""),
    "no-mask": ("{p}/CT", "{p}/{n} lost.dcm", ""),
    "no-folder": ("{p}/{n}/CT", "{p}/{n}/mask.nrrd", ""),
    "no-choice": ("{p}/CT", "{p}/{n}.dcm", ""),
    "mask-is-ct": ("{p}/CT", "{p}/CT/{n}_0001.dcm", ""),
    "ct-is-mask": ("{p}/{n}.dcm", "{p}/{n}.dcm", ""),
    "one-slice": ("{p}/one", "{p}/{n}.dcm", "GTV"),
    "cut": ("{p}/cut", "{p}/{n}.dcm", "GTV"),
    "no-rescale": ("{p}/plain", "{p}/{n}.dcm", "GTV"),
    "junk": ("{p}/{n}.nii", "{p}/{n}.dcm", "GTV"),
    "two-series": ("{p}", "{p}/{n}.dcm", "GTV"),
    "two-masks": ("{p}/CT", "{p}/masks", ""),
}


@pytest.fixture(scope="module")
def failing(patient, tmp_path_factory):
    """A copy of the patient with faults beside it, and its manifests: absolute and relative."""
    folder = Path(shutil.copytree(patient, tmp_path_factory.mktemp("failing") / patient.name))
    for name in ("one", "cut"):
        shutil.copytree(folder / "CT", folder / name)
    for path in sorted((folder / "one").iterdir())[1:]:
        path.unlink()
    cut = folder / "cut" / f"{NAME}_0003.dcm"
    cut.write_bytes(cut.read_bytes()[:-500])
    write_series(folder / "plain", some_hu(SHAPE), edit=_no_rescale)
    for path in list((folder / "plain").iterdir()):
        path.rename(path.with_name(f"{NAME}'s {path.name}"))
    (folder / f"{NAME}.nii").write_bytes(b"x" * 400)
    (folder / "masks").mkdir()
    for letter in "ab":
        shutil.copy(folder / f"{NAME}.dcm", folder / "masks" / f"{NAME}-{letter}.dcm")
    for name, place in (("absolute", folder), ("relative", Path(folder.name))):
        rows = [("ct", "mask", "roi", "case", "patient_id")]
        for case, (ct, drawn, roi) in FAILING.items():
            paths = (path.format(p=place, n=NAME) for path in (ct, drawn))
            rows.append((*paths, roi, case, "=MRN-471177"))
        with (folder.parent / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)
    return folder


def _no_rescale(dataset, _):
    del dataset.RescaleSlope


@pytest.mark.parametrize("paths", ["absolute", "relative"])
@pytest.mark.slow
def test_no_output_of_a_batch_tells_who_it_is(paths, failing, model, tmp_path, monkeypatch):
    monkeypatch.chdir(failing.parent)
    command = ["batch", f"{paths}.csv", "--model", str(model), "--device", "cpu"]
    assert main([*command, "-o", str(tmp_path / "out")]) == 0
    assert not told_by(tmp_path / "out")
    errors = {row["case"]: row["error"] for row in table(tmp_path / "out" / "errors.csv")}
    assert set(errors) == set(FAILING) - {"whole"}
    assert errors["no-ct"] == "There is no file or folder 'CT'."
    assert errors["no-mask"] == "There is no file or folder 'MASK'."
    assert "'a file of CT'" in errors["one-slice"]
    assert "'a file of CT' is truncated" in errors["cut"]


@pytest.mark.slow
def test_a_batch_keeps_identity_where_asked_and_no_cell_is_a_formula(failing, model, tmp_path):
    command = ["batch", str(failing.parent / "absolute.csv"), "--model", str(model)]
    assert main([*command, "-o", str(tmp_path), "--device", "cpu", "--keep-identity"]) == 0
    assert NAME in (tmp_path / "errors.csv").read_text(encoding="utf-8")
    assert [row["patient"] for row in table(tmp_path / "results.csv")] == ["'=MRN-471177"]
    for name in ("results.csv", "errors.csv"):
        cells = [cell for row in table(tmp_path / name) for cell in row.values()]
        assert not any(re.match(r"[=+@\t\r]|-(?![\d.])", cell) for cell in cells)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_names_that_are_markup_are_escaped(patient, model, tmp_path):
    case = [str(patient / "CT"), mask(patient), "--roi", "<i x>'\"&", "--device", "cpu"]
    assert main(["predict", *case, "--model", str(model), "-o", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;" in page
    assert "&lt;i x&gt;&#x27;&quot;&amp;" in page
    for markup in ("<script>alert", "<img src=x", "<i x>"):
        assert markup not in page
    assert re.findall("<script", page) == ["<script"]  # the report's own, named by its hash


def test_paths_are_hidden_wherever_an_error_quotes_them(tmp_path):
    ct, drawn = tmp_path / "Doe CT", tmp_path / "Doe CT 2" / "Doe.nrrd"
    for folder in (ct, drawn.parent):
        folder.mkdir()
    (ct / "Doe's.dcm").touch()
    places = {"CT": ct, "MASK": drawn}
    for sentence, shown in {
        f"'{ct}' is empty.": "'CT' is empty.",
        f"'{drawn}' is empty.": "'MASK' is empty.",
        f"'{ct}/Doe's.dcm' is truncated.": "'a file of CT' is truncated.",
        f"'{ct}/Doe gone.dcm': No such file.": "'a file of CT': No such file.",
        f"'{drawn}' is broken ({drawn} is no NIfTI).": "'MASK' is broken (MASK is no NIfTI).",
        "One slice ('Doe's.dcm').": "One slice ('a file of CT').",
        "1 unreadable (Doe's.dcm: it is cut).": "1 unreadable (a file of CT: it is cut).",
    }.items():
        assert without_names(sentence, places) == shown


def test_a_pseudonym_depends_on_the_whole_name(monkeypatch):
    from LungSquadLib.identity import KEY_VARIABLE, pseudonym

    first = pseudonym("MRN-1")
    assert first == pseudonym("MRN-1") != pseudonym("MRN-2")
    monkeypatch.setenv(KEY_VARIABLE, "secret")
    assert pseudonym("MRN-1") != first
    assert np.unique([pseudonym(str(number)) for number in range(3)]).size == 3
