"""Devices: on one without float64 all runs give the same, and go on where another stopped.

No machine of the tests has such a device: see `Testing.fake_device`, whose arithmetic is that of
the processor, so that the same bits must come out. Whether a real device runs all operators is
shown by `test_cuda.py`, where there is one.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from LungSquadLib.cli import main
from LungSquadLib.errors import CancelledError, InputError
from LungSquadLib.fields import parsed_json
from LungSquadLib.inference.attribution import integrated_gradients
from LungSquadLib.inference.classifier import predict
from LungSquadLib.inference.generator import sample
from LungSquadLib.inference.profile import predict_profile
from LungSquadLib.models.file import read_model_file
from LungSquadLib.networks import devices
from LungSquadLib.networks.devices import chosen_device, device_of, float64_of, on_device
from LungSquadLib.networks.folding import folded
from LungSquadLib.networks.synchronised_norm import SharedNorm
from LungSquadLib.networks.tables import Standardiser
from LungSquadLib.training.augment import Augmentation
from LungSquadLib.training.autoencoder.experiment import train_autoencoder
from LungSquadLib.training.autoencoder.options import AutoencoderOptions
from LungSquadLib.training.checkpoint import read_checkpoint
from LungSquadLib.training.classifier.experiment import train_classifier
from LungSquadLib.training.classifier.options import ClassifierOptions
from LungSquadLib.training.distributed import DistributedContext
from LungSquadLib.training.experiment import read_log
from LungSquadLib.training.gan.experiment import train_gan
from LungSquadLib.training.gan.options import GanOptions
from LungSquadLib.training.inpainting.experiment import train_inpainting
from LungSquadLib.training.inpainting.options import InpaintingOptions
from LungSquadLib.training.integration import task as integration
from LungSquadLib.training.integration.experiment import train_integration
from LungSquadLib.training.integration.options import IntegrationOptions
from Testing.ball_cohort import ball_store
from Testing.fake_device import Elsewhere, fake_device
from Testing.samples import ball_images, write_model
from Testing.slice_samples import disc_set
from Testing.table_cohort import cohort, simulated, some
from Testing.table_models import autoencoder, integrator, profile
from Testing.unit.test_training_run import StopAt

pytestmark = pytest.mark.usefixtures("one_thread")
MODEL = "model.safetensors"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return ball_store(tmp_path_factory.mktemp("balls"), 24).folder


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return ball_store(tmp_path_factory.mktemp("few balls"), 10).folder


@pytest.fixture(scope="module")
def slices(tmp_path_factory):
    return disc_set(tmp_path_factory.mktemp("slices"), 12).folder


def gan_training(slices):
    def train(folder, device, **more):
        options = GanOptions(preset="tiny", phase=16, label="histology", device=device)
        train_gan(slices, folder, options, **more)

    return train


def inpainting_training(small):
    def train(folder, device, **more):
        options = InpaintingOptions(
            "histology",
            size=32,
            width=2,
            depth=3,
            device=device,
            epochs=2,
            critic_start=0.5,
            learning_rate=0.01,
        )
        train_inpainting(small, folder, options, **more)

    return train


def autoencoder_training():
    short = {"epochs": 12, "warm_up": 4, "learning_rate": 0.01}
    table = some(simulated(patients=60, genes=160)[0], slice(60))

    def train(folder, device, **more):
        options = AutoencoderOptions(
            groups=2, latent=2, hidden=(8,), seeds=1, device=device, **short
        )
        train_autoencoder(table, folder, options, **more)

    return train


@pytest.fixture
def there(monkeypatch):
    """What to run in, by the device's name."""
    return lambda name: nullcontext("cpu") if name == "cpu" else fake_device(monkeypatch)


def stopped(there, folder, train, device, stop):
    """Train into a folder on a device, up to a stop; the checkpoint's tensors."""
    with there(device) as name, pytest.raises(CancelledError):
        train(folder, name, progress=StopAt(stop))
    (checkpoint,) = [path for path in folder.rglob("*") if path.name.startswith("checkpoint")]
    return read_checkpoint(checkpoint)


def goes_on(there, folder, train, stop):
    """Stop on the processor, go on on the device and back: all that a checkpoint holds is kept."""
    before = stopped(there, folder, train, "cpu", stop)
    for device in ("mps", "cpu", "mps"):
        tensors, facts = stopped(there, folder, train, device, 0)  # it loads and writes, no more
        assert facts == before[1]
        assert tensors.keys() == before[0].keys()
        assert any(name.endswith("exp_avg_sq") for name in tensors)
        for name, value in tensors.items():
            assert torch.equal(value, before[0][name]), (device, name)
    with there("mps") as name:
        train(folder, name)
    (fit,) = (folder / "fits").iterdir()
    assert len(read_log(fit)) > before[1]["epoch"]
    for value in read_model_file(folder / MODEL).weights.values():
        assert np.isfinite(value).all()


