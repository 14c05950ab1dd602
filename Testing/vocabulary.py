"""Words that say nothing, or nothing to a stranger, and where the library's names still have them.

`python -m Testing.vocabulary` prints how many each package has, and which;
`python -m Testing.vocabulary imaging report/case.py` lists them, line by line.
`Testing/unit/test_vocabulary.py` refuses them.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

LIBRARY = Path(__file__).resolve().parents[1] / "LungSquadLib"
NOUN = "a noun for what it is"


def _each(table: dict[str, str]) -> dict[str, str]:
    """What is better for each of the words that share a line."""
    return {word: better for words, better in table.items() for word in words.split()}


# A name is wrong that has one of these among its parts: `answers`, `answers_of`, `Answers`.
PARTS = _each(
    {
        "telling": "leakage",
        "tell tells told say says said": "message, reported, format_*; of classes: distinguish",
        "ask asked hear heard": "requested, target_*, callbacks",
        "shown": "formatted, displayed, message",
        "twin twins": "duplicate samples",
        "disguise disguised": "augment, p_augment",
        "hollow hollows hole holes": "masked region, InpaintingDataset",
        "paint paints painted painter painting made_up": "inpaint, Inpainter, synthetic",
        "translate translation translator": "inpaint, inpainting, Inpainter",
        "ruler": "size measurement",
        "way ways": "staging method, direction",
        "others": f"comparators, {NOUN}",
        "beside": "reference scores",
        "novelty novelties unlike": "out-of-distribution score",
        "closeness nearer": "nearest-neighbour distance ratio",
        "outlook": "embedding",
        "grain": "noise texture",
        "ahead": "prefetcher",
        "leads agreed": "is_main_process, all_reduce_any, consensus",
        "taken": "pretrained",
        "unbalance": "prior correction",
        "dealt": "assigned (folds), permuted (labels)",
        "arm arms": "compared models",
        "alone": "single-source, *_only",
        "answer answers answered answering": "prediction, inference",
        "bundle bundling": "model file, export",
        "draft": "card",
        "material": "image set",
        "settled": "early_stopping_start",
        "warming": "kl_warm_up",
        "reach": "stride, quantile, radius, extent",
        "rebuilt": "reconstruction",
        "handover exchange": "temporary files for the worker",
        "likeness": "agreement",
    }
)
# A name is wrong that is one of these, apart from underscores at its ends.
WHOLE = _each(
    {
        "one own found it whom who whose there ours theirs mine everybody everyone": NOUN,
        "Order": "InpaintingRequest",
        "world": "distributed context",
        "copies": "memorised images",
        "begin_at": "init_output_bias",
        "cool": "fold_temperature",
        "shares": "class priors, fractions",
        "spread spreads": "interval, standard deviation, covariance",
        "place places": "device, directory, path, position, index",
        "memory": "optimizer_state",
    }
)
# Where they are right: holes of contours and gaps in a stack, what draws a phantom, and in Slicer
# copies of a CT for the worker, files beside others and names that are taken.
RIGHT_IN = {
    "hole": ("imaging",),
    "holes": ("imaging",),
    "paint": ("phantom",),
    "copies": ("mrml",),
    "beside": ("mrml",),
    "taken": ("mrml",),
    "answer": ("report/classifier/metrics_score.py",),  # to the questions of METRICS
}
# Of the command line: verbs, options, and what help must not say.
VERBS = {
    "click": "segment",
    "test": "validate",
    "synthesise": "inpaint",
    "vae": "autoencoder",
    "walk": "interpolate",
    "translate": "inpainting",
    "integrate": "integration",
}
OPTIONS = {
    "--allow-telling": "--allow-leakage",
    "--beside": "--reference-scores",
    "--test": "--external-test, --test-fraction",
    "--shuffled": "--permuted-labels",
    "--curve": "--learning-curve",
    "--unbalanced": "--no-class-weights",
    "--both-ways": "--both-directions",
    "--leave-out": "--exclude-columns",
    "--inner": "--inner-folds",
    "--branch": "--branch-width",
    "--truncate": "--truncation",
    "--mlp": "--predictions",
}
# In a sentence these are plain English.
PLAIN = {"alone", "arm", "arms", "ask", "beside", "others", "say", "says", "shown", "taken", "way"}
PHRASES = {
    "made up": "synthetic",
    "whom": "the noun",
    "hangs on": "depends on",
    "hang on": "depend on",
    "goes by": "uses",
    **{word: better for word, better in PARTS.items() if word not in PLAIN},
}
_PHRASE = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, PHRASES))})(?![\w-])", re.IGNORECASE)


@dataclass(frozen=True)
class Finding:
    """A name, file name, verb, option or text with a word of the lists."""

    file: str
    line: int
    name: str
    word: str
    better: str

    @property
    def package(self) -> str:
        """The folder of the file; the file where it is in no package."""
        return self.file.rpartition("/")[0] or self.file

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.name!r} has '{self.word}'; better: {self.better}"


def within(file: str, package: str) -> bool:
    """Whether a file is the package or in it."""
    return file == package or file.startswith(f"{package}/")


def findings(root: Path = LIBRARY, packages: Sequence[str] = ("",)) -> list[Finding]:
    """Wrong words in the packages below `root`, in all where none are named, by file and line."""
    result: list[Finding] = []
    for path in sorted(root.rglob("*.py")):
        file = path.relative_to(root).as_posix()
        if any(package in ("", ".") or within(file, package) for package in packages):
            result += sorted(_of_file(path, file), key=lambda finding: finding.line)
    return result


def _of_file(path: Path, file: str) -> Iterator[Finding]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    stem = path.parent.name if path.stem == "__init__" else path.stem
    for line, name in [(1, stem), *_defined(tree)]:
        for word, better in wrong_words(name, file):
            yield Finding(file, line, name, word, better)
    if within(file, "cli"):
        verb = stem.removeprefix("train_")
        if verb in VERBS and verb not in PARTS:
            yield Finding(file, 1, stem, verb, VERBS[verb])
        yield from _verbs(tree, file)
        yield from _texts([tree], file)
    else:
        yield from _texts(_helps(tree), file)
    yield from _options(tree, file)


def _defined(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Names that a file defines: functions, classes, arguments, attributes, variables, aliases."""
    for node in ast.walk(tree):
        match node:
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
                | ast.Name(id=name, ctx=ast.Store())
                | ast.arg(arg=name)
                | ast.Attribute(attr=name, ctx=ast.Store())
                | ast.ExceptHandler(name=str(name))
                | ast.MatchAs(name=str(name))
                | ast.MatchStar(name=str(name))
            ):
                yield node.lineno, name
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                yield from ((node.lineno, alias.asname) for alias in aliases if alias.asname)


