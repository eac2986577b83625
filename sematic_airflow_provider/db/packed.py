"""JSON texts in the tables: without the parts that repeat (``lineage/parts.py``), and compressed.

The first byte tells the form: 0 as it is, 1 zlib with the first dictionary. A dictionary, once in use, never changes.
"""

from __future__ import annotations

import datetime as dt
import json
import zlib
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from sematic_airflow_provider.db.lookups import chunks, one_of
from sematic_airflow_provider.db.models import PartRow
from sematic_airflow_provider.db.upserts import insert_or_renew
from sematic_airflow_provider.lineage.parts import put_together

_PLAIN: Final = b"\x00"
_ZLIB_1: Final = b"\x01"
_DICTIONARY_1: Final = (
    b'"dataSource":{"name":"","uri":"postgres://"},"columnLineage":{"fields":{"inputFields":[{"field":"","name":"","namespace":"",'
    b'"transformations":[{"description":"",'
    b'"masking":false,"subtype":"IDENTITY","type":"DIRECT"}]}]}},"datasetType":{"datasetType":"MODEL"},"rowCount":"size":"errorMessage":{"message":"",'
    b'"programmingLanguage":"python",'
    b'"stackTrace":"Traceback (most recent call last):\\n  File \\"","nominalTime":{"nominalEndTime":"","nominalStartTime":""},'
    b'"ownership":{"owners":[{"name":"airflow"}]},'
    b'"documentation":{"contentType":"text/markdown","description":""},"tags":{"tags":[{"key":"openlineage_client_version",'
    b'"source":"OPENLINEAGE_CLIENT","value":"1."}]},'
    b'"sourceCode":{"language":"python","sourceCode":"def "},"executionParameters":{"parameters":[{"key":"","value":""}]},'
    b'"sematic_cache":{"changed":[],"computedBy":null,"key":"","reason":"","status":"miss"},'
    b'"sematic_resources":{"cpuSeconds":0.,"durationSeconds":0.,"peakMemoryBytes":},"sematic_provenance":{"containerId":null,"cpuCount":,'
    b'"cpuLimit":null,"cpuModel":"","dagBundle":{"name":"dags-folder","version":null},'
    b'"executor":"LocalExecutor","git":{"branch":"main","commit":"","dirty":false,"path":"","remote":"https://github.com/"},"gpus":null,"host":"",'
    b'"image":null,"memoryBytes":,"packages":{"codec":"json/1","digest":"",'
    b'"size":,"type":"builtins.dict"},"platform":"Linux-","pool":"default_pool","providerVersion":"0.1.0","python":"3.","scratch":null,"seeds":null},'
    b'"sematic_step":{"arguments":{"codec":"parquet/1","digest":"","name":"",'
    b'"sematic":1,"size":,"type":"pandas.core.frame.DataFrame"},"code":{"codec":"text/1"},"codeUnavailable":null,"compute":"local",'
    b'"contextArguments":[],"file":"","function":"","line":,"outputs":{"return_value":{'
    b'"schema":{"fields":[{"name":"","type":"int64"},{"name":"","type":"double"},{"name":"","type":"string"}]},"outputStatistics":{"rowCount":,'
    b'"size":},"outputFacets":{},"inputFacets":{},'
    b'"sematic_artifact":{"codec":"json/1","dependsOn":[],"deterministic":true,"digest":"","hasValue":false,"pickle":false,"size":,"type":"",'
    b'"value":null},"symlinks":{"identifiers":[{"name":"","namespace":"s3://","type":"ARTIFACT"}]},'
    b'"version":{"datasetVersion":""},"eventTime":"2026-01-01T00:00:00.000000+00:00","eventType":"COMPLETE","inputs":[{"facets":{},"name":"",'
    b'"namespace":"default"}],"job":{"facets":{"jobType":{"integration":"AIRFLOW","jobType":"TASK","processingType":"BATCH"}},'
    b'"name":"","namespace":"default"},"outputs":[],"producer":"https://github.com/apache/airflow/tree/providers-openlineage/2.",'
    b'"run":{"facets":{"airflow":{"dag":{"dag_id":"","fileloc":"","owner":"airflow","owner_links":{},"tags":"[]","timetable":{},"timetable_summary":"None"},'
    b'"dagRun":{"clear_number":0,"conf":{},"dag_id":"","data_interval_end":"","data_interval_start":"","logical_date":"","run_after":"",'
    b'"run_id":"scheduled__","run_type":"scheduled","start_date":""},'
    b'"task":{"depends_on_past":false,"downstream_task_ids":"[]","executor_config":{},"inlets":"[]","is_setup":false,"is_teardown":false,'
    b'"mapped":false,"multiple_outputs":false,"operator_class":"","operator_class_path":"airflow.",'
    b'"outlets":"[]","owner":"airflow","priority_weight":1,"queue":"default","retries":0,"retry_exponential_backoff":false,"run_as_user":null,'
    b'"task_group":null,"task_id":"","trigger_rule":"all_success","upstream_task_ids":"[]",'
    b'"wait_for_downstream":false,"wait_for_past_depends_before_skipping":false},"taskInstance":{"dag_bundle_name":"dags-folder",'
    b'"log_url":"http://localhost:8080/dags/","map_index":-1,"pool":"default_pool","queued_dttm":"","try_number":1},"taskUuid":""},'
    b'"parent":{"job":{"name":"","namespace":"default"},"root":{"job":{"name":"","namespace":"default"},"run":{"runId":""}},"run":{"runId":""}},'
    b'"processing_engine":{"name":"Airflow","openlineageAdapterVersion":"2.","version":"3."},'
    b'"unknownSourceAttribute":{"unknownItems":[{"name":"","properties":{}}]}},"runId":""},'
    b'"schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"}'
    b'"_producer":"https://github.com/apache/airflow/tree/providers-openlineage/2.","_schemaURL":"https://openlineage.io/spec/facets/1-0-0/'
)


