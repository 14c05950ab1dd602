"""Where a training stands, as one safetensors file: all that a killed run needs to go on."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save, save_file
from torch import Tensor, nn

from ..errors import InputError
from ..files import whole_file


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors by name, and facts that JSON can hold; whole or not at all."""
    ready = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    told = {"facts": facts, "sha256": _digest(ready, facts)}
    with whole_file(path) as temporary:  # one entry: the library orders several at random
        try:
            save_file(ready, temporary, metadata={"told": json.dumps(told)})
        except SafetensorError as error:  # its way to say that the system refused
            said = f"could not be written ({error}; is the disk full?)"
            raise OSError(errno.EIO, said, str(path)) from error


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and facts of a checkpoint.

    Raises:
        InputError: it is damaged, or no checkpoint.
    """
    try:
        with safe_open(path, "pt") as file:
            told = json.loads(file.metadata()["told"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if told["sha256"] != _digest(tensors, told["facts"]):
            raise ValueError("it is not what it was")
    except (SafetensorError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"The checkpoint '{path}' is damaged. Remove it: the training then begins again there."
        ) from error
    return tensors, told["facts"]


def _digest(tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> str:
    """Of all that a checkpoint holds."""
    digest = hashlib.sha256(json.dumps(facts).encode())
    digest.update(save(dict(tensors)))
    return digest.hexdigest()


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with a prefix before their names."""
    return {prefix + name: value for name, value in tensors.items()}


def part(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, without it."""
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def load_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Give a network the weights of one like it; `KeyError` if they are not.

    Not strict for torch, which wants counters that norms without them lack (see
    `networks.prognosis`) of weights that do not say its version.
    """
    if set(weights) != set(network.state_dict()):
        raise KeyError("the weights of another network")
    network.load_state_dict(weights, strict=False)


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What an optimiser remembers of each weight, by the weight's number."""
    return dict(_remembered(optimiser))


def _remembered(optimiser: torch.optim.Optimizer) -> Iterator[tuple[str, Tensor]]:
    for number, values in optimiser.state_dict()["state"].items():
        for name, value in values.items():
            yield f"{number}.{name}", torch.as_tensor(value)


def load_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimiser of the same weights its memory back."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        number, key = name.split(".")
        state.setdefault(int(number), {})[key] = value
    described = optimiser.state_dict()
    optimiser.load_state_dict({"state": state, "param_groups": described["param_groups"]})
