"""What a manifest says of follow-up and clinical data is checked before anything is trained."""

from types import SimpleNamespace

import pytest

from LungSquadLib.data.build import build_cohort
from LungSquadLib.data.covariates import check_clinical, follow_up_of
from LungSquadLib.data.store import Preprocessing
from LungSquadLib.errors import InputError
from LungSquadLib.training.classifier.data import set_up
from LungSquadLib.training.classifier.options import ClassifierOptions
from LungSquadLib.training.integration.cohort import check_follow_up
from Testing.ball_cohort import ball_volumes


def cases(*rows):
    """Cases of a store: patient, and the cells of the columns "time" and "event"."""
    return [
        SimpleNamespace(case=f"c{n}", patient=patient, value={"time": time, "event": event}.get)
        for n, (patient, time, event) in enumerate(rows)
    ]


def test_follow_up_is_read_as_people_write_it():
    told = {
        ("1", "0"): "",
        ("2", "1"): "1 censored, 2 dead",  # as R's survival package has it
        ("dead", "alive"): "",
        ("True", "False"): "",
    }
    for (dead, alive), note in told.items():
        rows = [("A", "3", dead), ("B", "5.50", alive), ("C", "", alive), ("D", "7", "")]
        found = follow_up_of(cases(*rows), ("time", "event"))
        kept = {"c0": ("3", "1"), "c1": ("5.5", "0"), "c2": ("", ""), "c3": ("", "")}
        assert found.by_case == kept
        assert note in " ".join(found.warnings)
    assert follow_up_of(cases(("A", "x", "y")), None).by_case == {}


def test_follow_up_that_cannot_be_evaluated_is_refused_with_the_case():
    wrong = {
        "case 'c1': the time -3 is below 0": (("A", "1", "1"), ("B", "-3", "0")),
        "case 'c0': the time 'B' is no number": (("A", "B", "1"), ("B", "3", "0")),
        "case 'c1': the event 'perhaps'": (("A", "1", "1"), ("B", "3", "perhaps")),
        "whose meaning is not known": (("A", "1", "1"), ("B", "3", "2"), ("C", "4", "0")),
        "case 'c1': another case of the patient": (("A", "1", "1"), ("A", "3", "1")),
        "no patient who has a time has the event": (("A", "1", "0"), ("B", "", "1")),
        "no pair of patients has a known order": (("A", "2", "1"), ("B", "2", "1")),
    }
    for sentence, rows in wrong.items():
        with pytest.raises(InputError, match=f"--survival time event.*{sentence}|^The.*{sentence}"):
            follow_up_of(cases(*rows), ("time", "event"))


def test_a_clinical_column_of_numbers_with_an_odd_word_is_refused_with_the_case():
    check_clinical(cases(("A", "60", "x"), ("B", "", "y"), ("C", "'--", "z")), ["time", "event"])
    with pytest.raises(InputError, match="the case 'c2' has '>80'"):
        check_clinical(cases(("A", "60", ""), ("B", "71", ""), ("C", ">80", "")), ["time"])


def test_the_classifier_refuses_it_before_the_folds_are_made(tmp_path):
    manifest = ball_volumes(tmp_path / "volumes", 2)
    header, first, *others = manifest.read_text().splitlines()
    cells = first.split(",")
    cells[header.split(",").index("time")] = "-3"
    manifest.write_text("\n".join([header, ",".join(cells), *others]))
    build_cohort(manifest, tmp_path / "store", preprocessing=Preprocessing(32, 4))
    options = ClassifierOptions("histology", survival=("time", "event"), width=0.05, size=32)
    with pytest.raises(InputError, match="case 'c000': the time -3 is below 0"):
        set_up(tmp_path / "store", options)


def test_joined_tables_are_checked_too():
    facts = {"time": ("5", "-1"), "event": ("1", "0")}
    with pytest.raises(InputError, match="'B': the time -1 is below 0"):
        check_follow_up(SimpleNamespace(patients=("A", "B"), facts=facts))
