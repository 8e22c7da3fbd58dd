"""Pages in HTML of our own making: one with all that a news page carries, small ones to learn from, random ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import turbohtml
from hypothesis import strategies as st

from cleaner.extract.html import WalkedPage, walk_page
from cleaner.types import Metadata

TITLE = "Council votes to close the old bridge over the Lenz"
STANDFIRST = "Seven of nine members want a new crossing two miles upstream, where the ground is firmer."
STORY = [
    "The council voted seven to two on Monday to close the old bridge for good, officials said after a debate that "
    "went on until midnight and drew a crowd of more than two hundred people.",
    "Mayor Ana Ruiz told reporters that she would sign the decision before the end of the week. “We have waited long "
    "enough,” she said, and thanked the engineers who had warned of the cracks for years.",
    "A new bridge will be built two miles upstream, where the river is narrower and the ground is firm. It will cost "
    "41 million euros, of which the state has promised to pay about two thirds.",
    "The old bridge was opened in 1931 and has been repaired four times since then, most lately after the flood of "
    "2011, when the eastern pier sank by the width of a hand within a single night.",
]
SUBHEAD = "Years of repairs"
# Those that would do as a headline of another story are the ones at risk.
OTHER_SUBHEADS = (
    "What happens to the traffic",
    "Who pays for it",
    "A ferry until the autumn",
    "The cost",
    "Critics of the plan",
    "How the bridge was built",
    "“We will miss it”",
    "Next steps",
    "A narrower river",
    "Traffic to be diverted",
    "Seven votes to two",
)
LIST = [
    "Lorries have to take the motorway bridge at Tannau from the first of March, the police said in a statement.",
    "Buses will end at the western bank until the autumn, and a ferry will carry their passengers across.",
]
QUOTE = (
    "“Nobody here will miss the queues, but all of us will miss the bridge,” said Olga Brandt, who has sold bread on "
    "its eastern bank for thirty-one years and means to go on with it."
)
AFTER = (
    "Work on the northern bank begins in the spring of next year, and the first cars should cross in three years, if "
    "the ground is as good as the engineers say and no winter is as long as the last."
)
NAV = ["Home", "News", "Sport", "Weather"]
CAPTION = "The old bridge on Monday morning. Photo: Mika Roe / Herald"
BYLINE = "By Lena Ortiz"
TEASERS = ["Rovers win the cup after extra time", "Ferry runs aground off Port Ann", "School opens a week late again"]
PROMO = "Sign up for our free newsletter and get the day's top stories in your inbox every morning"
FOOTER = "© 2024 Valley Herald. All rights reserved."


def links(*texts: str, tag: str = "li") -> str:
    return "".join(f"<{tag}><a href=/{number}>{text}</a></{tag}>" for number, text in enumerate(texts))


def paragraphs(*texts: str) -> str:
    return "".join(f"<p>{text}</p>" for text in texts)


def whole_page(inside: str = "", below: str = "") -> str:
    """A page as news sites make them; inside: more within the article's body, below: more behind the article."""
    return f"""<!DOCTYPE html><html lang="en"><head><title>{TITLE} - Valley Herald</title>
<meta property="og:title" content="{TITLE}"><meta property="og:description" content="{STANDFIRST}">
<meta property="og:site_name" content="Valley Herald"></head><body>
<header class="site-header"><nav class="main-nav"><ul class="menu">{links(*NAV)}</ul></nav></header>
<main><article class="article"><header class="article-header"><h1 class="headline">{TITLE}</h1>
<p class="standfirst">{STANDFIRST}</p><div class="byline"><span class="author">{BYLINE}</span></div></header>
<figure class="image"><img src="b.jpg" alt=""><figcaption class="caption">{CAPTION}</figcaption></figure>
<div class="article-body">{paragraphs(*STORY[:2])}<h2>{SUBHEAD}</h2>{paragraphs(STORY[2])}
<ul>{"".join(f"<li>{item}</li>" for item in LIST)}</ul>
<blockquote><p>{QUOTE}</p></blockquote>{inside}{paragraphs(STORY[3], AFTER)}</div></article>
<aside class="related-articles teaser-list"><ul>{links(*TEASERS)}</ul></aside>
<div class="newsletter-signup promo"><p>{PROMO}</p></div>{below}</main>
<footer class="site-footer"><p class="copyright">{FOOTER}</p></footer></body></html>"""


