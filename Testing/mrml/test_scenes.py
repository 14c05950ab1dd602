"""A scene that is saved opens again with all that it held, and pictures show what it holds."""

import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("slicer", reason="Slicer's scene: slicer-core is not installed")
pytest.importorskip("torch", reason="networks: torch is not installed")

import LungSquadLib as ls
import LungSquadLib.mrml as lsm
from LungSquadLib.cli import main
from LungSquadLib.errors import InputError
from LungSquadLib.imaging.geometry import Grid
from LungSquadLib.mrml import case_scene as pictures
from LungSquadLib.mrml.case_scene import slice_picture, space_picture, write_case_scene
from LungSquadLib.mrml.hierarchy import results_of, scene_kept
from LungSquadLib.mrml.results import table_rows
from LungSquadLib.mrml.scene import write_scene
from LungSquadLib.mrml.segments import NEOPLASM_OF_LUNG
from LungSquadLib.pipeline.case import run_case
from LungSquadLib.pipeline.case_input import CaseInput

from ..samples import ball_images, write_model
from . import nodes

ORANGE, BLUE = np.array((255, 176, 46)), np.array((92, 191, 242))  # outline, crop's box


@pytest.fixture(scope="module")
def prediction(model_file):
    return ls.predict(*ball_images(), ls.read_model(model_file), device="cpu")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The ball's CT and mask as files."""
    folder = tmp_path_factory.mktemp("ball")
    ct, mask = ball_images()
    sitk.WriteImage(ct, str(folder / "ct.nrrd"))
    sitk.WriteImage(mask, str(folder / "mask.nrrd"))
    return CaseInput(folder / "ct.nrrd", folder / "mask.nrrd")


@pytest.fixture
def windowed(drawn):
    """The CT's node in a window where lung is dark, and the tumour's centre."""
    display = drawn[0].GetDisplayNode()
    display.SetAutoWindowLevel(False)
    display.SetWindowLevel(1500, -600)
    return drawn[0], lsm.crop(*drawn, show=True).mask_centre_of_mass_lps


def filled(scene, prediction) -> str:
    """Fill a scene as a case's is; the segment's ID."""
    ct, mask = ball_images()
    volume = lsm.add_volume(scene, ct, name="CT")
    segmentation = lsm.add_segmentation(scene, volume, name="Tumour")
    segment_id = lsm.add_segment(segmentation, mask)
    lsm.show_prediction(prediction, volume)
    return segment_id


def test_a_saved_scene_opens_again_with_all_that_it_held(scene, prediction, tmp_path):
    with scene_kept(scene):
        segment_id = filled(scene, prediction)
        write_scene(scene, tmp_path / "a scene é.mrb")
    assert scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode") is None
    nodes.read_scene(scene, tmp_path / "a scene é.mrb", tmp_path / "open")
    volume = scene.GetFirstNodeByName("CT")
    segmentation = scene.GetFirstNodeByName("Tumour")
    segment = segmentation.GetSegmentation().GetSegment(segment_id)
    assert segment.GetTerminology() == NEOPLASM_OF_LUNG
    role = segmentation.GetReferenceImageGeometryReferenceRole()
    assert segmentation.GetNodeReference(role) is volume
    ct, mask = ball_images()
    assert np.abs(Grid.of(ct).axes - lsm.ct_of_volume(volume).grid.axes).max() < 1e-6
    crop, expected = lsm.crop(volume, segmentation, segment_id), ls.crop(ct, mask)
    for ours, theirs in ((crop.ct, expected.ct), (crop.mask, expected.mask)):
        assert np.array_equal(sitk.GetArrayFromImage(ours), sitk.GetArrayFromImage(theirs))
    nodes_by_class = {node.GetClassName(): node for node in results_of(volume)}
    table, box = nodes_by_class["vtkMRMLTableNode"], nodes_by_class["vtkMRMLMarkupsROINode"]
    cells = [
        (table.GetCellText(row, 0), table.GetCellText(row, 1))
        for row in range(table.GetNumberOfRows())
    ]
    assert cells == table_rows(prediction)
    assert box.GetSize() == pytest.approx((50, 50, 50))
    saliency = lsm.image_of_volume(nodes_by_class["vtkMRMLScalarVolumeNode"])
    assert sitk.GetArrayFromImage(saliency) == pytest.approx(
        sitk.GetArrayFromImage(prediction.saliency)
    )
    lsm.remove_results(volume)
    assert not results_of(volume)