def test_the_fake_device_refuses_what_apple_devices_refuse(there):
    with there("mps") as name:
        y = torch.arange(6.0, device=name).view(2, 3)
        assert y[:, [2, 0]].tolist() == [[2, 0], [5, 3]]
        assert torch.nn.functional.one_hot(y.long()[0]).sum().item() == 3
        x = torch.zeros(3).to(name)
        assert x.device.type == "mps"
        for wrong in (
            x.double,
            lambda: torch.zeros(3, dtype=torch.float64).to(name),
            lambda: torch.zeros(3, dtype=torch.float64, device=name),
            lambda: x + torch.ones(3),
            x.numpy,
        ):
            with pytest.raises((TypeError, RuntimeError)):
                wrong()


def test_numbers_go_to_a_device_and_come_back_as_float64(there):
    values = np.arange(6.0).reshape(2, 3)[:, ::-1]
    with there("mps") as name:
        assert chosen_device("auto").type == chosen_device("mps").type == name
        for given in (values, torch.from_numpy(values.copy())):
            tensor = on_device(given, name)
            assert isinstance(tensor, Elsewhere)
            assert tensor.dtype == torch.float32
            assert float64_of(tensor).dtype == np.float64
            assert np.array_equal(float64_of(tensor), values)
        assert device_of(torch.nn.Linear(1, 1).to(name)).type == name
    assert on_device(np.arange(3), "cpu").dtype == torch.int64


def test_a_prediction_is_the_same_on_a_device_without_float64(there, tmp_path):
    model = write_model(tmp_path / "sample.safetensors")
    expected = predict(*ball_images(), model, device="cpu").to_dict()
    with there("mps"):
        found = predict(*ball_images(), model, device="auto").to_dict()
    assert without_device(found) == without_device(expected)


def test_folding_and_attribution_need_no_float64_on_the_device(there, tmp_path):
    network = write_model(tmp_path / "sample.safetensors").trainable().eval()
    x = torch.rand(1, 1, 50, 50, 50)
    with torch.no_grad():
        expected = folded(network)(x)
        with there("mps") as name:
            assert torch.equal(folded(network.to(name))(x.to(name)).cpu(), expected)


@pytest.mark.slow
def test_a_network_of_tables_needs_no_float64_on_the_device(there, tmp_path):
    """Its scale, its prediction for a patient, and what each gene did to it."""
    rows = torch.rand(20, 5) * torch.tensor([1.0, 10, 100, 0, 1])
    rows[3, 1] = torch.nan
    expected = Standardiser(5)
    expected.fit(rows)
    with there("mps") as name:
        scale = Standardiser(5).to(name)
        scale.fit(rows.to(name))
        assert torch.equal(scale.sd.cpu(), expected.sd)
        assert torch.equal(scale.mean.cpu(), expected.mean)
    network = integrator(tmp_path / "a.safetensors").trainable()
    x = np.random.default_rng(0).normal(size=(7, sum(network.widths)))
    expected = integration.predict(network, x)
    with there("mps") as name:
        found = integration.predict(network.to(name), x)
        shares = integrated_gradients(network, x, positive=0)
    assert all(map(np.array_equal, found, expected))
    assert np.array_equal(shares, integrated_gradients(network.cpu(), x, positive=0))
    for make in (integrator, autoencoder):
        model = make(tmp_path / f"{make.__name__}.safetensors")
        expected = predict_profile(model, profile(), device="cpu").to_dict()
        with there("mps"):
            found = predict_profile(model, profile(), device="mps").to_dict()
        assert without_device(found) == without_device(expected)


def without_device(told):
    """What a prediction tells but for the device, which is the other one in each."""
    if isinstance(told, dict):
        return {key: without_device(value) for key, value in told.items() if key != "device"}
    return [without_device(one) for one in told] if isinstance(told, list | tuple) else told


@pytest.mark.slow
def test_a_gan_goes_on_on_another_device(there, tmp_path, slices):
    goes_on(there, tmp_path / "run", gan_training(slices), 3)
    model = read_model_file(tmp_path / "run" / MODEL)
    expected = sample(model, 3, label="LUSC").hu
    with there("mps") as name:
        assert np.abs(sample(model, 3, label="LUSC", device=name).hu - expected).max() <= 1


@pytest.mark.slow
def test_an_inpainting_goes_on_on_another_device(there, tmp_path, small):
    goes_on(there, tmp_path / "run", inpainting_training(small), 5)


