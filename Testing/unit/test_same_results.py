"""Equal results compare as equal; the smallest change, a lost figure or a rename is noticed."""

import json
import math

import numpy as np
import pytest
import SimpleITK as sitk

from Testing.same_results import __main__ as program
from Testing.same_results import renames
from Testing.same_results.figures import compare, figures_in
from Testing.same_results.jobs import TUMOURS, all_jobs

pytest.importorskip("safetensors")
from safetensors.numpy import save_file

NUMBERS = np.linspace(-1, 1, 24, dtype=np.float32).reshape(2, 3, 4)


def write(folder, *, number=0.5, array=NUMBERS, cell="3.25", word="T2a", key="score"):
    """Results of every kind in a folder; arguments say what is in them."""
    folder.mkdir(parents=True)
    about = {key: number, "stage": word, "flags": [True, None], "text": "Two words"}
    about |= {"sha256": str(folder), "path": f"{folder}/x"}
    (folder / "about.json").write_text(json.dumps(about), encoding="utf-8")
    table = f"patient,score,group\nA,1,g1\nB,{cell},g2\n"
    (folder / "table.csv").write_text(table, encoding="utf-8")
    np.savez(folder / "case.npz", ct=array, about=np.frombuffer(b'{"ml": 2.5}', np.uint8))
    sitk.WriteImage(sitk.GetImageFromArray(array), str(folder / "crop.nrrd"))
    save_file({"w": array}, folder / "model.safetensors", {"card": json.dumps({"AUC": number})})
    (folder / "page.html").write_text(str(folder), encoding="utf-8")
    return folder


def test_equal_results_compare_as_equal_to_the_last_number(tmp_path):
    old, new = (figures_in(write(tmp_path / name)) for name in ("old", "new"))
    comparison = compare(old, new)
    # JSON: 1 number, 2 in flags, 1 word; table: 2 scores, 2 patients, 2 groups; three arrays of 24;
    # 1 in the case; the volume's 3 + 3 + 9; 1 in the card.
    assert comparison.compared == 4 + 6 + 72 + 1 + 15 + 1
    assert program.verdict("job", comparison) == ("identical", True)


ONE_BIT = NUMBERS.copy()
ONE_BIT[1, 2, 3] = np.nextafter(np.float32(1), np.float32(2))
CHANGES = {
    "a number in JSON": ({"number": 0.5000001}, 1e-7, 2),
    "a bit of an array": ({"array": ONE_BIT}, 2**-23, 3),
    "a shape": ({"array": NUMBERS.reshape(3, 2, 4)}, math.inf, 3),
    "a number that is none": ({"number": None}, math.inf, 2),
    "a cell": ({"cell": "3.26"}, 0.01, 1),
    "numbers and a word": ({"number": 0.75, "word": "T2b"}, 0.25, 3),
    "a word": ({"word": "T2b"}, math.inf, 1),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_noticed_with_its_size(tmp_path, name):
    change, size, count = CHANGES[name]
    comparison = compare(
        figures_in(write(tmp_path / "a")), figures_in(write(tmp_path / "b", **change))
    )
    assert len(comparison.differing) == count
    assert comparison.largest == pytest.approx(size, rel=1e-3)
    text, good = program.verdict("job", comparison)
    assert f"{count} DIFFER" in text
    assert not good


def test_a_lost_figure_is_bad_and_its_new_name_is_guessed(tmp_path, monkeypatch):
    old, new = figures_in(write(tmp_path / "a")), figures_in(write(tmp_path / "b", key="p"))
    comparison = compare(old, new)
    assert (comparison.only_old, comparison.only_new) == (["about.json/score"], ["about.json/p"])
    assert comparison.renames == {("score", "p"): 1}
    text, good = program.verdict("job", comparison)
    assert (text, good) == ("1 GONE, such as about.json/score", False)
    monkeypatch.setattr(program, "REASONS", [("job", "*/score", "not written any more")])
    assert program.verdict("job", comparison) == ("reason known: not written any more", True)
    assert not program.verdict("another", comparison)[1]
    monkeypatch.setitem(renames.NAMES, "score", "p")
    again = compare(figures_in(tmp_path / "a"), figures_in(tmp_path / "b"))
    assert not again.only_old
    assert not again.differing


def test_a_broken_file_is_noticed(tmp_path):
    old, new = write(tmp_path / "old"), write(tmp_path / "new")
    content = (new / "model.safetensors").read_bytes()
    (new / "model.safetensors").write_bytes(content[:-8])
    (new / "table.csv").unlink()
    text, good = program.verdict("job", compare(figures_in(old), figures_in(new)))
    assert text.startswith("7 GONE")  # a column of numbers, 4 words; the weights and the card
    assert not good


def test_nothing_to_compare_is_not_equal():
    assert not program.verdict("job", compare({}, {}))[1]


def test_commands_are_translated_to_what_a_checkout_knows(tmp_path):
    bundled = tmp_path / "LungSquadLib/models/bundled"
    bundled.mkdir(parents=True)
    words = ["train", "vae", "--test", "0.2", "--seeds", "2"]
    before = {"train vae": ["--test", "--seeds"]}
    after = {"train autoencoder": ["--test-fraction", "--seeds"]}
    half = {"train autoencoder": ["--test", "--seeds"]}
    assert renames.translate(words, before, tmp_path) == words
    there = ["train", "autoencoder", "--test-fraction", "0.2", "--seeds", "2"]
    assert renames.translate(words, after, tmp_path) == there
    there[2] = "--test"
    assert renames.translate(words, half, tmp_path) == there
    model = ["synthesise", "demo-translation"]
    assert renames.translate(model, {"inpaint": []}, tmp_path) == ["inpaint", "demo-inpainting"]
    (bundled / "demo-translation.safetensors").touch()
    assert renames.translate(model, {"synthesise": []}, tmp_path) == model


def test_names_in_outputs_are_translated_files_with_their_endings():
    assert renames.common_name("a/demo-translation.safetensors/x") == (
        "a/demo-inpainting.safetensors/x"
    )
    assert renames.common_name("a/translation/my-translation") == "a/inpainting/my-translation"
    assert renames.common_name("m/head.after.answer.bias") == "m/head.after.logits.bias"
    assert renames.common_name("m/the-answer") == "m/the-answer"


def test_job_names_differ_and_jobs_read_only_what_an_earlier_job_wrote():
    jobs = all_jobs()
    names = {job.name for job in jobs}
    assert len(names) == len(jobs)
    earlier, earlier_quick = set(), set()
    for job in jobs:
        folders = {word.split("=")[-1].split("/")[0] for word in job.words}
        written = earlier_quick if job.quick else earlier
        assert folders & names <= written | {job.name}, job.name
        earlier.add(job.name)
        earlier_quick |= {job.name} if job.quick else set()


def test_every_word_in_braces_is_known():
    places = {"inputs": "i", "data": "d", "centre-phantom": "0,0,0"}
    places |= {f"centre-{name}": "0,0,0" for name in TUMOURS}
    for job in all_jobs():
        assert not any(letter in word for word in job.filled(places) for letter in "{}"), job.name
