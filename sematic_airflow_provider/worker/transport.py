"""The OpenLineage transport: posts each event to the API server; an event that cannot be posted now waits in the store and is fetched from there."""

from __future__ import annotations

import json
import logging
import re
import urllib.error
import urllib.request
from typing import Any

import attr
from openlineage.client.serde import Serde
from openlineage.client.transport.transport import Config, Transport

from sematic_airflow_provider.artifacts.digest import digest_bytes
from sematic_airflow_provider.settings import Settings, load_settings
from sematic_airflow_provider.worker.redaction import redacted_event

log = logging.getLogger(__name__)

ENDPOINT = "/sematic/api/v1/lineage"
SPOOL = "spool"
_TIMEOUT_SECONDS = 3.0


@attr.define
class SematicConfig(Config):
    """The transport has no options of its own: ``[sematic]`` holds them."""

    @classmethod
    def from_dict(cls, params: dict[str, Any]) -> SematicConfig:
        """Accept what OpenLineage found in ``[openlineage] transport``."""
        unknown = set(params) - {"type"}
        if unknown:
            log.warning(
                "the sematic transport has no options in [openlineage] transport, ignored: %s",
                ", ".join(sorted(unknown)),
            )
        return cls()


class SematicTransport(Transport):
    """``{"type": "sematic_airflow_provider.worker.transport.SematicTransport"}``."""

    kind = "sematic"
    config_class = SematicConfig

    def __init__(self, config: SematicConfig) -> None:
        self.config = config

    def emit(self, event: Any) -> None:
        """Deliver an event, or keep it where it will be delivered from. Takes a few seconds at most.

        Raises:
            StoreError: it could be neither posted nor kept; the OpenLineage provider logs that and goes on.
        """
        text = json.dumps(redacted_event(json.loads(Serde.to_json(event))), separators=(",", ":"))
        settings = load_settings()
        if settings.lineage_api_key and settings.lineage_url:
            reason = _post(settings, text)
            if reason is None:
                return
            log.warning("lineage event not delivered, it waits in the store: %s", reason)
        _spool(text)

    def close(self, timeout: float = -1) -> bool:
        """Nothing is ever held back in this process."""
        return True


def _post(settings: Settings, text: str) -> str | None:
    """Post the event; None when it was taken, else why not."""
    url = settings.lineage_url + ENDPOINT
    if not url.startswith(("http://", "https://")):
        return f"[sematic] lineage_url is no http or https URL: {settings.lineage_url!r}"
    request = urllib.request.Request(  # noqa: S310 - the scheme was checked
        url,
        data=text.encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {settings.lineage_api_key}"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):  # noqa: S310 - the scheme was checked
            return None
    except urllib.error.HTTPError as error:
        hint = ": [sematic] lineage_api_key differs from the API server's" if error.code in (401, 403) else ""
        return f"{url} answered {error.code}{hint}"
    except (OSError, ValueError) as error:
        return f"{url}: {error}"


def _spool(text: str) -> None:
    from sematic_airflow_provider.worker.stores import repository

    moment = re.sub(r"[^0-9TZ]", "", str(json.loads(text).get("eventTime", "")))[:22]
    name = f"{SPOOL}/{moment}-{digest_bytes(text.encode())[:24]}.json"
    repository().store.write_document(name, text.encode())
