"""Slicer's DICOM database keeps every patient's study whole, and is made where there is none."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from LungSquadLib.identity import pseudonym

from ..dicom_maker import write_series
from ..samples import ball_images
from .conftest import at_rest
from .test_report_files import saved_and_loaded

PATIENT = "MRN-4711"


@pytest.fixture
def folder(tmp_path):
    """A patient's DICOM folder."""
    ct, _ = ball_images()
    array = sitk.GetArrayFromImage(ct)
    return write_series(tmp_path / "patient", array, spacing=ct.GetSpacing(), origin=ct.GetOrigin())


@pytest.fixture
def loaded(panel, working_here, folder, wait_until):
    """The panel with that folder's CT and its tumour."""
    import LungSquadLib.mrml as lsm

    panel.open_path(str(folder))
    wait_until(lambda: panel.tasks.title)
    wait_until(lambda: at_rest(panel), 30)
    volume = panel.context.state.ct
    assert volume.GetAttribute("DICOM.instanceUIDs"), panel.ui.statusLabel.text
    segmentation = lsm.add_segmentation(volume.GetScene(), volume, name="Tumour")
    panel.tumour.choose(segmentation, lsm.add_segment(segmentation, ball_images()[1]))
    wait_until(lambda: panel.crop.crop is not None and at_rest(panel))
    return panel


@pytest.fixture
def press(loaded, wait_until):
    """Press a button, wait, and return the message."""

    def pressed(button) -> str:
        button.click()
        wait_until(lambda: at_rest(loaded), 60)
        return loaded.ui.statusLabel.text

    loaded.context.state.model = "one"
    wait_until(lambda: at_rest(loaded))
    assert pressed(loaded.ui.predictButton).startswith("Prediction finished.")
    return pressed


def studies(database) -> dict[str, list[int]]:
    """Each patient's studies, as their numbers of series."""
    return {
        patient: [len(database.seriesForStudy(uid)) for uid in database.studiesForPatient(patient)]
        for patient in database.patients()
    }


def test_seg_and_sr_join_the_patient_s_study(loaded, press):
    import slicer

    database = slicer.dicomDatabase
    assert studies(database) == {PATIENT: [1]}
    assert "in the patient's study" in press(loaded.ui.dicomButton)
    assert studies(database) == {PATIENT: [3]}  # CT, SEG and SR


def test_without_identity_nothing_enters_the_database_and_nothing_could_move_there(
    loaded, press, gui, tmp_path
):
    """The database, like an archive, moves a known study to the patient of the newest file."""
    import slicer
    from DICOMLib import DICOMUtils

    gui.file_answers.append(str(tmp_path))
    said = press(loaded.ui.saveDicomButton)
    saved = tmp_path / "LungSquad DICOM"
    assert said == f"Saved in '{saved}', with a pseudonym for the patient."
    assert studies(slicer.dicomDatabase) == {PATIENT: [1]}
    files = [pydicom.dcmread(path) for path in sorted(saved.iterdir())]
    assert [each.Modality for each in files] == ["SEG", "SR"]
    assert {each.PatientID for each in files} == {pseudonym(PATIENT)}
    assert DICOMUtils.importDicom(str(saved))
    assert studies(slicer.dicomDatabase) == {PATIENT: [1], pseudonym(PATIENT): [2]}


def test_a_scene_that_was_loaded_gives_the_same_seg(
    loaded, press, scene, gui, wait_until, tmp_path
):
    """Its report's files have no mask: the segment's is taken."""
    voxels = []
    for name in ("before", "after"):
        gui.file_answers.append(str(tmp_path / name))
        (tmp_path / name).mkdir()
        assert press(loaded.ui.saveDicomButton).startswith("Saved in ")
        seg, _sr = sorted((tmp_path / name / "LungSquad DICOM").iterdir())
        voxels.append(pydicom.dcmread(seg).pixel_array)
        if name == "before":
            loaded.ui.keepFilesCheckBox.checked = True
            wait_until(lambda: at_rest(loaded))
            saved_and_loaded(loaded, scene, tmp_path, wait_until)
    assert voxels[0].any()
    assert np.array_equal(*voxels)


def test_the_folder_s_choice_may_be_cancelled(loaded, press, tmp_path):
    before = press(loaded.ui.centreCropButton)
    assert press(loaded.ui.saveDicomButton) == before
    assert not (tmp_path / "LungSquad DICOM").exists()


def test_the_stand_in_s_database_keeps_one_patient_for_a_study(gui, tmp_path, folder):
    import slicer
    from DICOMLib import DICOMUtils

    assert DICOMUtils.importDicom(str(folder))
    dataset = pydicom.dcmread(next(folder.iterdir()))
    dataset.PatientID, dataset.SOPInstanceUID = "other", "1.2.3"
    (tmp_path / "other").mkdir()
    dataset.save_as(tmp_path / "other" / "1.dcm")
    assert DICOMUtils.importDicom(str(tmp_path / "other"))
    assert studies(slicer.dicomDatabase) == {"other": [1]}


# A database that is closed, or not there


@pytest.fixture
def settings(gui, tmp_path):
    """Slicer's settings of a fresh profile, which name a database's folder that is not there."""
    import qt
    import slicer

    slicer.dicomDatabase.closeDatabase()
    chosen = qt.QSettings()
    chosen.setValue(slicer.dicomDatabaseDirectorySettingsKey, str(tmp_path / "profile/database"))
    yield chosen
    chosen.remove(slicer.dicomDatabaseDirectorySettingsKey)


def test_a_first_time_user_s_database_is_made_and_the_place_is_told(settings, loaded, tmp_path):
    place = tmp_path / "profile" / "database"
    assert loaded.ui.statusLabel.text.endswith(f"Slicer's DICOM database was created in '{place}'.")
    assert (place / "ctkDICOM.sql").is_file()


def test_without_a_setting_the_database_lies_among_the_documents(
    gui, settings, monkeypatch, tmp_path
):
    import qt
    import slicer

    from LungSquadLib.mrml.panel import dicom_database

    settings.remove(slicer.dicomDatabaseDirectorySettingsKey)
    monkeypatch.setattr(qt.QStandardPaths, "writableLocation", lambda _kind: str(tmp_path))
    assert str(tmp_path / "SlicerDICOMDatabase") in dicom_database.open_database()
    assert dicom_database.open_database() == ""


@pytest.mark.parametrize("why", ["file", "version"])
def test_a_database_that_cannot_be_used_is_reported(why, gui, settings, monkeypatch, tmp_path):
    import slicer

    from LungSquadLib.errors import InputError
    from LungSquadLib.mrml.panel import dicom_database

    if why == "file":
        (tmp_path / "profile").write_text("no folder")
    else:
        monkeypatch.setattr(slicer.dicomDatabase, "schemaVersionLoaded", lambda: "0")
    with pytest.raises(InputError, match=r"could not be opened in '.*database'"):
        dicom_database.open_database()
    assert not slicer.dicomDatabase.isOpen
