"""LungSquad for the nodes of 3D Slicer's scene, in Slicer or with the package `slicer-core`.

    import LungSquadLib.mrml as lsm

    scene = lsm.start()  # outside Slicer; in Slicer it changes nothing
    crop = lsm.crop(volume, segmentation, segment_id)
    prediction = lsm.predict(volume, segmentation, segment_id, model="demo-histology", show=True)
    lsm.remove_results(volume)

The only package that imports slicer and vtk.
"""

from __future__ import annotations

from .console import crop, models, predict, remove_results
from .results import ResultNodes, show_crop, show_prediction
from .scene import start
from .segments import add_segment, add_segmentation, mask_of_segment
from .volumes import add_volume, ct_of_volume, dicom_source, image_of_volume

__all__ = [
    "ResultNodes",
    "add_segment",
    "add_segmentation",
    "add_volume",
    "crop",
    "ct_of_volume",
    "dicom_source",
    "image_of_volume",
    "mask_of_segment",
    "models",
    "predict",
    "remove_results",
    "show_crop",
    "show_prediction",
    "start",
]
