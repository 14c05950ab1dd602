"""A CT or mask that is wrong ends in one sentence and exit code 2, and leaves nothing behind.

The tables are the list of what is tried; the files are made in `bad_inputs`.
"""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless

from LungSquadLib.cli import main
from Testing.dicom_maker import CORONAL
from Testing.hostile import contents, sentences, table
from Testing.robustness import bad_inputs as bad
from Testing.robustness.bad_inputs import EVIL

SHEAR = tuple(z * 2.0 for z in range(6))
CT = {
    # nothing there, or no DICOM
    "no such path": (bad.nothing, "There is no file or folder"),
    "empty folder": (bad.folder(), "it is empty"),
    "only junk": (bad.folder("a.dcm", "b", "README.txt"), "3 files that are not DICOM"),
    "only 0-byte files": (
        bad.files(lambda f: [p.write_bytes(b"") for p in f.iterdir()]),
        "6 files that are not DICOM",
    ),
    "0-byte file": (bad.content("ct.dcm", b""), "is not a volume or DICOM file"),
    "text named nrrd": (bad.content("ct.nrrd", b"Dear colleague"), "is not a volume or DICOM file"),
    "text named nii": (
        bad.content("ct.nii", b"Dear colleague" * 99),
        "does not begin with a NIfTI header",
    ),
    "text named nii.gz": (bad.content("ct.nii.gz", b"Dear colleague"), "damaged compressed data"),
    "magic alone": (bad.content("ct.dcm", bytes(128) + b"DICM"), "ct.dcm"),
    "links in a circle": (bad.link_loop, "There is no file or folder"),
    "folder in itself": (bad.folder_loop, "holds no CT series"),
    "named pipe": (bad.fifo, "is neither a file nor a folder"),
    "/dev/zero": (bad.device("/dev/zero"), "is neither a file nor a folder"),
    "file that gives an error": (bad.device("/proc/self/mem"), "'/proc/self/mem'"),
    "file without permission": (bad.locked, "Permission denied"),
    "folder without permission": (bad.locked_folder, "Permission denied"),
    # files of a series
    "truncated slice": (bad.cut(0.7), "is truncated"),
    "slice cut in its header": (bad.cut(0.2), "Slices are missing"),
    "slice of 0 bytes": (bad.cut(0.0), "Slices are missing"),
    "conflicting duplicates": (bad.files(bad.conflicting_duplicate), "different duplicate slices"),
    "slice missing": (bad.without(3), "Slices are missing: 1 between"),
    "slices missing": (bad.without(2, 3), "Slices are missing: 2 between"),
    "single slice": (bad.without(0, 1, 2, 3, 4), "a volume needs at least two"),
    "two series": (bad.two_series, "holds 2 CT series; choose one with --series"),
    "no pixel data": (bad.one(PixelData=None), "no pixel data"),
    "pixel data too short": (bad.one(PixelData=bytes(100)), "is truncated"),
    # geometry
    "mixed orientations": (bad.one(ImageOrientationPatient=list(CORONAL)), "mixes geometries"),
    "mixed sizes": (bad.series(bad.resized), "mixes geometries"),
    "mixed pixel sizes": (bad.one(PixelSpacing=[0.9, 0.9]), "mixes geometries"),
    "mixed frames of reference": (bad.one(FrameOfReferenceUID="1.2.3"), "2 frames of reference"),
    "uneven slices": (bad.one(ImagePositionPatient=[-100, -90, -44.2]), "unevenly spaced"),
    "gantry tilt": (bad.series(partial(bad.shifted, by=SHEAR)), "gantry tilt of"),
    "slices shifted sideways": (
        bad.series(partial(bad.shifted, by=(0, 9, 0, 4, 0, 7))),
        "shifted sideways",
    ),
    "all slices in one place": (
        bad.every(ImagePositionPatient=[0, 0, 0]),
        "different duplicate slices",
    ),
    "no position": (bad.one(ImagePositionPatient=None), "does not say where its slice lies"),
    "NaN in a position": (
        bad.one(ImagePositionPatient="nan\\0\\0"),
        "does not say where its slice lies",
    ),
    "infinite position": (
        bad.one(ImagePositionPatient="0\\0\\1e999"),
        "does not say where its slice lies",
    ),
    "no orientation": (bad.every(ImageOrientationPatient=None), "no usable Image Orientation"),
    "orientation of zeros": (
        bad.every(ImageOrientationPatient="0\\0\\0\\0\\0\\0"),
        "no usable Image Orientation",
    ),
    "zero spacing": (bad.every(PixelSpacing=[0, 0]), "no usable Pixel Spacing"),
    "negative spacing": (bad.every(PixelSpacing=[-0.7, 0.7]), "no usable Pixel Spacing"),
    "absurd spacing": (bad.every(PixelSpacing="1e300\\1e300"), "no usable Pixel Spacing"),
    "NaN spacing": (bad.every(PixelSpacing="nan\\nan"), "no usable Pixel Spacing"),
    "no spacing": (bad.every(PixelSpacing=None), "no usable Pixel Spacing"),
    "slices too far apart": (bad.series(spacing=(0.7, 0.7, 5000)), "no CT is like that"),
    # values
    "MR": (
        bad.every(Modality="MR", SOPClassUID="1.2.840.10008.5.1.4.1.1.4"),
        "there are 1 MR series",
    ),
    "scout": (bad.every(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), "holds no CT series"),
    "no rescale": (bad.every(RescaleSlope=None, RescaleIntercept=None), "no rescale slope"),
    "NaN in rescale": (bad.every(RescaleSlope="nan"), "give no HU"),
    "rescale slope 0": (bad.every(RescaleSlope=0), "give no HU"),
    "rescale in words": (bad.every(RescaleIntercept="minus a lot"), "no rescale slope"),
    "not in HU": (bad.every(RescaleType="MGML"), "holds values in 'MGML'"),
    "unit that drives a terminal": (bad.every(RescaleType="\x1b[31m" + "A" * 400), "not HU"),
    "colour DICOM": (
        bad.every(SamplesPerPixel=3, PhotometricInterpretation="RGB"),
        "is a RGB picture",
    ),
    "no bits": (bad.every(BitsAllocated=0), "bits a value"),
    "more bits than there are": (bad.every(BitsStored=40), "bits a value"),
    "no rows": (bad.every(Rows=0), "says it has 0 rows"),
    "huge rows and columns": (bad.every(Rows=65535, Columns=65535), "says it has 65535 rows"),
    "rows beyond the file": (bad.every(Rows=8000, Columns=8000), "is truncated"),
    "wrong byte order": (bad.wrong_endian, "belongs to no series"),
    "two billion frames": (bad.enhanced(NumberOfFrames=2**31 - 1), "frames but describes"),
    "enhanced without positions": (
        bad.enhanced(PerFrameFunctionalGroupsSequence=None),
        "enhanced.dcm",
    ),
    # compression
    "unknown transfer syntax": (
        bad.files(partial(bad.renamed_syntax, to=b"1.2.840.10008.1.9.9")),
        "cannot be decoded",
    ),
    "uncompressed said to be RLE": (
        bad.files(partial(bad.renamed_syntax, to=b"1.2.840.10008.1.2.5")),
        "is not a DICOM file with compressed frames",
    ),
    "damaged JPEG": (bad.damaged_frames(JPEGLosslessSV1), "cannot be decoded"),
    "damaged JPEG-LS": (bad.damaged_frames(JPEGLSLossless), "cannot be decoded"),
    "damaged JPEG 2000": (bad.damaged_frames(JPEG2000Lossless), "cannot be decoded"),
    "damaged RLE": (bad.damaged_frames(RLELossless), "cannot be decoded"),
    # volume files
    "NRRD that points elsewhere": (
        bad.nrrd("data file: /etc/passwd"),
        "keeps its voxels in another file",
    ),
    "MHD that points elsewhere": (
        bad.mha(b"", name="v.mhd", ElementDataFile="/etc/passwd"),
        "keeps its voxels in another file",
    ),
    "NIfTI header of a pair": (bad.nifti(magic=b"ni1\0"), "keeps its voxels in another file"),
    "sheared grid": (bad.sheared, "has a sheared grid"),
    "2D NRRD": (
        bad.nrrd("dimension: 2\nsizes: 8 8\nspacings: 1 1", bytes(128)),
        "a 3D volume is needed",
    ),
    "2D MHA": (bad.mha(NDims="2", DimSize="8 8", ElementSpacing="1 1"), "a 3D volume is needed"),
    "2D NIfTI": (bad.nifti(shape=(2, 8, 8)), "a single 3D volume is needed"),
    "4D NRRD": (
        bad.nrrd("dimension: 4\nsizes: 4 4 4 2\nkinds: domain domain domain list", bytes(256)),
        "a single 3D volume is needed",
    ),
    "4D NIfTI": (bad.nifti(shape=(4, 4, 4, 2, 2)), "a single 3D volume is needed"),
    "colour NRRD": (
        bad.nrrd("dimension: 4\nsizes: 3 4 4 4\nkinds: RGB-color domain domain domain", bytes(384)),
        "a single 3D volume is needed",
    ),
    "colour MHA": (bad.mha(bytes(384), ElementNumberOfChannels="3"), "3 values a voxel"),
    "colour NIfTI": (bad.nifti(code=128), "is damaged or is not a NIfTI file"),
    "truncated NRRD": (bad.cut_file("ct", 0.6), "is truncated"),
    "NRRD cut in its header": (
        bad.content("v.nrrd", b"NRRD0004\ntype: sh"),
        "header without an end",
    ),
    "NRRD of 2^60 voxels": (
        bad.nrrd("sizes: 1048576 1048576 1048576"),
        "is truncated or its header is damaged",
    ),
    "packed NRRD of 2^60 voxels": (
        bad.nrrd("sizes: 1048576 1048576 1048576\nencoding: gzip"),
        "is truncated or its header is damaged",
    ),
    "NRRD of negative size": (bad.nrrd("sizes: -4 -4 4", bytes(128)), "a 3D volume is needed"),
    "MHA of 2^60 voxels": (
        bad.mha(DimSize="1048576 1048576 1048576"),
        "is truncated or its header is damaged",
    ),
    "NIfTI of 2^45 voxels": (
        bad.nifti(shape=(3, 32767, 32767, 32767)),
        "is truncated or its header is damaged",
    ),
    "packed NIfTI of 2^45 voxels": (
        bad.nifti(shape=(3, 32767, 32767, 32767), packed=True),
        "is truncated or its header is damaged",
    ),
    "NIfTI of negative size": (bad.nifti(shape=(3, -4, 4, 4)), "a 3D volume is needed"),
    "NRRD packed in another way": (bad.nrrd("encoding: bzip2", b"BZh9"), "is encoded as bzip2"),
    "NRRD without steps": (
        bad.nrrd("space: LPS\nspace directions: (0,0,0) (0,0,0) (0,0,0)", bytes(128)),
        "no usable grid",
    ),
    "NRRD of NaN steps": (bad.nrrd("spacings: nan nan nan", bytes(128)), "no usable grid"),
    "MHA of negative spacing": (bad.mha(ElementSpacing="1 -1 1"), "sizes above zero are needed"),
    "NIfTI without steps": (bad.nifti(steps=(0.0, 0.0, 0.0)), "sizes above zero are needed"),
    "NaN voxel": (bad.with_value(np.nan), "voxels that are not numbers"),
    "infinite voxel": (bad.with_value(np.inf), "voxels that are not numbers"),
    "no HU": (bad.with_value(1e30), "no HU"),
}


