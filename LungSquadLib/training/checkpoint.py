"""Checkpoints of a training as safetensors files, without pickle."""

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
    """Write tensors by name, and facts for JSON; the file is complete or absent."""
    ready = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    metadata = {"facts": facts, "sha256": _digest(ready, facts)}
    with whole_file(path) as temporary:  # one entry: the library orders several at random
        try:
            save_file(ready, temporary, metadata={"checkpoint": json.dumps(metadata)})
        except SafetensorError as error:  # what it raises for errors of the system
            message = f"could not be written ({error}; is the disk full?)"
            raise OSError(errno.EIO, message, str(path)) from error


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and facts of a checkpoint.

    Raises:
        InputError: the file is damaged, or is no checkpoint.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = json.loads(file.metadata()["checkpoint"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if metadata["sha256"] != _digest(tensors, metadata["facts"]):
            raise ValueError("its content has changed")
    except (SafetensorError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"The checkpoint '{path}' is damaged. Remove it; this fit then starts anew."
        ) from error
    return tensors, metadata["facts"]


def _digest(tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> str:
    """Return the SHA-256 of all that a checkpoint holds."""
    digest = hashlib.sha256(json.dumps(facts).encode())
    digest.update(save(dict(tensors)))
    return digest.hexdigest()


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors with a prefix before their names."""
    return {prefix + name: value for name, value in tensors.items()}


def part(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names begin with a prefix, without the prefix."""
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def load_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load weights into a network; `KeyError` if they belong to another one.

    Not strict for torch, which wants counters that norms without them lack (see
    `networks.trunk_and_head.norm`) of weights that do not say its version.
    """
    if set(weights) != set(network.state_dict()):
        raise KeyError("weights of another network")
    network.load_state_dict(weights, strict=False)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the state of an optimizer as tensors, named "number of the parameter.state"."""
    return dict(_named_state(optimizer))


def _named_state(optimizer: torch.optim.Optimizer) -> Iterator[tuple[str, Tensor]]:
    for number, values in optimizer.state_dict()["state"].items():
        for name, value in values.items():
            yield f"{number}.{name}", torch.as_tensor(value)


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Load the state of an optimizer of the same parameters."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        number, key = name.split(".")
        state.setdefault(int(number), {})[key] = value
    described = optimizer.state_dict()
    optimizer.load_state_dict({"state": state, "param_groups": described["param_groups"]})


class SingleOptimizerTask:
    """The part of a `loop.Task` that saves and restores one network and one optimizer.

    Attributes:
        network: what is trained; its whole state is saved.
    """

    network: nn.Module
    _optimizer: torch.optim.Optimizer

    def weights(self) -> dict[str, Tensor]:
        return self.network.state_dict()

    def optimizer_state(self) -> dict[str, Tensor]:
        return optimizer_tensors(self._optimizer)

    def restore(self, weights: Mapping[str, Tensor], state: Mapping[str, Tensor] | None) -> None:
        load_weights(self.network, weights)
        if state is not None:
            load_optimizer(self._optimizer, state)
        self.network.eval()
