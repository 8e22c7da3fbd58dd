"""Files behind URLs (``s3://``, ``gs://``, ``memory://``), by fsspec."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from cleaner.errors import InputError, MissingExtraError

# One letter before the colon is a drive.
_URL = re.compile(r"[a-z][a-z0-9+.-]+(?:::[a-z][a-z0-9+.-]+)*://", re.IGNORECASE)
_MAGIC = re.compile(r"[*?\[]")


def is_url(path: str) -> bool:
    return bool(_URL.match(path))


def open_url(url: str, mode: str = "rb") -> BinaryIO:
    """The open file; raises OSError as `open` does, MissingExtraError, InputError."""
    with _errors_of(url):
        file_system, path = file_system_of(url)
        file: BinaryIO = file_system.open(path, mode)
        return file


def size_of(url: str) -> int:
    """Size in bytes; 0 where the place does not tell. Raises OSError."""
    with _errors_of(url):
        file_system, path = file_system_of(url)
        return int(file_system.info(path).get("size") or 0)


def find_urls(url: str) -> tuple[list[str], str | None]:
    """The files that a URL stands for, sorted, and the folder where it is one; none where there is no such thing."""
    with _errors_of(url):
        file_system, path = file_system_of(url)
        if _MAGIC.search(path):
            matches = [match for match in file_system.glob(path) if file_system.isfile(match)]
            return [file_system.unstrip_protocol(match) for match in sorted(matches)], None
        if file_system.isfile(path):
            return [url], None
        found = [file_system.unstrip_protocol(name) for name in sorted(file_system.find(path))]
        return found, file_system.unstrip_protocol(path).rstrip("/") if found else None


def file_system_of(url: str) -> tuple[Any, str]:
    """The store that a URL leads to, and the path in it. Raises MissingExtraError, InputError."""
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise MissingExtraError("fsspec", "cloud") from error
    with _errors_of(url):
        file_system, path = url_to_fs(url)
        return file_system, path


@contextmanager
def _errors_of(url: str) -> Iterator[None]:
    """What a store raises, in terms of ours: some have errors of their own."""
    try:
        yield
    except (OSError, InputError, MissingExtraError):
        raise
    except ImportError as error:
        raise InputError(f"{url}: {_words_of_missing(url, error)}") from error
    except Exception as error:
        raise InputError(f"{url}: {type(error).__name__}: {error}") from error


def _words_of_missing(url: str, error: ImportError) -> str:
    """What to install for a store: each has a package of its own, which for S3 and Google's brings forty others."""
    from fsspec.registry import known_implementations

    # Of chained URLs (simplecache::s3://) the last names the store.
    store = url.partition("://")[0].rpartition("::")[2]
    package = known_implementations.get(store, {}).get("class", "fsspec.").partition(".")[0]
    return (
        str(error)
        if package == "fsspec"
        else f"{store}:// needs {package}, which is not installed: pip install {package}"
    )
