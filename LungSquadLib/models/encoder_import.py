"""Import of published trunks: FMCIB, CT-FM and the encoder of VISTA3D, as their authors saved them.

A file of PyTorch is read with `weights_only`, so that nothing in it can run. All names and shapes
must be those of the network: the wrong norm would otherwise be loaded without a word.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..download import md5_of_file
from ..errors import MissingPackageError, ModelError
from ..fields import printable, quoted_path, reason
from ..files import sha256_of_file
from .card import Card, NetworkSpec, Training
from .inputs import InputSpec

if TYPE_CHECKING:
    from torch import Tensor

    from ..networks.encoders import EncoderNetwork

_LARGEST = 1 << 32
_TOP = ("trunk_state_dict", "state_dict", "model")  # under which files keep the weights
_COUNTER = "num_batches_tracked"  # of batch norms, which nothing needs


@dataclass(frozen=True)
class PublishedEncoder:
    """A published trunk.

    Attributes:
        name: for the command line.
        title: for people.
        trunk: in `networks.encoders.ENCODERS`.
        input: its preprocessing: cube, spacing, HU.
        prefixes: with which the names of its weights may begin, the longest first.
        size: bytes of the published file.
        md5: of that file; "" where none was published.
        source: where it is.
        licence: of the weights.
        hospital: whether a hospital may use it, a phrase.
        notice: what every output must show; "" where nothing.
        trained_on: the training data, sentences.
        doi: of the paper.
    """

    name: str
    title: str
    trunk: str
    input: InputSpec
    prefixes: tuple[str, ...]
    size: int
    md5: str
    source: str
    licence: str
    hospital: str
    notice: str
    trained_on: str
    doi: str


ENCODERS = {
    encoder.name: encoder
    for encoder in (
        PublishedEncoder(
            name="fmcib",
            title="FMCIB: foundation model for cancer imaging biomarkers",
            trunk="resnet50x2",
            input=InputSpec(50, 1.0, -1024.0, 2048.0, False),
            prefixes=("module.model.trunk.", "model.trunk.", "module.", ""),
            size=738_451_713,
            md5="b645e4d99c12adbabd198c12f22efaa4",
            source="zenodo.org/records/10528450 (model_weights.torch)",
            licence="unresolved: CC BY-NC 4.0 in one place, CC BY 4.0 in another; taken as "
            "non-commercial",
            hospital="not resolved: non-commercial research",
            notice="The licence of the FMCIB weights is not resolved: use it as non-commercial.",
            trained_on="DeepLesion (CT of the NIH Clinical Center), without labels.",
            doi="10.1038/s42256-024-00807-9",
        ),
        PublishedEncoder(
            name="ct-fm",
            title="CT-FM: encoder pretrained on CT",
            trunk="segresnet32",
            input=InputSpec(48, 1.0, -1024.0, 2048.0, True),
            prefixes=("encoder.", ""),
            size=311_000_000,
            md5="",
            source="huggingface.co/project-lighter/ct_fm_feature_extractor, revision "
            "527b0d1c262b433396c85ff2de84c427b26945a1",
            licence="Apache-2.0",
            hospital="yes, for research",
            notice="",
            trained_on="CT of Imaging Data Commons, without labels: any public cohort of the "
            "commons (nsclc-radiomics, nsclc-radiogenomics, lidc-idri, nlst-seg and others) may "
            "be among them. They were trained at 3 x 1 x 1 mm; here they see cubes of 1 mm, as in "
            "published comparisons.",
            doi="10.48550/arXiv.2501.09001",
        ),
        PublishedEncoder(
            name="vista3d",
            title="VISTA3D: encoder of a segmentation network",
            trunk="segresnet48-ras",
            input=InputSpec(48, 1.0, -1024.0, 2048.0, True),
            prefixes=("image_encoder.encoder.",),
            size=0,
            md5="6ce45a8edde4400c5d28d5e74d7b61d5",
            source="NVIDIA (model_vista3d.pt)",
            licence="NVIDIA's terms: this file for non-commercial use, another release under the "
            "NVIDIA Open Model License",
            hospital="not resolved: read NVIDIA's terms",
            notice="The weights are under NVIDIA's terms; this file is for non-commercial use.",
            trained_on="CT of public and private collections, with labels of organs and lesions. "
            "The Medical Segmentation Decathlon is among them, whose lung tumours are of "
            "nsclc-radiogenomics.",
            doi="10.48550/arXiv.2406.05285",
        ),
    )
}


def import_encoder(
    name: str, path: str | os.PathLike[str], *, width: float = 1.0
) -> tuple[EncoderNetwork, Card]:
    """Import the weights of a published trunk, with a card.

    Args:
        name: one of `ENCODERS`.
        path: the published file: of PyTorch, or safetensors.
        width: 1 for the published weights.

    Returns:
        The network in eval mode, and the card to pass to `write_model_file` with it.

    Raises:
        ModelError: there is no such encoder, or the file holds other weights.
        MissingPackageError: torch or safetensors is not installed.
    """
    if name not in ENCODERS:
        raise ModelError(f"There is no encoder '{name}'; these are: {', '.join(ENCODERS)}.")
    try:
        from ..networks.encoders import EncoderNetwork, expected_arrays
    except ImportError as error:
        raise MissingPackageError("torch", "Importing weights", "networks") from error
    encoder, file = ENCODERS[name], Path(path)
    expected = expected_arrays(encoder.trunk, width)
    try:
        weights = _chosen(_arrays(file), encoder, expected)
    except (ValueError, OSError, RuntimeError, KeyError, TypeError, EOFError) as error:
        raise ModelError(
            f"The weights {quoted_path(file)} cannot be imported as {name}: {reason(error)}."
        ) from error
    arguments = {"trunk": encoder.trunk, "width": width, "input_size": encoder.input.size}
    network = EncoderNetwork(encoder.trunk, width=width, input_size=encoder.input.size)
    # Names were checked above; torch adds the counters of batch norms to plain dictionaries.
    network.trunk.get_submodule("encoder").load_state_dict(dict(weights), strict=False)
    return network.eval(), _card(encoder, file, NetworkSpec("encoder", arguments))


def _card(encoder: PublishedEncoder, file: Path, network: NetworkSpec) -> Card:
    published = bool(encoder.md5) and md5_of_file(file) == encoder.md5
    known = "It is the published file, by its MD5." if published else ""
    if encoder.md5 and not published:
        known = "By its MD5 it is not the published file: what it was trained on is not known."
    card = Card(
        name=encoder.name,
        title=encoder.title,
        task="features",
        question="Which features does the tumour have?",
        classes=(),
        network=network,
        input=encoder.input,
        positive=0,
        training=Training(
            data=f"{encoder.trained_on} {known}".strip(),
            fingerprint=f"sha256 of the file: {sha256_of_file(file)}",
        ),
        licence=f"{encoder.licence}; from {encoder.source}.",
        intended_use="Features for trainings (--init, image=STORE:MODEL), in research.",
        must_not=(
            "Do not use it to diagnose, to choose a treatment or to give a patient a prognosis.",
        ),
        notice=encoder.notice or None,
        doi=encoder.doi,
    )
    return Card.from_json(card.to_json())


def _arrays(path: Path) -> Mapping[str, Any]:
    """Return what a file holds by name; nothing in it is run."""
    if not path.is_file():
        raise ValueError("there is no such file")
    if path.stat().st_size > _LARGEST:
        raise ValueError("it is too large")
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except Exception as error:  # it raises a class of its own
            raise ValueError(f"it is no safetensors file ({printable(str(error))})") from error
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # it raises what its reader raises
        raise ValueError(
            "it holds more than weights, which could run as a program, or is no file of PyTorch"
        ) from error
    for top in _TOP:
        if isinstance(content, dict) and isinstance(content.get(top), dict):
            content = content[top]
            break
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise ValueError("it holds no weights by name")
    return content


def _chosen(
    arrays: Mapping[str, Any], encoder: PublishedEncoder, expected: Mapping[str, Sequence[int]]
) -> dict[str, Tensor]:
    """Return the encoder's weights under the network's names; refuse any other names or shapes."""
    import torch

    prefix = next(
        (each for each in encoder.prefixes if any(name.startswith(each) for name in arrays)), ""
    )
    weights = {
        name.removeprefix(prefix): value
        for name, value in arrays.items()
        if name.startswith(prefix) and not name.endswith(_COUNTER)
    }
    for name in expected:
        if name not in weights:
            raise ValueError(f"it has no '{prefix}{name}', so it is another network")
    for name, value in weights.items():
        if name not in expected:
            raise ValueError(
                f"it has {printable(prefix + name, most=100)}, which this network does not have"
            )
        if not isinstance(value, torch.Tensor) or tuple(value.shape) != tuple(expected[name]):
            shape = list(value.shape) if isinstance(value, torch.Tensor) else "no array"
            raise ValueError(f"its '{name}' has the shape {shape}, not {list(expected[name])}")
        if value.dtype != torch.float32 or not bool(torch.isfinite(value).all()):
            raise ValueError(f"its '{name}' is not of finite float32 numbers")
    return weights
