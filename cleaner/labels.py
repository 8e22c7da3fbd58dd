"""The thirteen classes of lines, in the order of every score array, and which of them are kept."""

from __future__ import annotations

from collections.abc import Iterable

LABELS: tuple[str, ...] = (
    "title",
    "body",
    "byline",
    "caption",
    "teaser",
    "interface",
    "promo",
    "ad",
    "legal",
    "comment",
    "bio",
    "nav",
    "offtopic",
)
LABEL_INDEX: dict[str, int] = {label: index for index, label in enumerate(LABELS)}
KEPT: frozenset[str] = frozenset({"title", "body"})
TITLE = LABEL_INDEX["title"]
BODY = LABEL_INDEX["body"]
OFFTOPIC = LABEL_INDEX["offtopic"]


def parse_keep(spec: str | Iterable[str] | None) -> frozenset[str]:
    """The set of kept classes that a user's ``--keep`` names.

    ``body,title,caption`` replaces the default set; items with a sign (``+caption,-title``) change it.
    Raises ValueError for an unknown class, for a mix of both forms and for an empty set.
    """
    if spec is None:
        return KEPT
    items = [item.strip() for item in (spec.split(",") if isinstance(spec, str) else spec)]
    items = [item for item in items if item]
    signed = [item for item in items if item[0] in "+-"]
    if signed and len(signed) != len(items):
        raise ValueError(f"{spec!r} mixes classes to set and classes to change; use body,title or +caption,-title")
    unknown = sorted({item.lstrip("+-") for item in items} - set(LABELS))
    if unknown:
        raise ValueError(f"unknown class {', '.join(unknown)}; the classes are {', '.join(LABELS)}")
    kept = set(KEPT) if signed else set(items)
    for item in signed:
        (kept.add if item[0] == "+" else kept.discard)(item[1:])
    if not kept:
        raise ValueError(f"{spec!r} keeps no class at all")
    return frozenset(kept)
