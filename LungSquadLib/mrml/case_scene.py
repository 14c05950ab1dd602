"""A finished case as a scene for Slicer, and pictures of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ctypes.util import find_library
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import vtkmodules.vtkInteractionStyle
import vtkmodules.vtkRenderingFreeType
import vtkmodules.vtkRenderingOpenGL2  # noqa: F401 - they register the renderers
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkObject
from vtkmodules.vtkRenderingCore import (
    vtkActor2D,
    vtkImageMapper,
    vtkRenderer,
    vtkRenderWindow,
    vtkRenderWindowInteractor,
    vtkWindowToImageFilter,
)

from ..errors import InputError
from ..imaging.files.write import write_png
from ..imaging.geometry import Point
from ..imaging.pictures import VIEWS, WINDOWS, View
from ..report.render import VIEW
from .coordinates import to_ras
from .descriptions import show_descriptions
from .hierarchy import scene_kept
from .results import show_prediction
from .scene import application_logic, slicer, start, write_scene
from .segments import add_segment, add_segmentation
from .tumour import CaseKey, Tumour
from .volumes import add_volume

if TYPE_CHECKING:
    from ..pipeline.case import Results  # it imports torch, which Slicer's process never does

SCENE = "scene.mrb"


def write_case_scene(results: Results, folder: Path) -> dict[str, str]:
    """Write `scene.mrb` and pictures of it; the argument `more` of `run_case` can be this function.

    The scene holds the CT, the tumour as a segment, a table of its description, and for each
    prediction its table, saliency and crop box, but no identity of the patient. A machine that
    cannot render writes no pictures.

    Returns:
        The names of the files by their content.
    """
    scene = start()
    with scene_kept(scene):
        ct = results.ct.as_stored(results.ct.read())
        volume = add_volume(scene, ct, name="CT", window=WINDOWS["lung"])
        segmentation = add_segmentation(scene, volume, name="Tumour")
        segment = add_segment(segmentation, results.mask)
        segmentation.CreateClosedSurfaceRepresentation()  # for 3D views
        key = CaseKey.of(results.ct, results.mask, results.crop.chosen_centre_lps)
        tumour = Tumour(segmentation, segment, key)
        nodes = [show_prediction(each, volume, tumour=tumour) for each in results.predictions]
        if results.descriptions:
            described = [each.to_dict() for each in results.descriptions]
            show_descriptions(described, volume, tumour=tumour)
        write_scene(scene, folder / SCENE)
        saliencies = {
            f"{VIEW}saliency-{prediction.model.card.name}": added.saliency
            for prediction, added in zip(results.predictions, nodes, strict=True)
        }
        return {"scene": SCENE, **_pictures(results, volume, saliencies, folder)}


def _pictures(
    results: Results, volume: Any, saliencies: dict[str, Any], folder: Path
) -> dict[str, str]:
    """Write pictures of the scene; none where this machine cannot render."""
    centre = results.crop.mask_centre_of_mass_lps
    try:
        pictures = {f"{VIEW}{view}": slice_picture(volume, view, centre) for view in VIEWS}
        for name, saliency in saliencies.items():
            pictures[name] = slice_picture(volume, "axial", centre, over=saliency)
        pictures[f"{VIEW}3d"] = space_picture(volume, centre)
    except InputError:
        return {}
    for name, pixels in pictures.items():
        write_png(folder / f"{name}.png", pixels)
    return {name: f"{name}.png" for name in pictures}


_ORIENTATIONS = {"axial": "Axial", "coronal": "Coronal", "sagittal": "Sagittal"}
_IN_SLICES = (
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
)
_IN_SPACE = (
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLOrientationMarkerDisplayableManager",
)
_BEHIND = (0.1, 0.12, 0.16)


def slice_picture(
    volume: Any,
    view: View,
    centre_lps: Point,
    *,
    over: Any = None,
    side_mm: float = 120.0,
    pixels: int = 600,
) -> np.ndarray:
    """Render a plane of a volume with all that the scene shows there: outlines, the crop's box.

    Args:
        volume: the node in the background.
        view: how the plane lies.
        centre_lps: the picture's centre, LPS mm.
        over: a volume node that is shown over it, the saliency for example.
        side_mm: width and height of the picture.
        pixels: its size.

    Returns:
        (rows, columns, 3), uint8; turned as Slicer turns it.

    Raises:
        InputError: this machine cannot render.
    """
    with (
        scene_kept(volume.GetScene()),
        _window(pixels) as (window, renderer),
        _slice(volume, view, centre_lps, side_mm, pixels) as (logic, node),
    ):
        if over is not None:
            layers = logic.GetSliceCompositeNode()
            layers.SetForegroundVolumeID(over.GetID())
            layers.SetForegroundOpacity(0.5)
        node.SetRulerType(node.RulerTypeThick)
        node.SetRulerColor(node.RulerColorYellow)
        renderer.GetActiveCamera().ParallelProjectionOn()
        renderer.AddViewProp(_image_actor(logic))
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        with _managers(factory, _IN_SLICES, renderer, node):
            return _picture(window)


def space_picture(
    volume: Any, centre_lps: Point, *, side_mm: float = 130.0, pixels: int = 600
) -> np.ndarray:
    """Render the scene in 3D on an axial plane of a volume: surfaces, the crop's box.

    The view is from the front, a little from the patient's left and from above.

    Args:
        volume: the node whose plane is shown.
        centre_lps: what the camera looks at, LPS mm.
        side_mm: width and height of the picture there.
        pixels: its size.

    Returns:
        (rows, columns, 3), uint8.

    Raises:
        InputError: this machine cannot render.
    """
    with (
        scene_kept(volume.GetScene()),
        _window(pixels) as (window, renderer),
        _slice(volume, "axial", centre_lps, side_mm * 0.8, pixels) as (_, plane),
    ):
        plane.SetSliceVisible(True)
        logic = slicer.vtkMRMLViewLogic()
        logic.SetMRMLApplicationLogic(application_logic())
        logic.SetMRMLScene(volume.GetScene())
        node = logic.AddViewNode("LungSquad 3D")
        node.SetOrientationMarkerType(node.OrientationMarkerTypeAxes)
        renderer.SetBackground(*_BEHIND)
        factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
        with _managers(factory, _IN_SPACE, renderer, node):
            _look(renderer, to_ras(centre_lps), side_mm)
            return _picture(window)


@contextmanager
def _slice(
    volume: Any, view: View, centre_lps: Point, side_mm: float, pixels: int
) -> Iterator[tuple[Any, Any]]:
    """Yield a slice logic and its slice node, square, centred on a point of a volume."""
    logic = slicer.vtkMRMLSliceLogic()
    logic.SetMRMLApplicationLogic(application_logic())
    logic.SetMRMLScene(volume.GetScene())
    node = logic.AddSliceNode(f"LungSquad {view}")
    logic.GetSliceCompositeNode().SetBackgroundVolumeID(volume.GetID())
    node.SetOrientation(_ORIENTATIONS[view])
    node.SetDimensions(pixels, pixels, 1)
    node.SetFieldOfView(side_mm, side_mm, 1.0)
    node.JumpSliceByCentering(*to_ras(centre_lps))
    try:
        yield logic, node
    finally:
        logic.SetMRMLScene(None)


def _image_actor(logic: Any) -> Any:
    """Return an actor of the slice's pixels, which are grey values or colours already."""
    mapper = vtkImageMapper()
    mapper.SetColorWindow(255)
    mapper.SetColorLevel(127.5)
    mapper.SetInputConnection(logic.GetImageDataConnection())
    actor = vtkActor2D()
    actor.SetMapper(mapper)
    actor.GetProperty().SetDisplayLocationToBackground()
    return actor