@table(CT)
def test_a_ct_that_cannot_be_trusted_is_refused(row, good, here, refused):
    make, phrase = row
    refused(["crop", make(good, here), good.mask, "-o", here / "crop.nrrd"], phrase)


def rois(*names):
    return bad.contours(lambda ct: {name: bad.square(ct, 2, 3) for name in names})


MASK = {
    # any kind
    "no such mask": (bad.nothing, "There is no file or folder"),
    "empty mask file": (bad.content("m.nrrd", b""), "is no mask format"),
    "mask is a picture": (bad.content("m.png", b"\x89PNG\r\n\x1a\n"), "is no mask format"),
    "mask is a named pipe": (bad.fifo, "is neither a file nor a folder"),
    "mask is /dev/zero": (bad.device("/dev/zero"), "is neither a file nor a folder"),
    "mask is the CT series": (lambda good, _: good.series, "holds no DICOM SEG or RTSTRUCT"),
    "mask is a CT slice": (lambda good, _: good.series / "0000.dcm", "is of modality CT"),
    "folder with two masks": (bad.two_masks, "holds 2 masks"),
    # label maps
    "empty mask": (bad.voxels(np.zeros_like, of="mask"), "is empty: no voxel is marked"),
    "several labels": (
        bad.voxels(lambda a: a + a * (np.arange(28) > 14), of="mask"),
        "choose one with --label: 1 (",
    ),
    "unknown label": (lambda good, _: good.mask, "has no voxel with the label 7", "--label", "7"),
    "label with no number": (lambda good, _: good.mask, "is not a whole number", "--label", "one"),
    "fractions": (bad.voxels(lambda a: a * np.float32(0.5), of="mask"), "holds fractions"),
    "NaN alone in a mask": (bad.voxels(lambda a: a * np.float32(np.nan), of="mask"), "is empty"),
    "mask elsewhere": (bad.moved(), "do not overlap"),
    "vector mask": (
        bad.voxels(lambda a: np.stack([a] * 3, -1), of="mask", name="m.mha"),
        "has 3 values a voxel",
    ),
    "name for a label map": (
        lambda good, _: good.mask,
        "choose with --label, not --roi",
        "--roi",
        "GTV",
    ),
    "truncated mask": (bad.cut_file("mask", 0.9), "is truncated"),
    "2D mask": (bad.nifti(shape=(2, 8, 8)), "a single 3D volume is needed"),
    "detached mask": (
        bad.nrrd("data file: LIST\n/etc/passwd: x"),
        "keeps its voxels in another file",
    ),
    # Slicer's segmentations
    "unknown segment": (
        bad.slicer(),
        "holds no ROI called 'GTV'; it holds 'Tumour'",
        "--roi",
        "GTV",
    ),
    "segments, none named": (bad.slicer(names=("a", "b")), "choose one with --roi: 'a', 'b'"),
    "segments with hostile names": (
        bad.slicer(names=(EVIL, "b")),
        "choose one with --roi: '<script>",
    ),
    "label for segments": (bad.slicer(), "choose with --roi, not --label", "--label", "1"),
    "segment in no layer": (bad.slicer(layer="9"), "in layer 9"),
    "segment label in words": (bad.slicer(label="one"), "is not a segmentation of Slicer"),
    "segment without voxels": (bad.slicer(label="5"), "is empty"),
    # RTSTRUCT
    "RTSTRUCT of another scan": (
        bad.dicom_mask("rtstruct", bad.other_frame),
        "another frame of reference",
    ),
    "RTSTRUCT without ROIs": (rois(), "holds no ROI or segment"),
    "ROI without contours": (bad.contours(lambda _: {"GTV": []}), "has no closed contour"),
    "open contours": (
        bad.every_contour(lambda c: setattr(c, "ContourGeometricType", "OPEN_PLANAR")),
        "no closed contour (it has only OPEN_PLANAR)",
    ),
    "unknown ROI": (rois("GTV-1"), "holds no ROI called 'Lung'; it holds 'GTV-1'", "--roi", "Lung"),
    "two ROIs, none named": (rois("GTV-1", "Lung"), "choose one with --roi: 'GTV-1', 'Lung'"),
    "two ROIs of one name": (bad.same_rois, "choose by number with --roi: 1, 2", "--roi", "GTV"),
    "hostile ROI names": (rois(EVIL[:60], "a\nb", "'"), "choose one with --roi: '<script>"),
    "ROI name asked for is hostile": (rois("GTV"), "holds no ROI called '<script>", "--roi", EVIL),
    "label for an RTSTRUCT": (rois("GTV"), "choose by name with --roi", "--label", "1"),
    "contours of another CT": (
        bad.contours(lambda ct: {"GTV": bad.square(ct, 60)}),
        "lies outside the CT",
    ),
    "contours across the slices": (
        bad.contours(lambda ct: {"GTV": [bad.tilted(ct, 2)]}),
        "do not lie in the slices",
    ),
    "NaN in a contour": (
        bad.every_contour(bad.not_numbers),
        "whose points are not triples of numbers",
    ),
    "half a point": (
        bad.every_contour(lambda c: setattr(c, "ContourData", [1.0] * 10)),
        "whose points are not triples",
    ),
    "truncated RTSTRUCT": (bad.cut_file("rtstruct", 0.5), "rs.dcm"),
    # DICOM SEG
    "SEG of another scan": (bad.dicom_mask("seg", bad.other_frame), "another frame of reference"),
    "unknown SEG segment": (lambda good, _: good.seg, "it holds 'Tumour'", "--roi", "Node"),
    "SEG without frames": (bad.dicom_mask("seg", bad.no_frames), "seg.dcm"),
    "SEG of zeros": (bad.dicom_mask("seg", bad.blank), "is empty"),
    "SEG of two billion frames": (
        bad.dicom_mask("seg", lambda ds: setattr(ds, "NumberOfFrames", 2**31 - 1)),
        "frames",
    ),
    "SEG of huge frames": (
        bad.dicom_mask("seg", lambda ds: setattr(ds, "Rows", 65535)),
        "65535 rows or columns",
    ),
    "SEG larger than its file": (
        bad.dicom_mask("seg", lambda ds: setattr(ds, "Rows", 16000)),
        "is truncated",
    ),
    "truncated SEG": (bad.cut_file("seg", 0.99), "is truncated"),
}


