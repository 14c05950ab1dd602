"""The stand-in of Slicer's GUI does not lie where the panel relies on it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
import SimpleITK as sitk

from ..dicom_maker import some_hu, write_series
from ..samples import ball_images
from .ui_file import classes_of_slicer

SAMPLE = Path(__file__).with_name("sample.ui")


@pytest.fixture
def sample(gui, scene):
    """The sample's widgets by name, with the scene."""
    import slicer

    widget = slicer.util.loadUI(str(SAMPLE))
    widget.setMRMLScene(scene)
    ui = slicer.util.childWidgetVariables(widget)
    ui.root = widget
    yield ui
    widget.setMRMLScene(None)


@pytest.fixture
def state_class(gui):
    """A parameter node's class with a field of each kind."""
    import slicer
    from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper

    kinds = {
        "ct": slicer.vtkMRMLScalarVolumeNode,
        "segment": str,
        "count": int,
        "shown": bool,
        "share": Annotated[float, WithinRange(0.0, 1.0)],
        "device": Annotated[str, Choice(["auto", "cpu"])],
    }
    defaults = {"count": 3, "shown": True, "share": 0.25, "device": "auto"}
    return parameterNodeWrapper(type("State", (), {"__annotations__": kinds, **defaults}))


@pytest.fixture
def state(state_class, scene):
    return state_class(scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))


def values_of(signal) -> list:
    """What a signal tells from now on."""
    values: list = []
    signal.connect(values.append)
    return values


def volume(scene, name="CT"):
    return scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)


def test_stand_ins_have_no_names_that_the_real_widgets_lack(gui):
    from PySide6.QtWidgets import QWidget

    from ..slicer_stand_in.python_qt import UiLoader

    real = classes_of_slicer()
    if not real:
        pytest.skip("names of real widgets: they are not there")
    handlers = set(dir(QWidget))  # of Qt's events
    for widget in UiLoader.widgets:
        parts = real[widget.__name__].values()
        known = {name.partition("(")[0] for part in parts for name in part}
        named = {name for name in vars(widget) if name[0] != "_"} - {"staticMetaObject"}
        assert named - handlers - {"hitButton"} <= known, widget


def test_widgets_have_the_manners_of_pythonqt(sample, gui):
    import qt

    sample.hint.text = "one"
    sample.hint.setText("two")
    assert (sample.hint.text, sample.hint.visible, sample.hint.name) == ("two", False, "hint")
    with pytest.raises(AttributeError, match="QPushButton has no property 'caption'"):
        sample.runButton.caption = "Go"
    with pytest.raises(AttributeError, match="qMRMLNodeComboBox has no property 'editable'"):
        sample.ctSelector.editable = True
    with pytest.raises(ValueError, match="no signal 'nodeChanged"):
        sample.ctSelector.connect("nodeChanged(vtkMRMLNode*)", print)
    values: list = []
    sample.runButton.connect("clicked(bool)", values.append)
    sample.runButton.click()
    sample.runButton.disconnect("clicked(bool)", values.append)
    sample.runButton.click()
    assert values == [False]
    assert isinstance(sample.runButton, qt.QPushButton)
    assert not hasattr(sample.root, "runButton")


def test_errors_in_callbacks_are_noticed(sample, gui, scene):
    def fails(*_):
        raise ZeroDivisionError

    tag = scene.AddObserver("ModifiedEvent", fails)
    scene.Modified()
    scene.RemoveObserver(tag)
    sample.runButton.clicked.connect(fails)
    sample.runButton.click()
    assert [error[0] for error in gui.errors] == [ZeroDivisionError, ZeroDivisionError]
    gui.errors.clear()


