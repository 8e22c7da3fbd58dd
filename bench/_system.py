"""What a peer can do, however it runs: text of a page, at what cost, and a cache of what it gave."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench._data import GoldPage

CACHE = Path(__file__).parent / ".cache"


class TextMaker(Protocol):
    """What a table compares, ours or a peer. name: as in the tables."""

    @property
    def name(self) -> str: ...
    def texts(self, pages: Sequence[GoldPage]) -> list[str]: ...
    def cpu_s(self, pages: Sequence[GoldPage]) -> float: ...


@dataclass
class System:
    """A peer. name: as in the tables. distribution: what pip calls it. failures: ids of pages on which it failed."""

    name: str
    distribution: str
    failures: set[str] = field(default_factory=set, init=False)

    @property
    def version(self) -> str | None:
        """Its installed version, None where it cannot run."""
        raise NotImplementedError

    @property
    def recipe(self) -> tuple[str, ...]:
        """Files of this folder that say how it is called: where they change, it is another system to the cache."""
        raise NotImplementedError

    @property
    def why_missing(self) -> str:
        """Why it has no version."""
        return "not installed"

    def run(self, page: GoldPage) -> tuple[str | None, float]:
        """Its text for the page, None where it failed, and the CPU seconds that it took."""
        raise NotImplementedError

    def cpu_s(self, pages: Iterable[GoldPage]) -> float:
        """CPU seconds for the text of all the pages, one call each."""
        return sum(self.run(page)[1] for page in pages)

    def close(self) -> None:
        """Ends what it keeps running."""

    def texts(self, pages: Iterable[GoldPage], cache: Path | None = CACHE) -> list[str]:
        """What it gives for each page; kept under ``cache`` by its version, this code and the page's id."""
        path = cache / f"{self.name.replace(' ', '-')}-{self.version}-{self._recipe_hash()}.jsonl" if cache else None
        known = _read_cache(path)
        found = []
        new: list[tuple[str, str | None]] = []
        try:
            for page in pages:
                if page.id not in known:
                    known[page.id], _ = self.run(page)
                    new.append((page.id, known[page.id]))
                text = known[page.id]
                if text is None:
                    self.failures.add(page.id)
                found.append(text or "")
        finally:  # what an interrupted run has done is kept
            if path and new:
                _append_cache(path, new)
        return found

    def _recipe_hash(self) -> str:
        code = b"".join((Path(__file__).parent / name).read_bytes() for name in self.recipe)
        return hashlib.sha256(code).hexdigest()[:8]


def _read_cache(path: Path | None) -> dict[str, str | None]:
    if path is None or not path.exists():
        return {}
    with path.open(encoding="utf-8") as file:
        return dict(map(json.loads, file))


def _append_cache(path: Path, entries: Iterable[tuple[str, str | None]]) -> None:
    keep_out_of_git(path.parent)
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(entry) + "\n" for entry in entries)


def keep_out_of_git(folder: Path) -> None:
    """Makes the folder, whose contents go into no repository: the pages' texts belong to their publishers."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".gitignore").write_text("*\n", encoding="utf-8")
