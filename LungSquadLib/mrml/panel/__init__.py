"""The module's panel: what the user sees and presses; the only part that needs Qt."""

from __future__ import annotations

from .panel import Panel

__all__ = ["Panel"]
