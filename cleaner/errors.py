"""Everything that cleaner raises, and why a document can be rejected.

::

    CleanerError
    ├── UsageError        an option, argument or combination that cannot work       exit code 2
    ├── InputError        an input that is missing or cannot be read at all         exit code 1
    ├── OutputError       an output that cannot be written                          exit code 1
    ├── ModelError        a model folder that is missing, altered or of another version
    ├── DocumentError     one document that cannot be cleaned (has .reason)
    └── MissingExtraError a package that an optional feature needs

Bad *documents* inside a run are data: they become ``Rejected`` with one of ``REASONS``. Bad *use* raises.
"""

from __future__ import annotations

REASONS: tuple[str, ...] = (
    "unreadable",  # the file cannot be opened, breaks off (damaged packing), or is of a kind that is not read
    "invalid_json",  # the record is not JSON, or not an object
    "invalid_csv",  # the row has more or fewer cells than the head, or is broken
    "invalid_warc",  # the record of a web archive is damaged, cut short, or has a header that says nonsense
    "bad_digest",  # the record's content is not what its digest says
    "invalid_http",  # the answer in a web archive cannot be unpacked: broken chunks or compression
    "no_text",  # the record has neither text nor html
    "bad_type",  # text or html is something other than a string, or the document is no document at all
    "undecodable",  # the bytes are not text in any encoding (binary)
    "too_large",  # the record passes the limit of size, packed or unpacked
    "extract_failed",  # the page's parser or extractor gave up
    "timeout",  # cleaning it took longer than --timeout allows
    "out_of_memory",  # cleaning it took more memory than --max-memory allows
    "crashed",  # the worker process died on it, twice: a fault in a library, or the system's own limit of memory
    "unwritable",  # no file can have the name that its text would get: it is too long, or that of another's folder
    "internal",  # cleaner itself failed; a defect worth reporting
)

SKIPS: tuple[str, ...] = (
    "redirect",  # an answer that points elsewhere
    "revisit",  # a page that had not changed since an earlier visit, and whose text is therefore not there
    "status",  # an answer with another status than 2xx: not found, not modified, server error
    "not_html",  # an answer that is neither a page nor plain text: picture, script, feed, PDF
    "not_http",  # an answer to another question, such as for the address of a host
    "warcinfo",  # records about the crawl
    "request",
    "metadata",
    "resource",
    "conversion",
    "continuation",
    "unknown",
    "run_file",  # no record, but a file among the inputs in which an earlier run says what it did
)
"""Why a record of a web archive, or a file, is counted as skipped instead of cleaned; nothing is wrong with it."""


class CleanerError(Exception):
    """Base of everything that cleaner raises on purpose."""


class UsageError(CleanerError, ValueError):
    """An option, argument or combination of them that cannot work."""


class InputError(CleanerError):
    """An input that is missing or cannot be read at all."""


class OutputError(CleanerError):
    """An output that cannot be written."""


class ModelError(CleanerError):
    """A model folder that is missing, altered, or made for another version."""


class DocumentError(CleanerError):
    """One document that cannot be cleaned; ``reason`` is one of ``REASONS``."""

    def __init__(self, reason: str, message: str) -> None:
        if reason not in REASONS:
            raise ValueError(f"{reason!r} is no reason of rejection; add it to REASONS with its meaning")
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type[DocumentError], tuple[str, str]]:
        return type(self), (self.reason, str(self))


class MissingExtraError(CleanerError, ImportError):
    """A package that an optional feature needs is not installed; the message says what to install."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"this needs {package}, which is not installed: pip install 'line-cleaner[{extra}]'")
