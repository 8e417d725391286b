"""One SQLite file that several threads and several processes write to."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rag.errors import CorpusError
from rag.store.layout import mark_format

_BUSY_S = 30.0


class Database:
    """Transactions on one file. What SQLite says of the disk becomes a `CorpusError`. Any thread may call."""

    def __init__(self, data_dir: Path, name: str, schema: str, *, cure: str, is_private: bool = False) -> None:
        """Open or create `name` in `data_dir`.

        schema: statements that create what is not there, and pragmas that are other than here. cure: what to do when
        the file is damaged, a sentence. is_private: only its owner may read the file.
        """
        mark_format(data_dir)
        self._file = data_dir / name
        self._cure = cure
        self._lock = threading.Lock()
        with self._errors():
            self._file.parent.mkdir(exist_ok=True)
            if is_private:  # before SQLite makes it for everyone; its side files take their rights from this one
                self._file.touch(mode=0o600)
            self._connection = sqlite3.connect(
                self._file, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
            )
        self._connection.row_factory = sqlite3.Row
        try:
            with self._errors():
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = NORMAL")
                self._connection.executescript(schema)
        except CorpusError:
            self._connection.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, for statements that change nothing."""
        with self._errors(), self._lock:
            yield self._connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The connection in a transaction, which holds if the block ends well and never was if it does not."""
        with self._errors(), self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Nothing; the file is closed."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:
            raise CorpusError(
                f"The database {str(self._file)!r} cannot be used: {error}. Free disk space or check its rights."
            ) from error
        except sqlite3.DatabaseError as error:
            raise CorpusError(f"The database {str(self._file)!r} is damaged: {error}. {self._cure}") from error
