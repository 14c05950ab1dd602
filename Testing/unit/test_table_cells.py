"""Cells of tables as people and spreadsheets write them: each is read right, or refused."""

import csv
import gzip
import io
import math

import numpy as np
import pytest

from LungSquadLib.data.tables.check import check_tables
from LungSquadLib.data.tables.clinical import clinical_matrix, read_clinical
from LungSquadLib.data.tables.facts import read_ages, read_days, read_fact, read_follow_up
from LungSquadLib.data.tables.genes import gene_name, gene_names
from LungSquadLib.data.tables.matrix_file import read_matrix
from LungSquadLib.data.tables.number_columns import read_number_column, sentinels
from LungSquadLib.data.tables.text import read_rows
from LungSquadLib.errors import InputError

ROWS = [["patient_id", "sex", "note"], ["P1", "F", "a, b"], ["P2", "M", 'said "no"']]


def written(rows, delimiter=",", **form):
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator="\n", **form).writerows(rows)
    return file.getvalue()


def clinical(tmp_path, header, *rows):
    path = tmp_path / "c.csv"
    path.write_text(written([header, *rows]))
    return read_clinical(path)


# The reader


def test_one_table_reads_the_same_however_it_was_saved(tmp_path):
    path = tmp_path / "t.csv"
    plain = written(ROWS)
    saved = {
        "UTF-8 with its mark": b"\xef\xbb\xbf" + plain.encode(),
        "UTF-16": plain.encode("utf-16"),
        "UTF-16, big end first": b"\xfe\xff" + plain.encode("utf-16-be"),
        "UTF-16, packed": gzip.compress(plain.encode("utf-16")),
        "Windows": plain.replace("\n", "\r\n").encode(),
        "an old Mac": plain.replace("\n", "\r").encode(),
        "semicolons": written(ROWS, ";").encode(),
        "tabs": written(ROWS, "\t").encode(),
        "all quoted": written(ROWS, quoting=csv.QUOTE_ALL).encode(),
        "Excel's first line": b"sep=;\r\n" + written(ROWS, ";").encode(),
        "a comment": b"# made by hand\n\n" + plain.encode(),
        "blanks": plain.replace(",", " ,  ").replace('"a ,   b"', '"a, b"').encode(),
        "empty rows and columns": written([[*row, "", ""] for row in ROWS] + [[""] * 5]).encode(),
        "cells behind the header's end": written(
            [ROWS[0], *([*r, "", ""] for r in ROWS[1:])]
        ).encode(),
    }
    for how, data in saved.items():
        path.write_bytes(data)
        assert read_rows(path) == (ROWS[0], ROWS[1:]), how


def test_the_delimiter_is_the_one_that_parts_the_rows_as_it_parts_the_header(tmp_path):
    """The header has as many commas as semicolons, in names that are not quoted."""
    path = tmp_path / "t.csv"
    path.write_text("id;size, mm;volume, mL;age, y\nP1;12;1;50\nP2;13;2;60\n")
    header, rows = read_rows(path)
    assert header == ["id", "size, mm", "volume, mL", "age, y"]
    assert rows[1] == ["P2", "13", "2", "60"]


def test_what_is_no_table_is_refused_with_what_to_do(tmp_path):
    path = tmp_path / "t.csv"
    wrong = {
        b"PK\x03\x04" + bytes(40): r"Excel workbook \(.xlsx\).*save the sheet as 'CSV UTF-8'",
        b"\xd0\xcf\x11\xe0" + bytes(40): r"\(.xls\).*'CSV UTF-8'",
        "a,b\nM\xfcller,1\n".encode("latin-1"): "Latin-1.*'CSV UTF-8'",
        b"\xff\xfea\x00,": "damaged",
        b'a,b\n1,2\n3,"4\n5,6\n': "a quoted cell has no end",  # it would have swallowed a row
        b"a,b\n1,2,3\n4,5\n": "row 1: it has 3 cells",
        b"a,a\n1,2\n": "'a' more than once",
        b"a,b\n,\n": "no rows",
    }
    for data, sentence in wrong.items():
        path.write_bytes(data)
        with pytest.raises(InputError, match=sentence):
            read_rows(path)