def test_an_ui_file_with_a_widget_that_has_no_stand_in_is_refused(gui, tmp_path):
    import slicer

    text = SAMPLE.read_text(encoding="utf-8").replace("ctkSliderWidget", "ctkDial")
    (tmp_path / "sample.ui").write_text(text, encoding="utf-8")
    with pytest.raises(RuntimeError, match="ctkDial"):
        slicer.util.loadUI(str(tmp_path / "sample.ui"))


def test_the_node_selector_follows_the_scene(sample, scene):
    selector = sample.ctSelector
    values = values_of(selector.currentNodeChanged)
    first, second = volume(scene, "First"), volume(scene, "Second")
    label_map = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    assert selector.currentNode() is None
    selector.setCurrentNode(first)
    first.SetName("Renamed")
    assert (selector.currentNode(), selector._box.currentText) == (first, "Renamed")
    selector.showChildNodeTypes = False
    assert label_map not in selector._rows
    selector.showChildNodeTypes = True
    scene.RemoveNode(label_map)
    scene.RemoveNode(first)
    assert selector.currentNode() is second  # as in Slicer, the neighbour
    scene.RemoveNode(second)
    assert values == [first, second, None]
    third, _ = volume(scene, "Third"), volume(scene, "Fourth")
    volume(scene, "Hidden").SetHideFromEditors(True)
    assert selector._box.count == 3  # with None
    selector.setCurrentNode(third)
    scene.Clear(False)
    assert selector.currentNode() is None
    assert values[3:] == [third, None]  # not a neighbour while the scene is closing


def test_a_widget_whose_scene_was_taken_away_hears_nothing(gui, scene):
    import shiboken6
    import slicer

    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    selector.setMRMLScene(scene)
    selector.setMRMLScene(None)
    shiboken6.delete(selector)
    volume(scene)
    assert gui.errors == []


def test_the_segment_selector_follows_the_segmentation(sample, drawn):
    import slicer

    _, segmentation, first = drawn
    selector = sample.segmentSelector
    values = values_of(selector.currentSegmentChanged)
    selector.setCurrentNode(segmentation)
    assert selector.currentSegmentID() == ""  # None is enabled, and nothing was chosen
    selector.setCurrentSegmentID(first)
    second = segmentation.GetSegmentation().AddEmptySegment("second", "Second")
    assert selector.currentSegmentID() == first
    segmentation.GetSegmentation().RemoveSegment(first)
    assert selector.currentSegmentID() == second
    assert values == [first, second]
    assert selector.segmentIDs() == ["None", second]
    slicer.mrmlScene.RemoveNode(segmentation)
    assert selector.currentNode() is None
    assert selector.currentSegmentID() == second  # as in Slicer: it is of nothing any more


def test_parameters_are_kept_in_the_node_and_wrong_ones_refused(state, state_class, scene):
    node = state.parameterNode
    assert (state.ct, state.segment, state.count, state.shown) == (None, "", 3, True)
    state.ct, state.share, state.shown, state.device = volume(scene), 1, False, "cpu"
    again = state_class(node)
    assert (again.ct, again.share, again.shown, again.device) == (state.ct, 1.0, False, "cpu")
    assert (node.GetParameter("shown"), node.GetParameter("share")) == ("False", "1")
    for name, value, error in (
        ("share", 1.5, ValueError),
        ("device", "tpu", ValueError),
        ("segment", None, ValueError),
        ("count", 1.5, TypeError),
        ("ct", node, TypeError),
    ):
        with pytest.raises(error):
            setattr(state, name, value)
    scene.RemoveNode(state.ct)
    assert state.ct is None


def test_parameters_and_widgets_follow_each_other(sample, state, scene):
    ct = volume(scene)
    tag = state.connectGui(sample)
    assert (sample.shareSlider.value, sample.shareSlider.maximum) == (0.25, 1.0)
    sample.ctSelector.setCurrentNode(ct)
    sample.shareSlider.value = 0.5
    assert (state.ct, state.share) == (ct, 0.5)
    state.ct, state.share = None, 0.75
    assert (sample.ctSelector.currentNode(), sample.shareSlider.value) == (None, 0.75)
    state.disconnectGui(tag)
    state.share, sample.shareSlider.value = 0.1, 0.9
    assert (sample.shareSlider.value, state.share) == (0.9, 0.1)
    assert not state.parameterNode.HasObserver("ModifiedEvent")


