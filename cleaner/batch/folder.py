"""A run into a folder: its ledger, which lets it go on after it was killed, and its account beside the articles."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cleaner.batch.ledger import Input, Ledger
from cleaner.batch.outputs import Errors, Output
from cleaner.batch.report import report_record, run_record, write_json
from cleaner.batch.run import Account, Plan, run
from cleaner.batch.work import Done, Job, Tally
from cleaner.errors import UsageError
from cleaner.readers.run_files import RUN_FOLDER
from cleaner.readers.sources import Source
from cleaner.writers.files import WholeFile


@dataclass
class FolderRun:
    """A run whose folder is at hand. ``with`` lets go of the ledger.

    facts: what decides the output. ledger: None for a run that reads a pipe, which cannot be read a second time.
    """

    folder: Path
    sources: Sequence[Source]
    facts: Mapping[str, Any]
    ledger: Ledger | None
    started: str
    started_s: float

    def __enter__(self) -> FolderRun:
        return self

    def __exit__(self, *_: object) -> None:
        if self.ledger is not None:
            with suppress(Exception):  # a full disk fails once more here, and has been told already
                self.ledger.end_session(time.monotonic() - self.started_s)
            self.ledger.close()

    @property
    def n_shards(self) -> int:
        """How many shards stand at their place."""
        return self.ledger.n_shards if self.ledger is not None else 0

    @property
    def finished_tally(self) -> Tally | None:
        """The counts of this very run where it was finished before; None where there is something to do."""
        if self.ledger is None or not self.ledger.is_finished:
            return None
        missing = self.ledger.missing_outputs()
        if missing:
            raise UsageError(
                f"{self.folder} holds this run, finished, but {missing[0]} is no longer as it was written; --restart "
                "cleans everything again"
            )
        return Tally.from_json(self.ledger.report["tally"])

    def clean(
        self,
        job: Job,
        output: Output,
        errors: Errors,
        account: Account,
        plan: Plan,
        on_done: Callable[[Done], None],
        render: Callable[[Mapping[str, Any]], str],
    ) -> None:
        """Does what is left of the run, as `run` does; ``render`` makes a page of the report."""
        run(
            job,
            self.sources,
            output,
            errors,
            account,
            plan=plan,
            ledger=self.ledger,
            on_done=on_done,
            on_complete=lambda: self._report(account, render),
        )
        if self.ledger is not None:
            place = Path(errors.place) if errors.place else None
            sides = [place] if place and place.is_file() and self.folder in place.parents else []
            self.ledger.finish([*output.take_finished(), *sides], {"tally": account.tally.to_json()})

    def _report(self, account: Account, render: Callable[[Mapping[str, Any]], str]) -> None:
        sessions = self._sessions()
        report = report_record(self.facts, len(self.sources), account, sessions)
        folder = self.folder / RUN_FOLDER
        folder.mkdir(exist_ok=True)
        write_json(folder / "run.json", run_record(self.facts, self.sources, account, sessions, _now()))
        write_json(folder / "report.json", report)
        page = WholeFile(folder / "report.html")
        page.write(render(report).encode("utf-8", "backslashreplace"))
        page.finish()

    def _sessions(self) -> list[tuple[str, float | None]]:
        earlier = self.ledger.sessions()[:-1] if self.ledger else []
        return [*earlier, (self.started, round(time.monotonic() - self.started_s, 3))]


def open_run(
    folder: Path, sources: Sequence[Source], facts: Mapping[str, Any], *, restart: bool, text_ending: str
) -> FolderRun:
    """The run of that folder, begun or continued; raises UsageError where the folder holds another one.

    restart: what the folder holds is forgotten, and the files that it wrote are removed.
    """
    started, started_s = _now(), time.monotonic()
    if any(source.stream is not None for source in sources):
        return FolderRun(folder, sources, facts, None, started, started_s)
    ledger = Ledger(folder)
    try:
        ledger.sweep()
        if restart:
            ledger.forget(text_ending)
        ledger.begin(facts, [Input.of(source) for source in sources], started)
    except BaseException:
        ledger.close()
        raise
    return FolderRun(folder, sources, facts, ledger, started, started_s)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
