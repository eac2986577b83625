"""Reaching an S3 bucket: where it is, as whom, by which client."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import boto3  # type: ignore[import-untyped, unused-ignore]
from botocore.config import Config  # type: ignore[import-untyped, unused-ignore]

from sematic_airflow_provider.errors import StoreError

_OPTIONS = ("endpoint_url", "region", "addressing")
_SECRET = re.compile(r"key|secret|token|password|credential|signature", re.IGNORECASE)
_CREDENTIALS_ADVICE = (
    "Give credentials by an Airflow connection ([sematic] store_conn_id), environment variables (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), "
    "an AWS profile or a role: URLs are shown in logs and lineage events"
)


@dataclass(frozen=True, slots=True)
class S3Location:
    """A bucket and a prefix in it, at AWS or at an endpoint of its own."""

    bucket: str
    prefix: str = ""
    endpoint_url: str = ""
    region: str = ""
    addressing: str = ""

    @property
    def url(self) -> str:
        """What opens the same place again. It holds no secrets."""
        query = urlencode([(name, value) for name in _OPTIONS if (value := getattr(self, name))], safe=":/")
        return f"s3://{self.bucket}" + (f"/{self.prefix}" if self.prefix else "") + (f"?{query}" if query else "")

    def key(self, path: str) -> str:
        """The key of what lies at a path below the root."""
        return f"{self.prefix}/{path}" if self.prefix else path

    def shown(self, path: str) -> str:
        """A path below the root, for people."""
        return f"s3://{self.bucket}/{self.key(path)}" + (f" at {self.endpoint_url}" if self.endpoint_url else "")


def parse_location(url: str) -> S3Location:
    """The place that ``s3://bucket/prefix?endpoint_url=…&region=…&addressing=path`` names; each option may be left out.

    Raises:
        StoreError: it names none, or holds credentials; they are not repeated in the message.
    """
    split = urlsplit(url)
    plain = f"s3://{split.netloc.rpartition('@')[2]}{split.path}"
    if "@" in split.netloc:
        raise StoreError(f"the URL of the store {plain} holds credentials. {_CREDENTIALS_ADVICE}", plain)
    options = dict(parse_qsl(split.query, keep_blank_values=True))
    for name in options:
        if name in _OPTIONS:
            continue
        advice = _CREDENTIALS_ADVICE if _SECRET.search(name) else f"There are {', '.join(_OPTIONS)}"
        raise StoreError(f"the URL of the store {plain} has an option {name!r} that it cannot have. {advice}", plain)
    bucket, prefix = split.netloc, split.path.strip("/")
    if not bucket:
        raise StoreError(f"the store {plain} names no bucket: write s3://bucket/prefix", plain)
    if split.fragment or any(part in ("", ".", "..") for part in prefix.split("/") if prefix):
        raise StoreError(
            f"the store {plain} has a prefix that S3 tools cannot reach: use plain names between single slashes", plain
        )
    if options.get("addressing", "path") not in ("path", "virtual", "auto"):
        raise StoreError(
            f"the store {plain} has addressing={options['addressing']!r}: it is path, virtual or auto", plain
        )
    if endpoint := options.get("endpoint_url"):
        _check_endpoint(endpoint, plain)
    return S3Location(bucket, prefix, **options)


def _check_endpoint(endpoint: str, store: str) -> None:
    split = urlsplit(endpoint)
    if "@" in split.netloc:
        raise StoreError(f"the endpoint_url of the store {store} holds credentials. {_CREDENTIALS_ADVICE}", store)
    if split.scheme not in ("http", "https") or not split.netloc:
        raise StoreError(
            f"the endpoint_url of the store {store} is none: write https://host:port, it is {endpoint[:200]!r}", store
        )


@dataclass(frozen=True)
class S3Access:
    """As whom a process works: a boto3 session, and what a connection says of the server (the URL comes before it).

    ``config`` is what is asked of boto3's client beside or instead of what is set here: timeouts, proxies, addressing. How often it asks is not: deletes that
    got no answer must not be sent again.
    """

    session: Any
    endpoint_url: str | None = None
    region: str | None = None
    verify: bool | str | None = None
    config: Config | None = None


def default_access() -> S3Access:
    """As boto3 finds out by itself: environment, AWS configuration files, the role of the pod or the machine."""
    return S3Access(boto3.Session())


class S3Clients:
    """One client for each process, made when first asked for. Nothing is shared with a process that was forked."""

    def __init__(
        self, location: S3Location, access: Callable[[], S3Access] | None, connections: int, attempts: int = 6
    ) -> None:
        self._location, self._attempts = location, attempts
        self._access = access or default_access
        self._connections = connections
        self._made: dict[int, Any] = {}

    def client(self) -> Any:
        """A client; safe to use from all threads of this process.

        Raises:
            BotoCoreError: the AWS configuration of this process cannot be used.
        """
        process = os.getpid()
        # No lock, which a fork could leave locked: of two threads that come first at the same time, one makes a client in vain.
        return self._made.get(process) or self._made.setdefault(process, self._make())

    def _make(self) -> Any:
        access, location = self._access(), self._location
        config = Config(
            retries={"mode": "standard", "total_max_attempts": self._attempts},
            connect_timeout=10,
            read_timeout=60,
            tcp_keepalive=True,
            max_pool_connections=self._connections,
            # what is sent and read is checked by SHA-256 here; other checksums would only be computed as well
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": location.addressing} if location.addressing else None,
            user_agent_extra="sematic-airflow-provider",
        )
        if access.config is not None:
            config = config.merge(access.config).merge(Config(retries=config.retries))
        return access.session.client(
            "s3",
            config=config,
            endpoint_url=location.endpoint_url or access.endpoint_url,
            region_name=location.region or access.region,
            verify=access.verify,
        )
