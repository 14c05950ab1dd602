"""The models that ship: small enough, and each says what it learnt from and how well it does."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from LungSquadLib.models.catalogue import BUNDLED, DEMO
from LungSquadLib.models.file import read_card
from LungSquadLib.training.folds import FoldOptions

FILES = sorted(BUNDLED.glob("*.safetensors"))
LARGEST_FILE, LARGEST_SUM = 5_000_000, 20_000_000  # bytes


def test_models_are_small():
    sizes = {path.name: path.stat().st_size for path in FILES}
    assert sum(sizes.values()) <= LARGEST_SUM, sizes
    assert max(sizes.values()) <= LARGEST_FILE, sizes


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_model_is_named_as_its_file_and_says_its_licence_and_data(path):
    card = read_card(path)
    assert card.name == path.stem
    assert card.licence
    assert card.training.data
    if card.name.startswith(DEMO):
        assert "phantom" in card.training.data.lower() + (card.notice or "").lower()


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.stem.startswith("nodule-")], ids=lambda path: path.stem
)
def test_a_model_of_real_nodules_says_where_they_are_from(path):
    card = read_card(path)
    text = json.dumps(asdict(card))
    for fact in ("LIDC-IDRI", "CC BY 3.0", "10.7937/K9/TCIA.2015.LO9QL9SX", "fold"):
        assert fact in text, fact
    assert card.training.patients
    assert card.training.seen
    assert "phantom" not in (card.notice or "").lower()


def test_a_card_says_which_fold_was_kept():
    assert FoldOptions().kept_for_test == ""
    sentence = FoldOptions(fold_column="fold", test_fold="3").kept_for_test
    assert sentence == " The cases whose fold is 3 were kept for the test."