# Numbers


def test_a_column_of_numbers_is_read_as_one():
    nan = math.nan
    right = {
        ("1.5", "-2e1", ".5", ""): (1.5, -20, 0.5, nan),
        ("12", "'--", "None", "#N/A", "[Not Available]"): (12, nan, nan, nan, nan),
        ("12,5", "13", "-0,25"): (12.5, 13, -0.25),
        ("1,708", "950", "2,001"): (1708, 950, 2001),
        ("1,234,567", "3"): (1234567, 3),
        ("1,234.5", "3"): (1234.5, 3),
        ("1 234", "1'234", "7"): (1234, 1234, 7),
        ("12 mm", "13.5 mm", ""): (12, 13.5, nan),
        ("30%", "2.5 %"): (0.3, 0.025),
        ("\u22125", "3"): (-5, 3),
    }
    for cells, values in right.items():
        np.testing.assert_allclose(read_number_column(cells).values, values, err_msg=str(cells))
    # One cell that others contradict is no number: it is never guessed.
    odd = {
        ("12", "13", ">80"): [2],
        ("12.1", "13.2", "12,5"): [2],
        ("1,708", "1951", "2,001"): [0, 2],  # thousands were written without commas, too
        ("12 mm", "1.3 cm"): [0, 1],
        ("30%", "0.3"): [1],
        ("12 mm", "13"): [1],
        ("1", "inf"): [1],
        ("1", "1e400"): [1],
        ("1", "1_000"): [1],
        ("1a", "2a"): [0, 1],
    }
    for cells, where in odd.items():
        assert read_number_column(cells).invalid_rows == where, cells
    assert read_number_column(("1,708", "950"), comma=True).invalid_rows == [0]
    found = read_number_column(("1.234,5", "3,5"), comma=True)
    assert found.values == [1234.5, 3.5]


def test_a_column_of_numbers_with_an_odd_word_is_no_category(tmp_path):
    """It became a column for each of its values, 36 of 40 rows say."""
    ages = [str(50 + n % 35) for n in range(40)]
    for word in ("'--", "None", "#N/A"):
        table = clinical(
            tmp_path,
            ["patient_id", "sex", "pack_years"],
            *([f"P{n:02}", "F", word if n == 7 else age] for n, age in enumerate(ages)),
        )
        made = clinical_matrix(table, ["pack_years"])
        assert made.columns == ("pack_years",)
        assert np.flatnonzero(np.isnan(made.values[:, 0])).tolist() == [7]
    for word in (">80", "12,5,1", "about 60"):
        table = clinical(
            tmp_path,
            ["patient_id", "sex", "pack_years"],
            *([f"P{n:02}", "F", word if n == 7 else age] for n, age in enumerate(ages)),
        )
        with pytest.raises(InputError, match=f"is of numbers, but 1 of its cells.*{word}"):
            clinical_matrix(table, ["pack_years"])
    table = clinical(
        tmp_path,
        ["patient_id", "sex", "arm"],
        ["P1", "F", "Male "],
        ["P2", "F", "male"],
        ["P3", "F", "male"],
        ["P4", "F", "MALE"],
        ["P5", "F", "other"],
    )
    assert clinical_matrix(table, ["arm"]).columns == ("arm=male", "arm=other")


