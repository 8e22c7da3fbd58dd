"""The files of ``--drop-like`` and ``--keep-like``."""

from __future__ import annotations

from pathlib import Path

from cleaner.errors import InputError


def read_phrases(path: Path | None) -> tuple[str, ...]:
    """The phrases of a file, one a line, without blank lines; raises InputError for a file that cannot be read."""
    if path is None:
        return ()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 (byte {error.start}); phrases are read as UTF-8, one a line") from error
    return tuple(phrase for row in text.split("\n") if (phrase := row.strip()))
