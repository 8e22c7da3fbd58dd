"""Spark as the engine past one machine: tables by `clean_table`, files by the readers of the local run.

A table (Parquet, or any frame) is cleaned batch by batch where its rows lie. Files (web archives, texts, pages) are a
frame of paths, one a row, which the cluster splits; each is read by whoever cleans it. The models travel with the job,
so that the nodes need the package and nothing else.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from cleaner.arrow import ERROR_FIELDS, TableColumns, batches_of, clean_table, cleaned_schema
from cleaner.batch.read import Document, read_task
from cleaner.batch.tasks import Reading, cut_tasks
from cleaner.batch.work import Tally, clean_documents
from cleaner.errors import InputError, MissingExtraError, OutputError, UsageError
from cleaner.model.artefact import DEFAULT_MODEL, DEFAULT_PAGE_MODEL, find_model
from cleaner.options import CleanOptions
from cleaner.pipeline import Cleaner
from cleaner.readers.sources import Source
from cleaner.record import Columns, article_record
from cleaner.remote import is_url
from cleaner.types import Article, Outcome, Skipped

if TYPE_CHECKING:
    import pyarrow as pa

FILE_KINDS = ("warc", "wet", "text", "html")
"""Kinds of inputs whose files are read by the readers of the local run."""

# What a row carries until the rejected and the skipped have gone their ways: where it stands, why it is skipped. Tables
# may have columns of any other name.
_SOURCE, _POSITION, _SKIPPED = "_cleaner_source", "_cleaner_position", "_cleaner_skipped"
_PLACE_TYPES = {_SOURCE: "string", _POSITION: "int64"}
_ASIDE = (*ERROR_FIELDS, _SOURCE, _POSITION, _SKIPPED)
_GLOB_SIGNS = re.compile(r"[\[\]{}*?\\]")
# Rows of a table that Spark hands over at a time: its default of 10,000 pages would be a gigabyte.
_ROWS_A_BATCH = 512


@dataclass(frozen=True)
class SparkJob:
    """What is cleaned, how and by which models; it pickles with the models' bytes in it.

    digest: names the models, by which a node knows them again.
    """

    options: CleanOptions
    columns: Columns
    keep_input: bool
    digest: str
    files: dict[str, dict[str, bytes]] = field(repr=False, compare=False)

    @classmethod
    def of(
        cls,
        options: CleanOptions,
        columns: Columns | None = None,
        *,
        keep_input: bool = False,
        model: str = DEFAULT_MODEL,
        page_model: str = DEFAULT_PAGE_MODEL,
    ) -> SparkJob:
        """The job with both models read from this machine. Raises ModelError."""
        Cleaner(model, options, page_model=str(find_model(page_model)))  # one that cannot be loaded is told of here
        files: dict[str, dict[str, bytes]] = {}
        digest = hashlib.sha256()
        for role, name in (("model", model), ("page_model", page_model)):
            files[role] = {path.name: path.read_bytes() for path in find_model(name).iterdir() if path.is_file()}
            for file_name, content in sorted(files[role].items()):
                digest.update(f"{role}/{file_name} {len(content)}\n".encode() + content)
        return cls(options, columns or Columns(), keep_input, digest.hexdigest(), files)

    def __hash__(self) -> int:
        return hash(self.digest)


# A Python process of a node does many tasks of one job.
@lru_cache(maxsize=1)
def load_shipped(job: SparkJob) -> Cleaner:
    """The cleaner of a job, from the models that came with it."""
    with tempfile.TemporaryDirectory(prefix="cleaner-models-") as folder:
        for role, files in job.files.items():
            (Path(folder) / role).mkdir()
            for name, content in files.items():
                (Path(folder) / role / name).write_bytes(content)
        return Cleaner(Path(folder) / "model", job.options, page_model=Path(folder) / "page_model")


def clean_frame(frame: Any, job: SparkJob, sources: Sequence[Source] = ()) -> Any:
    """A frame whose rows are records in -> the frame of records out, with `ERROR_FIELDS`; see `clean_table`.

    Rows stay where they are and keep their order. Where the frame comes from `read_tables`, a row without an id is
    known by its file and its number in it, and one that is rejected carries both. sources: files, with the names that
    the local run has for them. Raises UsageError for a frame without documents.
    """
    from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

    columns = TableColumns(**asdict(job.columns), keep_input=job.keep_input)
    is_placed = _SOURCE in frame.columns
    given = to_arrow_schema(frame.drop(*_PLACE_TYPES).schema)
    schema = cleaned_schema(given, job.options, columns)
    if is_placed:
        schema = _placed_schema(schema)
    places = {_as_spark_has_it(source.path): (source.path, source.name) for source in sources}
    return frame.mapInArrow(_table_cleaner(job, places if is_placed else None), from_arrow_schema(schema))


def _placed_schema(schema: pa.Schema) -> pa.Schema:
    import pyarrow as pa

    return pa.schema([*schema, *((name, pa.type_for_alias(kind)) for name, kind in _PLACE_TYPES.items())])


def _as_spark_has_it(path: str) -> str:
    return path if is_url(path) else os.path.abspath(path)


def _table_cleaner(
    job: SparkJob, places: Mapping[str, tuple[str, str]] | None
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """places: for the path of a file the one that the user knows, and its name; None where the rows have no files."""
    names = {f"{name}_column": column for name, column in asdict(job.columns).items()}

    def clean(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        cleaner = load_shipped(job)
        for batch in batches:
            given = batch.select([name for name in batch.schema.names if name not in _PLACE_TYPES])
            cleaned = clean_table(cleaner, given, **names, keep_input=job.keep_input)
            if places is not None:
                cleaned = _with_places(cleaned, batch, places)
            yield from cleaned.to_batches()

    return clean


def _with_places(cleaned: pa.Table, batch: pa.RecordBatch, places: Mapping[str, tuple[str, str]]) -> pa.Table:
    """The cleaned rows with the file and the number of those that are rejected; who has no id is named by them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    files, positions = batch.column(_SOURCE).dictionary_encode(), batch.column(_POSITION)
    found = [_place_of(uri, places) for uri in files.dictionary.to_pylist()]
    sources, names = (pa.array([place[at] for place in found], pa.string()).take(files.indices) for at in (0, 1))
    if pa.types.is_string(cleaned.schema.field("id").type):
        made = pc.binary_join_element_wise(names, positions.cast(pa.string()), "#")
        at = cleaned.schema.get_field_index("id")
        cleaned = cleaned.set_column(at, cleaned.schema.field(at), pc.coalesce(cleaned.column(at), made))
    is_rejected = cleaned.column(ERROR_FIELDS[0]).is_valid()
    for name, column in ((_SOURCE, sources), (_POSITION, positions)):
        cleaned = cleaned.append_column(name, pc.if_else(is_rejected, column, pa.scalar(None, column.type)))
    return cleaned