def wrong_words(name: str, file: str = "") -> Iterator[tuple[str, str]]:
    """Words of the lists in a name, each with what is better."""
    bare = name.strip("_")
    parts = [part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", bare)]
    whole = bare if bare in WHOLE else "_".join(parts)
    words = {whole: WHOLE[whole]} if whole in WHOLE else {}
    words |= {part: PARTS[part] for part in parts if part in PARTS}
    if "_made_up_" in f"_{'_'.join(parts)}_":
        words["made_up"] = PARTS["made_up"]
    for word, better in words.items():
        if not any(within(file, package) for package in RIGHT_IN.get(word, ())):
            yield word, better


def _verbs(tree: ast.AST, file: str) -> Iterator[Finding]:
    """Old verbs: of `add_parser`, and keys of the table VERBS."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="add_parser"), args=[verb, *_]):
                verbs = [verb]
            case ast.Assign(targets=[ast.Name(id="VERBS")], value=ast.Dict(keys=keys)):
                verbs = keys
            case _:
                continue
        for verb in verbs:
            if isinstance(verb, ast.Constant) and verb.value in VERBS:
                yield Finding(file, verb.lineno, verb.value, verb.value, VERBS[verb.value])


def _options(tree: ast.AST, file: str) -> Iterator[Finding]:
    """Old options that are made from the fields of a dataclass: `shuffled: bool = option(...)`."""
    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign(
                target=ast.Name(id=name),
                value=ast.Call(func=ast.Name(id="option")),
            ):
                flag = f"--{name.replace('_', '-')}"
                if flag in OPTIONS:
                    yield Finding(file, node.lineno, name, flag, OPTIONS[flag])


def _helps(tree: ast.AST) -> Iterator[ast.AST]:
    """Arguments of any call that are help or the name of an option."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in ("help", "flag"):
            yield node.value


def _texts(trees: Iterable[ast.AST], file: str) -> Iterator[Finding]:
    """Old options, and texts for users (of more than one word) that have a phrase of the list."""
    nodes = [node for tree in trees for node in ast.walk(tree)]
    docstrings = [
        node.body[0].value
        for node in nodes
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node)
    ]
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
            if text in OPTIONS:
                yield Finding(file, node.lineno, text, text, OPTIONS[text])
            elif " " in text and node not in docstrings:
                for word in dict.fromkeys(word.lower() for word in _PHRASE.findall(text)):
                    yield Finding(file, node.lineno, text[:40], word, PHRASES[word])


def main(packages: Sequence[str], root: Path = LIBRARY) -> None:
    """Print each finding in some packages, or how many each package has, and of which words."""
    if packages:
        print(*findings(root, packages), sep="\n")
        return
    result = findings(root)
    for package in sorted({finding.package for finding in result}):
        _print_counts(package, [each for each in result if each.package == package])
    _print_counts("all", result)


def _print_counts(package: str, result: Sequence[Finding]) -> None:
    counts = Counter(finding.word for finding in result).most_common()
    words = ", ".join(f"{word} {count}" for word, count in counts)
    print(f"{package:20} {len(result):5}  {words}")


if __name__ == "__main__":
    main(sys.argv[1:])
