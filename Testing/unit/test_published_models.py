"""`models fetch`: published weights from a server on this machine, verified, imported, resumed."""

import json
from dataclasses import replace

import numpy as np
import pytest

from LungSquadLib import download
from LungSquadLib.cli import main
from LungSquadLib.errors import InputError, ModelError
from LungSquadLib.models import published
from LungSquadLib.models.catalogue import find
from LungSquadLib.models.file import read_card, read_model_file
from LungSquadLib.models.keras_import import import_keras
from LungSquadLib.models.published import PUBLISHED, fetch_model
from LungSquadLib.models.verify import verify
from Testing import model_samples as samples
from Testing.bucket_stand_in import serving


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights of the published network's size, which are no published ones."""
    path = tmp_path_factory.mktemp("weights") / "theirs.h5"
    return samples.keras_file(path, samples.network(input_size=50))


@pytest.fixture
def server(tmp_path, weights, monkeypatch):
    """A server that has them, and LungSquad knowing their checksum."""
    monkeypatch.setattr(download, "_WAIT", 0.0)
    samples.publish(weights, tmp_path / "server", monkeypatch)
    small = import_keras  # the sample's layers are narrower than the published ones
    monkeypatch.setattr(
        published, "import_keras", lambda *given, **named: small(*given, width=0.02, **named)
    )
    with serving(tmp_path / "server") as stand_in:
        yield stand_in


def test_the_checksum_is_gits(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"what is up, doc?")  # the example of "Pro Git", chapter 10.2
    assert download.git_blob_sha1(path) == "bd9dbf5aae1a3862dd1526723246b20206e5fc37"


def test_the_published_weights_are_those_of_their_repository():
    model = PUBLISHED["hosny2018"]
    assert model.git_sha1 == "109749df9aa385448dbe0bb0a3448d9553c1c628"
    assert model.path == "modelhub-ai/deep-prognosis/master/contrib_src/model/weights.h5"
    assert model.licence == "MIT"


def test_a_model_is_fetched_and_its_card_tells_training_and_licence(server, tmp_path, capsys):
    folder = tmp_path / "models"
    assert main(["models", "fetch", "hosny2018", "-o", str(folder), "--server", server.url]) == 0
    path = folder / "hosny-2018.safetensors"
    assert capsys.readouterr().out.strip() == str(path)
    assert list(folder.iterdir()) == [path]
    card = read_card(path)
    assert card.licence == "MIT, from github.com/modelhub-ai/deep-prognosis."
    for cohort in ("HarvardRT", "Radboud", "Maastro", "LUNG1"):
        assert cohort in card.training.data
    assert [method for method, _ in server.requests] == ["GET"]


def test_the_fetched_network_has_the_outputs_of_the_weights(server, weights, tmp_path):
    model = read_model_file(fetch_model("hosny2018", tmp_path / "m", server=server.url))
    network, _ = import_keras(weights, width=0.02)
    x = samples.crops(2, 50)
    probabilities = network(x).softmax(1).detach().numpy()
    arrays = {"x": x[:, 0, ..., None].numpy(), "softmax": probabilities}
    np.savez(tmp_path / "expected.npz", **arrays)
    assert verify(model, tmp_path / "expected.npz").passed


def test_the_models_folder_is_the_default(server, tmp_path, monkeypatch):
    monkeypatch.setattr(published, "user_folder", lambda: tmp_path / "mine")
    monkeypatch.setenv("LUNGSQUAD_MODELS", str(tmp_path / "mine"))
    path = fetch_model("hosny2018", server=server.url)
    assert find("hosny-2018") == path


def test_other_weights_are_refused(server, tmp_path, monkeypatch):
    known = PUBLISHED["hosny2018"]
    monkeypatch.setitem(PUBLISHED, "hosny2018", replace(known, git_sha1="0" * 40))
    with pytest.raises(InputError, match="its checksum is not the expected 0000"):
        fetch_model("hosny2018", tmp_path / "m", server=server.url)
    assert list((tmp_path / "m").iterdir()) == []


def test_weights_from_a_file_are_verified_without_a_request(server, weights, tmp_path, monkeypatch):
    path = fetch_model("hosny2018", tmp_path / "m", source=weights)
    assert read_card(path).licence.startswith("MIT")
    assert weights.is_file()
    (tmp_path / "other.h5").write_bytes(weights.read_bytes() + b"?")
    with pytest.raises(ModelError, match=r"does not hold the published weights.*import-keras"):
        fetch_model("hosny2018", tmp_path / "n", source=tmp_path / "other.h5")
    assert not list((tmp_path / "n").iterdir())
    assert server.requests == []


def test_a_stopped_fetch_is_continued(server, weights, tmp_path, monkeypatch):
    content = weights.read_bytes()
    monkeypatch.setattr(download, "_TRIES", 1)
    server.spoil = lambda handler, _: handler.answer(content, "x", stop_at=40_000) or True
    with pytest.raises(InputError, match="goes on where it stopped"):
        fetch_model("hosny2018", tmp_path / "m", server=server.url)
    (part,) = (tmp_path / "m").iterdir()
    assert (part.name, part.read_bytes()) == ("weights.h5.part", content[:40_000])
    ranges = []
    server.spoil = lambda handler, _: ranges.append(handler.headers["Range"])
    fetch_model("hosny2018", tmp_path / "m", server=server.url)
    assert ranges == ["bytes=40000-"]
    assert [path.suffix for path in (tmp_path / "m").iterdir()] == [".safetensors"]


@pytest.mark.parametrize("kept", ["whole", "longer"])
def test_a_part_that_cannot_be_continued_is_fetched_again_or_taken(server, weights, tmp_path, kept):
    (tmp_path / "m").mkdir()
    content = weights.read_bytes() + b"?" * (kept == "longer")
    (tmp_path / "m" / "weights.h5.part").write_bytes(content)
    path = fetch_model("hosny2018", tmp_path / "m", server=server.url)
    assert [each.name for each in (tmp_path / "m").iterdir()] == [path.name]


def test_what_can_be_had_is_listed_with_its_licence(capsys):
    assert main(["models", "fetch", "--list"]) == 0
    head, line, *encoders = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["NAME", "SIZE", "LICENCE"]
    assert line.split()[:7] == ["hosny2018", "47.5", "MB", "MIT", "yes,", "for", "research"]
    assert [each.split()[0] for each in encoders] == ["fmcib", "ct-fm", "vista3d"]
    assert main(["models", "fetch", "--list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["git_sha1"] == PUBLISHED["hosny2018"].git_sha1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [(["nothing"], "There is no published model 'nothing'"), ([], "Name a model")],
)
def test_a_wrong_name_is_a_sentence(words, sentence, tmp_path, capsys):
    assert main(["models", "fetch", *words, "-o", str(tmp_path / "m")]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


def test_the_whole_network_is_imported_with_the_outputs_of_keras(
    shared_data, tmp_path, monkeypatch
):
    """The same way with a file of the published size, whose outputs Keras itself has computed."""
    oracle = shared_data / "oracle/keras122_random_weights.h5"
    known = replace(PUBLISHED["hosny2018"], git_sha1=download.git_blob_sha1(oracle))
    monkeypatch.setitem(PUBLISHED, "hosny2018", known)
    model = read_model_file(fetch_model("hosny2018", tmp_path, source=oracle))
    assert verify(model, shared_data / "oracle/keras122_outputs.npz", tolerance=1e-5).passed