# --- pages to learn from --------------------------------------------------------------------------------------------

_TOWNS = ("Brackwater", "Tannau", "Port Ann", "Lenzing", "Harrow Hill", "Oldmere")
_THINGS = ("bridge", "harbour", "school", "library", "market", "ferry")


def small_page(number: int) -> dict[str, Any]:
    """A page of one of six sites with its gold text, each page with other sentences."""
    town, thing = _TOWNS[number % 6], _THINGS[(number // 2) % 6]
    site = f"herald{number % 6}.example"
    title = f"{town} to rebuild its {thing} number {number}"
    body = [
        f"The council of {town} voted on Monday to rebuild the old {thing}, which was closed {number + 2} years ago.",
        f"“We have waited long enough for this,” said the mayor, and thanked all {number + 40} people who had helped.",
        f"Work on the {thing} begins in the spring of next year and should be done after about {number + 10} months.",
    ]
    box = "aside" if number % 2 else "div"
    html = (
        f"<html lang=en><head><title>{title} | {site}</title></head><body><nav class=menu><ul>"
        f"{links('Home', 'News', f'Sport {number}', 'Weather')}</ul></nav><article class=story-{number % 3}>"
        f"<h1>{title}</h1><p class=byline>By Lena Ortiz</p><div class=article-body>{paragraphs(*body)}</div></article>"
        f"<{box} class=related>{links(f'Rovers win cup {number}', f'Rain floods {town}', tag='p')}</{box}>"
        f"<footer><p>© {site}. All rights reserved.</p><p>Share on Facebook</p></footer></body></html>"
    )
    return {
        "id": f"p{number}",
        "html": html,
        "body": "\n\n".join(body),
        "domain": site,
        "lang": "en",
        "source": "made",
        "split": "train",
    }


# --- random pages ---------------------------------------------------------------------------------------------------

_LINES = (
    "Council votes to close the old bridge",
    "The council voted seven to two on Monday to close the old bridge for good, officials said after a long debate.",
    "“We have waited long enough,” said Mayor Ana Ruiz, who will sign the decision before the end of the week.",
    "Home",
    "Share on Facebook",
    "More news",
    "<a href=/>Rovers win the cup after extra time</a>",
    "<b>By</b> <span class=author>Lena Ortiz</span>",
    "© 2024 Valley Herald",
    "市议会周一投票决定关闭旧桥,市长表示将在本周末之前签署这一决定,并感谢多年来警告裂缝的工程师们。",
    "* * *",
    "x",
    "",
)
_TAGS = ("div", "p", "ul", "li", "section", "article", "aside", "h1", "h2", "table", "nav", "footer", "x-box")
_NAMES = ("", " class=story", " class='teaser list'", " id=main", " class=articleBody")


def _element(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(
        lambda tag, name, inside: f"<{tag}{name}>{'<br>'.join(inside)}</{tag}>",
        st.sampled_from(_TAGS),
        st.sampled_from(_NAMES),
        st.lists(children, max_size=5),
    )


random_html = st.lists(st.recursive(st.sampled_from(_LINES), _element, max_leaves=15), max_size=5).map("".join)
random_metadata = st.builds(
    Metadata,
    titles=st.lists(st.sampled_from([_LINES[0], _LINES[2], "More news", ""]), max_size=2).map(tuple),
    head_title=st.sampled_from([None, f"{_LINES[0]} - Valley Herald", "Home"]),
    descriptions=st.lists(st.sampled_from(_LINES[1:3]), max_size=2).map(tuple),
)


def walk(html: str) -> WalkedPage:
    return walk_page(turbohtml.parse(html))


def assert_same_bits(one: np.ndarray, other: np.ndarray) -> None:
    """Arrays of one type and shape with the same bytes, so that -0 is not 0."""
    assert (one.dtype, one.shape) == (other.dtype, other.shape)
    assert np.ascontiguousarray(one).tobytes() == np.ascontiguousarray(other).tobytes()
