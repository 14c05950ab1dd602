"""Keras files that were made to do harm, or were merely broken, end in a sentence."""

from __future__ import annotations

import pickle
import random
import re

import h5py
import numpy as np
import pytest

from LungSquadLib.models.keras_import import import_keras
from Testing import model_samples as samples
from Testing.hostile import Bomb, outcome, refusal


def read(path):
    return import_keras(path, width=0.02)


@pytest.fixture(scope="session")
def keras_bytes(tmp_path_factory):
    path = tmp_path_factory.mktemp("keras") / "w.h5"
    return samples.keras_file(path, samples.network(input_size=50)).read_bytes()


def exchange(name, make):
    def change(file):
        del file[name]
        make(file, name)

    return change


KERNEL = "convolution3d_2/convolution3d_2_W:0"


def external_data(file, name):
    file.create_dataset(name, (3, 3, 3, 1, 3), "f4", external=[("secret.bin", 0, 4 * 81)])


def virtual_data(file, name):
    layout = h5py.VirtualLayout((3, 3, 3, 1, 3), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "data", (3, 3, 3, 1, 3))
    file.create_virtual_dataset(name, layout)


def objects(file, name):
    file.create_dataset(name, (3, 3, 3, 1, 3), h5py.string_dtype())


def compound(file, name):
    file.create_dataset(name, (3, 3, 3, 1, 3), np.dtype([("a", "f4"), ("b", "f4")]))


def absurd(file, name):
    file.create_dataset(name, (2**20, 2**20, 2**10), "f4", chunks=(1, 64, 64))


def packed(file, name):
    file.create_dataset(name, (3, 3, 3, 1, 3), "f4", compression="lzf")


def absurd_chunks(file, name):
    file.create_dataset(
        name, (3, 3, 3, 1, 3), "f4", maxshape=(None,) * 5, chunks=(300, 300, 300, 1, 3)
    )


def link(target):
    return exchange(KERNEL, lambda file, name: file.__setitem__(name, target))


def data(array):
    return exchange(KERNEL, lambda file, name: file.create_dataset(name, data=array))


def names(attribute, values):
    return lambda file: file.attrs.__setitem__(attribute, values)


def loop(file):
    del file["convolution3d_1"]
    file["convolution3d_1"] = file["/"]


def no_names(file):
    del file.attrs["layer_names"]


def datatype(file, name):
    file[name] = np.dtype("f4")


KERAS = {
    "external link": (link(h5py.ExternalLink("other.h5", "/x")), "points elsewhere"),
    "soft link": (link(h5py.SoftLink("/dense_1/dense_1_W:0")), "points elsewhere"),
    "soft link to itself": (link(h5py.SoftLink(f"/{KERNEL}")), "points elsewhere"),
    "external storage": (exchange(KERNEL, external_data), "in another file"),
    "virtual data": (exchange(KERNEL, virtual_data), "in another file"),
    "texts": (exchange(KERNEL, objects), "float32"),
    "compound": (exchange(KERNEL, compound), "float32"),
    "integers": (data(np.zeros((3, 3, 3, 1, 3), int)), "float32"),
    "doubles": (data(np.zeros((3, 3, 3, 1, 3))), "float32"),
    "named type": (exchange(KERNEL, datatype), "is not a dataset"),
    "group for an array": (exchange(KERNEL, lambda f, n: f.create_group(n)), "is not a dataset"),
    "absurd size": (exchange(KERNEL, absurd), "absurdly large"),
    "absurd chunks": (exchange(KERNEL, absurd_chunks), "chunks larger than itself"),
    "another packing": (exchange(KERNEL, packed), "packed in a way"),
    "scalar": (data(np.float32(1)), "one number"),
    "null": (data(h5py.Empty("f4")), "empty"),
    "array missing": (exchange(KERNEL, lambda *_: None), "is missing"),
    "layer missing": (exchange("dense_2", lambda *_: None), "'dense_2' .*is missing"),
    "layers in a loop": (loop, "weight_names.* is missing"),
    "no layers": (names("layer_names", np.array([], "S1")), "0 layers with weights"),
    "layer names missing": (no_names, "neither 'layer_names' nor 'model_weights'"),
    "names of a number": (names("layer_names", 3), "not a list"),
    "names of numbers": (names("layer_names", np.arange(4)), "short texts"),
    "names of any length": (names("layer_names", ["a"]), "short texts"),
    "long names": (names("layer_names", np.array([b"x" * 999])), "short texts"),
    "many names": (names("layer_names", np.array([b"x"] * 301)), "at most 300"),
    "names with paths": (names("layer_names", np.array([b"dense_1/.."])), "is not a name"),
    "names with escapes": (names("layer_names", np.array([b"\x1b[2J"])), "is not a name"),
    "names not UTF-8": (names("layer_names", np.array([b"\xff\xfe"])), "cannot be imported"),
    "empty names": (names("layer_names", h5py.Empty("S3")), "0 layers"),
}


@pytest.mark.parametrize("case", KERAS)
def test_hostile_keras_file_is_refused_with_a_sentence(tmp_path, keras_bytes, case):
    change, words = KERAS[case]
    path = tmp_path / "w.h5"
    path.write_bytes(keras_bytes)
    (tmp_path / "secret.bin").write_bytes(bytes(1000))
    with h5py.File(path, "r+") as file:
        change(file)
    text = refusal(read, path)
    assert re.search(words, text), text


def test_what_is_not_an_hdf5_file_is_refused(tmp_path, keras_bytes):
    def sentence(content, name="w.h5"):
        (tmp_path / name).write_bytes(content)
        return refusal(read, tmp_path / name)

    assert "not an HDF5 file" in sentence(b"")
    assert "not an HDF5 file" in sentence(pickle.dumps(Bomb()))
    assert "cannot be imported" in sentence(keras_bytes[: len(keras_bytes) // 2])
    assert "cannot be imported" in sentence(keras_bytes[:8])
    assert "no such file" in refusal(read, tmp_path / "nowhere.h5")
    assert "is a folder" in refusal(read, tmp_path)


@pytest.mark.parametrize(
    "block", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 4))]
)
def test_mutated_keras_files_are_read_or_refused(tmp_path, keras_bytes, block):
    path = tmp_path / "m.h5"
    for seed in range(block * 25, block * 25 + 25):
        draw = random.Random(seed)
        damaged = bytearray(keras_bytes)
        for _ in range(draw.choice([1, 10, 100])):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        path.write_bytes(damaged)
        outcome(read, path)
