"""Packages that predictions need beyond Slicer's Python, and their installation."""

from __future__ import annotations

from importlib.util import find_spec
from subprocess import CalledProcessError

import slicer
from slicer.i18n import tr as _

# torch 2.13 broke an installation of Slicer on Windows: its licences have too long paths.
TORCH = ">=2.4,<2.13"


def missing_packages() -> list[str]:
    """Return the packages that are missing to run networks; nothing is imported to find out."""
    return [name for name in ("torch",) if find_spec(name) is None]


def install(packages: list[str]) -> str:
    """Ask the user, install through the extension PyTorch, and return a message for the user.

    Slicer does not respond meanwhile, as with every installation of packages.
    """
    if not slicer.util.confirmOkCancelDisplay(
        _(
            "LungSquad needs {packages} to run its networks. The package is downloaded from the "
            "internet and installed into Slicer's Python, which can take minutes. Install it now?"
        ).format(packages=", ".join(packages)),
        _("LungSquad"),
    ):
        return _("Nothing was installed. {packages} is needed to run networks.").format(
            packages=", ".join(packages)
        )
    try:
        import PyTorchUtils
    except ImportError:
        return _(
            "Install the extension PyTorch with Slicer's Extensions Manager, restart Slicer, and "
            "try again. Without internet, see the tutorial, 'Offline installation'."
        )
    try:
        PyTorchUtils.PyTorchUtilsLogic().installTorch(torchVersionRequirement=TORCH)
    except (CalledProcessError, ImportError):
        return _("PyTorch could not be installed. See Slicer's error log.")
    return _("PyTorch is installed. Press the button again.")
