"""Durable commits on SQLite: many turns share one fsync (docs/decisions/0004-durable-commits.md).

Connections run `synchronous=NORMAL`, so a COMMIT frees the one writer at once; before anybody is answered, the write-ahead log
is synced here. Whoever comes while a sync runs waits for the next one, which covers them all. The guarantee is that of
`synchronous=FULL`: what was acknowledged survives a power cut.
"""

import errno
import os
import threading
from pathlib import Path


class LogSync:
    """Syncs one database's write-ahead log to the disk."""

    def __init__(self, database: Path) -> None:
        self._path = Path(f"{database}-wal")
        self._file = -1
        self._inode = 0
        self._turn = threading.Condition()
        self._running = False
        self._asked = 0  # the newest request
        self._done = 0  # every request up to this one is on the disk
        self._lost = 0  # every request up to this one that is not done was in a sync that failed

    def wait(self) -> None:
        """Return when everything committed before this call is on the disk. Raises: OSError when the disk refuses."""
        with self._turn:
            self._asked += 1
            mine = self._asked
            while self._running and self._done < mine:
                self._turn.wait()
            if self._done >= mine:
                return
            if self._lost >= mine:
                # The system forgets pages that it could not write: a later sync would succeed without them.
                raise OSError(errno.EIO, "the write-ahead log could not be synced")
            self._running = True
            covers = self._asked
        done = False
        try:
            self._sync()
            done = True
        finally:
            with self._turn:
                self._running = False
                if done:
                    self._done = covers
                else:
                    self._lost = covers
                self._turn.notify_all()

    def _sync(self) -> None:
        # The log is a new file after the last connection of all processes closed: look before trusting the old one.
        found = self._path.stat()
        if found.st_ino != self._inode:
            self.close()
            self._file = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
            self._inode = found.st_ino
        os.fdatasync(self._file)

    def close(self) -> None:
        """Let go of the file."""
        if self._file >= 0:
            os.close(self._file)
        self._file, self._inode = -1, 0
