"""A device that this machine does not have: float32 at most, and nothing mixes with the processor.

Its tensors wrap tensors of the processor and say that they are elsewhere. What Apple's devices do
not do raises here as there: float64 in any way, operators on tensors of two devices, NumPy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map, tree_map_only

NAME = "mps"
_DEVICE = torch.device(NAME, 0)
_MIXES = ("_to_copy", "copy_", "index", "index_put", "index_put_", "_index_put_impl_")


class Elsewhere(torch.Tensor):
    """A tensor of the device."""

    here: torch.Tensor

    @staticmethod
    def __new__(cls, here: torch.Tensor) -> Elsewhere:
        _refuse_float64(here.dtype)
        wrapper = torch.Tensor._make_wrapper_subclass(
            cls,
            here.size(),
            strides=here.stride(),
            storage_offset=here.storage_offset(),
            dtype=here.dtype,
            device="meta",
        )
        wrapper.here = here
        return wrapper

    @property
    def device(self) -> torch.device:
        return _DEVICE

    is_cpu = is_meta = False

    def __repr__(self, **_: Any) -> str:
        return f"Elsewhere({self.here})"

    def numpy(self, **_: Any) -> Any:
        raise TypeError(f"A tensor of {NAME} is no array. Use Tensor.cpu() first.")

    def tolist(self) -> Any:
        return self.cpu().tolist()

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, function: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(function, args, kwargs or {})


class _Mode(TorchDispatchMode):
    """Sees what is made on the device, and what goes to it."""

    def __torch_dispatch__(self, function: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(function, args, kwargs or {})


class _Numbered(TorchFunctionMode):
    """Gives the device its number, without which torch asks a driver that is not there for one."""

    def __torch_function__(self, function: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = {name: _numbered(value) for name, value in (kwargs or {}).items()}
        if function in (torch.tensor, torch.as_tensor) and _is_it(named.get("device")):
            return function(*args, **named | {"device": None}).to(named["device"])
        if function in (torch.Tensor.__getitem__, torch.Tensor.__setitem__):
            args = (args[0], _without_lists(args[1]), *args[2:])
        with _meta_itself(named.get("device")):
            return function(*map(_numbered, args), **named)


def _without_lists(index: Any) -> Any:
    """An index with tensors for its lists, whose numbers torch would put where there are none."""
    if isinstance(index, tuple):
        return tuple(map(_without_lists, index))
    return torch.tensor(index) if isinstance(index, list) else index


_meta = {"itself": False}


@contextmanager
def _meta_itself(device: Any) -> Iterator[None]:
    """Torch knows the device as "meta". Where Python asks for that, it is meant, not the device."""
    before = _meta["itself"]
    _meta["itself"] = before or (device is not None and torch.device(device).type == "meta")
    try:
        yield
    finally:
        _meta["itself"] = before


def _is_it(device: Any) -> bool:
    return device is not None and torch.device(device).type == NAME


def _numbered(value: Any) -> Any:
    named = isinstance(value, str | torch.device) and str(value) == NAME
    return _DEVICE if named else value


@contextmanager
def fake_device(monkeypatch: Any) -> Iterator[str]:
    """The device's name, which torch takes for one that is there within the `with`."""
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.mps, "_is_in_bad_fork", lambda: True)  # it has no generator
    with _Numbered(), _Mode():
        yield NAME


def _run(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    given = [one for one in tree_flatten((args, kwargs))[0] if isinstance(one, torch.Tensor)]
    there = any(isinstance(one, Elsewhere) for one in given)
    if function is torch.ops.aten._has_compatible_shallow_copy_type.default:
        return type(given[0]) is type(given[1])  # so that a module gets parameters of the device
    device, name = kwargs.get("device"), function._schema.name.split("::")[-1]
    target = None if device is None else torch.device(device).type
    if there and any(type(one) is torch.Tensor and one.is_meta for one in given):
        raise NotImplementedError("A tensor of the fake device lost its numbers.")
    of_meta = _meta["itself"] or any(type(one) is torch.Tensor and one.is_meta for one in given)
    if target == NAME or (target == "meta" and not of_meta):
        kwargs, goes = {**kwargs, "device": torch.device("cpu")}, True
    else:
        goes = there and target is None
    if goes and kwargs.get("dtype") is torch.float64:
        _refuse_float64(torch.float64)
    if there and name not in _MIXES:
        _refuse_mixture(function, given)
    found = function(
        *tree_map_only(Elsewhere, _inner, args), **tree_map_only(Elsewhere, _inner, kwargs)
    )
    if not goes:
        return found
    known = {id(one.here): one for one in given if isinstance(one, Elsewhere)}
    return tree_map(lambda one: _outer(one, known), found)


def _inner(tensor: Elsewhere) -> torch.Tensor:
    return tensor.here


def _outer(found: Any, known: dict[int, Elsewhere]) -> Any:
    if not isinstance(found, torch.Tensor) or isinstance(found, Elsewhere):
        return found
    return known[id(found)] if id(found) in known else Elsewhere(found)


def _refuse_float64(dtype: torch.dtype) -> None:
    if dtype is torch.float64:
        raise TypeError(f"Cannot convert a tensor of {NAME} to float64: it has none.")


def _refuse_mixture(function: Any, given: list[torch.Tensor]) -> None:
    for one in given:
        if not isinstance(one, Elsewhere) and (one.dim() > 0 or one.dtype is torch.float64):
            raise RuntimeError(f"{function}: tensors of {NAME} and of the processor meet.")
