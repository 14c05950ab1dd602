"""Tables of patients: what each is taken for, what facts are made of, what is joined."""

import csv
import gzip
from collections import Counter
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from LungSquadLib.data.tables.clinical import clinical_matrix, read_clinical
from LungSquadLib.data.tables.facts import FACTS, Fact, covariates
from LungSquadLib.data.tables.join import join, open_joined, write_joined
from LungSquadLib.data.tables.layouts import read_mapping
from LungSquadLib.data.tables.matrix import Dropped
from LungSquadLib.data.tables.matrix_file import read_matrix, scale_of
from LungSquadLib.data.tables.patients import patient_of
from LungSquadLib.errors import InputError
from LungSquadLib.identity import pseudonym

LABELS = "NSCLCR01Radiogenomic_DATA_LABELS_2018-05-22_1500-shifted.csv"


def write(path, *rows, delimiter=","):
    path.write_text("".join(delimiter.join(map(str, row)) + "\n" for row in rows))
    return path


def clinical(tmp_path, *rows, mapping=None, name="c.csv"):
    return read_clinical(write(tmp_path / name, *rows), mapping=mapping)


def matrix(tmp_path, *rows, name="m.csv", **how):
    return read_matrix(write(tmp_path / name, *rows), **how)


# Real tables


@pytest.fixture(scope="module")
def radiogenomics(shared_data):
    return shared_data / "open" / "nsclc_radiogenomics"


def test_the_real_expression_and_its_clinical_table_read_as_they_are_described(radiogenomics):
    table = read_clinical(radiogenomics / LABELS)
    genes = read_matrix(radiogenomics / "GSE103584_top1000var_log10_zscore.csv")
    assert genes.values.shape == (130, 1000)
    assert np.isnan(genes.values).sum() == 4519
    assert genes.scale == "z-scores (guessed)"
    assert "columns are patients" in genes.notes[0]
    assert table.layout.startswith("NSCLC Radiogenomics")
    assert len(table.patients) == 211
    joined = join([genes], [table], keep_ids=True)
    assert Counter(joined.facts["histology"]) == {"LUAD": 96, "LUSC": 31, "other": 3}
    stages = {"T1": 53, "T2": 49, "T3": 16, "T4": 7, "": 5}
    assert Counter(joined.facts["t_stage"]) == stages
    assert Counter(joined.facts["edition"]) == {"7": 125, "": 5}
    tis = [one for one in joined.dropped if "'Tis'" in one.why and one.patient in joined.patients]
    assert len(tis) == 5
    assert sum(one.why == "in no source of numbers" for one in joined.dropped) == 81
    # One number where it belongs, as the file has it.
    row = joined.patients.index("R01-023")
    column = joined.sources[0].columns.index("TOR1AIP1")
    assert joined.sources[0].values[row, column] == np.float32(1.0802423574279532)


def test_days_of_the_living_are_counted_as_those_of_the_dead_are(radiogenomics):
    """From surgery: of most of the dead the table's days follow from its dates in the same way."""
    with (radiogenomics / LABELS).open(encoding="utf-8-sig", newline="") as file:
        rows = {row["Case ID"]: row for row in csv.DictReader(file)}
    table = read_clinical(radiogenomics / LABELS)
    time = dict(zip(table.patients, table.facts["time"], strict=True))

    def days(row, last):
        first, until = (datetime.strptime(row[name], "%m/%d/%Y") for name in ("CT Date", last))
        return (until - first).days - int(row["Days between CT and surgery"])

    dead = [one for one, row in rows.items() if row["Survival Status"] == "Dead"]
    same = [abs(float(time[one]) - days(rows[one], "Date of Death")) <= 1 for one in dead]
    assert (sum(same), len(dead)) == (47, 63)  # the others' dates contradict their days
    living = [one for one in rows if one not in dead]
    assert [float(time[one]) for one in living] == [
        days(rows[one], "Date of Last Known Alive") for one in living
    ]


