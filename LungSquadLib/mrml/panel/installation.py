"""Packages that LungSquad needs beyond Slicer's Python, and their installation."""

from __future__ import annotations

from importlib.util import find_spec
from subprocess import CalledProcessError

import slicer
from slicer.i18n import tr as _

# torch 2.13 broke an installation of Slicer on Windows: its licences have too long paths.
TORCH = ">=2.4,<2.13"


def missing_packages(*names: str) -> list[str]:
    """Return which packages are not installed; nothing is imported to find out."""
    return [name for name in names if find_spec(name) is None]


def install(packages: list[str]) -> str:
    """Ask the user, install through the extension PyTorch, and return a message for the user.

    Slicer does not respond meanwhile, as with every installation of packages.
    """
    names = ", ".join(packages)
    question = _(
        "LungSquad needs {packages} for this. What is missing is downloaded from the internet and "
        "installed into Slicer's Python, which can take minutes. Install it now?"
    )
    if not slicer.util.confirmOkCancelDisplay(question.format(packages=names), _("LungSquad")):
        return _("Nothing was installed. {packages} is needed for this.").format(packages=names)
    try:
        packages_of_pip = [name for name in packages if name != "torch"]
        if packages_of_pip:  # without what they need: Slicer has its own numpy, which must stay
            slicer.util.pip_install(["--no-deps", *packages_of_pip])
        if "torch" in packages:
            import PyTorchUtils

            PyTorchUtils.PyTorchUtilsLogic().installTorch(torchVersionRequirement=TORCH)
    except ModuleNotFoundError:
        return _(
            "Install the extension PyTorch with Slicer's Extensions Manager, restart Slicer, and "
            "try again. Without internet, see the tutorial, 'Offline installation'."
        )
    except (CalledProcessError, ImportError):
        return _("{packages} could not be installed. See Slicer's error log.").format(
            packages=names
        )
    return _("{packages} is installed. Press the button again.").format(packages=names)
