"""Quality of the shipped model on the dev split, beside line rules and other extractors.

    python bench/quality.py --corpora ../shared [--model NAME|PATH] [--quick] [--parts labels text html residue]

Prints its tables and, after a full run, replaces its section of bench/RESULTS.md and the plot in bench/reliability.svg.
What the peers give is kept in bench/.cache; the first run takes minutes for them, later ones do not. Intervals are
95 %, by drawing sites.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import _lines, _pages, _report
from bench._peers import PEERS
from bench._setting import Setting
from cleaner.model.artefact import DEFAULT_MODEL

PLOT = _report.RESULTS.parent / "reliability.svg"
PARTS = ("labels", "text", "html", "residue")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, required=True, help="folder that holds corpora/ and labels/")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name of a packaged model, or path of a model folder")
    parser.add_argument("--quick", action="store_true", help="8 pages a source, 200 resamples; nothing is written")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="measure these only")
    chosen = parser.parse_args(arguments)
    labels = chosen.corpora / "labels" / "lines.jsonl"
    if not labels.exists():
        parser.error(f"{chosen.corpora}: there is no labels/lines.jsonl in it; give the folder that holds labels/")
    is_full = not chosen.quick and set(chosen.parts) == set(PARTS)
    setting = Setting(chosen.corpora / "corpora", labels, chosen.model, plot=PLOT if is_full else None)
    if chosen.quick:
        setting = Setting(chosen.corpora / "corpora", labels, chosen.model, n_resamples=200, per_source=8)

    measures: dict[str, Callable[[Setting], str]] = {
        "labels": _lines.labelled_documents,
        "text": _pages.full_page_text,
        "html": _pages.pages_in_html,
        "residue": _pages.scraped_residue,
    }
    sections = [_heading(setting)]
    print(sections[0], flush=True)
    for part in PARTS:
        if part in chosen.parts:
            begun = time.perf_counter()
            sections.append(measures[part](setting))
            print(f"\n{sections[-1]}\n\n({part}: {time.perf_counter() - begun:.0f} s)", flush=True)
    if is_full:
        _report.write_section("quality", "\n\n".join(sections))
        print(f"\nWritten to {_report.RESULTS.name} and {PLOT.name}.")


def _heading(setting: Setting) -> str:
    versions = _report.environment(*dict.fromkeys(peer.distribution for peer in PEERS))
    return (
        f"## Quality\n\nModel {setting.cleaner().model_name}, dev split (sites that training never saw). {versions}.\n"
        f"In brackets 95 % intervals by bootstrap over sites ({setting.n_resamples:,} draws)."
    )


if __name__ == "__main__":
    main()
