"""Runs datatrove's C4 line filter, alone in its own environment: JSON Lines in, JSON Lines out, CPU seconds told.

    python _c4.py IN.jsonl OUT.jsonl

Prints ``{"cpu_s": ..., "n_documents": ...}``. Start-up is not counted: a few documents go through beforehand.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from datatrove.pipeline.filters import C4QualityFilter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter

N_WARM_UP = 10


def filter_file(source: Path, target: Path, limit: int = -1) -> int:
    """How many documents the filter kept."""
    documents = JsonlReader(str(source.parent), glob_pattern=source.name, limit=limit).run()
    kept = C4QualityFilter().run(documents)
    with JsonlWriter(str(target.parent), output_filename=target.name, compression=None) as writer:
        return sum(1 for _ in writer.run(kept))


def main() -> None:
    source, target = map(Path, sys.argv[1:3])
    filter_file(source, target, N_WARM_UP)
    begun = time.process_time()
    n_documents = filter_file(source, target)
    print(json.dumps({"cpu_s": time.process_time() - begun, "n_documents": n_documents}))


if __name__ == "__main__":
    main()
