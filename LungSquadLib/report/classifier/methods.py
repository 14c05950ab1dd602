"""The methods of an evaluation as a paragraph to paste into a paper, with its citations.

Citations are keys of `references.bib` in Pandoc's notation, `[@delong1988]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from ... import __version__
from ...evaluation.classifier.results import Evaluation, StudyDescription
from ...evaluation.classifier.table import format_name
from ...models.card import NetworkSpec
from ..page import RESEARCH

_REFERENCES = Path(__file__).parent / "references.bib"
_ENTRY = re.compile(r"^@\w+\{(\w+),$.*?^\}$", re.MULTILINE | re.DOTALL)
_KEY = re.compile(r"@(\w+)")


def methods_text(evaluation: Evaluation, study: StudyDescription | None = None) -> str:
    """Return the methods as one paragraph of Markdown; what is not known is not said."""
    sentences = [*_of_study(study or StudyDescription()), *_of_evaluation(evaluation)]
    return " ".join(sentences) + "\n"


def cited_references(text: str) -> str:
    """Return the BibTeX entries that a text cites, in the order of `references.bib`.

    Raises:
        KeyError: the text cites a key that is not there.
    """
    entries = _entries()
    cited = {
        key for group in re.findall(r"\[(@\w+(?:; @\w+)*)\]", text) for key in _KEY.findall(group)
    }
    if missing := cited - entries.keys():
        raise KeyError(f"references.bib has no {', '.join(sorted(missing))}")
    return "\n\n".join(entry for key, entry in entries.items() if key in cited) + "\n"


@cache
def _entries() -> dict[str, str]:
    text = _REFERENCES.read_text(encoding="utf-8")
    return {match[1]: match[0] for match in _ENTRY.finditer(text)}


def _of_study(study: StudyDescription) -> Iterator[str]:
    card = study.card
    if study.data:
        yield f"Data: {_sentence(study.data)}"
    if study.patients:
        parts = ", ".join(f"{count} for {part}" for part, count in study.patients.items())
        seeds = f", seeds {', '.join(map(str, study.seeds))}" if study.seeds else ""
        split = f" (split {study.split_hash}{seeds})" if study.split_hash else ""
        yield f"Patients were divided into {escaped(parts)}{split}."
    if study.excluded:
        excluded = "; ".join(f"{count} for {why}" for why, count in study.excluded)
        yield f"Cases left out before: {_sentence(excluded)}"
    if study.preprocessing:
        yield f"Preprocessing: {_sentence(study.preprocessing)}"
    if study.network:
        yield f"Network: {_sentence(study.network)}"
    if card is not None and _is_hosnys(card.network):
        yield f"Its trunk is that of Hosny et al. {_cite('hosny2018')}."
    versions = ", ".join(f"{name} {version}" for name, version in study.software.items())
    yield f"Software: {versions or f'LungSquad {__version__}'} [@lungsquad]. {RESEARCH}"


def _is_hosnys(network: NetworkSpec) -> bool:
    trunk = network.arguments.get("trunk", "prognosis")
    return network.name == "prognosis" or (network.name == "transfer" and trunk == "prognosis")


def _of_evaluation(evaluation: Evaluation) -> Iterator[str]:
    counts = evaluation.counts
    patients = "" if counts.patients is None else f" of {counts.patients} patients"
    label = format_name(evaluation.columns.label)
    yield f"{counts.used} of {counts.rows} rows{patients} with '{escaped(label)}' were evaluated."
    if (discrimination := evaluation.discrimination) is not None:
        keys = ["delong1988"]
        keys += ["obuchowski1997"] if counts.patients not in (None, counts.used) else []
        keys += ["forman2010"] if counts.folds else []
        within = ", of pairs within folds" if counts.folds else ""
        method = discrimination.auc.method
        how = f" ({escaped(method)})" if method else ""
        yield (
            f"Discrimination was measured by the area under the ROC curve{within}, with intervals "
            f"of 95 %{how} {_cite(*keys)}, and by average precision."
        )
    if evaluation.baselines:
        names = ", ".join(f"'{escaped(format_name(each.name))}'" for each in evaluation.baselines)
        yield f"It was compared with {names} by the difference of the areas {_cite('delong1988')}."
    if (calibration := evaluation.calibration) is not None:
        yield (
            f"Calibration was assessed by the Brier score {_cite('brier1950')}, intercept and "
            f"slope {_cite('cox1958')}, a calibration curve and the expected calibration error "
            f"{_cite('vancalster2019')}."
        )
        if calibration.temperature is not None:
            yield f"A temperature was fitted on validation rows {_cite('guo2017')}."
    if evaluation.decision is not None:
        yield f"Net benefit was computed by decision curve analysis {_cite('vickers2006')}."
    if evaluation.survival is not None:
        yield (
            f"Survival above and below the score's threshold was estimated {_cite('kaplan1958')}, "
            f"compared by the log-rank test {_cite('mantel1966')}, and ranked by the concordance "
            f"index {_cite('harrell1982')}."
        )
    yield (
        f"Reporting follows TRIPOD+AI and CLAIM {_cite('tripodai', 'claim')}; METRICS "
        f"{_cite('metrics')} is filled in as far as the evaluation knows."
    )


def _cite(*keys: str) -> str:
    return f"[{'; '.join(f'@{key}' for key in keys)}]"


def _sentence(text: str) -> str:
    sentence = escaped(text.strip())
    return sentence if sentence.endswith(".") else f"{sentence}."


def escaped(text: str) -> str:
    """Escape text for Markdown; '@' would begin a citation."""
    return re.sub(r"([\\`*_{}\[\]<>#|@])", r"\\\1", text)
