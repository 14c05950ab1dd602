"""The translator sees nothing of what it replaces, and its training goes on after any stop."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from LungSquadLib.cli import main
from LungSquadLib.data.splits import fold_split, held_out
from LungSquadLib.data.store import open_store
from LungSquadLib.errors import CancelledError, InputError
from LungSquadLib.imaging.blending import distance_mm
from LungSquadLib.inference.inpainting import region_to_fill
from LungSquadLib.models.file import read_model_file
from LungSquadLib.models.inputs import InputSpec
from LungSquadLib.networks.inpainting import (
    Inpainter,
    PatchDiscriminator,
    conditions,
    from_surroundings,
)
from LungSquadLib.training.distributed import DistributedContext
from LungSquadLib.training.inpainting.data import CT, MASK, NOISE, REGION, InpaintingDataset
from LungSquadLib.training.inpainting.experiment import train_inpainting
from LungSquadLib.training.inpainting.options import InpaintingOptions
from LungSquadLib.training.inpainting.quality import HeldOutCase, inpainting_errors
from LungSquadLib.training.inpainting.task import Batch, InpaintingTask
from Testing.ball_cohort import ball_store
from Testing.inpainters import write_inpainter
from Testing.stored_cases import stored_case
from Testing.unit.test_training_run import StopAt

pytestmark = pytest.mark.usefixtures("one_thread")
ROOT = Path(__file__).parents[2]
SPEC = InputSpec(32, 1.0, -1000.0, 500.0, True)
OPTIONS = InpaintingOptions(
    "histology", size=32, width=2, depth=3, epochs=2, critic_start=0.5, learning_rate=0.01
)


def test_a_class_is_encoded_as_the_mask_in_its_channel():
    mask = torch.zeros(3, 1, 4, 4)
    mask[:, :, 1:3, 2] = 1
    told = conditions(mask, torch.tensor([1, 0, -1]), 2)
    nothing = torch.zeros(4, 4)
    for row, classes in zip(
        told, ((nothing, mask[0, 0]), (mask[0, 0], nothing), None), strict=True
    ):
        assert torch.equal(row[0], mask[0, 0])
        for channel, expected in zip(row[1:], classes or (nothing, nothing), strict=True):
            assert torch.equal(channel, expected)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return ball_store(tmp_path_factory.mktemp("balls"), 10).folder


@pytest.fixture(scope="module")
def finished(store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "whole"
    train_inpainting(store, folder, OPTIONS)
    return folder


def asked(dimensions=3, side=16, classes=2):
    """A network with random weights in all its layers, and what goes into it."""
    torch.manual_seed(0)
    network = Inpainter(dimensions, input_size=side, width=2, depth=3, classes=classes)
    nn.init.normal_(network.unet.last.weight)
    shape = (1, 1, *(side,) * dimensions)
    mask, hole = torch.zeros(shape), torch.zeros(shape)
    middle = (..., *(slice(6, 9),) * dimensions)
    around = (..., *(slice(4, 11),) * dimensions)
    mask[middle], hole[around] = 1, 1
    given = {"region": hole, "mean": torch.tensor([0.6]), "labels": torch.tensor([0])}
    return network, torch.rand(shape), mask, given


@pytest.mark.parametrize("dimensions", [2, 3])
def test_nothing_in_the_masked_region_is_used_and_nothing_outside_is_changed(dimensions):
    network, ct, mask, given = asked(dimensions)
    painted = network(ct, mask, **given)
    other = torch.where(given["region"] > 0, torch.rand_like(ct), ct)
    assert torch.equal(painted, network(other, mask, **given))
    outside = given["region"] == 0
    assert torch.equal(painted[outside], ct[outside])
    assert not torch.equal(painted, network(torch.where(outside, ct + 0.1, ct), mask, **given))


def test_the_conditions_change_the_output():
    network, ct, mask, given = asked()
    painted = network(ct, mask, **given)
    for change in (
        {"mean": torch.tensor([0.3])},
        {"labels": torch.tensor([1])},
        {"labels": torch.tensor([-1])},
    ):
        assert not torch.equal(painted, network(ct, mask, **given | change))


def test_before_training_the_output_is_the_plain_tumour():
    network, ct, mask, given = asked()
    nn.init.zeros_(network.unet.last.weight)
    tumour = network(ct, mask, **given).detach()[mask > 0]
    assert float(tumour.mean()) == pytest.approx(0.6, abs=1e-5)
    assert tumour[13] > tumour[0] > 0.1  # the middle is denser than the corners


@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_region_starts_from_what_surrounds_it(dimensions):
    shape = (1, 1, *(16,) * dimensions)
    ct, region = torch.full(shape, 0.1), torch.zeros(shape)
    region[(..., *(slice(3, 13),) * dimensions)] = 1
    ct[..., 10:] = 0.7  # soft tissue; the border lies in the region
    ct[..., :2] = 0.0  # unknown
    filled = from_surroundings(torch.where(region > 0, 0.99, ct), region)
    assert torch.equal(filled[region == 0], ct[region == 0])
    line = filled[(0, 0, *(8,) * (dimensions - 1))]
    assert line[3] == pytest.approx(0.1, abs=0.02)
    assert line[12] == pytest.approx(0.7, abs=0.06)
    assert (line[4:12].diff() > -0.01).all()
    assert torch.equal(filled, from_surroundings(ct, region))
    plain = from_surroundings(torch.full(shape, 0.3), region)
    assert plain.numpy() == pytest.approx(0.3, abs=1e-6)


def test_a_network_that_starts_from_the_surroundings_continues_the_wall():
    torch.manual_seed(0)
    network = Inpainter(3, input_size=16, width=2, depth=3, surroundings=True)
    ct, mask, region = torch.full((1, 1, 16, 16, 16), 0.7), *torch.zeros(2, 1, 1, 16, 16, 16)
    mask[..., 7:9, 7:9, 7:9], region[..., 3:13, 3:13, 3:13] = 1, 1
    given = {"mean": torch.tensor([0.5]), "labels": torch.tensor([-1])}
    painted = network(ct, mask, region=region, **given)
    assert painted[0, 0, 4, 4, 4].item() == pytest.approx(0.7, abs=1e-3)
    assert painted[mask > 0].mean().item() == pytest.approx(0.5, abs=1e-3)


def test_what_is_unknown_or_tissue_of_the_band_is_not_filled():
    hu = np.full((16, 16, 16), -850, np.int16)
    hu[:, :, :4], hu[:, 8, :], hu[8, 8, 8] = -1024, 40, -1024
    mask = np.zeros(hu.shape)
    mask[8, 8, 8] = 1
    distance = distance_mm(mask, (1.0, 1.0, 1.0))
    region = region_to_fill(hu, distance, band_mm=6.0, keeps_tissue=True)
    assert region[8, 8, 8]
    assert not region[:, :, :4].any()
    assert region[8, 8, 9]
    assert not region[8, 8, 11]
    assert region[8, 9, 11]
    assert np.array_equal(
        region_to_fill(hu, distance, band_mm=6.0, keeps_tissue=False),
        (distance < 6) & ((hu > -1024) | (mask > 0)),
    )


def wall_case():
    """A ball of -20 HU in lung of -850 HU, 3 mm from a wall of 40 HU, with noise."""
    axis = np.arange(32) - 15.5
    radius = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    hu = np.full((32,) * 3, -850.0)
    hu[radius < 5] = -20
    hu[:, :, 24:] = 40
    hu += np.random.default_rng(0).normal(0, 15, hu.shape)
    return HeldOutCase(hu.astype(np.int16), (radius < 5).astype(np.uint8), "LS-1", -1)


def test_a_dark_rim_is_measured_and_tissue_that_is_kept_has_none():
    case = wall_case()
    for surroundings in (False, True):
        network = Inpainter(3, input_size=32, width=2, depth=3, surroundings=surroundings)
        nn.init.zeros_(network.unet.last.weight)
        errors = inpainting_errors(network, SPEC, [case], where="here")
        rim = {name: errors[f"{name}rim_HU"].value for name in ("", "filled_")}
        assert rim["filled_"] < -40
        assert rim[""] == pytest.approx(0, abs=1) if surroundings else rim[""] < -40
        share = errors["true_dense_share"].value
        assert share == pytest.approx(np.mean(case.hu[shell(case)] > -600), abs=1e-9)
        if surroundings:
            assert errors["dense_share"].value >= share
        assert errors["filled_lung_texture_ratio"].value == pytest.approx(1, abs=0.2)


def shell(case):
    distance = distance_mm(case.mask, (1.0, 1.0, 1.0))
    return (distance > 1) & (distance < 6)


def test_the_size_must_be_one_that_can_be_halved():
    with pytest.raises(ValueError, match="not a multiple of 8"):
        Inpainter(3, input_size=50, depth=4)


def test_the_critic_judges_patches_of_26_voxels():
    critic = PatchDiscriminator(2, width=2)
    for number, layer in enumerate(critic.layers):
        if isinstance(layer, nn.GroupNorm):  # which looks at all of the image
            critic.layers[number] = nn.Identity()
    ct = torch.rand(1, 1, 64, 64, requires_grad=True)
    verdict = critic(
        ct, torch.zeros_like(ct), region=torch.ones_like(ct), labels=torch.tensor([-1])
    )
    assert verdict.shape == (1, 1, 16, 16)
    verdict[0, 0, 8, 8].backward()
    rows = np.flatnonzero(ct.grad[0, 0].abs().sum(1).numpy())
    assert rows[-1] - rows[0] + 1 == 26


def test_samples_are_whole_cubes_with_holes_that_follow_from_their_place(store):
    opened = open_store(store)

    def read(number):
        content = opened.content(opened.cases[number])
        return content.hu, content.mask

    keys = [case.crop for case in opened.cases]
    samples = InpaintingDataset(keys, read, np.arange(10), SPEC, 0)
    batch = samples.augmented(np.array([3, 4, 5]), 1)
    assert torch.equal(batch[1:2], samples.augmented(np.array([4]), 1))
    assert not torch.equal(batch, samples.augmented(np.array([3, 4, 5]), 2))
    for cube in batch:
        assert cube[REGION][cube[MASK] > 0].all()
        assert 0 < cube[REGION].mean() < 1
        lung = cube[CT][cube[REGION] == 0]
        assert float(cube[NOISE].std()) == pytest.approx(float(lung.std()), rel=0.2)


def test_a_cancelled_training_goes_on_to_the_same_bytes(tmp_path, store, finished):
    with pytest.raises(CancelledError):
        train_inpainting(store, tmp_path / "run", OPTIONS, progress=StopAt(5))
    train_inpainting(store, tmp_path / "run", OPTIONS)
    assert model(tmp_path / "run") == model(finished)


def model(folder):
    return (folder / "model.safetensors").read_bytes()


KILLED = """
import os, sys
from functools import partial
from LungSquadLib.training import loop
from LungSquadLib.training.inpainting import experiment as run
save, left = loop._save, [4]
def end(*told):
    left[0] -= 1
    return save(*told) if left[0] else os.kill(os.getpid(), 9)
