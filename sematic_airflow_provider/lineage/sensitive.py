"""What is never recorded, whoever asks for it: names that promise a secret, and credentials inside URLs.

This is the part that needs no Airflow. Values that Airflow knows to be secret are masked in ``worker/redaction.py``.
"""

from __future__ import annotations

import re
from functools import lru_cache

HIDDEN = "***"

_PARTS = (
    "password", "passwd", "passw", "passphrase", "passcode", "secret", "token", "apikey", "api_key", "access_key", "accesskey", "private_key", "privatekey",
    "service_key", "signing_key", "encryption_key", "account_key", "storage_key", "shared_key", "sas_key", "fernet", "credential", "authorization",
    "authorisation", "auth_header", "bearer", "cookie", "session_id", "sessionid", "service_account", "keyfile", "webhook", "connection_string",
    "connectionstring", "sql_alchemy",
)  # fmt: skip
_WHOLE = frozenset({"pw", "pwd", "conn", "dsn", "salt", "proxy", "proxies"})
# Plain text and no pattern: every process that runs one step would have to compile it.
_USERINFO = r"(?<![A-Za-z0-9])([A-Za-z][A-Za-z0-9+.-]{0,40}://)[^/@\s'\"]{1,8192}@"
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_ASSIGNED = (
    r"""(?P<head>(?<!\w)["']?(?P<name>[A-Za-z_][\w.-]{0,80})["']?\]?[ \t]{0,9}(?::[ \t]{0,9}[\w.\[\]|]{1,80}[ \t]{0,9})?[=:]\s{0,99}"""
    r"""(?:[\w.]{1,80}\(\s{0,99}){0,3})(?P<prefix>[rRbBuUfF]{0,2})(?P<quote>["'])(?P<value>(?:\\.|(?!(?P=quote))[^\\\n])+)(?P=quote)"""
)
"""A name, perhaps an annotation, and a string literal, perhaps within calls. Repetitions are bounded: a difference may be one line of a million characters."""


@lru_cache(maxsize=4096)
def is_sensitive_name(name: str) -> bool:
    """Whether a variable, key or parameter of this name is taken for a secret: ``DB_PASSWORD``, ``apiKey``, ``AIRFLOW_CONN_WAREHOUSE``."""
    words = re.sub(r"\W+", "_", _WORDS.sub("_", name)).lower()
    for part in _PARTS:  # twice as fast as any()
        if part in words:
            return True
    return not _WHOLE.isdisjoint(words.split("_"))


def without_credentials(text: str) -> str:
    """The text without user and password in the URLs that stand in it."""
    return re.sub(_USERINFO, r"\1", text) if "://" in text else text


def without_assigned_secrets(text: str) -> str:
    """Source text with the string literals hidden that are given to sensitive names: ``password = "***"``."""

    def hide(match: re.Match[str]) -> str:
        if not is_sensitive_name(match["name"]):
            return match[0]
        return f"{match['head']}{match['prefix']}{match['quote']}{HIDDEN}{match['quote']}"

    return re.sub(_ASSIGNED, hide, text) if "'" in text or '"' in text else text
