"""Runs the command given as arguments and prints what it alone cost, as JSON; its output is thrown away.

A process of its own and light in imports: on Linux the peak memory that the system reports for a child begins at
that of the process which started it, so a benchmark that holds its documents in memory would measure itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time


def main(arguments: list[str]) -> None:
    cpu_s = peak_mb = None
    with tempfile.TemporaryFile() as errors:
        begun = time.perf_counter()
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=errors)
        if hasattr(os, "wait4"):
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            cpu_s = usage.ru_utime + usage.ru_stime
            # In kilobytes, but on macOS in bytes.
            peak_mb = usage.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)
        else:
            process.wait()
        wall_s = time.perf_counter() - begun
        errors.seek(0)
        last_words = errors.read().decode("utf-8", "replace").strip().rsplit("\n", 1)[-1]
    cost = {"returncode": process.returncode, "wall_s": wall_s, "cpu_s": cpu_s, "peak_mb": peak_mb}
    print(json.dumps(cost | {"message": f"exit code {process.returncode}: {last_words}"}))


if __name__ == "__main__":
    main(sys.argv[1:])
