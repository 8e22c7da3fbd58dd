"""A page model as a folder, like a model of plain text: weights that run no code on load, a manifest, a card."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cleaner.errors import ModelError
from cleaner.features.chars import CharTables
from cleaner.features.hints import Hints
from cleaner.features.pages import PAGE_FEATURE_VERSION, PageBatch
from cleaner.model.artefact import (
    PAGE_KIND,
    WEIGHTS,
    Verdicts,
    decide,
    find_model,
    follow_witness,
    full_name,
    pack_document_net,
    pack_nets,
    read_manifest,
    read_weights,
    unpack_document_net,
    unpack_nets,
)
from cleaner.model.line_model import GramWeights
from cleaner.model.page_model import N_PAGE_INPUTS, PageModel, PathWeights


@dataclass(frozen=True)
class PageJudge:
    """A page model with its manifest."""

    path: Path
    manifest: Mapping[str, Any]
    page_model: PageModel

    @cached_property
    def full_name(self) -> str:
        """See `cleaner.model.artefact.full_name`."""
        return full_name(self.manifest)

    def threshold(self, mode: str) -> float:
        """The score from which lines go in a mode."""
        return float(self.manifest["thresholds"][mode]["threshold"])

    def judge(
        self,
        batch: PageBatch,
        is_dropped: npt.NDArray[np.bool_],
        mode: str,
        hints: Hints,
        witness: tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]] | None = None,
    ) -> Verdicts:
        """Class, score and decision for every line. is_dropped: bool, shape (13,), the classes that go.

        witness: which lines another extractor keeps, and which lines it was asked about (`follow_witness`).
        """
        evidence = hints.evidence(batch.texts) if hints else None
        weights = self.page_model.exponentials(batch, evidence)
        verdicts = decide(weights, is_dropped, self.threshold(mode))
        return verdicts if witness is None else follow_witness(verdicts, weights, is_dropped, *witness)


def load_page_model(model: str | Path) -> PageJudge:
    """A page model by name or path, its weights checked against the manifest's hash. Raises ModelError."""
    path = find_model(model)
    manifest = read_manifest(path, kind=PAGE_KIND, feature_version=PAGE_FEATURE_VERSION)
    return PageJudge(path, manifest, unpack_page_weights(read_weights(path, manifest), path))


def pack_page_weights(model: PageModel) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a page model by name."""
    return {
        "char_classes": model.tables.classes,
        "char_folds": model.tables.folds,
        "path_weights": model.paths.weights,
        "path_scales": model.paths.scales,
        "path_bias": np.array([model.paths.bias]),
        "gram_weights": model.grams.weights,
        "gram_scales": model.grams.scales,
        "gram_biases": model.grams.biases,
        "centers": model.centers,
        "factors": model.factors,
        **{f"text_{name}": array for name, array in pack_nets(model.text_nets).items()},
        **{f"order_{name}": array for name, array in pack_document_net(model.order_net).items()},
        **{f"class_{name}": array for name, array in pack_nets(model.class_nets).items()},
    }


def unpack_page_weights(data: bytes, path: Path) -> PageModel:
    """The page model whose arrays an npz file holds; no pickled object is ever read. Raises ModelError."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:

            def of_kind(kind: str) -> dict[str, npt.NDArray[Any]]:
                return {name.removeprefix(kind): array for name, array in arrays.items() if name.startswith(kind)}

            return PageModel(
                CharTables(arrays["char_classes"], arrays["char_folds"]),
                PathWeights(arrays["path_weights"], arrays["path_scales"], arrays["path_bias"][0]),
                GramWeights(arrays["gram_weights"], arrays["gram_scales"], arrays["gram_biases"]),
                arrays["centers"],
                arrays["factors"],
                unpack_nets(of_kind("text_"), N_PAGE_INPUTS),
                unpack_document_net(of_kind("order_"), N_PAGE_INPUTS),
                unpack_nets(of_kind("class_"), N_PAGE_INPUTS),
            )
    except (ValueError, KeyError, OSError, EOFError) as error:
        raise ModelError(f"{path / WEIGHTS}: not the weights of a page model ({error})") from error
