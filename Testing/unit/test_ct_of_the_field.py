"""CT series as archives, planning systems and scanners leave them: read right, flagged or refused.

Oracles: the HU that went in, SimpleITK (GDCM) where it reads the file, pydicom.
"""

from __future__ import annotations

import gzip
import shutil
import struct

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from LungSquadLib import open_ct
from LungSquadLib.errors import InputError
from LungSquadLib.imaging.crop import mask_flags
from LungSquadLib.imaging.dicom.header import read_header
from LungSquadLib.imaging.geometry import Box, Grid

from ..dicom_maker import (
    RLELossless,
    set_pixels,
    some_hu,
    write_enhanced,
    write_series,
)

SHAPE = (12, 16, 20)


def hu_of(path) -> np.ndarray:
    ct = open_ct(path)
    return ct.hu(ct.grid.box)


def codes(path) -> list[str]:
    return [flag.code for flag in open_ct(path).flags]


def check(tmp_path, cases, **options):
    """Write a series for each (name, edit, expected) and compare: flags, or words of a refusal."""
    hu = some_hu(SHAPE)
    for name, edit, expected in cases:
        shutil.rmtree(tmp_path / "ct", ignore_errors=True)
        write_series(tmp_path / "ct", hu, edit=edit, **options)
        if isinstance(expected, str):
            with pytest.raises(InputError) as refusal:
                open_ct(tmp_path / "ct")
            assert expected in str(refusal.value), name
        else:
            assert codes(tmp_path / "ct") == expected, name
            assert np.array_equal(hu_of(tmp_path / "ct"), hu), name


def putting(**by_z):
    """An edit that sets each attribute to what its function of z gives; None deletes it."""

    def edit(dataset, z):
        for name, of_z in by_z.items():
            value = of_z(z) if callable(of_z) else of_z
            if value is not None:
                setattr(dataset, name, value)
            elif name in dataset:
                delattr(dataset, name)

    return edit


def test_only_hounsfield_units_are_taken_whatever_their_spelling(tmp_path):
    hu = some_hu((4, 8, 8))
    units = {
        **dict.fromkeys(("HU", "hu", " Hu", "H.U.", "HOUNSFIELD", "Hounsfield Units", "[hnsf'U]")),
        **dict.fromkeys(("US", "unspecified"), "unit_unspecified"),
        **dict.fromkeys(("MGML", "Z_EFF", "ED", "EDW", "HU_MOD", "PCT", "normalized", "OD"), ...),
    }
    for unit, flag in units.items():
        shutil.rmtree(tmp_path, ignore_errors=True)
        write_series(tmp_path / "single", hu, edit=putting(RescaleType=unit))
        (tmp_path / "many").mkdir()
        file = write_enhanced(tmp_path / "many" / "e.dcm", hu)
        dataset = pydicom.dcmread(file)
        last = dataset.PerFrameFunctionalGroupsSequence[-1]
        last.PixelValueTransformationSequence[0].RescaleType = unit  # of one frame: enough
        dataset.save_as(file)
        for folder in (tmp_path / "single", tmp_path / "many"):
            if flag is ...:
                with pytest.raises(InputError, match="not HU"):
                    open_ct(folder)
            else:
                assert codes(folder) == ([flag] if flag else []), (unit, folder.name)


def test_a_unit_that_is_not_there_is_flagged_where_the_standard_wants_one(tmp_path):
    hu = some_hu((4, 8, 8))
    write_series(tmp_path / "single", hu, edit=putting(RescaleType=None))
    assert codes(tmp_path / "single") == []  # HU, unless it says otherwise (PS3.3 C.8.2.1)
    file = write_enhanced(tmp_path / "e.dcm", hu)
    dataset = pydicom.dcmread(file)
    for group in dataset.PerFrameFunctionalGroupsSequence:
        del group.PixelValueTransformationSequence[0].RescaleType
    dataset.save_as(file)
    assert codes(file) == ["unit_unspecified"]


