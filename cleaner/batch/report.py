"""The account of a run for machines: what it was (run.json) and what it found (report.json)."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cleaner import __version__
from cleaner.batch.findings import N_QUALITY_BINS, Findings
from cleaner.batch.run import Account, Plan
from cleaner.batch.work import Job, Tally
from cleaner.labels import LABELS
from cleaner.readers.sources import Source

_TOP_SITES = 50
_TOP_LINES = 100


def run_facts(job: Job, plan: Plan, others: Mapping[str, Any]) -> dict[str, Any]:
    """All that decides what a run writes, beside its inputs; a run goes on only where they are the same.

    others: the form of the output, and the limits that the user names. Those that come from the machine change nothing.
    """
    options = asdict(job.options) | {"keep": sorted(job.options.keep)}
    columns = {f"{name}_column": value for name, value in asdict(job.columns).items()}
    return {
        "version": __version__,
        "model": _model_fact(job.model),
        "page_model": _model_fact(job.page_model),
        **options,
        **columns,
        "keep_input": job.keep_input,
        "sample": job.sample,
        "limit": plan.limit,
        **others,
    }


def _model_fact(model: str) -> str:
    """Name of a model with the hash of its manifest, which holds the hashes of all that belongs to it."""
    from cleaner.model.artefact import MANIFEST, find_model

    path = find_model(model)
    return f"{path.name}@{hashlib.sha256((path / MANIFEST).read_bytes()).hexdigest()[:12]}"


def counts_of(tally: Tally) -> dict[str, Any]:
    """Counts that add up: records = cleaned + rejected + skipped + left_out, and cleaned = all verdicts."""
    n_cleaned, n_skipped = sum(tally.verdicts.values()), sum(tally.skipped.values())
    return {
        "records": n_cleaned + tally.n_rejected + n_skipped + tally.n_left_out,
        "cleaned": n_cleaned,
        "rejected": tally.n_rejected,
        "skipped": n_skipped,
        "left_out": tally.n_left_out,
        "verdicts": _sorted(tally.verdicts),
        "rejected_by_reason": _sorted(tally.reasons),
        "skipped_by_reason": _sorted(tally.skipped),
        "lines_in": tally.n_lines_in,
        "lines_kept": tally.n_lines_out,
        "lines_removed": tally.n_lines_in - tally.n_lines_out,
        "surrogates_replaced": tally.n_surrogates,
    }


def run_record(
    facts: Mapping[str, Any],
    sources: Sequence[Source],
    account: Account,
    sessions: Sequence[tuple[str, float | None]],
    finished: str,
) -> dict[str, Any]:
    """The content of run.json. sessions: when the run was begun and continued, and for how many seconds."""
    return {
        "cleaner": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "model": facts["model"],
        "page_model": facts["page_model"],
        "options": {name: value for name, value in facts.items() if name not in ("version", "model", "page_model")},
        "sessions": [{"started": started, "seconds": seconds} for started, seconds in sessions],
        "finished": finished,
        "inputs": [
            {"path": source.path, "name": source.name, "kind": source.kind, "size_bytes": source.size_bytes}
            for source in sources
        ],
        "counts": counts_of(account.tally),
    }


def report_record(
    facts: Mapping[str, Any], n_inputs: int, account: Account, sessions: Sequence[tuple[str, float | None]]
) -> dict[str, Any]:
    """The content of report.json. Speed is that of the sessions that came to their end."""
    findings = account.findings
    seconds = sum(spent or 0.0 for _, spent in sessions)
    return {
        "cleaner": __version__,
        "model": facts["model"],
        "page_model": facts["page_model"],
        "started": sessions[0][0] if sessions else None,
        "n_sessions": len(sessions),
        "n_inputs": n_inputs,
        "bytes_read": account.n_bytes,
        "seconds": round(seconds, 3),
        "speed": _speed(account, seconds) if all(spent is not None for _, spent in sessions) else None,
        "counts": counts_of(account.tally),
        "lines_by_class": {
            label: {"lines": findings.lines[label], "removed": findings.removed[label]}
            for label in LABELS
            if findings.lines[label] or findings.removed[label]
        },
        "pieces_cut": _sorted(findings.pieces),
        "quality": [findings.qualities[str(tenth)] for tenth in range(N_QUALITY_BINS)],
        "sites": _sites(findings),
        "removed_lines": _removed_lines(findings),
        # By how much the counts of sites and of removed lines may be too low.
        "missed_at_most": {
            "sites": max(findings.site_removed.missed, findings.site_documents.missed),
            "removed_lines": findings.removed_lines.missed,
        },
    }


def _speed(account: Account, seconds: float) -> dict[str, float]:
    seconds = max(seconds, 1e-3)
    n_records = counts_of(account.tally)["records"]
    return {
        "documents_per_s": round(n_records / seconds, 1),
        "lines_per_s": round(account.tally.n_lines_in / seconds, 1),
        "megabytes_per_s": round(account.n_bytes / 1e6 / seconds, 3),
    }


def _sites(findings: Findings) -> list[dict[str, Any]]:
    return [
        {
            "site": site or None,
            "documents": findings.site_documents.counts.get(site, 0),
            "lines": findings.site_lines.counts.get(site, 0),
            "removed": n_removed,
        }
        for site, n_removed in findings.site_removed.ranked()[:_TOP_SITES]
    ]


def _removed_lines(findings: Findings) -> list[dict[str, Any]]:
    ranked = findings.removed_lines.ranked()[:_TOP_LINES]
    lines = ((name.partition("\t"), n) for name, n in ranked if n > 1)
    return [{"label": label, "text": text, "count": n} for (label, _, text), n in lines]


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Writes a record for people and machines; raises OutputError."""
    import json

    from cleaner.writers.files import WholeFile

    file = WholeFile(path)
    # Escaped, so that a lone surrogate of a path or a line cannot make it unwritable.
    file.write(json.dumps(record, indent=2).encode() + b"\n")
    file.finish()
