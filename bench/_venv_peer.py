"""Extractors that are no dependency of ours: each lives in a virtual environment under the cache, and runs there."""

from __future__ import annotations

import json
import os
import subprocess
import venv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree

from bench._data import GoldPage
from bench._system import CACHE, System, keep_out_of_git

_HERE = Path(__file__).parent
_INSTALL_TIMEOUT_S = 300


@dataclass
class VenvPeer(System):
    """One that runs as a child, which reads and answers in lines of JSON (see bench/_chromerag.py).

    pinned: the version that pip installs, at the first call. worker: the child's script, in this folder.
    """

    pinned: str
    worker: str
    _problem: str | None = field(default=None, init=False, repr=False)
    _python: Path | None = field(default=None, init=False, repr=False)
    _child: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)

    @property
    def version(self) -> str | None:
        if self._python is None and self._problem is None:
            self._python, self._problem = installed(self.distribution, self.pinned, CACHE / "venvs")
        return self.pinned if self._python else None

    @property
    def recipe(self) -> tuple[str, ...]:
        return (self.worker,)

    @property
    def why_missing(self) -> str:
        return self._problem or super().why_missing

    def run(self, page: GoldPage) -> tuple[str | None, float]:
        """Text and CPU seconds as the child tells them; a child that dies has failed on the page, for 0 seconds."""
        child = self._start()
        assert child.stdin and child.stdout
        try:
            child.stdin.write(json.dumps({"html": page.html, "url": page.url}).encode() + b"\n")
            child.stdin.flush()
            answer = json.loads(child.stdout.readline())
        except (OSError, ValueError):  # a closed pipe, half a line or none
            self.close()
            return None, 0.0
        return answer["text"], answer["cpu_s"]

    def close(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def _start(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            if self.version is None:
                raise RuntimeError(f"{self.name} is not available: {self.why_missing}")
            # Isolated: this folder's modules must not stand in for the peer's.
            command = [str(self._python), "-I", "-X", "utf8", str(_HERE / self.worker)]
            self._child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        return self._child


def installed(
    distribution: str, version: str, folder: Path, *, extra: str = "", beside: Sequence[str] = ()
) -> tuple[Path | None, str | None]:
    """Python of the environment that holds this version, made where it is not there yet; or None and why not.

    beside: what the distribution needs and does not ask for.
    """
    home = folder / f"{distribution}-{version}"
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    is_ready = home / ".ready"
    if is_ready.exists():
        return python, None
    keep_out_of_git(folder)
    lock = _HERE.parent / "requirements" / "lock.txt"
    try:
        venv.create(home, clear=True, with_pip=True)
        _call([str(python), *"-m pip --quiet --disable-pip-version-check".split(), "install", "--retries", "1",
               "--constraint", str(lock), f"{distribution}{extra}=={version}", *beside])  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        rmtree(home, ignore_errors=True)
        return None, f"{distribution}=={version} could not be installed: {_last_error(error)}"
    is_ready.touch()
    return python, None


def _call(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=_INSTALL_TIMEOUT_S)


def _last_error(error: Exception) -> str:
    """What pip named as the error, else the kind of error."""
    said = getattr(error, "stderr", None) or ""
    lines = [line for line in str(said).splitlines() if line.startswith("ERROR:")]
    return lines[-1].removeprefix("ERROR:").strip() if lines else type(error).__name__
