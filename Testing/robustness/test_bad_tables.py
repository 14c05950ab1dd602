"""Tables that cannot be used: a sentence each, exit code 2, and nothing left behind."""

from __future__ import annotations

import gzip
import re

import numpy as np
import pytest

from LungSquadLib.cli import main
from LungSquadLib.data.tables import text
from LungSquadLib.data.tables.clinical import read_clinical
from LungSquadLib.data.tables.join import join, open_joined, write_joined
from LungSquadLib.data.tables.matrix_file import read_matrix
from LungSquadLib.errors import InputError
from Testing.hostile import contents

HEAD = b",R01-001,R01-002\n"
CLINICAL = b"patient,histology\nR01-001,LUAD\nR01-002,LUSC\n"

MATRICES = {
    "empty": (b"", "is empty"),
    "no rows": (HEAD, "has no rows"),
    "pipes": (HEAD.replace(b",", b"|") + b"A|1|2\n", "separated by commas, tabs or semicolons"),
    "blanks": (b"gene R01-001\nA 1\n", "has one column"),
    "short row": (HEAD + b"A,1,2\nB,1\n", "row 2: it has 2 cells, the header has 3"),
    "long row": (HEAD + b"A,1,2\nB,1,2,3\n", "row 2: it has 4 cells"),
    "comma in quotes": (HEAD + b'A,1,2\nB,"1,5",2\n', r"row 2, column 2.*'1,5' is no number"),
    "word": (HEAD + b"A,1,2\nB,1,high\n", r"row 2, column 3 \('R01-002'\): 'high' is no number"),
    "underscore": (HEAD + b"A,1_0,2\nB,1,2\n", "'1_0' is no number"),
    "words": (HEAD + b"A,low,2\nB,high,2\n", "1 of the columns hold words"),
    "infinite": (HEAD + b"A,inf,2\n", "the number is too large"),
    "huge": (HEAD + b"A,1e99,2\n", "the number is too large"),
    "latin-1": (HEAD + "Größe,1,2\n".encode("latin-1"), "no text in UTF-8"),
    "workbook": (b"PK\x03\x04\x14\x00\x06\x00\xff\x00,", "is an Excel workbook"),
    "NUL": (HEAD + b"A\0,1,2\n", "NUL"),
    "open quote": (HEAD + b'A,1,2\n"B,1,2\n', "no line of a table"),
    "no numbers": (b"patient,note\nR01-001,a\n", "no column of numbers"),
    "nothing known": (HEAD + b"A,NA,\n", "no patient whose numbers can be used"),
    "damaged gzip": (gzip.compress(HEAD + b"A,1,2\n")[:-9] + b"123456789", "cannot be unpacked"),
    "cut gzip": (gzip.compress(HEAD + b"A,1,2\n" * 99)[:40], "cannot be unpacked"),
}
CLINICALS = {
    "no layout": (b"patient,weight\nP1,70\n", "has no known layout.*'weight'.*mapping"),
    "twice": (CLINICAL.replace(b"histology", b"histology,histology", 1), "row 1: it has 2 cells"),
    "no rows": (b"patient,histology\n", "has no rows"),
    "short row": (CLINICAL + b"R01-003\n", "row 3: it has 1 cells"),
    "latin-1": (CLINICAL + "Größe,LUAD\n".encode("latin-1"), "no text in UTF-8"),
}


def refused(read, *arguments, **how):
    with pytest.raises(InputError) as caught:
        read(*arguments, **how)
    sentence = str(caught.value)
    assert sentence.isprintable()
    assert sentence.endswith(".")
    return sentence


def said(sentence, words):
    return re.search(words, sentence), sentence


@pytest.mark.parametrize("row", MATRICES.values(), ids=MATRICES)
def test_a_matrix_that_cannot_be_read_is_refused(tmp_path, row):
    content, words = row
    path = tmp_path / "m.csv"
    path.write_bytes(content)
    assert all(said(refused(read_matrix, path), words))


@pytest.mark.parametrize("row", CLINICALS.values(), ids=CLINICALS)
def test_a_clinical_table_that_cannot_be_read_is_refused(tmp_path, row):
    content, words = row
    path = tmp_path / "c.csv"
    path.write_bytes(content)
    assert all(said(refused(read_clinical, path), words))


def test_a_table_of_ten_gigabytes_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "m.csv"
    with path.open("wb") as file:
        file.write(HEAD)
        file.truncate(10 << 30)  # sparse
    monkeypatch.setattr(text, "_lines", None)  # reading it would fail
    assert "has 10240 MB, and tables of at most 2048 MB are read" in refused(read_matrix, path)
    assert "of at most 64 MB" in refused(read_clinical, path)