def test_tcga_reads_in_both_layouts(shared_data):
    folder = shared_data / "open" / "tcga_clinical"
    resource = read_clinical(folder / "TCGA-CDR_luad_lusc_liu2018.csv")
    biotab = read_clinical(folder / "clinical_luad_lusc_biotab_subset.tsv")
    for table in (resource, biotab):
        assert Counter(table.facts["histology"]) == {"LUAD": 522, "LUSC": 504}
        assert set(table.facts["sex"]) == {"male", "female"}
        assert table.facts["site"][0] == "05"
    assert Counter(resource.facts["event"]) == {"0": 615, "1": 406, "": 5}
    assert Counter(biotab.facts["t_stage"]) == {"T2": 576, "T1": 286, "T3": 118, "T4": 43, "": 3}
    assert set(biotab.facts["edition"]) == {""}
    joined = join([], [resource, biotab], keep_ids=True)
    assert len(joined.patients) == 1026
    # The older follow-up contradicts the later one, so neither is taken.
    row = joined.patients.index("TCGA-05-4245")
    assert joined.facts["time"][row] == joined.facts["event"][row] == ""
    why = "time is left empty: 395 and 730"
    assert Dropped("TCGA-05-4245", "several tables", why) in joined.dropped


@pytest.mark.parametrize(("name", "n", "alive"), [("HarvardRT", 291, 158), ("Radboud", 104, 28)])
def test_radiomic_features_are_parted_from_what_is_no_feature(shared_data, name, n, alive):
    path = shared_data / "noncommercial" / "deep_prognosis" / f"{name}.csv"
    table = read_matrix(path, name="radiomics", kind="features")
    assert table.values.shape == (n, 1004)
    assert Counter(table.facts["survival2y"])["1"] == alive
    assert {"logit_0", "logit_1", "general_info_VoxelNum"} <= set(table.facts)
    assert not [one for one in table.columns if one.startswith(("general", "logit", "surv", "id"))]
    assert float(table.facts["logit_1"][0]) + float(table.facts["logit_0"][0]) == pytest.approx(1)


# Layouts


def test_the_biotab_of_tcga_says_three_times_what_its_columns_are(tmp_path):
    table = clinical(
        tmp_path,
        [
            *("bcr_patient_barcode", "histologic_diagnosis", "ajcc_tumor_pathologic_pt"),
            *("ajcc_staging_edition", "vital_status", "death_days_to", "last_contact_days_to"),
            *("tobacco_smoking_history_indicator", "form_completion_date"),
        ],
        [
            *("bcr_patient_barcode", "histological_type", "pathologic_T", "system_version"),
            *("vital_status", "days_to_death", "days_to_last_followup", "tobacco", "date"),
        ],
        ["CDE_ID:2673794", "CDE_ID:3081934", "CDE_ID:1", "CDE_ID:2", "CDE_ID:3", "", "", "", ""],
        [
            *("TCGA-05-4244", "Lung Papillary Adenocarcinoma", "T2a", "7th", "Alive"),
            *("[Not Applicable]", "800", "4", "2010-05-01"),
        ],
        [
            *("TCGA-05-4249", "Lung Basaloid Squamous Cell Carcinoma", "T1", "6th", "Dead"),
            *("300", "[Discrepancy]", "1", "2011-05-01"),
        ],
    )
    assert table.layout == "TCGA biotab"
    assert table.patients == ("TCGA-05-4244", "TCGA-05-4249")
    assert table.facts["histology"] == ("LUAD", "LUSC")
    assert table.facts["t_stage"] == ("T2", "T1")
    assert table.facts["edition"] == ("7", "6")
    assert table.facts["time"] == ("800", "300")
    assert table.facts["event"] == ("0", "1")
    assert table.facts["survival2y"] == ("1", "0")
    assert table.facts["smoking"] == ("former", "never")
    assert "form_completion_date" not in table.facts