def test_decimal_commas_of_a_matrix_are_read_and_doubtful_ones_refused(tmp_path):
    rng = np.random.default_rng(5)
    values = rng.normal(0, 5, (30, 4)).round(4)
    values[:, 3] = rng.integers(0, 90, 30)
    path = tmp_path / "m.csv"
    rows = [
        [f"P{n}", *(f"{one:g}".replace(".", ",") for one in row)] for n, row in enumerate(values)
    ]
    for delimiter in (";", "\t"):
        path.write_text(written([["patient", *"ABCD"], *rows], delimiter))
        table = read_matrix(path)
        np.testing.assert_allclose(table.values, values, rtol=1e-5)
        assert "commas were read as decimal points" in " ".join(table.notes)
        # Of commas with three digits behind, all along, nobody knows; nor of commas and points.
        for wrong in (["P0", "1,234", "2", "3", "4"], ["P0", "1,5", "2.5", "3", "4"]):
            path.write_text(written([["patient", *"ABCD"], wrong, ["P1", 1, 2, 3, 4]], delimiter))
            with pytest.raises(InputError, match="decimal or part thousands"):
                read_matrix(path)
    path.write_text(written([["patient", *"ABCD"], ["P0", "12,5", 2, 3, 4], ["P1", 1, 2, 3, 4]]))
    with pytest.raises(InputError, match=r"row 1, column 2 \('A'\).*'12,5' is no number.*a point"):
        read_matrix(path)


def test_units_and_percent_signs_of_features_are_numbers_and_odd_cells_are_refused(tmp_path):
    path = tmp_path / "m.csv"
    rows = [[f"P{n}", f"{10 + n} mm", f"{n}%", n / 7] for n in range(30)]
    path.write_text(written([["patient", "diameter", "necrosis", "x"], *rows]))
    table = read_matrix(path, kind="features")
    assert table.columns == ("x", "diameter", "necrosis")
    n = np.arange(30)
    np.testing.assert_allclose(table.values, np.stack([n / 7, 10 + n, n / 100], 1), rtol=1e-6)
    rows[25][1] = "large"
    path.write_text(written([["patient", "diameter", "necrosis", "x"], *rows]))
    with pytest.raises(InputError, match="row 26, column 'diameter': 'large' is no number"):
        read_matrix(path, kind="features")


def test_numbers_that_stand_for_nothing_are_flagged(tmp_path):
    values = np.array([[50.0, 1], [60, -99], [-99, 2], [70, 3]])
    assert sentinels(values) == {-99.0: 2}
    assert sentinels(np.array([[-99.0], [-120], [-80]])) == {}  # HU of fat, say
    path = tmp_path / "m.csv"
    path.write_text(
        written([["patient", "A", "B"], *([f"P{n}", *row] for n, row in enumerate(values))])
    )
    assert "2 columns have the number -99" in " ".join(read_matrix(path, kind="features").notes)


# Rows and columns that are none


