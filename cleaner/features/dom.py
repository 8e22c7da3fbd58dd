"""Where in its page a line stands: its containers, what else they hold, and what its place has to do with the headline.

All counts are integers and every share is one division of two of them, so that a line gets the same features to the
last bit whatever pages stand beside its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, count, pairwise, repeat

import numpy as np
import numpy.typing as npt

from cleaner.extract.html import WalkedPage
from cleaner.features.chars import Characters
from cleaner.features.headline import HEADLINE_NAMES, PageTitles, headline_features
from cleaner.features.shape import FloatArray, log_scale

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# fmt: off
TAGS: tuple[str, ...] = (
    "nav", "aside", "footer", "header", "form", "figure", "figcaption", "table", "ul", "ol", "li", "dl", "article",
    "main", "section", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "button", "label", "p", "pre", "address", "td",
    "th", "details", "dialog", "center", "div",
)
_OWN_TAGS = (
    "p", "li", "h1", "h2", "h3", "h4", "td", "div", "blockquote", "figcaption", "section", "article", "ul", "button",
    "pre", "label",
)
# fmt: on
_TAG_NUMBERS = {tag: number for number, tag in enumerate(TAGS)}
N_LEVELS = 4
_MAIN_SHARES = (50, 75, 90)
_NEIGHBOURS = (-2, -1, 1, 2)
# An ideograph says as much as about three letters.
_CJK_MASS = 3
_PROSE_MASS, _PROSE_WORDS = 80, 8
_MASS_UNIT = 8  # what whole containers hold is beyond the table of logarithms otherwise

_LEVEL_NAMES = ("lines", "mass", "links", "prose_of_page", "prose_lines", "prose", "children", "place")
_MAIN_NAMES = ("in", "before", "after", "direct", "depth", "place")
_GROUPS = ("look", "siblings", "cousins")
_GROUP_NAMES = ("lines", "mass", "links", "prose_of_page")
_SHARED_NAMES = ("mass", "is_cjk", "link_share", "is_prose", "like_title", "is_title")
DOM_NAMES: tuple[str, ...] = (
    "mass", "words", "is_cjk", "link_share", "strong_share", "is_link", "after_break", "is_prose",
    *(f"in_{tag}" for tag in TAGS),
    *(f"is_{tag}" for tag in _OWN_TAGS),
    "is_other_tag", "depth", "lines_beside",
    "place", "page_lines", "lines_above", "lines_below", "mass_place", "prose_place", "page_prose", "page_mass",
    *(f"{name}_{level}_up" for level in range(N_LEVELS) for name in _LEVEL_NAMES),
    *(f"main{share}_{name}" for share in _MAIN_SHARES for name in _MAIN_NAMES),
    *(f"{group}_{name}" for group in _GROUPS for name in _GROUP_NAMES),
    "copies", "first_copy",
    *HEADLINE_NAMES,
    *(f"{name}_at_{offset}" for offset in _NEIGHBOURS for name in (*_SHARED_NAMES, "outside")),
)  # fmt: skip


@dataclass(frozen=True)
class Trees:
    """The lines and containers of many pages, columnar; lines and containers count on from page to page.

    page_starts: (n_pages + 1,) over lines. container_pages, parents, depths, tags, looks: (n_containers,), the tag as
    index into TAGS or -1, the look a number that containers with the same tag and attributes share. first_lines,
    end_lines: the lines in a container and in those within it are ``first:end``. containers, link_chars, strong_chars,
    after_break: (n_lines,). inline: for each line the place of its inline names in inline_names.
    """

    page_starts: IntArray
    container_pages: IntArray
    container_starts: IntArray
    parents: IntArray
    depths: IntArray
    tags: IntArray
    looks: IntArray
    look_names: list[str]
    first_lines: IntArray
    end_lines: IntArray
    levels: tuple[IntArray, ...]
    containers: IntArray
    link_chars: IntArray
    strong_chars: IntArray
    after_break: BoolArray
    inline: IntArray
    inline_names: list[str]

    @cached_property
    def paths(self) -> IntArray:
        """For each line which of TAGS stand on its path, as bits."""
        flags = np.where(self.tags >= 0, np.int64(1) << np.maximum(self.tags, 0), 0)
        for level in self.levels:
            flags[level] |= flags[self.parents[level]]
        return flags[self.containers]

    @property
    def in_h1(self) -> BoolArray:
        """Lines that stand in an h1."""
        return (self.paths >> _TAG_NUMBERS["h1"]) & 1 > 0

    @cached_property
    def groups(self) -> tuple[IntArray, ...]:
        """Lines of a page that look alike, in three ways; for each the number of a line's group, (n_lines,).

        The same look of the container and of the one around it; the same tag in the same container; the same tag at
        the same depth below containers of the same look.
        """
        own = self.containers
        parent = self.parents[own]
        page = self.line_pages
        tag, n_tags, n_looks = self.tags[own] + 1, len(TAGS) + 1, len(self.look_names) + 1
        keys = (
            (page * n_looks + self.looks[own]) * n_looks + self.looks[parent],
            parent * n_tags + tag,
            ((page * n_looks + self.looks[parent]) * n_tags + tag) * 512 + self.depths[own],
        )
        return tuple(np.unique(key, return_inverse=True)[1] for key in keys)

    @cached_property
    def line_pages(self) -> IntArray:
        return np.repeat(np.arange(len(self.page_starts) - 1), np.diff(self.page_starts))


def join_trees(pages: Sequence[WalkedPage]) -> Trees:
    """The trees of the pages in one table."""
    n_lines = np.array([len(page.texts) for page in pages], dtype=np.int64)
    n_containers = np.array([len(page.parents) for page in pages], dtype=np.int64)
    page_starts = np.concatenate([[0], np.cumsum(n_lines)])
    container_starts = np.concatenate([[0], np.cumsum(n_containers)])

    def join(columns: Sequence[Sequence[int]], sizes: IntArray, shifts: IntArray | None = None) -> IntArray:
        values = np.fromiter(chain.from_iterable(columns), dtype=np.int64, count=int(sizes.sum()))
        return values if shifts is None else values + np.repeat(shifts[:-1], sizes)

    looks, look_names = _number_names([page.looks for page in pages], n_containers)
    depths = join([page.depths for page in pages], n_containers)
    parents = join([page.parents for page in pages], n_containers, container_starts)
    containers = join([page.containers for page in pages], n_lines, container_starts)
    order = np.argsort(depths, kind="stable")
    borders = np.searchsorted(depths[order], np.arange(int(depths.max(initial=0)) + 2))
    levels = tuple(order[start:end] for start, end in pairwise(borders[1:]))
    first_lines = join([page.first_lines for page in pages], n_containers, page_starts)
    end_lines = first_lines.copy()
    end_lines[containers] = np.arange(1, len(containers) + 1)  # of several values the last one stays
    for level in reversed(levels):
        np.maximum.at(end_lines, parents[level], end_lines[level])
    return Trees(
        page_starts,
        np.repeat(np.arange(len(pages)), n_containers),
        container_starts,
        parents,
        depths,
        np.fromiter(
            map(_TAG_NUMBERS.get, chain.from_iterable(page.tags for page in pages), repeat(-1)),
            dtype=np.int64,
            count=len(depths),
        ),
        looks,
        look_names,
        first_lines,
        end_lines,
        levels,
        containers,
        join([page.link_chars for page in pages], n_lines),
        join([page.strong_chars for page in pages], n_lines),
        join([page.after_break for page in pages], n_lines) > 0,
        *_number_names([page.inline for page in pages], n_lines),
    )


def _number_names(columns: Sequence[Sequence[str]], sizes: IntArray) -> tuple[IntArray, list[str]]:
    """For each name its place among the distinct ones, and those."""
    places: defaultdict[str, int] = defaultdict(count().__next__)
    numbers = map(places.__getitem__, chain.from_iterable(columns))
    return np.fromiter(numbers, dtype=np.int64, count=int(sizes.sum())), list(places)


@dataclass(frozen=True)
class Masses:
    """How much each line says; int64 and bool, shape (n_lines,). words, mass: at least 1."""

    lengths: IntArray
    words: IntArray
    mass: IntArray
    links: IntArray
    is_cjk: BoolArray
    is_prose: BoolArray


def measure_masses(texts: Sequence[str], characters: Characters, trees: Trees) -> Masses:
    """Sizes of the lines. Texts without spaces between words count by the character."""
    lengths = characters.lengths
    shown = characters.ends - characters.starts
    is_cjk = 2 * characters.cjk_counts > shown
    blanks = np.fromiter(map(str.count, texts, repeat(" ")), dtype=np.int64, count=len(texts))
    words = np.where(is_cjk, lengths // 2, blanks) + 1
    factor = np.where(is_cjk, _CJK_MASS, 1)
    links = np.minimum(trees.link_chars, lengths)
    mass = lengths * factor
    is_prose = (mass >= _PROSE_MASS) & (words >= _PROSE_WORDS) & (2 * links < lengths)
    return Masses(lengths, words, mass, links * factor, is_cjk, is_prose)


def dom_features(texts: Sequence[str], titles: Sequence[PageTitles], masses: Masses, trees: Trees) -> FloatArray:
    """float32, shape (n_lines, len(DOM_NAMES)); columns as named there."""
    n_lines = len(texts)
    page = trees.line_pages
    rows = np.arange(n_lines)
    starts, sizes = trees.page_starts[:-1][page], np.diff(trees.page_starts)[page]
    place = rows - starts
    sums = _Sums(masses, trees)
    page_mass, page_prose = np.maximum(sums.page_mass, 1)[page], np.maximum(sums.page_prose, 1)[page]
    tags = trees.tags[trees.containers]
    depths = trees.depths[trees.containers]
    beside = np.bincount(trees.containers, minlength=len(trees.parents))[trees.containers]
    paths = trees.paths

    columns: list[npt.NDArray[np.generic]] = [
        log_scale(masses.mass),
        log_scale(masses.words),
        masses.is_cjk,
        _share(masses.links, masses.mass),
        _share(np.minimum(trees.strong_chars, masses.lengths), masses.lengths),
        10 * masses.links >= 9 * masses.mass,
        trees.after_break,
        masses.is_prose,
        *((paths >> number) & 1 for number in range(len(TAGS))),
        *(tags == _TAG_NUMBERS[tag] for tag in _OWN_TAGS),
        tags < 0,
        np.minimum(depths, 40),
        log_scale(beside),
        _share(place, sizes),
        log_scale(sizes),
        log_scale(place),
        log_scale(sizes - 1 - place),
        _share(sums.mass[rows] - sums.mass[starts], page_mass),
        _share(sums.prose[rows] - sums.prose[starts], page_prose),
        _share(page_prose, page_mass),
        log_scale(page_mass // _MASS_UNIT),
    ]
    columns += _level_columns(rows, page_prose, sums, trees)
    columns += _main_columns(rows, page, sums, trees)
    columns += _group_columns(page, page_prose, masses, trees)
    columns += _copy_columns(texts, trees.page_starts)
    headline = headline_features(texts, titles, trees, masses.is_prose, masses.mass)
    columns += list(headline.T)
    shared = [columns[number] for number in _SHARED_COLUMNS]
    for offset in _NEIGHBOURS:
        inside = (place + offset >= 0) & (place + offset < sizes)
        columns += [np.where(inside, shift(column, offset), 0) for column in shared]
        columns.append(~inside)
    return stack_columns(columns, n_lines)


def shift(values: npt.NDArray[np.generic], offset: int) -> npt.NDArray[np.generic]:
    """For each line the value of the line so many further on; at the ends whatever stands there. numpy's roll takes
    five times as long."""
    shifted = values.copy()
    if offset > 0:
        shifted[:-offset] = values[offset:]
    else:
        shifted[-offset:] = values[:offset]
    return shifted


def stack_columns(columns: Sequence[npt.NDArray[np.generic]], n_lines: int) -> FloatArray:
    """The columns side by side, float32, shape (n_lines, n_columns); each lies in one piece of memory.

    Writing 240 columns into rows took as long as working them out.
    """
    table = np.empty((len(columns), n_lines), dtype=np.float32)
    for number, column in enumerate(columns):
        table[number] = column
    return table.T


class _Sums:
    """Running sums over lines, from which the sum over any run of lines is one subtraction."""

    def __init__(self, masses: Masses, trees: Trees) -> None:
        def running(values: npt.NDArray[np.generic]) -> IntArray:
            sums = np.zeros(len(values) + 1, dtype=np.int64)
            np.cumsum(values, out=sums[1:])
            return sums

        self.mass = running(masses.mass)
        self.links = running(masses.links)
        self.prose = running(np.where(masses.is_prose, masses.mass, 0))
        self.prose_lines = running(masses.is_prose)
        first, last = trees.page_starts[:-1], trees.page_starts[1:]
        self.page_mass = self.mass[last] - self.mass[first]
        self.page_prose = self.prose[last] - self.prose[first]
        first, last = trees.first_lines, trees.end_lines
        self.container_mass = self.mass[last] - self.mass[first]
        self.container_links = self.links[last] - self.links[first]
        self.container_prose = self.prose[last] - self.prose[first]
        self.container_prose_lines = self.prose_lines[last] - self.prose_lines[first]


def _level_columns(rows: IntArray, page_prose: IntArray, sums: _Sums, trees: Trees) -> list[npt.NDArray[np.generic]]:
    """What the container of each line holds, and those around it."""
    n_containers = len(trees.parents)
    children = np.bincount(trees.parents[trees.depths > 0], minlength=n_containers)
    n_lines = trees.end_lines - trees.first_lines
    by_container = np.stack(
        [
            log_scale(n_lines),
            log_scale(sums.container_mass // _MASS_UNIT),
            _share(sums.container_links, np.maximum(sums.container_mass, 1)),
            log_scale(sums.container_prose_lines),
            _share(sums.container_prose, np.maximum(sums.container_mass, 1)),
            log_scale(children),
        ],
        axis=1,
    )
    columns: list[npt.NDArray[np.generic]] = []
    container = trees.containers
    for _ in range(N_LEVELS):
        lines, mass, links, prose_lines, prose, n_children = by_container[container].T
        columns += [
            lines,
            mass,
            links,
            _share(sums.container_prose[container], page_prose),
            prose_lines,
            prose,
            n_children,
            _share(rows - trees.first_lines[container], np.maximum(n_lines[container], 1)),
        ]
        parent = trees.parents[container]
        container = np.where(trees.depths[parent] > 0, parent, container)
    return columns


def _main_columns(rows: IntArray, page: IntArray, sums: _Sums, trees: Trees) -> list[npt.NDArray[np.generic]]:
    """Where a line stands beside the smallest container that holds so much of the page's prose."""
    columns: list[npt.NDArray[np.generic]] = []
    if not len(rows):
        return [np.zeros(0)] * (len(_MAIN_SHARES) * len(_MAIN_NAMES))
    # The smallest by mass; of several with the same text the innermost, which is the last of them.
    keys = sums.container_mass * 1024 - trees.depths
    page_prose = sums.page_prose[trees.container_pages]
    for share in _MAIN_SHARES:
        holds = 100 * sums.container_prose >= share * page_prose
        candidates = np.where(holds, keys, np.iinfo(np.int64).max)
        smallest = np.minimum.reduceat(candidates, trees.container_starts[:-1])
        found = np.flatnonzero(candidates == smallest[trees.container_pages])
        main = np.zeros(len(smallest), dtype=np.int64)
        main[trees.container_pages[found]] = found
        main = main[page]
        first, end = trees.first_lines[main], trees.end_lines[main]
        inside = (rows >= first) & (rows < end)
        own = trees.containers
        columns += [
            inside,
            log_scale(np.maximum(first - rows, 0)),
            log_scale(np.maximum(rows - end + 1, 0)),
            (trees.parents[own] == main) | (own == main),
            np.clip(trees.depths[own] - trees.depths[main], -1, 8) * inside,
            np.where(inside, _share(rows - first, np.maximum(end - first, 1)), 0),
        ]
    return columns


