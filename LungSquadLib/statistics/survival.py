"""Survival analysis: Kaplan-Meier curves, the log-rank test, the concordance index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .intervals import HALF_WIDTH, chi_square_tail


@dataclass(frozen=True)
class KaplanMeier:
    """Survival just after each distinct time (T,), from 0 on, with its interval.

    `at_risk` is the number of patients under observation just before the time, `events` at it.
    """

    time: np.ndarray
    survival: np.ndarray
    low: np.ndarray
    high: np.ndarray
    at_risk: np.ndarray
    events: np.ndarray


class LogRank(NamedTuple):
    """The result of a log-rank test: chi-square, degrees of freedom, p."""

    chi2: float
    df: int
    p: float


def kaplan_meier(time: np.ndarray, event: np.ndarray) -> KaplanMeier:
    """Estimate the survival curve of Kaplan and Meier.

    J Am Stat Assoc 1958;53:457-481. Intervals after Greenwood, on the scale of log(-log S), which
    keeps them within 0 and 1 (Kalbfleisch and Prentice, The Statistical Analysis of Failure Time
    Data, section 1.4). Before the first event it is 1 to 1; where survival has reached 0 the
    last upper end stays.

    Args:
        time: (N,) 0 or later.
        event: (N,) 1 for an event, 0 for censoring.

    Raises:
        ValueError: a time is negative or not finite, an event neither 0 nor 1, or no row.
    """
    time, event = _checked(time, event)
    times = np.unique(np.append(time, 0.0))
    at_risk = len(time) - np.searchsorted(np.sort(time), times)
    events = np.bincount(np.searchsorted(times, time), weights=event, minlength=len(times))
    survival = np.cumprod(1 - events / at_risk)
    low, high = survival.copy(), survival.copy()
    between = (survival < 1) & (survival > 0)
    left = np.where(between, at_risk - events, 1)
    greenwood = np.sqrt(np.cumsum(np.where(between, events / (at_risk * left), 0.0)))
    logarithm = np.log(survival[between])
    width = HALF_WIDTH * greenwood[between] / np.abs(logarithm)
    low[between] = np.exp(logarithm * np.exp(width))
    high[between] = np.exp(logarithm * np.exp(-width))
    high[survival == 0] = high[between][-1] if between.any() else 1.0
    return KaplanMeier(times, survival, low, high, at_risk, events.astype(np.int64))


def log_rank(time: np.ndarray, event: np.ndarray, group: np.ndarray) -> LogRank:
    """Test whether groups differ in survival: Mantel's log-rank test of two or more groups.

    Mantel, Cancer Chemother Rep 1966;50:163-170; of k groups: Peto and Peto, J R Stat Soc A
    1972;135:185-207. With no event, or no two groups at risk at one, chi-square is 0.

    Args:
        time: (N,) 0 or later.
        event: (N,) 1 for an event, 0 for censoring.
        group: (N,) any values.

    Raises:
        ValueError: as `kaplan_meier`, or there is one group only.
    """
    time, event = _checked(time, event)
    names, member = np.unique(np.asarray(group), return_inverse=True)
    if member.shape != time.shape or len(names) < 2:
        raise ValueError(f"{len(names)} groups of {len(member)} for {len(time)} times")
    excess, covariance = np.zeros(len(names)), np.zeros((len(names), len(names)))
    for moment in np.unique(time[event]):
        at_risk = np.bincount(member[time >= moment], minlength=len(names))
        events = np.bincount(member[(time == moment) & event], minlength=len(names))
        n, d = at_risk.sum(), events.sum()
        share = at_risk / n
        excess += events - d * share
        # Hypergeometric: d events among n patients, independent of the group.
        variance = d * (n - d) / max(n - 1, 1)
        covariance += variance * (np.diag(share) - np.outer(share, share))
    df = len(names) - 1
    # The excesses of all groups sum to 0, so one of them is redundant.
    chi2 = float(excess[1:] @ np.linalg.pinv(covariance[1:, 1:], hermitian=True) @ excess[1:])
    return LogRank(max(chi2, 0.0), df, chi_square_tail(max(chi2, 0.0), df))


def concordance(
    time: np.ndarray, event: np.ndarray, risk: np.ndarray, strata: np.ndarray | None = None
) -> float:
    """Return Harrell's C: the fraction of comparable pairs in which the earlier had more risk.

    Harrell et al., JAMA 1982;247:2543-2546. Equal risks count half; of equal times an event comes
    before censoring, and two events are no pair. `bootstrap` with `stratify=False` gives
    its interval.

    Args:
        time: (N,) 0 or later.
        event: (N,) 1 for an event, 0 for censoring.
        risk: (N,) higher for earlier events.
        strata: (N,) the network that gave the risk; pairs count within a stratum only.

    Raises:
        ValueError: as `kaplan_meier`, a risk is NaN, or no pair's order is known.
    """
    time, event = _checked(time, event)
    risk = np.asarray(risk, np.float64)
    if risk.shape != time.shape or np.isnan(risk).any():
        raise ValueError(f"{risk.shape} risks for {len(time)} times, or one is NaN")
    stratum = np.zeros(len(time)) if strata is None else np.asarray(strata)
    counts = np.zeros(2)  # concordant pairs, and comparable ones
    for number in np.unique(stratum):
        member = stratum == number
        counts += _ordered(time[member], event[member], risk[member])
    if not counts[1]:
        raise ValueError("no pair of patients has a known order")
    return float(counts[0] / counts[1])


def _ordered(time: np.ndarray, event: np.ndarray, risk: np.ndarray) -> tuple[float, int]:
    """The number of concordant pairs, ties half, and of comparable pairs."""
    event_time, event_risk = time[event][:, None], risk[event][:, None]
    pairs = (event_time < time) | ((event_time == time) & ~event)
    concordant = np.count_nonzero(pairs & (event_risk > risk))
    ties = np.count_nonzero(pairs & (event_risk == risk))
    return float(concordant + ties / 2), int(np.count_nonzero(pairs))


def _checked(time: np.ndarray, event: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    time, event = np.asarray(time, np.float64), np.asarray(event)
    if time.ndim != 1 or not len(time) or event.shape != time.shape:
        raise ValueError(f"times {time.shape} and events {event.shape} do not go together")
    if not (np.isfinite(time) & (time >= 0)).all():
        raise ValueError("a time is negative or missing")
    if not ((event == 0) | (event == 1)).all():
        raise ValueError("an event is neither 0 nor 1")
    return time, event == 1
