"""`lungsquad evaluate`: published tables come out again, and every choice is made and said."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest
from lifelines.utils import concordance_index
from sklearn.metrics import brier_score_loss, roc_auc_score

from LungSquadLib.cli import main
from LungSquadLib.errors import InputError
from LungSquadLib.evaluation.classifier.evaluate import evaluate
from LungSquadLib.evaluation.classifier.rows import Columns
from LungSquadLib.evaluation.classifier.table import Table, read_table

# NETWORKS.md: Hosny et al. 2018, `logit_1` (a probability, despite its name) against `surv2yr`.
PUBLISHED = {
    "Radboud": {"n": 104, "auc": 0.698, "volume": 0.607, "brier": 0.246, "reference": 0.197},
    "HarvardRT": {"n": 293, "auc": 0.574, "volume": 0.574, "brier": 0.496, "reference": 0.248},
}
# From the shape features, in cubic millimetres; larger tumours go with the class 0 (deceased), so
# the published AUC is that of the volume with its sign inverted.
VOLUME = "original_shape_Volume"


@pytest.mark.parametrize("cohort", PUBLISHED)
def test_the_published_table_comes_out(shared_data, capsys, cohort):
    path = shared_data / "noncommercial" / "deep_prognosis" / f"{cohort}.csv"
    command = ["evaluate", str(path), "--label", "surv2yr", "--score", "logit_1", "--json"]
    assert main([*command, "--baseline", VOLUME]) == 0
    found, published = json.loads(capsys.readouterr().out), PUBLISHED[cohort]
    (volume,) = found["baselines"]
    assert found["counts"]["used"] == published["n"]
    assert round(found["discrimination"]["auc"]["value"], 3) == published["auc"]
    assert round(found["calibration"]["brier"]["value"], 3) == published["brier"]
    assert round(found["calibration"]["brier_reference"], 3) == published["reference"]
    assert round(volume["auc"]["value"], 3) == published["volume"]
    assert volume["inverted"]
    assert any("its sign inverted" in note for note in found["notes"])


# Confusion matrices (rows true) behind the hackathon's tables in NETWORKS.md, and the tables.
HACKATHON = {
    "survival": ([[7, 6], [6, 2]], "0 0.54 0.54 0.54 13", "1 0.25 0.25 0.25 8", "0.43 21"),
    "histology, training": (
        [[18, 5], [2, 21]],
        "0 0.90 0.78 0.84 23",
        "1 0.81 0.91 0.86 23",
        "0.85 46",
    ),
    "histology, validation": (
        [[2, 1], [4, 5]],
        "0 0.33 0.67 0.44 3",
        "1 0.83 0.56 0.67 9",
        "0.58 12",
    ),
}


@pytest.mark.parametrize("name", HACKATHON)
def test_the_tables_of_the_hackathon_come_out(tmp_path, capsys, name):
    confusion, *lines = HACKATHON[name]
    rows = [(t, p) for t in (0, 1) for p in (0, 1) for _ in range(confusion[t][p])]
    path = tmp_path / "answers.csv"
    path.write_text("truth,answer\n" + "".join(f"{t},{p}\n" for t, p in rows))
    assert main(["evaluate", str(path), "--label", "truth", "--predicted", "answer"]) == 0
    said = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] in said
    assert lines[1] in said
    assert f"accuracy {lines[2]}" in said
    assert any(line.startswith("Only ") for line in said)  # few rows: a caution


def cohort(n=240, seed=0, **more):
    """Labels, a good probability, and a volume that is lower for the positive class."""
    draw = np.random.default_rng(seed)
    y = draw.integers(0, 2, n)
    x = y - 0.5 + draw.normal(0, 1, n)
    volume = np.exp(3 - 0.6 * y + draw.normal(0, 1, n))
    columns = {"y": y, "p": 1 / (1 + np.exp(-x)), "volume": volume}
    return columns | {name: values(draw, y, x) for name, values in more.items()}


def measured(columns, roles, **options):
    return evaluate(Table.of("t", columns), roles, **{"samples": 60} | options)


def test_numbers_are_those_of_scikit_learn():
    data = cohort()
    found = measured(data, Columns("y", "p", baselines=("volume",)))
    assert found.discrimination.auc.value == pytest.approx(roc_auc_score(data["y"], data["p"]))
    assert found.calibration.brier.value == pytest.approx(brier_score_loss(data["y"], data["p"]))
    (volume,) = found.baselines
    inverted = roc_auc_score(data["y"], -data["volume"])
    assert volume.auc.value == pytest.approx(inverted)
    assert volume.difference.value == pytest.approx(found.discrimination.auc.value - inverted)


def test_what_is_chosen_is_chosen_on_validation_rows_alone():
    part = {"part": lambda draw, y, x: np.where(np.arange(len(y)) < 120, "validation", "test")}
    data = cohort(**part)
    roles = Columns("y", "p", baselines=("volume",), part="part")
    before = measured(data, roles)
    # Test rows with the truth reversed: what was chosen must stay, what is measured must not.
    data["y"] = np.where(np.arange(240) < 120, data["y"], 1 - data["y"])
    after = measured(data, roles)
    assert [one.value for one in before.thresholds] == [one.value for one in after.thresholds]
    assert before.calibration.temperature.value == after.calibration.temperature.value
    assert before.baselines[0].inverted
    assert after.baselines[0].inverted
    assert before.discrimination.auc.value == pytest.approx(1 - after.discrimination.auc.value)
    assert before.counts.used == 120


def test_without_validation_rows_nothing_is_chosen():
    found = measured(cohort(), Columns("y", "p"))
    assert [(one.value, one.how) for one in found.thresholds] == [
        (0.5, "one half, not chosen on data")
    ]
    assert found.calibration.temperature is None
    (fixed,) = measured(cohort(), Columns("y", "p"), threshold=0.3).thresholds
    assert fixed.value == 0.3


def test_a_score_that_is_no_probability_is_only_ranked():
    data = cohort()
    data["p"] = 10 * data["p"]
    found = measured(data, Columns("y", "p"))
    assert found.calibration is None
    assert found.decision is None
    assert not found.thresholds
    assert any("is no probability" in note for note in found.notes)


def test_the_positive_class_is_as_asked_or_the_last():
    data = cohort()
    data["y"] = np.where(data["y"] == 1, "LUAD", "LUSC")
    assert measured(data, Columns("y", "p")).classes == ("LUAD", "LUSC")
    asked = measured(data, Columns("y", "p"), positive="LUAD")
    assert asked.classes == ("LUSC", "LUAD")
    assert asked.discrimination.auc.value > 0.5
    assert any("'LUAD'" in note for note in asked.notes)


def test_rows_of_one_patient_are_drawn_together():
    once = cohort(80)
    alone = measured(once, Columns("y", "p"))
    copied = {name: np.repeat(values, 6) for name, values in once.items()}
    # Numbers that are not the same for all that they look alike.
    copied["patient"] = [f"0{10**15 + number}" for number in np.repeat(np.arange(80), 6)]
    roles = Columns("y", "p", group="patient")
    found = measured(copied, roles, samples=400)
    wide = found.discrimination.auc
    narrow = measured(copied, Columns("y", "p")).discrimination.auc
    assert found.counts.patients == 80
    reach = alone.discrimination.auc.high - alone.discrimination.auc.low
    assert wide.value == pytest.approx(alone.discrimination.auc.value)
    assert wide.high - wide.low == pytest.approx(reach, rel=0.2)
    assert narrow.high - narrow.low < reach / 2  # six rows a patient, taken for six patients


def test_repeats_are_measured_one_by_one():
    once = cohort(60)
    # The second repeat's scores lie higher: pooled, they would rank wrongly.
    data = {name: np.concatenate([values, values]) for name, values in once.items()}
    data["p"] = np.concatenate([once["p"] / 10, 0.9 + once["p"] / 10])
    data |= {"seed": np.repeat([0, 1], 60), "patient": np.tile(np.arange(60), 2)}
    found = measured(data, Columns("y", "p", repeat="seed", group="patient"))
    assert found.discrimination.auc.value == pytest.approx(roc_auc_score(once["y"], once["p"]))
    with pytest.raises(InputError, match="needs --group"):
        Columns("y", "p", repeat="seed")


def test_survival_is_of_patients_above_and_below_the_median():
    more = {
        "time": lambda draw, y, x: draw.exponential(np.exp(-x)),
        "event": lambda draw, y, x: draw.integers(0, 2, len(y)),
    }
    found = measured(cohort(**more), Columns("y", "p", time="time", event="event")).survival
    assert found.low.at_risk[0] == found.high.at_risk[0] == 120
    assert found.concordance.low > 0.5  # high scores, early events
    assert found.log_rank.p < 0.001


def test_one_is_one_however_it_is_written():
    data = {"y": ["1", "1.0", "0", "0.0"] * 5, "said": ["1.0", "1", "0.0", "1e0"] * 5}
    answers = measured(data, Columns("y", predicted="said")).hard_predictions
    assert answers.confusion.tolist() == [[5, 5], [0, 10]]


def test_rows_without_a_label_or_score_are_left_out_and_counted():
    data = {name: list(values) for name, values in cohort().items()}
    data["y"][:3], data["p"][2:7] = [None] * 3, [float("nan")] * 5
    found = measured(data, Columns("y", "p"))
    assert found.counts.left_out == (("nothing in 'y'", 3), ("nothing in 'p'", 4))
    assert found.counts.used == 233


def test_several_classes_are_reported():
    draw = np.random.default_rng(0)
    data = {"stage": draw.choice(["T1", "T2", "T3"], 90), "said": draw.choice(["T1", "T2"], 90)}
    found = measured(data, Columns("stage", predicted="said"))
    assert found.hard_predictions.confusion.shape == (3, 3)
    assert found.hard_predictions.confusion.sum() == 90
    with pytest.raises(InputError, match="3 classes"):
        measured(data | {"p": draw.random(90)}, Columns("stage", "p"))


def test_headlines_claim_what_the_intervals_allow():
    luck = cohort()
    luck["p"] = np.random.default_rng(5).random(240)
    assert (
        measured(luck, Columns("y", "p"))
        .headline[0]
        .startswith("The score is not shown to separate")
    )
    good = cohort(noise=lambda draw, y, x: draw.random(len(y)))
    found = measured(good, Columns("y", "p", baselines=("noise",)))
    assert found.headline[0].startswith("The score separates the classes better than chance")
    assert "better than 'noise' alone" in found.headline[1]


def test_the_same_seed_gives_the_same_numbers():
    one, two, other = (measured(cohort(), Columns("y", "p"), seed=s).to_dict() for s in (0, 0, 1))
    assert one == two
    assert one["calibration"]["brier"] != other["calibration"]["brier"]


def test_only_wanted_columns_are_kept(tmp_path):
    path = tmp_path / "wide.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["y", "a", "a", "p"], [0, 1, 2, 0.5], [1, 3, 4, 0.25]])
    assert read_table(path, ["y", "p"]).columns == {"y": ("0", "1"), "p": ("0.5", "0.25")}


def test_the_table_on_the_terminal(tmp_path, capsys):
    data = cohort()
    path = tmp_path / "t.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([list(data), *zip(*data.values(), strict=True)])
    assert main(["evaluate", str(path), "--label", "y", "--score", "p"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"precision +recall +f1-score +support", said)
    assert re.search(r"^AUC +0\.\d{3} \(0\.\d{3} to 0\.\d{3}\), DeLong$", said, re.MULTILINE)
    assert max(map(len, said.splitlines())) < 200


def test_scores_are_read_as_people_write_them(tmp_path):
    """The same numbers whatever their form; what cannot be told is refused with its row."""
    draw = np.random.default_rng(3)
    y = draw.integers(0, 2, 40)
    p = np.clip(draw.random(40) * 0.6 + 0.3 * y, 0, 1).round(3)
    path = tmp_path / "t.csv"
    columns = Columns(label="y", score="p")

    def found(shown, delimiter=",", labels=("0", "1")):
        rows = [f'{labels[a]}{delimiter}"{shown(b)}"' for a, b in zip(y, p, strict=True)]
        path.write_text("\n".join([f"y{delimiter}p", *rows]) + "\n")
        return evaluate(read_table(path, columns), columns, samples=10)

    truth = roc_auc_score(y, p)
    for shown, delimiter in (
        (str, ","),
        (lambda one: f"{100 * one:.1f}%", ","),
        (lambda one: str(one).replace(".", ","), ","),
        (lambda one: str(one).replace(".", ","), ";"),
        (str, "\t"),
    ):
        result = found(shown, delimiter)
        assert result.discrimination.auc.value == pytest.approx(truth)
        assert result.calibration.brier.value == pytest.approx(np.mean((y - p) ** 2))
    rows = "\n".join(["y,p", *("Yes,1" if n % 2 else "yes,0" for n in range(9)), "no,1"])
    path.write_text(rows + "\n")
    with pytest.raises(InputError, match=r"'Yes' and 'yes'.*capitals alone"):
        evaluate(read_table(path, columns), columns)
    path.write_text("y,p\n0,.5\n1,1e400\n")
    with pytest.raises(InputError, match=r"row 2: '1e400'.*no finite number"):
        evaluate(read_table(path, columns), columns)


def test_events_are_read_as_people_write_them():
    """R's 1 and 2, words and truth values give the concordance of 0 and 1; others are refused."""
    draw = np.random.default_rng(4)
    y, event = draw.integers(0, 2, 40), draw.integers(0, 2, 40)
    p, time = draw.random(40), draw.integers(1, 1500, 40)
    columns = Columns(label="y", score="p", time="t", event="e")

    def found(events, times=time):
        table = Table.of("t.csv", {"y": y, "p": p, "t": times, "e": events})
        return evaluate(table, columns, samples=10)

    truth = concordance_index(time, -p, event)
    for events in (event, event + 1, event.astype(bool), np.array(["alive", "dead"])[event]):
        assert found(list(events)).survival.concordance.value == pytest.approx(truth)
    assert "1 censored, 2 dead" in found(list(event + 1)).notes[0]
    with pytest.raises(InputError, match="row 1: the time -3 is below 0"):
        found(list(event), [-3, *time[1:]])
    with pytest.raises(InputError, match="whose meaning is not known"):
        found([2, 0, 1, *event[3:]])


def test_what_makes_a_table_look_better_than_it_is_is_said():
    draw = np.random.default_rng(5)
    y, p = draw.integers(0, 2, 40), draw.random(40)
    thrice = Table.of("t.csv", {"y": [*y] * 3, "p": [*p] * 3})
    cautions = " ".join(evaluate(thrice, Columns(label="y", score="p"), samples=10).cautions)
    assert "80 of 120 rows have the label and the score of another" in cautions
    parts = ["validation", "test"] * 20
    groups = [f"P{n // 2 if n < 20 else n}" for n in range(40)]  # ten patients in both parts
    both = Table.of("t.csv", {"y": y, "p": p, "g": groups, "part": parts})
    columns = Columns(label="y", score="p", group="g", part="part")
    assert "10 patients have validation rows and test rows" in evaluate(both, columns).notes[0]
    half = Table.of("t.csv", {"y": y, "p": p, "g": [f"P{n}" if n % 2 else "" for n in range(40)]})
    found = evaluate(half, Columns(label="y", score="p", group="g"), samples=10)
    assert "20 of 40 rows were left out (nothing in 'g')" in " ".join(found.cautions)