def test_a_column_that_counts_the_rows_makes_no_patient_two(tmp_path):
    path = tmp_path / "m.csv"
    for name, start in (("", 0), ("Unnamed: 0", 7), ("X", 1), ("index", 0), ("...1", 3)):
        rows = [[start + n, f"P{n // 2}", n // 2 * 1.5, 3 - n // 2] for n in range(12)]
        path.write_text(written([[name, "patient", "A", "B"], *rows]))
        for kind in ("features", "expression"):
            table = read_matrix(path, kind=kind)
            assert table.patients == tuple(f"P{n}" for n in range(6)), (name, kind)
            assert table.columns == ("A", "B")
            assert table.dropped == ()
    rows = [[f"P{n // 2}", n, n // 2 * 1.5] for n in range(40)]
    path.write_text(written([["patient", "record", "A"], *rows]))
    assert read_matrix(path, kind="features").columns == ("A",)
    table = clinical(tmp_path, ["Unnamed: 0", "patient_id", "sex"], [0, "P1", "F"], [1, "P1", "F"])
    assert (list(table.facts), table.dropped) == (["sex"], ())


def test_of_two_lesions_with_other_numbers_none_is_chosen_and_it_is_said(tmp_path):
    path = tmp_path / "m.csv"
    rows = [["P1", 1, 5], ["P1", 2, 6], ["P2", 1, 7], ["P3", 1, 8]]
    path.write_text(written([["patient", "lesion", "A"], *rows]))
    table = read_matrix(path, kind="features")
    assert table.patients == ("P2", "P3")
    assert "1 patients have rows with different numbers (of several lesions" in " ".join(
        table.notes
    )
    path.write_text(written([["patient", "lesion", "A"], *rows[:2]]))
    with pytest.raises(InputError, match="1 with 2 rows with different numbers"):
        read_matrix(path, kind="features")


def test_only_tcga_samples_of_tumours_are_taken(tmp_path):
    """Types 01 to 09 are tumours; 10 to 19 normal tissue, 20 to 29 controls, then cell lines."""
    path = tmp_path / "m.csv"
    types = (1, 6, 9, 10, 11, 19, 20, 29, 40, 50, 60)
    rows = [[f"TCGA-05-00{n:02}-{n:02}A-01R", n, 1] for n in types]
    path.write_text(written([["patient", "A", "B"], *rows]))
    assert read_matrix(path).patients == tuple(f"TCGA-05-00{n:02}" for n in (1, 6, 9))


# Genes


def test_names_of_genes_are_compared_without_what_tables_add():
    same = {
        "ENSG00000141510.18": "ENSG00000141510",
        "ENSG00000141510": "ENSG00000141510",
        "ENSG00000182378.13_PAR_Y": "ENSG00000182378_PAR_Y",
        "A1BG|1": "A1BG",
        "?|100130426": "?|100130426",
        " TP53 ": "TP53",
        "HLA-A": "HLA-A",
        "RP11-34P13.7": "RP11-34P13.7",
        "MARCH3": "MARCHF3",
        "3-Mar": "MARCHF3",
        "4. Mrz": "MARCHF4",
        "2021-03-03 00:00:00": "MARCHF3",
        "SEPT2": "SEPTIN2",
        "2-Sep": "SEPTIN2",
        "15-Sep": "SELENOF",
        "1-Dec": "DELEC1",
    }
    assert {text: gene_name(text) for text in same} == same
    others = [f"G{n}X" for n in range(30)]
    # 2021-03-03 and 2021-03-01 as days since 1899; 1-Mar was MARCH1 or MARC1.
    found = gene_names([*others, "44258", "44256", "1-Mar", "2.31E+13", "3/4/2021", "Mar-01"])
    assert found.names == [*others, "MARCHF3", "", "", "", "", ""]
    assert [note.split()[0] for note in found.notes] == ["1", "5"]
    entrez = [str(number) for number in range(44256, 44356)]  # all are numbers: Entrez's
    assert gene_names(entrez) == (entrez, ())


def test_a_matrix_of_genes_has_each_once_whatever_its_versions_and_dates(tmp_path):
    path = tmp_path / "m.csv"
    genes = [
        "ENSG00000141510.1",
        "ENSG00000182378.13",
        "ENSG00000182378.13_PAR_Y",
        "1-Mar",
        "2-Sep",
    ]
    genes += ["ENSG00000000003.4", "ENSG00000000003.5"]  # two versions, other numbers: neither
    rows = [[gene, n, n + 10] for n, gene in enumerate(genes)]
    path.write_text(written([["gene", "P1", "P2"], *rows]))
    table = read_matrix(path)
    plain = ("ENSG00000141510", "ENSG00000182378", "ENSG00000182378_PAR_Y", "SEPTIN2")
    assert table.columns == plain
    assert table.values[0].tolist() == [0, 1, 2, 4]
    assert "were left out" in " ".join(table.notes)


# Survival


def test_status_one_and_two_are_read_as_r_has_them(tmp_path):
    rng = np.random.default_rng(1)
    dead, days = rng.integers(0, 2, 40), rng.integers(50, 2000, 40)
    for shown in (
        lambda one: one + 1,
        lambda one: f"{one + 1}.0",
        lambda one: one,
        lambda one: ("0:LIVING", "1:DECEASED")[one],
        lambda one: ("Alive", "Dead")[one],
        bool,
    ):
        rows = [
            [f"P{n}", day, shown(int(one))]
            for n, (day, one) in enumerate(zip(days, dead, strict=True))
        ]
        table = clinical(tmp_path, ["patient_id", "time", "event"], *rows)
        assert table.facts["event"] == tuple(map(str, dead))
        alive = [
            "1" if day >= 730 else "0" if one else "" for day, one in zip(days, dead, strict=True)
        ]
        assert table.facts["survival2y"] == tuple(alive)
    assert "codes 1 and 2" in read_fact("event", "event", ["1", "2"]).notes[0]
    # Three codes (competing events), or codes and words, give no value; nor do 1 and 2 of survival.
    for fact, cells in (("event", "012"), ("event", ["1", "2", "dead"]), ("survival2y", "12")):
        found = read_fact(fact, fact, list(cells))
        assert set(found.values) == {""}
        assert "meaning is not known" in found.notes[0]
    assert read_fact("event", "event", ["1", "perhaps"]).values == ["1", None]


def test_times_and_ages_are_brought_to_days_and_years(tmp_path):
    assert read_days("OS_MONTHS", ["12", ""]).values == ["365.25", ""]
    assert read_days("follow-up (years)", ["2"]).values == ["730.5"]
    assert read_days("days_to_death", ["1,708", "950"]).values == ["1708", "950"]
    ages = read_ages("age", ["-25752", "24532", ""])
    assert [float(one) for one in ages.values[:2]] == pytest.approx(
        [25752 / 365.25, 24532 / 365.25]
    )
    assert "in days" in ages.notes[0]
    assert read_ages("age", ["70", "-99", "999", "03/05/1950"]).values == ["70", None, None, None]
    table = clinical(
        tmp_path,
        ["patient_id", "age", "time", "event"],
        ["P1", "03/05/1950", 12.5, 1],
        ["P2", 70, 60.2, 0],
        ["P3", 71, 30.1, 1],
    )
    assert "1950" not in " ".join(one.why for one in table.dropped)  # a date of birth
    # 60 months are no 60 days: nobody is said to have died within two years.
    assert set(table.facts["survival2y"]) == {""}
    assert "are these months" in " ".join(table.notes)


def test_a_follow_up_that_is_none_is_refused_with_its_row():
    def row(number):
        return f"row {number + 1}"

    for times, events, sentence in (
        (["1", "-3"], ["0", "1"], "row 2: the time -3 is below 0"),
        (["1", "x"], ["0", "1"], "row 2: the time 'x' is no number"),
        (["1", "2"], ["0", "maybe"], "row 2: the event 'maybe'"),
        (["1", "2", "3"], ["0", "1", "2"], "whose meaning is not known"),
    ):
        with pytest.raises(InputError, match=sentence):
            read_follow_up(times, events, row)
    found = read_follow_up(["0", "", "3"], ["1", "2", ""], row)
    np.testing.assert_array_equal(found.time, [0, math.nan, 3])
    np.testing.assert_array_equal(found.event, [0, 1, math.nan])


# Whole tables


def test_a_column_that_is_there_twice_is_merged_where_it_agrees(tmp_path):
    table = clinical(
        tmp_path,
        ["patient_id", "histology", "stage", "histology", "stage"],
        ["P1", "Lung Adenocarcinoma", "I", "Lung Papillary Adenocarcinoma", "I"],
        ["P2", "Lung Adenocarcinoma", "II", "[Not Available]", "II"],
        ["P3", "Lung Adenocarcinoma", "II", "Squamous", "III"],
    )
    assert table.facts["histology"] == ("LUAD", "LUAD", "")
    assert [one.patient for one in table.dropped] == ["P3"]
    assert "stage" not in table.facts
    with pytest.raises(InputError, match="in row 1 they name different patients"):
        clinical(tmp_path, ["patient_id", "sex", "patient_id"], ["P1", "F", "P2"])


def test_a_table_that_cannot_be_read_does_not_end_the_check_of_others(tmp_path):
    good, bad, absent = tmp_path / "g.csv", tmp_path / "b.csv", tmp_path / "a.csv"
    good.write_text("patient_id,sex\nP1,F\n")
    bad.write_text("a,b\n1,2,3\n4,5\n")
    found = check_tables([bad, good, absent])
    problems = [table.get("problem") for table in found["tables"]]
    assert "row 1: it has 3 cells" in problems[0]
    assert problems[1] is None
    assert found["tables"][1]["patients"] == 1
    assert "No such file" in problems[2]
