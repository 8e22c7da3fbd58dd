"""Ctrl-C, and SIGTERM, by which schedulers ask the same: what is being written is written to its end first."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import NoReturn

EXIT_INTERRUPTED = 130

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# timeout(1) and shells that pass signals on reach a process twice, once by its number and once by its group.
_ONE_REQUEST_S = 0.5


class Shield:
    """Inside ``with shield:`` an interrupt is held back and raised at the end of the block, everywhere else at once.

    While all that was finished is brought to its place, a second one ends the process where it stands. Entered by
    nobody, or outside the main thread, it changes nothing.
    """

    def __init__(self) -> None:
        self._is_up = False
        self._is_held = False
        self._asked_s: float | None = None
        is_main = threading.current_thread() is threading.main_thread()
        self._before = {number: signal.signal(number, self._on_interrupt) for number in _SIGNALS if is_main}

    def remove(self) -> None:
        """Puts back the handlers that were there before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_interrupt(self, _signal: int, _frame: FrameType | None) -> None:
        now_s = time.monotonic()
        if self._asked_s is not None:
            if now_s - self._asked_s > _ONE_REQUEST_S:
                _stop_at_once()
            return
        self._asked_s = now_s
        if self._is_up:
            self._is_held = True
            return
        raise KeyboardInterrupt

    def __enter__(self) -> None:
        self._is_up = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_up = False
        if self._is_held and kind is None:
            self._is_held = False
            raise KeyboardInterrupt


def _stop_at_once() -> NoReturn:
    """Leaves without cleaning up: workers see that they have no parent, and the next run sweeps its folder."""
    if sys.stderr.isatty():
        os.write(sys.stderr.fileno(), b"\x1b[?25h\n")  # the bar has hidden the cursor
    os._exit(EXIT_INTERRUPTED)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Interrupts wait for the end of the block, and a process that is started in it never hears one.

    Ctrl-C, and SIGTERM of many schedulers, reach the whole group of processes, of which the parent alone decides what
    to keep; workers that died of it at that moment were taken for crashed. That a signal is blocked is inherited, so
    not even the start-up of a process ends in a traceback.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    before = {number: signal.signal(number, lambda caught, _: held.append(caught)) for number in _SIGNALS}
    has_masks = sys.platform != "win32"
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS) if has_masks else set()
    try:
        yield
    finally:
        if has_masks:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)
        for caught in held:
            signal.raise_signal(caught)