@table(MASK)
def test_a_mask_that_cannot_be_placed_is_refused(row, good, here, refused):
    make, phrase, *options = row
    mask = make(good, here)
    refused(["crop", good.series, mask, "-o", here / "crop.nrrd", *options], phrase)


@pytest.mark.parametrize("name", ["truncated slice", "damaged JPEG 2000", "text named nii"])
def test_libraries_add_nothing_in_a_process_of_its_own(name, good, here):
    make, phrase = CT[name]
    command = ["crop", str(make(good, here)), str(good.mask), "-o", str(here / "crop.nrrd")]
    before = contents(here)
    done = subprocess.run(
        [sys.executable, "-m", "LungSquadLib", *command],
        capture_output=True,
        text=True,
        check=False,
    )
    (said,) = sentences(done.stderr).splitlines()
    assert (done.returncode, done.stdout, phrase in said) == (2, "", True)
    assert contents(here) == before


STILL_READ = {
    "as it is": bad.series(),
    "shuffled names": bad.files(
        lambda f: [p.rename(f / f"{hash_of(p)}") for p in sorted(f.iterdir())]
    ),
    "copies of files": bad.files(
        lambda f: [(f / f"copy-{n}").write_bytes((f / "0002.dcm").read_bytes()) for n in "ab"]
    ),
    "junk beside it": bad.files(lambda f: (f / "Thumbs.db").write_bytes(b"\0" * 999)),
    "link to itself inside": bad.files(
        lambda f: (f / "again").symlink_to(f, target_is_directory=True)
    ),
    "pipe inside": bad.files(lambda f: bad.fifo(None, f)),
    "broken file inside": bad.files(
        lambda f: (f / "z.dcm").write_bytes(bytes(128) + b"DICM\x02\0")
    ),
    "hostile patient": bad.series(
        lambda ds, _: (ds.add_new("PatientName", "UT", EVIL), ds.add_new("PatientID", "UT", EVIL))
    ),
}


def hash_of(path: Path) -> str:
    """A name that sorts otherwise."""
    return str(int(path.stem) * 7919 % 101)


@table(STILL_READ)
def test_what_is_odd_but_whole_is_read(row, good, here, capfd):
    assert (
        main(["crop", str(row(good, here)), str(good.mask), "-o", "crop.nrrd", "--size", "20"]) == 0
    )
    shown = capfd.readouterr().out
    assert all(line.isprintable() for line in shown.splitlines())
    whole = sitk.ReadImage("crop.nrrd")
    main(["crop", str(good.series), str(good.mask), "-o", "expected.nrrd", "--size", "20"])
    expected = sitk.ReadImage("expected.nrrd")
    assert np.array_equal(*map(sitk.GetArrayViewFromImage, (whole, expected)))
