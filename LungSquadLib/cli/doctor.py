"""`lungsquad doctor`: installed and missing packages, the device, the models."""

from __future__ import annotations

import argparse
import platform
import sys
from dataclasses import asdict, dataclass
from importlib import metadata

from .output import add_common, print_json, print_table

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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `doctor`."""
    add_common(parser, "--json")


def run(arguments: argparse.Namespace) -> int:
    """Print what is installed; return 1 if something that is always needed is missing."""
    findings = examine()
    if arguments.json:
        print_json([finding.to_dict() for finding in findings])
    else:
        print_table([(finding.state, finding.name, finding.detail) for finding in findings])
    return int(any(finding.state == "missing" and finding.required for finding in findings))


@dataclass(frozen=True)
class Finding:
    """The state of a package, the device or a model: ok, missing or broken."""

    name: str
    state: str
    detail: str
    required: bool

    def to_dict(self) -> dict[str, str | bool]:
        return asdict(self)


def examine() -> list[Finding]:
    """Return the state of Python, the packages, the device and the models."""
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
    """Return the device of `--device auto`."""
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
    from ..models.catalogue import VARIABLE, available

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
