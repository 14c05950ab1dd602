"""What the numbers of an expression matrix are, guessed from the numbers."""

from __future__ import annotations

import numpy as np

_AT_MOST = 2_000_000  # numbers that are looked at
COUNTED = ("counts (guessed)", "FPKM or TPM (guessed)")  # what no logarithm was taken of
_LOGS = 40.0  # a logarithm to base 2 of a count or of a TPM is below it


def scale_of(values: np.ndarray) -> str:
    """Counts, FPKM or TPM, logarithms or z-scores, with the word "guessed".

    Args:
        values: (patients, genes), NaN where nothing is known.
    """
    known = values[:, :: max(values.size // _AT_MOST, 1)]
    known = known[:, ~np.isnan(known).all(0)].astype(np.float64)
    if not known.size:
        return "unknown"
    if np.nanmin(known) < 0:
        means, spreads = np.nanmean(known, 0), np.nanstd(known, 0)
        scores = np.median(np.abs(means)) < 0.1 and abs(np.median(spreads) - 1) < 0.1
        return "z-scores (guessed)" if scores else "logarithms or differences (guessed)"
    if np.nanmax(known) <= _LOGS:
        return "logarithms (guessed)"
    whole = np.isnan(known) | (known == np.rint(known))
    return COUNTED[0] if whole.all() else COUNTED[1]
