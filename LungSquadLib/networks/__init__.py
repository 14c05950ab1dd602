"""The networks, as torch modules only, and their registry.

The registry turns a name and arguments, which may come from an untrusted file, into a network. It
imports torch only where it builds one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeAlias

# 1 GiB of weights; the paper's network has 11.87 million.
MAX_PARAMETERS = 1 << 28

_Check: TypeAlias = Callable[[Any], Any]


@dataclass(frozen=True)
class RegisteredNetwork:
    """An entry of the registry.

    Attributes:
        kind: what it does: a "classifier" of images is a `TrunkAndHead`, an "encoder" is a trunk
            that gives features, a "descriptor" rates a nodule's characteristics, a "generator"
            makes images, an "inpainter" makes tumours in a CT, a "segmenter" finds their masks; of
            tables, an "integrator" predicts classes and an "autoencoder" assigns groups.
        path: its class, as module:name.
        size: the argument with the voxels or pixels a side of its input or output; None for those
            that take tables, whose `widths` are the columns of each table.
        arguments: for each its check, what the check allows in words, and the default.
    """

    kind: str
    path: str
    size: str | None
    arguments: Mapping[str, tuple[_Check, str, Any]]


def kind_of(name: str) -> str:
    """Return what a registered network does; see `RegisteredNetwork.kind`."""
    return _NETWORKS[name].kind


def size_of(name: str, arguments: Mapping[str, Any]) -> int | None:
    """Return the voxels or pixels a side of a network's input or output; None for tables.

    The arguments have been checked.
    """
    size = _NETWORKS[name].size
    return None if size is None else int(arguments[size])


def widths_of(name: str, arguments: Mapping[str, Any]) -> tuple[int, ...] | None:
    """Return the columns of each table that a network takes; None for images."""
    return None if _NETWORKS[name].size is not None else tuple(arguments["widths"])


def checked_arguments(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return all arguments of a network: the given ones, checked, and the defaults.

    Raises:
        ValueError: names the wrong argument and what is allowed.
    """
    if name not in _NETWORKS:
        raise ValueError(f"there is no network '{name}': known are {', '.join(_NETWORKS)}")
    allowed = _NETWORKS[name].arguments
    for key in arguments:
        if key not in allowed:
            raise ValueError(f"the network '{name}' has no argument '{key}'")
    result = {}
    for key, (check, allowed_values, default) in allowed.items():
        value = arguments.get(key, default)
        if not check(value):
            raise ValueError(
                f"the argument '{key}' of the network '{name}' must be {allowed_values}"
            )
        result[key] = tuple(value) if isinstance(value, list) else value
    return result


def build(name: str, arguments: Mapping[str, Any]) -> Any:
    """Build a network with fresh weights from its name and arguments.

    Args:
        name: of the registry.
        arguments: of its class; the others have their defaults.

    Returns:
        The network, a module; a classifier of images is a `TrunkAndHead`.

    Raises:
        ValueError: an unknown name or argument, one out of its range, or a network of more than
            `MAX_PARAMETERS` parameters; nothing has been allocated then.
    """
    checked = checked_arguments(name, arguments)
    import torch

    module, _, class_name = _NETWORKS[name].path.partition(":")
    network = getattr(import_module(module, __name__), class_name)
    with torch.device("meta"):
        count = sum(weight.numel() for weight in network(**checked).parameters())
    if count > MAX_PARAMETERS:
        raise ValueError(
            f"the network '{name}' with these arguments has {count} parameters, "
            f"more than the {MAX_PARAMETERS} that are allowed"
        )
    return network(**checked)


