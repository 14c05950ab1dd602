"""The LungSquad module of 3D Slicer; the work is done in LungSquadLib."""

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
    """Make LungSquadLib importable: installed, it is beside this file; in the source, above it."""
    folders = [
        folder
        for folder in (_HERE, _HERE.parent)
        if (folder / "LungSquadLib/__init__.py").is_file()
    ]
    if folders and str(folders[0]) not in sys.path:
        sys.path.insert(0, str(folders[0]))


_find_library()


class LungSquad(ScriptedLoadableModule):
    """The module's title, category, help and sample data."""

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
            "The prognosis network follows Hosny et al. 2018, doi:10.1371/journal.pmed.1002711."
        )
        slicer.app.connect("startupCompleted()", register_sample_data)


def register_sample_data() -> None:
    """Add the sample patient to the module Sample Data."""
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="LungSquad",
        sampleName="LungSquad phantom patient",
        uris="",  # must be a text, though nothing is downloaded
        customDownloader=make_sample_patient,
        thumbnailFileName=str(_HERE / "Resources/Icons/LungSquad.png"),
    )


def make_sample_patient(_source=None):
    """Create the sample patient, show it, and return its volume and segmentation node."""
    from LungSquadLib.mrml.sample_patient import add_sample_patient

    with slicer.util.tryWithErrorDisplay(
        _("The sample patient could not be created."), waitCursor=True
    ):
        volume, segmentation = add_sample_patient(slicer.mrmlScene, progress=_StatusBar())
        slicer.util.setSliceViewerLayers(background=volume, fit=True)
    return volume, segmentation


class _StatusBar:
    """Progress in the status bar; meanwhile Slicer's window is updated but takes no input."""

    cancelled = False

    def report(self, fraction, message):
        slicer.util.showStatusMessage(f"{message}: {fraction:.0%}", 3000)
        slicer.app.processEvents(qt.QEventLoop.ExcludeUserInputEvents)


class LungSquadWidget(ScriptedLoadableModuleWidget):
    """The module's widget: connects the panel to Slicer's life cycle."""

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
        self.cleanup()  # with the code that created it
        for name in [name for name in sys.modules if name.split(".")[0] == "LungSquadLib"]:
            del sys.modules[name]
        super().onReload()


class LungSquadFileDialog:
    """Opens what is dropped on Slicer's window while this module is selected.

    Slicer finds the class by its name. At other times it accepts nothing: Slicer would ask users
    of other modules which module should open the file.
    """

    def __init__(self, dialog):
        self._dialog = dialog
        dialog.fileType = "LungSquad"
        dialog.description = _("CT or tumour outline for LungSquad")
        dialog.action = slicer.qSlicerFileDialog.Read

    def isMimeDataAccepted(self):
        selected = slicer.util.selectedModule() == "LungSquad"
        self._dialog.acceptMimeData(selected and self._dropped() != "")

    def dropEvent(self):
        path = self._dropped()
        # Later: the program that it was dragged from waits until the drop is over. Slicer never
        # deletes what such a timer calls: it must not hold the panel.
        qt.QTimer.singleShot(0, lambda: _open_in_panel(path))

    def _dropped(self):
        """Return the path of the only file or folder, or an empty text."""
        paths = [url.toLocalFile() for url in self._dialog.mimeData().urls()]
        return paths[0] if len(paths) == 1 else ""


def _open_in_panel(path):
    panel = slicer.util.getModuleWidget("LungSquad").panel
    if panel is not None:
        panel.open_path(path)


class LungSquadTest(ScriptedLoadableModuleTest):
    """From the sample patient to the report, in a real Slicer, without a dialog."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        self.setUp()
        self.test_phantom_to_report()

    def test_phantom_to_report(self):
        import SimpleITK as sitk

        import LungSquadLib.mrml as lsm
        from LungSquadLib.worker.client import WorkerClient

        self.delayDisplay("Creating the sample patient")
        volume, segmentation = make_sample_patient()
        segment = segmentation.GetSegmentation().GetNthSegmentID(0)

        self.delayDisplay("Cropping")
        crop = lsm.crop(volume, segmentation, segment, show=True)
        self.assertEqual(crop.ct.GetSize(), (64, 64, 64))
        self.assertGreater(crop.mask_voxels, 0)
        lsm.remove_results(volume)

        if importlib.util.find_spec("torch") is None:
            self.delayDisplay("The crop is correct; without torch there is no prediction")
            return
        self.delayDisplay("Predicting")
        with tempfile.TemporaryDirectory() as folder, WorkerClient() as worker:
            ct, mask, out = (str(Path(folder, name)) for name in ("ct.nrrd", "mask.nrrd", "out"))
            sitk.WriteImage(lsm.image_of_volume(volume), ct)
            sitk.WriteImage(lsm.mask_of_segment(segmentation, segment, volume), mask)
            result = worker.request(
                "predict", ct=ct, mask=mask, models=["demo-histology"], folder=out
            )
            self.assertEqual(len(result["predictions"]), 1)
            self.assertTrue(Path(out, result["files"]["report"]).is_file())
        self.assertNotIn("torch", sys.modules)
        self.delayDisplay("The report was written: all tests passed")
