"""Published models by name: their weights are fetched, verified and imported."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from ..download import Client, checked_server, git_blob_sha1
from ..errors import ModelError, need
from ..fields import quoted_path
from ..files import make_folder, sole_use, whole_file
from ..progress import Progress, Silent, step
from .catalogue import user_folder
from .encoder_import import ENCODERS, PublishedEncoder, import_encoder
from .file import SUFFIX, read_model_file, write_model_file
from .keras_import import import_keras

SERVER = "https://raw.githubusercontent.com"
_MOST = 1 << 30


@dataclass(frozen=True)
class PublishedModel:
    """A model whose weights can be fetched.

    Attributes:
        name: for the command line; `card_name`: of the imported model.
        title: for people.
        path: of the weights on the server.
        size: bytes, about.
        git_sha1: SHA-1 by which git knows the weights (of "blob SIZE", a NUL and the content).
        licence: of the weights.
        hospital: whether a hospital may use it, a phrase.
        trained_on: the training data, a sentence or more.
        source: where the weights come from.
    """

    name: str
    card_name: str
    title: str
    path: str
    size: int
    git_sha1: str
    licence: str
    hospital: str
    trained_on: str
    source: str


PUBLISHED = {
    model.name: model
    for model in (
        PublishedModel(
            name="hosny2018",
            card_name="hosny-2018",
            title="Hosny et al. 2018: alive at two years, from the CT",
            path="modelhub-ai/deep-prognosis/master/contrib_src/model/weights.h5",
            size=47_500_000,
            git_sha1="109749df9aa385448dbe0bb0a3448d9553c1c628",
            licence="MIT",
            hospital="yes, for research",
            trained_on=(
                "Hosny et al. 2018: CT of patients with non-small-cell lung cancer before "
                "radiotherapy, 771 in training and test together, of the cohorts HarvardRT, "
                "Radboud and Maastro. The weights do not say which of these they were trained on. "
                "NSCLC-Radiomics (LUNG1) is of Maastro: a test on it may be of training patients."
            ),
            source="github.com/modelhub-ai/deep-prognosis",
        ),
    )
}


def published_models() -> list[PublishedModel | PublishedEncoder]:
    """Return the models that can be fetched, then those that are imported from a file."""
    return [*PUBLISHED.values(), *ENCODERS.values()]


def add_model(path: str | os.PathLike[str], folder: str | os.PathLike[str] | None = None) -> Path:
    """Copy a model file to this user's models, under the model's name; return the copy.

    Args:
        path: the model file, which is read and checked whole.
        folder: of the copy; None for that of this user's models.

    Raises:
        ModelError: the file is not a model's, or is broken.
        MissingPackageError: torch is not installed.
    """
    model = read_model_file(path)
    target = (Path(folder) if folder else user_folder()) / f"{model.card.name}{SUFFIX}"
    if not (target.exists() and target.samefile(path)):
        with whole_file(target) as temporary:
            shutil.copyfile(path, temporary)
    return target


def fetch_model(
    name: str,
    folder: str | os.PathLike[str] | None = None,
    *,
    source: str | os.PathLike[str] | None = None,
    server: str = SERVER,
    progress: Progress | None = None,
) -> Path:
    """Fetch a published model's weights, verify and import them; return the model file.

    Args:
        name: one of `PUBLISHED`; with `source` also one of `ENCODERS`.
        folder: of the model file; None for that of this user's models.
        source: weights that are on this machine, which are verified likewise; no internet is used.
        server: where the weights are, or a mirror with the same paths.
        progress: gets the state of the work; may cancel.

    Raises:
        ModelError: there is no such model, or the weights are other ones.
        InputError: the server does not answer or refuses, or the disk is full.
        MissingPackageError: h5py, torch or safetensors is not installed.
    """
    if name in ENCODERS:
        return _import_encoder(name, folder, source)
    if name not in PUBLISHED:
        raise ModelError(
            f"There is no published model {quoted_path(name)}; these are: {', '.join(PUBLISHED)}."
        )
    need("torch", "h5py", "safetensors")
    model, folder = PUBLISHED[name], Path(folder) if folder else user_folder()
    target = folder / f"{model.card_name}{SUFFIX}"
    make_folder(folder)
    if source is not None:
        _check(model, Path(source))
        _import(model, Path(source), target)
        return target
    weights = folder / Path(model.path).name
    with sole_use(folder, "fetches a model into"):
        _download(model, weights, server, progress or Silent())
        _import(model, weights, target)
        weights.unlink()
    return target


def _import_encoder(
    name: str, folder: str | os.PathLike[str] | None, source: str | os.PathLike[str] | None
) -> Path:
    if source is None:
        raise ModelError(
            f"{name} is imported from a file: take it from {ENCODERS[name].source} and run "
            f"`lungsquad models import-encoder {name} FILE -o MODEL.safetensors`. Its licence: "
            f"{ENCODERS[name].licence}."
        )
    need("torch", "safetensors")
    network, card = import_encoder(name, source)
    target = (Path(folder) if folder else user_folder()) / f"{card.name}{SUFFIX}"
    make_folder(target.parent)
    write_model_file(target, network, card=card)
    return target


def _download(model: PublishedModel, weights: Path, server: str, progress: Progress) -> None:
    count = 0

    def received(size: int) -> None:
        nonlocal count
        count += size
        step(progress, count / model.size, f"{model.name}: {count / 1e6:.1f} MB")

    Client(server).download(
        f"{checked_server(server)}/{model.path}",
        weights,
        most=_MOST,
        digest=git_blob_sha1,
        expected=model.git_sha1,
        received=received,
    )


def _check(model: PublishedModel, source: Path) -> None:
    """Raise `ModelError` unless a file holds the published weights."""
    if not source.is_file():
        raise ModelError(f"There is no file {quoted_path(source)}: name the published weights.")
    if git_blob_sha1(source) != model.git_sha1:
        raise ModelError(
            f"The file {quoted_path(source)} does not hold the published weights of {model.name}: "
            f"its git blob SHA-1 is not {model.git_sha1}. To import other weights, use `lungsquad "
            "models import-keras`."
        )


def _import(model: PublishedModel, weights: Path, target: Path) -> None:
    network, card = import_keras(
        weights,
        name=model.card_name,
        licence=f"{model.licence}, from {model.source}.",
        trained_on=model.trained_on,
    )
    write_model_file(target, network, card=card)