def _group_columns(page: IntArray, page_prose: IntArray, masses: Masses, trees: Trees) -> list[npt.NDArray[np.generic]]:
    columns: list[npt.NDArray[np.generic]] = []
    for group in trees.groups:
        n_groups = int(group.max(initial=-1)) + 1
        lines = np.bincount(group, minlength=n_groups)
        mass, links, prose = (
            np.bincount(group, weights=values, minlength=n_groups).astype(np.int64)
            for values in (masses.mass, masses.links, np.where(masses.is_prose, masses.mass, 0))
        )
        columns += [
            log_scale(lines)[group],
            log_scale(mass // np.maximum(lines, 1))[group],
            _share(links, np.maximum(mass, 1))[group],
            _share(prose[group], page_prose),
        ]
    return columns


def _copy_columns(texts: Sequence[str], page_starts: IntArray) -> list[npt.NDArray[np.generic]]:
    """How often else a line stands in its page, and whether it is the first of several copies."""
    firsts: list[int] = []  # for each line the first of its page that says the same
    for start, end in pairwise(page_starts.tolist()):
        places: dict[str, int] = {}
        firsts += map(places.setdefault, texts[start:end], range(start, end))
    first = np.array(firsts, dtype=np.int64)
    copies = np.bincount(first)[first] if len(first) else first
    return [log_scale(copies - 1), (copies > 1) & (first == np.arange(len(first)))]


def _share(part: IntArray, whole: IntArray) -> FloatArray:
    return (part / whole).astype(np.float32)


_SHARED_COLUMNS = [DOM_NAMES.index(name) for name in _SHARED_NAMES]
