"""The module's panel, the only part of the library that needs Qt.

`panel.Panel` wires the sections, each of which is handed what it needs of the others.
"""

from __future__ import annotations

from .panel import Panel

__all__ = ["Panel"]