@pytest.mark.parametrize(
    ("widget", "parameter", "shown", "chosen"),
    [
        ("QSpinBox", "count", ("value", 3), 7),
        ("QCheckBox", "shown", ("checked", True), False),
        ("QComboBox", "device", ("currentText", "auto"), "cpu"),
        ("QLineEdit", "segment", ("text", ""), "a"),
    ],
)
def test_qt_widgets_show_parameters(gui, state, widget, parameter, shown, chosen):
    import qt

    gui_widget = getattr(qt, widget)()
    state.connectParametersToGui({parameter: gui_widget})
    assert getattr(gui_widget, shown[0]) == shown[1]
    setattr(gui_widget, shown[0], chosen)
    assert state.getValue(parameter) == chosen


def test_a_widget_that_cannot_show_a_parameter_is_refused(gui, state):
    import qt

    with pytest.raises(RuntimeError, match="No QLabel"):
        state.connectParametersToGui({"share": qt.QLabel()})
    with pytest.raises(ValueError, match="no parameter 'other'"):
        state.connectParametersToGui({"other": qt.QSpinBox()})


def test_what_is_hidden_in_a_folded_section_stays_hidden(sample, application):
    sample.root.show()
    application.processEvents()
    sample.section.collapsed = True
    assert not sample.runButton.visible
    sample.hint.visible, sample.runButton.visible = True, False
    assert not sample.hint.visible
    sample.section.collapsed = False
    assert (sample.hint.visible, sample.runButton.visible) == (True, False)
    sample.root.hide()


def test_a_table_is_shown(gui, scene):
    import qt
    import slicer

    node = scene.AddNewNodeByClass("vtkMRMLTableNode")
    column = node.AddColumn()
    column.SetName("volume")
    column.InsertNextValue("2.5")
    view = slicer.qMRMLTableView()
    view.setMRMLTableNode(node)
    cells = view.model()
    assert cells.headerData(0, qt.Qt.Horizontal) == "volume"
    assert cells.item(0, 0).text() == "2.5"


def test_a_process_is_heard_while_the_event_loop_runs(gui, wait_until, heartbeat):
    import qt

    code = "import time\nfor n in range(3): print(n, flush=True); time.sleep(0.05)\nexit(4)"
    process, lines, codes = qt.QProcess(), [], []

    def hear():
        lines.extend(bytes(process.readAllStandardOutput().data()).split())

    process.connect("readyReadStandardOutput()", hear)
    process.connect("finished(int,QProcess::ExitStatus)", lambda code, _: codes.append(code))
    process.start(sys.executable, ["-c", code])
    with heartbeat:
        wait_until(lambda: codes, 30)
    assert (lines, codes) == ([b"0", b"1", b"2"], [4])
    assert heartbeat.longest < 0.1
    process.connect("errorOccurred(QProcess::ProcessError)", codes.append)
    process.start("no-such-program", [])
    wait_until(lambda: codes[-1] == qt.QProcess.FailedToStart)


def test_progress_messages_drop_no_reference_to_none(gui, application):
    """As methods of Qt that return nothing do in PySide6 6.12.0.

    Python before 3.12 counts these references, and ends with "none_dealloc" when none is left.
    """
    import qt

    timer, messages = qt.QTimer(), []
    timer.setSingleShot(True)
    timer.timeout.connect(lambda: messages.append("Searching the lungs"))
    before = sys.getrefcount(None)
    while len(messages) < 1000:
        timer.start()
        application.processEvents()
    assert sys.getrefcount(None) > before - 1000, "Install the PySide6 of constraints.txt."


