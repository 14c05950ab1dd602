"""A profile's answer is the model's own, says how sure it is, and refuses what cannot be."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from LungSquadLib.data.tables.profile import Profile, read_profile
from LungSquadLib.errors import InputError, ModelError
from LungSquadLib.inference import profile as profiles
from LungSquadLib.inference.attribution import integrated_gradients
from LungSquadLib.inference.profile import predict_profile
from LungSquadLib.inference.table_input import row_of
from LungSquadLib.models.inputs import Source

from ..samples import write_model
from ..table_models import GENES, autoencoder, integrator, profile

IMAGE = Source("image", "image", ("i0", "i1", "i2"), "features of a network", "a" * 64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def model(folder):
    return integrator(folder / "m.safetensors", temperature=1.7)


@pytest.fixture(scope="module")
def both(folder):
    return integrator(folder / "both.safetensors", IMAGE, branch=4)


@pytest.fixture(scope="module")
def groups(folder):
    return autoencoder(folder / "a.safetensors")


def row(of: Profile) -> torch.Tensor:
    return torch.tensor([[of.genes.get(gene, np.nan) for gene in GENES]])


def test_the_same_inputs_give_the_same_numbers_whatever_was_drawn_before(model):
    first = predict_profile(model, profile(), device="cpu").to_dict()
    torch.rand(9)
    assert predict_profile(model, profile(), device="cpu").to_dict() == first
    other = predict_profile(model, profile(), device="cpu", seed=4).to_dict()
    assert other["interval"] != first["interval"]
    assert other["probabilities"] == first["probabilities"]


def test_probabilities_are_the_networks_at_its_temperature(model):
    with torch.no_grad():
        expected = torch.softmax(model.trainable()(row(profile())).logits / 1.7, 1)[0]
    prediction = predict_profile(model, profile(), device="cpu")
    assert prediction.probabilities == pytest.approx(expected.tolist(), abs=1e-6)
    low, high = prediction.interval.low, prediction.interval.high
    assert 0 <= low < prediction.probabilities[0] < high <= 1


def test_an_autoencoder_predicts_group_and_latent_position(groups):
    with torch.no_grad():
        network = groups.trainable()
        expected = network(row(profile())).logits.exp()[0].tolist()
        position = network.encode(row(profile())).mean[0].tolist()
    prediction = predict_profile(groups, profile(), device="cpu")
    assert prediction.probabilities == pytest.approx(expected, abs=1e-6)
    assert prediction.latent_position == pytest.approx(position)
    assert "no_reference" in [flag.code for flag in prediction.flags]
    assert "layers" not in prediction.interval.explanation  # it has no dropout


def test_contributions_add_up_to_the_difference_from_the_average_patient(model):
    network = model.trainable()
    with torch.no_grad():
        logits = [network(x).logits[0] / 1.7 for x in (row(profile()), network.scale.mean[None])]
    prediction = predict_profile(model, profile(), device="cpu")
    contributions = prediction.contributions
    index = int(logits[0].argmax())
    difference = float((logits[0] - logits[1])[index] - (logits[0] - logits[1])[1 - index])
    assert len(contributions) == 20
    assert [abs(one.value) for one in contributions] == sorted(
        (abs(o.value) for o in contributions), reverse=True
    )
    x, warm = row(profile()).numpy(), model.card.temperature
    all_contributions = integrated_gradients(network, x, positive=index, temperature=warm)[0]
    assert all_contributions.sum() == pytest.approx(difference, rel=0.05)
    assert contributions[0].value == pytest.approx(
        all_contributions[GENES.index(contributions[0].column)]
    )


def test_missing_genes_are_counted_and_widen_the_interval(model):
    whole = predict_profile(model, profile(), device="cpu")
    part = predict_profile(model, profile(known=24), device="cpu")
    assert not [flag for flag in whole.flags if flag.code == "genes_missing"]
    (flag,) = (flag for flag in part.flags if flag.code == "genes_missing")
    assert "16 of the model's 40" in flag.sentence
    assert part.parameters["genes_dropped"] == 0.4
    assert not {one.column for one in part.contributions} & set(GENES[24:])
    same = replace(profile(), genes={g: v for g, v in profile().genes.items() if g != GENES[0]})
    few = predict_profile(model, same, device="cpu")
    assert few.parameters["genes_dropped"] == 0.1


def test_the_networks_own_dropout_is_in_the_interval_too(model, groups, monkeypatch):
    monkeypatch.setattr(profiles, "LEAST_DROPPED", 0.0)
    interval = predict_profile(model, profile(), device="cpu").interval
    assert interval.high - interval.low > 0.02
    assert "0% of the genes and parts of the network's layers" in interval.explanation
    interval = predict_profile(groups, profile(), device="cpu").interval
    assert interval.high - interval.low < 1e-6  # it has none


def test_half_of_the_genes_is_the_least(model):
    predict_profile(model, profile(known=20), device="cpu")
    with pytest.raises(InputError, match="lacks 21 of the 40 genes"):
        predict_profile(model, profile(known=19), device="cpu")
    with pytest.raises(InputError, match="has none of the 40 genes"):
        predict_profile(model, Profile.of({"ENSG1": 1.0, "ENSG2": 2.0}), device="cpu")


SCALES = {  # what a gene's number is for the training patients, and in a profile
    "z-scores": lambda random, n: random.normal(size=(n, len(GENES))),
    "counts": lambda random, n: random.poisson(np.geomspace(5, 5000, len(GENES)), (n, len(GENES))),
    "FPKM": lambda random, n: np.exp(
        random.normal(np.linspace(-2, 6, len(GENES)), 0.8, (n, len(GENES)))
    ),
    "log2 of FPKM": lambda random, n: random.normal(
        np.linspace(0.1, 10, len(GENES)), 1.2, (n, len(GENES))
    ),
    "log2 (x + 1) of TPM": lambda random, n: random.normal(
        np.linspace(1, 10, len(GENES)), 0.8, (n, len(GENES))
    ).clip(0),
}


# FPKM and counts may be of one size, as logarithms with 1 added and without it are.
ALIKE = ({"counts", "FPKM"}, {"log2 (x + 1) of TPM", "log2 of FPKM"})
PAIRS = [(a, b) for a in SCALES for b in SCALES if {a, b} not in ALIKE]


@pytest.mark.parametrize(("taken", "given"), PAIRS)
def test_another_scale_is_refused_and_the_models_is_named(tmp_path, taken, given):
    training = SCALES[taken](np.random.default_rng(1), 60)
    model = integrator(tmp_path / "m.safetensors", scale=taken, training=training)
    for patient in SCALES[given](np.random.default_rng(2), 9).astype(float):
        requested = Profile.of(dict(zip(GENES, patient, strict=True)))
        if taken == given:
            predict_profile(model, requested, device="cpu")
            continue
        with pytest.raises(InputError) as error:
            predict_profile(model, requested, device="cpu")
        assert f"which takes {taken}" in str(error.value)


def test_a_missing_image_is_left_out_and_a_given_one_changes_the_prediction(both):
    molecular = predict_profile(both, profile(), device="cpu")
    assert molecular.sources == ("expression",)
    assert molecular.missing_sources == ("image",)
    assert "source_missing" in [flag.code for flag in molecular.flags]
    features = {"image": {"i0": 1.0, "i1": -2.0, "i2": 0.5}}
    joint = predict_profile(both, profile(), features=features, device="cpu")
    assert joint.sources == ("expression", "image")
    with torch.no_grad():
        x = torch.cat([row(profile()), torch.tensor([[1.0, -2.0, 0.5]])], 1)
        expected = torch.softmax(both.trainable()(x).logits, 1)[0].tolist()
    assert joint.probabilities == pytest.approx(expected, abs=1e-6)
    assert joint.probabilities != pytest.approx(molecular.probabilities, abs=1e-3)
    assert "image" in {one.source for one in joint.contributions}


def test_features_of_another_source_or_other_columns_are_refused(both):
    with pytest.raises(InputError, match="no source 'ct'"):
        predict_profile(both, profile(), features={"ct": {"i0": 1.0}}, device="cpu")
    with pytest.raises(InputError, match="not those of its 3 columns"):
        predict_profile(both, profile(), features={"image": {"i0": 1.0}}, device="cpu")


def test_models_that_take_no_profile_are_refused(folder):
    with pytest.raises(ModelError, match="is of images"):
        predict_profile(write_model(folder / "image.safetensors"), profile(), device="cpu")
    with pytest.raises(InputError, match="has no groups"):
        predict_profile(autoencoder(folder / "none.safetensors", groups=0), profile(), device="cpu")
    of_images = integrator(folder / "i.safetensors", IMAGE, scale=None)
    with pytest.raises(InputError, match="takes no expression"):
        predict_profile(of_images, profile(), device="cpu")


def test_the_output_has_no_identity(model):
    described = predict_profile(model, profile(), device="cpu").to_dict()
    assert described["profile"] == {"genes": 40, "sha256": profile().sha256}
    assert "path" not in str(described)


def test_a_patient_out_of_distribution_is_flagged(model):
    far = replace(model, reference=replace(model.reference, distances=np.linspace(0, 1e-6, 99)))
    flags = {flag.code: flag for flag in predict_profile(far, profile(), device="cpu").flags}
    assert "This patient is out of distribution" in flags["out_of_distribution"].sentence


def test_real_patients_are_on_their_models_scale_and_on_no_other(shared_data, tmp_path):
    from LungSquadLib.data.tables.matrix_file import read_matrix

    folder = shared_data / "open" / "nsclc_radiogenomics"
    path = folder / "GSE103584_top1000var_log10_zscore.csv"
    with pytest.raises(InputError, match="holds 130 patients"):
        read_profile(path)
    real = read_matrix(path)
    columns, training = real.columns[:200], real.values[:, :200]
    as_counts = np.round(np.exp2(training + 8))
    scales = {"z-scores (guessed)": training, "counts": as_counts, "logs": np.log2(as_counts + 1)}
    for scale, rows in scales.items():
        source = Source("expression", "expression", columns, scale)
        model = integrator(tmp_path / "m.safetensors", source, scale=None, training=rows)
        for other, values in scales.items():
            refused = 0
            for patient in values:
                requested = Profile.of(dict(zip(columns, patient.tolist(), strict=True)))
                refused += not fits(model, requested)
            assert refused == (0 if scale == other else len(values)), (scale, other)


def fits(model, requested) -> bool:
    scale = model.network.scale
    mean, sd = (one.double().numpy() for one in (scale.mean, scale.sd))
    try:
        row_of(model.card, requested, {}, mean=mean, sd=sd)
    except InputError:
        return False
    return True
