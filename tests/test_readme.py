"""Every fenced block of README.md and CONTRIBUTING.md is true: commands and Python are run, the article is cleaned.

``console`` blocks: lines after ``$ `` (and ``> ``, where a command goes on) are run by bash; what follows is compared
with their standard output, where anything follows. ``python`` blocks are run, and the comments behind their ``print``
calls compared with what is printed. ``diff`` blocks show the article in seeds/. In all of them … stands for
anything that is left out: inside a line for its rest or middle, alone on a line for any number of lines.
The blocks of one file share a folder and run in order.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import cleaner
from cleaner.labels import LABELS
from cleaner.types import RECORD_FIELDS

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = ("README.md", "CONTRIBUTING.md")
ARTICLE = ROOT / "seeds" / "000_07fcfd80d63e62e1.txt"


@dataclass(frozen=True)
class Block:
    document: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}:{self.language}"


def blocks_of(document: str) -> Iterator[Block]:
    source = (ROOT / document).read_text(encoding="utf-8")
    for match in re.finditer(r"^```(\w*)\n(.*?)^```$", source, re.M | re.S):
        yield Block(document, source.count("\n", 0, match.start()) + 1, match[1], match[2])


BLOCKS = [block for document in DOCUMENTS for block in blocks_of(document)]


def blocks_in(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


def as_pattern(shown: str) -> str:
    """A regular expression for what a block shows, in which … stands for anything."""
    rows = [r"(?:.*\n)*?" if row == "…" else re.escape(row).replace("…", ".*") + "\n" for row in shown.splitlines()]
    return "".join(rows)


def assert_shows(shown: str, actual: str) -> None:
    if not actual.endswith("\n"):
        actual += "\n"
    assert re.fullmatch(as_pattern(shown), actual), f"shown:\n{shown}\nprinted:\n{actual}"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One folder a document, with what a checkout holds for users; nothing is written into the checkout itself."""
    made = {}
    for document in DOCUMENTS:
        made[document] = tmp_path_factory.mktemp("readme")
        for name in ("seeds", "data"):
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, made[document] / name)
    return made


@pytest.fixture
def folder(block: Block, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folders[block.document])
    return folders[block.document]


def commands_of(block: Block) -> list[tuple[str, str]]:
    """Each command of a console block beside the output shown for it."""
    commands: list[tuple[str, str]] = []
    for row in block.text.splitlines():
        if row.startswith("$ "):
            commands.append((row[2:], ""))
        elif row.startswith("> ") or row == ">":
            commands[-1] = (f"{commands[-1][0]}\n{row[2:]}", "")
        else:
            command, shown = commands[-1]
            commands[-1] = (command, f"{shown}{row}\n")
    return commands


def run_shell(command: str, folder: Path) -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**os.environ, "PATH": path, "COLUMNS": "100"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, f"{command}\nended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_documents_hold_no_fenced_block_that_nothing_runs() -> None:
    assert {block.language for block in BLOCKS} == {"console", "diff", "python"}


@pytest.mark.skipif(shutil.which("bash") is None, reason="the README's commands are written for bash")
@pytest.mark.parametrize("block", blocks_in("console"), ids=str)
def test_the_commands_print_what_the_documents_show(block: Block, folder: Path) -> None:
    for command, shown in commands_of(block):
        printed = run_shell(command, folder)
        if shown:
            assert_shows(shown, printed)


@pytest.mark.parametrize("block", blocks_in("python"), ids=str)
def test_the_python_prints_what_its_comments_say(
    block: Block, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exec(compile(block.text, str(block), "exec"), {"__name__": "readme"})
    shown = re.findall(r"print\(.*\)  # (.*)$", block.text, re.M)
    assert shown, "a block without a print shows nothing"
    assert_shows("\n".join(shown) + "\n", capsys.readouterr().out)


@pytest.mark.parametrize("block", blocks_in("diff"), ids=str)
def test_the_article_before_and_after_is_the_one_in_seeds(block: Block) -> None:
    article = cleaner.clean(ARTICLE.read_text(encoding="utf-8"))
    actual = "".join(f"{' ' if line.kept else '-'} {line.text}\n" for line in article.lines)
    assert_shows(block.text, actual)


def test_the_article_loses_its_four_lines_of_debris_and_nothing_else() -> None:
    article = cleaner.clean(ARTICLE.read_text(encoding="utf-8"))
    assert [line.text.split(":")[0] for line in article.removed] == ["Adjust Comment Print", *3 * ["More news"]]


def test_the_table_of_classes_names_all_of_them_in_order() -> None:
    source = (ROOT / "README.md").read_text(encoding="utf-8")
    assert tuple(re.findall(r"^\| `(\w+)` \| (?:kept|dropped) \|", source, re.M)) == LABELS


def test_the_table_of_the_record_names_all_of_its_fields() -> None:
    source = (ROOT / "README.md").read_text(encoding="utf-8")
    section = source.split("## Record out\n")[1].split("\n## ")[0]
    named = {name for row in re.findall(r"^\| (`.*?) \|", section, re.M) for name in re.findall(r"`(\w+)`", row)}
    assert named == set(RECORD_FIELDS)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_files_that_the_documents_link_to_exist(document: str) -> None:
    source = (ROOT / document).read_text(encoding="utf-8")
    links = [target.split("#")[0] for target in re.findall(r"\]\((?!https?:)([^)]+)\)", source)]
    assert [target for target in links if target and not (ROOT / target).exists()] == []
