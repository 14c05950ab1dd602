"""The figures of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...evaluation.classifier.results import (
    Calibration,
    Discrimination,
    Distribution,
    Evaluation,
    StudyDescription,
    Survival,
)
from ...evaluation.classifier.table import format_name
from ...statistics.classification import DecisionCurve
from ...statistics.intervals import Estimate, wilson
from ...statistics.text import format_estimate, format_number, format_p
from ..figure_style import (
    ACCENT,
    AMBER,
    BROWN,
    INK,
    PALE,
    SOFT,
    Picture,
    canvas,
    picture,
    plot,
    style,
    write_labels,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Line and label of each baseline in turn; dashes tell them apart without colour.
_BASELINES = ((AMBER, BROWN, "-"), (SOFT, SOFT, (0, (5, 2))), (INK, INK, (0, (1, 1.5))))

NAMES = (
    "roc",
    "precision-recall",
    "scores",
    "calibration",
    "decision",
    "survival",
    "learning-curve",
    "permuted-labels",
)


def pictures(evaluation: Evaluation, study: StudyDescription | None = None) -> list[Picture]:
    """Draw all figures that the evaluation and the study description allow.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    study, discrimination = study or StudyDescription(), evaluation.discrimination
    with style():
        drawn = []
        if discrimination is not None:
            drawn += [_roc(evaluation, discrimination), _precision_recall(discrimination)]
        if evaluation.distribution is not None:
            drawn.append(_distribution(evaluation, evaluation.distribution))
        if evaluation.calibration is not None and evaluation.distribution is not None:
            drawn.append(_calibration(evaluation.calibration, evaluation.distribution))
        if evaluation.decision is not None:
            drawn.append(_decision(evaluation, evaluation.decision))
        if evaluation.survival is not None:
            drawn.append(_survival(evaluation, evaluation.survival))
        if study.learning_curve:
            drawn.append(learning_curve(study.learning_curve))
        if study.permuted_aucs and discrimination is not None:
            drawn.append(permuted_labels(study.permuted_aucs, discrimination.auc))
        return drawn


def _roc(evaluation: Evaluation, discrimination: Discrimination) -> Picture:
    figure, axes = plot(
        4.6, 4.2, x="False positive rate (1 - specificity)", y="True positive rate (sensitivity)"
    )
    _unit_square(axes)
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8, linestyle=(0, (1, 2)))
    independent = discrimination.auc.method == "DeLong"
    if independent:
        positives = evaluation.counts.per_class[1]
        hits = np.rint(discrimination.roc.y * positives).astype(int)
        ends = np.array([wilson(int(n), positives) for n in hits])
        axes.fill_between(
            discrimination.roc.x, ends[:, 0], ends[:, 1], color=PALE, linewidth=0, step="post"
        )
    labels = [
        (
            f"{format_name(str(evaluation.columns.score), 30)} "
            f"{format_estimate(discrimination.auc)}",
            ACCENT,
        )
    ]
    for number, baseline in enumerate(evaluation.baselines):
        line, colour, dashes = _BASELINES[number % len(_BASELINES)]
        axes.plot(baseline.roc.x, baseline.roc.y, color=line, linestyle=dashes, linewidth=1.4)
        labels.append((f"{format_name(baseline.name, 30)} {format_estimate(baseline.auc)}", colour))
    axes.plot(discrimination.roc.x, discrimination.roc.y, color=ACCENT)
    write_labels(axes, [("AUC (95 % interval)", SOFT), *labels], at=(0.985, 0.02))
    band = (
        "Band: 95 % Wilson interval of the sensitivity at each threshold. " if independent else ""
    )
    folds = evaluation.counts.folds is not None
    pooled = "The curve pools all folds, the AUC does not. " if folds else ""
    return picture(
        figure,
        "roc",
        title="ROC curve",
        alt="ROC curve. " + "; ".join(f"AUC of {text}" for text, _ in labels) + ".",
        caption=f"{band}{pooled}Dotted: a score that knows nothing.",
    )


def _precision_recall(discrimination: Discrimination) -> Picture:
    figure, axes = plot(
        4.6, 4.2, x="Recall (sensitivity)", y="Precision (positive predictive value)"
    )
    _unit_square(axes)
    axes.axhline(discrimination.prevalence, color=SOFT, linewidth=0.8, linestyle=(0, (1, 2)))
    # Each step of recall at the precision that it is reached with: the area is average precision.
    steps = np.flatnonzero(np.diff(discrimination.pr.x)) + 1
    recall = np.append(0, discrimination.pr.x[steps])
    axes.step(recall, discrimination.pr.y[[steps[0], *steps]], color=ACCENT, where="pre")
    average = f"average precision {format_estimate(discrimination.average_precision)}"
    labels = [(average, ACCENT), (f"dotted: prevalence {discrimination.prevalence:.2f}", SOFT)]
    top = discrimination.prevalence < 0.5  # where the curve leaves room
    write_labels(axes, labels, at=(0.985, 0.88 if top else 0.02))
    return picture(
        figure,
        "precision-recall",
        title="Precision and recall",
        alt=f"Precision-recall curve, {average}, prevalence {discrimination.prevalence:.2f}.",
        caption="A score that knows nothing lies on the dotted line.",
    )


