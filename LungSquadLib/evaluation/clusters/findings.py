"""What the groups of patients are, in words: what was found, and what to mind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ...statistics.intervals import is_significant
from ...statistics.text import format_interval, format_number, format_p
from ...training.autoencoder.experiment import AutoencoderRun
from ...training.autoencoder.grouping import LEVEL, MUCH, SHUFFLES, STAGES, follows
from .results import AUTOENCODER, K_MEANS, NMF, PCA, Follows, Grouping, Groups, GroupSurvival

_AGREE = 0.6  # of the same: seeds that agree
_FEW_PATIENTS = 100
_SAID = ("t_stage", "histology", "sex", "site")
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")


def sentences(found: Groups) -> tuple[str, ...]:
    """What was found, first things first."""
    if not found.groupings:
        return (_collapsed(found.run), _rebuilt(found))
    own, stable = found.groupings[0], found.stable
    said = [_follow(own), *_number(found)]
    if stable is not None and stable is not own:
        said.append(_follow(stable))
    said.append(_seeds(own))
    if found.survival is not None:
        said.append(_fares(found.survival))
    return (*said, _rebuilt(found), _units(found.run), *_others(found))


def cautions(found: Groups) -> tuple[str, ...]:
    """What to mind."""
    return tuple(_cautions(found))


def named(fact: str) -> str:
    """A fact's name in a sentence."""
    return "T stage" if fact == "t_stage" else fact


def level_of(follows: Sequence[Follows]) -> float:
    """Below which a p says something, where so many facts were tried (Bonferroni)."""
    return LEVEL / max(len(follows), 1)


def _follow(own: Grouping) -> str:
    if not own.follows:
        return "Nothing is known of the patients that the groups could follow."
    level = level_of(own.follows)
    real = [
        one
        for one in own.follows
        if is_significant(one.everybody.ari_p, SHUFFLES, level) and one.everybody.ari > 0
    ]
    real.sort(key=lambda one: -one.everybody.ari)
    rest = [one for one in own.follows if one not in real and one.fact in _SAID]
    much = [one for one in real if follows(one.everybody, level=level)]
    weak = [one for one in real if one not in much]
    count = _counted(own.count)
    if not real:
        known = f"of the {len(own.follows)} facts that are known" if len(own.follows) > 1 else ""
        said = f"The {count} groups follow none {known}".rstrip()
        return f"{said}: {_list(rest or own.follows[:1])}."
    said = f"The {count} groups follow {_list(much)}" if much else ""
    if weak:
        begin = ", and are" if much else f"The {count} groups are"
        said += f"{begin} weakly related to {_list(weak)}"
    return f"{said}{', not to ' if weak else ', not '}{_list(rest)}." if rest else f"{said}."


def _list(facts: Sequence[Follows]) -> str:
    return ", ".join(
        f"{named(one.fact)} (ARI {format_number(one.everybody.ari)}, "
        f"{format_p(one.everybody.ari_p)})"
        for one in facts
    )


def _counted(count: int) -> str:
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)


def _number(found: Groups) -> Iterator[str]:
    stable = found.stability
    if stable is None:
        return
    at, count = stable.counts.index(stable.best), len(stable.clouds)
    said = (
        f"{_counted(stable.best)} groups are found in either half of the patients, with a mean ARI "
        f"of {format_number(stable.values[at])}; {count} clouds without groups have "
        f"{format_interval(*stable.chance)} ({format_p(stable.p)}"
        f"{', the least that so many clouds allow' if stable.p * (count + 1) < 1.5 else ''})"
    )
    if stable.shown:
        yield f"The patients fall into groups: {said}."
    else:
        yield (
            "No number of groups is shown to be more stable than in a cloud of patients without "
            f"any: the best, {said}. The groups cut a cloud into pieces."
        )


def _seeds(own: Grouping) -> str:
    if not own.seeds:
        return "One seed was trained: whether another gives the same groups is not known."
    mean, low, high = np.mean(own.seeds), min(own.seeds), max(own.seeds)
    said = f"mean ARI between seeds {format_number(float(mean))}, "
    said += f"{format_number(low)} to {format_number(high)}"
    if mean >= _AGREE:
        return f"Other seeds give much the same groups: {said}."
    return f"Other seeds give other groups: {said}. Do not rely on a single patient's group."


