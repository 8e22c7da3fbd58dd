"""Runs chromerag, alone in its own environment: a line of JSON ``{html, url}`` in, ``{text, cpu_s}`` out.

text is null where chromerag fails. It gives Markdown that begins with the headline on purpose; out go the first
top-level heading, because gold bodies hold no headline, and the numbers of lists, which are no words of the page.
"""

from __future__ import annotations

import json
import re
import sys
import time
from contextlib import suppress

from chromerag import ChromeRAG

_HEADLINE = re.compile(r"^# .*$", re.MULTILINE)
_LIST_NUMBER = re.compile(r"^ *\d+\. ", re.MULTILINE)


def main() -> None:
    answers, sys.stdout = sys.stdout, sys.stderr  # what a library prints must not get between the answers
    # Its front matter repeats the page's metadata as text.
    extractor = ChromeRAG(enable_schema=False)
    for row in sys.stdin:
        page = json.loads(row)
        text = None
        begun = time.process_time()
        with suppress(Exception):  # whatever it raises, the page counts as one without text
            text = extractor.extract(page["html"], url=page["url"]).markdown
        cpu_s = time.process_time() - begun
        if text is not None:
            text = _LIST_NUMBER.sub("", _HEADLINE.sub("", text, count=1))
        print(json.dumps({"text": text, "cpu_s": cpu_s}), file=answers, flush=True)


if __name__ == "__main__":
    main()
