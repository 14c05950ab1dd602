"""Expected outputs (.npz) that were made to do harm, or were merely broken, end in a sentence."""

from __future__ import annotations

import io
import random
import re
import struct
import zipfile

import numpy as np
import pytest

from LungSquadLib.models.file import read_model_file
from LungSquadLib.models.verify import outputs, verify
from Testing import model_samples as samples
from Testing.hostile import Bomb, outcome, refusal


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    return read_model_file(samples.model_file(tmp_path_factory.mktemp("model") / "m.safetensors"))


@pytest.fixture(scope="session")
def expected(model):
    x = samples.crops(2, 32).numpy()[:, 0]
    return {"x": x[..., None]} | outputs(model.network, x)


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npy_header(text):
    text = text.encode("latin1") + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def bomb(declared, real):
    """An entry whose header declares `declared` numbers and that inflates to `real` bytes."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({declared},), }}"
    return npy_header(header) + bytes(real)


NPZ = {
    "no x": ({"x": None}, "no array 'x'"),
    "no softmax": ({"softmax": None}, "no array 'softmax'"),
    "x of another size": ({"x": np.zeros((2, 30, 30, 30, 1), "f4")}, "has the shape"),
    "x without a channel": ({"x": np.zeros((2, 32, 32, 32), "f4")}, "has the shape"),
    "no cases": ({"x": np.zeros((0, 32, 32, 32, 1), "f4")}, "no case"),
    "x one number": ({"x": np.float32(1)}, "no case"),
    "other classes": ({"softmax": np.zeros((2, 3), "f4")}, "'softmax' has the shape"),
    "other cases": ({"softmax": np.zeros((3, 2), "f4")}, "'softmax' has the shape"),
    "other features": ({"features": np.zeros((2, 256), "f4")}, "'features' has the shape"),
    "doubles": ({"softmax": np.zeros((2, 2))}, "float32"),
    "objects": ({"softmax": np.array([[Bomb(), 1], [2, 3]])}, "float32"),
    "NaN": ({"softmax": np.full((2, 2), np.nan, "f4")}, "not finite"),
    "zip bomb": ({"x": bomb(2**28, 2**24)}, "not as large as it says"),
    "zip bomb that is honest": ({"x": bomb(2**30, 0)}, "larger than 1 GiB"),
    "inflates to more than it says": ({"x": bomb(4, 2**24)}, "not as large as it says"),
    "not an array": ({"x": b"hello"}, "cannot be used"),
    "broken header": ({"x": npy_header("{'descr': (((((")}, "cannot be used"),
    "code for a header": ({"x": npy_header("__import__('os').mkdir('was-executed')")}, "cannot be"),
    "deep header": ({"x": npy_header("(" * 5000)}, "cannot be used"),
    "negative shape": (
        {"x": npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, -1), }")},
        "cannot be used",
    ),
    "many arrays": ({str(i): np.zeros(1, "f4") for i in range(70)}, "more than 64"),
}


def write_npz(path, arrays):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            if array is not None:
                content = array if isinstance(array, bytes) else npy(array)
                archive.writestr(f"{name}.npy", content)
    return path


@pytest.mark.parametrize("case", NPZ)
def test_hostile_outputs_are_refused_with_a_sentence(tmp_path, monkeypatch, model, expected, case):
    monkeypatch.chdir(tmp_path)
    change, words = NPZ[case]
    path = write_npz(tmp_path / "o.npz", expected | change)
    text = refusal(lambda path: verify(model, path), path)
    assert re.search(words, text), text
    assert not (tmp_path / "was-executed").exists()


def test_outputs_that_are_right_pass_and_others_do_not(tmp_path, model, expected):
    assert verify(model, write_npz(tmp_path / "o.npz", expected)).passed
    wrong = expected | {"softmax": expected["softmax"] + np.float32(2e-5)}
    result = verify(model, write_npz(tmp_path / "w.npz", wrong))
    assert not result.passed
    assert result.differences["softmax"] == pytest.approx(2e-5, rel=0.01)
    short = {name: expected[name] for name in ("x", "softmax")}
    assert set(verify(model, write_npz(tmp_path / "s.npz", short)).differences) == {"softmax"}


@pytest.mark.parametrize("block", range(4))
def test_mutated_outputs_are_compared_or_refused(tmp_path, model, expected, block):
    small = {"x": expected["x"][:1], "softmax": expected["softmax"][:1]}
    content = write_npz(tmp_path / "o.npz", small).read_bytes()
    for seed in range(block * 50, block * 50 + 50):
        draw = random.Random(seed)
        damaged = bytearray(content)
        for _ in range(draw.choice([1, 3, 10])):
            at = draw.choice([draw.randrange(len(content)), -1 - draw.randrange(250)])
            damaged[at] = draw.randrange(256)
        path = tmp_path / "m.npz"
        path.write_bytes(damaged)
        outcome(lambda path: verify(model, path), path)
