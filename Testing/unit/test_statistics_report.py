"""The classification report: the hackathon's tables, and scikit-learn's layout."""

import numpy as np
import pytest
from sklearn.metrics import classification_report as reference
from sklearn.metrics import confusion_matrix

from LungSquadLib.statistics.classification import classification_report, confusion

HACKATHON = {
    "survival": (
        [[7, 6], [6, 2]],
        "              precision    recall  f1-score   support\n"
        "\n"
        "           0       0.54      0.54      0.54        13\n"
        "           1       0.25      0.25      0.25         8\n"
        "\n"
        "    accuracy                           0.43        21\n"
        "   macro avg       0.39      0.39      0.39        21\n"
        "weighted avg       0.43      0.43      0.43        21\n",
    ),
    "histology, training": (
        [[18, 5], [2, 21]],
        "              precision    recall  f1-score   support\n"
        "\n"
        "           0       0.90      0.78      0.84        23\n"
        "           1       0.81      0.91      0.86        23\n"
        "\n"
        "    accuracy                           0.85        46\n"
        "   macro avg       0.85      0.85      0.85        46\n"
        "weighted avg       0.85      0.85      0.85        46\n",
    ),
    "histology, validation": (
        [[2, 1], [4, 5]],
        "              precision    recall  f1-score   support\n"
        "\n"
        "           0       0.33      0.67      0.44         3\n"
        "           1       0.83      0.56      0.67         9\n"
        "\n"
        "    accuracy                           0.58        12\n"
        "   macro avg       0.58      0.61      0.56        12\n"
        "weighted avg       0.71      0.58      0.61        12\n",
    ),
}


@pytest.mark.parametrize("name", HACKATHON)
def test_the_hackathons_tables_come_out_digit_for_digit(name):
    table, text = HACKATHON[name]
    assert classification_report(np.array(table), [0, 1]).text() == text


@pytest.mark.parametrize("digits", [2, 4])
def test_table_and_text_are_those_of_scikit_learn(digits):
    names = ["T1", "T2", "T3 or larger than that"]
    random = np.random.default_rng(0)
    true, called = random.choice(names, 70), random.choice(names, 70)
    table = confusion(true, called, names)
    np.testing.assert_array_equal(table, confusion_matrix(true, called, labels=names))
    expected = reference(true, called, labels=names, digits=digits)
    assert classification_report(table, names).text(digits) == expected


def test_what_cannot_be_divided_is_none_and_a_dash():
    # Class 1 is never called; class 2 neither called nor there.
    report = classification_report(np.array([[3, 0, 0], [2, 0, 0], [0, 0, 0]]), "abc")
    called, never, absent = report.classes
    assert (called.precision, called.recall) == (0.6, 1.0)
    assert (never.precision, never.recall, never.f1) == (None, 0.0, 0.0)
    assert (absent.precision, absent.recall, absent.f1, absent.support) == (None, None, None, 0)
    assert report.macro.recall is None
    assert report.weighted.precision is None
    assert report.weighted.recall == report.accuracy == 0.6
    assert report.text().splitlines()[4].split() == ["c", "-", "-", "-", "0"]


def test_a_table_of_nothing():
    report = classification_report(np.zeros((2, 2), int), [0, 1])
    assert report.accuracy is None
    assert report.weighted.f1 is None


def test_what_is_no_class_is_said():
    with pytest.raises(ValueError, match="'LUSC' is none of the classes"):
        confusion(np.array(["LUAD", "LUSC"]), np.array(["LUAD", "LUAD"]), ["LUAD", "SCLC"])
    with pytest.raises(ValueError, match="true and"):
        confusion(np.array([0, 1]), np.array([0]), [0, 1])
    with pytest.raises(ValueError, match="3 classes"):
        classification_report(np.eye(2), [0, 1, 2])