@pytest.mark.parametrize("line", [b"A,%0999d,2\n" % 1, b"0"])
def test_a_packed_trap_is_refused(tmp_path, line):
    path = tmp_path / "m.csv.gz"
    block = line * ((1 << 20) // len(line))
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(HEAD)
        for _ in range(9):
            file.write(block)
    assert path.stat().st_size < 160 << 10
    assert "unpacks to more than 8 MB" in refused(read_matrix, path)


def test_lines_that_no_table_has_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "m.csv"
    path.write_bytes(HEAD + b"A,1,2\n" * 3)
    with path.open("ab") as file:
        file.truncate(65 << 20)
    assert "line of more than 64 MB" in refused(read_matrix, path)
    monkeypatch.setattr(text, "_MOST_LINES", 3)
    assert "more than 3 lines" in refused(read_matrix, path)


def test_a_folder_is_no_table(tmp_path):
    for read in (read_matrix, read_clinical):
        assert "is not a file" in refused(read, tmp_path)


def test_ids_that_match_nobody_are_shown_by_their_form_alone(tmp_path):
    (tmp_path / "c.csv").write_bytes(CLINICAL)
    (tmp_path / "m.csv").write_bytes(b"gene,AMC-001,AMC-002\nA,1,2\n")
    tables = [read_matrix(tmp_path / "m.csv")], [read_clinical(tmp_path / "c.csv")]
    sentence = refused(join, *tables)
    assert "No patient of 'expression' is in another table" in sentence
    assert "AAA-999" in sentence
    assert "A99-999" in sentence
    assert "AMC" not in sentence


def test_a_mapping_that_does_not_fit_is_told(tmp_path):
    (tmp_path / "c.csv").write_bytes(b"Nr,Art\nP1,LUAD\n")
    (tmp_path / "m.json").write_text('{"patient": "Nr", "columns": {"Typ": "histology"}}')
    sentence = refused(read_clinical, tmp_path / "c.csv", mapping=tmp_path / "m.json")
    assert "It lacks the mapping's 'Typ'" in sentence


WRONG = {
    "no name": ["m.csv"],
    "nothing": ["expression="],
    "bad name": ["../x=m.csv"],
    "a name twice": ["expression=m.csv", "expression=m.csv"],
    "names alike": ["genes=m.csv", "Genes=m.csv"],
    "no store": ["image=."],
    "no file": ["expression=none.csv"],
    "a second that fails": ["expression=m.csv", "clinical=bad.csv"],
}


@pytest.mark.parametrize("sources", WRONG.values(), ids=WRONG)
def test_sources_that_cannot_be_joined_leave_nothing_behind(tmp_path, monkeypatch, capsys, sources):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.csv").write_bytes(HEAD + b"A,1,2\n")
    (tmp_path / "bad.csv").write_bytes(b"patient,weight\nP1,70\n")
    before = contents(tmp_path)
    assert main(["tables", "join", *sources, "-o", "out", "--keep-ids"]) == 2
    sentence = capsys.readouterr().err
    assert sentence.startswith("lungsquad: ")
    assert sentence.count("\n") == 1
    assert contents(tmp_path) == before


@pytest.fixture
def joined(tmp_path):
    (tmp_path / "m.csv").write_bytes(HEAD + b"A,1,2\n")
    (tmp_path / "c.csv").write_bytes(CLINICAL)
    tables = [read_matrix(tmp_path / "m.csv")], [read_clinical(tmp_path / "c.csv")]
    write_joined(tmp_path / "j", join(*tables, keep_ids=True), inputs={})
    return tmp_path / "j"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("join.json", lambda data: data.replace(b'"patients": 2', b'"patients": 3')),
        ("join.json", lambda data: data.replace(b'"columns": 1', b'"columns": 2')),
        ("join.json", lambda data: data.replace(b'"kind": "expression"', b'"kind": "other"')),
        ("join.json", lambda data: data.replace(b'"format_version": 1', b'"format_version": 2')),
        ("facts.csv", lambda data: data.replace(b"R01-002", b"R01-001")),
        ("facts.csv", lambda data: data + b"R01-003\n"),
        ("dropped.csv", lambda data: data.replace(b"why", b"who")),
        ("source-expression.npy", lambda data: data[:-4]),
        ("source-expression.npy", lambda data: data.replace(b"(2, 1)", b"(2, 9999999999)")),
        ("source-expression.npy", lambda data: data[:-4] + np.float32("inf").tobytes()),
        ("source-expression.columns.json", lambda data: b'["A", "A"]'),
    ],
)
def test_a_damaged_folder_of_joined_tables_is_refused(joined, name, change):
    path = joined / name
    changed = change(path.read_bytes())
    assert changed != path.read_bytes()
    path.write_bytes(changed)
    refused(open_joined, joined)


def test_a_folder_without_joined_tables_says_how_to_make_them(tmp_path):
    assert "lungsquad tables join" in refused(open_joined, tmp_path)


def test_both_ways_without_another_cohort_are_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    asked = ["train", "integration", "--sources", "expression=m.csv", "--label", "histology"]
    assert main([*asked, "--both-directions", "-o", "run"]) == 2
    assert "--both-directions needs another cohort" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
