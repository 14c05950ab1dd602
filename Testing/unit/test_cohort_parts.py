"""Parts of a cohort, built one by one, merge into the store that one build makes."""

import json

import pytest
import SimpleITK as sitk

from LungSquadLib import __version__
from LungSquadLib.cli import main
from LungSquadLib.data.build import build_cohort, merge_parts
from LungSquadLib.data.parts import Part, parse_part
from LungSquadLib.data.store import open_store
from LungSquadLib.errors import InputError

from ..hostile import contents
from ..samples import ball_images
from .test_cohort_build import build_in_this_process, row, write_manifest

ROWS = 7


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """Seven rows, of which one has no images and one no name."""
    folder = tmp_path_factory.mktemp("patients")
    for number in range(ROWS):
        for image, name in zip(ball_images(radius=6.0 + number), ("ct", "mask"), strict=True):
            sitk.WriteImage(image, str(folder / f"{name}{number}.nrrd"))
    rows = [row(number) for number in range(ROWS)]
    rows[4] = row(4, ct="gone.nrrd")
    rows[5] = rows[5].removesuffix("c5")
    return write_manifest(folder / "manifest.csv", rows)


@pytest.fixture(scope="module")
def built(manifest, tmp_path_factory):
    folder = tmp_path_factory.mktemp("built") / "store"
    build_in_this_process(manifest, folder)
    return folder


@pytest.fixture(scope="module")
def parts(manifest, tmp_path_factory):
    """The stores of three parts."""
    folder = tmp_path_factory.mktemp("parts")
    for number in (1, 2, 3):
        build_in_this_process(manifest, folder / str(number), part=Part(number, 3))
    return [folder / str(number) for number in (1, 2, 3)]


def test_a_part_has_every_nth_row(parts):
    cases = [[case.case for case in open_store(part).cases] for part in parts]
    assert cases == [["c0", "c3", "c6"], ["c1"], ["c2", "case-0006"]]  # c4 failed, in part 2


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_merged_parts_have_the_bytes_of_one_build(parts, built, tmp_path, order):
    summary = merge_parts([parts[number] for number in order], tmp_path / "s")
    assert (summary.done, summary.failed) == (6, 1)
    assert contents(tmp_path / "s") == contents(built)
    again = contents(tmp_path / "s")
    (tmp_path / "s" / "cases" / "c1.npz").unlink()
    merge_parts(parts, tmp_path / "s")
    assert contents(tmp_path / "s") == again


def test_the_commands_do_the_same(manifest, built, tmp_path, capsys):
    for number in (1, 2):
        words = [
            "cohort",
            "build",
            manifest,
            "-o",
            tmp_path / f"p{number}",
            "--part",
            f"{number}/2",
        ]
        assert main([*map(str, words), "--size", "16", "--margin", "4"]) == 0
    words = ["cohort", "merge", tmp_path / "p1", tmp_path / "p2", "-o", tmp_path / "s"]
    assert main([*map(str, words)]) == 0
    assert capsys.readouterr().out.endswith("6 done, 0 finished before, 1 failed\n")
    assert contents(tmp_path / "s") == contents(built)


def test_a_merged_store_is_one_that_a_build_goes_on_with(parts, manifest, built, tmp_path):
    merge_parts(parts, tmp_path / "s")
    assert build_in_this_process(manifest, tmp_path / "s").skipped == 6
    assert contents(tmp_path / "s") == contents(built)


def refused(parts, folder, sentence):
    with pytest.raises(InputError, match=sentence):
        merge_parts(parts, folder)
    assert not folder.exists()


def test_parts_that_are_not_all_are_refused(parts, built, tmp_path):
    refused(parts[:2], tmp_path / "s", "Part 3 of 3 is missing")
    refused([*parts, parts[0]], tmp_path / "s", "Part 1 of 3 is given more than once")
    refused([*parts, built], tmp_path / "s", "is a whole store and no part")
    refused([*parts, tmp_path], tmp_path / "s", "is no store of a cohort")


def test_parts_of_two_cohorts_are_refused(parts, manifest, tmp_path):
    text = manifest.read_text(encoding="utf-8")
    other = manifest.with_name("other.csv")
    other.write_text(text.replace("LUAD,c2", "LUSC,c2"), encoding="utf-8")
    build_in_this_process(other, tmp_path / "label", part=Part(1, 3))
    refused([tmp_path / "label", *parts[1:]], tmp_path / "s", "parts with another manifest")
    build_in_this_process(manifest, tmp_path / "four", part=Part(1, 4))
    refused([tmp_path / "four", *parts[1:]], tmp_path / "s", "another number of parts")
    build_cohort(manifest, tmp_path / "size", part=Part(1, 3))
    refused([tmp_path / "size", *parts[1:]], tmp_path / "s", "another preprocessing")


def test_a_part_of_another_version_is_refused_in_one_sentence(manifest, parts, tmp_path):
    build_in_this_process(manifest, tmp_path / "old", part=Part(1, 3))
    path = tmp_path / "old" / "store.json"
    about = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**about, "lungsquad": "0.0.1"}), encoding="utf-8")
    refused(
        [tmp_path / "old", *parts[1:]],
        tmp_path / "s",
        rf"was built by LungSquad 0\.0\.1, and this one is {__version__}: build",
    )
    build_in_this_process(manifest, tmp_path / "old", part=Part(1, 3))  # builds it anew
    merge_parts([tmp_path / "old", *parts[1:]], tmp_path / "s")


def test_an_interrupted_or_damaged_part_is_refused(manifest, parts, tmp_path):
    build_in_this_process(manifest, tmp_path / "p", part=Part(1, 3))
    index = tmp_path / "p" / "index.json"
    whole = index.read_text(encoding="utf-8")
    cases = json.loads(whole)
    cases["cases"].pop()
    index.write_text(json.dumps(cases), encoding="utf-8")
    refused([tmp_path / "p", *parts[1:]], tmp_path / "s", "is not finished: it has 2 of 3 cases")
    index.write_text(whole, encoding="utf-8")
    with (tmp_path / "p" / "cases" / "c3.npz").open("r+b") as file:
        file.seek(500)
        file.write(b"damage")
    with pytest.raises(InputError, match=r"'.*c3\.npz' is damaged"):
        merge_parts([tmp_path / "p", *parts[1:]], tmp_path / "s")
    assert not (tmp_path / "s" / "cases" / "c3.npz").exists()
    with pytest.raises(InputError, match="is not finished"):
        open_store(tmp_path / "s")


def test_a_folder_holds_one_part(manifest, parts, built):
    for folder, part, sentence in (
        (parts[0], Part(2, 3), "holds part 1 of 3, not part 2 of 3"),
        (parts[0], None, "holds part 1 of 3, not a whole cohort"),
        (built, Part(1, 3), "holds a whole cohort, not part 1 of 3"),
    ):
        with pytest.raises(InputError, match=sentence):
            build_in_this_process(manifest, folder, part=part)


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "1/0", "a/b", "1/3/3", "-1/3", "1/99999"])
def test_a_part_that_is_none_is_refused(text):
    with pytest.raises(InputError, match="--part must be I/N"):
        parse_part(text)


def test_more_parts_than_rows_are_refused(manifest, tmp_path):
    with pytest.raises(InputError, match="fewer rows than parts: part 8 of 8 has none"):
        build_in_this_process(manifest, tmp_path / "s", part=Part(8, 8))
    assert not (tmp_path / "s").exists()
