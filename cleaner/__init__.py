"""cleaner: takes the debris out of scraped news with a trained line classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Article", "CleanOptions", "Cleaner", "DocumentError", "Page", "Rejected", "clean", "clean_many"]

if TYPE_CHECKING:
    from cleaner.api import clean, clean_many
    from cleaner.errors import DocumentError
    from cleaner.options import CleanOptions
    from cleaner.pipeline import Cleaner
    from cleaner.types import Article, Page, Rejected

_HOMES = {
    "Article": "cleaner.types",
    "Cleaner": "cleaner.pipeline",
    "CleanOptions": "cleaner.options",
    "DocumentError": "cleaner.errors",
    "Page": "cleaner.types",
    "Rejected": "cleaner.types",
    "clean": "cleaner.api",
    "clean_many": "cleaner.api",
}


def __getattr__(name: str) -> Any:
    # numpy costs .1 s to import, which `cleaner --help` need not pay.
    if name not in _HOMES:
        raise AttributeError(f"module 'cleaner' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