def test_maps_of_multi_energy_ct_are_no_ct(tmp_path):
    image_type = ["DERIVED", "PRIMARY", "AXIAL", "EFF_ATOMIC_NUM"]
    vmi = ["DERIVED", "PRIMARY", "AXIAL", "VMI"]
    cases = [("atomic number", putting(ImageType=image_type), "EFF_ATOMIC_NUM")]
    cases += [("virtual monoenergetic", putting(ImageType=vmi), [])]
    check(tmp_path, cases)


def test_values_are_taken_from_the_bits_that_high_bit_names(tmp_path):
    hu = np.clip(some_hu((4, 16, 20)), -1000, 1000)
    for bits, high, shift, signed, syntax in (
        (12, 11, 0, False, None),
        (12, 15, 4, False, None),
        (12, 15, 4, True, None),
        (12, 13, 2, False, None),
        (12, 15, 4, False, RLELossless),
        (12, 15, 0, False, None),  # High Bit is wrong, as GDCM and pydicom take it
        (12, 15, 0, True, None),
        (16, 11, 0, False, None),
    ):
        base = 0 if signed else -1024

        def edit(dataset, z, case=(bits, high, shift, signed, syntax), base=base):
            bits, high, shift, signed, syntax = case
            stored = (hu[z].astype(int) - base) << shift
            options = {"syntax": syntax} if syntax else {}
            stored &= (1 << (bits + shift)) - 1  # a negative value ends at its sign
            set_pixels(dataset, stored.astype(np.uint16), **options)
            dataset.BitsStored, dataset.HighBit = bits, high
            dataset.PixelRepresentation, dataset.RescaleIntercept = int(signed), base

        folder = tmp_path / f"{bits} {high} {shift} {signed} {syntax}"
        write_series(folder, hu, edit=edit)
        assert np.array_equal(hu_of(folder), hu), folder.name


def test_a_high_bit_that_the_pixels_contradict_is_refused(tmp_path):
    def edit(dataset, z):
        set_pixels(dataset, np.random.default_rng(z).integers(0, 65535, (16, 20)))
        dataset.BitsStored, dataset.HighBit = 12, 15

    write_series(tmp_path, some_hu((3, 16, 20)), edit=edit)
    with pytest.raises(InputError, match="High Bit"):
        open_ct(tmp_path)


def test_slices_of_two_patients_are_refused_and_nobody_is_named(tmp_path):
    half = SHAPE[0] // 2
    cases = [
        ("other ID", putting(PatientID=lambda z: "A" if z < half else "B"), "several patients"),
        ("other name", putting(PatientName=lambda z: "A^X" if z < half else "B^X"), "several pat"),
        ("born another day", putting(PatientBirthDate=lambda z: f"195001{1 + z // 6:02}"), "sev"),
        ("spelt otherwise", putting(PatientName=lambda z: ("Doe^Jane", "DOE^JANE ")[z % 2]), []),
        ("left out", putting(PatientID=lambda z: "" if z else "A"), []),
    ]
    check(tmp_path, cases)
    write_series(tmp_path / "x", some_hu(SHAPE), edit=putting(PatientID=lambda z: f"MRN-{z % 2}"))
    with pytest.raises(InputError) as refusal:
        open_ct(tmp_path / "x")
    assert "MRN" not in str(refusal.value)