def _fares(survival: GroupSurvival) -> str:
    test = survival.log_rank
    of = f"log-rank {format_p(test.p)}, {survival.n} patients, {survival.events} deaths"
    if test.p < LEVEL:
        return f"The groups differ in survival: {of}."
    return f"No difference in survival between the groups is shown: {of}."


def _rebuilt(found: Groups) -> str:
    test = {one.space: one.test for one in found.errors}
    said = (
        f"squared error of a standardised column {format_number(test[AUTOENCODER])}, of PCA with "
        f"as many dimensions {format_number(test[PCA])}, of NMF {format_number(test[NMF])}, of the "
        f"mean alone {format_number(test['mean'])}"
    )
    if test[AUTOENCODER] >= test["mean"]:
        return (
            "The autoencoder has learnt nothing that holds for other patients: on the test's it "
            f"rebuilds no better than the mean does: {said}."
        )
    least = min(test[PCA], test[NMF])
    verdict = "better" if test[AUTOENCODER] < 0.99 * least else "not better"
    return f"On test patients the autoencoder rebuilds {verdict} than PCA and NMF: {said}."


def _units(run: AutoencoderRun) -> str:
    active, units = int(run.trained.active.sum()), run.options.latent
    if active == units:
        return f"All {units} units of the latent space say something of the patients."
    return (
        f"{active} of {units} units of the latent space say something of the patients; "
        f"{units - active} collapsed and are left out."
    )


def _collapsed(run: AutoencoderRun) -> str:
    return (
        f"All {run.options.latent} units of the latent space collapsed: the autoencoder tells no "
        "patient from another, so there are no groups. Either the table holds nothing that several "
        "columns share, or the columns are too few; more free bits may help, and more patients."
    )


def _others(found: Groups) -> Iterator[str]:
    """What is said of the facts by PCA and NMF in the autoencoder's place."""
    own = found.groupings[0]
    for fact in ("histology", "t_stage"):
        each = [
            f"{other.space} {_of(other, fact)}"
            for other in found.groupings
            if other.method == own.method and other.count == own.count and _of(other, fact)
        ]
        if len(each) > 1:
            yield f"ARI of {own.count} groups with {named(fact)}: {', '.join(each)}."
    k_means = [
        one
        for one in found.groupings
        if (one.space, one.method, one.count) == (AUTOENCODER, K_MEANS, own.count)
    ]
    said = ", ".join(_list([one]) for one in k_means[0].follows) if k_means else ""
    if said:
        yield f"By k-means in place of the mixture: {said}."


def _of(grouping: Grouping, fact: str) -> str:
    return "".join(format_number(one.everybody.ari) for one in grouping.follows if one.fact == fact)


def _cautions(found: Groups) -> Iterator[str]:
    run = found.run
    if run.classes == STAGES:
        yield (
            "The groups follow T stage in the training patients, and are called T1 to T4 in the "
            "best match of four to four; they are no stages."
        )
    stable = found.stable
    if found.stability is not None and found.stability.shown and stable is not None:
        most = max((one.everybody.ari for one in stable.follows), default=0.0)
        if most < MUCH:
            yield (
                f"Patients fall into {_counted(stable.count)} groups that follow nothing that is "
                "known of them: such groups are often batches. Find out when and how the samples "
                "were processed, and bring it as a column."
            )
    if len(run.table.train) < _FEW_PATIENTS:
        yield f"There are only {len(run.table.train)} training patients."
    if "z-score" in run.table.matrix.scale.lower():
        yield (
            "The table's numbers are z-scores that were made of all patients together, those of "
            "the test among them: nothing here can take that back."
        )
    yield from run.table.left_out
    if found.groupings and len(found.groupings[0].follows) > 1:
        own = found.groupings[0].follows
        yield (
            f"{len(own)} facts were tried: a p is of one test, and counts below "
            f"{level_of(own):.2g}."
        )
