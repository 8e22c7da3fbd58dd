"""A model as a folder: weights that run no code on load, a manifest, a card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cleaner.errors import ModelError
from cleaner.features import FEATURE_VERSION
from cleaner.features.chars import CharTables
from cleaner.features.hints import Hints, compile_hints
from cleaner.features.lines import FeatureTables
from cleaner.features.meaning import WordVectors
from cleaner.labels import LABELS
from cleaner.model.document_net import N_VIEWS, DocumentNet, Look, TreeShare, WindowBody
from cleaner.model.line_model import LINE_NAMES, GramWeights, LineModel
from cleaner.model.nets import IS_KEPT, Layer, Net
from cleaner.model.recurrence import Recurrence, RecurrentBody
from cleaner.model.trees import BoostedTrees
from cleaner.types import Lines

FORMAT_VERSION = 1
DEFAULT_MODEL, DEFAULT_PAGE_MODEL = "news-1", "pages-1"
WEIGHTS, MANIFEST, CARD = "weights.npz", "manifest.json", "README.md"
TEXT_KIND, PAGE_KIND = "text", "page"
"""What a model judges: lines of plain text, or lines of pages in HTML. A manifest without a kind is of the first."""

# Scores are rounded before they meet the threshold, so that whoever reads them can take the same decision.
SCORE_DIGITS = 4


DEFAULT_DROPPED = ~IS_KEPT
"""bool, shape (13,): the classes that go unless the user says otherwise."""

INPUT_KINDS = ("article", "mixed", "half", "page")
"""What a document can look like: an article with some debris; one with much; half debris; a page, menus and all."""

# From so many lines of debris on a document is no plain article: articles with fewer can be judged by a lower threshold
# for the same loss. A page is what is nearly all debris, or long and a good part of it. Judged out of fold, those are
# 368 of 400 whole pages, and 32 of 1,769 documents that somebody cut out of one. Half debris are 52 more of these; by
# the threshold of documents with much debris most of it would stay, and by that of pages they would lose 12 % of their
# article lines. Before these were told apart, half debris and short pages kept most of it (F of characters of pages
# below 60 lines .917, now .955; F of the lines dropped from all documents .821, now .858, for .69 and .83 % of the
# article lines).
_MIXED_DEBRIS = 8
_HALF, _NEARLY_ALL = 0.5, 0.75
_PAGE_DEBRIS, _PAGE_SHARE = 40, 0.3


@dataclass(frozen=True)
class Verdicts:
    """What a model says of lines.

    labels: int64, shape (n_lines,), the most probable class on the side that was decided for. scores: float64, shape
    (n_lines,), probability of debris, rounded. kept: bool, shape (n_lines,). thresholds: float64, shape (n_lines,),
    the score from which each line's document lets lines go.
    """

    labels: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]
    kept: npt.NDArray[np.bool_]
    thresholds: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Model:
    """A line model with its manifest."""

    path: Path
    manifest: Mapping[str, Any]
    line_model: LineModel

    @cached_property
    def full_name(self) -> str:
        """See `full_name`."""
        return full_name(self.manifest)

    def compile_hints(self, drop_like: Iterable[str], keep_like: Iterable[str]) -> Hints:
        """The user's phrases in the form that `judge` takes."""
        return compile_hints(drop_like, keep_like)

    def thresholds(self, mode: str) -> tuple[float, ...]:
        """The scores from which lines go in a mode, one for each of INPUT_KINDS."""
        by_kind = self.manifest["thresholds"][mode]
        return tuple(float(by_kind[kind]["threshold"]) for kind in INPUT_KINDS)

    def judge(self, lines: Lines, is_dropped: npt.NDArray[np.bool_], mode: str, hints: Hints) -> Verdicts:
        """Class, score and decision for every line. is_dropped: bool, shape (13,), the classes that go."""
        evidence = hints.evidence(lines.texts) if hints else None
        weights = self.line_model.exponentials(lines, evidence)
        return decide(weights, is_dropped, choose_thresholds(weights, lines.page_starts, self.thresholds(mode)))


def full_name(manifest: Mapping[str, Any]) -> str:
    """Name, version and first digits of the weights' hash of a model: what decided, exactly."""
    return f"{manifest['name']}-{manifest['version']}@{manifest['sha256'][WEIGHTS][:12]}"


def choose_thresholds(
    weights: npt.NDArray[np.int64], page_starts: npt.NDArray[np.int64], thresholds: Sequence[float]
) -> npt.NDArray[np.float64]:
    """The threshold of each line, by what its document looks like to the model; float64, shape (n_lines,)."""
    by_page = np.asarray(thresholds, dtype=np.float64)[input_kinds(weights, page_starts)]
    return np.repeat(by_page, np.diff(page_starts))