def test_the_heartbeat_notices_a_deaf_event_loop(heartbeat, wait_until):
    with heartbeat:
        time.sleep(0.15)
    assert heartbeat.longest >= 0.15
    with pytest.raises(AssertionError, match=r"not so after 0\.05 s"):
        wait_until(lambda: False, 0.05)


def test_a_dicom_series_is_loaded_through_the_database(gui, scene, tmp_path):
    import slicer
    from DICOMLib import DICOMUtils

    from LungSquadLib.mrml import image_of_volume

    write_series(tmp_path / "ct", some_hu())
    assert DICOMUtils.importDicom(str(tmp_path / "ct"))
    (uid,) = slicer.dicomDatabase.allSeries()
    (node,) = map(scene.GetNodeByID, DICOMUtils.loadSeriesByUID([uid]))
    instances = node.GetAttribute("DICOM.instanceUIDs").split()
    files = {slicer.dicomDatabase.fileForInstance(instance) for instance in instances}
    assert files == {str(file) for file in (tmp_path / "ct").iterdir()}
    assert slicer.dicomDatabase.seriesForFile(files.pop()) == uid
    assert image_of_volume(node).GetSize()[2] == len(instances)


def test_a_volume_file_is_loaded(gui, scene, tmp_path):
    import slicer

    ct, _ = ball_images()
    sitk.WriteImage(ct, str(tmp_path / "ct.nrrd"))
    node = slicer.util.loadVolume(str(tmp_path / "ct.nrrd"))
    assert node.GetImageData().GetDimensions() == ct.GetSize()
    nodes = scene.GetNumberOfNodes()
    with pytest.raises(RuntimeError):
        slicer.util.loadVolume(str(tmp_path / "none.nrrd"))
    assert scene.GetNumberOfNodes() == nodes


def test_questions_are_answered_and_messages_kept(gui):
    import qt
    import slicer

    gui.messages.answer = qt.QMessageBox.Cancel
    assert not slicer.util.confirmOkCancelDisplay("Sure?")
    slicer.util.errorDisplay("It broke.")
    slicer.util.showStatusMessage("Done.")
    assert gui.messages.shown == [("info", "Sure?"), ("error", "It broke."), ("status", "Done.")]
    gui.file_answers.append("/data")
    assert qt.QFileDialog.getExistingDirectory(None, "Folder") == "/data"
    assert qt.QFileDialog.getOpenFileName(None, "File") == ""
    with pytest.raises(AssertionError, match=r"slicer\.util"):
        qt.QMessageBox.warning(None, "title", "text")


def test_colours_reach_qt_the_right_way_up(gui):
    import qt
    import slicer
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonDataModel import vtkImageData

    image = vtkImageData()
    image.SetDimensions(3, 2, 1)
    colours = np.zeros((6, 3), np.uint8)
    colours[5] = (255, 10, 20)  # the last column of the upper row
    image.GetPointData().SetScalars(numpy_to_vtk(colours, deep=True))
    drawn = qt.QImage()
    slicer.qMRMLUtils().vtkImageDataToQImage(image, drawn)
    assert (drawn.width(), drawn.height()) == (3, 2)
    assert drawn.pixelColor(2, 0).getRgb()[:3] == (255, 10, 20)


def test_nothing_is_left_of_the_gui_after_it(application, scene):
    code = """
import json
import sys
from pathlib import Path
import pytest
from PySide6.QtWidgets import QApplication
from LungSquadLib.mrml.scene import application_logic, inside_slicer
from Testing.slicer_stand_in import install
application = QApplication([])
patch = pytest.MonkeyPatch()
install(patch, folder=Path("."))
during = inside_slicer(), application_logic() is not None
patch.undo()
print(json.dumps([during, inside_slicer(), [n for n in ("qt", "ctk") if n in sys.modules]]))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout.splitlines()[-1]) == [[True, True], False, []]
