"""On a CUDA device, if there is one: answers as on the CPU, and the same bits on resume."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")
if not torch.cuda.is_available():
    pytest.skip("this machine has no CUDA device", allow_module_level=True)

from torch import distributed

from LungSquadLib.errors import CancelledError
from LungSquadLib.inference.classifier import predict
from LungSquadLib.inference.description import describe
from LungSquadLib.inference.generator import sample
from LungSquadLib.models.catalogue import read_model
from LungSquadLib.networks.devices import largest_over_processes, sum_over_processes
from LungSquadLib.networks.synchronised_norm import SharedNorm
from LungSquadLib.training.classifier.experiment import train_classifier
from LungSquadLib.training.classifier.options import ClassifierOptions
from LungSquadLib.training.distributed import DistributedContext
from LungSquadLib.training.segmentation.experiment import train_segmentation
from LungSquadLib.training.segmentation.options import SegmentationOptions
from Testing.ball_cohort import ball_store
from Testing.samples import ball_images
from Testing.slice_samples import disc_set
from Testing.unit.test_devices import (
    MODEL,
    autoencoder_training,
    gan_training,
    inpainting_training,
)
from Testing.unit.test_training_run import StopAt

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return ball_store(tmp_path_factory.mktemp("balls"), 24).folder


def segmentation_training(source):
    def train(folder, device, **more):
        options = SegmentationOptions(size=16, width=2, depth=3, epochs=3, device=device)
        train_segmentation(source, folder, options, **more)

    return train


def classifier_training(source):
    def train(folder, device, **more):
        options = ClassifierOptions(
            "histology", folds=1, seeds=1, size=32, width=0.05, hidden=(8,), device=device, epochs=2
        )
        train_classifier(source, folder, options, **more)

    return train


@pytest.mark.parametrize(
    ("name", "reports"),
    [
        ("classifier", 3),
        ("segmentation", 4),
        ("segmentation of slices", 4),
        ("inpainting", 5),
        ("gan", 3),
        ("autoencoder", 8),
    ],
)
def test_a_training_that_was_stopped_ends_with_the_same_bits(tmp_path, store, name, reports):
    slices = disc_set(tmp_path / "slices", 12).folder
    train = {
        "classifier": lambda: classifier_training(store),
        "segmentation": lambda: segmentation_training(store),
        "segmentation of slices": lambda: segmentation_training(slices),
        "inpainting": lambda: inpainting_training(store),
        "gan": lambda: gan_training(slices),
        "autoencoder": autoencoder_training,
    }[name]()
    train(tmp_path / "whole", "cuda")
    with pytest.raises(CancelledError):
        train(tmp_path / "run", "cuda", progress=StopAt(reports))
    train(tmp_path / "run", "cuda")
    whole, resumed = (read_model(tmp_path / run / MODEL).weights for run in ("whole", "run"))
    for key, value in whole.items():
        assert np.isfinite(value).all(), key
        assert np.array_equal(value, resumed[key]), key


@pytest.mark.parametrize("name", ["demo-histology", "demo-survival2y"])
def test_a_classifier_answers_as_on_the_processor(name):
    answers = [
        predict(*ball_images(), read_model(name), device=device).probabilities
        for device in ("cpu", "cuda")
    ]
    assert answers[1] == pytest.approx(answers[0], abs=1e-3)


def test_a_description_is_that_of_the_processor():
    model = read_model("nodule-description")
    first, second = (
        describe(model, *ball_images(), device=device).ratings for device in ("cpu", "cuda")
    )
    for characteristic, rating in first.items():
        assert second[characteristic].value == pytest.approx(rating.value, abs=0.01)


def test_images_are_those_of_the_processor():
    model = read_model("nodule-generator")
    first, second = (sample(model, 4, device=device) for device in ("cpu", "cuda"))
    assert np.mean(np.abs(first.hu.astype(float) - second.hu) > 5) < 0.01
    assert np.mean(first.mask != second.mask) < 0.01


def test_processes_exchange_by_nccl(tmp_path):
    """A group of one: several need a device each."""
    distributed.init_process_group(
        "nccl", init_method=f"file://{tmp_path}/rendezvous", world_size=1, rank=0
    )
    try:
        for device in ("cpu", "cuda"):
            for kind in (torch.float32, torch.float64, torch.int64):
                values = torch.arange(5, dtype=kind, device=device)
                for reduce in (sum_over_processes, largest_over_processes):
                    result = reduce(values)
                    assert (result.device, result.dtype) == (values.device, kind)
                    assert torch.equal(result, values)
        weight = torch.nn.Parameter(torch.ones(3, device="cuda"))
        weight.grad = torch.tensor([1.0, 2.0, 3.0], device="cuda")
        context = DistributedContext(0, 2)  # as two, so that it exchanges
        context.all_reduce_gradients([weight])
        assert weight.grad.tolist() == [1, 2, 3]
        assert context.all_reduce_any(True)
        assert context.all_reduce_max(3) == 3
        x = torch.rand(8, 4, 5, device="cuda")
        usual = torch.nn.BatchNorm1d(4).cuda().train()
        assert torch.allclose(SharedNorm(usual)(x), usual(x), atol=1e-5)
        context.barrier()
    finally:
        distributed.destroy_process_group()
