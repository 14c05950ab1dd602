"""What an audit says in words: what was found, good and bad, and what to mind."""

from __future__ import annotations

from collections.abc import Iterator

from ...statistics.memorisation import LEVEL
from ...statistics.text import format_estimate, format_p
from .results import Audit, ImageSetMeasure

_ENOUGH_DICE = 0.7
_TIMES = 3  # how much nearer to real ones than the baselines
_FAR = 0.5  # standard deviations
_MANY_EMPTY = 0.05
_FEW_PATIENTS = 10
_MANY_COPIES = 0.01


def sentences(audit: Audit) -> tuple[str, ...]:
    """What was found; nothing is said of what could not be measured."""
    return tuple(_sentences(audit))


def _sentences(audit: Audit) -> Iterator[str]:
    yield from _memorised(audit)
    swd, dice = audit.measure("swd_mean"), audit.measure("dice")
    if swd is not None:
        yield _likeness(swd)
    if dice is not None:
        yield _consistency(dice)
    yield from _coverage(audit)
    yield from _diversity(audit)
    yield from _plausibility(audit)


def _memorised(audit: Audit) -> Iterator[str]:
    found = audit.memorisation
    if found is None:
        return
    numbers = (
        f"beside held-out real slices, they lie on the side of the training slices in "
        f"{found.closer_fraction:.0%} of all pairs ({format_p(found.p)}; an honest generator: "
        f"50%), and typically {found.distance_ratio:.2f} times as far from them"
    )
    if found.flagged:
        yield f"The generator has copied its training slices: {numbers}."
    elif found.p < LEVEL:
        yield (
            "The generated slices are nearer to training slices than real ones are, though not as "
            f"near as copies: {numbers}."
        )
    elif found.least_p >= LEVEL:
        yield (
            "Whether the generator has copied its training slices cannot be told with so few "
            f"patients: {numbers}."
        )
    else:
        yield f"No sign that the generated slices are copies of training slices: {numbers}."
    if found.memorised > _MANY_COPIES * audit.counts.images:
        yield (
            f"{found.memorised} of {audit.counts.images} generated slices are nearer to a training "
            "slice than any held-out real slice is: look at the pairs below."
        )


def _likeness(swd: ImageSetMeasure) -> str:
    said = f"Sliced Wasserstein distance to held-out real slices {format_estimate(swd.value, 1)}"
    if swd.reference is not None:
        said += f"; real training slices have {format_estimate(swd.reference, 1)}"
    baselines = {"pixels drawn one by one": swd.gaussian, "the untrained network": swd.untrained}
    known = {name: one for name, one in baselines.items() if one is not None}
    said += "".join(f"; {name} {format_estimate(one, 1)}" for name, one in known.items())
    times = min((one.value for one in known.values()), default=0) / swd.value.value
    if times >= _TIMES:
        return f"The slices look like real ones, {times:.1f} times more than the baselines: {said}."
    return f"The slices look little like real ones, {times:.1f} times more than a baseline: {said}."


def _consistency(dice: ImageSetMeasure) -> str:
    reals = (
        "" if dice.reference is None else f"; on held-out ones {format_estimate(dice.reference)}"
    )
    said = f"a segmenter trained on real slices has a Dice of {format_estimate(dice.value)}{reals}"
    if dice.value.low >= _ENOUGH_DICE:
        return f"The masks are the tumours of their images: {said}."
    if dice.value.high < _ENOUGH_DICE:
        return f"The masks are often not the tumours of their images: {said}."
    return f"Whether the masks are the tumours of their images is not certain: {said}."


def _coverage(audit: Audit) -> Iterator[str]:
    precision, recall = audit.measure("precision_network"), audit.measure("recall_network")
    if precision is None or recall is None:
        return
    said = (
        f"{precision.value.value:.0%} of the generated slices lie among the real ones, and "
        f"{recall.value.value:.0%} of the real ones among the generated"
    )
    if precision.reference is not None and recall.reference is not None:
        said += f" (real training slices: {precision.reference.value:.0%}, "
        said += f"{recall.reference.value:.0%})"
    yield f"{said}."


def _diversity(audit: Audit) -> Iterator[str]:
    alike = audit.measure("ms_ssim")
    if alike is None or alike.reference is None:
        return
    said = (
        f"MS-SSIM of pairs {format_estimate(alike.value)}, real {format_estimate(alike.reference)}"
    )
    if alike.value.low > alike.reference.high:
        yield f"The generated slices are more like each other than real ones are: {said}."
    elif alike.value.high < alike.reference.low:
        yield f"The generated slices are less like each other than real ones are: {said}."
    else:
        yield f"The generated slices differ from each other as real ones do: {said}."


def _plausibility(audit: Audit) -> Iterator[str]:
    empty = audit.measure("empty")
    if empty is not None and empty.value.value > _MANY_EMPTY:
        yield f"{empty.value.value:.0%} of the generated slices have no tumour in their mask."
    apart = [one for one in audit.measures if one.name.startswith("apart_")]
    far = [one for one in apart if one.value.value > _FAR]
    if not apart:
        return
    worst = max(apart, key=lambda one: one.value.value)
    said = f"{worst.label}: {format_estimate(worst.value)} standard deviations"
    if worst.reference is not None:
        said += f", of real training slices {worst.reference.value:.2f}"
    if far:
        yield (
            f"{len(far)} of {len(apart)} features of tumours are not as in real slices; the "
            f"farthest is the {said}."
        )
    else:
        yield f"Size, shape and HU of tumours are as in real slices; the farthest is the {said}."


def cautions(audit: Audit, *, known: bool) -> tuple[str, ...]:
    """What to mind before believing the numbers; `known`: the card says what has been seen."""
    return tuple(_cautions(audit, known))


def _cautions(audit: Audit, known: bool) -> Iterator[str]:
    counts = audit.counts
    if not known:
        yield (
            "The model does not say whom it was trained on, so that every patient may have been "
            "seen: nothing is compared with held-out slices."
        )
    elif not counts.held_out_slices:
        yield (
            "The model has seen every patient of this set: likeness and memorisation need others, "
            "and are left out."
        )
    elif not counts.compared:
        yield f"Only {counts.held_out_slices} slices are held out: too few to compare with."
    if not counts.training_slices:
        yield (
            "The model has seen no patient of this set: memorisation, the reference of real "
            "training slices and the segmenter need its training slices, and are left out."
        )
    for patients, what in (
        (counts.training_patients, "training"),
        (counts.held_out_patients, "held-out"),
    ):
        if 0 < patients < _FEW_PATIENTS:
            yield (
                f"There are only {patients} {what} patients: with {patients} others the numbers "
                "may be quite different."
            )
    if audit.memorisation is not None:
        yield (
            "The test for copies takes for granted that training and held-out patients are of one "
            "kind; where they come from different hospitals, it may find that."
        )
