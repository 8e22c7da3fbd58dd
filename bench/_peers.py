"""Other extractors, each as one function from a page to its text.

Each gets the page as text and its language, and hands back "" where it gives nothing or fails; failures are counted.
All at once: ``pip install trafilatura justext lxml_html_clean readability-lxml resiliparse "newspaper4k[zh,ja,th]"
boilerpy3 turbohtml`` (with a pip of 2024 or later: the one that ships with Python 3.11 dies on the set).
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Any

from bench._data import GoldPage
from bench._page_text import page_text
from bench._system import System


@dataclass
class Peer(System):
    """One that runs in this process. extract: html and language code to text."""

    extract: Callable[[str, str], str]

    @property
    def recipe(self) -> tuple[str, ...]:
        return "_peers.py", "_page_text.py"

    @property
    def version(self) -> str | None:
        try:
            return metadata.version(self.distribution)
        except metadata.PackageNotFoundError:
            return None

    def run(self, page: GoldPage) -> tuple[str | None, float]:
        logging.disable(logging.CRITICAL)  # boilerpy3 logs a traceback for each page it cannot read
        text = None
        begun = time.process_time()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                text = self.extract(page.html, page.lang)
        except Exception:  # whatever a peer raises on a page, the page counts as one without text
            pass
        finally:
            logging.disable(logging.NOTSET)
        return text, time.process_time() - begun


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
