"""An API server on loopback that answers as it is told, and remembers what it has stored."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.events import task_event

Judge = Callable[[Any], tuple[str, bool] | None]


class Api:
    """``status`` 0: as ours does. ``judge`` says of an event why it is refused, and whether it may be tried again."""

    def __init__(self) -> None:
        self.status = 0
        self.body = b""
        self.headers: dict[str, str] = {}
        self.delay = 0.0
        self.judge: Judge = lambda event: None
        self.poison: Callable[[Any], bool] = lambda event: False
        self.asked: list[tuple[str, str | None, int]] = []
        self.stored: list[Any] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(api.delay)
                status, answer = api.answer(self.path, self.headers["Authorization"], body)
                self.send_response(status)
                for name, value in api.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=lambda: self.server.serve_forever(0.02), daemon=True).start()

    def answer(self, path: str, authorization: str | None, body: bytes) -> tuple[int, bytes]:
        """Status and body of an answer."""
        try:
            events = json.loads(body)
        except ValueError as error:
            return 422, json.dumps({"detail": f"event: is no JSON: {error}"}).encode()
        self.asked.append((path, authorization, len(events)))
        if self.status:
            return self.status, self.body
        if any(self.poison(event) for event in events):
            return 500, b"Internal Server Error"
        failed = []
        for index, event in enumerate(events):
            if (judged := self.judge(event)) is None:
                self.stored.append(event)
            else:
                failed.append({"index": index, "reason": judged[0], "retriable": judged[1]})
        if not failed:
            return 204, b""
        summary = {"received": len(events), "successful": len(events) - len(failed), "failed": len(failed)}
        return 200, json.dumps({"status": "partial_success", "summary": summary, "failed_events": failed}).encode()

    def tasks(self) -> list[str]:
        """The tasks of the stored events, in the order in which they came."""
        return [event["job"]["name"] for event in self.stored]

    def close(self) -> None:
        """Listen no more."""
        self.server.shutdown()
        self.server.server_close()


def event_bytes(task: str, size: int = 0, **options: Any) -> bytes:
    """An event of this task as it is spooled."""
    event = task_event("START", task, **options)
    event["job"]["facets"]["padding"] = {"text": "x" * size}
    return json.dumps(event, separators=(",", ":")).encode()


def run_event(second: float = 0) -> Any:
    """The START of the task ``flow.t``, as OpenLineage's client has it."""
    from openlineage.client.event_v2 import Job, Run, RunEvent, RunState

    raw = task_event("START", "t", second=second)
    return RunEvent(
        eventType=RunState.START,
        eventTime=raw["eventTime"],
        run=Run(runId=raw["run"]["runId"]),
        job=Job(namespace="default", name="flow.t"),
        producer=raw["producer"],
    )


def eventually(true: Callable[[], bool], seconds: float = 10) -> bool:
    """Whether this becomes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.02)
    return true()
