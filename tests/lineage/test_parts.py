"""Texts taken apart, put together, packed and damaged."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from sematic_airflow_provider.artifacts.digest import canonical_json
from sematic_airflow_provider.db.models import PartRow
from sematic_airflow_provider.db.packed import compressed, store_parts, texts, uncompressed
from sematic_airflow_provider.errors import EventRejectedError
from sematic_airflow_provider.lineage.canonical import MAX_DEPTH, canonical_event, canonical_facets
from sematic_airflow_provider.lineage.events import parse_event
from sematic_airflow_provider.lineage.parts import MOST, Cutter, marks, put_together
from tests.db.tables import sqlite
from tests.events import task_event
from tests.lineage.hostile import EVENTS

_TEXT = st.one_of(
    st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    st.sampled_from(["\0" * 300, '"\\' * 200, "é" * 300, "\U0001f600" * 200, "<b>" * 100]),
)
_VALUES = st.recursive(
    st.one_of(_TEXT, st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_TEXT, inner, max_size=4)),
    max_leaves=15,
)
_FACETS = st.dictionaries(_TEXT, _VALUES, max_size=5)
_HOLDERS = st.dictionaries(
    st.sampled_from(["facets", "inputFacets", "name", "runId"]), st.one_of(_FACETS, _VALUES), max_size=4
)
_RECORDS = st.dictionaries(
    st.sampled_from(["run", "job", "dataset", "inputs", "outputs", "x"]),
    st.one_of(_HOLDERS, st.lists(st.one_of(_HOLDERS, _VALUES), max_size=3), _VALUES),
    max_size=5,
)


def _without_surrogates(value: Any) -> bool:
    try:
        canonical_json(value)
    except UnicodeEncodeError:
        return False
    return True


@settings(max_examples=25, deadline=None)
@given(_RECORDS)
def test_the_text_of_an_event_is_its_canonical_json_and_facets_stand_where_it_says(record: dict[str, Any]) -> None:
    text, members = canonical_event(record)
    assert text.encode() == canonical_json(record)
    for start, end, value in members:
        assert text[start:end].encode() == canonical_json(value)


@settings(max_examples=20, deadline=None)
@given(EVENTS.filter(_without_surrogates))
def test_the_digest_of_an_event_is_of_its_canonical_json(record: dict[str, Any]) -> None:
    assert parse_event(record).text.encode() == canonical_json(json.loads(json.dumps(record)))


@settings(max_examples=25, deadline=None)
@given(st.lists(_RECORDS, min_size=1, max_size=3))
def test_what_was_taken_apart_is_put_together_to_the_same_bytes(records: list[dict[str, Any]]) -> None:
    cutter = Cutter()
    for record in [*records, *records]:  # the second time from what it remembers
        text, members = canonical_event(record)
        skeleton, parts = cutter.cut(text, members)
        known = {key: part.encode() for key, part in parts.items()}
        assert marks(skeleton.encode()) <= known.keys()
        (whole,) = put_together(
            [skeleton.encode()], lambda keys, known=known: {key: known[key] for key in keys}
        ).values()
        assert whole == text.encode()


@settings(max_examples=20, deadline=None)
@given(_FACETS, _FACETS)
def test_facets_of_runs_are_written_from_the_texts_of_their_events(facets: dict[str, Any], job: dict[str, Any]) -> None:
    record = {**facets, "job": job}
    known = {id(facet): canonical_json(facet).decode() for facet in facets.values() if isinstance(facet, (dict, list))}
    text, members = canonical_facets(record, known)
    assert text.encode() == canonical_json(record)
    assert all(text[start:end].encode() == canonical_json(value) for start, end, value in members)


@settings(max_examples=30)
@given(st.binary(max_size=5000))
def test_any_bytes_are_packed_and_come_back(data: bytes) -> None:
    assert uncompressed(compressed(data)) == data


def test_equal_facets_of_two_events_are_one_part() -> None:
    facet = {"code": "x" * 600, "of": {"more": ["y" * 500]}}
    cutter = Cutter()
    found = []
    for second in range(2):
        event = parse_event(task_event("START", "join", second=second, facets={"sourceCode": facet}))
        found.append(cutter.cut(event.text, event.members))
    assert found[0].parts.keys() == found[1].parts.keys()
    assert len(found[0].skeleton) < 700


@pytest.mark.parametrize(
    "change",
    [
        lambda packed: packed[:-1],
        lambda packed: packed + b"x",
        lambda packed: packed[:20] + bytes([packed[20] ^ 1]) + packed[21:],
        lambda packed: b"\x07" + packed[1:],
        lambda packed: b"",
        lambda packed: packed[:1],
    ],
)
def test_damaged_bytes_are_told_as_such(change: Any) -> None:
    packed = compressed(json.dumps(task_event("START", "join")).encode() * 3)
    with pytest.raises(ValueError, match=r"damaged|unknown form"):
        uncompressed(change(packed))


def test_a_part_that_is_missing_or_damaged_is_told_as_such(tmp_path: Path) -> None:
    event = parse_event(task_event("START", "join", facets={"sourceCode": {"code": "x" * 600}}))
    skeleton, parts = Cutter().cut(event.text, event.members)
    with Session(sqlite(tmp_path)) as session:
        store_parts(session, parts)
        packed = [compressed(skeleton.encode())]
        assert texts(session, packed) == [event.text.encode()]
        session.execute(update(PartRow).values(content=b"\x01damage"))
        with pytest.raises(ValueError, match="damaged"):
            texts(session, packed)
        session.execute(delete(PartRow))
        with pytest.raises(ValueError, match=r"part .* is missing"):
            texts(session, packed)


@pytest.mark.parametrize(
    "facets",
    [
        {f"facet{number}": {"text": "x" * 300, "n": number} for number in range(8000)},
        {"one": {f"member{number:05}": "y" * 300 + str(number) for number in range(10_000)}},
        {"nested": {f"m{n}": {"l": [{"k": "z" * 300} for _ in range(20)]} for n in range(400)}},
    ],
)
def test_an_event_of_thousands_of_facets_is_cut_in_time_and_into_few_parts(facets: dict[str, Any]) -> None:
    record = task_event("START", "join", facets=facets)
    started = time.process_time()
    event = parse_event(record)
    skeleton, parts = Cutter().cut(event.text, event.members)
    assert time.process_time() - started < 1.5  # of 3 MB each; far less on a machine that does nothing else
    assert len(parts) <= MOST + 1
    whole = put_together([skeleton.encode()], lambda keys: {key: parts[key].encode() for key in keys})
    assert whole[skeleton.encode()] == event.text.encode()


@pytest.mark.parametrize("where", ["run", "inputs", "x"])
@pytest.mark.parametrize("levels", [MAX_DEPTH, MAX_DEPTH * 100])
def test_deep_nesting_is_refused_wherever_it_is(where: str, levels: int) -> None:
    deep: Any = 1
    for number in range(levels):
        deep = [deep] if number % 2 else {"": deep}
    event = task_event("START", "join")
    if where == "run":
        event["run"]["facets"]["x"] = deep
    elif where == "inputs":
        event["inputs"] = [{"namespace": "n", "name": "d", "facets": {"x": deep}}]
    else:
        event["x"] = deep
    with pytest.raises(EventRejectedError, match="nested deeper"):
        parse_event(event)


def test_braces_in_texts_are_no_depth() -> None:
    event = task_event("START", "join", facets={"x": {"text": "{[" * 500}})
    assert parse_event(event).run_id