def _place_of(uri: str, places: Mapping[str, tuple[str, str]]) -> tuple[str, str]:
    """The path and the name of a file that Spark calls ``file:/crawl/a%20b.parquet``, or by another scheme."""
    path = re.sub("^file:(//)?/", "/", unquote(uri))
    return places.get(path, (path, path.rpartition("/")[2]))


def clean_files(session: Any, sources: Sequence[Source], job: SparkJob) -> Any:
    """Files -> the frame of records out, with what was rejected and skipped among them, each file in its order.

    The files are spread over as many partitions as there are files, so each is read where a core is free.
    """
    import pyarrow as pa
    from pyspark.sql.pandas.types import from_arrow_schema

    if job.keep_input:
        raise UsageError("--keep-input is for tables; of web archives, texts and pages Spark keeps no copy")
    names = ["id", "url", job.columns.text]
    if any(source.kind in ("warc", "wet") for source in sources):
        names.append("warc_date")
    table = pa.schema([(name, pa.string()) for name in names])
    schema = _placed_schema(cleaned_schema(table, job.options, TableColumns(text=job.columns.text)))
    schema = schema.append(pa.field(_SKIPPED, pa.string()))
    rows = [(source.path, source.name, source.kind, source.problem, source.size_bytes) for source in sources]
    paths = session.createDataFrame(
        session.sparkContext.parallelize(rows, len(rows)),
        "path string, name string, kind string, problem string, size_bytes long",
    )
    return paths.mapInArrow(_file_cleaner(job, schema), from_arrow_schema(schema))


