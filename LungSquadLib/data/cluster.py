"""Cases on many machines, by dask: the same work behind an ordinary executor."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

from ..errors import InputError, MissingPackageError, one_line

_ANSWER_S = 3


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """The workers of a dask scheduler, which see the same files under the same paths.

    Dask's processes pickle what they send one another: whoever reaches the scheduler can run
    anything on the workers and here.

    Raises:
        MissingPackageError: `distributed` is not installed.
        InputError: no scheduler answers, it has no workers, or they cannot import LungSquad.
    """
    try:
        from distributed import Client
        from distributed.comm import get_address_host_port
    except ModuleNotFoundError as error:
        raise MissingPackageError("distributed", "Running on a cluster", "cluster") from error
    try:
        # A client that reached nobody waits at its end, and shows a traceback.
        socket.create_connection(get_address_host_port(address), timeout=_ANSWER_S).close()
        client = Client(address, timeout=_ANSWER_S, set_as_default=False)
    except Exception as error:  # nobody is there, or something else than a scheduler
        raise InputError(
            f"No dask scheduler answers at '{address}'; give it as tcp://HOST:PORT, as "
            "`dask scheduler` says it."
        ) from error
    with client:
        _check_workers(client, address)
        yield client.get_executor(pure=False)


def _check_workers(client: Any, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=_ANSWER_S)
    except TimeoutError as error:
        raise InputError(f"The scheduler at '{address}' has no workers: start some.") from error
    try:
        client.run(_imports)
    except Exception as error:  # whatever goes wrong where we are not
        raise InputError(
            f"The workers of '{address}' cannot import LungSquad ({one_line(error)}): install the "
            "same version there."
        ) from error


def _imports() -> None:
    """Nothing: that it can be called is all."""