def test_whom_tcga_has_withdrawn_is_left_out(tmp_path):
    table = clinical(
        tmp_path,
        ["bcr_patient_barcode", "type", "OS", "OS.time", "Redaction"],
        ["TCGA-05-4244", "LUAD", "0", "100", ""],
        ["TCGA-05-4245", "LUAD", "1", "200", "Redacted"],
    )
    assert table.patients == ("TCGA-05-4244",)
    assert table.dropped == (Dropped("TCGA-05-4245", "clinical", "withdrawn by TCGA"),)


def test_lung1_reads(tmp_path):
    table = clinical(
        tmp_path,
        [
            *("PatientID", "age", "clinical.T.Stage", "Clinical.N.Stage", "Clinical.M.Stage"),
            *("Overall.Stage", "Histology", "gender", "Survival.time", "deadstatus.event"),
        ],
        ["LUNG1-001", "78.75", "2", "3", "0", "IIIb", "large cell", "male", "2165", "1"],
        ["LUNG1-002", "NA", "5", "0", "3", "I", "nos", "female", "155", "1"],
        ["LUNG1-003", "68.1", "4", "2", "0", "IIIb", "NA", "male", "256", "0"],
    )
    assert table.layout.startswith("NSCLC-Radiomics")
    assert table.facts["t_stage"] == ("T2", "", "T4")
    assert table.facts["n_stage"] == ("N3", "N0", "N2")
    assert table.facts["m_stage"] == ("M0", "", "M0")
    assert table.facts["histology"] == ("other", "other", "")
    assert table.facts["age"] == ("78.75", "", "68.1")
    assert table.facts["survival2y"] == ("1", "0", "")
    assert set(table.facts["edition"]) == {""}
    assert "t_stage is left empty: '5'" in [one.why for one in table.dropped]


def test_tables_of_the_data_commons_read(tmp_path):
    header = ("dicom_patient_id", "age", "clinicaltstage", "histology", "survivaltime")
    table = clinical(
        tmp_path,
        [*header, "deadstatusevent"],
        ["LUNG1-001", "78", "2", "large cell", "2165", "1"],
        ["LUNG1-002", "83", "1", "adenocarcinoma", "155", "1"],
    )
    assert "Data Commons" in table.layout
    assert table.facts["histology"] == ("other", "LUAD")
    assert table.facts["t_stage"] == ("T2", "T1")
    assert table.facts["survival2y"] == ("1", "0")
    table = clinical(
        tmp_path, ["dicom_patient_id", "de_type"], ["100012", "8140"], ["100147", "8070"]
    )
    assert table.layout.startswith("NLST")
    assert table.facts["histology"] == ("LUAD", "LUSC")


MAPPING = """{"patient": "Nr", "edition": "8",
 "columns": {"Diagnose": "histology", "pT": "t_stage", "Tage": "time", "Status": "event"},
 "words": {"histology": {"AdenoCa": "LUAD", "Plattenepithel": "LUSC", "?": ""},
           "event": {"verstorben": "1", "lebt": "0"}}}"""


