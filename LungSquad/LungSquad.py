"""The LungSquad module of 3D Slicer; the work is done in LungSquadLib."""

from __future__ import annotations

import importlib.util
import logging
import sys
import tempfile
import time
import traceback
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
    """The module in a real Slicer, without a dialog; the steps that failed are named at the end.

    Without torch, or without highdicom (in Slicer since 5.12), the steps that need it are left out.
    """

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        problems = []
        for step in (
            self.test_sample_patient,
            self.test_several_tumours,
            self.test_scene,
            self.test_panel,
            self.test_box,
            self.test_folder_of_patients,
            self.test_dicom,
        ):
            self.setUp()
            try:
                step()
            except Exception as error:
                traceback.print_exc()
                problems.append(f"{step.__name__}: {type(error).__name__}: {error}")
        self.setUp()
        if problems:
            raise AssertionError("LungSquad's self-test failed.\n" + "\n".join(problems))
        self.delayDisplay("All steps of LungSquad's self-test passed")

    def test_sample_patient(self):
        """The sample patient is created and cropped."""
        import LungSquadLib.mrml as lsm

        self.delayDisplay("Creating and cropping the sample patient")
        volume, segmentation = make_sample_patient()
        crop = lsm.crop(volume, segmentation, _segments(segmentation)[0], show=True)
        self.assertEqual(crop.ct.GetSize(), (64, 64, 64))
        self.assertGreater(crop.mask_voxels, 0)
        self.assertEqual(crop.flags, ())
        lsm.remove_results(volume)

    def test_several_tumours(self):
        """Two segments are predicted by the worker; each keeps its result."""
        if _lacks("torch"):
            return
        from LungSquadLib.mrml.results import stored_predictions

        self.delayDisplay("Predicting for two tumours")
        volume, segmentation = self._two_tumours()
        self._predict(volume, segmentation)
        stored = stored_predictions(volume)
        self.assertEqual([each.tumour.segment for each in stored], _segments(segmentation))
        volumes = [each.described["crop"]["mask_volume_ml"] for each in stored]
        self.assertGreater(volumes[0], 2 * volumes[1])
        self.assertNotIn("torch", sys.modules)

    def test_scene(self):
        """A scene with results is saved, closed and loaded: nothing of them has changed."""
        if _lacks("torch"):
            return
        from LungSquadLib.mrml.results import stored_predictions
        from LungSquadLib.mrml.scene import write_scene

        self.delayDisplay("Saving and loading a scene")
        volume, segmentation = self._two_tumours()
        self._predict(volume, segmentation)
        before = [each.described for each in stored_predictions(volume)]
        name = volume.GetName()
        with tempfile.TemporaryDirectory() as folder:
            write_scene(slicer.mrmlScene, Path(folder, "scene.mrb"))
            slicer.mrmlScene.Clear()
            self.assertIsNone(slicer.mrmlScene.GetFirstNodeByName(name))
            slicer.util.loadScene(str(Path(folder, "scene.mrb")))
            stored = stored_predictions(slicer.mrmlScene.GetFirstNodeByName(name))
            self.assertEqual([each.described for each in stored], before)

    def test_panel(self):
        """The panel shows a first answer, then the whole; a scene keeps the files of its report."""
        if _lacks("torch"):
            return
        from LungSquadLib.mrml.report_files import kept_report_files
        from LungSquadLib.mrml.scene import write_scene

        self.delayDisplay("Predicting in the panel, and keeping the report in a scene")
        panel = slicer.util.getModuleWidget("LungSquad").panel
        panel.enter()
        volume, segmentation = make_sample_patient()
        name, state, widgets = volume.GetName(), panel.context.state, panel.ui
        state.ct, state.model, state.keep_files = volume, "demo-histology", True
        panel.tumour.choose(segmentation, _segments(segmentation)[0])
        _wait_until(lambda: panel.crop.crop is not None, "The crop", panel)
        _wait_until(
            lambda: (
                widgets.predictionFrame.enabled and widgets.modelSelector.currentData == state.model
            ),
            "The button Predict",
            panel,
        )
        widgets.predictButton.click()
        _wait_until(lambda: widgets.preliminaryLabel.text != "", "The first answer", panel)
        first = widgets.predictedClassLabel.text
        _wait_until(lambda: kept_report_files(volume), "The report in the scene", panel)
        _wait_until(lambda: widgets.preliminaryLabel.text == "", "The whole answer", panel)
        self.assertEqual(widgets.predictedClassLabel.text, first)
        with tempfile.TemporaryDirectory() as folder:
            write_scene(slicer.mrmlScene, Path(folder, "scene.mrb"))
            slicer.mrmlScene.Clear()
            slicer.util.loadScene(str(Path(folder, "scene.mrb")))
        (run,) = panel.prediction.files.runs(slicer.mrmlScene.GetFirstNodeByName(name))
        self.assertTrue((run.files.results / "report.html").is_file())

    def test_box(self):
        """Two clicks on corners are a box in Slicer, as deep as its shorter side."""
        from LungSquadLib.mrml.panel.views import corners_of

        self.delayDisplay("Placing a box")
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
        for corner in ((1.0, 2.0, 3.0), (11.0, 22.0, 3.0)):
            self.assertFalse(node.GetControlPointPlacementComplete())
            node.AddControlPointWorld(*corner)
        self.assertTrue(node.GetControlPointPlacementComplete())
        self.assertEqual(corners_of(node), ((-11.0, -22.0, -2.0), (-1.0, -2.0, 8.0)))

    def test_folder_of_patients(self):
        """A folder of patients is a batch: one with CT and outline, one without."""
        if _lacks("torch"):
            return
        import SimpleITK as sitk

        import LungSquadLib.mrml as lsm
        from LungSquadLib.worker.client import WorkerClient

        self.delayDisplay("Predicting for a folder of patients")
        volume, segmentation = make_sample_patient()
        mask = lsm.mask_of_segment(segmentation, _segments(segmentation)[0], volume)
        with tempfile.TemporaryDirectory() as folder, WorkerClient() as worker:
            patients = Path(folder, "patients")
            for name in ("a", "b"):
                (patients / name).mkdir(parents=True)
                sitk.WriteImage(lsm.image_of_volume(volume), str(patients / name / "ct.nrrd"))
            sitk.WriteImage(mask, str(patients / "a" / "tumour.nrrd"))
            plan = worker.request("plan", manifest=str(patients))
            self.assertEqual((plan["cases"], list(plan["left_out"])), (1, ["b"]))
            results = Path(folder, "results")
            done = worker.request(
                "batch", manifest=str(patients), models=["demo-histology"], folder=str(results)
            )
            self.assertEqual((done["done"], done["failed"]), (1, 0))
            self.assertTrue((results / "cases" / "a" / "report.html").is_file())

    def test_dicom(self):
        """A folder is imported; SEG and SR join the patient's study, and move nothing."""
        if _lacks("torch") or _lacks("highdicom"):
            return
        import SimpleITK as sitk
        from DICOMLib import DICOMUtils

        import LungSquadLib.mrml as lsm
        from LungSquadLib.imaging.mask_files import read_mask
        from LungSquadLib.mrml.volumes import dicom_source
        from LungSquadLib.phantom.dicom import write_patient
        from LungSquadLib.phantom.patient import Phantom
        from LungSquadLib.worker.client import WorkerClient

        self.delayDisplay("Importing DICOM and adding SEG and SR to it")
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            phantom = Phantom(7)
            files = write_patient(
                phantom, Path(folder, "in"), grid=phantom.chest_grid(128, spacing=(2.8, 2.8, 2.8))
            )
            with DICOMUtils.TemporaryDICOMDatabase(str(Path(folder, "database"))) as database:
                DICOMUtils.importDicom(str(files.ct), database)
                (uid,) = _series(database)
                (node,) = map(slicer.mrmlScene.GetNodeByID, DICOMUtils.loadSeriesByUID([uid]))
                ct, mask = (Path(folder, name) for name in ("ct.nrrd", "mask.nrrd"))
                image = lsm.image_of_volume(node)
                sitk.WriteImage(image, str(ct))
                sitk.WriteImage(read_mask(files.seg, lsm.ct_of_volume(node)).image, str(mask))
                source, series = dicom_source(node)
                with WorkerClient() as worker:
                    results = Path(folder, "results")
                    case = {"ct": str(ct), "mask": str(mask)}
                    worker.request(
                        "predict", **case, models=["demo-histology"], folder=str(results)
                    )
                    self.assertTrue((results / "report.html").is_file())
                    worker.request(
                        "dicom",
                        **case,
                        results=str(results),
                        source=str(source),
                        series=series,
                        folder=str(Path(folder, "out")),
                        keep_identity=True,
                    )
                DICOMUtils.importDicom(str(Path(folder, "out")), database)
                self.assertEqual(len(database.patients()), 1)
                self.assertEqual(len(_series(database)), 3)  # CT, SEG and SR
                slicer.mrmlScene.Clear()

    def _two_tumours(self):
        """Return the sample patient with a second, smaller segment in the place of its tumour."""
        import SimpleITK as sitk

        import LungSquadLib.mrml as lsm

        volume, segmentation = make_sample_patient()
        mask = lsm.mask_of_segment(segmentation, _segments(segmentation)[0], volume)
        smaller = sitk.BinaryErode(sitk.ConstantPad(mask, (1, 1, 1), (1, 1, 1)), (8, 8, 4))
        lsm.add_segment(segmentation, smaller, name="smaller")
        return volume, segmentation

    def _predict(self, volume, segmentation):
        import LungSquadLib.mrml as lsm

        for segment in _segments(segmentation):
            lsm.predict(volume, segmentation, segment, model="demo-histology", show=True)


def _wait_until(condition, what, panel, seconds=180):
    """Let Slicer work until a condition holds, or fail with what the panel says."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{what} is not there after {seconds} s: {panel.context.status}")
        slicer.app.processEvents()
        time.sleep(0.01)


def _segments(segmentation):
    inside = segmentation.GetSegmentation()
    return [inside.GetNthSegmentID(n) for n in range(inside.GetNumberOfSegments())]


def _series(database):
    """Return the UIDs of all series in a DICOM database."""
    studies = [uid for each in database.patients() for uid in database.studiesForPatient(each)]
    return [uid for study in studies for uid in database.seriesForStudy(study)]


def _lacks(package):
    missing = importlib.util.find_spec(package) is None
    if missing:
        logging.warning("LungSquad's self-test leaves out a step that needs %s", package)
    return missing
