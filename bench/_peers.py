"""Other extractors, each as one function from a page to its text, and a cache of what they gave.

Each gets the page as text and its language, and hands back "" where it gives nothing or fails; failures are counted.
All at once: ``pip install trafilatura justext lxml_html_clean readability-lxml resiliparse "newspaper4k[zh,ja,th]"
boilerpy3 turbohtml`` (with a pip of 2024 or later: the one that ships with Python 3.11 dies on the set).
"""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from bench._data import GoldPage, page_text

CACHE = Path(__file__).parent / ".cache"
# A peer called in another way, or another way from page to text, is another peer to the cache.
_RECIPE = hashlib.sha256(
    b"".join((Path(__file__).parent / name).read_bytes() for name in ("_peers.py", "_data.py"))
).hexdigest()[:8]


@dataclass
class Peer:
    """name: as in the tables. distribution: what pip calls it. extract: html and language code to text."""

    name: str
    distribution: str
    extract: Callable[[str, str], str]
    failures: set[str] = field(default_factory=set)

    @property
    def version(self) -> str | None:
        """Its installed version, None where it is not installed."""
        try:
            return metadata.version(self.distribution)
        except metadata.PackageNotFoundError:
            return None

    def texts(self, pages: Iterable[GoldPage], cache: Path | None = CACHE) -> list[str]:
        """What it gives for each page; kept under ``cache`` by its version, this code and the page's id."""
        path = cache / f"{self.name.replace(' ', '-')}-{self.version}-{_RECIPE}.jsonl" if cache else None
        known = _read_cache(path)
        found = []
        new: list[tuple[str, str | None]] = []
        for page in pages:
            if page.id not in known:
                known[page.id] = self._try(page.html, page.lang)
                new.append((page.id, known[page.id]))
            text = known[page.id]
            if text is None:
                self.failures.add(page.id)
            found.append(text or "")
        if path and new:
            _append_cache(path, new)
        return found

    def _try(self, html: str, lang: str) -> str | None:
        logging.disable(logging.CRITICAL)  # boilerpy3 logs a traceback for each page it cannot read
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self.extract(html, lang)
        except Exception:  # whatever a peer raises on a page, the page counts as one without text
            return None
        finally:
            logging.disable(logging.NOTSET)


def _read_cache(path: Path | None) -> dict[str, str | None]:
    if path is None or not path.exists():
        return {}
    with path.open(encoding="utf-8") as file:
        return dict(map(json.loads, file))


def _append_cache(path: Path, entries: Iterable[tuple[str, str | None]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # The pages' texts belong to their publishers: they go into no repository.
    (path.parent / ".gitignore").write_text("*\n", encoding="utf-8")
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(entry) + "\n" for entry in entries)


# --- the peers ------------------------------------------------------------------------------------------------------


def _trafilatura(**options: Any) -> Callable[[str, str], str]:
    def extract(html: str, lang: str) -> str:
        # deduplicate stays off: it remembers across pages. Comments are in no gold text, so they are left out.
        return import_module("trafilatura").extract(html, include_comments=False, **options) or ""

    return extract


_STOPLISTS = {
    "ar": "Arabic", "bg": "Bulgarian", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek", "en": "English",
    "es": "Spanish", "et": "Estonian", "fi": "Finnish", "fr": "French", "he": "Hebrew", "hi": "Hindi",
    "hr": "Croatian", "hu": "Hungarian", "id": "Indonesian", "it": "Italian", "ko": "Korean", "lt": "Lithuanian",
    "lv": "Latvian", "nl": "Dutch", "no": "Norwegian_Bokmal", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian",
    "ru": "Russian", "sk": "Slovak", "sl": "Slovenian", "sr": "Serbian", "sv": "Swedish", "tr": "Turkish",
    "uk": "Ukrainian", "vi": "Vietnamese",
}  # fmt: skip


def _justext(html: str, lang: str) -> str:
    justext = import_module("justext")
    name = _STOPLISTS.get(lang.split("-")[0].lower())
    if name:
        paragraphs = justext.justext(html, justext.get_stoplist(name))
    else:  # its own way for languages without a list of stop words
        paragraphs = justext.justext(html, frozenset(), stopwords_low=0, stopwords_high=0)
    return "\n".join(paragraph.text for paragraph in paragraphs if not paragraph.is_boilerplate)


def _readability(html: str, lang: str) -> str:
    return page_text(import_module("readability").Document(html).summary(html_partial=True))


def _resiliparse(html: str, lang: str) -> str:
    extract = import_module("resiliparse.extract.html2text").extract_plain_text
    return str(extract(html, main_content=True, alt_texts=False, list_bullets=False))


def _newspaper(html: str, lang: str) -> str:
    # fetch_images off: parsing must not reach for the network.
    code = lang.split("-")[0].lower()
    known = {entry[0] for entry in import_module("newspaper.languages").valid_languages()}
    options = {"language": code} if code in known else {}
    article = import_module("newspaper").Article("http://page.invalid/", fetch_images=False, **options)
    article.download(input_html=html)
    article.parse()
    return str(article.text)


def _boilerpy(html: str, lang: str) -> str:
    extractor = import_module("boilerpy3.extractors").ArticleExtractor()
    return str(extractor.get_content(html))


def _turbohtml(html: str, lang: str) -> str:
    return str(import_module("turbohtml").parse(html).article().text)


PEERS: tuple[Peer, ...] = (
    Peer("trafilatura", "trafilatura", _trafilatura()),
    Peer("trafilatura precision", "trafilatura", _trafilatura(favor_precision=True)),
    Peer("trafilatura fast", "trafilatura", _trafilatura(fast=True)),
    Peer("justext", "justext", _justext),
    Peer("readability-lxml", "readability-lxml", _readability),
    Peer("resiliparse", "resiliparse", _resiliparse),
    Peer("newspaper4k", "newspaper4k", _newspaper),
    Peer("boilerpy3", "boilerpy3", _boilerpy),
    Peer("turbohtml article", "turbohtml", _turbohtml),
)

RESIDUE_PEER = Peer("trafilatura recall", "trafilatura", _trafilatura(favor_recall=True))
"""What leaves the debris that a text model is asked to take out."""
