"""The database: one per process, SQLite or PostgreSQL, and the unit of work.

`unit_of_work()` is the only way to a session: it commits when its block ends well and rolls back otherwise.
`Fixed` statements are written in SQLAlchemy Core, compiled once, and run on the driver's own cursor: on the path of every
message the object mapper would cost ten times the database (docs/decisions/0003-hot-path.md).
"""

import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.ext.compiler import compiles
from sqlmodel import Session, SQLModel
from typing_extensions import override

from models.durable import LogSync
from models.errors import CommitUnknownError, DeadlineError

LOCK_WAIT = 10.0
"""Seconds that a job waits for SQLite's writer before it gives up; a turn brings its own deadline."""

POOL_SIZE = 12
_NOT_FOR_EVER = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""How long PostgreSQL's own client waits for a silent server; seconds, the last one milliseconds."""

_WAIT_STEP = 500  # ms

# Every constraint has a name, so that a later migration can take it away on both engines.
SQLModel.metadata.naming_convention = {
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "ix": "ix_%(column_0_label)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}


def to_utc_text(moment: datetime) -> str:
    """The one spelling of a moment in SQLite: fixed width, so that text order is time order."""
    moment = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return moment.isoformat(" ", "microseconds")[:26]


def utc(value: str | datetime) -> datetime:
    """A moment as a `Fixed` statement returns it, aware UTC on both engines."""
    if isinstance(value, str):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return value.astimezone(UTC)


sqlite3.register_adapter(datetime, to_utc_text)
sqlite3.register_adapter(date, date.isoformat)


class UTCDateTime(sa.types.TypeDecorator[datetime]):
    """An aware UTC moment; SQLite keeps it as fixed-width text, PostgreSQL as timestamptz."""

    impl = sa.DateTime
    cache_ok = True

    @override
    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.String(26))
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        return to_utc_text(value)

    @override
    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else utc(value)


def enum_column(kind: type[StrEnum]) -> sa.Enum:
    """A column that holds the enum's value and refuses any other."""
    return sa.Enum(
        kind, values_callable=lambda members: [member.value for member in members], native_enum=False, length=32
    )


class Database:
    """One engine with the habits of its dialect."""

    def __init__(self, url: str) -> None:
        self.url = sa.make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.url.drivername in {"postgres", "postgresql"}:
            self.url = self.url.set(drivername="postgresql+psycopg")
        # SQLite has one writer; the lock gives it to the threads of this process in turn, without SQLite's own
        # sleep-and-try-again, which is unfair and slow.
        self._writer = threading.Lock()
        self._sync = LogSync(Path(self.url.database or "")) if self.is_sqlite else None
        self._desks: weakref.WeakSet[_Desk] = weakref.WeakSet()
        self._own = threading.local()
        self.engine = self._make_engine()

    def _make_engine(self) -> Engine:
        options: dict[str, Any] = {"pool_size": POOL_SIZE, "max_overflow": POOL_SIZE}
        if self.is_sqlite:
            options["connect_args"] = {"check_same_thread": False, "isolation_level": None, "timeout": LOCK_WAIT}
        else:
            # A server that went away and came back is noticed at check-out, one behind a cut cable within seconds.
            options["pool_pre_ping"] = True
            options["connect_args"] = _NOT_FOR_EVER
        engine = sa.create_engine(self.url, poolclass=sa.pool.QueuePool, **options)
        if self.is_sqlite:
            event.listen(engine, "connect", _prepare_sqlite)
        return engine

    @contextmanager
    def unit_of_work(self, *, until: float | None = None, write: bool = True) -> Iterator[Session]:
        """A session in one transaction; commits at the end of the block, and what it wrote is on the disk then.

        Units: `until` is a `time.monotonic()` moment; waits for locks and statements end by then.
        Raises: DeadlineError when it passes before the commit; CommitUnknownError when nobody can say whether it holds.
        """
        until = time.monotonic() + LOCK_WAIT if until is None else until
        locked = self.is_sqlite and write
        if locked and not self._writer.acquire(timeout=max(0.0, until - time.monotonic())):
            raise DeadlineError
        wrote = False
        try:
            with self._desk() as desk:
                desk.begin(until, write=write)
                yield desk.session
                desk.session.flush()
                if write and time.monotonic() > until:
                    raise DeadlineError
                wrote = desk.wrote
                desk.commit()
        finally:
            if locked:
                self._writer.release()
        if wrote and self._sync is not None:
            try:
                self._sync.wait()
            except OSError as error:
                raise CommitUnknownError from error

    @contextmanager
    def _desk(self) -> "Iterator[_Desk]":
        """The thread's own connection and session; a second one while the first is in use. An error throws it away."""
        desk: _Desk | None = getattr(self._own, "desk", None)
        self._own.desk = None
        if desk is None or not desk.usable:
            desk = _Desk(self.engine.connect(), is_sqlite=self.is_sqlite)
            self._desks.add(desk)
        try:
            yield desk
        except BaseException:
            desk.throw_away()
            raise
        desk.clear()
        if getattr(self._own, "desk", None) is None:
            self._own.desk = desk
        else:
            desk.throw_away()

    def dispose(self) -> None:
        """Close every connection."""
        for desk in list(self._desks):
            desk.throw_away()
        self._own = threading.local()
        if self._sync is not None:
            self._sync.close()
        self.engine.dispose()