def _number(low: float, high: float, *, above: bool = False, below: bool = False) -> _Check:
    def check(value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        return (low < value if above else low <= value) and (
            value < high if below else value <= high
        )

    return check


def _integer(low: int, high: int) -> _Check:
    return lambda value: (
        isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    )


def _sizes(most: int, largest: int) -> _Check:
    return lambda value: (
        isinstance(value, (list, tuple))
        and len(value) <= most
        and all(_integer(1, largest)(size) for size in value)
    )


def _power_of_two(low: int, high: int) -> _Check:
    whole = _integer(low, high)
    return lambda value: whole(value) and value & (value - 1) == 0


_WIDTH = (_number(0, 4, above=True), "a number above 0 and at most 4", 1.0)
_CLASSES = (_integer(2, 32), "a whole number from 2 to 32", 2)
_CONDITIONS = (_integer(0, 32), "a whole number from 0 to 32", 0)
_SIZE = (_integer(32, 128), "a whole number from 32 to 128")
_HIDDEN = (_sizes(4, 4096), "a list of at most 4 whole numbers from 1 to 4096", (128,))
_DROPOUT = (_number(0, 1, below=True), "a number from 0 to below 1", 0.5)
_WIDTHS = (_sizes(32, 50_000), "a list of at most 32 whole numbers from 1 to 50000", (1,))
_ENCODERS = ("resnet50x2", "segresnet32", "segresnet48-ras")
_TRUNKS = ("prognosis", "description", *_ENCODERS)
_FLAG = (lambda value: isinstance(value, bool), "true or false", False)
_NETWORKS = {
    "prognosis": RegisteredNetwork(
        "classifier",
        ".prognosis:PrognosisNetwork",
        "input_size",
        {"width": _WIDTH, "classes": _CLASSES, "input_size": (*_SIZE, 50)},
    ),
    "transfer": RegisteredNetwork(
        "classifier",
        ".prognosis:TransferNetwork",
        "input_size",
        {
            "width": _WIDTH,
            "classes": _CLASSES,
            "input_size": (*_SIZE, 64),
            "hidden": _HIDDEN,
            "dropout": _DROPOUT,
            "trunk": (lambda value: value in _TRUNKS, " or ".join(_TRUNKS), "prognosis"),
        },
    ),
    "description": RegisteredNetwork(
        "descriptor",
        ".description:DescriptionNetwork",
        "input_size",
        {
            "width": _WIDTH,
            "levels": (
                lambda value: _sizes(32, 20)(value) and len(value) > 0 and min(value) > 1,
                "a list of 1 to 32 whole numbers from 2 to 20",
                (5,),
            ),
            "input_size": (*_SIZE, 48),
            "hidden": (_integer(1, 4096), "a whole number from 1 to 4096", 64),
            "dropout": _DROPOUT,
        },
    ),
    "encoder": RegisteredNetwork(
        "encoder",
        ".encoders:EncoderNetwork",
        "input_size",
        {
            "trunk": (lambda value: value in _ENCODERS, " or ".join(_ENCODERS), _ENCODERS[0]),
            "width": _WIDTH,
            "input_size": (*_SIZE, 50),
        },
    ),
    "progressive": RegisteredNetwork(
        "generator",
        ".progressive:Generator",
        "resolution",
        {
            "resolution": (_power_of_two(4, 1024), "a power of two from 4 to 1024", 1024),
            "channels": (_integer(1, 16), "a whole number from 1 to 16", 3),
            "classes": _CONDITIONS,
            "latent": (_integer(1, 4096), "a whole number from 1 to 4096", 512),
            "base": (_integer(1, 1 << 16), "a whole number from 1 to 65536", 8192),
            "most": (_integer(1, 4096), "a whole number from 1 to 4096", 512),
            "noise": _FLAG,
        },
    ),
    "inpainting": RegisteredNetwork(
        "inpainter",
        ".inpainting:Inpainter",
        "input_size",
        {
            "dimensions": (_integer(2, 3), "2 or 3", 3),
            "input_size": (_integer(32, 128), "a whole number from 32 to 128", 64),
            "width": (_integer(1, 256), "a whole number from 1 to 256", 8),
            "depth": (_integer(1, 6), "a whole number from 1 to 6", 4),
            "classes": _CONDITIONS,
            "surroundings": _FLAG,
        },
    ),
    "segmentation": RegisteredNetwork(
        "segmenter",
        ".segmentation:SegmentationNetwork",
        "input_size",
        {
            "dimensions": (_integer(2, 3), "2 or 3", 3),
            "input_size": (_integer(16, 128), "a whole number from 16 to 128", 32),
            "width": (_integer(1, 64), "a whole number from 1 to 64", 8),
            "depth": (_integer(1, 6), "a whole number from 1 to 6", 4),
            "classes": (_integer(0, 0), "0", 0),
        },
    ),
    "integration": RegisteredNetwork(
        "integrator",
        ".integration:IntegrationNetwork",
        None,
        {
            "widths": _WIDTHS,
            "classes": _CLASSES,
            "branch_width": (_integer(0, 4096), "a whole number from 0 to 4096", 0),
            "hidden": (_sizes(2, 4096), "a list of 2 whole numbers from 1 to 4096", (64, 32)),
            "dropout": _DROPOUT,
            "ordinal": _FLAG,
        },
    ),
    "autoencoder": RegisteredNetwork(
        "autoencoder",
        ".autoencoder:Autoencoder",
        None,
        {
            "widths": _WIDTHS,
            "classes": _CONDITIONS,
            "latent": (_integer(1, 512), "a whole number from 1 to 512", 8),
            "hidden": (_sizes(4, 4096), "a list of at most 4 whole numbers from 1 to 4096", (128,)),
        },
    ),
}
