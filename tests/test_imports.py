"""What is imported when, and who may import whom."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "cleaner"

# From the bottom up; a module may import what stands below its own row, and others of its own room.
LAYERS = (
    {"errors", "labels", "markdown"},
    {"ipc", "memory", "options", "remote", "types"},
    {"record", "verdict"},
    {"extract", "readers", "writers"},
    {"features"},
    {"assemble", "model"},
    {"arrow"},
    {"judging"},
    {"pipeline"},
    {"api", "crawl", "learn"},
    {"batch"},
    {"integrations", "web"},
    {"cli"},
    {"__main__"},
)
LEVELS = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
MODULES = sorted(
    path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if path.parent.name != "_models"
)
HEAVY = ("sklearn", "scipy", "pandas", "trafilatura", "joblib", "pyarrow", "fastwarc", "fsspec")


def room_of(module: str) -> str:
    """The room that ``cleaner/extract/text.py`` or ``cleaner.extract.text`` lies in."""
    return module.removeprefix("cleaner.").removesuffix(".py").replace(".", "/").split("/")[0]


def imported_rooms(path: Path) -> Iterator[tuple[str, int]]:
    """Rooms that a module imports, at its top or inside a function, with the row; imports for types alone are not
    among them."""
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from ((room_of(name.name), node.lineno) for name in node.names if name.name.startswith("cleaner."))
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            if node.module == "cleaner":
                yield from ((name.name, node.lineno) for name in node.names if name.name in LEVELS)
            elif node.module and node.module.startswith("cleaner."):
                yield room_of(node.module), node.lineno


@pytest.mark.parametrize("module", [module for module in MODULES if module != "__init__.py"])
def test_imports_point_down(module: str) -> None:
    room = room_of(module)
    assert room in LEVELS, f"give {room} a place in LAYERS"
    wrong = [
        f"cleaner/{module}:{row} imports {other}"
        for other, row in imported_rooms(PACKAGE / module)
        # What lies on the same level may be used inside its own room, and at the very bottom.
        if other != room and LEVELS[other] >= LEVELS[room] and LEVELS[room] > 0
    ]
    assert not wrong


def modules_after(*arguments: str) -> set[str]:
    """Names of the modules that are loaded when the command line has run in a new process."""
    program = (
        "import sys\nfrom cleaner.cli import main\ntry:\n    main(sys.argv[1:])\n"
        "except SystemExit as exit_:\n    assert not exit_.code, exit_.code\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        check=True,
    )
    assert finished.stdout
    return {name.split(".")[0] for name in finished.stderr.decode().splitlines()}


def test_help_loads_neither_numpy_nor_anything_as_heavy() -> None:
    assert not modules_after("--help") & {*HEAVY, "numpy", "rich", "pydantic", "orjson"}


@pytest.mark.parametrize("name", ["story.txt", "stories.jsonl"])
def test_cleaning_a_text_loads_no_training_and_no_page_library(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text('{"text": "The bridge reopened."}\n' if name.endswith("l") else "The bridge reopened.\n")
    loaded = modules_after("clean", str(path))
    assert "numpy" in loaded
    assert not loaded & {*HEAVY, "lxml", "rich", "pydantic", "multiprocessing"}