def _distribution(evaluation: Evaluation, distribution: Distribution) -> Picture:
    figure, axes = plot(4.6, 3.4, x=format_name(str(evaluation.columns.score), 50), y="Rows")
    _mirrored(axes, distribution)
    negative, positive = (format_name(name, 24) for name in evaluation.classes)
    most = max(distribution.positive.max(), distribution.negative.max()) * 1.25
    axes.set_ylim(-most, most)
    at = 0.015 if _mass(distribution) > 0.5 else 0.985
    write_labels(axes, [(f"class '{positive}'", ACCENT)], at=(at, 0.91), right=at > 0.5)
    write_labels(axes, [(f"class '{negative}'", BROWN)], at=(at, 0.03), right=at > 0.5)
    return picture(
        figure,
        "scores",
        title="Scores of each class",
        alt=f"Histograms of the score: class '{positive}' upwards, class '{negative}' downwards.",
        caption="The farther the two lie apart, the better the score separates them.",
    )


def _mirrored(axes: Axes, distribution: Distribution) -> None:
    """Draw the histogram of positives upwards and that of negatives downwards."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    width = np.diff(distribution.edges)
    for counts, colour in ((distribution.positive, ACCENT), (-distribution.negative, AMBER)):
        axes.bar(
            distribution.edges[:-1],
            counts,
            width,
            align="edge",
            color=colour,
            edgecolor="white",
            linewidth=0.5,
        )
    axes.axhline(0, color=SOFT, linewidth=0.8)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(value):.0f}"))
    axes.grid(visible=False)


def _mass(distribution: Distribution) -> float:
    """The mean position of the scores, 0 (left) to 1 (right)."""
    counts = distribution.positive + distribution.negative
    return float(np.average(np.linspace(0, 1, len(counts)), weights=counts))


def _calibration(calibration: Calibration, scores: Distribution) -> Picture:
    figure = canvas(4.6, 5.2)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    upper.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    upper.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8, linestyle=(0, (1, 2)))
    curve = calibration.curve
    inner = (curve.smooth_x >= curve.predicted.min()) & (curve.smooth_x <= curve.predicted.max())
    upper.plot(curve.smooth_x[inner], curve.smooth_y[inner], color=ACCENT, linewidth=1.2)
    half_widths = np.clip([curve.observed - curve.low, curve.high - curve.observed], 0, None)
    upper.errorbar(
        curve.predicted,
        curve.observed,
        half_widths,
        fmt="o",
        color=ACCENT,
        markersize=5,
        elinewidth=1,
    )
    upper.set_ylabel("Observed share of positives")
    labels = [
        (f"slope {format_estimate(calibration.slope)}", INK),
        (f"in the large {format_estimate(calibration.in_the_large)}", INK),
        (
            f"Brier {calibration.brier.value:.3f}, of the prevalence "
            f"{calibration.brier_reference:.3f}",
            INK,
        ),
    ]
    above = float(np.mean(curve.observed - curve.predicted)) > 0
    write_labels(upper, labels, at=(0.985, 0.02) if above else (0.015, 0.82), right=above)
    _mirrored(lower, scores)
    lower.set_xlabel("Predicted probability")
    lower.set_ylabel("Rows")
    return picture(
        figure,
        "calibration",
        title="Calibration",
        alt="Calibration curve, " + "; ".join(text for text, _ in labels) + ".",
        caption="Points: bins of about equally many rows with 95 % Wilson intervals; line: "
        "kernel-smoothed share; dotted: probabilities that mean what they say. Below: the scores, "
        "positives upwards.",
    )


def _decision(evaluation: Evaluation, decision: DecisionCurve) -> Picture:
    figure, axes = plot(
        4.6, 3.6, x="Threshold probability", y="Net benefit (true positives a patient)"
    )
    axes.plot(decision.thresholds, decision.treat_all, color=AMBER, linewidth=1.4)
    axes.plot(decision.thresholds, decision.treat_none, color=SOFT, linewidth=1.0)
    axes.plot(decision.thresholds, decision.model, color=ACCENT)
    top = max(float(decision.treat_all[0]), float(decision.model.max()), 0.02)
    axes.set(xlim=(0, 1), ylim=(-0.35 * top, 1.12 * top))
    labels = [
        (format_name(str(evaluation.columns.score), 30), ACCENT),
        ("acting on all", BROWN),
        ("acting on none", SOFT),
    ]
    write_labels(axes, labels, at=(0.985, 0.75))
    return picture(
        figure,
        "decision",
        title="Decision curve",
        alt="Net benefit of acting on the score, on all, and on none, by threshold probability.",
        caption="The score helps where its line lies above both others (Vickers and Elkin 2006).",
    )


def _survival(evaluation: Evaluation, survival: Survival) -> Picture:
    figure = canvas(6.4, 4.4)
    axes, table = figure.subplots(2, 1, sharex=True, height_ratios=(8, 1))
    last = max(survival.low.time[-1], survival.high.time[-1])
    groups = (
        (survival.high, ACCENT, ACCENT, f"above {survival.cut:.3g}"),
        (survival.low, AMBER, BROWN, f"up to {survival.cut:.3g}"),
    )
    for curve, line, colour, name in groups:
        axes.fill_between(
            curve.time, curve.low, curve.high, color=line, alpha=0.18, linewidth=0, step="post"
        )
        axes.step(curve.time, curve.survival, color=line, where="post")
        axes.annotate(
            name,
            (curve.time[-1], curve.survival[-1]),
            xytext=(5, 0),
            va="center",
            textcoords="offset points",
            color=colour,
            fontsize=8.5,
        )
    axes.set(xlim=(0, last * 1.16), ylim=(0, 1.02))
    axes.set_ylabel("Share without the event")
    test = f"log-rank {format_p(survival.log_rank.p)}"
    index = f"concordance {format_estimate(survival.concordance)}"
    write_labels(axes, [(test, INK), (index, INK)], at=(0.015, 0.03), right=False)
    table.axis("off")
    ticks = [tick for tick in axes.get_xticks() if 0 <= tick <= last]
    for row, (curve, _, colour, _name) in enumerate(groups):
        for tick in ticks:
            later = np.flatnonzero(curve.time >= tick)
            left = curve.at_risk[later[0]] if len(later) else 0
            table.text(
                tick,
                0.6 - 0.6 * row,
                str(left),
                color=colour,
                ha="center",
                va="center",
                transform=table.get_xaxis_transform(),
                fontsize=8,
            )
    table.text(
        -0.035,
        0.3,
        "at risk",
        color=SOFT,
        ha="right",
        va="center",
        fontsize=8,
        transform=table.transAxes,
    )
    axes.tick_params(labelbottom=True)
    axes.set_xlabel(f"Follow-up ({format_name(str(evaluation.columns.time))})")
    return picture(
        figure,
        "survival",
        title="Survival by score",
        alt=f"Kaplan-Meier curves of patients above and up to a score of {survival.cut:.3g}; "
        f"{test}.",
        caption=f"Bands: 95 % intervals (Greenwood, log-log). Parted at the {survival.how}. "
        "Concordance: of higher scores with earlier events.",
    )


def _unit_square(axes: Axes) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")


def learning_curve(rows: Sequence[tuple[int, int, float]]) -> Picture:
    """Draw the AUC by number of training patients; a row (patients, seed, AUC) for each run."""
    sizes = sorted({n for n, _, _ in rows})
    runs = [np.array([auc for n, _, auc in rows if n == size]) for size in sizes]
    mean = [float(run.mean()) for run in runs]
    figure, axes = plot(4.6, 3.4, x="Training patients", y="AUC")
    axes.axhline(0.5, color=SOFT, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.fill_between(sizes, [r.min() for r in runs], [r.max() for r in runs], color=PALE, lw=0)
    axes.plot(sizes, mean, color=ACCENT)
    axes.plot([n for n, _, _ in rows], [auc for _, _, auc in rows], "o", color=ACCENT, markersize=3)
    seeds = len({seed for _, seed, _ in rows})
    return picture(
        figure,
        "learning-curve",
        title="Learning curve",
        alt=f"Mean AUC {format_number(mean[0])} with {sizes[0]} training patients, "
        f"{format_number(mean[-1])} with {sizes[-1]}.",
        caption=f"Points: runs of {seeds} seeds; line: their mean; band: lowest to highest; "
        "dotted: chance.",
    )


def permuted_labels(permuted_aucs: Sequence[float], observed: Estimate) -> Picture:
    """Draw the AUCs of runs with permuted training labels, and the observed AUC."""
    figure, axes = plot(4.6, 2.4, x="AUC")
    interval = (observed.low, observed.high)
    axes.plot(interval, (0, 0), color=PALE, linewidth=9, solid_capstyle="butt")
    axes.plot(observed.value, 0, "o", color=ACCENT)
    axes.plot(permuted_aucs, np.ones(len(permuted_aucs)), "o", color=SOFT, markersize=5, alpha=0.6)
    axes.axvline(0.5, color=SOFT, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.set_yticks((0, 1), ("true labels", "permuted labels"))
    axes.set_ylim(-0.6, 1.6)
    axes.grid(visible=False, axis="y")
    return picture(
        figure,
        "permuted-labels",
        title="Permuted-label control",
        alt=f"AUC {format_number(observed.value)} with true labels; with permuted ones "
        f"{format_number(min(permuted_aucs))} to {format_number(max(permuted_aucs))}.",
        caption="With permuted labels there is nothing to learn: those AUCs must lie around 0.5 "
        "(dotted).",
    )
