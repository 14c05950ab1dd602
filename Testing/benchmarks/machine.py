"""What a measurement was made on: processor, memory, system, and the versions that took part."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    "numpy",
    "SimpleITK",
    "pydicom",
    "zlib-ng",
    "torch",
    "monai",
    "itk",
    "torchio",
    "onnxruntime",
    "openvino",
    "onnx",
)


def describe() -> dict[str, Any]:
    """The machine, for `results`."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": _memory_gb(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan"),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        values = dict(
            (part.strip() for part in line.split(":", 1)) for line in lines if ":" in line
        )
        # Virtual machines hide the name; family and model still tell the generation.
        return f"{values['model name']} (family {values['cpu family']}, model {values['model']})"
    except (OSError, KeyError):
        return platform.processor() or platform.machine()


def _memory_gb() -> float:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (AttributeError, ValueError, OSError):
        return float("nan")


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "missing"
