"""Slices are what a reader would see of the tumour, the same from a manifest and from a store."""

import csv
import json
import subprocess
import sys
import zipfile
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from LungSquadLib.cli import main
from LungSquadLib.data.build import build_cohort
from LungSquadLib.data.overlap import overlap, seen
from LungSquadLib.data.slice_set import Slicing, open_slices
from LungSquadLib.data.slicing import make_slices
from LungSquadLib.data.store import Preprocessing, open_store
from LungSquadLib.errors import CancelledError, InputError
from LungSquadLib.files import sha256_of_file
from LungSquadLib.imaging.ct import as_ct
from LungSquadLib.imaging.masks import as_mask
from LungSquadLib.imaging.slices import (
    SMALLEST_MM2,
    AxialSlices,
    axial_slices,
    slices_of_cube,
    tumour_slices,
    without_padding,
)
from LungSquadLib.progress import Silent
from LungSquadLib.training.gan.data import set_up
from LungSquadLib.training.gan.options import GanOptions

from ..hostile import contents
from ..samples import ball_images
from ..slice_samples import disc_set
from .test_cohort_build import in_this_process

AXES = ("LPS", "RAS", "PIL")  # how those of a case's CT run
CHEST = {"context": "slice", "pixels": 128, "pixel_mm": 1.0}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """A ball in lung in three patients: axial, axial the other way round, and coronal."""
    folder = tmp_path_factory.mktemp("patients")
    lines = ["patient_id,ct,mask,site,histology,case"]
    for number, axes in enumerate(AXES):
        for image, name in zip(ball_images(radius=6.0 + number), ("ct", "mask"), strict=True):
            path = folder / f"Smith-{name}{number}.nrrd"
            sitk.WriteImage(sitk.DICOMOrient(image, axes), str(path))
        lines.append(f"MRN-{number},Smith-ct{number}.nrrd,Smith-mask{number}.nrrd,A,LUAD,c{number}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "manifest.csv"


@contextmanager
def here():
    """Without the second that processes take to start."""
    with in_this_process():
        yield


@pytest.fixture(scope="module")
def made(manifest, tmp_path_factory):
    """The set of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("made") / "slices"
    with here():
        make_slices(manifest, folder)
    return open_slices(folder)


@pytest.fixture(scope="module")
def store(manifest, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stored") / "store"
    with here():
        build_cohort(manifest, folder, preprocessing=Preprocessing(64, 3))
    return open_store(folder)


def test_a_store_and_its_manifest_give_the_same_slices(made, store, tmp_path):
    with here():
        make_slices(store.folder, tmp_path / "s")
    of_store = open_slices(tmp_path / "s")
    assert of_store.slicing == made.slicing
    for ours, theirs in zip(made.cases, of_store.cases, strict=True):
        hu, mask = made.content(ours)
        assert (hu.dtype, mask.dtype, hu.shape) == (np.int16, np.uint8, (ours.count, 64, 64))
        for one, other in zip((hu, mask), of_store.content(theirs), strict=True):
            assert np.array_equal(one, other)
        for name in ("case", "patient", "series", "pixels", "crop", "count", "left_out", "columns"):
            assert getattr(ours, name) == getattr(theirs, name)


def test_what_a_store_knows_of_its_cases_tells_that_slices_are_theirs(made, store):
    found = overlap(seen(store.cases), made.cases)
    assert found.counts == {"patient": 3, "pixels": 3}


def cut(images, **how):
    ct = as_ct(images[0])
    return axial_slices(ct, as_mask(images[1], ct), **how)


def test_whichever_way_the_axes_run_a_reader_sees_the_same():
    images = ball_images(spacing=(1.0, 1.0, 1.0))
    first, *others = (
        cut([sitk.DICOMOrient(one, axes) for one in images], **CHEST) for axes in AXES
    )
    whole = tumour_slices(*images)
    assert np.array_equal(first.mask.sum(axis=(1, 2)), whole.mask.sum(axis=(1, 2)))
    assert first.hu[first.mask != 0].tolist() == whole.ct[whole.mask != 0].tolist()
    for other in others:
        assert np.array_equal(other.hu, first.hu)
        assert np.array_equal(other.mask, first.mask)


def test_a_ct_that_lies_askew_is_cut_along_its_axes():
    images, half = ball_images(), 0.5**0.5
    for image in images:
        image.SetDirection((half, 0, -half, 0, 1, 0, half, 0, half))
    for context in ("tumour", "slice"):
        assert cut(images, context=context, pixels=64, pixel_mm=2.0).hu.shape[1:] == (64, 64)


def test_another_field_has_other_pixels_and_the_usual_ones_are_what_they_were():
    assert (
        Slicing().hash == "9d51c603955cb3bc"
    )  # of the sets that were made before there were fields
    slicing = Slicing(field=48.0)
    assert (slicing.field_mm, slicing.pixel_mm) == (48, 0.75)
    assert len({Slicing().hash, slicing.hash, Slicing(largest_padding=0.0).hash}) == 3


def test_a_field_on_the_command_line_is_cut_and_read_again(manifest, tmp_path):
    out = tmp_path / "slices"
    with here():
        call = f"gan data {manifest} -o {out} --field 32 --resolution 32 --largest-padding 0.5"
        assert main(call.split()) == 0
    slices = open_slices(out)
    assert (slices.slicing.field_mm, slices.slicing.largest_padding) == (32, 0.5)
    ball = max(slices.content(slices.cases[0])[1].sum(axis=(1, 2)))
    assert ball == pytest.approx(np.pi * 6.0**2, rel=0.1)  # of 6 mm, in pixels of 1 mm2


def test_native_slices_have_the_voxels_of_the_ct_and_their_size(tmp_path):
    spacing = (0.7, 0.7, 2.5)
    images = ball_images(spacing=spacing)
    for image, name in zip(images, ("ct", "mask"), strict=True):
        sitk.WriteImage(sitk.DICOMOrient(image, "RAS"), str(tmp_path / f"{name}.nrrd"))
    manifest = tmp_path / "m.csv"
    manifest.write_text("patient_id,ct,mask\np,ct.nrrd,mask.nrrd\n", encoding="utf-8")
    with here():
        call = f"gan data {manifest} -o {tmp_path / 's'} --native --resolution 32"
        assert main(call.split()) == 0
    slices = open_slices(tmp_path / "s")
    (case,) = slices.cases
    assert slices.slicing.native
    assert case.pixel_mm == pytest.approx(0.7)
    assert slices.pixel_mm(case) == case.pixel_mm
    hu, mask = slices.content(case)
    whole = tumour_slices(*images)
    areas = whole.mask.sum(axis=(1, 2))
    kept = areas * 0.49 >= SMALLEST_MM2
    whole_hu, whole_mask = whole.ct[kept], whole.mask[kept]
    assert np.array_equal(mask.sum(axis=(1, 2)), areas[kept])  # the outline as it was drawn
    first = [axis.min() for axis in np.nonzero(whole_mask.any(axis=0))]
    shift = [
        start - axis.min() for start, axis in zip(first, np.nonzero(mask.any(axis=0)), strict=True)
    ]
    window = (slice(None), *(slice(start, start + 32) for start in shift))
    assert np.array_equal(hu, np.rint(whole_hu[window]).astype(np.int16))
    assert np.array_equal(mask, whole_mask[window])


def test_what_needs_pixels_of_one_size_refuses_native_slices(tmp_path):
    with pytest.raises(InputError, match="--field cannot be given"):
        Slicing(native=True, field=32.0)
    slices = disc_set(tmp_path, 4)
    native = replace(slices, slicing=Slicing(16, native=True))
    with pytest.raises(InputError, match="without --native"):
        set_up(native, GanOptions()).spec  # noqa: B018
    assert Slicing(16, native=True).hash != Slicing(16).hash
    assert "own size" in str(native.slicing)


def test_slices_with_padding_are_left_out_and_counted():
    hu, mask = np.zeros((4, 10, 10), np.int16), np.ones((4, 10, 10), np.uint8)
    hu[1, 0, 0] = hu[3, :5] = -1024  # 1 % and half of the pixels lie beyond the CT
    hu[2] = -1023
    slices = AxialSlices(hu, mask, 7)
    kept = without_padding(slices, 0.0)
    assert (len(kept.hu), kept.left_out, kept.padded) == (2, 7, 2)
    assert np.array_equal(kept.hu, hu[[0, 2]])
    assert [without_padding(slices, largest).padded for largest in (0.01, 0.49, 0.5, 1.0)] == [
        1,
        1,
        0,
        0,
    ]
    with pytest.raises(InputError, match="at least 1% is padding"):
        without_padding(AxialSlices(hu[[1, 3]], mask[:2], 0), 0.0)


def test_finer_pixels_show_the_same_slices():
    coarse, fine = (
        cut(ball_images(), context="tumour", pixels=pixels, pixel_mm=64 / pixels)
        for pixels in (64, 256)
    )
    assert len(coarse.hu) == len(fine.hu)
    areas = [slices.mask.sum(axis=(1, 2)) for slices in (coarse, fine)]
    assert np.allclose(areas[0], areas[1] / 16, atol=20)
    assert np.median(fine.hu[fine.mask != 0]) == pytest.approx(40, abs=15)


def test_large_pixels_are_averages_and_noise_sinks():
    noise = np.random.default_rng(0).normal(0, 300, (6, 256, 256))
    ball = np.zeros(noise.shape, np.uint8)
    ball[:, 120:136, 120:136] = 1
    images = [sitk.GetImageFromArray(array) for array in (noise.round().astype(np.int16), ball)]
    slices = cut(images, context="slice", pixels=32, pixel_mm=5.0)
    assert slices.hu[:, 8:24, 8:24].std() == pytest.approx(300 / 5, rel=0.1)
    assert slices.mask.sum(axis=(1, 2)).tolist() == [16] * 6  # pixels with their centre in it


def test_what_is_too_little_is_told_in_mm2_whatever_the_pixels():
    hu, mask = np.zeros((2, 8, 32, 32), np.int16)
    for number in range(8):
        mask[number].flat[32 * 16 + 10 : 32 * 16 + 10 + number] = 1
    images = [sitk.GetImageFromArray(array) for array in (hu, mask.astype(np.uint8))]
    for image in images:
        image.SetSpacing((2.0, 2.0, 3.0))
    slices = cut(images, context="slice", pixels=32, pixel_mm=2.0)
    assert slices.mask.sum(axis=(1, 2)).tolist() == [3, 4, 5, 6, 7]  # of 4 mm2 each
    assert slices.left_out == 2


def test_the_chest_is_centred_on_the_body_and_not_on_the_table():
    hu = np.full((4, 200, 200), -1000, np.int16)
    hu[:, 20:130, 60:180] = 30
    hu[:, 130:133] = 31  # which the body lies on
    mask = np.zeros(hu.shape, np.uint8)
    mask[:, 50:60, 70:80] = 1
    images = [sitk.GetImageFromArray(hu), sitk.GetImageFromArray(mask)]
    body = cut(images, context="slice", pixels=256, pixel_mm=1.0).hu[0] == 30
    rows, columns = (np.flatnonzero(body.any(axis=axis)) for axis in (1, 0))
    assert (rows[0] + rows[-1]) / 2 == pytest.approx(128, abs=2)
    assert (columns[0] + columns[-1]) / 2 == pytest.approx(128, abs=2)


def test_slices_with_hardly_any_tumour_are_left_out_and_counted():
    hu, mask = np.zeros((2, 8, 16, 16), np.int16)
    for number, area in enumerate((0, 1, 11, 12, 13, 40, 0, 5)):
        mask[number].flat[:area] = 1
    slices = slices_of_cube(hu, mask.astype(np.uint8))
    assert slices.mask.sum(axis=(1, 2)).tolist() == [12, 13, 40]
    assert slices.left_out == 3
    with pytest.raises(InputError, match=f"No slice of the mask has {SMALLEST_MM2:g} mm2"):
        slices_of_cube(hu, np.uint8(mask == 9))


class AfterTwo(Silent):
    """Cancels when two cases are done."""

    cancelled = False

    def report(self, fraction, message):
        self.cancelled = message.startswith("2 of")


def test_what_was_cancelled_goes_on_to_the_same_end(made, manifest, tmp_path):
    with here():
        with pytest.raises(CancelledError):
            make_slices(manifest, tmp_path / "s", progress=AfterTwo())
        assert [case.case for case in open_slices(tmp_path / "s").cases] == ["c0", "c1"]
        kept = (tmp_path / "s" / "cases" / "c0.npz").stat().st_mtime_ns
        (tmp_path / "s" / "cases" / "c1.npz").write_bytes(b"damaged")
        summary = make_slices(manifest, tmp_path / "s")
    assert (summary.done, summary.skipped) == (2, 1)
    assert (tmp_path / "s" / "cases" / "c0.npz").stat().st_mtime_ns == kept
    assert contents(tmp_path / "s") == contents(made.folder)


@pytest.mark.slow
def test_a_killed_run_is_gone_on_with_in_two_processes(made, manifest, tmp_path, capsys):
    folder = tmp_path / "s"
    command = ["gan", "data", str(manifest), "-o", str(folder)]
    with subprocess.Popen([sys.executable, "-m", "LungSquadLib", *command]) as process:
        while process.poll() is None and not list(folder.glob("cases/*.npz")):
            pass
        process.kill()
    assert main([*command, "--jobs", "2"]) == 0
    assert "slices per case" in capsys.readouterr().out
    (folder / "overview.png").unlink()
    assert contents(folder) == contents(made.folder)


def test_a_wrong_case_is_a_row_without_names(manifest, tmp_path):
    text = manifest.read_text(encoding="utf-8") + "MRN-9,Smith-ct0.nrrd,Smith-gone.nrrd,A,LUSC,c9\n"
    (manifest.parent / "wrong.csv").write_text(text, encoding="utf-8")
    with here():
        summary = make_slices(manifest.parent / "wrong.csv", tmp_path / "s")
    assert (summary.done, summary.failed, summary.exit_code) == (3, 1, 0)
    with (tmp_path / "s" / "errors.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["row"], row["case"]) == ("4", "c9")
    for path in (tmp_path / "s").rglob("*.*"):
        for name in (b"MRN", b"Smith", bytes(manifest.parent.name, "ascii")):
            assert name not in path.read_bytes(), path


def test_a_set_whose_images_are_gone_stays_a_set_that_says_so(manifest, tmp_path):
    lines = manifest.read_text(encoding="utf-8").splitlines()[:2]
    (manifest.parent / "one.csv").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "one.csv").write_text("\n".join(lines), encoding="utf-8")
    with here():
        make_slices(manifest.parent / "one.csv", tmp_path / "s")
        with pytest.raises(InputError, match="Not one of 1 cases gave slices"):
            make_slices(tmp_path / "one.csv", tmp_path / "s")
        assert "c0" in (tmp_path / "s" / "errors.csv").read_text(encoding="utf-8")
        assert make_slices(manifest.parent / "one.csv", tmp_path / "s").skipped == 1


def index(changed):
    """A set whose slices.json was changed."""

    def spoil(folder):
        path = folder / "slices.json"
        described = json.loads(path.read_text(encoding="utf-8"))
        changed(described)
        path.write_text(json.dumps(described), encoding="utf-8")

    return spoil


DAMAGE = {
    "no set": (lambda folder: (folder / "slices.json").unlink(), "is no set of slices"),
    "not finished": (index(lambda d: d.update(cases=[])), "not finished"),
    "too new": (index(lambda d: d.update(format_version=99)), "update LungSquad"),
    "another slicing": (index(lambda d: d["slicing"].update(window="full")), "its hash says"),
    "odd pixels": (index(lambda d: d["slicing"].update(resolution=65)), "a power of two"),
    "a case twice": (index(lambda d: d["cases"].append(d["cases"][0])), "a case twice"),
    "a file elsewhere": (index(lambda d: d["cases"][0].update(file="../x.npz")), "lies elsewhere"),
    "no slices": (index(lambda d: d["cases"][0].update(count=0)), "'count'"),
    "a list": (lambda folder: (folder / "slices.json").write_text("[]"), "is damaged"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_set_is_refused(name, tmp_path):
    disc_set(tmp_path / "s", 2)
    spoil, phrase = DAMAGE[name]
    spoil(tmp_path / "s")
    with pytest.raises(InputError, match=phrase):
        open_slices(tmp_path / "s")


def test_a_case_s_file_that_was_changed_is_refused(tmp_path):
    slices = disc_set(tmp_path / "s", 2)
    first, second = slices.cases
    with pytest.raises(InputError, match="SHA-256"):
        slices.content(replace(first, sha256=second.sha256))
    path = slices.folder / first.file
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("hu.npy", bytes(1000))
    with pytest.raises(InputError, match="compressed"):
        slices.content(replace(first, sha256=sha256_of_file(path)))
    with pytest.raises(InputError, match="does not hold"):
        slices.content(replace(second, count=4))
