"""A sample of the lines that a model was fitted to, as its nets saw them: numbers that ship with the model.

Whoever teaches the model new lines has none of the old texts. With this sample the nets can be held to what they
knew. It holds no text and no n-gram: of each line its standardised features and its class, of each bucket of hashed
grams how much the training data used it.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cleaner.errors import ModelError
from cleaner.features.ngrams import N_BUCKETS
from cleaner.learn.fit import rows_of_pages
from cleaner.model.artefact import Model, read_hashed
from cleaner.model.line_model import LINE_NAMES

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

REPLAY = "replay.npz"

LABELLED_KIND = 3
"""Of the kinds of documents that a model is fitted to (`cleaner.learn.train`), the one that people labelled."""

# Of the lines half are of documents that people labelled; whole pages are few and long. What extractors left is not
# among them: it is much like the pages that were cut down.
_LINES_BY_KIND = (6_000, 3_000, 3_000, 12_000)
_USE_STEPS = 16  # the use of a bucket is kept as its logarithm, in sixteenths of a doubling


@dataclass(frozen=True)
class Replay:
    """Documents as the nets of a model saw them while it was fitted.

    inputs: int8, shape (n_lines, len(LINE_NAMES)), features in steps, with stage-one scores by models that had not
    seen the line. labels: int8, shape (n_lines,). page_starts: int64, shape (n_documents + 1,). kinds: int8, shape
    (n_documents,). gram_use: uint8, shape (2^18,), 16 × log2(1 + sum of the squared weights a bucket had in lines).
    """

    inputs: npt.NDArray[np.int8]
    labels: npt.NDArray[np.int8]
    page_starts: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.int8]
    gram_use: npt.NDArray[np.uint8]

    def of_kind(self, kind: int) -> Replay:
        """The documents of one kind."""
        chosen = np.flatnonzero(self.kinds == kind)
        rows, starts = rows_of_pages(chosen, self.page_starts)
        return Replay(self.inputs[rows], self.labels[rows], starts, self.kinds[chosen], self.gram_use)

    def gram_energy(self) -> npt.NDArray[np.float64]:
        """For each bucket the sum of its squared values over the lines of the training data; shape (2^18,)."""
        return np.exp2(self.gram_use.astype(np.float64) / _USE_STEPS) - 1


def sample_replay(
    inputs: npt.NDArray[np.int8],
    labels: npt.NDArray[np.int64],
    page_starts: npt.NDArray[np.int64],
    kinds: npt.NDArray[np.int64],
    matrix: csr_matrix,
    seed: int,
) -> Replay:
    """Whole documents of each kind, drawn from those that the nets are fitted to.

    inputs: a row a line. matrix: the grams of all lines of the training data.
    """
    rng = np.random.default_rng([seed, 13])
    sizes = np.diff(page_starts)
    chosen: list[int] = []
    for kind, n_lines in enumerate(_LINES_BY_KIND):
        of_kind = rng.permutation(np.flatnonzero(kinds == kind))
        chosen += of_kind[np.cumsum(sizes[of_kind]) <= n_lines].tolist()
    pages = np.array(sorted(chosen), dtype=np.int64)
    rows, starts = rows_of_pages(pages, page_starts)
    energy = np.asarray(matrix.power(2).sum(axis=0), dtype=np.float64).ravel()
    return Replay(
        inputs[rows],
        labels[rows].astype(np.int8),
        starts,
        kinds[pages].astype(np.int8),
        np.minimum(np.rint(np.log2(1 + energy) * _USE_STEPS), 255).astype(np.uint8),
    )


def pack_replay(replay: Replay) -> bytes:
    """The bytes of an npz file with the sample."""
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        allow_pickle=False,
        inputs=replay.inputs,
        labels=replay.labels,
        page_starts=replay.page_starts,
        kinds=replay.kinds,
        gram_use=replay.gram_use,
    )
    return buffer.getvalue()


def read_replay(model: Model) -> Replay:
    """The sample that a model brings along. Raises ModelError where it has none."""
    if REPLAY not in model.manifest["sha256"]:
        raise ModelError(
            f"{model.path}: there is no {REPLAY} in it, by which a model remembers what it knew; "
            "take one fitted by `cleaner train` of this version as --base"
        )
    return unpack_replay(read_hashed(model.path, model.manifest, REPLAY), model.path / REPLAY)


def unpack_replay(data: bytes, path: Path) -> Replay:
    """The sample that an npz file holds; no pickled object is ever read. Raises ModelError."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            replay = Replay(*(arrays[name] for name in ("inputs", "labels", "page_starts", "kinds", "gram_use")))
    except (ValueError, KeyError, OSError, EOFError) as error:
        raise ModelError(f"{path}: not the replay sample of a cleaner model ({error})") from error
    n_lines = int(replay.page_starts[-1])
    if replay.inputs.shape != (n_lines, len(LINE_NAMES)) or replay.gram_use.shape != (N_BUCKETS,):
        raise ModelError(f"{path}: made for {replay.inputs.shape[1]} features, this cleaner makes {len(LINE_NAMES)}")
    return replay
