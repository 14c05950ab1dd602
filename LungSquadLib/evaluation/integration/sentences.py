"""What a training of the integration network found, in words."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import one_line
from ...statistics.text import decimal, permutation_p, with_interval
from ...training.integration.setup import Setup
from .results import BALANCED, Ablation

_NAMES = {"histology": "Histology", "t_stage": "T stage", "survival2y": "Survival at two years"}


def label_of(setup: Setup) -> str:
    """The label, for people."""
    label = setup.options.label
    return _NAMES.get(label, f"'{one_line(label, most=60)}'")


def _in_a_sentence(label: str) -> str:
    return label if label == "T stage" else label[0].lower() + label[1:]


def findings(setup: Setup, found: Ablation) -> tuple[str, ...]:
    """What came out, first things first."""
    return tuple(_findings(setup, found))


def _findings(setup: Setup, found: Ablation) -> Iterator[str]:
    label = label_of(setup)
    if not found.above_chance:
        first = f"{label} cannot be separated from these data"
    elif found.unbeaten:
        first = f"The network separates {_in_a_sentence(label)} better than chance, but is not "
        first += f"shown to do so better than {' or '.join(found.unbeaten)}"
    else:
        first = f"{label} can be separated from these data"
    first += f": {found.measure} {with_interval(found.main)}, chance {decimal(found.chance)}"
    if found.measure != BALANCED:
        balanced = found.arms[0].measures[BALANCED]
        first += f"; balanced accuracy {with_interval(balanced)}"
    yield f"{first}, {permutation_p(found.p, found.shuffles)}; {found.tested} patients."
    for one in found.differences:
        difference = f"difference of the {found.measure} {with_interval(one.value)}"
        if one.value.low > 0:
            yield f"The network does better than {one.name}: {difference}."
        elif one.value.high < 0:
            yield f"The network does worse than {one.name}: {difference}."
        else:
            yield f"No difference between the network and {one.name} is shown: {difference}."


def cautions(setup: Setup, found: Ablation) -> tuple[str, ...]:
    """What to mind before believing the numbers."""
    said = [*setup.warnings]
    if setup.options.allow_telling:
        said.append("Columns that look like the label were allowed: the result may be theirs.")
    if len(found.differences) > 1:
        said.append(
            f"The network was compared with {len(found.differences)} others; intervals are not "
            "corrected for several looks."
        )
    return tuple(said)
