"""Files that were made to do harm, or were merely broken, end in a sentence and nothing else."""

from __future__ import annotations

import json
import os
import pickle
import random
import re
import zipfile

import h5py
import numpy as np
import pytest

from LungSquadLib.models.container import CARD
from LungSquadLib.models.file import read_card, read_model_file
from Testing import model_samples as samples
from Testing.hostile import Bomb, outcome, refusal


@pytest.fixture(scope="session")
def good(tmp_path_factory):
    """The bytes of a valid model file."""
    return samples.model_file(tmp_path_factory.mktemp("good") / "m.safetensors").read_bytes()


def parts(data):
    """Header (as an object) and tensors' bytes of a safetensors file."""
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def joined(header, body):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def header_change(change):
    """A hostile file made by changing the header's object in place."""

    def make(good):
        header, body = parts(good)
        result = change(header)
        return joined(header if result is None else result, body)

    return make


def card_change(**changes):
    """A hostile file whose card has other fields; a callable changes the card in place."""

    def make(good):
        header, body = parts(good)
        card = json.loads(header["__metadata__"][CARD])
        for name, value in changes.items():
            if callable(value):
                value(card)
            elif value is ...:
                del card[name]
            else:
                card[name] = value
        header["__metadata__"][CARD] = json.dumps(card)
        return joined(header, body)

    return make


def card_text(edit):
    def make(good):
        header, body = parts(good)
        header["__metadata__"][CARD] = edit(header["__metadata__"][CARD])
        return joined(header, body)

    return make


def body_change(name, number, dtype="<f4"):
    """A hostile file with one number of one tensor changed."""

    def make(good):
        header, body = parts(good)
        start = header[name]["data_offsets"][0]
        value = np.array([number], dtype).tobytes()
        return joined(header, body[:start] + value + body[start + len(value) :])

    return make


WEIGHT = "network.trunk.conv2.weight"
BIAS = "network.trunk.conv2.bias"
VARIANCE = "network.trunk.norm2.running_var"


def nested(field, **changes):
    return lambda card: card[field].update(changes)


def overlapping(header):
    header[WEIGHT]["data_offsets"] = [n - 4 for n in header[WEIGHT]["data_offsets"]]


def beyond(header):
    last = max(header, key=lambda name: header[name].get("data_offsets", [0, 0])[1])
    header[last]["shape"][0] += 1000
    header[last]["data_offsets"][1] = header[last]["data_offsets"][0] + 4 * int(
        np.prod(header[last]["shape"])
    )


def set_entry(name, **changes):
    return header_change(lambda header: header[name].update(changes))


