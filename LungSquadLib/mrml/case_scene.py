"""A finished case as a scene for Slicer, and pictures of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..imaging.files.write import write_png
from ..imaging.pictures import VIEWS, WINDOWS
from ..report.render import VIEW
from .descriptions import show_descriptions
from .hierarchy import scene_kept
from .pictures import slice_picture, space_picture
from .results import show_prediction
from .scene import start, write_scene
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
