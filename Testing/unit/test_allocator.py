"""Freed memory stays in the process, so that a training step need not fetch it anew."""

import subprocess
import sys

import pytest

LOOP = """
import platform, resource
import torch
from LungSquadLib.training.allocator import keep_freed_memory

torch.set_num_threads(1)
convolution = torch.nn.Conv3d(1, 16, 3)  # whose output is larger than malloc ever keeps
x = torch.rand(4, 1, 56, 56, 56)

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(3):
        convolution(x).relu().sum().backward()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
plain = faults()
keep_freed_memory()
kept = min(faults() for _ in range(6))  # the heap settles, with another block now and then
print(platform.libc_ver()[0], plain, kept)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="malloc is told on Linux only")
@pytest.mark.slow
def test_a_training_loop_fetches_no_memory_anew():
    run = subprocess.run([sys.executable, "-c", LOOP], capture_output=True, text=True, check=True)
    library, plain, kept = run.stdout.split()
    if library != "glibc":
        pytest.skip("another C library than GNU's")
    assert int(plain) > 1000
    assert int(kept) < int(plain) / 20


@pytest.mark.parametrize("lacking", ["the system", "the function"])
def test_elsewhere_it_does_nothing(monkeypatch, lacking):
    from LungSquadLib.training import allocator

    if lacking == "the system":
        monkeypatch.setattr(sys, "platform", "win32")
        monkeypatch.setattr(allocator.ctypes, "CDLL", None)
    else:
        monkeypatch.setattr(sys, "platform", "linux")
        monkeypatch.setattr(allocator.ctypes, "CDLL", lambda _: object())
    allocator.keep_freed_memory()
