"""An index of words in tantivy's files, made from a catalog and what the generation before had."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import tantivy

from rag.store.layout import sync
from rag.store.words.present import SEGMENTS_MARK, SEGMENTS_PREFIX, mark_segments
from rag.store.words.rows import Rows
from rag.store.words.segments import FREQUENCIES, NUMBER, TEXT, analyzer

_ANALYZER = "words"
_HEAP_BYTES = 128 * 2**20  # of words that wait to be written
_THREADS = 1  # so that the same chunks give the same files


def write_segments(folder: Path, base: Path | None) -> tuple[str, ...]:
    """The names of the files in `folder`, which has a catalog, that now are its index of words.

    base: a generation with such an index, of which only what differs is read and indexed.

    Raises:
        OSError: the disk is full.
    """
    work = folder / ".words"
    work.mkdir()
    if base:
        _begin_with(base, work)
    try:
        _write(work, folder, base)
    except ValueError as error:  # what tantivy raises, whatever happened
        raise OSError(str(error)) from error
    names = [f"{SEGMENTS_PREFIX}{file.name}" for file in sorted(work.iterdir()) if file.suffix != ".lock"]
    for name in names:
        (work / name.removeprefix(SEGMENTS_PREFIX)).rename(folder / name)
    shutil.rmtree(work)
    mark_segments(folder)
    for name in (*names, SEGMENTS_MARK):
        sync(folder / name)
    return (*names, SEGMENTS_MARK)


def _begin_with(base: Path, work: Path) -> None:
    """Nothing; `work` has the files of the index in `base`. Tantivy replaces files and never writes into one."""
    for file in base.glob(f"{SEGMENTS_PREFIX}*"):
        if file.name != SEGMENTS_MARK:
            copy = work / file.name.removeprefix(SEGMENTS_PREFIX)
            try:
                os.link(file, copy)
            except OSError:  # a file system without links
                shutil.copyfile(file, copy)


def _write(work: Path, folder: Path, base: Path | None) -> None:
    schema = tantivy.SchemaBuilder().add_unsigned_field(NUMBER, indexed=True, fast=True)
    schema = schema.add_text_field(TEXT, tokenizer_name=_ANALYZER, index_option=FREQUENCIES)
    index = tantivy.Index(schema.build(), str(work), sort_by_field=NUMBER)
    index.register_tokenizer(_ANALYZER, analyzer())
    with _rows(folder, base) as rows:
        writer = index.writer(_HEAP_BYTES, _THREADS)
        for seq, _ in rows.gone() if base else ():
            # Not delete_documents_by_term, which takes a number for a signed one and finds none (tantivy 0.27.0).
            writer.delete_documents_by_query(tantivy.Query.term_query(index.schema, NUMBER, seq))
        for seq, text in rows.added() if base else rows.everything():
            document = tantivy.Document()
            document.add_unsigned(NUMBER, seq)
            document.add_text(TEXT, text)
            writer.add_document(document)
        writer.commit()
        writer.wait_merging_threads()


@contextmanager
def _rows(folder: Path, base: Path | None) -> Iterator[Rows]:
    with closing(sqlite3.connect("file::memory:", uri=True)) as connection:
        yield Rows(connection, folder, base)