class _Desk:
    """A connection that stays open with its session: making both anew would cost more than a turn's statements.

    SQLAlchemy believes in one endless transaction here; the true ones are begun and ended on the driver. A desk belongs to its
    thread and goes with it: a server lets idle threads end, and starts new ones for the next message.
    """

    def __init__(self, connection: sa.Connection, *, is_sqlite: bool) -> None:
        connection.begin()
        self._connection = connection
        self._raw: Any = connection.connection.dbapi_connection
        self._is_sqlite = is_sqlite
        self._wait = 0
        self._before = 0
        self.session = Session(bind=connection, autoflush=True, expire_on_commit=False)
        self.session.info["driver"] = self._raw
        self._hang_up = weakref.finalize(self, _hang_up, connection, self._raw)

    @property
    def usable(self) -> bool:
        """Whether the connection still stands, as far as the driver knows."""
        return self._is_sqlite or not (self._raw.closed or self._raw.broken)

    def begin(self, until: float, *, write: bool) -> None:
        """Begin a transaction whose waits end at `until`. Raises: DeadlineError when SQLite's writer is not free by then."""
        left = max(1, int((until - time.monotonic()) * 1000))
        if not self._is_sqlite:
            self._raw.execute(
                f"SET LOCAL statement_timeout={left}; SET LOCAL idle_in_transaction_session_timeout={left + 1000}"
            )
            self.session.info["armed"] = left
            return
        # Up to the next half second: most turns find the value that the one before has set.
        wait = -(-left // _WAIT_STEP) * _WAIT_STEP
        if self._wait != wait:
            self._raw.execute(f"PRAGMA busy_timeout={wait}")
            self._wait = wait
        self._before = self._raw.total_changes
        try:
            self._raw.execute("BEGIN IMMEDIATE" if write else "BEGIN")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            raise DeadlineError from error

    @property
    def wrote(self) -> bool:
        """Whether SQLite has anything to sync after this transaction."""
        return self._is_sqlite and self._raw.total_changes != self._before

    def commit(self) -> None:
        """Commit. Raises: CommitUnknownError when the connection broke in the middle of it.

        SQLite that fails a COMMIT still holds the transaction, and throwing the connection away rolls it back; PostgreSQL's
        may hold or not when the connection broke.
        """
        try:
            self._raw.commit()
        except Exception as error:
            if not self._is_sqlite and self._raw.broken:
                raise CommitUnknownError from error
            raise

    def clear(self) -> None:
        """Forget the rows of the last unit of work."""
        self.session.expunge_all()
        self.session.info.pop("planned", None)

    def throw_away(self) -> None:
        """Roll back and close for good: with the connection goes its transaction."""
        self._hang_up()


def _hang_up(connection: sa.Connection, raw: Any) -> None:
    with suppress(Exception):
        raw.rollback()
    with suppress(Exception):
        connection.invalidate()
        connection.close()


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")  # the log is synced by LogSync before anybody is answered
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA cache_size=-8000")
    cursor.execute("PRAGMA secure_delete=FAST")
    cursor.close()


_database: Database | None = None


def connect(url: str) -> Database:
    """Open the process's database; the one before is closed."""
    global _database  # noqa: PLW0603 — one database per process is the rule this line keeps
    if _database is not None:
        _database.dispose()
    _database = Database(url)
    return _database


def database() -> Database:
    """The process's database."""
    if _database is None:
        msg = "models.db.connect() has not been called"
        raise RuntimeError(msg)
    return _database


@contextmanager
def unit_of_work(*, until: float | None = None, write: bool = True) -> Iterator[Session]:
    """A session of the process's database in one transaction; see `Database.unit_of_work`."""
    with database().unit_of_work(until=until, write=write) as session:
        yield session


def driver(session: Session) -> Any:
    """The driver's own connection under a session of `unit_of_work`."""
    return session.info["driver"]


def is_postgresql(session: Session) -> bool:
    """Whether a session of `unit_of_work` talks to PostgreSQL."""
    return not isinstance(driver(session), sqlite3.Connection)


def rearm(session: Session, until: float) -> None:
    """After a statement that waited, let the next one wait only for what is left: PostgreSQL counts each alone."""
    left = max(1, int((until - time.monotonic()) * 1000))
    if is_postgresql(session) and session.info["armed"] - left > _WAIT_STEP // 2:
        driver(session).execute(f"SET LOCAL statement_timeout={left}")
        session.info["armed"] = left


@contextmanager
def savepoint(session: Session) -> Iterator[None]:
    """Keep the rows of this block together: an error leaves none of them and the transaction goes on."""
    session.flush()
    cursor = driver(session).cursor()
    cursor.execute("SAVEPOINT step")
    try:
        yield
        session.flush()
    except BaseException:
        session.expunge_all()
        cursor.execute("ROLLBACK TO SAVEPOINT step")
        # Else the one around it, which has the same name, could not be reached any more.
        cursor.execute("RELEASE SAVEPOINT step")
        raise
    cursor.execute("RELEASE SAVEPOINT step")


class Among(sa.sql.expression.ColumnElement[bool]):
    """`Among(table.c.id, "ids")`: the column is one of the whole numbers of a JSON array, bound as `ids=json_ids([…])`."""

    inherit_cache = False
    # A Boolean would be compared with 1, and SQLite would then walk the table.
    type = sa.types.NullType()  # type: ignore[assignment]

    def __init__(self, column: sa.ColumnElement[Any], name: str) -> None:
        self.column = column
        self.numbers: sa.BindParameter[str] = sa.bindparam(name, type_=sa.String)


@compiles(Among, "sqlite")
def _among_sqlite(it: Among, compiler: Any, **_: Any) -> str:
    return f"{compiler.process(it.column)} IN (SELECT value FROM json_each({compiler.process(it.numbers)}))"  # noqa: S608 — bound


@compiles(Among, "postgresql")
def _among_postgresql(it: Among, compiler: Any, **_: Any) -> str:
    numbers = f"CAST({compiler.process(it.numbers)} AS json)"
    # An array, not a subquery: the planner then takes the column's index.
    array = f"ARRAY(SELECT CAST(value AS bigint) FROM json_array_elements_text({numbers}))"  # noqa: S608 — bound
    return f"{compiler.process(it.column)} = ANY({array})"


def json_ids(ids: Iterable[int]) -> str:
    """Ids as `Among` takes them."""
    return f"[{','.join(map(str, ids))}]"


_DIALECTS: Mapping[bool, Callable[[], Dialect]] = {
    True: lambda: sqlite.dialect(paramstyle="named"),
    False: lambda: postgresql.dialect(paramstyle="pyformat"),  # type: ignore[no-untyped-call]
}


class Fixed:
    """A Core statement compiled once per engine and run on the driver's cursor.

    Values must be what both drivers take as they are: int, str, bytes, bool, datetime, None; moments come back through `utc`.
    """

    def __init__(self, statement: Callable[[], sa.sql.ClauseElement]) -> None:
        self._statement = statement
        self._sql: dict[bool, tuple[str, dict[str, Any]]] = {}

    def _compiled(self, *, is_sqlite: bool) -> tuple[str, dict[str, Any]]:
        if is_sqlite not in self._sql:
            compiled = self._statement().compile(dialect=_DIALECTS[is_sqlite]())
            constants = {
                name: value.value if isinstance(value, StrEnum) else value
                for name, value in compiled.params.items()
                if value is not None
            }
            self._sql[is_sqlite] = (str(compiled), constants)
        return self._sql[is_sqlite]

    def run(self, session: Session, **values: object) -> DBAPICursor:
        """Execute; the cursor holds rows or the row count."""
        raw = driver(session)
        sql, constants = self._compiled(is_sqlite=isinstance(raw, sqlite3.Connection))
        cursor = raw.cursor()
        cursor.execute(sql, {**constants, **values} if constants else values)
        return cursor  # type: ignore[no-any-return]

    def many(self, session: Session, rows: Sequence[Mapping[str, object]]) -> None:
        """Execute once for each of the rows; nothing happens without one."""
        if rows:
            raw = driver(session)
            sql, constants = self._compiled(is_sqlite=isinstance(raw, sqlite3.Connection))
            raw.cursor().executemany(sql, [{**constants, **row} for row in rows] if constants else rows)

    def one(self, session: Session, **values: object) -> Sequence[Any] | None:
        """The first row, or None."""
        return self.run(session, **values).fetchone()

    def all(self, session: Session, **values: object) -> Sequence[Sequence[Any]]:
        """Every row."""
        return self.run(session, **values).fetchall()


DATABASE_ERRORS = (exc.DBAPIError, sqlite3.Error)


def is_database_error(error: BaseException) -> bool:
    """Whether the engine, not our code, failed."""
    if isinstance(error, DATABASE_ERRORS):
        return True
    return type(error).__module__.startswith("psycopg")
