"""The LungSquad module as 3D Slicer knows it; what it does is in LungSquadLib."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)

HOMEPAGE = "https://github.com/LungSquad/LungSquad"
_HERE = Path(__file__).resolve().parent


def _find_library() -> None:
    """Let LungSquadLib be imported: from a package it lies beside this file, from source above."""
    folders = [one for one in (_HERE, _HERE.parent) if (one / "LungSquadLib/__init__.py").is_file()]
    if folders and str(folders[0]) not in sys.path:
        sys.path.insert(0, str(folders[0]))


_find_library()


class LungSquad(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent):
        super().__init__(parent)
        parent.title = "LungSquad"
        parent.categories = ["Quantification"]
        parent.dependencies = [
            "DICOM",
            "Markups",
            "SegmentEditor",
            "Segmentations",
            "Tables",
            "Volumes",
        ]
        parent.contributors = ["LungSquad team (LungSquad)"]
        parent.helpText = _(
            "From a chest CT and a tumour outline to a checked crop, a prediction with its "
            "uncertainty, and a report. Research software, not a medical device. "
            "See the {start}tutorial{end}."
        ).format(start=f'<a href="{HOMEPAGE}#tutorial">', end="</a>")
        parent.acknowledgementText = _(
            "The prognosis network is that of Hosny et al. 2018, doi:10.1371/journal.pmed.1002711."
        )
        slicer.app.connect("startupCompleted()", register_sample_data)


def register_sample_data() -> None:
    """Offer the phantom patient in Sample Data."""
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="LungSquad",
        sampleName="LungSquad phantom patient",
        uris="",  # it must be a text, though nothing is downloaded
        customDownloader=make_sample_patient,
        thumbnailFileName=str(_HERE / "Resources/Icons/LungSquad.png"),
    )


def make_sample_patient(_source=None):
    """Make the phantom patient, show it, and return its volume and segmentation node."""
    from LungSquadLib.mrml.sample_patient import add_sample_patient

    with slicer.util.tryWithErrorDisplay(
        _("The phantom patient could not be made."), waitCursor=True
    ):
        volume, segmentation = add_sample_patient(slicer.mrmlScene, progress=_StatusBar())
        slicer.util.setSliceViewerLayers(background=volume, fit=True)
    return volume, segmentation


class _StatusBar:
    """Progress in the status bar; Slicer's window is drawn meanwhile and takes no input."""

    cancelled = False

    def report(self, fraction, message):
        slicer.util.showStatusMessage(f"{message}: {fraction:.0%}", 3000)
        slicer.app.processEvents(qt.QEventLoop.ExcludeUserInputEvents)


class LungSquadWidget(ScriptedLoadableModuleWidget):
    """The shell round the panel: Slicer's life cycle."""

    def __init__(self, parent=None):
        self.panel = None
        super().__init__(parent)  # without a parent it calls setup

    def setup(self):
        super().setup()
        from LungSquadLib.mrml.panel import Panel

        ui = slicer.util.loadUI(self.resourcePath("UI/LungSquad.ui"))
        self.layout.addWidget(ui)
        ui.setMRMLScene(slicer.mrmlScene)
        self.panel = Panel(ui)

    def enter(self):
        if self.panel is not None:  # None where setup failed: Slicer has shown why
            self.panel.enter()

    def exit(self):
        if self.panel is not None:
            self.panel.leave()

    def cleanup(self):
        if self.panel is not None:
            self.panel.close()
            self.panel = None

    def onReload(self):
        self.cleanup()  # with the code that it was made by
        for name in [one for one in sys.modules if one.split(".")[0] == "LungSquadLib"]:
            del sys.modules[name]
        super().onReload()


class LungSquadFileDialog:
    """Takes what is dropped on Slicer's window while this module is shown.

    Slicer finds the class by its name. At other times it takes nothing: with several takers Slicer
    asks the user which, and those who work on something else should not be asked.
    """

    def __init__(self, dialog):
        self._dialog = dialog
        dialog.fileType = "LungSquad"
        dialog.description = _("CT or tumour outline for LungSquad")
        dialog.action = slicer.qSlicerFileDialog.Read

    def isMimeDataAccepted(self):
        shown = slicer.util.selectedModule() == "LungSquad"
        self._dialog.acceptMimeData(shown and self._dropped() != "")

    def dropEvent(self):
        path = self._dropped()
        # Later: the program that it was dragged from waits until the drop is over. Slicer keeps
        # what such a timer calls for ever: it must not hold the panel.
        qt.QTimer.singleShot(0, lambda: _open_in_panel(path))

    def _dropped(self):
        """The one file or folder, or nothing."""
        paths = [url.toLocalFile() for url in self._dialog.mimeData().urls()]
        return paths[0] if len(paths) == 1 else ""


def _open_in_panel(path):
    panel = slicer.util.getModuleWidget("LungSquad").panel
    if panel is not None:
        panel.open_path(path)


class LungSquadTest(ScriptedLoadableModuleTest):
    """From the phantom patient to the report, in a real Slicer, without a question."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        self.setUp()
        self.test_phantom_to_report()

    def test_phantom_to_report(self):
        import SimpleITK as sitk

        import LungSquadLib.mrml as lsm
        from LungSquadLib.worker.client import WorkerClient

        self.delayDisplay("Making the phantom patient")
        volume, segmentation = make_sample_patient()
        segment = segmentation.GetSegmentation().GetNthSegmentID(0)

        self.delayDisplay("Cutting the crop")
        crop = lsm.crop(volume, segmentation, segment, show=True)
        self.assertEqual(crop.ct.GetSize(), (64, 64, 64))
        self.assertGreater(crop.mask_voxels, 0)
        lsm.remove_results(volume)

        if importlib.util.find_spec("torch") is None:
            self.delayDisplay("The crop is as it should be; without torch there is no prediction")
            return
        self.delayDisplay("Predicting")
        with tempfile.TemporaryDirectory() as folder, WorkerClient() as worker:
            ct, mask, out = (str(Path(folder, name)) for name in ("ct.nrrd", "mask.nrrd", "out"))
            sitk.WriteImage(lsm.image_of_volume(volume), ct)
            sitk.WriteImage(lsm.mask_of_segment(segmentation, segment, volume), mask)
            answer = worker.request(
                "predict", ct=ct, mask=mask, models=["demo-histology"], folder=out
            )
            self.assertEqual(len(answer["predictions"]), 1)
            self.assertTrue(Path(out, answer["files"]["report"]).is_file())
        self.assertNotIn("torch", sys.modules)
        self.delayDisplay("From the phantom patient to the report: all as it should be")
