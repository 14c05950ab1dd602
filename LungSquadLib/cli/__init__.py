"""The command line: arguments in, a library call, a table or JSON out.

Exit codes: 0; 1 where the work was done and its result is no: a check found something, or not one
case of many could be read; 2 for wrong usage or input, with one sentence on standard error.
`--debug` shows the traceback.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import NoReturn

from ..errors import FaultError, need, one_line, understood
from ..pipeline.arguments import check_common, refuse_empty, threads_of
from .output import printable
from .streams import accept_any_text, drop_output, flush_output, quiet_libraries

VERBS = {
    "demo": "the whole job on a phantom patient, or on your own CT and mask",
    "inspect": "what a folder or file holds: series, ROIs, segments, sizes, volumes",
    "segment": "propose a mask from a point in the tumour",
    "crop": "a cube of CT and mask round the tumour",
    "slices": "the axial slices that contain tumour, as arrays and PNG",
    "predict": "crop, prediction with its uncertainty, and report",
    "batch": "predict for every row of a table, in several processes, resumable",
    "cohort": "many patients in one checked store: build, check, show; phantoms to try it on",
    "tables": "clinical, molecular and image tables of the same patients: check, join",
    "train": "train a network on a store, cross-validated, with its evaluation",
    "gan": "generated images: slices to train on, samples, interpolations, and how good they are",
    "autoencoder": "groups that a variational autoencoder found: those of new patients",
    "validate": "a model's answers on a store, and their evaluation",
    "evaluate": "how good a score is: a table of labels and scores in, numbers and figures out",
    "stage": "the T stage by size, and beside it by models of tables and as reported",
    "compare": "training runs side by side on the same patients",
    "report": "make the report of a finished case again",
    "inpaint": "paint a tumour into a CT where a mask says",
    "models": "list, show, import, verify and train models",
    "doctor": "what is installed, what is missing, what to do",
}


_WRITE_A_FILE = frozenset(("crop", "segment", "report", "interpolate", "assign", "import-keras"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    accept_any_text()
    if arguments is None:  # the process is ours: let it clean up when it is told to end
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        options = _parser(given).parse_args(given)
        refuse_empty(given)
        check_common(options, out_is_file=not _WRITE_A_FILE.isdisjoint(_verbs(options)))
        with nullcontext() if debug else quiet_libraries(), _threads(threads_of(options)):
            code = int(import_module(f".{options.verb}", __name__).run(options) or 0)
        flush_output()
        return code
    except SystemExit as end:  # argparse has said what is wrong, or shown its help
        return int(end.code or 0)
    except KeyboardInterrupt:
        return _refuse("Cancelled.", 130)
    except BrokenPipeError:  # whoever read the output has seen enough
        drop_output()
        return 0
    except Exception as error:
        if debug:
            raise
        drop_output()
        told = understood(error)
        hint = " Run it with --debug to see where." if isinstance(told, FaultError) else ""
        return _refuse(f"{told}{hint}", told.exit_code)


def _verbs(options: argparse.Namespace) -> Iterator[str]:
    """The verb, and that of a verb with verbs of its own."""
    for name, value in vars(options).items():
        if name == "verb" or name.endswith("_verb"):
            yield value


def _threads(count: int | None) -> AbstractContextManager[None]:
    """So many threads for networks; torch is imported only where a number was asked for."""
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


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    """The parser; of the verbs' modules only the one that is wanted is imported."""
    from .. import __version__

    parser = _Parser(
        prog="lungsquad",
        description="From a chest CT and a tumour outline to a checked crop, a prediction with "
        "its uncertainty, and a report. Research software, not a medical device.",
    )
    parser.add_argument("--version", action="version", version=f"lungsquad {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, summary in VERBS.items():
        verb = verbs.add_parser(name, help=summary, description=summary[0].upper() + summary[1:])
        verb.add_argument("--debug", action="store_true", help="show the traceback of an error")
        if name in given:
            import_module(f".{name}", __name__).add_arguments(verb)
    return parser