def test_acquisitions_that_lie_between_one_another_are_refused(tmp_path):
    between = "between one another"
    cases = [
        ("alternating", putting(AcquisitionNumber=lambda z: 1 + z % 2), between),
        ("one within the other", putting(AcquisitionNumber=lambda z: 1 + (4 < z < 8)), between),
        ("contrast in half of them", putting(ContrastBolusAgent=lambda z: "IV" * (z % 2)), between),
        ("two kernels", putting(ConvolutionKernel=lambda z: ("B30f", "B70f")[z % 2]), between),
        ("two voltages", putting(KVP=lambda z: (80, 140)[z % 2]), between),
        ("two phases", putting(TemporalPositionIdentifier=lambda z: 1 + z % 2), between),
        ("two times", putting(AcquisitionTime=lambda z: ("101010", "101500")[z % 2]), between),
        ("primary and MIP", putting(ImageType=lambda z: ["DERIVED", "P", "AM"[z % 2]]), between),
        ("two thicknesses", putting(SliceThickness=lambda z: (2.5, 5)[z % 2]), between),
        # One above the other is one scan in steps, which is worth a word where steps are long.
        ("two steps", putting(AcquisitionNumber=lambda z: 1 + z // 6), ["several_acquisitions"]),
        ("kernels", putting(ConvolutionKernel=lambda z: "AB"[z // 6]), ["several_acquisitions"]),
        (
            "two studies",
            putting(StudyInstanceUID=lambda z: f"1.{z // 6}"),
            ["several_acquisitions"],
        ),
        ("step and shoot", putting(AcquisitionNumber=lambda z: 1 + z // 2), []),
        ("a number a slice", putting(AcquisitionNumber=lambda z: 1 + z), []),
        ("a time a slice", putting(AcquisitionTime=lambda z: f"1010{(z * 7) % 60:02}"), []),
        ("some say no number", putting(AcquisitionNumber=lambda z: 1 if z % 2 else None), []),
        (
            "one number in two spellings",
            putting(SliceThickness=lambda z: ("2.5", "2.50")[z % 2]),
            [],
        ),
    ]
    check(tmp_path, cases)


def test_missing_slices_are_told_by_thickness_and_instance_numbers(tmp_path):
    def step(n):
        return lambda z: 1 + n * z

    cases = [
        ("second", putting(InstanceNumber=step(2), SliceThickness=1.25), "every second"),
        ("backwards", putting(InstanceNumber=lambda z: 99 - 2 * z, SliceThickness=1.25), "second"),
        ("third", putting(InstanceNumber=step(3), SliceThickness=2.5 / 3), "every third"),
        ("between", putting(InstanceNumber=step(2), SpacingBetweenSlices=-1.25), "every second"),
        ("gaps", putting(SliceThickness=1.25), ["gaps_between_slices"]),
        ("numbers", putting(InstanceNumber=step(2), SliceThickness=None), ["gaps_between_slices"]),
        ("overlap", putting(SliceThickness=5), []),
        ("two series share numbers", putting(InstanceNumber=step(2)), []),
        ("no numbers", putting(InstanceNumber=None, SliceThickness=None), []),
        ("shuffled numbers", putting(InstanceNumber=lambda z: (z * 5) % 12), []),
    ]
    check(tmp_path, cases)


def test_a_data_set_without_preamble_is_read_as_gdcm_reads_it(tmp_path):
    hu = some_hu(SHAPE)
    for name, implicit, meta in (
        ("implicit", True, False),
        ("explicit", False, False),
        ("explicit with meta", False, True),
    ):
        folder = write_series(tmp_path / name, hu)
        for file in folder.iterdir():
            dataset = pydicom.dcmread(file)
            if meta:
                file.write_bytes(file.read_bytes()[132:])
            else:
                bare = pydicom.Dataset(dataset)
                pydicom.dcmwrite(
                    file, bare, implicit_vr=implicit, little_endian=True, enforce_file_format=False
                )
        if not meta:  # with it GDCM wants the preamble too
            reader = sitk.ImageSeriesReader()
            reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
            assert np.array_equal(sitk.GetArrayFromImage(reader.Execute()), hu), name
        assert np.array_equal(hu_of(folder), hu), name


def test_what_only_begins_like_dicom_is_no_dicom(tmp_path):
    bare = struct.pack("<HHI", 8, 5, 10) + b"ISO_IR 100"
    for number, data in enumerate(
        (
            b"",
            b"\x08\0",
            bare,
            bare * 40,
            b"\x02\0\0\0UL\x04\0" + bytes(400),
            b"\x08\0\x05\0CS\x0a\0" + bytes(9999),
            bytes(5000),
        )
    ):
        (tmp_path / "x").write_bytes(data)
        assert read_header(tmp_path / "x") is None, number


def test_compressed_frames_of_an_unknown_kind_are_refused_not_read_as_hu(tmp_path):
    write_series(tmp_path, some_hu((3, 16, 20)), syntax=RLELossless)
    for file in tmp_path.iterdir():
        dataset = pydicom.Dataset(pydicom.dcmread(file))
        pydicom.dcmwrite(
            file, dataset, implicit_vr=False, little_endian=True, enforce_file_format=False
        )
    with pytest.raises(InputError, match="no Transfer Syntax UID"):
        open_ct(next(tmp_path.iterdir()))


def test_files_that_were_slices_are_missed(tmp_path):
    hu = some_hu(SHAPE)
    last = f"{SHAPE[0] - 1:04}"
    for name, data, suffix in (
        ("empty", b"", ".dcm"),
        ("zeros", bytes(4096), ".dcm"),
        ("a page", b"<html>403</html>", ".dcm"),
        ("no suffix", b"", ""),
    ):
        folder = write_series(tmp_path / name, hu)
        for file in folder.iterdir():
            file.rename(file.with_suffix(suffix))
        (folder / f"{last}{suffix}").write_bytes(data)
        (folder / "README").write_bytes(b"")  # these never were
        (folder / "notes.txt").write_bytes(b"about 12 slices")
        ct = open_ct(folder)
        assert [flag.code for flag in ct.flags] == ["unreadable_files"], name
        assert "1 files" in ct.flags[0].sentence, name
        assert ct.grid.size[2] == len(hu) - 1


def test_padding_is_no_metal_whatever_its_sign(tmp_path):
    hu = np.clip(some_hu((3, 16, 20)), -1000, 1000)
    outside = np.zeros((16, 20), bool)
    outside[:, :4] = True
    # name, pixels signed, padding, limit, VR; what comes there
    for signed, value, limit, vr, there in (
        (False, 63536, None, "US", -2000),
        (False, 63536, None, "SS", -2000),  # the bits of -2000: writers mix the two up
        (False, 65535, 60000, "US", -2000),
        (True, -2000, None, "SS", -2000 - 1024),
        (True, -2000, None, "US", -2000 - 1024),
        (False, 0, None, "US", -1024),
        (False, 4095, None, "US", 3071),  # a saturated scanner has it too
    ):

        def edit(dataset, z, case=(signed, value, limit, vr)):
            signed, value, limit, vr = case
            stored = hu[z].astype(int) + 1024
            stored[outside] = value
            set_pixels(dataset, stored & 0xFFFF)
            dataset.PixelRepresentation = int(signed)
            number = value - 65536 * (value > 32767) if vr == "SS" else value & 0xFFFF
            dataset.add_new(0x00280120, vr, number)
            if limit is not None:
                dataset.add_new(0x00280121, vr, limit)
                stored[0, 0] = limit

        folder = tmp_path / f"{signed} {value} {vr}"
        found = hu_of(write_series(folder, hu, edit=edit))
        assert np.array_equal(found[:, ~outside], hu[:, ~outside]), folder.name
        assert (found[:, outside] == there).all(), folder.name


def nifti(path, array, spacing, unit, *, zipped, version=1):
    """A NIfTI file written by hand, in any unit of length; rows go left and up (RAS+)."""
    affine = np.diag(spacing) @ np.array([[1, 0, 0, 10], [0, 1, 0, -20], [0, 0, 1, 30.0]])
    dims = [3, *array.shape[::-1], 1, 1, 1, 1]
    if version == 1:
        header = bytearray(352)
        struct.pack_into("<i", header, 0, 348)
        struct.pack_into("<8h", header, 40, *dims)
        struct.pack_into("<3h8f3f", header, 70, 4, 16, 0, 0, *spacing, 0, 0, 0, 0, 352, 1, 0)
    else:
        header = bytearray(544)
        struct.pack_into("<i8s2h8q", header, 0, 540, b"n+2\0\r\n\x1a\n", 4, 16, *dims)
        struct.pack_into("<8dq2d", header, 104, 0, *spacing, 0, 0, 0, 0, 544, 1, 0)
    if version == 1:
        header[123] = unit
        struct.pack_into("<2h", header, 252, 0, 1)
        struct.pack_into("<12f", header, 280, *affine.ravel())
        header[344:348] = b"n+1\0"
    else:
        struct.pack_into("<2i", header, 344, 0, 1)
        struct.pack_into("<12d", header, 400, *affine.ravel())
        struct.pack_into("<i", header, 500, unit)
    data = bytes(header) + array.tobytes()
    path.write_bytes(gzip.compress(data) if zipped else data)
    return path


def test_a_nifti_file_is_what_it_holds_not_what_it_is_called(tmp_path):
    hu = some_hu((4, 5, 6))
    for version in (1, 2):
        for name, zipped in (
            ("a.nii", False),
            ("a.nii.gz", True),
            ("a.nii.gz", False),
            ("a.nii", True),
        ):
            file = nifti(tmp_path / name, hu, (0.75, 0.5, 2.5), 2, zipped=zipped, version=version)
            ct = open_ct(file)
            assert np.array_equal(ct.stored_hu(ct.stored.box), hu), (name, zipped)
            assert np.allclose(ct.stored.spacing, (0.75, 0.5, 2.5))
            assert np.allclose(ct.stored.origin, (-7.5, 10, 75))


def test_lengths_are_millimetres_whatever_the_unit_of_the_file(tmp_path):
    hu = some_hu((4, 5, 6))
    spacing = np.array((0.75, 0.5, 2.5))
    for unit, millimetres in ((0, 1), (1, 1e3), (2, 1), (3, 1e-3), (3 | 8, 1e-3)):
        file = nifti(tmp_path / "a.nii", hu, spacing / millimetres, unit, zipped=False)
        grid, oracle = open_ct(file).stored, Grid.of(sitk.ReadImage(str(file)))
        for found in (grid, oracle):
            assert np.allclose(found.spacing, spacing), unit
            assert np.allclose(found.origin, (-7.5, 10, 75)), unit
    image = sitk.GetImageFromArray(hu)
    for unit, millimetres in {
        "mm": 1,
        "um": 1e-3,
        "\u00b5m": 1e-3,
        "microns": 1e-3,
        "cm": 10,
        "m": 1e3,
        "": 1,
        "???": 1,
    }.items():
        image.SetSpacing((spacing / millimetres).tolist())
        image.SetOrigin((np.array((1.0, 2, 3)) / millimetres).tolist())
        for name, line in (
            ("a.nrrd", "space units:" + f' "{unit}"' * 3),
            ("a.mha", f"DistanceUnits = {unit}"),
        ):
            sitk.WriteImage(image, str(tmp_path / name))
            data = (tmp_path / name).read_bytes()
            first, rest = data.split(b"\n", 1)
            (tmp_path / name).write_bytes(first + b"\n" + line.encode() + b"\n" + rest)
            grid = open_ct(tmp_path / name).grid
            assert np.allclose(grid.spacing, spacing), (name, unit)
            assert np.allclose(grid.origin, (1, 2, 3)), (name, unit)


def test_lengths_that_no_ct_has_are_refused(tmp_path):
    hu = some_hu((4, 5, 6))
    for spacing, unit in (((700, 700, 900), 2), ((0.7, 0.7, 0.9), 1), ((0.7, 0.7, 0.9), 3)):
        with pytest.raises(InputError, match="voxels of"):
            open_ct(nifti(tmp_path / "a.nii", hu, spacing, unit, zipped=False))
    sitk.WriteImage(sitk.GetImageFromArray(hu), str(tmp_path / "a.nrrd"))
    first, rest = (tmp_path / "a.nrrd").read_bytes().split(b"\n", 1)
    for units in ('"mm" "mm" "um"', '"mm" "mm" "s"'):
        (tmp_path / "b.nrrd").write_bytes(first + f"\nspace units: {units}\n".encode() + rest)
        with pytest.raises(InputError, match="millimetres"):
            open_ct(tmp_path / "b.nrrd")


def test_slices_of_three_millimetres_are_not_thick_however_they_are_rounded():
    for spacing, thick in (
        (3.0, False),
        (3.0000002, False),
        (2.9999, False),
        (3.004, False),
        (3.01, True),
        (3.27, True),
        (5.0, True),
    ):
        grid = Grid((40, 40, 40), (0.7, 0.7, spacing), (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
        mask = np.ones((10, 10, 10), np.uint8)
        flags = [flag.code for flag in mask_flags(mask, Box((10, 10, 10), (20, 20, 20)), grid)]
        assert ("thick_slices" in flags) == thick, spacing
