"""Pages without a whole gold text -> documents, labelled by a page model and by what readers said of some lines.

A page model sees the tags, and knows article text from the rest far better than a model of plain text can (F1 .98 and
.94 on unseen sites): what it is sure of is gold enough to learn from, and brings sites and languages that no gold has.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cleaner.features.pages import PageBatch
from cleaner.labels import BODY, TITLE
from cleaner.learn.corpus import MAX_PAGE_LINES, UNKNOWN_DEBRIS, LabelledDocument
from cleaner.learn.line_labels import ReadLabels
from cleaner.learn.page_corpus import UNREAD, label_page
from cleaner.learn.pages import declared_headline
from cleaner.model.page_artefact import PageJudge

# Probability from which a line has the label that the page model gives it. Sub-heads, lists and last paragraphs are
# less certain than the rest of a story, and must not be missing in all of them.
_SURE = 0.8
_LEAST_LINES, _LEAST_CHARS = 3, 500  # of article text
_MOST_DOUBTFUL = 0.15  # characters of lines without a label, as a share of the article's


@dataclass(frozen=True)
class JudgedPage:
    """A page as a document of the lines that have a label. unsure: the texts of its other lines."""

    document: LabelledDocument
    unsure: frozenset[str]


@dataclass(frozen=True)
class PageLabeller:
    """Labels pages by a page model. suspects: ids of pages whose gold is doubtful. read: lines labelled by reading.

    The page model has seen the training pages of all sites, those that a fold leaves out among them; of their sites a
    fold's own model learns nothing all the same.
    """

    judge: PageJudge
    suspects: Collection[str]
    read: ReadLabels

    def label(self, record: Mapping[str, Any]) -> JudgedPage | None:
        """The page as far as its lines have a label; None where too little of it is sure."""
        if not isinstance(record.get("html"), str) or not record["html"]:
            return None
        page = label_page(record, self.suspects, self.read)
        if isinstance(page, str):
            return None
        odds = self.judge.page_model.exponentials(PageBatch([page.walked], [page.metadata]))
        text = odds[:, BODY] / odds.sum(axis=1)
        guess = np.where(odds.argmax(axis=1) == TITLE, TITLE, UNKNOWN_DEBRIS)
        said = np.where(text >= _SURE, BODY, np.where(text <= 1 - _SURE, guess, UNREAD))
        labels = np.where(page.labels == UNREAD, said, page.labels)[:MAX_PAGE_LINES]
        texts = page.walked.texts[:MAX_PAGE_LINES]
        sizes = np.array([len(text) for text in texts])
        n_article, n_doubtful = int(sizes[labels == BODY].sum()), int(sizes[labels == UNREAD].sum())
        if (labels == BODY).sum() < _LEAST_LINES or n_article < _LEAST_CHARS or n_doubtful > _MOST_DOUBTFUL * n_article:
            return None
        known = np.flatnonzero(labels != UNREAD)
        lines = tuple(texts[line] for line in known.tolist())
        unsure = frozenset(texts[line] for line in np.flatnonzero(labels == UNREAD).tolist()) - set(lines)
        document = LabelledDocument(
            id=page.id,
            lines=lines,
            labels=labels[known],
            kind="page",
            site=record.get("domain") or record.get("host"),
            lang=page.lang,
            title=declared_headline(page.metadata),
            split=record.get("split", "train"),
            source=page.source,
            is_judged=True,
        )
        return JudgedPage(document, unsure)