MODEL_FILES = {
    "empty": (lambda _: b"", "is empty"),
    "three bytes": (lambda _: b"abc", "too short"),
    "text": (lambda _: b"Dear all, please find attached the model.", "not a safetensors file"),
    "header longer than the file": (lambda _: (5000).to_bytes(8, "little") + b"{}", "cut short"),
    "absurd header length": (lambda g: b"\xff" * 8 + g[8:], "header is longer than"),
    "long header": (lambda _: (2**20 + 1).to_bytes(8, "little") + b" " * 2**21, "is longer than"),
    "header of no bytes": (lambda _: bytes(8) + b"x", "broken"),
    "truncated header": (lambda g: g[:200], "cut short"),
    "truncated tensors": (lambda g: g[:-1], "cut short"),
    "trailing bytes": (lambda g: g + b"\0", "1 bytes after its last tensor"),
    "not UTF-8": (lambda g: joined(b'{"\xff\xfe": 1}', b""), "not UTF-8"),
    "not JSON": (lambda g: joined(b"{'a': 1}", b""), "JSON is broken"),
    "JSON of another kind": (lambda g: joined(b"[1, 2]", b""), "not a JSON object"),
    "deep JSON": (lambda g: joined(b"[" * 200_000, b""), "nested too deeply|broken"),
    "deep objects": (lambda g: joined(b'{"a":' * 100_000, b""), "nested too deeply|broken"),
    "huge integer": (lambda g: joined(b'{"a": ' + b"9" * 100_000 + b"}", b""), "cannot be used"),
    "same key twice": (lambda g: joined(b'{"a": 1, "a": 2}', b""), "same key twice"),
    "no metadata": (
        header_change(lambda h: h.pop("__metadata__") and None),
        "not a LungSquad model",
    ),
    "metadata not texts": (header_change(lambda h: h.update(__metadata__={"a": 1})), "of texts"),
    "metadata a list": (header_change(lambda h: h.update(__metadata__=[])), "of texts"),
    "no card": (header_change(lambda h: h["__metadata__"].pop(CARD) and None), f"no '{CARD}'"),
    "other format": (
        header_change(lambda h: h.update(__metadata__={"format": "pt"})),
        f"no '{CARD}'",
    ),
    "somebody else's weights": (
        header_change(lambda h: {WEIGHT: h[WEIGHT] | {"dtype": "BF16"}}),
        "not a LungSquad model",
    ),
    "too many tensors": (
        header_change(lambda h: h.update({str(i): {} for i in range(1001)})),
        "more than 1000 tensors",
    ),
    "tensor a number": (header_change(lambda h: h.update({WEIGHT: 3})), "not described by"),
    "tensor with more fields": (set_entry(WEIGHT, more=1), "not described by"),
    "unknown type": (set_entry(WEIGHT, dtype="I64"), "type 'I64'"),
    "type a list": (set_entry(WEIGHT, dtype=[]), "type a list"),
    "double weights": (
        header_change(
            lambda h: (
                h[BIAS].update(dtype="F64", shape=[h[BIAS]["shape"][0] // 2])
                if h[BIAS]["shape"][0] % 2 == 0
                else h[WEIGHT].update(dtype="F64", shape=[3, 1, 3, 3, 3])
            )
        ),
        "shape|offsets",
    ),
    "negative shape": (set_entry(WEIGHT, shape=[-1, -3]), "no proper shape"),
    "fractional shape": (set_entry(WEIGHT, shape=[1.5]), "no proper shape"),
    "shape with true": (set_entry(WEIGHT, shape=[True]), "no proper shape"),
    "shape of a thousand axes": (set_entry(WEIGHT, shape=[1] * 1000), "no proper shape"),
    "huge shape": (set_entry(WEIGHT, shape=[2**39] * 8), "do not fit its shape"),
    "wrong shape": (
        header_change(lambda h: h[WEIGHT].update(shape=h[WEIGHT]["shape"][::-1])),
        "has the shape",
    ),
    "three offsets": (set_entry(WEIGHT, data_offsets=[0, 1, 2]), "no proper data_offsets"),
    "negative offsets": (set_entry(WEIGHT, data_offsets=[-8, 0]), "no proper data_offsets"),
    "offsets backwards": (set_entry(WEIGHT, data_offsets=[8, 0]), "do not fit its shape"),
    "overlapping": (header_change(overlapping), "overlaps|gap"),
    "beyond the end": (header_change(beyond), "cut short"),
    "tensor renamed": (
        header_change(lambda h: h.update({"network.evil\n\x1b[31m": h.pop(WEIGHT)})),
        "missing|belongs to nothing",
    ),
    "tensor too many": (
        header_change(
            lambda h: h.update(more={"dtype": "F32", "shape": [0], "data_offsets": [0, 0]})
        ),
        "'more' belongs to nothing",
    ),
    "NaN weight": (body_change(WEIGHT, np.nan), "not finite"),
    "infinite bias": (body_change(BIAS, np.inf), "not finite"),
    "negative variance": (body_change(VARIANCE, -1), "negative variance"),
    # the card
    "card not JSON": (card_text(lambda _: "hello"), "JSON is broken"),
    "card a list": (card_text(lambda _: "[]"), "not a JSON object"),
    "card too deep": (card_text(lambda _: "[" * 100_000), "nested too deeply|broken"),
    "card with a NaN": (card_text(lambda t: t.replace("1.7", "NaN")), "NaN, which is not a number"),
    "card with an infinity": (card_text(lambda t: t.replace("1.7", "1e999")), "'temperature' must"),
    "unknown field": (card_change(surprise=1), "field 'surprise' that means nothing"),
    "field missing": (card_change(licence=...), "no 'licence'"),
    "newer format": (card_change(format_version=99, news=1), "made by a newer LungSquad.*update"),
    "started from no file": (
        card_change(_=nested("training", started_from="A" * 64)),
        "'started_from' must be 64 hexadecimal digits",
    ),
    "has seen no hashes": (
        card_change(
            _=nested("training", seen={"patients": ["Jane Doe"], "series": [], "pixels": []})
        ),
        r"'patients'\[0\]'s 'entry' must be 16 hexadecimal digits",
    ),
    "has seen too much": (
        card_change(_=nested("training", seen={"patients": ["0" * 16] * 10_001})),
        "'patients' must be a list of at most 10000 entries",
    ),
    "has seen something else": (
        card_change(
            _=nested("training", seen={"patients": [], "series": [], "pixels": [], "names": []})
        ),
        "field 'names' that means nothing",
    ),
    "format version a text": (card_change(format_version="1"), "'format_version' must"),
    "no such network": (
        card_change(network={"name": "resnet", "arguments": {}}),
        "no network 'resnet'",
    ),
    "network a module path": (card_change(_=nested("network", name="os.system")), "no network"),
    "argument unknown": (card_change(_=nested("network", arguments={"depth": 9})), "no argument"),
    "argument out of range": (
        card_change(_=nested("network", arguments={"width": 1e9})),
        "'width' of the network 'prognosis' must be",
    ),
    "arguments a list": (card_change(_=nested("network", arguments=[])), "must be an object"),
    "absurd network": (
        card_change(
            input=samples.card(samples.network()).input.__dict__ | {"size": 128},
            network={"name": "prognosis", "arguments": {"width": 4, "input_size": 128}},
        ),
        "parameters",
    ),
    "larger network than its weights": (
        card_change(_=nested("network", arguments={"width": 3.9, "input_size": 32})),
        "has the shape",
    ),
    "temperature zero": (card_change(temperature=0), "'temperature' must be a number"),
    "temperature negative": (card_change(temperature=-1), "'temperature' must be a number"),
    "temperature true": (card_change(temperature=True), "'temperature' must be a number"),
    "one class": (card_change(classes=[{"code": "A", "name": "a"}]), "names 1 classes"),
    "no class": (card_change(classes=[]), "names 0 classes"),
    "thousands of classes": (card_change(classes=[{}] * 5000), "at most 32 entries"),
    "class twice": (card_change(classes=[{"code": "A", "name": "a"}] * 2), "the same code"),
    "class a number": (card_change(classes=[1, 2]), "not a JSON object"),
    "positive out of range": (card_change(positive=2), "count from 0"),
    "positive a fraction": (card_change(positive=0.5), "'positive' must be a whole number"),
    "huge title": (card_change(title="x" * 500_000), "at most 200 characters"),
    "empty title": (card_change(title=" "), "not empty"),
    "title with an escape": (card_change(title="a\x1b[2Jb"), "without control characters"),
    "title with two lines": (card_change(title="a\nb"), "without control characters"),
    "title turned round": (card_change(title="a\u202eb"), "without control characters"),
    "title with half a character": (card_change(title="a\ud800b"), "without control characters"),
    "name with a path": (card_change(name="../../etc/passwd"), "'name' must be"),
    "name with a new line": (card_change(name="model\n"), "'name' must be"),
    "class code with markup": (
        card_change(classes=[{"code": "<b>", "name": "a"}, {"code": "B", "name": "b"}]),
        "'code' must be",
    ),
    "input another size": (card_change(_=nested("input", size=50)), "takes 32"),
    "input backwards": (card_change(_=nested("input", hu_high=-2000)), "not above"),
    "spacing zero": (card_change(_=nested("input", spacing=0)), "'spacing' must"),
    "clip a number": (card_change(_=nested("input", clip=1)), "true or false"),
    "metric without interval": (
        card_change(metrics={"auc": {"value": 1, "n": 3, "where": "here"}}),
        "'auc|no 'low'",
    ),
    "metric outside its interval": (
        card_change(metrics={"auc": {"value": 1, "low": 0, "high": 0.5, "n": 3, "where": "here"}}),
        "outside its interval",
    ),
    "metric with a strange name": (card_change(metrics={"a\nb": {}}), "not an identifier"),
    "baseline of another kind": (card_change(_=nested("baseline", kind="eval")), "unknown kind"),
    "reference without tensors": (
        card_change(reference={"n": 5}),
        "no proper 'reference.distances'",
    ),
    "must_not a text": (card_change(must_not="never"), "a list"),
    "must_not with an object": (card_change(must_not=[{}]), "must be a text"),
    "seed negative": (card_change(_=nested("training", seed=-1)), "'seed' must"),
}


@pytest.mark.parametrize("case", MODEL_FILES)
def test_hostile_model_file_is_refused_with_a_sentence(tmp_path, good, case):
    make, words = MODEL_FILES[case]
    path = tmp_path / "m.safetensors"
    path.write_bytes(make(good))
    text = refusal(read_model_file, path)
    assert re.search(words, text), text
    assert "m.safetensors' cannot be used: " in text


def test_what_the_cases_are_made_from_is_accepted(tmp_path, good):
    path = tmp_path / "m.safetensors"
    header, body = parts(good)
    path.write_bytes(joined(header, body))
    assert read_model_file(path).card.name == "test-model"


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".pkl", ".ckpt", ".PT", ".safetensors"])
@pytest.mark.parametrize("kind", ["pickle", "zip", "old"])
def test_pickles_are_never_loaded(tmp_path, monkeypatch, suffix, kind):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"m{suffix}"
    path.write_bytes(pickle.dumps(Bomb(), protocol=0 if kind == "old" else 4))
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(Bomb()))
    words = "not a safetensors" if kind == "old" and suffix == ".safetensors" else "can carry code"
    assert words in refusal(read_model_file, path)
    assert not (tmp_path / "was-executed").exists()


