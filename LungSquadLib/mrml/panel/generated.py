"""Section 5: images of tumours that a network made up."""

from __future__ import annotations

from collections.abc import Sequence

from slicer.i18n import tr as _

from ...models.catalogue import Entry, user_folder
from .section import Section


class GeneratedSection(Section):
    """Says which models that make images there are."""

    def list_models(self, entries: Sequence[Entry]) -> None:
        """Show which of the models on this machine make images."""
        cards = [entry.card for entry in entries if entry.card is not None]
        titles = [card.title for card in cards if card.kind == "generator"]
        self.ui.generatedHint.text = (
            ", ".join(titles)
            if titles
            else _(
                "No model that generates images is installed. Such models are .safetensors files "
                "in {folder}."
            ).format(folder=user_folder())
        )
