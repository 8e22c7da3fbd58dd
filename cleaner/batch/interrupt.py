"""An interrupt that waits for a write to end, so that no file ends in half a record."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType


class Shield:
    """Inside ``with shield:`` a first Ctrl-C is held back and raised at the end of the block; a second one is not.

    Everywhere else it is raised at once. Entered by nobody, or outside the main thread, it changes nothing.
    """

    def __init__(self) -> None:
        self._is_up = False
        self._is_asked = False
        self._is_installed = threading.current_thread() is threading.main_thread()
        self._before = signal.signal(signal.SIGINT, self._on_interrupt) if self._is_installed else None

    def remove(self) -> None:
        """Puts back the handler that was there before."""
        if self._is_installed:
            signal.signal(signal.SIGINT, self._before)

    def _on_interrupt(self, _signal: int, _frame: FrameType | None) -> None:
        if self._is_up and not self._is_asked:
            self._is_asked = True
            return
        raise KeyboardInterrupt

    def __enter__(self) -> None:
        self._is_up = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_up = False
        if self._is_asked and kind is None:
            self._is_asked = False
            raise KeyboardInterrupt


@contextmanager
def interrupts_ignored() -> Iterator[None]:
    """A process that is started in here never hears a Ctrl-C.

    It reaches the whole group of processes, of which the parent alone decides what to keep. That a process ignores
    a signal is inherited, so not even its start-up ends in a traceback.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
