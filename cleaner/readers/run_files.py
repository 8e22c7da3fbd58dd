"""What a run says of itself beside its articles, which no other run takes for an input."""

from __future__ import annotations

import re

RUN_FOLDER = "_run"
"""Below the output folder. Whatever reads a folder of shards passes over names that begin with an underscore."""
LEDGER = "ledger.sqlite"

_SIDE_FILES = frozenset({"_SUCCESS", "_removed.jsonl", "_errors.jsonl"})
_ACCOUNT = re.compile(rf"run\.json|report\.json|report\.html|{re.escape(LEDGER)}(-\w+)?")
# Spark writes the rejected in parts.
_SPARK_ERRORS = re.compile(r"part-.*\.json")
# Beside an output that is a file, such as articles.jsonl.
_ERRORS_OF_A_FILE = re.compile(r".+\.\w+\.errors\.jsonl")


def is_run_file(path: str) -> bool:
    """Whether a path, a URL or the name of a member of an archive is that of a file in which a run says what it did.

    Told by the last two parts of the name, so that the answer is the same however one comes to the file.
    """
    folder, name = ["", "", *re.split(r"[/\\]", path)][-2:]
    if folder == RUN_FOLDER and _ACCOUNT.fullmatch(name):
        return True
    if folder == "_errors" and _SPARK_ERRORS.fullmatch(name):
        return True
    return name in _SIDE_FILES or bool(_ERRORS_OF_A_FILE.fullmatch(name))
