"""A profile is read from every way that people write one, and from no other."""

import gzip
import os

import pytest

from LungSquadLib.data.tables import profile as profile_file
from LungSquadLib.data.tables.profile import Profile, read_profile
from LungSquadLib.errors import InputError

GENES = {"EGFR": 1.5, "KRAS": -0.25, "TP53": 3.0}
SAME = {
    "two columns": "EGFR,1.5\nKRAS,-0.25\nTP53,3\n",
    "a header": "gene,value\nEGFR,1.5\nKRAS,-0.25\nTP53,3\n",
    "tabs": "EGFR\t1.5\nKRAS\t-0.25\nTP53\t3.0\n",
    "semicolons": "gene;value\nEGFR;1.5\nKRAS;-0.25\nTP53;3.0\n",
    "quotes, spaces and a mark of order": '\ufeff"EGFR", 1.50\n"KRAS",-2.5e-1\n\n"TP53",3\n',
    "Windows": "EGFR,1.5\r\nKRAS,-0.25\r\nTP53,3\r\n",
    "a column of a matrix": ",Müller Hans\nEGFR,1.5\nKRAS,-0.25\nTP53,3\n",
    "a row of a matrix": "id,EGFR,KRAS,TP53\nMüller Hans,1.5,-0.25,3\n",
    "a row as R writes it": "EGFR\tKRAS\tTP53\nR01-1\t1.5\t-0.25\t3\n",
    "a row without a name": "EGFR,KRAS,TP53\n1.5,-0.25,3\n",
    "unknown ones": "EGFR,1.5\nALK,NA\nKRAS,-0.25\nROS1,\nTP53,3\n",
    "one twice": "EGFR,1.5\nKRAS,-0.25\nTP53,3\nEGFR,1.5\nKRAS,NA\n",
    "decimal commas": "gene;value\nEGFR;1,5\nKRAS;-0,25\nTP53;3\n",
    "Excel's own first line": "sep=;\ngene;value\nEGFR;1.5\nKRAS;-0.25\nTP53;3\n;\n",
    "a spreadsheet's empty columns": "gene,value,,\nEGFR,1.5,,\nKRAS,-0.25,,\nTP53,3,,\n",
    "Entrez's numbers": "EGFR|1956,1.5\nKRAS|3845,-0.25\nTP53|7157,3\n",
    "another order": "TP53,3\nEGFR,1.5\nKRAS,-0.25\n",
}
WRONG = {
    "nothing": ("", "is empty"),
    "only a header": ("gene,value\n", "holds no number"),
    "only unknown ones": ("EGFR,NA\nKRAS,\n", "holds no number"),
    "one column": ("EGFR\nKRAS\nTP53\n", "has one column"),
    "two patients": ("gene,A,B\nEGFR,1,2\nKRAS,3,4\n", "holds 2 patients"),
    "two patients in rows": ("id,EGFR,KRAS,ALK\nA,1,2,3\nB,3,4,5\n", "holds 2 patients"),
    "numbers first": ("1.5,EGFR\n-0.25,KRAS\n", "columns are swapped"),
    "numbers first under a header": ("value,gene\n1.5,EGFR\n-0.25,KRAS\n", "columns are swapped"),
    "a text for a number": ("EGFR,1.5\nKRAS,high\n", "line 2 holds a text"),
    "commas that may part thousands": ("EGFR;1,500\nKRAS;2\n", "line 1 holds a text"),
    "infinity": ("EGFR,1.5\nKRAS,inf\n", "line 2 holds a text"),
    "underscores": ("EGFR,1.5\nKRAS,1_000\n", "line 2 holds a text"),
    "a text in a row": ("id,EGFR,KRAS\nA,1.5,high\n", "column 3 holds a text"),
    "no name": ("EGFR,1.5\n,2\n", "line 2 names no gene"),
    "a gene twice": ("EGFR,1.5\nKRAS,2\nEGFR,1.6\n", "lines 1 and 3 have different numbers"),
    "ragged": ("EGFR,1.5\nKRAS\nTP53,1,2\n", "different numbers of cells"),
}


@pytest.mark.parametrize("how", SAME)
def test_one_profile_however_it_is_written(tmp_path, how):
    path = tmp_path / "p.csv"
    path.write_text(SAME[how], encoding="utf-8")
    assert read_profile(path) == Profile.of(GENES)
    packed = tmp_path / "p.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert read_profile(packed) == Profile.of(GENES)


@pytest.mark.parametrize("how", WRONG)
def test_what_is_no_profile_is_refused_with_a_reason(tmp_path, how):
    text, says = WRONG[how]
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=says) as error:
        read_profile(path)
    assert "\n" not in str(error.value)


def test_no_cell_is_quoted_for_it_may_be_an_id(tmp_path):
    path = tmp_path / "p.csv"
    for text in ("Hans M,x\nHans M,Hans M\n", "Hans M,1\nHans M,2\n", "id,Hans M,b\nHans M,1,x\n"):
        path.write_text(text)
        with pytest.raises(InputError) as error:
            read_profile(path)
        assert "Hans" not in str(error.value)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "p.csv"
    for data in (b"\xff\xfe\x00\x01,", gzip.compress(b"EGFR,1\n" * 99)[:-12], b'"EGFR,1\n"x"y,'):
        path.write_bytes(data)
        with pytest.raises(InputError, match="is damaged"):
            read_profile(path)


def test_a_huge_file_and_a_small_one_that_inflates_are_refused_unread(tmp_path, monkeypatch):
    huge, bomb = tmp_path / "huge.csv", tmp_path / "bomb.csv.gz"
    with huge.open("wb") as file:
        file.truncate(10 << 30)  # of no blocks
    monkeypatch.setattr(profile_file, "_LARGEST", 1 << 16)
    bomb.write_bytes(gzip.compress(bytes(1 << 17)))
    for path in (huge, bomb):
        with pytest.raises(InputError, match=r"tables of at most|unpacks to more"):
            read_profile(path)


@pytest.mark.linux
def test_a_folder_and_a_pipe_are_no_profile(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(InputError, match="is not a file"):
            read_profile(path)


def test_another_number_is_another_profile():
    assert Profile.of(GENES).sha256 != Profile.of(GENES | {"EGFR": 1.5000001}).sha256
    assert Profile.of(GENES).sha256 != Profile.of({"EGFR": 1.5}).sha256
