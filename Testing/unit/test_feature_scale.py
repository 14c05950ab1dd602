"""Standardised features and the head that absorbs the scale say what raw features say."""

import numpy as np
import pytest
import torch

from LungSquadLib.networks import build
from LungSquadLib.training.classifier.features import FeatureScale, frozen_prefix

torch.manual_seed(0)


@pytest.mark.parametrize("hidden", [[5], []])
def test_a_head_says_the_same_on_either_scale(hidden):
    network = build("transfer", {"width": 0.04, "input_size": 32, "hidden": hidden}).eval()
    _, head = frozen_prefix(network)
    random = np.random.default_rng(0)
    count = next(layer for layer in network.head.modules() if hasattr(layer, "in_features"))
    size = (40, 3, count.in_features)
    features = (random.normal(size=size) * 10 ** random.uniform(-2, 2, size[2])).astype(np.float32)
    features[..., 0] = 7.0  # never changes
    scale = FeatureScale.of(features)
    z = scale.standardised(features)
    assert np.abs(z.mean(axis=(0, 1))).max() < 1e-3
    assert z.reshape(-1, size[2])[:, 1:].std(axis=0) == pytest.approx(1, abs=1e-3)
    raw, other = torch.from_numpy(features[:, 0]), torch.from_numpy(z[:, 0])
    with torch.no_grad():
        before = head(raw).logits
        scale.apply_to(head)
        assert torch.allclose(head(other).logits, before, atol=1e-4)
        assert not torch.allclose(head(raw).logits, before, atol=1e-2)
        scale.remove_from(head)
        assert torch.allclose(head(raw).logits, before, atol=1e-4)
        assert torch.allclose(network.head.after(network.head.before[1:](raw)), before, atol=1e-4)
