"""Posting: only what is known to be stored counts as delivered."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from sematic_airflow_provider.delivery.server import Server
from sematic_airflow_provider.errors import DeliveryError
from tests.delivery.api import Api, event_bytes


def _post(url: str, count: int = 1, timeout: float = 2) -> object:
    return Server(url, "the-key", timeout).post([event_bytes(f"t{number}") for number in range(count)])


def test_events_are_posted_with_the_key_below_the_prefix(api: Api) -> None:
    assert _post(api.url + "/prefix", 3) == ({}, {})
    assert api.asked == [("/prefix/sematic/api/v1/lineage/batch", "Bearer the-key", 3)]
    assert api.tasks() == ["flow.t0", "flow.t1", "flow.t2"]


def test_what_is_refused_for_good_and_what_may_be_tried_again_are_told_apart(api: Api) -> None:
    judged = {"flow.t1": ("job.name: is ugly", False), "flow.t3": ("busy", True)}
    api.judge = lambda event: judged.get(event["job"]["name"])
    assert _post(api.url, 4) == ({1: "job.name: is ugly"}, {3: "busy"})


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (301, ""),
        (302, ""),
        (400, ""),
        (401, "lineage_api_key differs"),
        (403, "lineage_api_key differs"),
        (404, "is \\[sematic\\] lineage_url right"),
        (429, ""),
        (500, ""),
        (502, ""),
        (503, ""),
        (504, ""),
    ],
)
def test_an_answer_that_is_no_success_means_later(api: Api, status: int, hint: str) -> None:
    api.status = status
    api.headers = {"Location": api.url + "/login"}
    with pytest.raises(DeliveryError, match=f"answered {status}.*{hint}") as caught:
        _post(api.url)
    assert (caught.value.status, caught.value.unfit) == (status, False)
    assert len(api.asked) == 1


@pytest.mark.parametrize(
    ("status", "body", "unfit"),
    [
        (413, b"<html>too large", True),
        (422, b'{"detail": "job.name: is required"}', True),
        (422, b"<html>another server's idea", False),
    ],
)
def test_a_refusal_of_the_events_themselves_is_told(api: Api, status: int, body: bytes, unfit: bool) -> None:
    api.status, api.body = status, body
    with pytest.raises(DeliveryError) as caught:
        _post(api.url)
    assert caught.value.unfit is unfit


def test_the_server_says_how_long_to_wait(api: Api) -> None:
    for status, header, wait in ((429, "17", 17.0), (503, "Wed, 21 Oct 2026 07:28:00 GMT", None)):
        api.status, api.headers = status, {"Retry-After": header}
        with pytest.raises(DeliveryError) as caught:
            _post(api.url)
        assert caught.value.wait == wait


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>please log in",
        b"[]",
        b"null",
        b'{"summary": 1}',
        b"[" * 100_000,
        json.dumps({"summary": {"successful": 1}, "failed_events": []}).encode(),
        json.dumps({"summary": {"successful": 1}, "failed_events": [{"index": 0}]}).encode(),
    ],
)
def test_a_200_that_only_looks_like_success_is_none(api: Api, body: bytes) -> None:
    api.status, api.body = 200, body
    with pytest.raises(DeliveryError):
        _post(api.url, 2)


@contextmanager
def _raw(speak: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that says what it likes, in bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection, suppress(OSError):
                        connection.recv(65536)
                        speak(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    "said",
    [b"", b"\x00\xff\x16\x03\x01", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort"],
)
def test_garbage_means_later(said: bytes) -> None:
    with _raw(lambda connection: connection.sendall(said)) as url, pytest.raises(DeliveryError, match=url):
        _post(url)


def test_a_server_that_hangs_or_answers_byte_by_byte_costs_no_more_than_the_timeout() -> None:
    def trickle(connection: socket.socket) -> None:
        for byte in b"HTTP/1.1 204 No Content\r\nX-Long: " + b"x" * 200:
            connection.sendall(bytes([byte]))
            time.sleep(0.1)

    for speak in (lambda connection: time.sleep(3), trickle):
        with _raw(speak) as url:
            started = time.monotonic()
            with pytest.raises(DeliveryError):
                _post(url, timeout=0.4)
            assert time.monotonic() - started < 1.2


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://no.such.host.invalid", "file:///etc", "ftp://x", ""])
def test_an_address_where_nobody_listens_or_that_is_no_url_means_later(url: str) -> None:
    with pytest.raises(DeliveryError):
        _post(url, timeout=1)
