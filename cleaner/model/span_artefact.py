"""What a model folder holds for ``--cut spans``: the net that judges pieces of lines, and how sure it must be."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cleaner.errors import ModelError
from cleaner.features.borders import MIN_REST_CHARS
from cleaner.features.shape import FloatArray
from cleaner.labels import BODY
from cleaner.model.artefact import MANIFEST, Model, decide, read_hashed, unpack_nets
from cleaner.model.line_model import LineModel
from cleaner.model.nets import Net, exponentials, sum_logits
from cleaner.model.span_model import N_SPAN_INPUTS, find_candidates, piece_inputs
from cleaner.types import Cut, Judged, Lines

SPAN_WEIGHTS = "spans.npz"


@dataclass(frozen=True)
class SpanModel:
    """Lines to the debris glued to them.

    name: first digits of the weights' hash. nets: averaged. head_threshold, tail_threshold: the scores from which
    pieces go.
    """

    name: str
    nets: tuple[Net, ...]
    head_threshold: float
    tail_threshold: float

    def cut(
        self, model: LineModel, lines: Lines, judged: Sequence[Judged], is_dropped: npt.NDArray[np.bool_]
    ) -> list[Judged]:
        """The verdicts on some pages with what is glued to their kept lines of class body cut off.

        judged: of each page of lines, in order. is_dropped: bool, shape (13,), the classes that go.
        """
        eligible = [
            kept and label == BODY
            for of_page in judged
            for label, kept in zip(of_page.labels, of_page.kept, strict=True)
        ]
        cuts = self.find_cuts(model, lines, np.array(eligible, dtype=np.bool_), is_dropped)
        by_page: list[dict[int, tuple[Cut, ...]]] = [{} for _ in judged]
        for row, of_line in cuts.items():
            page = lines.page_of(row)
            by_page[page][row - int(lines.page_starts[page])] = of_line
        return [replace(of_page, cuts=of_lines) for of_page, of_lines in zip(judged, by_page, strict=True)]

    def weigh(self, inputs: FloatArray) -> npt.NDArray[np.int64]:
        """For each piece and class a whole number in proportion to its probability; int64, shape (n_pieces, 13)."""
        return exponentials(sum_logits(self.nets, inputs))

    def find_cuts(
        self,
        model: LineModel,
        lines: Lines,
        eligible: npt.NDArray[np.bool_],
        is_dropped: npt.NDArray[np.bool_],
    ) -> dict[int, tuple[Cut, ...]]:
        """The pieces that go by the number of their line in `lines`, at most one at each end of a line.

        eligible: bool, shape (n_lines,), lines that may lose a piece. is_dropped: bool, shape (13,), classes that go.
        """
        pieces = find_candidates(model, lines, eligible)
        weights = self.weigh(piece_inputs(model, lines, pieces))
        # At a threshold of 0 each piece gets the best of the classes that go.
        verdicts = decide(weights, is_dropped, 0.0)
        best: dict[tuple[int, bool], Cut] = {}
        for entry, label, score in zip(pieces, verdicts.labels.tolist(), verdicts.scores.tolist(), strict=True):
            is_head = entry.piece.is_head
            key = int(lines.page_starts[entry.page]) + entry.line, is_head
            threshold = self.head_threshold if is_head else self.tail_threshold
            if score >= threshold and (key not in best or score > best[key].score):
                best[key] = Cut(entry.piece.start, entry.piece.end, label, score)
        return _fit_together(best, lines.texts)


def _fit_together(best: Mapping[tuple[int, bool], Cut], texts: Sequence[str]) -> dict[int, tuple[Cut, ...]]:
    """The cuts of each line; of two that would leave no paragraph between them the surer one."""
    cuts: dict[int, tuple[Cut, ...]] = {}
    for row in sorted({row for row, _ in best}):
        ends = [best[row, is_head] for is_head in (True, False) if (row, is_head) in best]
        if len(texts[row]) - sum(cut.end - cut.start for cut in ends) < MIN_REST_CHARS:
            ends = [max(ends, key=lambda cut: cut.score)]
        cuts[row] = tuple(ends)
    return cuts


def load_span_model(model: Model) -> SpanModel:
    """What a model brings to judge pieces of lines, its weights checked; raises ModelError where it brings none."""
    manifest = model.manifest
    if SPAN_WEIGHTS not in manifest["sha256"]:
        raise ModelError(
            f"{model.path}: the model was not fitted to cut pieces out of lines (--cut spans). "
            "Fit it with `cleaner train-spans`, or leave --cut spans out."
        )
    data = read_hashed(model.path, manifest, SPAN_WEIGHTS)
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            nets = unpack_nets(arrays, N_SPAN_INPUTS)
        thresholds = manifest["spans"]["thresholds"]
        return SpanModel(
            manifest["sha256"][SPAN_WEIGHTS][:12],
            nets,
            float(thresholds["head"]["threshold"]),
            float(thresholds["tail"]["threshold"]),
        )
    except (ValueError, KeyError, OSError, EOFError) as error:
        raise ModelError(f"{model.path / SPAN_WEIGHTS}: not what {MANIFEST} says it is ({error})") from error
