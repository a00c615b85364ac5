"""Children on a leash: a process that ends when the one that started it ends, however that happened.

`command` gives the argument list of a child that first puts itself on the leash and then becomes the program asked for. Linux
keeps the promise; elsewhere a parent that is killed outright leaves its children to be stopped by hand.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def hold(parent: int) -> None:
    """Let this process die by SIGKILL with the thread that started it; at once when `parent` is already gone.

    The kernel watches that thread, not its process: whoever starts children does it from a thread that lives to the end.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        os._exit(1)


def command(*argv: str) -> list[str]:
    """`argv`, started on a leash that the calling process holds; the first is the path of a program."""
    return [sys.executable, "-m", "workers.leash", str(os.getpid()), *argv]


if __name__ == "__main__":
    hold(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 — no shell is the point
