"""The list of faults: one a line of the `.tsv` files beside this one."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]


@dataclass(frozen=True)
class Fault:
    """In `file`, `old` becomes `new`; one of `tests` (arguments of pytest) then has to fail."""

    file: str
    old: str
    new: str
    tests: str
    where: str  # the line of the list, for messages

    @property
    def area(self) -> str:
        return self.where.split(".")[0]

    def __str__(self) -> str:
        return f"{self.file}: {self.old.strip()!r} -> {self.new.strip()!r}"

    def source(self, root: Path = ROOT) -> str:
        """The file with the fault in it; ValueError unless it applies to exactly one place."""
        path = root / self.file
        if not path.is_file():
            raise ValueError(f"{self.where}: there is no file {self.file}")
        text = path.read_text(encoding="utf-8")
        if (times := text.count(self.old)) != 1:
            raise ValueError(
                f"{self.where}: {self.old!r} is {times} times in {self.file}, not once"
            )
        if self.old == self.new:
            raise ValueError(f"{self.where}: the fault changes nothing")
        return text.replace(self.old, self.new)

    @contextmanager
    def applied(self, root: Path):
        """The tree with the fault in it, and afterwards without."""
        path = root / self.file
        sound = path.read_bytes()
        write(path, self.source(root).encode())
        try:
            yield
        finally:
            write(path, sound)


def write(path: Path, content: bytes) -> None:
    """Python knows a compiled file by second and size, which two versions may share."""
    Path(cache_from_source(str(path))).unlink(missing_ok=True)
    path.write_bytes(content)


def read(folder: Path = FOLDER) -> list[Fault]:
    """All faults, by area; ValueError for a line that is none."""
    faults = []
    for path in sorted(folder.glob("*.tsv")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if not line.strip() or line.startswith("#"):
                continue
            cells = line.split("\t")
            if len(cells) != 4 or not all((cells[0], cells[1], cells[3])):
                raise ValueError(f"{path.name}:{number}: not file, old, new and tests, by tabs")
            faults.append(Fault(*cells, where=f"{path.name}:{number}"))
    return faults


def check(fault: Fault, root: Path = ROOT) -> None:
    """ValueError for a fault that no longer applies, is no Python, or whose tests are gone."""
    source = fault.source(root)
    if fault.file.endswith(".py"):
        try:
            compile(source, fault.file, "exec")
        except SyntaxError as error:
            raise ValueError(f"{fault.where}: with the fault the file is no Python") from error
    for test in (word for word in fault.tests.split() if not word.startswith("-")):
        file, *names = test.split("::")
        path = root / file
        if not path.exists():
            raise ValueError(f"{fault.where}: there is no test file {file}")
        for name in names:
            plain = name.split("[")[0]
            text = path.read_text(encoding="utf-8")
            if f"def {plain}(" not in text and f"class {plain}" not in text:
                raise ValueError(f"{fault.where}: there is no test {plain} in {file}")