def _look(renderer: Any, centre: np.ndarray, side_mm: float) -> None:
    camera = renderer.GetActiveCamera()
    distance = side_mm / 2 / np.tan(np.radians(camera.GetViewAngle() / 2))
    towards = np.array([-0.45, 0.8, 0.4])
    camera.SetFocalPoint(*centre)
    camera.SetPosition(*(centre + distance * towards / np.linalg.norm(towards)))
    camera.SetViewUp(0, 0, 1)
    renderer.ResetCameraClippingRange()


@contextmanager
def _window(pixels: int) -> Iterator[tuple[Any, Any]]:
    """Yield a window that is never shown, and its renderer."""
    window, renderer = _new_window(), vtkRenderer()
    window.SetOffScreenRendering(True)
    window.SetMultiSamples(8)
    window.SetSize(pixels, pixels)
    window.AddRenderer(renderer)
    interactor = vtkRenderWindowInteractor()  # markups need one
    interactor.SetRenderWindow(window)
    try:
        yield window, renderer
    finally:
        window.Finalize()


def _new_window() -> Any:
    """Return a window of the kind that works here, without VTK's warnings of the other kinds."""
    warnings = vtkObject.GetGlobalWarningDisplay()
    vtkObject.SetGlobalWarningDisplay(False)
    try:
        window = vtkRenderWindow()
    finally:
        vtkObject.SetGlobalWarningDisplay(warnings)
    if window.IsA("vtkOSOpenGLRenderWindow") and find_library("OSMesa") is None:
        raise InputError(  # VTK's last resort would end the process
            "No picture can be rendered: this machine has no display, no EGL and no OSMesa. "
            "Install libegl1 or libosmesa6."
        )
    return window


@contextmanager
def _managers(factory: Any, names: Sequence[str], renderer: Any, node: Any) -> Iterator[None]:
    """Let Slicer's displayable managers render nodes for one view node."""
    factory.SetMRMLApplicationLogic(application_logic())
    for name in names:
        if not factory.IsDisplayableManagerRegistered(name):
            factory.RegisterDisplayableManager(name)
    group = slicer.vtkMRMLDisplayableManagerGroup()
    group.Initialize(factory, renderer)
    group.SetMRMLDisplayableNode(node)
    try:
        yield
    finally:
        group.SetMRMLDisplayableNode(None)


def _picture(window: Any) -> np.ndarray:
    window.Render()
    grab = vtkWindowToImageFilter()
    grab.SetInput(window)
    grab.ReadFrontBufferOff()
    grab.Update()
    image = grab.GetOutput()
    width, height, _ = image.GetDimensions()
    array = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, -1)
    return np.ascontiguousarray(array[::-1, :, :3])
