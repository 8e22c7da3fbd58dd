"""Line rules of published web corpora: what cleaning by rule reaches, beside the model."""

from __future__ import annotations

import re
from collections.abc import Callable

# C4 (Raffel et al. 2020) as datatrove's C4QualityFilter applies it to a line; the document rules are left out.
_TERMINAL = (".", "?", "!", '"', "'")
_POLICY = (
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)

# RefinedWeb (Penedo et al. 2023), appendix on line-wise filtering; with the counters that later corpora added.
_COUNTER = re.compile(
    r"\W*\d[\d.,]*\s*[kmb]?\s+(?:likes|shares|comments|retweets|reposts|quotes|bookmarks|upvotes|downvotes|"
    r"downloads|views|followers)\W*",
    re.IGNORECASE,
)


def c4_keeps_without_punctuation(line: str) -> bool:
    """At least 3 words, no "javascript", no phrase of a cookie or privacy policy."""
    lowered = line.lower()
    return len(line.split()) >= 3 and "javascript" not in lowered and not any(phrase in lowered for phrase in _POLICY)


def c4_keeps(line: str) -> bool:
    """As above, and the line ends in one of . ? ! " ' but not in an ellipsis."""
    return line.endswith(_TERMINAL) and not line.endswith("...") and c4_keeps_without_punctuation(line)


def refinedweb_keeps(line: str) -> bool:
    """At least 2 words, at most half of the letters upper-case, not digits alone, not a counter ("12 likes")."""
    if len(line.split()) < 2 or _COUNTER.fullmatch(line):
        return False
    letters = [character for character in line if character.isalpha()]
    if not letters:
        return not any(character.isdigit() for character in line)
    return 2 * sum(map(str.isupper, letters)) <= len(letters)


RULES: dict[str, Callable[[str], bool]] = {
    "C4 line rule": c4_keeps,
    "RefinedWeb line rule": refinedweb_keeps,
    "both rules": lambda line: c4_keeps(line) and refinedweb_keeps(line),
    "C4 without punctuation": c4_keeps_without_punctuation,
}


def keep_by(rule: Callable[[str], bool], text: str) -> str:
    """The lines of a text that the rule keeps."""
    return "\n".join(line for line in text.split("\n") if rule(line))
