"""The saliency lies where the network's last voxels look, found by showing it single planes."""

import numpy as np
import pytest
import SimpleITK as sitk

torch = pytest.importorskip("torch")

from LungSquadLib.imaging.geometry import Grid
from LungSquadLib.inference.attribution import grad_cam, on_ct_grid
from LungSquadLib.networks import build

pytestmark = pytest.mark.usefixtures("one_thread")


def centres_seen(network, size):
    """The middle of what each output voxel sees along an axis: planes that change its value."""
    for layer in network.trunk:
        if isinstance(layer, torch.nn.Conv3d):
            torch.nn.init.constant_(layer.weight, 1.0 / layer.weight[0].numel())
    seen = []
    with torch.no_grad():
        nothing = network.trunk(torch.zeros(1, 1, size, size, size))
        for plane in range(size):
            x = torch.zeros(1, 1, size, size, size)
            x[0, 0, plane] = 1e6
            changed = (network.trunk(x) - nothing).abs().amax((0, 1, 3, 4))
            seen.append((changed > 0).numpy())
    return np.array([np.flatnonzero(line)[[0, -1]].mean() for line in np.array(seen).T])


@pytest.mark.parametrize(("name", "size"), [("prognosis", 38), ("transfer", 32)])
def test_values_stand_in_the_middle_of_what_their_voxel_sees(name, size):
    torch.manual_seed(0)
    network = build(name, {"width": 0.02, "input_size": size}).eval()
    centres = centres_seen(network, size)
    assert centres.tolist() == [network.grid.centre(n) for n in range(network.grid.size)]
    count, stride = len(centres), centres[1] - centres[0]
    random = np.random.default_rng(1)
    lines = random.uniform(0.1, 1, (3, count))
    cam = lines[0][:, None, None] * lines[1][:, None] * lines[2]
    # A CT of finer voxels on the crop's axes: its voxels' places in the crop are known.
    at = Grid((size,) * 3, (1.0,) * 3, (10.0, -20.0, 30.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    ct = Grid((70, 60, 40), (0.6, 0.7, 1.1), (9.0, -22.0, 28.5), at.direction)
    image = on_ct_grid(cam, network, at, ct)
    ends = [centres[0] - stride, *centres, centres[-1] + stride]
    along = []
    for line, axis in zip(lines, (2, 1, 0), strict=True):
        first, step = image.GetOrigin()[axis], image.GetSpacing()[axis]
        places = first + step * np.arange(image.GetSize()[axis]) - at.origin[axis]
        along.append(np.interp(places, ends, [0.0, *line, 0.0]))
    expected = along[0][:, None, None] * along[1][:, None] * along[2]
    assert expected.max() > 0.3
    assert np.abs(sitk.GetArrayFromImage(image) - expected).max() < 1e-5


def test_channels_are_weighed_by_their_mean_gradient_and_what_speaks_against_is_left_out():
    torch.manual_seed(1)
    network = build("transfer", {"width": 0.05, "input_size": 32}).eval()
    activations = torch.rand(1, network.trunk[-2].num_features, 3, 3, 3)
    for target in (0, 1):
        # The gradient by central differences of the logit, in double precision.
        head, x = network.head.double(), activations.double()
        slopes = torch.zeros_like(x)
        for place in np.ndindex(*x.shape):
            ends = []
            for step in (1e-6, -1e-6):
                moved = x.clone()
                moved[place] += step
                with torch.no_grad():
                    ends.append(float(head(moved).logits[0, target]))
            slopes[place] = (ends[0] - ends[1]) / 2e-6
        weights = slopes.mean((2, 3, 4), keepdim=True)
        expected = (weights * x).sum(1)[0].clamp(min=0).numpy()
        network.head.float()
        actual = grad_cam(network, activations, target)
        assert actual == pytest.approx(expected / max(expected.max(), 1e-12), abs=1e-4)
