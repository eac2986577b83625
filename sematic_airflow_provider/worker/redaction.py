"""Secrets stay in the process: what Airflow masks in its logs is masked in everything that we record.

Airflow's masker knows the passwords of connections and the values of sensitive Variables that this process has read, and what was given to ``mask_secret``.
The OpenLineage provider masks with what was known when the process began; by the end of a step more is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, quote_plus

from sematic_airflow_provider.artifacts.ref import ArtifactRef
from sematic_airflow_provider.lineage.sensitive import (
    HIDDEN,
    is_sensitive_name,
    without_assigned_secrets,
    without_credentials,
)

_SHORTEST_LINE: Final = 8
_SMALL: Final = 1024
_IDENTIFIER: Final = r"[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(?:Z|[+-][0-9:]+)?"
"""Digests, commits, UUIDs and times may hold a short secret by chance; only where all of one is a secret is it hidden."""

_IDS_OF_AIRFLOW: Final = ("dag_id", "run_id", "task_id", "logical_date")
"""Events find each other by these, in the facets that the OpenLineage provider makes; they are names of Dags, not values."""


def redacted_text(text: str) -> str:
    """The text without any secret that is known now, also where it is spelled as JSON or in a URL, and each long line of a secret of many lines."""
    return _without(_known(), text)


def redacted(value: Any) -> Any:
    """A JSON value without known secrets, and without text that stands under a name that promises one. Numbers under such names stay: ``tokens: 512``."""
    return _Walk(_known()).value(value)


def redacted_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """An OpenLineage event, as JSON: its facets without secrets, the names that it is found by as they are."""
    walk = _Walk(_known())
    found = dict(event)
    for part in ("run", "job", "dataset"):
        if isinstance(found.get(part), Mapping):
            found[part] = walk.facets_of(found[part])
    for side in ("inputs", "outputs"):
        if isinstance(found.get(side), list):
            found[side] = [walk.facets_of(entry) for entry in found[side]]
    return found


class _Walk:
    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._secrets = secrets

    def text(self, text: str) -> str:
        masked = _without(self._secrets, text)
        if masked != text and re.fullmatch(_IDENTIFIER, text) and text not in self._secrets:
            return text
        return masked

    def value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {
                self.text(key) if isinstance(key, str) else key: (
                    _hidden(member) if isinstance(key, str) and _hides(key) else self.value(member)
                )
                for key, member in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self.value(member) for member in value]
        if type(value) in (int, float) and repr(value) in self._secrets:
            return HIDDEN
        return value

    def facets_of(self, holder: Any) -> Any:
        """A run, job or data set, with its facets redacted."""
        if not isinstance(holder, Mapping):
            return holder
        return {
            key: {name: self._facet(name, facet) for name, facet in value.items()}
            if key in ("facets", "inputFacets", "outputFacets") and isinstance(value, Mapping)
            else value
            for key, value in holder.items()
        }

    def _facet(self, name: str, facet: Any) -> Any:
        if name == "parent" or not isinstance(facet, Mapping):
            return facet
        found = self.value(facet)
        found.update({key: facet[key] for key in ("_producer", "_schemaURL") if key in facet})
        if name == "sourceCode" and isinstance(
            found.get("sourceCode"), str
        ):  # also what the provider sends of classic operators
            found["sourceCode"] = without_credentials(without_assigned_secrets(found["sourceCode"]))
        if name in ("airflow", "airflowDagRun"):
            for section, content in facet.items():
                if isinstance(content, Mapping):
                    found[section].update({key: content[key] for key in _IDS_OF_AIRFLOW if key in content})
        return found


def _hides(name: str) -> bool:
    """Airflow's list of sensitive names, which a deployment may extend, and ours."""
    masker = _masker()
    return is_sensitive_name(name) or (
        masker.hide_sensitive_var_conn_fields and _on_airflows_list(name, tuple(masker.sensitive_variables_fields))
    )


@lru_cache(maxsize=4096)
def _on_airflows_list(name: str, fields: tuple[str, ...]) -> bool:
    normalised = re.sub(r"\W+", "_", name.strip().lower())
    return any(field in normalised for field in fields)


def _hidden(value: Any) -> Any:
    """What stands under a sensitive name. A large artifact (the ``tokenizer`` of a model) keeps its ref; the digest of a small one could be guessed from."""
    if isinstance(value, str):
        return HIDDEN
    if ArtifactRef.is_json(value):
        size = value.get("size")
        return value if isinstance(size, int) and size > _SMALL and "value" not in value else HIDDEN
    if isinstance(value, Mapping):
        return {key: _hidden(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_hidden(member) for member in value]
    return value


def _masker() -> Any:
    try:
        from airflow.sdk._shared.secrets_masker import _secrets_masker
    except ImportError:  # Airflow 3.1
        from airflow.sdk.execution_time.secrets_masker import _secrets_masker
    return _secrets_masker()


def _known() -> tuple[str, ...]:
    return _spelled(frozenset(_masker().patterns))


@lru_cache(maxsize=2)
def _spelled(patterns: frozenset[str]) -> tuple[str, ...]:
    """All spellings of the secrets, the longest first: of two that begin alike no end stays behind."""
    secrets = (re.sub(r"\\(.)", r"\1", pattern, flags=re.DOTALL) for pattern in patterns)
    forms = {form for secret in secrets for form in _spellings(secret)}
    return tuple(sorted(forms, key=lambda form: (-len(form), form)))


def _without(secrets: tuple[str, ...], text: str) -> str:
    """One search after another: to compile them into one pattern takes longer than all the searches of a step."""
    for secret in secrets:
        if secret in text:
            text = text.replace(secret, HIDDEN)
    return text


def _spellings(secret: str) -> Iterable[str]:
    """How a secret may be written down: in JSON, in Python, in a URL, line by line."""
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    yield quote(secret, safe="")
    yield quote_plus(secret)
    if "\n" in secret:
        yield from (line for line in map(str.strip, secret.splitlines()) if len(line) >= _SHORTEST_LINE)
