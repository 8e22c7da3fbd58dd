"""Words in the tags and attributes that a line stands in: ``article``, ``sidebar``, ``share-buttons``."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from cleaner.features.chars import CharTables, encode_lines
from cleaner.features.ngrams import HASH_BITS, Bag, PrefixHash, find_tokens, token_buckets

PATH_BITS = 16
N_PATH_BUCKETS = 1 << PATH_BITS

_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


def path_bag(names: Sequence[str], tables: CharTables) -> Bag:
    """The hashed words of each string of names; words end at ``-``, ``_``, a blank, or where camelCase begins anew."""
    split = [name if not name or name.islower() else _HUMP.sub(" ", name) for name in names]
    characters = encode_lines(split, tables)
    tokens = find_tokens(characters, PrefixHash(characters.folds))
    buckets = token_buckets(tokens.hashes) >> np.uint32(HASH_BITS - PATH_BITS)
    return Bag(buckets.astype(np.int64), tokens.line_starts)
