"""What a training of the integration network found, in words."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import one_line
from ...statistics.bootstrap import Estimate
from ...training.integration_setup import Setup
from ..evaluation.sentences import p_value
from .results import BALANCED, Ablation

_NAMES = {"histology": "Histology", "t_stage": "T stage", "survival2y": "Survival at two years"}


def label_of(setup: Setup) -> str:
    """What is told, for people."""
    label = setup.options.label
    return _NAMES.get(label, f"'{one_line(label, most=60)}'")


def with_interval(estimate: Estimate, digits: int = 2) -> str:
    """A number and its interval, as text: 0.29 (0.22 to 0.36)."""
    value, low, high = (
        f"{round(number, digits) + 0.0:.{digits}f}"  # adding 0 takes the sign off a zero
        for number in (estimate.value, estimate.low, estimate.high)
    )
    return f"{value} ({low} to {high})"


def findings(setup: Setup, found: Ablation) -> tuple[str, ...]:
    """What came out, first things first."""
    return tuple(_findings(setup, found))


def _findings(setup: Setup, found: Ablation) -> Iterator[str]:
    verdict = "can be told" if found.told else "cannot be told"
    first = (
        f"{label_of(setup)} {verdict} from these data: {found.measure} "
        f"{with_interval(found.main)}, chance {found.chance:.2f}"
    )
    if found.measure != BALANCED:
        balanced = found.arms[0].measures[BALANCED]
        first += f"; balanced accuracy {with_interval(balanced)}"
    yield f"{first}, {p_value(found.p)} by shuffled labels; {found.tested} patients."
    for one in found.differences:
        difference = f"difference of the {found.measure} {with_interval(one.value, 3)}"
        if one.value.low > 0:
            yield f"The network does better than {one.name}: {difference}."
        elif one.value.high < 0:
            yield f"The network does worse than {one.name}: {difference}."
        else:
            yield f"No difference between the network and {one.name} can be told: {difference}."


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
