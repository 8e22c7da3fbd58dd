"""A record as one line of JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import orjson

_SURROGATE = re.compile("[\ud800-\udfff]")


def record_line(record: Mapping[str, Any], is_exact: bool = False) -> bytes:
    """The record in UTF-8 with a newline at the end.

    is_exact: the record holds NaN or infinities, which come out as they came in (``NaN``), as Python and most
    readers of JSON Lines take them; otherwise they would be null.
    """
    if not is_exact:
        try:
            return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
        except TypeError:
            # Integers of more than 64 bits, lone surrogates, or nested more than 254 deep.
            pass
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    return _SURROGATE.sub("\ufffd", text).encode() + b"\n"