@pytest.mark.slow
def test_an_autoencoder_goes_on_on_another_device(there, tmp_path):
    goes_on(there, tmp_path / "run", autoencoder_training(), 8)


@pytest.mark.slow
def test_a_classifier_trains_on_a_device_without_float64(there, tmp_path, store):
    write_model(tmp_path / "start.safetensors")
    options = ClassifierOptions(
        "histology",
        folds=1,
        seeds=1,
        size=32,
        width=0.05,
        hidden=(8,),
        device="mps",
        augmentation=Augmentation(shift_mm=3),
        epochs=1,
        batch=8,
    )
    head = replace(options, init=str(tmp_path / "start.safetensors"), freeze="trunk", width=1.0)
    for name, asked in {"all": options, "head": replace(head, views=1)}.items():
        with there("mps"):
            train_classifier(store, tmp_path / name, asked)
        for value in read_model_file(tmp_path / name / MODEL).weights.values():
            assert np.isfinite(value).all()


def test_networks_of_tables_take_one_thread_unless_more_are_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(integration, "SETTINGS", (integration.Setting(10, 0.3),))
    torch.set_num_threads(2)  # `one_thread` puts it back
    table, genes = cohort(40, genes=8), some(simulated(patients=60, genes=160)[0], slice(60))
    short = AutoencoderOptions(2, 2, (8,), 1, epochs=2, warm_up=1)
    tried = {
        "autoencoder": lambda folder, **more: train_autoencoder(genes, folder, short, **more),
        "integration": lambda folder, **more: train_integration(
            table, folder, IntegrationOptions("histology", folds=2, seeds=1, epochs=2), **more
        ),
    }
    for name, train in tried.items():
        for more, threads in (({}, 1), ({"threads": 2}, 2)):
            folder = tmp_path / f"{name} {threads}"
            with pytest.raises(CancelledError):
                train(folder, progress=StopAt(1), **more)
            assert parsed_json((folder / "run.json").read_text())["threads"]["final"] == threads, (
                name
            )
        with pytest.raises(InputError, match="--threads must be 1 or more"):
            train(tmp_path / "none", threads=0)
    assert torch.get_num_threads() == 2


def test_threads_are_an_option_of_every_verb_that_runs_a_network(tmp_path, capsys, monkeypatch):
    verbs = "predict,batch,demo,inpaint,validate,gan sample,gan interpolate,gan audit"
    verbs += ",autoencoder assign,tables join,train classifier,train gan,train inpainting"
    verbs += ",train integration,train autoencoder"
    for verb in verbs.split(","):
        assert main([*verb.split(), "--help"]) == 0
        assert "--threads N" in capsys.readouterr().out, verb
    counts = []
    monkeypatch.setattr(torch, "set_num_threads", counts.append)
    call = ["autoencoder", "assign", str(tmp_path / "none"), "x.csv", "--threads"]
    assert main([*call, "3"]) == 2  # there is no such model
    assert counts == [3, torch.get_num_threads()]
    capsys.readouterr()
    assert main([*call, "0"]) == 2
    assert "--threads must be 1 to 1024, not 0" in capsys.readouterr().err


def test_processes_exchange_what_their_backend_can_exchange(there, monkeypatch):
    """NCCL has no way for tensors of the processor, Gloo none for those of a device."""
    exchanged = []

    def all_reduce(values, _operation):
        assert isinstance(values, Elsewhere) == (backend == "nccl")
        exchanged.append(values.dtype)
        values.mul_(2)

    monkeypatch.setattr(devices.distributed, "all_reduce", all_reduce)
    for backend in ("nccl", "gloo"):
        monkeypatch.setattr(devices.distributed, "get_backend", lambda name=backend: name)
        with there("mps") as name:
            monkeypatch.setattr(devices, "_NCCL", torch.device(f"{name}:0"))  # for CUDA
            exchanged.clear()
            context = DistributedContext(0, 2)
            weight = torch.nn.Parameter(torch.ones(3).to(name))
            weight.grad = torch.ones(3).to(name)
            context.all_reduce_gradients([weight])
            assert weight.grad.cpu().tolist() == [2, 2, 2]
            for given in (torch.ones(2), torch.ones(2).to(name)):
                total = context.all_reduce_sum(given)
                assert total.device == given.device
                assert total.cpu().tolist() == [2, 2]
                assert given.cpu().tolist() == [1, 1]
            assert context.all_reduce_any(True)
            assert not context.all_reduce_any(False)
            assert context.all_reduce_max(3) == 6
            norm = SharedNorm(torch.nn.BatchNorm1d(2)).to(name).train()
            norm(torch.rand(4, 2).to(name).requires_grad_()).sum().backward()
            assert len(exchanged) == 11