def test_a_scene_file_tells_no_path_of_this_machine(scene, prediction, tmp_path):
    filled(scene, prediction)
    write_scene(scene, tmp_path / "scene.mrb")
    with zipfile.ZipFile(tmp_path / "scene.mrb") as archive:
        assert {name.split("/")[0] for name in archive.namelist()} == {"scene"}
        text = archive.read("scene/scene.mrml").decode()
    assert str(tmp_path) not in text
    assert 'fileName="/' not in text
    assert 'fileName="Data/CT.nrrd"' in text


def test_saving_leaves_no_file_behind_and_refuses_other_names(scene, prediction, tmp_path):
    filled(scene, prediction)
    with pytest.raises(InputError, match=r"must end in \.mrb"):
        write_scene(scene, tmp_path / "scene.zip")
    write_scene(scene, tmp_path / "new" / "scene.mrb")
    assert [path.name for path in tmp_path.rglob("*")] == ["new", "scene.mrb"]


def near(picture: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Where a picture has a colour, in pixels (x, y) from its centre."""
    y, x = np.nonzero(np.abs(picture.astype(int) - colour).max(axis=-1) < 40)
    return np.stack([x, y], axis=1) - np.array(picture.shape[1::-1]) / 2


@pytest.mark.parametrize("view", ["axial", "coronal", "sagittal"])
def test_a_plane_shows_the_outline_and_the_crop_where_they_are(windowed, view):
    picture = slice_picture(*windowed[:1], view, windowed[1], side_mm=120, pixels=480)
    outline, box = near(picture, ORANGE), near(picture, BLUE)
    distance = np.linalg.norm(outline, axis=1) / 4  # mm
    assert len(outline) > 200
    assert np.percentile(distance, [1, 99]) == pytest.approx((9, 9), abs=2.6)  # voxels are 2.5 mm
    angles = np.degrees(np.arctan2(outline[:, 1], outline[:, 0]))
    assert np.histogram(angles, 12, (-180, 180))[0].min() > 0  # all the way round
    farthest = np.abs(box).max(axis=1) / 4
    assert np.median(farthest) == pytest.approx(32, abs=1.5)
    assert len(box) > 500
    assert 200 < picture[240, 240].mean() < 250  # tumour in the lung window, nothing over it
    assert 70 < picture[240 + 60, 240].mean() < 130  # lung


def test_a_plane_is_turned_as_radiologists_read_it(windowed):
    """The chest wall of the ball's CT is at its back: below in an axial plane."""
    axial = slice_picture(windowed[0], "axial", windowed[1], pixels=480)
    assert axial[420:432, 240].mean() > 220
    assert axial[10:60].mean() < 10


def test_saliency_is_laid_over_the_plane(windowed, prediction):
    volume, centre = windowed
    saliency = lsm.show_prediction(prediction, volume).saliency
    plain = slice_picture(volume, "axial", centre, pixels=300)
    over = slice_picture(volume, "axial", centre, over=saliency, pixels=300)
    changed = (plain != over).any(axis=-1)
    assert changed.any()
    coloured = np.ptp(over[changed].astype(int), axis=1)
    assert coloured.max() > 60


def test_space_shows_surface_box_and_plane(scene, drawn, windowed):
    drawn[1].CreateClosedSurfaceRepresentation()
    picture = space_picture(*windowed, pixels=480)
    hue = picture.astype(int)
    surface = (hue[..., 0] > 1.5 * hue[..., 2]) & (hue[..., 0] > 60)
    y, x = np.nonzero(surface)
    assert surface.sum() > 1000
    assert abs(x.mean() - 240) < 30
    assert abs(y.mean() - 240) < 50
    assert len(near(picture, BLUE)) > 500
    grey = (np.ptp(hue, axis=-1) < 6) & (hue[..., 0] > 70)
    assert grey.sum() > 5000


def test_pictures_leave_the_scene_as_it_was(scene, drawn, windowed):
    before = nodes.contents(scene)
    slice_picture(windowed[0], "coronal", windowed[1], pixels=64)
    space_picture(*windowed, pixels=64)
    assert nodes.contents(scene) == before


@pytest.mark.slow
def test_a_case_gets_its_scene_and_pictures(scene, files, model_file, tmp_path):
    model = ls.read_model(model_file)
    before = nodes.contents(scene)
    described = run_case(files, [model], tmp_path / "case", more=write_case_scene)
    assert nodes.contents(scene) == before
    names = ["axial", "coronal", "sagittal", "saliency-sample", "3d"]
    expected = {"scene": "scene.mrb"} | {f"view-{name}": f"view-{name}.png" for name in names}
    assert expected.items() <= described["files"].items()
    for name in expected.values():
        assert (tmp_path / "case" / name).stat().st_size > 1000
    written = json.loads((tmp_path / "case" / "prediction.json").read_text(encoding="utf-8"))
    assert written["files"] == described["files"]
    report = (tmp_path / "case" / "report.html").read_text(encoding="utf-8")
    assert "As 3D Slicer shows it" in report
    for caption in ("axial", "saliency of sample", "3d"):
        assert f"<figcaption>{caption}</figcaption>" in report
    nodes.read_scene(scene, tmp_path / "case" / "scene.mrb", tmp_path / "open")
    volume = scene.GetFirstNodeByName("CT")
    assert len(results_of(volume)) == 4
    assert volume.GetDisplayNode().GetWindow() == 1500


def test_a_machine_that_cannot_draw_still_gets_the_scene(
    scene, files, model_file, tmp_path, monkeypatch
):
    def cannot():
        raise InputError("No picture can be rendered.")

    monkeypatch.setattr(pictures, "_new_window", cannot)
    model = ls.read_model(model_file)
    described = run_case(files, [model], tmp_path / "case", more=write_case_scene)
    assert (tmp_path / "case" / "scene.mrb").is_file()
    assert "view-3d" not in described["files"]
    assert not list((tmp_path / "case").glob("*.png"))


@pytest.fixture
def demo_models(tmp_path, monkeypatch):
    """Two models under the names of the demo's."""
    folder = tmp_path / "models"
    folder.mkdir()
    for seed, name in enumerate(("demo-histology", "demo-survival2y")):
        write_model(folder / f"{name}.safetensors", seed=seed, name=name, title=name)
    monkeypatch.setenv("LUNGSQUAD_MODELS", str(folder))


@pytest.mark.slow
def test_the_demo_writes_the_scene_and_says_where(files, demo_models, tmp_path, capsys):
    out = tmp_path / "demo"
    assert main(["demo", "--ct", str(files.ct), "--mask", str(files.mask), "-o", str(out)]) == 0
    assert f"scene for 3D Slicer: {out / 'result' / 'scene.mrb'}" in capsys.readouterr().out
    assert (out / "result" / "view-saliency-demo-histology.png").is_file()


@pytest.mark.slow
def test_without_slicer_core_the_demo_says_what_it_left_out(files, demo_models, tmp_path):
    out = tmp_path / "demo"
    arguments = ["demo", "--ct", str(files.ct), "--mask", str(files.mask), "-o", str(out)]
    code = (
        "import sys; sys.modules['slicer'] = None\n"
        f"from LungSquadLib.cli import main; sys.exit(main({arguments!r}))"
    )
    run = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    last = run.stdout.splitlines()[-1]
    assert last.startswith("No scene and no pictures were written. ")
    assert "pip install 'lungsquad[slicer]'" in last
    assert (out / "result" / "report.html").is_file()
    assert not (out / "result" / "scene.mrb").exists()
