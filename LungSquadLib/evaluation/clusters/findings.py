"""The findings of a cluster analysis in sentences, and its limitations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ...statistics.intervals import is_significant
from ...statistics.text import format_interval, format_number, format_p
from ...training.autoencoder.experiment import AutoencoderRun
from ...training.autoencoder.grouping import LEVEL, MUCH, SHUFFLES, STAGES, follows
from .results import (
    AUTOENCODER,
    K_MEANS,
    NMF,
    PCA,
    AnnotationAgreement,
    ClusterAnalysis,
    Clustering,
    ClusterSurvival,
)

_AGREE = 0.6  # of the same: seeds that agree
_FEW_PATIENTS = 100
_CLINICAL = ("t_stage", "histology", "sex", "site")
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")


def findings(analysis: ClusterAnalysis) -> tuple[str, ...]:
    """Return the findings, the most important first."""
    if not analysis.clusterings:
        return (_collapsed(analysis.run), _reconstruction(analysis))
    main, stable = analysis.clusterings[0], analysis.stable
    lines = [_follow(main), *_number(analysis)]
    if stable is not None and stable is not main:
        lines.append(_follow(stable))
    lines.append(_seeds(main))
    if analysis.survival is not None:
        lines.append(_survival_sentence(analysis.survival))
    return (*lines, _reconstruction(analysis), _units(analysis.run), *_other_spaces(analysis))


def cautions(analysis: ClusterAnalysis) -> tuple[str, ...]:
    """Return the limitations."""
    return tuple(_cautions(analysis))


def named(annotation: str) -> str:
    """Return the name of an annotation in a sentence."""
    return "T stage" if annotation == "t_stage" else annotation


def level_of(follows: Sequence[AnnotationAgreement]) -> float:
    """Return the significance level for so many annotations (Bonferroni)."""
    return LEVEL / max(len(follows), 1)


def _follow(main: Clustering) -> str:
    if not main.agreements:
        return "There is no annotation to compare the groups with."
    level = level_of(main.agreements)
    related = [
        each
        for each in main.agreements
        if is_significant(each.all_patients.ari_p, SHUFFLES, level) and each.all_patients.ari > 0
    ]
    related.sort(key=lambda each: -each.all_patients.ari)
    rest = [
        each for each in main.agreements if each not in related and each.annotation in _CLINICAL
    ]
    much = [each for each in related if follows(each.all_patients, level=level)]
    weak = [each for each in related if each not in much]
    count = _counted(main.count)
    if not related:
        known = f"of the {len(main.agreements)} annotations" if len(main.agreements) > 1 else ""
        sentence = f"The {count} groups follow none {known}".rstrip()
        return f"{sentence}: {_list(rest or main.agreements[:1])}."
    sentence = f"The {count} groups follow {_list(much)}" if much else ""
    if weak:
        begin = ", and are" if much else f"The {count} groups are"
        sentence += f"{begin} weakly related to {_list(weak)}"
    return (
        f"{sentence}{', not to ' if weak else ', not '}{_list(rest)}." if rest else f"{sentence}."
    )


def _list(agreements: Sequence[AnnotationAgreement]) -> str:
    return ", ".join(
        f"{named(each.annotation)} (ARI {format_number(each.all_patients.ari)}, "
        f"{format_p(each.all_patients.ari_p)})"
        for each in agreements
    )


def _counted(count: int) -> str:
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)


def _number(analysis: ClusterAnalysis) -> Iterator[str]:
    stable = analysis.stability
    if stable is None:
        return
    at, count = stable.counts.index(stable.best), len(stable.clouds)
    numbers = (
        f"{_counted(stable.best)} groups are found in either half of the patients, with a mean ARI "
        f"of {format_number(stable.values[at])}; {count} clouds without groups have "
        f"{format_interval(*stable.chance)} ({format_p(stable.p)}"
        f"{', the least that so many clouds allow' if stable.p * (count + 1) < 1.5 else ''})"
    )
    if stable.significant:
        yield f"The patients fall into groups: {numbers}."
    else:
        yield (
            "No number of groups is shown to be more stable than in a cloud of patients without "
            f"any: the best, {numbers}. The groups cut a cloud into pieces."
        )


def _seeds(main: Clustering) -> str:
    if not main.seeds:
        return "One seed was trained: whether another gives the same groups is not known."
    mean, low, high = np.mean(main.seeds), min(main.seeds), max(main.seeds)
    numbers = f"mean ARI between seeds {format_number(float(mean))}, "
    numbers += f"{format_number(low)} to {format_number(high)}"
    if mean >= _AGREE:
        return f"Other seeds give much the same groups: {numbers}."
    return f"Other seeds give other groups: {numbers}. Do not rely on a single patient's group."


def _survival_sentence(survival: ClusterSurvival) -> str:
    test = survival.log_rank
    of = f"log-rank {format_p(test.p)}, {survival.n} patients, {survival.events} deaths"
    if test.p < LEVEL:
        return f"The groups differ in survival: {of}."
    return f"No difference in survival between the groups is shown: {of}."


def _reconstruction(analysis: ClusterAnalysis) -> str:
    test = {error.space: error.test for error in analysis.errors}
    numbers = (
        f"squared error of a standardised column {format_number(test[AUTOENCODER])}, of PCA with "
        f"as many dimensions {format_number(test[PCA])}, of NMF {format_number(test[NMF])}, of the "
        f"mean alone {format_number(test['mean'])}"
    )
    if test[AUTOENCODER] >= test["mean"]:
        return (
            "The autoencoder does not generalise: on test patients it reconstructs no better than "
            f"the mean: {numbers}."
        )
    least = min(test[PCA], test[NMF])
    verdict = "better" if test[AUTOENCODER] < 0.99 * least else "not better"
    return f"On test patients the autoencoder reconstructs {verdict} than PCA and NMF: {numbers}."


def _units(run: AutoencoderRun) -> str:
    active, units = int(run.trained.active.sum()), run.options.latent
    if active == units:
        return f"All {units} units of the latent space are informative."
    return (
        f"{active} of {units} units of the latent space are informative; "
        f"{units - active} collapsed and are left out."
    )


def _collapsed(run: AutoencoderRun) -> str:
    return (
        f"All {run.options.latent} units of the latent space collapsed: the autoencoder does "
        "not distinguish patients, so there are no groups. Either the columns share no structure, "
        "or they are too few. Try more free bits, or more patients."
    )


def _other_spaces(analysis: ClusterAnalysis) -> Iterator[str]:
    """The agreement of clusters in PCA and NMF with annotations."""
    main = analysis.clusterings[0]
    for annotation in ("histology", "t_stage"):
        each = [
            f"{other.space} {_of(other, annotation)}"
            for other in analysis.clusterings
            if other.method == main.method and other.count == main.count and _of(other, annotation)
        ]
        if len(each) > 1:
            yield f"ARI of {main.count} groups with {named(annotation)}: {', '.join(each)}."
    k_means = [
        each
        for each in analysis.clusterings
        if (each.space, each.method, each.count) == (AUTOENCODER, K_MEANS, main.count)
    ]
    listed = ", ".join(_list([each]) for each in k_means[0].agreements) if k_means else ""
    if listed:
        yield f"By k-means in place of the mixture: {listed}."


def _of(grouping: Clustering, annotation: str) -> str:
    return "".join(
        format_number(each.all_patients.ari)
        for each in grouping.agreements
        if each.annotation == annotation
    )


def _cautions(analysis: ClusterAnalysis) -> Iterator[str]:
    run = analysis.run
    if run.classes == STAGES:
        yield (
            "The groups follow T stage in the training patients, and are called T1 to T4 in the "
            "best match of four to four; they are no stages."
        )
    stable = analysis.stable
    if analysis.stability is not None and analysis.stability.significant and stable is not None:
        most = max((each.all_patients.ari for each in stable.agreements), default=0.0)
        if most < MUCH:
            yield (
                f"Patients fall into {_counted(stable.count)} groups that follow no annotation: "
                "such groups are often batches. Find out when and how the samples were processed, "
                "and add it as a column."
            )
    if len(run.table.train) < _FEW_PATIENTS:
        yield f"There are only {len(run.table.train)} training patients."
    if "z-score" in run.table.matrix.scale.lower():
        yield (
            "The table's numbers are z-scores that were made of all patients together, those of "
            "the test among them: nothing here can take that back."
        )
    yield from run.table.left_out
    if analysis.clusterings and len(analysis.clusterings[0].agreements) > 1:
        agreements = analysis.clusterings[0].agreements
        yield (
            f"{len(agreements)} annotations were compared: a p is of one test, and is significant "
            f"below {level_of(agreements):.2g}."
        )
