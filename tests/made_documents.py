"""Labelled documents for tests of training, and a plan that fits models to them in seconds."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench._training import BenchPlan
from cleaner.labels import LABEL_INDEX
from cleaner.learn.corpus import LabelledDocument, read_labels
from cleaner.learn.plan import QUICK_LOOKS, TrainingPlan
from cleaner.learn.recurrent import NetPlan
from cleaner.learn.window import WindowPlan

OWN = Path(__file__).parent.parent / "data" / "lines.jsonl"
TEASER, NAV = (LABEL_INDEX[name] for name in ("teaser", "nav"))
STORY = ("body| The ferry ran aground on Monday.", "body| Nobody was hurt, the harbour master said.")
NET = NetPlan(n_inner=8, n_units=4, n_last=8, n_epochs=2)
WINDOW = WindowPlan((8, 8), ((3e-3, 2),))
MICRO = BenchPlan(
    "micro",
    TrainingPlan(
        n_folds=3, n_inserted=30, n_cropped=0, n_whole=0, gram_epochs=1, net=NET, window=WINDOW, looks=QUICK_LOOKS
    ),
    5,
)


def document(*lines: str, site: str = "herald.example", name: str = "", title: str | None = None) -> LabelledDocument:
    """Lines written as ``teaser| More news``."""
    split = [line.split("| ", 1) for line in lines]
    labels = np.array([LABEL_INDEX[label] for label, _ in split], dtype=np.int64)
    return LabelledDocument(name or site, tuple(text for _, text in split), labels, site=site, lang="en", title=title)


def own_documents(n: int = 36) -> list[LabelledDocument]:
    """Labelled documents of our own, each on a site of its own, every third with a pointer."""
    documents = [replace(entry, site=f"site{number}.example") for number, entry in enumerate(read_labels(OWN)[0][:n])]
    for number in range(0, n, 3):
        entry = documents[number]
        text = f"{'Also tonight' if number % 2 else 'From the coast'}: Striker signs for club {number}"
        labels = np.append(entry.labels, TEASER)
        documents[number] = replace(entry, lines=(*entry.lines, text), labels=labels)
    return documents
