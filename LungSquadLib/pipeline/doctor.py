"""What is installed, what is missing, and what to do about it."""

from __future__ import annotations

import platform
import sys
from dataclasses import asdict, dataclass
from importlib import metadata

from ..models.catalogue import VARIABLE, available

# Package, what it is for, extra that brings it ("" for what is always needed).
_PACKAGES = (
    ("numpy", "arrays", ""),
    ("SimpleITK", "volumes and decoders", ""),
    ("pydicom", "DICOM data sets", ""),
    ("torch", "the networks", "networks"),
    ("matplotlib", "figures of evaluations", "plots"),
    ("scikit-learn", "training on tables", "molecules"),
    ("safetensors", "model files and checkpoints, written", "networks"),
    ("tensorboard", "logs of training", "training"),
    ("distributed", "cohorts on a dask cluster", "cluster"),
    ("h5py", "import of Keras weights", "keras"),
    ("highdicom", "DICOM SEG and SR out", "dicom"),
    ("zlib-ng", "masks read five times faster", "fast"),
)


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `state` is ok, missing or broken."""

    name: str
    state: str
    detail: str
    required: bool

    def to_dict(self) -> dict[str, str | bool]:
        return asdict(self)


def examine() -> list[Finding]:
    """Look at Python, the packages, the device that networks run on, and the models there are."""
    version = platform.python_version()
    old = sys.version_info < (3, 10)
    findings = [
        Finding("Python", "missing" if old else "ok", version + " (3.10 is needed)" * old, True)
    ]
    findings += [_package(*row) for row in _PACKAGES]
    return [*findings, _device(), *_models()]


def _package(name: str, purpose: str, extra: str) -> Finding:
    try:
        return Finding(name, "ok", f"{metadata.version(name)}, for {purpose}", not extra)
    except metadata.PackageNotFoundError:
        what = f"lungsquad[{extra}]" if extra else name
        return Finding(name, "missing", f"for {purpose}: pip install '{what}'", not extra)


def _device() -> Finding:
    """What `--device auto` would run networks on."""
    try:
        import torch
    except ImportError:
        return Finding("device", "missing", "networks cannot run without torch", False)
    if torch.cuda.is_available():
        return Finding("device", "ok", f"cuda, {torch.cuda.get_device_name()}", False)
    if torch.backends.mps.is_available():
        return Finding("device", "ok", "mps", False)
    return Finding("device", "ok", f"cpu, {torch.get_num_threads()} threads", False)


def _models() -> list[Finding]:
    entries = available()
    if not entries:
        detail = f"no model is installed: name their folder in {VARIABLE}, or import one"
        return [Finding("models", "missing", detail, False)]
    return [
        Finding(
            f"model {entry.name}",
            "broken" if entry.problem else "ok",
            entry.problem or f"{entry.card.title if entry.card else ''} ({entry.source})",
            False,
        )
        for entry in entries
    ]