loop._save = end
run.Schedule = partial(run.Schedule, save_s=0.0)
options = run.InpaintingOptions(
    "histology", size=32, width=2, depth=3, epochs=2, critic_start=0.5, learning_rate=0.01
)
run.train_inpainting(sys.argv[1], sys.argv[2], options)
"""


@pytest.mark.slow
@pytest.mark.linux
def test_a_killed_training_goes_on_to_the_same_bytes(tmp_path, store, finished):
    words = [sys.executable, "-c", KILLED, store, tmp_path / "run"]
    assert subprocess.run(words, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    assert (tmp_path / "run" / "fits" / "final" / "checkpoint").exists()
    train_inpainting(store, tmp_path / "run", OPTIONS)
    assert model(tmp_path / "run") == model(finished)


def test_a_run_ends_in_a_model_that_says_how_good_it_is(store, finished):
    read = read_model_file(finished / "model.safetensors")
    card = read.card
    assert (card.kind, card.task, [one.code for one in card.classes]) == (
        "inpainter",
        "inpainting",
        ["LUAD", "LUSC"],
    )
    names = set(card.metrics)
    measures = {"HU_error", "diameter_error_mm", "masked_region_error_HU", "texture_ratio"}
    assert measures | {f"filled_{name}" for name in measures} <= names
    assert len(card.training.seen.patients) == card.training.patients + 2
    assert len(list((finished / "fits" / "final" / "samples").iterdir())) == 2
    tumours = card.metrics["tumour_HU"]
    assert -400 < tumours.low <= tumours.value <= tumours.high < 100


def test_a_model_is_validated_on_a_store(tmp_path, store, finished, capsys):
    model = write_inpainter(tmp_path / "plain.safetensors", surroundings=True)
    words = ["validate", str(model.path), str(store), "-o", str(tmp_path / "out"), "--json"]
    assert main(words) == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())["metrics"]
    assert json.loads(capsys.readouterr().out)["metrics"] == metrics
    assert metrics["HU_error"]["n"] == 10
    assert metrics["HU_error"]["value"] < 10  # an untrained network gives the requested mean
    assert metrics["HU_error.10_to_20_mm"]["n"] + metrics["HU_error.below_10_mm"]["n"] == 10
    assert metrics["filled_masked_region_error_HU"]["value"] < 60  # a ball is uniform
    refusals = {
        "shares 8 patients": [str(finished / "model.safetensors")],
        "is of these sets and of this fold": [str(model.path), "--sets", "cubes51"],
        "the model is an inpainter": [str(model.path), "--label", "histology"],
    }
    for phrase, (name, *more) in refusals.items():
        assert main(["validate", name, str(store), *more, "-o", str(tmp_path / "none")]) == 2
        assert phrase in capsys.readouterr().err
        assert not (tmp_path / "none").exists()


def test_more_processes_than_a_batch_has_cubes_are_refused():
    network = Inpainter(3, input_size=32, width=2)
    numbers = np.arange(4)
    with pytest.raises(InputError, match="3 processes cannot share a batch of 2"):
        InpaintingTask(
            network,
            InpaintingDataset([], list, numbers, SPEC, 0),
            labels=numbers,
            training=numbers,
            validation=numbers,
            options=InpaintingOptions(),
            context=DistributedContext(0, 3),
        )


def test_it_learns_edges_that_are_sharper_than_those_it_begins_with():
    torch.manual_seed(0)
    network = Inpainter(3, input_size=16, width=4, depth=2)
    axis = torch.arange(16) - 7.5
    distance = (axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2).sqrt()
    radii = (3.0, 4.0, 5.0)
    mask, hole = (
        torch.stack([distance < radius + more for radius in radii])[:, None].float()
        for more in (0, 3)
    )
    ct = 0.1 + 0.5 * mask
    sample = Batch(ct, mask, hole, torch.zeros_like(ct), torch.full((3,), -1))
    optimiser = torch.optim.Adam(network.parameters(), 0.005)
    errors = []
    for _ in range(30):
        error = ((sample.inpainted(network) - ct) * hole).abs().sum() / hole.sum()
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
        errors.append(error.item())
    assert errors[-1] < 0.7 * errors[0]


def test_a_split_without_labels_parts_patients():
    cases = [stored_case(f"c{n}", patient=f"LS-{n // 2}") for n in range(20)]
    fold = held_out(cases, seed=0)
    assert [len(part) for part in fold.parts.values()] == [16, 2, 2]
    patients = [
        {case.patient for case in cases if case.case in part} for part in fold.parts.values()
    ]
    assert sum(map(len, patients)) == 10
    assert held_out(cases[::-1], seed=0) == fold != held_out(cases, seed=1)
    with pytest.raises(InputError, match="three are needed"):
        held_out(cases[:4], seed=0)


def test_the_folds_of_the_data_part_patients():
    cases = [stored_case(f"c{n}", patient=f"LS-{n // 2}") for n in range(24)]
    fold_of = [str(n // 2 % 4) for n in range(24)]
    fold = fold_split(cases, fold_of, test_fold="3", seed=0)
    assert fold.test == ("c14", "c15", "c22", "c23", "c6", "c7")
    assert [len(part) for part in fold.parts.values()] == [16, 2, 6]
    assert int(fold.validation[0][1:]) // 2 == int(fold.validation[1][1:]) // 2
    assert fold_split(cases[::-1], fold_of[::-1], test_fold="3", seed=0) == fold
    assert len({fold_split(cases, fold_of, test_fold="3", seed=n).validation for n in range(9)}) > 1
    with pytest.raises(InputError, match="no fold '4' to test on; there are '0', '1', '2', '3'"):
        fold_split(cases, fold_of, test_fold="4", seed=0)
    with pytest.raises(InputError, match="the same patient"):
        fold_split(cases, ["0", *fold_of[:-1]], test_fold="3", seed=0)
    with pytest.raises(InputError, match="there are 1 patients, and two"):
        fold_split(cases[:4], fold_of[:4], test_fold="1", seed=0)


def test_the_command_trains_and_tells(tmp_path, store, capsys):
    words = f"train inpainting {store} --size 32 --width 2 --epochs 1 --device cpu"
    assert main([*words.split(), "-o", str(tmp_path / "run")]) == 0
    out = capsys.readouterr().out
    assert "HU_error" in out
    assert "model.safetensors" in out
    assert read_model_file(tmp_path / "run" / "model.safetensors").card.classes == ()
