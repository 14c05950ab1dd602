"""What is wrong with a cohort is found, what is right is not, and what it holds is shown."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from LungSquadLib.cli import main
from LungSquadLib.data import overview as overview_file
from LungSquadLib.data.case_file import Content, write_content
from LungSquadLib.data.check import check_store, site_table
from LungSquadLib.data.overview import overview, write_contact_sheet
from LungSquadLib.data.store import (
    Preprocessing,
    StoredCase,
    case_name,
    open_store,
    write_index,
    write_store,
)
from LungSquadLib.errors import InputError
from LungSquadLib.imaging.flags import Flag

SMALL = Preprocessing(size=16, margin=2)
ABOUT = np.frombuffer(b"{}", np.uint8)
SEVERE = Flag("no_lung", "severe", "There is no lung in the crop.")


def stored(folder, number, *, hu=None, **changes) -> StoredCase:
    """Write a case with noise of its own, or with the HU given."""
    random = np.random.default_rng(number)
    hu = random.normal(-600, 200, (SMALL.side,) * 3).astype(np.int16) if hu is None else hu
    mask = np.zeros(hu.shape, np.uint8)
    mask[7:13, 7:12, 7:11] = 1
    case = StoredCase(
        case=f"c{number}",
        patient=f"LS-{number:016x}",
        series=f"{number:016x}",
        site="AB"[number % 2],
        columns={"histology": ("LUAD", "LUSC")[number // 2 % 2]},
        file=case_name(f"c{number}"),
        sha256="",
        pixels=f"{number:016x}",
        crop=hashlib.sha256(hu.tobytes()).hexdigest()[:16],
        volume_ml=1.0 + number,
        flags=(),
    )
    (folder / "cases").mkdir(exist_ok=True)
    return replace(case, sha256=write_content(folder / case.file, Content(hu, mask, {})), **changes)


def store_of(folder, cases, *, rows=None):
    write_store(folder, SMALL)
    write_index(folder, cases, rows=len(cases) if rows is None else rows)
    return open_store(folder)


def codes(folder, cases, **options):
    return [one.code for one in check_store(store_of(folder, cases), **options)]


def test_a_clean_cohort_has_no_finding(tmp_path, capsys):
    cases = [stored(tmp_path, number) for number in range(8)]
    assert check_store(store_of(tmp_path, cases), label="histology") == ()
    assert main(["cohort", "check", str(tmp_path), "--label", "histology"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["PATIENTS  LUAD  LUSC", "A         2     2"]
    assert said[-1] == "8 cases, no findings"


def test_what_is_stored_comes_back(tmp_path):
    case = stored(tmp_path, 0, flags=(SEVERE,), columns={"x": "=1", "": "\u00e9"})
    (back,) = store_of(tmp_path, [case]).cases
    assert back == case


@pytest.mark.parametrize("damage", ["flipped", "cut", "another"])
def test_a_damaged_file_is_found_and_is_not_read(tmp_path, damage, capsys):
    cases = [stored(tmp_path, number) for number in range(2)]
    path = tmp_path / cases[1].file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    other = (tmp_path / cases[0].file).read_bytes()
    path.write_bytes({"flipped": data, "cut": data[:-900], "another": other}[damage])
    store = store_of(tmp_path, cases)
    for read in (store.hu, store.mask):
        with pytest.raises(InputError, match=r"c1\.npz' is damaged or was changed"):
            read(cases[1])
    assert main(["cohort", "check", str(tmp_path), "--json"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["code"], finding["cases"]) == ("damaged", ["c1"])
    path.unlink()
    assert [one.code for one in check_store(store)] == ["damaged"]


def test_a_file_that_holds_something_else_is_refused_though_its_hash_is_right(tmp_path):
    case = stored(tmp_path, 0)
    path = tmp_path / case.file
    for arrays in ({"hu": np.zeros(3)}, {"hu": np.zeros((20, 20, 20)), "mask": np.zeros(1)}):
        np.savez(path, about=ABOUT, **arrays)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        with pytest.raises(InputError, match="is not a case of a cohort"):
            store_of(tmp_path, [replace(case, sha256=digest)]).hu(replace(case, sha256=digest))
    np.savez_compressed(path, hu=np.zeros(1 << 22), mask=np.zeros(1), about=ABOUT)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(InputError, match="it is compressed"):
        store_of(tmp_path, [case]).hu(replace(case, sha256=digest))


@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        ("pixels", "The CT of c0, c2 show the same, but belong to different patients."),
        ("crop", "The crops of c0, c2 are the same, but belong to different patients."),
        ("series", "c0, c2 come from one CT series, but belong to different patients."),
    ],
)
def test_what_two_patients_share_is_found(tmp_path, field, sentence):
    cases = [stored(tmp_path, number) for number in range(3)]
    same = {field: getattr(cases[0], field)}
    cases[2] = replace(cases[2], **same)
    (finding,) = check_store(store_of(tmp_path, cases))
    assert (finding.code, finding.sentence) == (f"same_{field}", sentence)
    cases[2] = replace(cases[2], patient=cases[0].patient)
    assert check_store(store_of(tmp_path, cases)) == ()


def test_a_near_duplicate_is_found_across_patients_only(tmp_path):
    first = stored(tmp_path, 0)
    hu = store_of(tmp_path, [first]).hu(first)
    noisy = hu + np.random.default_rng(9).integers(-4, 5, hu.shape, np.int16)
    others = [stored(tmp_path, number) for number in range(2, 5)]
    near = stored(tmp_path, 1, hu=noisy)
    (finding,) = check_store(store_of(tmp_path, [first, *others, near]))
    assert (finding.code, finding.cases) == ("near_duplicate", ("c0", "c1"))
    own = replace(near, patient=first.patient)
    assert check_store(store_of(tmp_path, [first, *others, own])) == ()


def test_near_duplicates_are_found_wherever_blocks_end(tmp_path, monkeypatch):
    monkeypatch.setattr("LungSquadLib.data.check._ROWS", 2)
    cases = [stored(tmp_path, number) for number in range(5)]
    hu = store_of(tmp_path, cases).hu(cases[1])
    near = stored(tmp_path, 5, hu=hu + np.int16(1))
    assert [one.cases for one in check_store(store_of(tmp_path, [*cases, near]))] == [("c1", "c5")]


def test_a_patient_with_two_labels_is_found(tmp_path):
    cases = [stored(tmp_path, number, patient="LS-1") for number in (0, 2)]
    assert codes(tmp_path, cases) == []
    assert codes(tmp_path, cases, label="histology") == ["label_conflict"]
    unknown = [cases[0], replace(cases[1], columns={"histology": ""})]
    assert codes(tmp_path, unknown, label="histology") == []


def test_a_site_that_tells_the_label_is_found(tmp_path):
    cases = [stored(tmp_path, number) for number in range(16)]
    told = [replace(case, columns={"histology": f"of {case.site}"}) for case in cases]
    store = store_of(tmp_path, told)
    (finding,) = check_store(store, label="histology")
    assert "Sites differ in 'histology' (Cramer's V 1.00" in finding.sentence
    assert site_table(store.cases, "histology") == {
        "A": {"of A": 8, "of B": 0},
        "B": {"of A": 0, "of B": 8},
    }


def test_severe_flags_and_rows_without_a_case_are_findings(tmp_path):
    mild = Flag("padding", "warning", "13% of the crop lies outside the CT.")
    cases = [stored(tmp_path, 0, flags=(SEVERE, mild))]
    findings = check_store(store_of(tmp_path, cases, rows=2))
    assert [one.code for one in findings] == ["missing", "no_lung"]
    assert findings[1].sentence == "c0: There is no lung in the crop."


def test_a_column_that_is_not_there_is_refused(tmp_path, capsys):
    store_of(tmp_path, [stored(tmp_path, 0)])
    for verb in ("check", "show"):
        assert main(["cohort", verb, str(tmp_path), "--label", "histo"]) == 2
        assert "has no column 'histo'; it has histology." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda d: d["cases"][0].pop("pixels"), "has no 'pixels'"),
        (lambda d: d["cases"][0].update(volume_ml=None), "must be a number"),
        (lambda d: d["cases"][0].update(file="/etc/passwd"), "file lies elsewhere"),
        (lambda d: d["cases"][0].update(case="../x", file="cases/../x.npz"), "lies elsewhere"),
        (lambda d: d["cases"][0].update(columns={"x": 1}), "are not texts"),
        (lambda d: d["cases"][0].update(flags=[{"code": "x"}]), "severity"),
        (lambda d: d["cases"].append(d["cases"][0]), "a case twice"),
    ],
)
def test_a_damaged_index_is_refused(tmp_path, spoil, said):
    store_of(tmp_path, [stored(tmp_path, 0)])
    path = tmp_path / "index.json"
    described = json.loads(path.read_text(encoding="utf-8"))
    spoil(described)
    path.write_text(json.dumps(described), encoding="utf-8")
    with pytest.raises(InputError, match=rf"index\.json' is damaged \(.*{said}"):
        open_store(tmp_path)


def test_what_is_no_finished_store_is_refused(tmp_path):
    with pytest.raises(InputError, match="is no store of a cohort"):
        open_store(tmp_path)
    write_store(tmp_path, SMALL)
    with pytest.raises(InputError, match="is not finished"):
        open_store(tmp_path)
    text = (tmp_path / "store.json").read_text(encoding="utf-8")
    (tmp_path / "store.json").write_text(text.replace('"size": 16', '"size": 17'))
    with pytest.raises(InputError, match="not what its hash says"):
        open_store(tmp_path)


def test_counts_are_shown(tmp_path, capsys):
    cases = [stored(tmp_path, number) for number in range(3)]
    cases[1] = replace(
        cases[1], patient=cases[0].patient, columns={"histology": ""}, flags=(SEVERE,)
    )
    store = store_of(tmp_path, cases, rows=4)
    described = overview(store, label="histology")
    assert (described["cases"], described["rows"], described["patients"]) == (3, 4, 2)
    assert described["sites"] == {"A": 2, "B": 1}
    assert described["volume_ml"] == [1.0, 1.5, 2.0, 2.5, 3.0]
    assert described["flags"] == {"no_lung": 1}
    assert (described["values"], described["without_value"]) == ({"LUAD": 1, "LUSC": 1}, 1)
    assert main(["cohort", "show", str(tmp_path), "--label", "histology"]) == 0
    assert "LUAD: 1, LUSC: 1" in capsys.readouterr().out
    assert main(["cohort", "show", str(tmp_path), "--label", "histology", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == described


def test_the_contact_sheet_shows_each_case_and_outlines_its_mask(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    store_of(tmp_path, [stored(tmp_path, number) for number in range(17)])
    assert main(["cohort", "show", str(tmp_path), "-o", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "out" / "contact.png")
    picture = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out" / "contact.png")))
    orange = np.abs(picture[..., :3].astype(int) - (255, 176, 46)).max(axis=-1) < 20
    half = picture.shape[0] // 2
    assert orange[:half].any()
    assert orange[half:].any()  # the last case, in the second row
    monkeypatch.setattr(overview_file, "MAX_CASES", 16)
    write_contact_sheet(open_store(tmp_path), tmp_path)
    one_row = sitk.ReadImage(str(tmp_path / "contact.png"))
    assert one_row.GetHeight() < picture.shape[0] * 0.7
