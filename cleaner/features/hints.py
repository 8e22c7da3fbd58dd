"""Words of the user's own: phrases that speak for or against lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cleaner.errors import UsageError

_PATTERN = re.compile(r"^/(.+)/$", re.DOTALL)


@dataclass(frozen=True)
class Hints:
    """The phrases of ``--drop-like`` and ``--keep-like``, as patterns.

    A phrase is found anywhere in a line, whatever its case and white space, where it does not cut a word in two;
    ``/…/`` is a regular expression.
    """

    drop: tuple[tuple[str, re.Pattern[str]], ...] = ()
    keep: tuple[tuple[str, re.Pattern[str]], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.drop or self.keep)

    def evidence(self, texts: Sequence[str]) -> npt.NDArray[np.int8]:
        """For each line 1 where a phrase marks debris, -1 where one marks article, 0 otherwise; keep wins over drop."""
        values = np.zeros(len(texts), dtype=np.int8)
        for line, text in enumerate(texts):
            if _first_match(self.keep, text) is not None:
                values[line] = -1
            elif _first_match(self.drop, text) is not None:
                values[line] = 1
        return values

    def phrase_for(self, text: str) -> str | None:
        """The user's phrase that a line matches, keep before drop; None where it matches none."""
        found = _first_match(self.keep, text)
        return found if found is not None else _first_match(self.drop, text)


def compile_hints(drop_like: Iterable[str], keep_like: Iterable[str]) -> Hints:
    """The hints of two lists of phrases; blank ones and those behind # are no phrases.

    Raises UsageError for a regular expression that is none.
    """
    return Hints(tuple(_compile(drop_like)), tuple(_compile(keep_like)))


def _compile(phrases: Iterable[str]) -> Iterable[tuple[str, re.Pattern[str]]]:
    for phrase in phrases:
        stripped = phrase.strip()
        if not stripped or stripped.startswith("#"):
            continue
        pattern = _PATTERN.match(stripped)
        try:
            yield stripped, re.compile(pattern.group(1) if pattern else _phrase_pattern(stripped), re.IGNORECASE)
        except re.error as error:
            raise UsageError(
                f"{stripped}: not a regular expression ({error}); a plain phrase needs no slashes"
            ) from None


def _phrase_pattern(phrase: str) -> str:
    escaped = r"\s+".join(map(re.escape, phrase.split()))
    before = r"(?<!\w)" if phrase[0].isalnum() else ""
    after = r"(?!\w)" if phrase[-1].isalnum() else ""
    return before + escaped + after


def _first_match(phrases: Iterable[tuple[str, re.Pattern[str]]], text: str) -> str | None:
    return next((phrase for phrase, pattern in phrases if pattern.search(text)), None)
