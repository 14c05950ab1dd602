"""The findings of an audit in sentences, and its limitations."""

from __future__ import annotations

from collections.abc import Iterator

from ...statistics.memorisation import LEVEL
from ...statistics.text import format_estimate, format_p
from .results import Audit, ImageSetMeasure

_MIN_DICE = 0.7
_MIN_RATIO = 3  # of the distance of the baselines to that of the generated slices
_MAX_DISTANCE = 0.5  # standard deviations
_MAX_EMPTY = 0.05
_FEW_PATIENTS = 10
_MAX_MEMORISED = 0.01


def findings(audit: Audit) -> tuple[str, ...]:
    """Return the findings; measures that are missing are left out."""
    return tuple(_findings(audit))


def _findings(audit: Audit) -> Iterator[str]:
    yield from _memorisation(audit)
    swd, dice = audit.measure("swd_mean"), audit.measure("dice")
    if swd is not None:
        yield _similarity(swd)
    if dice is not None:
        yield _consistency(dice)
    yield from _coverage(audit)
    yield from _diversity(audit)
    yield from _plausibility(audit)


def _memorisation(audit: Audit) -> Iterator[str]:
    test = audit.memorisation
    if test is None:
        return
    numbers = (
        f"compared with held-out real slices, they are closer to the training slices in "
        f"{test.closer_fraction:.0%} of all pairs ({format_p(test.p)}; 50% without memorisation), "
        f"and the median nearest-neighbour distance ratio is {test.distance_ratio:.2f} (1 without "
        "memorisation)"
    )
    if test.flagged:
        yield f"The generator has memorised training slices: {numbers}."
    elif test.p < LEVEL:
        yield (
            "The generated slices are nearer to training slices than real ones are, though not as "
            f"near as copies: {numbers}."
        )
    elif test.least_p >= LEVEL:
        yield (
            "There are too few patients to decide whether the generator has memorised training "
            f"slices: {numbers}."
        )
    else:
        yield f"No sign of memorised training slices: {numbers}."
    if test.memorised > _MAX_MEMORISED * audit.counts.images:
        yield (
            f"{test.memorised} of {audit.counts.images} generated slices are nearer to a training "
            "slice than any held-out real slice is. Look at the pairs below."
        )


def _similarity(swd: ImageSetMeasure) -> str:
    numbers = f"sliced Wasserstein distance to held-out slices {format_estimate(swd.generated, 1)}"
    if swd.reference is not None:
        numbers += f"; of real training slices {format_estimate(swd.reference, 1)}"
    baselines = {"of independent pixels": swd.gaussian, "of the untrained network": swd.untrained}
    known = {name: each for name, each in baselines.items() if each is not None}
    numbers += "".join(f"; {name} {format_estimate(each, 1)}" for name, each in known.items())
    ratio = min((each.value for each in known.values()), default=0) / swd.generated.value
    if ratio >= _MIN_RATIO:
        return (
            f"The slices resemble real ones: the distance of each baseline is at least {ratio:.1f} "
            f"times theirs: {numbers}."
        )
    return (
        f"The slices hardly resemble real ones: the distance of a baseline is only {ratio:.1f} "
        f"times theirs: {numbers}."
    )


def _consistency(dice: ImageSetMeasure) -> str:
    numbers = f"Dice of a segmenter trained on real slices {format_estimate(dice.generated)}"
    if dice.reference is not None:
        numbers += f"; on held-out slices {format_estimate(dice.reference)}"
    if dice.generated.low >= _MIN_DICE:
        return f"The masks match the tumours in the images: {numbers}."
    if dice.generated.high < _MIN_DICE:
        return f"The masks often do not match the tumours in the images: {numbers}."
    return f"It is uncertain whether the masks match the tumours in the images: {numbers}."


def _coverage(audit: Audit) -> Iterator[str]:
    precision, recall = audit.measure("precision_network"), audit.measure("recall_network")
    if precision is None or recall is None:
        return
    sentence = (
        f"{precision.generated.value:.0%} of the generated slices lie among the real ones, and "
        f"{recall.generated.value:.0%} of the real ones among the generated"
    )
    if precision.reference is not None and recall.reference is not None:
        sentence += f" (real training slices: {precision.reference.value:.0%}, "
        sentence += f"{recall.reference.value:.0%})"
    yield f"{sentence}."


def _diversity(audit: Audit) -> Iterator[str]:
    similarity = audit.measure("ms_ssim")
    if similarity is None or similarity.reference is None:
        return
    generated, real = similarity.generated, similarity.reference
    numbers = f"MS-SSIM of pairs {format_estimate(generated)}, real {format_estimate(real)}"
    if generated.low > real.high:
        yield f"The generated slices vary less than real ones: {numbers}."
    elif generated.high < real.low:
        yield f"The generated slices vary more than real ones: {numbers}."
    else:
        yield f"The generated slices vary as much as real ones: {numbers}."


def _plausibility(audit: Audit) -> Iterator[str]:
    empty = audit.measure("empty")
    if empty is not None and empty.generated.value > _MAX_EMPTY:
        yield f"{empty.generated.value:.0%} of the generated slices have an empty mask."
    distances = [each for each in audit.measures if each.name.startswith("distance_")]
    far = [each for each in distances if each.generated.value > _MAX_DISTANCE]
    if not distances:
        return
    worst = max(distances, key=lambda each: each.generated.value)
    numbers = f"{worst.label}: {format_estimate(worst.generated)} standard deviations"
    if worst.reference is not None:
        numbers += f", of real training slices {worst.reference.value:.2f}"
    if far:
        yield (
            f"{len(far)} of {len(distances)} features of the tumours differ from real slices; the "
            f"largest is the {numbers}."
        )
    else:
        yield f"Size, shape and HU of tumours are as in real slices; the largest is the {numbers}."


def cautions(audit: Audit, *, known: bool) -> tuple[str, ...]:
    """Return the limitations; `known`: the card has the hashes of the training patients."""
    return tuple(_cautions(audit, known))


def _cautions(audit: Audit, known: bool) -> Iterator[str]:
    counts = audit.counts
    if not known:
        yield (
            "The model's card does not list its training patients, so every patient may have been "
            "used: nothing is compared with held-out slices."
        )
    elif not counts.held_out_slices:
        yield (
            "Every patient of this set was in the training: similarity and memorisation need other "
            "patients, and are left out."
        )
    elif not counts.compared:
        yield f"Only {counts.held_out_slices} slices are held out: too few for a comparison."
    if not counts.training_slices:
        yield (
            "No patient of this set was in the training: memorisation, the reference of real "
            "training slices and the segmenter need training slices, and are left out."
        )
    for patients, part in (
        (counts.training_patients, "training"),
        (counts.held_out_patients, "held-out"),
    ):
        if 0 < patients < _FEW_PATIENTS:
            yield (
                f"There are only {patients} {part} patients: another {patients} may give quite "
                "different results."
            )
    if audit.memorisation is not None:
        yield (
            "The test for memorisation assumes that training and held-out patients are from one "
            "population; where they come from different hospitals, it may detect that."
        )
