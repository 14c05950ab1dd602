"""The command line: it parses arguments, calls the library and prints a table or JSON.

Exit codes: 0; 1 if the work was done with a negative result (a check has findings, or not one case
of many could be read); 2 for wrong usage or input, with one sentence on standard error. `--debug`
shows the traceback.
"""

from __future__ import annotations

import argparse
import gc
import signal
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import NoReturn

from ..errors import FaultError, need, one_line, understood
from ..pipeline.options import check_common, refuse_empty, threads_of
from .output import accept_any_text, drop_output, flush_output, printable, quiet_libraries

VERBS = {
    "demo": "the whole analysis of a phantom patient, or of a CT with its mask",
    "inspect": "series, ROIs, segments, sizes and volumes of a folder or file",
    "segment": "mask proposed from a point in the tumour",
    "describe": "description of a nodule as radiologists give it",
    "crop": "cube of CT and mask around the tumour",
    "slices": "axial slices that contain tumour, as arrays and PNG",
    "radiomics": "radiomic features of the IBSI standard, and their robustness",
    "predict": "prediction with its uncertainty, and a report",
    "batch": "predictions for every row of a table, in several processes, resumable",
    "cohort": "store of many patients: build, check, show; public and phantom patients",
    "tables": "clinical, molecular and image tables of the same patients: check, join, simulate",
    "train": "training of a network, with its evaluation",
    "gan": "synthetic images: training slices, samples, interpolation, audit",
    "autoencoder": "clusters of new patients by a variational autoencoder",
    "validate": "external validation of a classifier on a store",
    "evaluate": "metrics and figures from a table of labels and scores",
    "stage": "T stage by tumour size, by models of tables, and as reported",
    "compare": "comparison of training runs on the same patients",
    "report": "report of a finished case, rendered again",
    "inpaint": "synthetic tumour in a CT, at the place of a mask",
    "reproduce": "public studies, from their data to a report",
    "models": "models: list, show, fetch, import, verify, train",
    "doctor": "installed and missing packages, and what to do",
}

_WRITE_A_FILE = frozenset(
    (
        *("crop", "segment", "report", "interpolate", "assign", "import-keras", "shapes"),
        *("radiomics", "import-encoder"),
    )
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    accept_any_text()
    if argv is None:  # this process is the command's: SIGTERM lets it clean up
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        gc.set_threshold(50_000)  # imports leave no garbage, and looking for it takes 0.3 s of CPU
    try:
        arguments = _parser(words).parse_args(words)
        refuse_empty(words)
        verbs = (arguments.verb, getattr(arguments, "inner_verb", None))
        check_common(arguments, out_is_file=not _WRITE_A_FILE.isdisjoint(verbs))
        with nullcontext() if debug else quiet_libraries(), _threads(threads_of(arguments)):
            code = int(arguments.run(arguments) or 0)
        flush_output()
        return code
    except SystemExit as end:  # argparse has printed an error or the help
        return int(end.code or 0)
    except KeyboardInterrupt:
        return _refuse("Cancelled.", 130)
    except BrokenPipeError:  # the reader of the output has ended
        drop_output()
        return 0
    except Exception as error:
        if debug:
            raise
        drop_output()
        reported = understood(error)
        hint = " Run it with --debug to see where." if isinstance(reported, FaultError) else ""
        return _refuse(f"{reported}{hint}", reported.exit_code)


def _threads(count: int | None) -> AbstractContextManager[None]:
    """Set the number of threads of the networks; torch is imported only if one is given."""
    if count is None:
        return nullcontext()
    need("torch")
    from ..networks.devices import thread_count

    return thread_count(count)


def _refuse(sentence: str, code: int) -> int:
    print(f"lungsquad: {printable(sentence)}", file=sys.stderr)
    return code


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {one_line(message, most=1000)} (see {self.prog} --help)\n")


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser; only the module of the wanted verb is imported."""
    from .. import __version__

    parser = _Parser(
        prog="lungsquad",
        description="From a chest CT and a tumour mask to a prediction with its uncertainty and a "
        "report. Research software, not a medical device.",
    )
    parser.add_argument("--version", action="version", version=f"lungsquad {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, summary in VERBS.items():
        verb = verbs.add_parser(name, help=summary, description=summary[0].upper() + summary[1:])
        verb.add_argument("--debug", action="store_true", help="show the traceback of an error")
        if name in words:
            module = import_module(f".{name}", __name__)
            module.add_arguments(verb)
            if hasattr(module, "run"):  # else each of its verbs has its own
                verb.set_defaults(run=module.run)
    return parser
