"""The autoencoder's loss is the bound, what is missing is not judged, and collapse is seen."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from LungSquadLib.networks import build
from LungSquadLib.networks.autoencoder import Code
from LungSquadLib.progress import Silent
from LungSquadLib.training.autoencoder.options import AutoencoderOptions
from LungSquadLib.training.autoencoder.task import (
    ALIVE,
    AutoencoderTask,
    Parts,
    divergence,
    unit_divergences,
)
from LungSquadLib.training.distributed import DistributedContext
from LungSquadLib.training.loop import Schedule, fit

pytestmark = pytest.mark.usefixtures("one_thread")


def rows(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def task(x, *, latent=3, **recipe):
    torch.manual_seed(0)
    network = build("autoencoder", {"widths": [x.shape[1]], "latent": latent, "hidden": [16]})
    parts = Parts(x[20:], x[:10], x[10:20])
    return AutoencoderTask(network, parts, options=AutoencoderOptions(**recipe))


def trained(x, *, latent=3, epochs=40, **recipe):
    made = task(x, latent=latent, epochs=epochs, learning_rate=0.01, **recipe)
    history = fit(
        made,
        Schedule(epochs, reported=("error",)),
        checkpoint=None,
        context=DistributedContext(),
        progress=Silent(),
    )
    return made, history


def test_the_divergence_is_that_from_the_standard_normal_distribution():
    mean, log_variance = rows(5, 3), rows(5, 3, seed=1)
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(
        normal(mean, (log_variance / 2).exp()), normal(0.0, 1.0)
    )
    torch.testing.assert_close(divergence(Code(mean, log_variance)), expected)


def test_the_bound_is_half_the_squared_error_and_the_divergence():
    told = task(rows(60, 9)).validate()
    for part in ("validation", "test"):
        error, far, bound = (told[f"{part} {name}"] for name in ("error", "divergence", "bound"))
        assert bound == pytest.approx(9 * error / 2 + far, rel=1e-5)


def test_the_epoch_is_chosen_once_the_divergence_has_its_weight():
    _, history = trained(rows(60, 9), epochs=4, warm_up=3)
    assert ["validation loss" in row for row in history] == [False, False, True, True]
    _, history = trained(rows(60, 9), epochs=2, warm_up=3)
    assert ["validation loss" in row for row in history] == [False, True]


def test_what_is_missing_is_neither_learnt_nor_judged():
    network = task(rows(60, 9)).network
    x, rebuilt = rows(4, 9), rows(4, 9, seed=2)
    gone = x.clone()
    gone[:, 5:] = torch.nan
    error = network.squared_error(gone, rebuilt)
    expected = (network.scale(x) - rebuilt)[:, :5].square().mean(1)
    torch.testing.assert_close(error, expected)


def test_only_training_patients_are_learnt_from():
    x, _ = rows(60, 9), None
    other = x.clone()
    other[10:20] *= 7  # the test's
    one, another = (trained(values, epochs=3)[0].network.state_dict() for values in (x, other))
    assert all(torch.equal(one[name], another[name]) for name in one)
    other[30] += 1
    assert not torch.equal(trained(other, epochs=1)[0].network.scale.mean, one["scale.mean"])


def active(made):
    return unit_divergences(made.network, made.parts.train) > made.options.free_bits + ALIVE


def test_units_collapse_on_noise_and_stay_where_there_is_something_to_say():
    noise = rows(1500, 12)
    collapsed, _ = trained(noise, latent=2, epochs=12, free_bits=0.0, warm_up=0)
    assert not active(collapsed).any()
    factor = rows(1500, 2, seed=3)
    telling = factor @ rows(2, 12, seed=4) + 0.5 * noise
    made, history = trained(telling, latent=2, epochs=12)
    assert active(made).all()
    assert history[-1]["test error"] < 0.5


def test_the_divergence_gains_its_weight_slowly():
    """So early on a unit may say more than it may afford later."""
    noise = rows(1500, 12)
    said = [
        trained(noise, latent=2, epochs=12, free_bits=0.0, warm_up=warming)[1][-1]["divergence"]
        for warming in (0, 12)
    ]
    assert said[1] > 2 * said[0]


def test_free_bits_cost_nothing():
    noise = rows(1500, 12)
    kept, _ = trained(noise, latent=2, epochs=12, free_bits=0.5, warm_up=0)
    said = unit_divergences(kept.network, kept.parts.train)
    assert (said > 0.3).all()
    assert not active(kept).any()  # they say what costs nothing, and no more


def test_batches_have_all_patients_once_and_none_is_small():
    made = task(rows(97, 4), batch=32)
    batches = made._batches(1)
    assert [len(batch) for batch in batches] == [39, 38]
    assert sorted(np.concatenate(batches).tolist()) == list(range(77))
    assert not np.array_equal(batches[0], made._batches(2)[0])
