"""A segment is the same mask as its file's, and a mask becomes a segment that says what it is."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("slicer", reason="Slicer's scene: slicer-core is not installed")

import LungSquadLib as ls
import LungSquadLib.mrml as lsm
from LungSquadLib.errors import InputError
from LungSquadLib.imaging.flags import Flag
from LungSquadLib.imaging.geometry import Grid
from LungSquadLib.imaging.masks import as_mask
from LungSquadLib.mrml.segments import LABEL_MAP, mask_on_ct
from LungSquadLib.mrml.synthetic import inpainted_image
from LungSquadLib.mrml.volumes import ct_of_volume

from ..case_data import facts
from ..samples import ball_images
from . import nodes
from .test_volumes import rotation


def voxels(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image)


def same_voxels(first: ls.Crop, second: ls.Crop) -> bool:
    return np.array_equal(voxels(first.ct), voxels(second.ct)) and np.array_equal(
        voxels(first.mask), voxels(second.mask)
    )


def test_a_drawn_segment_gives_the_crop_of_its_images_to_the_bit(drawn):
    expected = ls.crop(*ball_images())
    assert lsm.crop(*drawn).to_dict() == expected.to_dict()


def test_a_mask_comes_back_as_its_own_box_on_the_cts_voxels(drawn):
    volume, segmentation, segment_id = drawn
    image, mask = ball_images()
    back = lsm.mask_of_segment(segmentation, segment_id, volume)
    z, y, x = np.nonzero(voxels(mask))
    assert back.GetSize() == (np.ptp(x) + 1, np.ptp(y) + 1, np.ptp(z) + 1)
    assert Grid.of(back).offset_in(Grid.of(image)) == (x.min(), y.min(), z.min())
    assert np.count_nonzero(voxels(back)) == len(x)


def test_a_segment_lies_in_its_volumes_indices(drawn):
    """As the segment editor has it, so that drawing on moves nothing."""
    volume, segmentation, segment_id = drawn
    labels = segmentation.GetBinaryLabelmapInternalRepresentation(segment_id)
    z, y, x = np.nonzero(voxels(ball_images()[1]))
    bounds = (x.min(), x.max(), y.min(), y.max(), z.min(), z.max())
    assert labels.GetExtent() == bounds
    assert labels.GetOrigin() == pytest.approx(volume.GetOrigin(), abs=1e-9)


def test_volumes_of_any_order_give_one_crop_and_get_masks_in_their_own_indices(scene):
    image, mask = ball_images()
    expected, click = ls.crop(image, mask).to_dict(), (7.5, 52.25, 150.0)
    proposal = ls.propose_mask(image, click)
    for order in ("LPS", "RAS", "LPI", "SAL", "PIR"):
        turned = sitk.DICOMOrient(image, order)
        volume = lsm.add_volume(scene, turned, name=order)
        segmentation = lsm.add_segmentation(scene, volume, name=order)
        segment = lsm.add_segment(segmentation, sitk.DICOMOrient(mask, "ASL"))
        assert lsm.crop(volume, segmentation, segment).to_dict() == expected, order
        proposed = lsm.add_segment(segmentation, proposal)
        for segment_id, marked in ((segment, mask), (proposed, proposal.image)):
            labels = segmentation.GetBinaryLabelmapInternalRepresentation(segment_id)
            assert labels.GetOrigin() == pytest.approx(volume.GetOrigin(), abs=1e-9)
            back = lsm.mask_of_segment(segmentation, segment_id, volume)
            assert Grid.of(back).direction == pytest.approx(turned.GetDirection())
            assert Grid.of(back).offset_in(Grid.of(turned)) is not None
            assert voxels(back).sum() == voxels(marked).sum()
        # What a worker paints comes as a box of the stored voxels.
        whole = voxels(turned)
        z, y, x = (np.arange(3, 6), np.arange(4, 8), np.arange(5, 7))
        whole[np.ix_(z, y, x)] = 7
        part = turned[5:7, 4:8, 3:6]
        part = Grid.of(part).image(np.full((3, 4, 2), 7, np.int16))
        described = {"changed": {"start": [5, 4, 3], "stop": [7, 8, 6]}}
        inpainted = inpainted_image(lsm.ct_of_volume(volume), part, described)
        assert np.array_equal(voxels(inpainted), whole)
        assert Grid.of(inpainted).direction == pytest.approx(turned.GetDirection())


def test_a_segment_says_that_it_is_a_neoplasm_of_the_lung(drawn):
    volume, segmentation, segment_id = drawn
    segment = segmentation.GetSegmentation().GetSegment(segment_id)
    parts = segment.GetTerminology().split("~")
    assert len(parts) == 7
    assert parts[1].split("^")[:2] == ["SCT", "49755003"]
    assert parts[2] == "SCT^108369006^Neoplasm"
    assert parts[5] == "SCT^39607008^Lung"
    role = segmentation.GetReferenceImageGeometryReferenceRole()
    assert segmentation.GetNodeReference(role) is volume


def test_overlapping_segments_do_not_see_each_other(drawn):
    volume, segmentation, ball = drawn
    _, mask = ball_images()
    larger = sitk.BinaryDilate(mask, (3, 3, 1))
    beside = sitk.Image(mask.GetSize(), sitk.sitkUInt8)
    beside.CopyInformation(mask)
    beside[2:5, 2:5, 2:5] = 1
    segments = [lsm.add_segment(segmentation, other, name="other") for other in (larger, beside)]
    segmentation.GetSegmentation().CollapseBinaryLabelmaps(False)
    assert segmentation.GetSegmentation().GetNumberOfLayers() == 2
    for segment_id, image in zip((ball, *segments), (mask, larger, beside), strict=True):
        back = lsm.mask_of_segment(segmentation, segment_id, volume)
        assert np.count_nonzero(voxels(back)) == np.count_nonzero(voxels(image))


def test_segments_that_share_a_layer_are_told_apart(drawn):
    volume, segmentation, ball = drawn
    _, mask = ball_images()
    beside = sitk.Image(mask.GetSize(), sitk.sitkUInt8)
    beside.CopyInformation(mask)
    beside[2:5, 2:5, 2:5] = 1
    other = lsm.add_segment(segmentation, beside)
    inside = segmentation.GetSegmentation()
    inside.CollapseBinaryLabelmaps(False)
    assert inside.GetNumberOfLayers() == 1
    assert inside.GetSegment(other).GetLabelValue() != inside.GetSegment(ball).GetLabelValue()
    back = lsm.mask_of_segment(segmentation, other, volume)
    assert back.GetSize() == (3, 3, 3)
    assert lsm.crop(*drawn).to_dict() == ls.crop(*ball_images()).to_dict()


def test_segments_of_one_name_are_told_apart_by_id(drawn):
    volume, segmentation, ball = drawn
    _, mask = ball_images()
    other = lsm.add_segment(segmentation, sitk.BinaryDilate(mask, (3, 3, 1)), name="tumour")
    smaller = lsm.mask_of_segment(segmentation, ball, volume)
    larger = lsm.mask_of_segment(segmentation, other, volume)
    assert np.count_nonzero(voxels(smaller)) < np.count_nonzero(voxels(larger))
    with pytest.raises(InputError, match=f"ID 'tumour': it has '{ball}' .tumour., '{other}'"):
        lsm.mask_of_segment(segmentation, "tumour", volume)


def test_a_segment_that_is_a_surface_alone_is_drawn_on_the_ct(scene, drawn):
    volume, segmentation, ball = drawn
    segmentation.CreateClosedSurfaceRepresentation()
    surface = segmentation.GetClosedSurfaceInternalRepresentation(ball)
    other = lsm.add_segmentation(scene, volume, name="Surfaces")
    other.SetSourceRepresentationToClosedSurface()
    segment_id = other.AddSegmentFromClosedSurfaceRepresentation(surface, "ball", [1, 0, 0])
    assert not other.GetSegmentation().ContainsRepresentation(LABEL_MAP)
    back = lsm.mask_of_segment(other, segment_id, volume)
    assert not other.GetSegmentation().ContainsRepresentation(LABEL_MAP)
    image, mask = ball_images()
    assert Grid.of(back).offset_in(Grid.of(image)) is not None
    assert dice(back, mask) > 0.95


def test_a_surface_under_a_transform_is_drawn_where_it_is_seen(scene, drawn):
    volume, segmentation, ball = drawn
    segmentation.CreateClosedSurfaceRepresentation()
    surface = segmentation.GetClosedSurfaceInternalRepresentation(ball)
    other = lsm.add_segmentation(scene, volume, name="Surfaces")
    other.SetSourceRepresentationToClosedSurface()
    segment_id = other.AddSegmentFromClosedSurfaceRepresentation(surface, "ball", [1, 0, 0])
    moved = np.eye(4)
    moved[:3, 3] = (8.4, -7.3, 6.2)  # no whole voxels
    nodes.under_transform(scene, other, moved)
    image, mask = ball_images()
    back = lsm.mask_of_segment(other, segment_id, volume)
    assert Grid.of(back).offset_in(Grid.of(image)) is not None
    assert middle(back) == pytest.approx(np.add(middle(mask), (-8.4, 7.3, 6.2)), abs=0.2)


def middle(image: sitk.Image) -> np.ndarray:
    return Grid.of(image).to_lps(np.argwhere(voxels(image))[:, ::-1].mean(axis=0))


def dice(part: sitk.Image, whole: sitk.Image) -> float:
    expected = voxels(sitk.Resample(part, whole, sitk.Transform(), sitk.sitkNearestNeighbor)) > 0
    other = voxels(whole) > 0
    return 2 * (expected & other).sum() / (expected.sum() + other.sum())


def test_ct_and_segment_under_one_transform_give_the_same_crop(scene, drawn):
    volume, segmentation, _ = drawn
    moved = np.eye(4)
    moved[:3, :3], moved[:3, 3] = rotation((0.2, -0.3, 0.1)), (10, -20, 30)
    expected = lsm.crop(*drawn)
    for node in (volume, segmentation):
        nodes.under_transform(scene, node, moved)
    crop = lsm.crop(*drawn)
    assert same_voxels(crop, expected)
    ras = np.array(expected.centre_lps) * (-1, -1, 1)
    there = (moved[:3, :3] @ ras + moved[:3, 3]) * (-1, -1, 1)
    assert crop.centre_lps == pytest.approx(there, abs=1e-6)


def test_a_label_map_becomes_a_segment_of_one_label(scene, drawn):
    volume, segmentation, _ = drawn
    _, mask = ball_images()
    labels = mask * 3
    labels[1:3, 1:3, 1:3] = 7
    segment_id = lsm.add_segment(segmentation, labels, label=7)
    back = lsm.mask_of_segment(segmentation, segment_id, volume)
    assert back.GetSize() == (2, 2, 2)
    with pytest.raises(InputError, match="holds several labels"):
        lsm.add_segment(segmentation, labels)


def test_unknown_and_empty_segments_are_refused_with_a_sentence(scene, drawn):
    volume, segmentation, ball = drawn
    with pytest.raises(InputError, match=f"'Outlines' has no segment .* 'x': it has '{ball}'"):
        lsm.crop(volume, segmentation, "x")
    empty = segmentation.GetSegmentation().AddEmptySegment("", "new")
    with pytest.raises(InputError, match="'new' is empty"):
        lsm.crop(volume, segmentation, empty)
    nothing = lsm.add_segmentation(scene, volume, name="None")
    with pytest.raises(InputError, match="it has none"):
        lsm.crop(volume, nothing, "x")


def test_a_segment_beside_its_ct_is_refused_by_name(scene, drawn):
    volume, segmentation, ball = drawn
    moved = np.eye(4)
    moved[:3, 3] = (500, 0, 0)
    nodes.under_transform(scene, segmentation, moved)
    with pytest.raises(InputError, match="The mask 'tumour' and the CT do not overlap"):
        lsm.crop(volume, segmentation, ball)


@pytest.mark.slow
def test_slicers_own_segmentations_give_the_crops_of_their_files(scene, case_data):
    folder = case_data / "open/slicer_ctchest"
    file, ct = folder / "CTChest4.nrrd", ls.open_ct(folder / "CTChest4.nrrd")
    volume = nodes.read_volume(scene, file)
    compared = 0
    for name in ("Segmentation.seg.nrrd", "SegmentationOverlapping.seg.nrrd"):
        segmentation = nodes.read_segmentation(scene, folder / name)
        for segment_id in nodes.segment_ids(segmentation):
            expected = ls.crop(ct, ls.read_mask(folder / name, ct, roi=segment_id), size=200)
            cut = lsm.crop(volume, segmentation, segment_id, size=200)
            assert same_voxels(cut, expected)
            compared += 1
    assert compared > 4


def test_a_segment_drawn_on_a_real_ct_gives_the_crop_of_the_files(scene, case_data):
    folder = case_data / "open/lidc_0001"
    ct = ls.open_ct(folder / "CT")
    mask = ls.read_mask(folder / "mask_consensus.nrrd", ct)
    expected = ls.crop(ct, mask)
    ordered = [plane.header.path for plane in ct.dicom.planes]
    volume = nodes.read_volume(scene, *ordered)
    segmentation = lsm.add_segmentation(scene, volume, name="Outlines")
    crop = lsm.crop(volume, segmentation, lsm.add_segment(segmentation, mask))
    assert same_voxels(crop, expected)
    assert crop.ct.GetOrigin() == pytest.approx(expected.ct.GetOrigin(), abs=1e-6)
    assert crop.mask_voxels == facts(folder / "mask_consensus.nrrd").voxels


def test_what_was_found_when_a_mask_was_read_stays_with_its_segment(drawn):
    volume, segmentation, _ = drawn
    ct = ct_of_volume(volume)
    cut_off = Flag("mask_outside_ct", "severe", "Half of the mask lies outside the CT.")
    mask = replace(as_mask(ball_images()[1], ct), flags=(cut_off,))
    segment_id = lsm.add_segment(segmentation, mask)
    assert cut_off in mask_on_ct(segmentation, segment_id, volume, ct).flags
    segment = segmentation.GetSegmentation().GetSegment(segment_id)
    for text in ("{", "[1]", '[{"code": "x"}]', "7"):
        segment.SetTag("LungSquad.flags", text)
        assert mask_on_ct(segmentation, segment_id, volume, ct).flags == (), text
