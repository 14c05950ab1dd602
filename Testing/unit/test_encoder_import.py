"""Published trunks: the reference's outputs, strict names and shapes, preprocessing, transfer."""

import ast
import pickle
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from LungSquadLib.cli import main
from LungSquadLib.data.build import build_cohort
from LungSquadLib.data.store import Preprocessing, open_store
from LungSquadLib.errors import InputError, ModelError
from LungSquadLib.imaging.crop import crop
from LungSquadLib.models.encoder_import import ENCODERS, import_encoder
from LungSquadLib.models.file import read_model_file, write_model_file
from LungSquadLib.networks import encoders as networks
from LungSquadLib.networks.encoders import EncoderNetwork, expected_arrays
from LungSquadLib.pipeline.sources import network_features
from LungSquadLib.training.classifier.data import set_up
from LungSquadLib.training.classifier.features import frozen_prefix
from LungSquadLib.training.classifier.options import ClassifierOptions
from Testing.ball_cohort import ball_volumes
from Testing.model_samples import randomise

ORACLES = {"fmcib": "fmcib", "ct-fm": "ctfm", "vista3d": "vista"}
WIDTH = {"fmcib": 1 / 16, "ct-fm": 1 / 8, "vista3d": 1 / 8}


def reference(name, width=None):
    """The network in the library whose weights were published, with random weights."""
    nets = pytest.importorskip("monai.networks.nets")
    segresnet = pytest.importorskip("monai.networks.nets.segresnet_ds")
    width = WIDTH[name] if width is None else width
    if name == "fmcib":
        network = nets.resnet50(
            pretrained=False,
            n_input_channels=1,
            widen_factor=2 * width,
            conv1_t_stride=2,
            feed_forward=False,
            bias_downsample=True,
        )
    else:
        network = segresnet.SegResEncoder(
            init_filters=round({"ct-fm": 32, "vista3d": 48}[name] * width),
            blocks_down=(1, 2, 2, 4, 4),
            norm={"ct-fm": "batch", "vista3d": "instance"}[name],
            head_module=lambda levels: levels[-1].mean(dim=(2, 3, 4)),
        )
    return randomise(network).eval()


def weights(name, seed=0):
    """Random weights with the names of the published ones, without the reference."""
    network = EncoderNetwork(ENCODERS[name].trunk, width=WIDTH[name])
    return randomise(network.trunk.get_submodule("encoder"), seed).state_dict()


def imported(name, path, content=None):
    torch.save(weights(name) if content is None else content, path)
    return import_encoder(name, path, width=WIDTH[name])


@pytest.mark.parametrize("name", ENCODERS)
def test_features_are_those_of_the_reference(name, tmp_path):
    """Random weights, through the published form of the file; differences below 1e-5."""
    network = reference(name)
    state = network.state_dict()
    content = {
        "fmcib": lambda: {"trunk_state_dict": state},
        "ct-fm": lambda: {f"encoder.{key}": value for key, value in state.items()},
        "vista3d": lambda: {
            **{f"image_encoder.encoder.{key}": value for key, value in state.items()},
            "point_head.weight": torch.zeros(3),
        },
    }[name]()
    ours, card = imported(name, tmp_path / "w.pt", content)
    x = torch.rand(2, 1, card.image.size, card.image.size, card.image.size)
    seen = x if name != "vista3d" else x.transpose(2, 4).flip(2, 3)
    with torch.no_grad():
        expected, actual = network(seen), ours(x)
    assert expected.shape == actual.shape
    assert expected.std() > 0.01
    assert (expected - actual).abs().max() < 1e-5 * max(1.0, float(expected.abs().max()))


