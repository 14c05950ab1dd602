"""Overlap: no patient, series or image of the test was seen before, here or by a former model."""

import json
from dataclasses import replace

import pytest

from LungSquadLib.cli import main
from LungSquadLib.data.overlap import fold_overlap, overlap, seen
from LungSquadLib.data.splits import Fold
from LungSquadLib.errors import ModelError
from LungSquadLib.models.card import FORMAT_VERSION, MAX_SEEN, Card, Seen, Training
from LungSquadLib.models.file import read_card, read_model_file
from Testing import model_samples
from Testing.stored_cases import stored_case

CASES = [stored_case(f"c{i}") for i in range(9)]
FOLD = Fold(("c0", "c1", "c2"), ("c3", "c4"), ("c5", "c6", "c7"))


def changed(name, **changes):
    return [stored_case(case.case, **changes) if case.case == name else case for case in CASES]


def test_a_clean_fold_passes():
    assert not fold_overlap(FOLD, CASES)


@pytest.mark.parametrize(
    ("link", "word"),
    [("patient", "patient"), ("series", "series"), ("pixels", "CT"), ("crop", "crop")],
)
@pytest.mark.parametrize("part", ["c1", "c4"])
def test_a_leak_into_the_test_is_found(part, link, word):
    of = {case.case: case for case in CASES}
    found = fold_overlap(FOLD, changed("c6", **{link: getattr(of[part], link)}))
    assert found
    assert (found.counts, found.cases) == ({link: 1}, ("c6",))
    said = f"The test set shares 1 {word} with the training data (cases: c6)."
    assert found.sentence == said
    assert found.refusal.startswith(f"{said} Leave them out, or pass --allow-overlap;")


def test_a_leak_from_training_to_validation_is_found():
    leaky = changed("c3", patient=CASES[0].patient, pixels=CASES[1].pixels)
    found = fold_overlap(FOLD, leaky)
    assert found.sentence.startswith("The validation set shares 1 patient and 1 CT with the train")


def test_a_model_knows_what_it_has_seen():
    known = seen(CASES[:5])
    assert not overlap(known, CASES[5:])
    found = overlap(known, CASES[3:])
    assert found.counts == {"patient": 2, "series": 2, "pixels": 2}
    assert found.cases == ("c3", "c4")
    assert found.sentence == (
        "The test set shares 2 patients, 2 series and 2 CTs with the training data of the model "
        "you start from (cases: c3, c4)."
    )
    assert "c4 and 1 more" in overlap(seen(CASES), CASES[:6]).sentence


def test_what_is_unknown_overlaps_with_nothing():
    one, other = (stored_case(name, series="") for name in "ab")
    assert seen([one]).series == ()
    assert not overlap(seen([one]), [other])


def test_a_model_inherits_what_its_start_had_seen():
    known = seen(CASES[:3]) | seen(CASES[2:5])
    assert known == seen(CASES[:5])
    assert overlap(known, CASES[:1])


def test_a_card_carries_it_and_names_nobody(tmp_path, capsys):
    cases = [stored_case("Jane-Doe", patient="MRN-1234"), *CASES]
    marked = Training(
        "phantoms", seen=seen(cases), overlap_allowed="One is in both.", started_from="0a" * 32
    )
    path = model_samples.model_file(tmp_path / "m.safetensors", training=marked)
    assert read_model_file(path).card.training == marked
    assert b"MRN-1234" not in path.read_bytes()
    assert b"Jane-Doe" not in path.read_bytes()
    assert main(["models", "show", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "10 patients, 10 series, 10 CTs (as hashes)" in shown
    assert "One is in both." in shown


def test_the_most_that_a_model_may_have_seen_fits_into_its_header(tmp_path):
    many = tuple(f"{i:016x}" for i in range(MAX_SEEN))
    training = Training("phantoms", seen=Seen(many, many, many))
    path = model_samples.model_file(tmp_path / "m.safetensors", training=training)
    assert read_card(path).training == training
    more = replace(training, seen=Seen((*many, "f" * 16), many, many))
    with pytest.raises(ModelError, match="at most 10000 entries"):
        model_samples.model_file(tmp_path / "m.safetensors", training=more)


def test_a_card_of_another_version_is_refused_and_what_to_do_is_said():
    card = model_samples.card(model_samples.network())
    for version, words in ((FORMAT_VERSION - 1, "again"), (FORMAT_VERSION + 1, "update")):
        other = json.loads(card.to_json()) | {"format_version": version}
        with pytest.raises(ModelError, match=words):
            Card.from_json(json.dumps(other))
