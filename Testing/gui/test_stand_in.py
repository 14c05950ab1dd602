"""The stand-in of Slicer's GUI tells no lies where LungSquad's panel relies on it."""

from __future__ import annotations

import pytest

UI = """<ui version="4.0"><class>Sample</class>
<widget class="qMRMLWidget" name="Sample"><layout class="QVBoxLayout" name="rows">
 <item><widget class="qMRMLNodeComboBox" name="ctSelector">
  <property name="nodeTypes"><stringlist><string>vtkMRMLScalarVolumeNode</string></stringlist></property>
  <property name="noneEnabled"><bool>true</bool></property>
  <property name="SlicerParameterName" stdset="0"><string>ct</string></property>
 </widget></item>
 <item><widget class="ctkCollapsibleButton" name="section">
  <property name="text"><string>Section</string></property>
  <property name="collapsed"><bool>true</bool></property>
  <layout class="QVBoxLayout" name="inside">
   <item><widget class="QSpinBox" name="countBox">
    <property name="SlicerParameterName" stdset="0"><string>count</string></property>
   </widget></item>
   <item><widget class="ctkSliderWidget" name="shareSlider">
    <property name="SlicerParameterName" stdset="0"><string>share</string></property>
   </widget></item>
   <item><widget class="QComboBox" name="deviceBox">
    <property name="SlicerParameterName" stdset="0"><string>device</string></property>
   </widget></item>
   <item><widget class="QCheckBox" name="boxBox">
    <property name="SlicerParameterName" stdset="0"><string>show_box</string></property>
   </widget></item>
  </layout></widget></item>
 <item><widget class="qMRMLSegmentSelectorWidget" name="segmentSelector"/></item>
</layout></widget>
<customwidgets>
 <customwidget><class>qMRMLWidget</class><extends>QWidget</extends><header>a.h</header><container>1</container></customwidget>
 <customwidget><class>qMRMLNodeComboBox</class><extends>QWidget</extends><header>a.h</header></customwidget>
 <customwidget><class>qMRMLSegmentSelectorWidget</class><extends>QWidget</extends><header>a.h</header></customwidget>
 <customwidget><class>ctkCollapsibleButton</class><extends>QWidget</extends><header>a.h</header><container>1</container></customwidget>
 <customwidget><class>ctkSliderWidget</class><extends>QWidget</extends><header>a.h</header></customwidget>
</customwidgets>
<connections>
 <connection><sender>Sample</sender><signal>mrmlSceneChanged(vtkMRMLScene*)</signal>
  <receiver>ctSelector</receiver><slot>setMRMLScene(vtkMRMLScene*)</slot></connection>
 <connection><sender>Sample</sender><signal>mrmlSceneChanged(vtkMRMLScene*)</signal>
  <receiver>segmentSelector</receiver><slot>setMRMLScene(vtkMRMLScene*)</slot></connection>
</connections></ui>"""  # noqa: E501


@pytest.fixture
def panel(gui, scene, tmp_path):
    """The sample's widget, with the scene, and its children by name."""
    import slicer

    path = tmp_path / "Sample.ui"
    path.write_text(UI, encoding="utf-8")
    widget = slicer.util.loadUI(str(path))
    widget.setMRMLScene(scene)
    return widget, slicer.util.childWidgetVariables(widget)


def test_smoke(panel, scene, drawn, screenshot):
    widget, ui = panel
    volume, segmentation, segment = drawn
    ui.ctSelector.setCurrentNode(volume)
    assert ui.ctSelector.currentNode() is volume
    ui.segmentSelector.setCurrentNode(segmentation)
    assert ui.segmentSelector.currentSegmentID() == segment
    widget.show()
    screenshot(widget, "sample")
