"""What a prediction needs beyond Slicer's own Python, and how a user gets it."""

from __future__ import annotations

from importlib.util import find_spec
from subprocess import CalledProcessError

import slicer
from slicer.i18n import tr as _

# torch 2.13 broke an installation of Slicer on Windows: its licences have too long paths.
TORCH = ">=2.4,<2.13"


def missing_packages() -> list[str]:
    """The packages without which no network runs; nothing is imported to find out."""
    return [name for name in ("torch",) if find_spec(name) is None]


def install(packages: list[str]) -> str:
    """Ask the user, install through the extension PyTorch, and return what to say.

    Slicer is busy meanwhile, as it is with every installation.
    """
    if not slicer.util.confirmOkCancelDisplay(
        _(
            "To predict, LungSquad needs {packages}. It is downloaded from the internet and "
            "installed into Slicer's Python; that may take minutes. Install it now?"
        ).format(packages=", ".join(packages)),
        _("LungSquad"),
    ):
        return _("Nothing was installed. Without {packages} there is no prediction.").format(
            packages=", ".join(packages)
        )
    try:
        import PyTorchUtils
    except ImportError:
        return _(
            "Install the extension PyTorch with Slicer's Extensions Manager, restart Slicer, and "
            "press Predict again. Without internet, see the tutorial, 'Offline installation'."
        )
    try:
        PyTorchUtils.PyTorchUtilsLogic().installTorch(torchVersionRequirement=TORCH)
    except (CalledProcessError, ImportError):
        return _("PyTorch could not be installed: see Slicer's error log.")
    return _("PyTorch is installed. Press Predict again.")