@pytest.mark.parametrize("name", ENCODERS)
def test_names_and_shapes_are_those_of_the_published_weights(name, shared_data):
    listed = {}
    text = (shared_data / f"oracle/{ORACLES[name]}_state_dict.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        key, _, shape = line.partition(" ")
        listed[key] = ast.literal_eval(shape)
    assert expected_arrays(ENCODERS[name].trunk) == listed


def test_the_sizes_are_the_published_ones():
    counts = {}
    for name, encoder in ENCODERS.items():
        with torch.device("meta"):
            network = EncoderNetwork(encoder.trunk)
        counts[name] = (sum(w.numel() for w in network.parameters()), network.feature_count)
    assert counts["fmcib"] == (184_477_824, 4096)
    assert [(round(n / 1e6, 1), width) for n, width in (counts["ct-fm"], counts["vista3d"])] == [
        (77.8, 512),
        (175.0, 768),
    ]


@pytest.mark.parametrize(
    "saved",
    [
        lambda state: {"state_dict": {f"model.trunk.{k}": v for k, v in state.items()}},
        lambda state: {"state_dict": {f"module.{k}": v for k, v in state.items()}},
        lambda state: {
            "trunk_state_dict": {
                **state,
                **{
                    key.replace("running_mean", "num_batches_tracked"): torch.tensor(3)
                    for key in state
                    if "running_mean" in key
                },
            }
        },
        lambda state: state,
    ],
)
def test_each_published_form_is_read(saved, tmp_path):
    network, _ = imported("fmcib", tmp_path / "w.torch", saved(weights("fmcib")))
    expected = weights("fmcib")
    actual = network.trunk.get_submodule("encoder").state_dict()
    assert all(torch.equal(actual[key], value) for key, value in expected.items())


def test_safetensors_are_read(tmp_path):
    from safetensors.torch import save_file

    save_file(weights("ct-fm"), tmp_path / "w.safetensors")
    network, card = import_encoder("ct-fm", tmp_path / "w.safetensors", width=WIDTH["ct-fm"])
    assert network.feature_count == 64
    assert card.licence.startswith("Apache-2.0; from huggingface.co/project-lighter")


def changed(**arrays):
    state = weights("ct-fm")
    for key, value in arrays.items():
        name = key.replace("__", ".")
        if value is None:
            del state[name]
        else:
            state[name] = value
    return state


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (changed(conv_init__weight=None), "it has no 'conv_init.weight'"),
        (changed(fc__weight=torch.zeros(2)), "it has 'fc.weight', which this network does not"),
        (changed(conv_init__weight=torch.zeros(4, 1, 3, 3)), "has the shape [4, 1, 3, 3]"),
        (changed(conv_init__weight=torch.zeros(4, 1, 3, 3, 3).half()), "finite float32"),
        (changed(conv_init__weight=torch.full((4, 1, 3, 3, 3), torch.nan)), "finite float32"),
        ([1, 2], "it holds no weights by name"),
    ],
)
def test_other_weights_are_refused(content, sentence, tmp_path):
    with pytest.raises(ModelError) as refusal:
        imported("ct-fm", tmp_path / "w.pt", content)
    assert sentence in str(refusal.value)


def test_the_wrong_norm_is_refused(tmp_path):
    """Without strict names, weights of instance norms would be loaded into batch norms."""
    state = {k.removeprefix("x"): v for k, v in weights("ct-fm").items() if "running" not in k}
    with pytest.raises(ModelError, match=r"no 'layers\.0\.blocks\.0\.norm1\.running_mean'"):
        imported("ct-fm", tmp_path / "w.pt", state)


class Bomb:
    def __reduce__(self):
        return (print, ("boom",))


