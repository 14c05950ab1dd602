"""The quick scan of a header finds what pydicom finds."""

import warnings

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from LungSquadLib.errors import InputError
from LungSquadLib.imaging.dicom import header as dicom_header
from LungSquadLib.imaging.dicom.header import Header, read_header

from ..dicom_maker import some_hu, write_series


def same(scanned: Header, parsed: Header) -> bool:
    def values(header):
        stripped = {tag: value.rstrip(b" \0") for tag, value in header.elements.items()}
        return {tag: value for tag, value in stripped.items() if value}

    place = (scanned.pixel_offset, scanned.pixel_length)
    return values(scanned) == values(parsed) and place == (parsed.pixel_offset, parsed.pixel_length)


def nested(dataset, z):
    """Sequences of defined and of open length inside one another, and a long private value."""
    inner = pydicom.Dataset()
    inner.CodeValue, inner.CodeMeaning = "1", "meaning"
    outer = pydicom.Dataset()
    outer.AdmittingDiagnosesCodeSequence = [inner, inner]
    dataset.ProcedureCodeSequence = [outer, outer]
    for sequence in (dataset["ProcedureCodeSequence"], outer["AdmittingDiagnosesCodeSequence"]):
        sequence.is_undefined_length = z % 2 == 0
    outer.is_undefined_length_sequence_item = z % 3 == 0
    block = dataset.private_block(0x0009, "TEST", create=True)
    block.add_new(0x01, "OB", b"\1" * 30_000)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_scan_equals_pydicom_on_awkward_headers(tmp_path, syntax, monkeypatch):
    write_series(tmp_path, some_hu((6, 8, 8)), syntax=syntax, edit=nested)
    parsed = {p: dicom_header._read_with_pydicom(str(p)) for p in tmp_path.iterdir()}
    monkeypatch.setattr(dicom_header, "_read_with_pydicom", pytest.fail)
    assert all(same(read_header(path), header) for path, header in parsed.items())


def test_big_endian_is_left_to_pydicom(tmp_path):
    write_series(tmp_path, some_hu((1, 8, 8)), syntax=ExplicitVRBigEndian)
    header = read_header(tmp_path / "0000.dcm")
    assert header.number(dicom_header.ROWS) == 8


def test_scan_equals_pydicom_on_real_files(case_data):
    files = sorted(case_data.folder.glob("open/*/*/*.dcm"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        unequal = [
            file
            for file in files[:: max(len(files) // 60, 1)]
            if not same(read_header(file), dicom_header._read_with_pydicom(str(file)))
        ]
    assert unequal == []


def test_what_is_not_dicom_is_none(tmp_path):
    for name, content in (("empty", b""), ("text", b"x" * 500), ("short", b"\0" * 128 + b"DIC")):
        (tmp_path / name).write_bytes(content)
        assert read_header(tmp_path / name) is None


def test_no_cut_of_a_file_hangs_or_escapes(tmp_path):
    write_series(tmp_path, some_hu((1, 8, 8)), edit=nested)
    whole = (tmp_path / "0000.dcm").read_bytes()
    cut = tmp_path / "cut.dcm"
    for length in np.unique(np.linspace(0, len(whole) - 1, 200).astype(int)):
        cut.write_bytes(whole[:length])
        try:
            header = read_header(cut)
        except InputError:
            continue
        assert header is None or header.pixel_offset <= length