def test_what_is_not_a_file_is_refused(tmp_path):
    assert "no such file" in refusal(read_model_file, tmp_path / "m.safetensors")
    assert "is a folder" in refusal(read_model_file, tmp_path)
    assert "cannot be used" in refusal(read_model_file, tmp_path / ("x" * 5000 + ".safetensors"))
    assert "cannot be used" in refusal(read_model_file, "nul\0.safetensors")
    strange = tmp_path / "a\nb\x1b.safetensors"
    assert "no such file" in refusal(read_model_file, strange)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.safetensors")
        assert "not a regular file" in refusal(read_model_file, tmp_path / "pipe.safetensors")
    with h5py.File(tmp_path / "weights.h5", "w"):
        pass
    assert "import-keras" in refusal(read_model_file, tmp_path / "weights.h5")


def mutated(data, seed):
    """Seeded damage: bytes changed, cut out, doubled, or put elsewhere; mostly in the header."""
    draw = random.Random(seed)
    result = bytearray(data)
    length = 8 + int.from_bytes(data[:8], "little")
    for _ in range(draw.choice([1, 1, 2, 8])):
        end = len(result) if draw.random() < 0.2 else min(length, len(result))
        at = draw.randrange(max(end, 1))
        size = draw.choice([1, 1, 1, 4, 30])
        kind = draw.randrange(5)
        if kind == 0:
            result[at : at + size] = draw.randbytes(size)
        elif kind == 1:
            del result[at : at + size]
        elif kind == 2:
            result[at:at] = result[at : at + size] * draw.choice([1, 3])
        elif kind == 3:
            result[at : at + 1] = draw.choice([b"9", b"-", b"]", b"{", b'"', b"\\u0000", b"e99"])
        elif result:
            result[at % len(result)] ^= 1 << draw.randrange(8)
    if draw.random() < 0.7 and len(result) > 8:  # keep the header's length right, to get further
        result[:8] = max(0, length - 8 + len(result) - len(data)).to_bytes(8, "little")
    return bytes(result)


@pytest.mark.parametrize(
    "block", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 4))]
)
def test_mutated_model_files_are_read_or_refused(tmp_path, good, block):
    path = tmp_path / "m.safetensors"
    refused = 0
    for seed in range(block * 120, block * 120 + 120):
        path.write_bytes(mutated(good, seed))
        card, whole = (outcome(read, path) for read in (read_card, read_model_file))
        assert card is None or whole is not None
        refused += whole is not None
    assert 60 < refused < 120