def test_a_file_that_could_run_is_refused_and_runs_nothing(tmp_path, capsys):
    torch.save({"a": Bomb()}, tmp_path / "w.pt")
    (tmp_path / "p.pt").write_bytes(pickle.dumps(Bomb()))
    for name in ("w.pt", "p.pt"):
        with pytest.raises(ModelError, match="could run as a program"):
            import_encoder("fmcib", tmp_path / name)
    (tmp_path / "n.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="no safetensors file"):
        import_encoder("ct-fm", tmp_path / "n.safetensors")
    assert "boom" not in capsys.readouterr().out


def sloped(turned):
    """A CT whose HU rise by 3, 5 and 7 along L, P and S, and a mask; `turned`: stored otherwise."""
    size, spacing = (90, 84, 40), (0.8, 0.9, 2.0)
    image = sitk.Image(size, sitk.sitkInt16)
    image.SetSpacing(spacing)
    image.SetOrigin((-30.0, -35.0, -36.0))
    z, y, x = np.indices(size[::-1])
    hu = 3 * (x * 0.8 - 30) + 5 * (y * 0.9 - 35) + 7 * (z * 2.0 - 36) - 300
    array = sitk.GetImageFromArray(np.rint(hu * 10).astype(np.int16) // 10)
    array.CopyInformation(image)
    mask = sitk.Image(size, sitk.sitkUInt8)
    mask.CopyInformation(image)
    mask[68:77, 40:47, 18:22] = 1  # near the left end, beyond which there is air
    images = array, mask
    return [sitk.DICOMOrient(each, "RAI") for each in images] if turned else images


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("name", ENCODERS)
def test_the_network_sees_hu_and_axes_of_its_authors(name, turned, tmp_path):
    """On a phantom whose axes differ: SPL for FMCIB and CT-FM, RAS for VISTA3D."""
    network, card = imported(name, tmp_path / "w.pt")
    spec = card.image
    ct, mask = sloped(turned)
    cut = crop(ct, mask, size=spec.size, spacing=spec.spacing)
    seen = []
    encoder = network.trunk.get_submodule("encoder")
    encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        network(torch.from_numpy(spec.scaled(sitk.GetArrayFromImage(cut.ct)))[None, None])
    actual = seen[0][0, 0].numpy()
    middle = (spec.size - 1) / 2
    first, second, third = np.indices((spec.size,) * 3) - middle
    left, posterior, superior = third, second, first
    if name == "vista3d":  # the first axis to the right, the second to anterior, the third up
        left, posterior, superior = -first, -second, third
    centre = cut.ct.TransformContinuousIndexToPhysicalPoint([float(middle)] * 3)
    places = [mm + each for mm, each in zip(centre, (left, posterior, superior), strict=True)]
    hu = 3 * places[0] + 5 * places[1] + 7 * places[2] - 300
    expected = (hu + 1024) / 3072
    if spec.clip:
        expected = np.clip(expected, 0, 1)
    ends = ((-30, 41.2), (-35, 39.7), (-36, 42))  # of the CT, mm
    inside = np.all(
        [(p > low) & (p < high) for p, (low, high) in zip(places, ends, strict=True)], axis=0
    )
    assert np.abs(actual - expected)[inside].max() < 2 / 3072
    beyond = places[0] > ends[0][1] + 2
    assert beyond.sum() > 5000
    assert (actual[beyond] == 0).all()  # air beyond the CT is 0 after scaling


def test_the_cards_say_what_may_be_done_and_what_they_were_trained_on(tmp_path):
    cards = {name: imported(name, tmp_path / "w.pt")[1] for name in ENCODERS}
    assert "DeepLesion" in cards["fmcib"].training.data
    assert "not the published file" in cards["fmcib"].training.data
    assert "not resolved" in cards["fmcib"].notice
    assert "NVIDIA" in cards["vista3d"].notice
    assert cards["ct-fm"].notice is None
    assert "nsclc-radiomics" in cards["ct-fm"].training.data
    assert (cards["fmcib"].image.hu_low, cards["fmcib"].image.hu_high) == (-1024, 2048)
    assert [cards[name].image.clip for name in ENCODERS] == [False, True, True]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("balls")
    build_cohort(
        ball_volumes(folder / "volumes", 12), folder / "s", preprocessing=Preprocessing(50, 2)
    )
    return open_store(folder / "s")


@pytest.fixture(scope="module")
def encoder_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("encoder") / "fmcib.safetensors"
    network, card = imported("fmcib", path.with_suffix(".pt"))
    write_model_file(path, network, card=card)
    return path


def test_the_command_writes_a_model_with_its_licence(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        "LungSquadLib.models.encoder_import.import_encoder",
        lambda name, path: import_encoder(name, path, width=WIDTH[name]),
    )
    torch.save(weights("fmcib"), tmp_path / "w.pt")
    out = str(tmp_path / "m.safetensors")
    assert main(["models", "import-encoder", "fmcib", str(tmp_path / "w.pt"), "-o", out]) == 0
    assert "non-commercial" in capsys.readouterr().out
    assert read_model_file(out).card.kind == "encoder"
    assert main(["models", "fetch", "--list"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "unresolved" in lines["fmcib"]
    assert "738.5 MB" in lines["fmcib"]
    assert "not resolved: read NVIDIA's terms" in lines["vista3d"]
    assert main(["models", "fetch", "fmcib", "-o", str(tmp_path)]) == 2
    assert "models import-encoder fmcib" in capsys.readouterr().err


def test_an_image_source_has_the_features_of_the_encoder(store, encoder_file):
    model = read_model_file(encoder_file)
    table = network_features(store, model)
    case = store.cases[3]
    hu = store.hu(case)[2:-2, 2:-2, 2:-2]
    with torch.no_grad():
        expected = model.network(torch.from_numpy(model.card.image.scaled(hu))[None, None])[0]
    row = table.values[list(table.patients).index(case.patient)]
    assert np.abs(row - expected.numpy()).max() < 2e-6 * float(expected.max())
    assert table.values.shape == (12, 256)
    assert any("DeepLesion" in note for note in table.notes)


def test_a_training_starts_from_the_frozen_encoder(store, encoder_file):
    """The features of the head are the encoder's, of HU that are not clipped."""
    options = ClassifierOptions(label="histology", init=str(encoder_file), size=50, folds=2)
    setup = set_up(store.folder, options)
    assert (setup.spec.clip, setup.spec.hu_high, setup.pretrained()) == (False, 2048, ("trunk",))
    prefix, _ = frozen_prefix(setup.initial_network(0))
    x = torch.rand(1, 1, 50, 50, 50)
    with torch.no_grad():
        difference = prefix(x) - read_model_file(encoder_file).network(x)
    assert difference.abs().max() < 1e-6
    assert any("DeepLesion" in warning for warning in setup.warnings)
    with pytest.raises(InputError, match="add --size 50"):
        set_up(store.folder, replace(options, size=48))


@pytest.mark.parametrize("name", ENCODERS)
def test_an_output_voxel_lies_where_its_grid_says(name):
    """Every so many voxels of the cube as the convolutions see it, at the places of the grid."""
    encoder = networks.ENCODERS[ENCODERS[name].trunk]
    grid = encoder.grid(48)
    trunk, _ = encoder.trunk(1 / 16)
    assert trunk(torch.zeros(1, 1, 48, 48, 48)).shape[2:] == (grid.size,) * 3
    trunk.encoder = torch.nn.MaxPool3d(1, stride=encoder.stride, ceil_mode=True)
    cube = torch.arange(48.0**3).reshape(1, 1, 48, 48, 48)
    z, y, x = (
        [round(grid.centre(index) + shift) for index in range(grid.size)]
        for shift in reversed(grid.shift)
    )
    assert torch.equal(trunk(cube)[0, 0], cube[0, 0][np.ix_(z, y, x)])