def _file_cleaner(job: SparkJob, schema: pa.Schema) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def clean(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for row in batch.to_pylist():
                yield from batches_of(_clean_source(job, Source(**row)), schema)

    return clean


def _clean_source(job: SparkJob, source: Source) -> Iterator[dict[str, Any]]:
    reading = Reading(job.columns, max_bytes=job.options.max_bytes)
    cleaner = load_shipped(job)
    for task in cut_tasks([source], reading):
        if task is not None:
            for document, outcome in clean_documents(cleaner, read_task(task, reading)):
                yield _row(job.options, document, outcome)


def _row(options: CleanOptions, document: Document, outcome: Outcome | Skipped) -> dict[str, Any]:
    page = document.page
    if isinstance(outcome, Skipped):
        return {_SKIPPED: outcome.reason}
    if isinstance(outcome, Article):
        return article_record(outcome, options)
    return {
        "id": None if outcome.id is None else str(outcome.id),
        "error_reason": outcome.reason,
        "error_message": outcome.message,
        _SOURCE: page.source,
        _POSITION: page.position,
    }


def open_session(master: str | None = None) -> Any:
    """The running session, or a new one: by ``master``, as spark-submit has set it up, else on all cores of this
    machine. Raises MissingExtraError, UsageError where there is no Java."""
    try:
        from pyspark import SparkConf
        from pyspark.errors.exceptions.base import PySparkRuntimeError
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise MissingExtraError("pyspark", "spark") from error
    builder = SparkSession.builder.appName("cleaner")
    master = master or (None if SparkConf().contains("spark.master") else "local[*]")
    if master is not None:
        builder = builder.master(master)
        if master.startswith("local"):
            # Spark would start the first python3 that it finds, which need not be this one.
            os.environ["PYSPARK_PYTHON"] = sys.executable
            builder = builder.config("spark.ui.enabled", "false")
    try:
        session = builder.config("spark.sql.execution.arrow.maxRecordsPerBatch", str(_ROWS_A_BATCH)).getOrCreate()
    except (PySparkRuntimeError, FileNotFoundError, RuntimeError) as error:
        raise UsageError(f"Spark does not start ({str(error).splitlines()[0]}); it needs Java 17 or newer") from error
    return session


def write_cleaned(cleaned: Any, out: str, *, overwrite: bool = False) -> Tally:
    """Writes a cleaned frame as Parquet, the rejected as JSON Lines in ``_errors`` below it, and counts all rows.

    Raises OutputError where there is something already, unless it shall be overwritten. Spark's ``_SUCCESS`` comes
    when the articles are written.
    """
    from pyspark.errors import AnalysisException
    from pyspark.sql import functions as F
    from pyspark.storagelevel import StorageLevel

    mode = "overwrite" if overwrite else "errorifexists"
    # Cleaned once, written twice.
    kept = cleaned.persist(StorageLevel.DISK_ONLY)
    try:
        is_skipped = F.col(_SKIPPED).isNotNull() if _SKIPPED in kept.columns else F.lit(False)
        is_rejected = F.col("error_reason").isNotNull()
        articles = kept.filter(~is_rejected & ~is_skipped).drop(*_ASIDE)
        articles.write.mode(mode).parquet(out)
        tally = _count(kept, F)
        if tally.n_rejected:
            place = [F.col(name) if name in kept.columns else F.lit(None) for name in _PLACE_TYPES]
            errors = kept.filter(is_rejected).select(
                F.col("id"),
                place[0].cast("string").alias("source"),
                place[1].cast("long").alias("position"),
                F.col("error_reason").alias("reason"),
                F.col("error_message").alias("message"),
            )
            errors.write.mode(mode).option("ignoreNullFields", "false").json(f"{out.rstrip('/')}/_errors")
        return tally
    except AnalysisException as error:
        raise OutputError(f"{out}: {str(error).splitlines()[0]}") from error
    finally:
        kept.unpersist()


def _count(kept: Any, functions: Any) -> Tally:
    skipped = functions.col(_SKIPPED) if _SKIPPED in kept.columns else functions.lit(None).cast("string")
    rows = (
        kept.groupBy("verdict", "error_reason", skipped.alias("skip_reason"))
        .agg(
            functions.count("*").alias("n"),
            functions.sum("lines_in").alias("n_in"),
            functions.sum("lines_out").alias("n_out"),
        )
        .collect()
    )
    tally = Tally()
    for row in rows:
        _add(tally, row)
    return tally


def _add(tally: Tally, row: Any) -> None:
    counter, name = next(
        (counter, name)
        for counter, name in (
            (tally.skipped, row.skip_reason),
            (tally.reasons, row.error_reason),
            (tally.verdicts, row.verdict),
        )
        if name is not None
    )
    counter[name] += row.n
    if counter is not tally.skipped:
        tally.n_documents += row.n
    tally.n_lines_in += row.n_in or 0
    tally.n_lines_out += row.n_out or 0


def read_tables(session: Any, paths: Sequence[str]) -> Any:
    """Parquet files and folders as one frame, whose rows know their file and their number in it. Raises InputError."""
    from pyspark.errors import AnalysisException

    try:
        frame = session.read.parquet(*paths)
    except AnalysisException as error:
        raise InputError(f"{', '.join(paths)}: {str(error).splitlines()[0]}") from error
    known = frame.metadataColumn("_metadata")
    return frame.select(
        "*", known.getField("file_path").alias(_SOURCE), known.getField("row_index").cast("long").alias(_POSITION)
    )


def read_files(session: Any, sources: Sequence[Source]) -> Any:
    """The Parquet files of this machine, or behind URLs, as `read_tables` has them. Raises InputError, UsageError."""
    passed_over = [source.path for source in sources if source.path.rpartition("/")[2].startswith(("_", "."))]
    if passed_over:
        raise UsageError(f"{passed_over[0]}: Spark passes over names that begin with _ or a dot; rename the file")
    # For Spark each path is a glob.
    return read_tables(session, [_GLOB_SIGNS.sub(r"\\\g<0>", _as_spark_has_it(source.path)) for source in sources])
