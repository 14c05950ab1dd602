"""Where real data are found; phantoms stand in for cases, other tests are skipped, and say so."""

from __future__ import annotations

import gc
import hashlib
import os
import signal
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import settings

from Testing.case_data import CaseData, write_stand_in
from Testing.gui.figures import measured

settings.register_profile("repeatable", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("repeatable")

# A pseudonym takes a sixteenth of a second, and tests ask for the same few patients' often.
hashlib.pbkdf2_hmac = lru_cache(maxsize=None)(hashlib.pbkdf2_hmac)


def pytest_configure() -> None:
    """Ctrl-C reaches the children of tests, also of a suite that runs in the background.

    A shell has its background jobs ignore it, and what is ignored is inherited; what Python
    handles itself is not.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """What is imported stays: to look for garbage in it again and again is a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def pytest_sessionfinish(session) -> None:
    """What the tests of one of several processes measured is told by the one that began them."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["measured"] = list(measured)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node) -> None:
    measured.extend(getattr(node, "workeroutput", {}).get("measured", ()))


def pytest_terminal_summary(terminalreporter) -> None:
    if measured:
        terminalreporter.section("measured in the panel's tests")
        for line in measured:
            terminalreporter.write_line(line)


SHARED = Path(
    os.environ.get("LUNGSQUAD_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
)


def pytest_report_header() -> str:
    """Which patients the tests of whole cases run on."""
    if SHARED.is_dir():
        return f"cases: real ones, of {SHARED}"
    return "cases: phantoms made for this run (neither ../shared/data nor $LUNGSQUAD_DATA is there)"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real CT, masks, tables and oracles."""
    if not SHARED.is_dir():
        pytest.skip("real data: neither ../shared/data nor $LUNGSQUAD_DATA is there")
    return SHARED


@pytest.fixture(scope="session")
def case_data(tmp_path_factory) -> CaseData:
    """The cases of `open/`: the real ones where they are, or else phantoms of the same layout."""
    if SHARED.is_dir():
        return CaseData(SHARED, real=True)
    return CaseData(write_stand_in(tmp_path_factory.mktemp("stand-in")), real=False)


@pytest.fixture(scope="module")
def one_thread():
    """In this process and its children: small networks are done before a second one has begun.

    And how many there are decides the last bits.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield
    torch.set_num_threads(before)
