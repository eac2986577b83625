"""A proxy between a client and an S3 server that does to requests and answers what networks, servers and clocks do. It is real: sockets, threads, resets."""

from __future__ import annotations

import http.client
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


@dataclass(frozen=True)
class Request:
    """What came in. ``number`` counts all requests from 1."""

    number: int
    method: str
    path: str
    size: int

    @property
    def kind(self) -> str:
        """S3's name for what is asked, as far as these tests tell requests apart."""
        in_parts = "uploadId=" in self.path
        names = {
            "PUT": "UploadPart" if in_parts else "PutObject",
            "POST": "CompleteMultipartUpload" if in_parts else "CreateMultipartUpload",
            "DELETE": "AbortMultipartUpload" if in_parts else "DeleteObject",
            "HEAD": "HeadObject",
        }
        return names.get(self.method, "ListObjects" if "list-type" in self.path else "GetObject")


@dataclass(frozen=True)
class Answer:
    """The server is not asked; this is answered instead."""

    status: int
    code: str


@dataclass(frozen=True)
class Reset:
    """The connection is reset after so many bytes of the request's body; the server is not asked."""

    after: int = 0


@dataclass(frozen=True)
class Lost:
    """The server does it, and the answer never arrives."""


@dataclass(frozen=True)
class Cut:
    """The answer's body ends after so many bytes: by a reset, by an end that its length denies, or by one that its length confirms."""

    after: int
    how: str = "reset"  # "reset", "end", "lie"


@dataclass(frozen=True)
class Flip:
    """One bit of the answer's body, or of the request's, is another one."""

    bit: int
    of_request: bool = False


@dataclass(frozen=True)
class Slow:
    """The answer comes late, or its body in drops."""

    seconds: float
    drops: int = 1


@dataclass(frozen=True)
class Instead:
    """The answer to another path."""

    path: str


Fault = Answer | Reset | Lost | Cut | Flip | Slow | Instead
Plan = Callable[[Request], "Fault | None"]


@dataclass
class FaultyProxy:
    """Listens until the end of a with block. ``plan`` decides what happens to each request; it may be changed at any time."""

    upstream: int
    plan: Plan = lambda request: None
    seen: list[tuple[float, Request, Fault | None]] = field(default_factory=list)

    def __enter__(self) -> FaultyProxy:
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def endpoint(self) -> str:
        """Where clients find it."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def faults(self) -> Counter[str]:
        """How many faults of each kind there were."""
        return Counter(type(fault).__name__ for _, _, fault in self.seen if fault is not None)

    def count(self, kind: str) -> int:
        """How many requests of a kind came in."""
        return sum(1 for _, request, _ in self.seen if request.kind == kind)

    def chosen(self, method: str, path: str, size: int) -> Fault | None:
        """The fault for a request that has just come in."""
        with self._lock:
            request = Request(len(self.seen) + 1, method, path, size)
            fault = self.plan(request)
            self.seen.append((time.monotonic(), request, fault))
            return fault


def once(kind: str, fault: Fault, times: int = 1) -> Plan:
    """The first requests of a kind meet this fault."""
    left = [times]

    def plan(request: Request) -> Fault | None:
        if request.kind != kind or not left[0]:
            return None
        left[0] -= 1
        return fault

    return plan


def always(kind: str, fault: Fault) -> Plan:
    """All requests of a kind meet this fault."""
    return lambda request: fault if request.kind == kind else None


def at_request(number: int, fault: Fault) -> Plan:
    """The n-th request meets this fault, whatever it asks."""
    return lambda request: fault if request.number == number else None


def at_random(seed: int, share: float, stall: float = 0.0) -> Plan:
    """A share of all requests meets a fault that passes; which, and what, the seed decides. ``stall`` is how long the slowest answers take."""
    chosen = random.Random(seed)

    def plan(request: Request) -> Fault | None:
        if chosen.random() >= share:
            return None
        after = chosen.choice([0, 1, chosen.randrange(1, 4096), chosen.randrange(1, 8 << 20)])
        faults: list[Fault] = [
            Answer(500, "InternalError"),
            Answer(503, "SlowDown"),
            Answer(503, "ServiceUnavailable"),
            Answer(429, "TooManyRequests"),
            Reset(after),
            Lost(),
        ]
        if request.kind == "GetObject":
            faults += [Cut(after, "reset"), Cut(after, "end"), Cut(after, "lie"), Flip(after * 8 + 3)]
            faults += [Slow(stall / 4, drops=5)]
        if stall and chosen.random() < 0.1:
            faults.append(Slow(stall))
        if request.kind in ("PutObject", "UploadPart", "CompleteMultipartUpload"):
            faults.append(Answer(409, "ConditionalRequestConflict"))
        return chosen.choice(faults)

    return plan


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections that break are what this is for."""