def input_kinds(weights: npt.NDArray[np.int64], page_starts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """What each document looks like, as an index into INPUT_KINDS; int64, shape (n_pages,).

    The same line is debris more often on a page than in an article that a scraper has cut out, and article lines
    look more like debris: one threshold for all would lose several times as much of the one as of the other.
    """
    is_debris = 2 * weights[:, DEFAULT_DROPPED].sum(axis=1) > weights.sum(axis=1)
    counts = np.concatenate([[0], np.cumsum(is_debris)])
    sizes = np.diff(page_starts)
    n_debris = counts[page_starts[1:]] - counts[page_starts[:-1]]
    much = n_debris >= _MIXED_DEBRIS
    half, nearly_all = (much & (n_debris >= share * sizes) for share in (_HALF, _NEARLY_ALL))
    is_page = nearly_all | ((n_debris >= _PAGE_DEBRIS) & (n_debris >= _PAGE_SHARE * sizes))
    return np.where(is_page, 3, np.where(half, 2, much.astype(np.int64)))


def decide(
    weights: npt.NDArray[np.int64], is_dropped: npt.NDArray[np.bool_], thresholds: npt.NDArray[np.float64] | float
) -> Verdicts:
    """Verdicts from class weights (`LineModel.exponentials`); a line goes when its score reaches the threshold."""
    scores = np.round(weights[:, is_dropped].sum(axis=1) / np.maximum(weights.sum(axis=1), 1), SCORE_DIGITS)
    thresholds = np.broadcast_to(np.asarray(thresholds, dtype=np.float64), scores.shape)
    kept = scores < thresholds
    return Verdicts(_best_labels(weights, is_dropped, kept), scores, kept, thresholds)


# Scores between these are doubtful: there a second extractor's choice is right more often than the model's.
_DOUBTFUL = (0.2, 0.8)


def follow_witness(
    verdicts: Verdicts,
    weights: npt.NDArray[np.int64],
    is_dropped: npt.NDArray[np.bool_],
    witnessed: npt.NDArray[np.bool_],
    asked: npt.NDArray[np.bool_],
) -> Verdicts:
    """The verdicts with doubtful lines kept where a witness keeps them.

    weights, is_dropped: as in `decide`. witnessed, asked (lines of pages that the witness read): bool, (n_lines,).
    """
    low, high = _DOUBTFUL
    doubtful = asked & (verdicts.scores > low) & (verdicts.scores < high)
    kept = np.where(doubtful, witnessed, verdicts.kept)
    return Verdicts(_best_labels(weights, is_dropped, kept), verdicts.scores, kept, verdicts.thresholds)


def _best_labels(
    weights: npt.NDArray[np.int64], is_dropped: npt.NDArray[np.bool_], kept: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """The best class of the side decided for: a line that goes by the sum of many classes is not called body."""
    return np.where(is_dropped == kept[:, None], np.int64(-1), weights).argmax(axis=1)


def models_dir() -> Path:
    """The folder of the packaged models: inside the wheel, or at the root of the repository in an editable install."""
    package = Path(__file__).resolve().parent.parent
    wheel = package / "_models"
    return wheel if wheel.is_dir() else package.parent / "models"


def find_model(model: str | Path) -> Path:
    """The folder of a model given by name (one of the packaged ones) or by path; raises ModelError."""
    packaged = models_dir() / str(model)
    for path in (packaged, Path(model)):
        if (path / MANIFEST).is_file():
            return path
    known = ", ".join(list_models()) or "none"
    raise ModelError(f"{model}: neither a packaged model ({known}) nor a folder with a {MANIFEST}")


def list_models() -> list[str]:
    """Names of the packaged models."""
    return sorted(path.parent.name for path in models_dir().glob(f"*/{MANIFEST}"))


def load_model(model: str | Path) -> Model:
    """A model by name or path, its weights checked against the manifest's hash. Raises ModelError."""
    path = find_model(model)
    manifest = read_manifest(path)
    return Model(path, manifest, unpack_weights(read_weights(path, manifest), path))


def read_weights(path: Path, manifest: Mapping[str, Any]) -> bytes:
    """The bytes of a model's weights. Raises ModelError where they are not those that the manifest names."""
    return read_hashed(path, manifest, WEIGHTS)


def read_hashed(path: Path, manifest: Mapping[str, Any], name: str) -> bytes:
    """The bytes of a file of a model. Raises ModelError where they are not those that the manifest names."""
    try:
        data = (path / name).read_bytes()
    except OSError as error:
        raise ModelError(f"{path / name}: {error.strerror or error}") from error
    expected = manifest["sha256"].get(name)
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise ModelError(
            f"{path / name}: its hash is {found[:12]}…, the manifest says {str(expected)[:12]}…; "
            "the file was altered or cut short. Take the model folder anew from where it came."
        )
    return data


def read_kind(path: Path) -> str:
    """What the model of a folder judges, TEXT_KIND or PAGE_KIND; raises ModelError."""
    return str(read_raw_manifest(path).get("kind", TEXT_KIND))


def read_raw_manifest(path: Path) -> dict[str, Any]:
    """A model's manifest, nothing about it checked; raises ModelError where there is none."""
    try:
        return dict(json.loads((path / MANIFEST).read_text(encoding="utf-8")))
    except OSError as error:
        raise ModelError(f"{path / MANIFEST}: {error.strerror or error}") from error
    except (ValueError, TypeError) as error:
        raise ModelError(f"{path / MANIFEST}: not a manifest of a cleaner model ({error})") from error


def read_manifest(path: Path, kind: str = TEXT_KIND, feature_version: int = FEATURE_VERSION) -> dict[str, Any]:
    """A model's manifest, its kind and versions checked; raises ModelError with the remedy."""
    manifest = read_raw_manifest(path)
    found_kind = manifest.get("kind", TEXT_KIND)
    if found_kind != kind:
        other = "--page-model" if found_kind == PAGE_KIND else "--model"
        raise ModelError(f"{path}: a model for {found_kind}, not for {kind}; it belongs behind {other}")
    try:
        format_version, made_for = manifest["format"], manifest["feature_version"]
        classes, _ = manifest["classes"], (manifest["sha256"], manifest["thresholds"], manifest["name"])
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path / MANIFEST}: not a manifest of a cleaner model ({error})") from error
    if format_version != FORMAT_VERSION or made_for != feature_version:
        command = "train-pages" if kind == PAGE_KIND else "train"
        raise ModelError(
            f"{path}: made for format {format_version} and features {made_for}, this cleaner reads format "
            f"{FORMAT_VERSION} and makes features {feature_version}. Retrain with `cleaner {command}`, or install "
            f"line-cleaner=={manifest.get('cleaner_version', '?')}."
        )
    if list(classes) != list(LABELS):
        raise ModelError(f"{path}: its classes are {', '.join(classes)}, this cleaner's are {', '.join(LABELS)}")
    return manifest


def pack_weights(model: LineModel) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a model by name."""
    return {
        "char_classes": model.tables.chars.classes,
        "char_folds": model.tables.chars.folds,
        "rarity": model.tables.rarity,
        "word_vectors": model.tables.vectors.table,
        "gram_weights": model.grams.weights,
        "gram_scales": model.grams.scales,
        "gram_biases": model.grams.biases,
        "centers": model.centers,
        "factors": model.factors,
        **pack_document_net(model.net),
    }


_LAYER_PARTS = ("weights", "biases", "scales")
_RECURRENCE_PARTS = tuple(part.name for part in fields(Recurrence))


def pack_nets(nets: Sequence[Net]) -> dict[str, npt.NDArray[Any]]:
    """The arrays of nets by name, and how many nets of how many layers there are."""
    arrays: dict[str, npt.NDArray[Any]] = {"shape": np.array([len(nets), len(nets[0].layers)], dtype=np.int64)}
    for number, net in enumerate(nets):
        for depth, layer in enumerate(net.layers):
            arrays |= _pack_layer(f"net{number}_layer{depth}", layer)
    return arrays


def unpack_nets(arrays: Mapping[str, npt.NDArray[Any]], n_inputs: int) -> tuple[Net, ...]:
    """The nets whose arrays are given by name; raises ValueError where they take another number of inputs."""
    n_nets, n_layers = arrays["shape"].tolist()
    nets = tuple(
        Net(tuple(_unpack_layer(arrays, f"net{number}_layer{depth}") for depth in range(n_layers)))
        for number in range(n_nets)
    )
    _check_inputs([net.layers[0] for net in nets], n_inputs)
    return nets


def pack_document_net(net: DocumentNet) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a net over the lines of documents by name."""
    arrays = _pack_layer("net_last", net.last)
    for number, body in enumerate(net.bodies):
        arrays |= _pack_layer(f"net{number}_first", body.first)
        arrays |= {f"net{number}_recurrence_{part}": getattr(body.recurrence, part) for part in _RECURRENCE_PARTS}
        arrays |= _pack_layer(f"net{number}_second", body.second)
    for number, look in enumerate(net.looks):
        arrays |= _pack_look(f"look{number}", look)
    if net.temperature != 1:
        arrays["temperature"] = np.array([net.temperature])
    if net.change is not None:
        arrays |= _pack_layer("change", net.change)
    return arrays


def unpack_document_net(arrays: Mapping[str, npt.NDArray[Any]], n_inputs: int) -> DocumentNet:
    """The net whose arrays are given by name; raises ValueError where its parts do not fit each other or the inputs."""
    bodies = tuple(
        RecurrentBody(
            _unpack_layer(arrays, f"net{number}_first"),
            Recurrence(*(arrays[f"net{number}_recurrence_{part}"] for part in _RECURRENCE_PARTS)),
            _unpack_layer(arrays, f"net{number}_second"),
        )
        for number in range(_count(arrays, "net", "_first_weights"))
    )
    n_looks = _count(arrays, "look", "_last_weights")
    looks = tuple(_unpack_look(arrays, f"look{number}", N_VIEWS * n_inputs) for number in range(n_looks))
    # Those that see the mean line of the document take twice as many.
    _check_inputs([body.first for body in bodies], n_inputs, 2 * n_inputs)
    _check_inputs([window.first for look in looks for window in look.windows], N_VIEWS * n_inputs)
    change = _unpack_layer(arrays, "change") if "change_weights" in arrays else None
    temperature = _numbers(arrays, "temperature", 1)[0] if "temperature" in arrays else 1.0
    return DocumentNet(bodies, _unpack_layer(arrays, "net_last"), looks, temperature, change)


def _numbers(arrays: Mapping[str, npt.NDArray[Any]], name: str, n: int) -> list[float]:
    """So many finite numbers; raises ValueError where there are others."""
    numbers = arrays[name]
    if numbers.shape != (n,) or numbers.dtype != np.float64 or not np.isfinite(numbers).all():
        raise ValueError(f"{name} is not of {n} finite numbers")
    return [float(number) for number in numbers]


_TREE_PARTS = ("features", "thresholds", "leaves")


def _pack_look(name: str, look: Look) -> dict[str, npt.NDArray[Any]]:
    arrays = _pack_layer(f"{name}_last", look.last) | {f"{name}_bounds": np.array([look.low, look.high])}
    for number, window in enumerate(look.windows):
        arrays |= _pack_layer(f"{name}_window{number}_first", window.first)
        arrays |= _pack_layer(f"{name}_window{number}_second", window.second)
    if look.trees is not None:
        trees = look.trees.trees
        arrays |= {f"{name}_trees_{part}": getattr(trees, part) for part in _TREE_PARTS}
        arrays[f"{name}_trees_step_share"] = np.array([trees.step, look.trees.share])
    return arrays


def _unpack_look(arrays: Mapping[str, npt.NDArray[Any]], name: str, n_seen: int) -> Look:
    windows = tuple(
        WindowBody(
            _unpack_layer(arrays, f"{name}_window{number}_first"),
            _unpack_layer(arrays, f"{name}_window{number}_second"),
        )
        for number in range(_count(arrays, f"{name}_window", "_first_weights"))
    )
    trees = None
    if f"{name}_trees_step_share" in arrays:
        step, share = _numbers(arrays, f"{name}_trees_step_share", 2)
        parts = {part: arrays[f"{name}_trees_{part}"] for part in _TREE_PARTS}
        trees = TreeShare(BoostedTrees(**parts, step=step), share)
        trees.trees.check(n_seen)
    low, high = _numbers(arrays, f"{name}_bounds", 2)
    return Look(low, high, windows, _unpack_layer(arrays, f"{name}_last"), trees)


def _count(arrays: Mapping[str, npt.NDArray[Any]], kind: str, part: str) -> int:
    """Of how many things of a kind, numbered from 0, there is such a part."""
    return sum(f"{kind}{number}{part}" in arrays for number in range(len(arrays)))


def _pack_layer(name: str, layer: Layer) -> dict[str, npt.NDArray[Any]]:
    return {f"{name}_{part}": getattr(layer, part) for part in _LAYER_PARTS}


def _unpack_layer(arrays: Mapping[str, npt.NDArray[Any]], name: str) -> Layer:
    return Layer(*(arrays[f"{name}_{part}"] for part in _LAYER_PARTS))


def _check_inputs(layers: Sequence[Layer], *n_inputs: int) -> None:
    for layer in layers:
        if layer.weights.shape[0] not in n_inputs:
            raise ValueError(f"its nets take {layer.weights.shape[0]} inputs, not {n_inputs[0]}")


def unpack_weights(data: bytes, path: Path) -> LineModel:
    """The model whose arrays an npz file holds; no pickled object is ever read. Raises ModelError."""
    import io

    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return LineModel(
                FeatureTables(
                    CharTables(arrays["char_classes"], arrays["char_folds"]),
                    arrays["rarity"],
                    WordVectors(arrays["word_vectors"]),
                ),
                GramWeights(arrays["gram_weights"], arrays["gram_scales"], arrays["gram_biases"]),
                arrays["centers"],
                arrays["factors"],
                unpack_document_net(arrays, len(LINE_NAMES)),
            )
    except (ValueError, KeyError, OSError, EOFError) as error:
        raise ModelError(f"{path / WEIGHTS}: not the weights of a cleaner model ({error})") from error