def test_any_table_reads_with_a_mapping(tmp_path):
    mapping = tmp_path / "m.json"
    mapping.write_text(MAPPING)
    rows = (
        ["Nr", "Diagnose", "pT", "Tage", "Status", "Grading"],
        ["P1", "AdenoCa", "pT1mi", "731", "lebt", "G2"],
        ["P2", "Plattenepithel", "T2b", "100", "verstorben", "G1"],
        ["P3", "?", "pTis", "50", "lebt", ""],
    )
    table = clinical(tmp_path, *rows, mapping=mapping)
    assert table.layout == "a mapping"
    assert table.facts["histology"] == ("LUAD", "LUSC", "")
    assert table.facts["t_stage"] == ("T1", "T2", "")
    assert table.facts["edition"] == ("8", "8", "")
    assert table.facts["survival2y"] == ("1", "0", "")
    assert table.facts["Grading"] == ("G2", "G1", "")
    assert [
        (one.word, one.value, one.count) for one in table.readings if one.fact == "t_stage"
    ] == [
        ("pT1mi", "T1", 1),
        ("T2b", "T2", 1),
        ("pTis", "", 1),
    ]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (('"t_stage"', '"stage"'), "'stage' is no fact"),
        (('"LUAD"', '"luad"'), "'luad' is no value of 'histology'"),
        (('"8"', '"4"'), "edition '4'"),
        (('"patient"', '"who"'), "no 'patient'"),
        (('"pT": "t_stage"', '"pT": "time"'), "two columns"),
        (('"patient"', '"more": 1, "patient"'), "'more' that means nothing"),
        (('"event": {', '"age": {'), "'age' is no fact that has words"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused(tmp_path, changed, said):
    path = tmp_path / "m.json"
    path.write_text(MAPPING.replace(*changed, 1))
    with pytest.raises(InputError, match=said):
        read_mapping(path)


def test_a_fact_is_added_by_an_entry(tmp_path, monkeypatch):
    """The performance status of the Eastern Cooperative Oncology Group, 0 to 4."""

    def ecog(cell):
        grade = cell.casefold().removeprefix("ecog ")
        return grade if grade in "01234" else None

    monkeypatch.setitem(FACTS, "ecog", Fact(ecog, tuple("01234"), covariate=True))
    table = clinical(
        tmp_path, ["patient_id", "ecog"], ["P1", "ECOG 1"], ["P2", "2"], ["P3", "NA"], ["P4", "9"]
    )
    assert table.facts["ecog"] == ("1", "2", "", "")
    assert [each.patient for each in table.dropped] == ["P4"]
    assert [(each.word, each.value) for each in table.readings][:2] == [("ECOG 1", "1"), ("2", "2")]
    assert covariates() == ["age", "ecog", "sex", "smoking"]


@pytest.mark.parametrize(
    ("fact", "words", "meant"),
    [
        ("histology", ("Adenocarcinoma", "LUAD", "Lung Acinar Adenocarcinoma"), "LUAD"),
        ("histology", ("Mucinous (Colloid) Carcinoma", "bronchioloalveolar carcinoma"), "LUAD"),
        ("histology", ("squamous cell carcinoma", "SCC", "Lung Squamous Cell - NOS"), "LUSC"),
        ("histology", ("Large Cell", "NSCLC NOS (not otherwise specified)", "nos"), "other"),
        ("histology", ("adenosquamous carcinoma", "Carcinoid"), "other"),
        # ICD-O-3: the first and last codes of the IARC's groups, in each spelling.
        ("histology", ("8140", "8140/3", "81403", "8140.0", "8211", "8250/3", "8576"), "LUAD"),
        ("histology", ("8050", "8070/3", "80703", "8078", "8083"), "LUSC"),
        ("histology", ("8041/3", "8046", "8012", "8560", "8079", "8141"), "other"),
        ("histology", ("non-squamous", "sarcoma", "42"), None),
        ("t_stage", ("T1", "T1a", "pT1mi", "T1a", "ypT1c", "1"), "T1"),
        ("t_stage", ("Tis", "TX", "T0", "T5", "T11", "5"), None),
        ("n_stage", ("NX", "X"), ""),
        ("m_stage", ("M1b", "pM1", "M1c1", "1"), "M1"),
        ("sex", ("F", "FEMALE"), "female"),
        ("smoking", ("Nonsmoker", "Lifelong Non-smoker", "never"), "never"),
        ("smoking", ("Current reformed smoker for > 15 years", "Former"), "former"),
        ("event", ("Dead", "deceased", "1.0"), "1"),
        ("survival2y", ("alive", "1", "True"), "1"),
        ("survival2y", ("dead", "0"), "0"),
        ("age", ("200", "-1", "old", "1_0", "inf"), None),
        ("time", ("1,5",), None),
    ],
)
def test_words_are_read_as_the_value_of_a_fact(fact, words, meant):
    assert {FACTS[fact].parse(word) for word in words} == {meant}


# Patients


@pytest.mark.parametrize(
    ("text", "patient"),
    [
        ("TCGA-05-4244-01A-01R-1107-07", "TCGA-05-4244"),
        ("TCGA.05.4244.01A", "TCGA-05-4244"),
        ("tcga-05-4244", "TCGA-05-4244"),
        (" R01-001 ", "R01-001"),
        ("LUNG1-001", "LUNG1-001"),
        ("TCGA-05", "TCGA-05"),
        ("pat-7B", "pat-7B"),
    ],
)
def test_ids_are_cut_to_the_patient(text, patient):
    assert patient_of(text) == patient


def test_samples_of_one_patient_are_never_chosen_by_chance(tmp_path):
    samples = ["TCGA-05-0001-01A", "TCGA-05-0001-11A", "TCGA-05-0002-01A", "TCGA-05-0002-02A"]
    samples += ["TCGA-05-0003-11A", "TCGA-05-0004-01A", "TCGA-05-0004-01B"]
    table = matrix(
        tmp_path, ["gene", *samples], ["A", 1, 9, 2, 3, 9, 4, 4], ["B", 5, 9, 6, 6, 9, 7, 7]
    )
    assert table.patients == ("TCGA-05-0001", "TCGA-05-0004")
    assert table.values.tolist() == [[1, 5], [4, 7]]
    assert {one.patient: one.why for one in table.dropped} == {
        "TCGA-05-0002": "2 rows with different numbers for one patient",
        "TCGA-05-0003": "no sample of a tumour",
    }
    said = " ".join(table.notes)
    assert "2 samples that are of no tumour" in said
    assert "1 rows repeat" in said
    assert "TCGA-" not in said


def test_a_fact_that_rows_of_a_patient_contradict_is_left_empty(tmp_path):
    table = clinical(
        tmp_path,
        ["patient", "histology", "sex", "t_stage", "edition", "time", "event"],
        ["P1", "LUAD", "F", "T1", "8", "900", "alive"],
        ["P1", "LUAD", "M", "T2", "8", "900", "alive"],
        ["P2", "LUSC", "M", "T3", "8", "5", "dead"],
        ["P2", "", "M", "T3", "8", "5", "dead"],
        ["P3", "LUAD", "M", "T3", "8", "-5", "dead"],
        ["", "LUAD", "M", "T3", "8", "5", "dead"],
    )
    assert table.patients == ("P1", "P2", "P3")
    assert table.facts["histology"] == ("LUAD", "LUSC", "LUAD")
    assert table.facts["sex"] == ("", "male", "male")
    assert table.facts["t_stage"] == ("", "T3", "T3")
    assert table.facts["edition"] == ("", "8", "8")  # an edition of no stage says nothing
    assert table.facts["time"] == ("900", "5", "")
    assert table.facts["event"] == ("0", "1", "")
    assert {(one.patient, one.why) for one in table.dropped} == {
        ("P1", "sex is left empty: female and male"),
        ("P1", "t_stage is left empty: T1 and T2"),
        ("P3", "time and event are left empty: a follow-up of -5 days"),
    }


# Matrices


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_a_matrix_is_the_same_whichever_way_round_it_stands(tmp_path, delimiter):
    values = [[1.5, -2, ""], [0, "NA", 3e-4]]
    across = [["", "R01-001", "R01-002", "R01-003"], ["A", *values[0]], ["B", *values[1]]]
    down = [list(row) for row in zip(*across, strict=True)]
    one = read_matrix(write(tmp_path / "a.csv", *across, delimiter=delimiter))
    other = read_matrix(write(tmp_path / "d.csv", *down, delimiter=delimiter))
    for table in (one, other):
        assert table.patients == ("R01-001", "R01-002", "R01-003")
        assert table.columns == ("A", "B")
        expected = np.array([[1.5, 0], [-2, np.nan], [np.nan, 3e-4]], np.float32)
        assert np.array_equal(table.values, expected, equal_nan=True)


def test_patients_of_another_table_decide_the_orientation_of_a_matrix(tmp_path):
    rows = (["", "p1", "p2", "p3"], ["A", 1, 2, 3], ["B", 4, 5, 6])
    with pytest.raises(InputError, match="not known whether its rows or its columns are patients"):
        matrix(tmp_path, *rows)
    assert matrix(tmp_path, *rows, known_patients={"p2", "p9"}).patients == ("p1", "p2", "p3")
    assert matrix(tmp_path, *rows, known_patients={"B"}).patients == ("A", "B")


@pytest.mark.parametrize(
    ("corner", "patients"), [("Hugo_Symbol", ("x1", "x2")), ("PatientID", ("A", "B"))]
)
def test_the_first_cell_tells_it_too(tmp_path, corner, patients):
    assert matrix(tmp_path, [corner, "x1", "x2"], ["A", 1, 2], ["B", 4, 5]).patients == patients


def test_annotations_of_genes_are_no_patients(tmp_path):
    table = matrix(
        tmp_path,
        ["# a comment before the header"],
        ["Hugo_Symbol", "Entrez_Gene_Id", "description", "TCGA-05-0001-01", "TCGA-05-0002-01"],
        ["A", 17, "a gene", 1, 2],
        ["B", 18, "another", 3, 5],
    )
    assert table.patients == ("TCGA-05-0001", "TCGA-05-0002")
    assert "2 columns describe genes and were left out." in table.notes


def test_what_r_and_windows_write_reads(tmp_path):
    path = tmp_path / "m.csv.gz"
    text = '\ufeff"R01-001","R01-002"\r\n"A",1,2\r\n"B, C",3,\r\n'
    path.write_bytes(gzip.compress(text.encode()))
    table = read_matrix(path)
    assert table.patients == ("R01-001", "R01-002")
    assert table.columns == ("A", "B, C")
    assert np.array_equal(table.values, [[1, 3], [2, np.nan]], equal_nan=True)


def test_columns_without_numbers_or_a_name_of_their_own_are_left_out_and_said(tmp_path):
    table = matrix(
        tmp_path,
        ["", "R01-001", "R01-002", "R01-003"],
        ["A", 1, 2, 3],
        ["A", 1, 2, 3],
        ["B", 1, 2, 3],
        ["B", 1, 2, 4],
        ["empty", "", "NA", "Not Collected"],
        ["constant", 7, 7, "[Not Available]"],
        ["", 1, 2, 3],
    )
    assert table.columns == ("A", "constant")
    said = " ".join(table.notes)
    for words in (
        "1 columns repeat",
        "3 columns have no name",
        "1 columns have no number",
        "1 columns have the same number",
    ):
        assert words in said


def test_a_column_of_words_or_of_a_fact_is_no_feature(tmp_path):
    table = matrix(
        tmp_path,
        ["patient", "volume", "sex", "age", "reader", "Surgery Date", "Name", "note"],
        ["P-001", 1, "F", 70, "A", "2010-01-01", "Smith", "as P-002"],
        ["P-002", 2, "M", "", "B", "2011-01-01", "Jones", "P-002 again"],
        name="r.csv",
        kind="features",
    )
    assert table.columns == ("volume",)
    assert table.facts == {"sex": ("female", "male"), "age": ("70", ""), "reader": ("A", "B")}


@pytest.mark.parametrize(
    ("make", "scale"),
    [
        (lambda draw: draw.negative_binomial(2, 0.002, (30, 40)), "counts"),
        (lambda draw: draw.lognormal(2, 2, (30, 40)), "FPKM or TPM"),
        (lambda draw: draw.gamma(9, 0.7, (30, 40)), "logarithms"),
        (lambda draw: draw.normal(0, 1, (300, 40)), "z-scores"),
        (lambda draw: draw.normal(3, 4, (30, 40)), "logarithms or differences"),
    ],
)
def test_the_scale_is_guessed_and_said_to_be(make, scale):
    values = make(np.random.default_rng(0)).astype(np.float32)
    values[0, 0] = np.nan
    assert scale_of(values) == f"{scale} (guessed)"


# Clinical columns as numbers


def test_clinical_columns_become_numbers_and_what_is_missing_stays_missing(tmp_path):
    table = clinical(
        tmp_path,
        ["patient", "age", "smoking", "EGFR"],
        ["P1", 60, "current", "Mutant"],
        ["P2", "", "never", "Wildtype"],
        ["P3", 80.5, "", "Unknown"],
    )
    made = clinical_matrix(table, ["age", "smoking", "EGFR"])
    assert made.columns == (
        "age",
        "smoking=current",
        "smoking=never",
        "EGFR=Mutant",
        "EGFR=Wildtype",
    )
    nan = np.nan
    expected = [[60, 1, 0, 1, 0], [nan, 0, 1, 0, 1], [80.5, nan, nan, nan, nan]]
    assert np.array_equal(made.values, np.array(expected, np.float32), equal_nan=True)
    with pytest.raises(InputError, match="no column 'KRAS'"):
        clinical_matrix(table, ["KRAS"])


# Joined


def tables(tmp_path):
    genes = matrix(tmp_path, ["", "R01-001", "R01-002"], ["A", 1, 2], ["B", 3, ""])
    features = matrix(
        tmp_path, ["patient", "f"], ["R01-002", 7], ["R01-003", 8], name="f.csv", kind="features"
    )
    facts = clinical(
        tmp_path,
        ["patient", "histology", "t_stage"],
        ["R01-001", "LUAD", "T1"],
        ["R01-002", "LUSC", "Tis"],
        ["R01-009", "LUSC", "T2"],
    )
    return [genes, replace(features, name="radiomics")], [facts]


def test_every_patient_of_whom_there_are_numbers_is_joined(tmp_path):
    joined = join(*tables(tmp_path), keep_ids=True)
    assert joined.patients == ("R01-001", "R01-002", "R01-003")
    nan = np.nan
    genes, features = joined.sources
    assert np.array_equal(genes.values, [[1, 3], [2, nan], [nan, nan]], equal_nan=True)
    assert np.array_equal(features.values, [[nan], [7], [8]], equal_nan=True)
    assert joined.facts["histology"] == ("LUAD", "LUSC", "")
    assert joined.facts["t_stage"] == ("T1", "", "")
    assert set(joined.dropped) == {
        Dropped("R01-009", "clinical", "in no source of numbers"),
        Dropped("R01-002", "clinical", "t_stage is left empty: 'Tis'"),
    }


def test_without_ids_patients_are_pseudonyms_which_stores_have_already(tmp_path):
    (genes, features), facts = tables(tmp_path)
    hidden = replace(features, patients=tuple(map(pseudonym, features.patients)))
    joined = join([genes, hidden], facts)
    assert sorted(map(pseudonym, ("R01-001", "R01-002", "R01-003"))) == list(joined.patients)
    assert {one.patient for one in joined.dropped} == {pseudonym("R01-009"), pseudonym("R01-002")}
    row = joined.patients.index(pseudonym("R01-002"))
    assert joined.sources[1].values[row, 0] == 7
    kept = join([genes, hidden], facts, keep_ids=True)
    # Of R01-003 only the store knows, and it does not tell the ID.
    assert kept.patients == (pseudonym("R01-003"), "R01-001", "R01-002")
    assert kept.sources[1].values[2, 0] == 7


def test_a_folder_gives_back_what_was_joined(tmp_path):
    joined = join(*tables(tmp_path), keep_ids=True)
    write_joined(tmp_path / "j", joined, inputs={"expression": ["0" * 64]})
    again = open_joined(tmp_path / "j")
    assert again.patients == joined.patients
    assert again.facts == joined.facts
    assert again.dropped == joined.dropped
    assert again.notes == joined.notes
    for one, other in zip(again.sources, joined.sources, strict=True):
        assert np.array_equal(one.values, other.values, equal_nan=True)
        assert (one.name, one.kind, one.columns, one.scale) == (
            other.name,
            other.kind,
            other.columns,
            other.scale,
        )