def _handler(proxy: FaultyProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
            """Tests look at ``seen``."""

        def _handle(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            fault = proxy.chosen(self.command, self.path, size)
            if isinstance(fault, Reset):
                self.rfile.read(min(size, fault.after))
                return self._reset()
            body = bytearray(self.rfile.read(size))
            if isinstance(fault, Answer):
                return self._refuse(fault)
            if isinstance(fault, Flip) and fault.of_request and body:
                _flip(body, fault.bit)
            path = fault.path if isinstance(fault, Instead) else self.path
            status, headers, answer = _forwarded(proxy.upstream, self.command, path, dict(self.headers.items()), body)
            if isinstance(fault, Lost):
                return self._reset()
            if isinstance(fault, Flip) and not fault.of_request and answer:
                _flip(answer, fault.bit)
            if isinstance(fault, Slow) and fault.drops == 1:
                time.sleep(fault.seconds)
            self._answer(status, headers, answer, fault)
            return None

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _handle

        def _answer(self, status: int, headers: list[tuple[str, str]], body: bytearray, fault: Fault | None) -> None:
            cut = fault if isinstance(fault, Cut) and status < 300 and fault.after < len(body) else None
            length = cut.after if cut is not None and cut.how == "lie" else len(body)
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() == "content-length" and self.command != "HEAD":
                    value = str(length)
                if name.lower() not in ("transfer-encoding", "connection"):
                    self.send_header(name, value)
            if self.command != "HEAD" and not any(name.lower() == "content-length" for name, _ in headers):
                self.send_header("Content-Length", str(length))
            self.end_headers()
            if self.command == "HEAD":
                return
            if isinstance(fault, Slow) and fault.drops > 1:
                step = -(-len(body) // fault.drops) or 1
                for start in range(0, len(body), step):
                    time.sleep(fault.seconds / fault.drops)
                    self.wfile.write(body[start : start + step])
                return
            self.wfile.write(body[: cut.after] if cut is not None else body)
            if cut is not None:
                self.wfile.flush()
                self.close_connection = True
                if cut.how == "reset":
                    self._reset()

        def _refuse(self, fault: Answer) -> None:
            text = f"<Error><Code>{fault.code}</Code><Message>injected</Message></Error>".encode()
            self.send_response_only(fault.status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(text)

        def _reset(self) -> None:
            """End the connection without a goodbye."""
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.rfile.close()
            self.wfile.close()
            self.connection.close()

    return Handler


def _forwarded(
    port: int, method: str, path: str, headers: dict[str, str], body: bytearray
) -> tuple[int, list[tuple[str, str]], bytearray]:
    """What the server answers; headers go as they came, since they are signed."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        headers = {name: value for name, value in headers.items() if name.lower() not in ("expect", "connection")}
        connection.request(
            method, path, body=bytes(body) if body or method in ("PUT", "POST") else None, headers=headers
        )
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), bytearray(answer.read())
    finally:
        connection.close()


def _flip(data: bytearray, bit: int) -> None:
    data[bit // 8 % len(data)] ^= 1 << bit % 8
