"""Amounts as a user types them on the command line."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from cleaner.errors import UsageError

if TYPE_CHECKING:
    from cleaner.batch.work import Tally

_UNITS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}


def parse_max_errors(value: str) -> Callable[[Tally], bool]:
    """Whether a run stayed within ``--max-errors``: a number of documents, or a share of them with % behind."""
    match = re.fullmatch(r"(\d+)|(\d+(?:\.\d+)?)\s*%", value.strip())
    if match is None:
        raise UsageError(f"--max-errors {value}: a number such as 10, or a share such as 0.5%")
    if match[1]:
        most = int(match[1])
        return lambda tally: tally.n_rejected <= most
    share = float(match[2]) / 100
    return lambda tally: tally.n_rejected <= share * tally.n_documents


def parse_size(value: str, option: str) -> int:
    """Bytes, one at least: ``500M``, ``2G``, ``1.5GB`` (by 1,024); a number alone is bytes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", value.strip(), re.IGNORECASE)
    size_bytes = int(float(match[1]) * (1 << _UNITS[match[2].lower()])) if match else 0
    if not size_bytes:
        raise UsageError(f"{option} {value}: a size such as 500M or 2G")
    return size_bytes


def parse_share(value: str, option: str) -> float:
    """A share above 0 and up to 1: ``1%``, ``0.01``."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?|\.\d+)\s*(%?)", value.strip())
    share = float(match[1]) / (100 if match[2] else 1) if match else 0.0
    if not 0 < share <= 1:
        raise UsageError(f"{option} {value}: a share such as 1% or 0.01")
    return share
