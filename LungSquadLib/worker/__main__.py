"""`python -m LungSquadLib.worker`: answers JSON lines until its input ends."""

from __future__ import annotations

import gc
import os
import signal
import sys
from contextlib import suppress

from .server import Worker, take_descriptors


def main() -> None:
    """Run the worker."""
    _lower_priority()
    gc.set_threshold(50_000)  # as the command line does
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for the client
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):  # it was terminated during the work
        Worker(*take_descriptors()).run()
    if sys.stderr is not None:
        sys.stderr.flush()
    os._exit(0)  # a library that hangs while it unloads must not keep the process alive


def _lower_priority() -> None:
    """Take less than normal priority: the client's window stays responsive on a busy machine."""
    if sys.platform == "win32":
        import ctypes

        this_process, below_normal = ctypes.c_void_p(-1), 0x4000
        ctypes.windll.kernel32.SetPriorityClass(this_process, below_normal)
    else:
        os.nice(5)


if __name__ == "__main__":
    main()