_SHORT: Final = 2000  # bytes; short texts of edges are often equal
_KEPT: Final = 32 << 20  # bytes of parts that a PartTexts keeps


def compressed(text: bytes) -> bytes:
    """A text as it is stored."""
    return _compressed_short(text) if len(text) < _SHORT else _compressed(text)


def _compressed(text: bytes) -> bytes:
    packer = zlib.compressobj(level=6, zdict=_DICTIONARY_1)
    small = packer.compress(text) + packer.flush()
    return _ZLIB_1 + small if len(small) < len(text) else _PLAIN + text


_compressed_short = lru_cache(4096)(_compressed)


def uncompressed(data: bytes) -> bytes:
    """A stored text.

    Raises:
        ValueError: it is of no form that is known, or damaged.
    """
    form, rest = bytes(data[:1]), bytes(data[1:])
    if form == _PLAIN:
        return rest
    if form != _ZLIB_1:
        raise ValueError(f"a text in the lineage tables is of an unknown form: {form!r}")
    unpacker = zlib.decompressobj(zdict=_DICTIONARY_1)
    try:
        text = unpacker.decompress(rest)
    except zlib.error as error:
        raise ValueError(f"a text in the lineage tables is damaged: {error}") from error
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError("a text in the lineage tables is damaged: its end is missing, or something follows it")
    return text


class PartTexts:
    """The texts of parts that were read or stored lately. A key is of the text, so what is kept can never be wrong."""

    def __init__(self) -> None:
        self._texts: dict[str, bytes] = {}
        self._size = 0

    def of(self, session: Session, keys: Collection[str]) -> dict[str, bytes]:
        """Texts by key."""
        texts = self._texts
        found = {key: texts[key] for key in keys if key in texts}
        if len(found) < len(keys):
            read = _parts(session, [key for key in keys if key not in found])
            for key, text in read.items():
                self.keep(key, text)
            found |= read
        return found

    def keep(self, key: str, text: bytes) -> None:
        """Keep one more; all are forgotten where they are too many."""
        if self._size > _KEPT:
            self._texts, self._size = {}, 0  # a new dict: another thread may read the old one
        self._texts[key] = text
        self._size += len(text)


def store_parts(session: Session, parts: Mapping[str, str]) -> None:
    """Keep parts that are not kept yet, and say of those that are that they were needed today."""
    today = dt.datetime.now(dt.timezone.utc).date()
    fresh: set[str] = set()
    for chunk in chunks(sorted(parts)):
        query = select(PartRow.key).where(one_of(session, PartRow.key, chunk), PartRow.seen_on >= today)
        fresh.update(session.scalars(query))
    rows = [
        {"key": key, "content": compressed(parts[key].encode()), "seen_on": today}
        for key in sorted(parts.keys() - fresh)
    ]
    insert_or_renew(session, PartRow, rows, renewed="seen_on")


def texts(session: Session, packed: Sequence[bytes], lately: PartTexts | None = None) -> list[bytes]:
    """The texts that these columns hold.

    Args:
        session: of the database.
        packed: what the columns hold.
        lately: where parts may be taken from without looking whether they are still stored.

    Raises:
        ValueError: one is damaged, or a part of it is missing.
    """
    skeletons = [uncompressed(data) for data in packed]
    read = (lambda keys: lately.of(session, keys)) if lately is not None else (lambda keys: _parts(session, keys))
    try:
        whole = put_together(set(skeletons), read)
    except KeyError as error:
        raise ValueError(f"a text in the lineage tables is damaged: its part {error.args[0]} is missing") from error
    return [whole[skeleton] for skeleton in skeletons]


def facets(session: Session, packed: Sequence[bytes]) -> list[dict[str, Any]]:
    """The facets that these columns hold."""
    return [json.loads(text) for text in texts(session, packed)]


def _parts(session: Session, keys: Collection[str]) -> dict[str, bytes]:
    return {
        key: uncompressed(content)
        for chunk in chunks(sorted(keys))
        for key, content in session.execute(
            select(PartRow.key, PartRow.content).where(one_of(session, PartRow.key, chunk))
        )
    }
