"""Networks of tables: what is missing is left out, and what comes out are probabilities."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from LungSquadLib.networks import build
from LungSquadLib.networks.tables import OrderedClasses, Standardiser


def rows(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_the_standardiser_knows_only_what_it_was_fitted_on():
    scale, x = Standardiser(3), rows(50, 3) * 7 + 2
    x[:, 1] = 5
    x[::3, 2] = torch.nan
    scale.fit(x)
    y = scale(x)
    assert y.isfinite().all()
    assert (y[:, 1] == 0).all()  # constant
    assert (y[::3, 2] == 0).all()  # missing
    np.testing.assert_allclose(y[:, 0].mean(), 0, atol=1e-6)
    np.testing.assert_allclose(y[:, 0].std(correction=0), 1, rtol=1e-5)
    torch.testing.assert_close(scale.inverse(y)[:, :2], x[:, :2])


def test_an_all_missing_column_is_nothing():
    scale, x = Standardiser(2), rows(9, 2)
    x[:, 0] = torch.nan
    scale.fit(x)
    assert (scale(rows(4, 2))[:, 0] == 0).all()


def test_values_are_clamped_at_five_deviations():
    scale = Standardiser(2)
    scale.fit(rows(50, 2))
    far = torch.tensor([[1e9, torch.nan], [-torch.inf, 0.0]])
    standardised = scale(far)
    torch.testing.assert_close(standardised[:, 0], torch.tensor([5.0, -5.0]))
    assert standardised[0, 1] == 0
    assert 0 < standardised[1, 1].abs() < 1  # one that is not far out is left as it is


def test_ordered_classes_are_the_proportional_odds_model():
    torch.manual_seed(3)
    layer, x = OrderedClasses(5, 4), rows(6, 5)
    probabilities = layer(x).exp()
    torch.testing.assert_close(probabilities.sum(1), torch.ones(6))
    rises = torch.nn.functional.softplus(layer.steps)
    thresholds = [
        layer.first.item(),
        *((layer.first + rises[: n + 1].sum()).item() for n in (0, 1)),
    ]
    at_most = torch.stack([torch.sigmoid(t - layer.score(x)[:, 0]) for t in thresholds], 1)
    torch.testing.assert_close(probabilities.cumsum(1)[:, :3], at_most)
    layer(x).sum().backward()
    assert all(weight.grad.isfinite().all() for weight in layer.parameters())


@pytest.mark.parametrize("branch", [0, 6])
@pytest.mark.parametrize("ordinal", [False, True])
def test_the_integration_network_has_three_dense_three_dropouts_two_norms(branch, ordinal):
    network = build(
        "integration", {"widths": [4, 3], "classes": 4, "branch_width": branch, "ordinal": ordinal}
    )
    layers = [*network.body, *network.last]
    kinds = [type(layer).__name__ for layer in layers]
    assert kinds.count("Dropout") == 3
    assert kinds.count("BatchNorm1d") == 2
    assert kinds.count("Linear") + kinds.count("OrderedClasses") == 3
    output = network(rows(5, 7))
    assert output.logits.shape == (5, 4)
    assert output.features.shape == (5, network.feature_count)


def test_a_missing_source_is_left_out_and_not_invented():
    network = build("integration", {"widths": [4, 3], "branch_width": 6}).eval()
    x = rows(5, 7)
    gone = x.clone()
    gone[:, 4:] = torch.nan
    network.branches[1][0].bias.data += 100  # what a branch says of nothing at all
    assert not torch.allclose(network(x).logits, network(gone).logits)
    moved = network(gone).logits.clone()
    network.branches[1][0].bias.data -= 50
    torch.testing.assert_close(network(gone).logits, moved)
    # What is left counts for both.
    single_source = network.branches[0](network.scale(x)[:, :4]) * 2
    expected = network.body(torch.cat([single_source, torch.zeros(5, 6)], 1))
    torch.testing.assert_close(network(gone).features, expected)


def test_the_autoencoders_groups_are_a_mixture_of_normal_distributions():
    stats = pytest.importorskip("scipy.stats")
    network = build("autoencoder", {"widths": [9], "classes": 3, "latent": 2, "hidden": [5]}).eval()
    random = np.random.default_rng(0)
    means, weights = random.normal(size=(3, 2)), np.array([0.5, 0.3, 0.2])
    covariances = [np.cov(random.normal(size=(2, 9))) for _ in range(3)]
    network.group_mean.copy_(torch.tensor(means))
    network.group_weight.copy_(torch.tensor(weights))
    network.group_precision.copy_(torch.tensor(np.linalg.inv(covariances)))
    x = rows(6, 9)
    positions = network.encode(x).mean.detach().numpy()
    densities = np.stack(
        [
            w * stats.multivariate_normal(m, c).pdf(positions)
            for w, m, c in zip(weights, means, covariances, strict=True)
        ],
        1,
    )
    expected = densities / densities.sum(1, keepdims=True)
    np.testing.assert_allclose(network(x).logits.exp().detach(), expected, rtol=2e-4)
    assert network.decode(torch.zeros(2, 2)).shape == (2, 9)


def test_a_patient_without_data_gets_the_class_priors_at_any_temperature():
    network = build("integration", {"widths": [3], "classes": 3}).eval()
    priors = torch.tensor([0.6, 0.3, 0.1])
    network.init_output_bias(priors)
    torch.nn.init.zeros_(network.last[1].weight)
    network.fold_temperature(4.0, priors)
    logits = network(torch.randn(5, 3)).logits.detach() / 4
    torch.testing.assert_close(logits.softmax(1), priors.expand(5, 3))
