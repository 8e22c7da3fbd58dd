"""What the tests share: the packaged model, and a model without weights whose decisions stand in the text."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from cleaner import Cleaner
from cleaner.features.hints import Hints
from cleaner.labels import BODY, LABEL_INDEX
from cleaner.model.artefact import Verdicts
from cleaner.types import Lines

# The same examples in each run, so that a failure is a change's; no deadline, as machines are shared.
settings.register_profile(
    "project",
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("project")

SEED = Path(__file__).parent.parent / "seeds" / "000_07fcfd80d63e62e1.txt"


class MarkedModel:
    """A model that believes what a line says of itself: ``teaser| More news`` is a teaser, all else body."""

    path = Path("marked")
    full_name = "marked-1"

    def compile_hints(self, drop_like: tuple[str, ...], keep_like: tuple[str, ...]) -> Hints:
        return Hints()

    def judge(self, lines: Lines, is_dropped: np.ndarray, *_: object) -> Verdicts:
        if any("break the model" in text for text in lines.texts):
            raise ZeroDivisionError("a line that the model cannot take")
        labels = np.array([LABEL_INDEX.get(text.split("|")[0], BODY) for text in lines.texts], dtype=np.int64)
        dropped = np.asarray(is_dropped, dtype=np.bool_)[labels]
        return Verdicts(labels, np.where(dropped, 0.9, 0.1), ~dropped, np.full(len(labels), 0.5))


@pytest.fixture(scope="session", autouse=True)
def heard_ctrl_c() -> None:
    """A shell that starts the tests in the background has them ignore Ctrl-C, and all that they start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def cleaner() -> Cleaner:
    """The packaged model with default options."""
    return Cleaner()


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Cleaner]:
    """Makes cleaners, by options, whose model is `MarkedModel`."""
    monkeypatch.setattr("cleaner.pipeline.load_model", lambda _: MarkedModel())
    return Cleaner


@pytest.fixture(scope="session")
def seed_text() -> str:
    return SEED.read_text(encoding="utf-8")
