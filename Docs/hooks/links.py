"""Links of a page to files of the repository: pictures come along, all others lead to the source.

On GitHub a page links to `../LungSquad/Resources/Screenshots/panel.png` or `../Makefile`. The site
holds the folder Docs alone, so it takes the pictures in and links to the other files where the
source is published.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]
SCREENSHOTS = "LungSquad/Resources/Screenshots"
_LINK = re.compile(r"(?<=\]\()(\.\./[^)#\s]+)(#[^)\s]*)?(?=\))")


def on_files(files: Any, *, config: Any) -> Any:
    """Add the screenshots to the site, in a folder of that name."""
    for path in sorted((ROOT / SCREENSHOTS).glob("*.png")):
        uri = f"Screenshots/{path.name}"
        files.append(File.generated(config, uri, abs_src_path=os.fspath(path)))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, **_: Any) -> str:
    """Turn links that leave the folder Docs into links that work on the site."""
    folder = posixpath.dirname(page.file.src_uri)

    def turned(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join("Docs", folder, match[1]))
        if path.startswith("Docs/"):
            return match[0]
        if not (ROOT / path).exists():
            raise PluginError(f"{page.file.src_uri} links to '{path}', which does not exist.")
        if path.startswith(f"{SCREENSHOTS}/"):
            picture = f"Screenshots/{posixpath.basename(path)}"
            return posixpath.relpath(picture, folder or ".")
        return f"{config['repo_url']}/blob/main/{path}{match[2] or ''}"

    return _LINK.sub(turned, markdown)
