"""The platform's side of a bench: callbacks signed beforehand, sent over keep-alive connections, timed one by one."""

import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.sandbox.callbacks import CallbackDoor, read_reply, sign, text_message

CALM = ("周报", "1", "1", "1", "1")


@dataclass
class Result:
    """What a burst took. Units: seconds."""

    took: float = 0.0
    latencies: list[float] = field(default_factory=list)
    last_bodies: list[bytes] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Answered callbacks a second."""
        return len(self.latencies) / self.took

    def percentile(self, share: float) -> float:
        """Latency below which this share lies. Units: milliseconds."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def talks(door: CallbackDoor, phones: range, host: str, first_id: int) -> list[list[bytes]]:
    """Each phone's calm talk as raw HTTP requests."""
    requests = []
    for at, phone in enumerate(phones):
        talk = []
        for step, text in enumerate(CALM):
            signed = sign(door, text_message(door, f"phone-{phone}", text, msg_id=first_id + at * len(CALM) + step))
            fields = f"Host: {host}\r\nContent-Type: text/xml\r\nContent-Length: {len(signed.body)}"
            talk.append(f"POST {signed.url} HTTP/1.1\r\n{fields}\r\n\r\n".encode() + signed.body)
        requests.append(talk)
    return requests


def burst(port: int, requests: Sequence[list[bytes]], connections: int = 16) -> Result:
    """Send all talks, each phone one message after the other, as fast as the server answers."""
    result = Result()
    lock = threading.Lock()
    queue = list(reversed(requests))

    def drive() -> None:
        mine: list[float] = []
        bodies: list[bytes] = []
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                with lock:
                    talk = queue.pop() if queue else None
                if talk is None:
                    break
                for request in talk:
                    began = time.perf_counter()
                    body = exchange(sock, request)
                    mine.append(time.perf_counter() - began)
                bodies.append(body)
        with lock:
            result.latencies += mine
            result.last_bodies += bodies

    threads = [threading.Thread(target=drive) for _ in range(connections)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result.took = time.perf_counter() - began
    return result


def steady(port: int, requests: Sequence[list[bytes]], rate: float, connections: int = 32) -> Result:
    """Send messages at a steady rate whatever the server does; a late answer counts from when it should have been sent."""
    result = Result()
    lock = threading.Lock()
    flat = [(step, request) for talk in requests for step, request in enumerate(talk)]
    # Phones take turns, so that no phone has two messages under way: message k of all phones before message k + 1.
    flat.sort(key=lambda pair: pair[0])
    at = iter(enumerate(request for _, request in flat))
    start = time.perf_counter() + 0.2

    def drive() -> None:
        mine: list[float] = []
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                with lock:
                    number, request = next(at, (-1, b""))
                if number < 0:
                    break
                due = start + number / rate
                time.sleep(max(0.0, due - time.perf_counter()))
                exchange(sock, request)
                mine.append(time.perf_counter() - due)
        with lock:
            result.latencies += mine

    threads = [threading.Thread(target=drive) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result.took = time.perf_counter() - start
    return result


def exchange(sock: socket.socket, request: bytes) -> bytes:
    """Send a request and read the body of its answer. Raises: ConnectionError when it is not 200."""
    sock.sendall(request)
    data = b""
    while b"\r\n\r\n" not in data:
        part = sock.recv(65536)
        if not part:
            raise ConnectionError
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        msg = head.split(b"\r\n")[0].decode()
        raise ConnectionError(msg)
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while len(body) < length:
        body += sock.recv(65536)
    return body


def receipts(door: CallbackDoor, result: Result, opening: str) -> int:
    """How many talks ended with a reply that begins so: a fast server that answers nonsense proves nothing."""
    return sum(1 for body in result.last_bodies if (read_reply(door, body) or "").startswith(opening))
