"""The scene that tests fill, and leave empty."""

from __future__ import annotations

import pytest

from ..samples import ball_images, write_model


@pytest.fixture
def scene():
    """`slicer.mrmlScene`; what a test puts into it is taken out again."""
    pytest.importorskip("slicer", reason="Slicer's scene: slicer-core is not installed")
    import LungSquadLib.mrml as lsm
    from LungSquadLib.mrml.hierarchy import scene_kept

    with scene_kept(lsm.start()):
        yield lsm.start()


@pytest.fixture
def drawn(scene):
    """The ball's CT as a volume node, its mask as a segment, and that segment's ID."""
    import LungSquadLib.mrml as lsm

    ct, mask = ball_images()
    volume = lsm.add_volume(scene, ct, name="CT")
    segmentation = lsm.add_segmentation(scene, volume, name="Outlines")
    return volume, segmentation, lsm.add_segment(segmentation, mask)


@pytest.fixture(scope="session")
def model_file(tmp_path_factory):
    """A model with random weights."""
    pytest.importorskip("torch", reason="networks: torch is not installed")
    path = tmp_path_factory.mktemp("models") / "sample.safetensors"
    write_model(path)
    return path
