"""A phantom cohort is what it says: sites that differ, labels of which some are wrong."""

import csv
import json

import pytest

from LungSquadLib.cli import main
from LungSquadLib.data.manifest import read_manifest
from LungSquadLib.errors import CancelledError, InputError
from LungSquadLib.imaging.crop import crop
from LungSquadLib.imaging.ct import open_ct
from LungSquadLib.imaging.mask_files import read_mask
from LungSquadLib.phantom import cohort as phantoms
from LungSquadLib.phantom.cohort import PhantomOptions, write_phantoms
from LungSquadLib.phantom.patient import Phantom
from LungSquadLib.phantom.scan import scanned
from LungSquadLib.progress import Silent

from ..hostile import contents
from .test_cohort_build import in_this_process

COUNT = 3


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return written(tmp_path_factory.mktemp("phantoms") / "c")


def written(folder, **how):
    with in_this_process(phantoms):
        write_phantoms(folder, PhantomOptions(COUNT, label_noise=0.34), **how)
    return folder


def table(folder):
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_manifest_can_be_built_and_names_tell_nothing(cohort):
    rows = read_manifest(cohort / "manifest.csv", required=("patient_id", "ct", "mask"))
    assert [row.patient_id for row in rows] == ["PH0-00001", "PH0-00002", "PH0-00003"]
    for row, cells in zip(rows, table(cohort), strict=True):
        ct = open_ct(row.ct)
        cut = crop(ct, read_mask(row.mask, ct), size=88)
        assert cut.mask_volume_ml == pytest.approx(float(cells["mask_ml"]), rel=1e-3)
    wrong = [cells["histology"] != cells["histology_true"] for cells in table(cohort)]
    assert wrong.count(True) == 1


def test_sites_differ_as_the_description_says(cohort):
    sites = {s["name"]: s for s in json.loads((cohort / "phantoms.json").read_text())["sites"]}
    assert [site["lusc"] for site in sites.values()] == [0.3, 0.5, 0.7]
    for number, cells in enumerate(table(cohort)):
        site = sites[cells["site"]]
        ct = open_ct(cohort / cells["ct"])
        assert ct.grid.spacing[2] == site["slice_mm"]
        phantom = Phantom(phantoms.FIRST_SEED + number, histology=cells["histology_true"])
        plain, _ = scanned(phantom, slice_mm=site["slice_mm"])
        off = ct.hu(ct.grid.box).astype(float) - plain.hu(plain.grid.box)
        inside = off[(plain.hu(plain.grid.box) > -900) & (plain.hu(plain.grid.box) < 2900)]
        assert inside.mean() == pytest.approx(site["offset_hu"], abs=0.5)
        assert inside.std() == pytest.approx(site["extra_noise_hu"], abs=0.5)


def test_what_is_there_is_not_made_again_and_comes_out_the_same(cohort, tmp_path):
    class CancelledAfterTwo(Silent):
        fraction = 0.0
        cancelled = property(lambda self: self.fraction > 1.5 / COUNT)

        def report(self, fraction, message):
            self.fraction = fraction

    folder = tmp_path / "c"
    with pytest.raises(CancelledError):
        written(folder, progress=CancelledAfterTwo())
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("mask.nrrd")}
    assert len(before) == 2
    written(folder)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert contents(folder) == contents(cohort)


def test_histology_is_drawn_with_the_share_of_the_site(tmp_path):
    drawn = phantoms._drawn(tmp_path, PhantomOptions(3000))
    for name, share in (("site-A", 0.3), ("site-B", 0.5), ("site-C", 0.7)):
        truths = [patient.truth for patient in drawn if patient.site.name == name]
        assert truths.count("LUSC") / len(truths) == pytest.approx(share, abs=0.05)
    assert sum(patient.label != patient.truth for patient in drawn) == 300


def test_a_folder_with_other_phantoms_is_refused(cohort, tmp_path):
    with pytest.raises(InputError, match="holds phantoms made otherwise"):
        write_phantoms(cohort, PhantomOptions(COUNT, label_noise=0.2))
    (tmp_path / "x").touch()
    with pytest.raises(InputError, match="is not empty"):
        write_phantoms(tmp_path, PhantomOptions(COUNT))


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--patients=0", "--patients must be 1 to"),
        ("--label-noise=1.5", "--label-noise must be 0 to 1, not 1.5"),
        ("--label-noise=nan", "--label-noise must be 0 to 1, not nan"),
        ("--sites=0", "--sites must be 1 to 26"),
        ("--seed=-1", "--seed must be 0 to"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(tmp_path, capsys, option, said):
    assert main(["cohort", "phantoms", "-o", str(tmp_path / "c"), option]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "c").exists()
