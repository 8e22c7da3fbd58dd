"""What `clean` and `spark` let a user choose about cleaning."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cleaner.cli.phrases import read_phrases

if TYPE_CHECKING:
    from cleaner.options import CleanOptions


def read_options(
    *,
    mode: str,
    keep: str | None,
    removed: str,
    annotate: bool,
    extractor: str,
    cut: str,
    metadata: str,
    drop_like: Path | None,
    keep_like: Path | None,
) -> CleanOptions:
    """The options as typed, with the phrases of the files read. Raises UsageError, InputError."""
    from cleaner.options import CleanOptions

    return CleanOptions(
        mode=mode,  # type: ignore[arg-type]
        removed=removed,  # type: ignore[arg-type]
        extractor=extractor,  # type: ignore[arg-type]
        cut=cut,  # type: ignore[arg-type]
        metadata=metadata,  # type: ignore[arg-type]
        annotate=annotate,
        drop_like=read_phrases(drop_like),
        keep_like=read_phrases(keep_like),
        **({"keep": keep} if keep is not None else {}),  # type: ignore[arg-type]
    )
