"""Whoever alters the log is found: the first broken entry is named."""

from __future__ import annotations

import contextlib
import datetime as dt
import sqlite3
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, delete, insert, select, update
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from sematic_airflow_provider.artifacts.digest import canonical_json, digest_bytes
from sematic_airflow_provider.db.anchors import Anchor
from sematic_airflow_provider.db.audit import verify
from sematic_airflow_provider.db.models import EventRow, PartRow, SealRow, UnsealedRow
from sematic_airflow_provider.db.packed import compressed, texts
from sematic_airflow_provider.db.seals import entries_of, packed_entries, seal, seal_hash
from sematic_airflow_provider.db.verdict import Verdict
from tests.db.lineage_database import database, take
from tests.events import pipeline, task_event

EVENTS, BLOCK = 30, 7
SEALS = 5
_LARGE = {"documentation": {"description": "what this task is for, told at length. " * 20}}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty events under five seals, with a part that several events share."""
    folder = tmp_path_factory.mktemp("log")
    with database(folder) as session:
        for number in range(3):
            events = pipeline(dag_run_id=f"run{number}")
            for event in events:
                event["run"]["facets"].update(_LARGE)
            take(session, *events)
        session.execute(delete(SealRow))
        session.execute(delete(UnsealedRow))
        ids = select(EventRow.id)
        session.execute(insert(UnsealedRow).from_select(["event_id"], ids))
        session.commit()
        seal(session, most=BLOCK)
    return folder / "lineage.db"


def _tampered(template: Path, tamper: Callable[[Session], Any], **options: Any) -> Verdict:
    memory = sqlite3.connect(":memory:", check_same_thread=False)
    with contextlib.closing(sqlite3.connect(template)) as stored:
        stored.backup(memory)
    engine = create_engine("sqlite://", creator=lambda: memory, poolclass=StaticPool)
    try:
        with Session(engine) as session:
            tamper(session)
            session.commit()
            return verify(session, **options)
    finally:
        memory.close()


def _set_event(event_id: int, **values: Any) -> Callable[[Session], Any]:
    return lambda session: session.execute(update(EventRow).where(EventRow.id == event_id).values(**values))


def _other_text(session: Session, event_id: int) -> None:
    row = session.get_one(EventRow, event_id)
    (text,) = texts(session, [row.payload or b""])
    row.payload = compressed(text.replace(b'"flow', b'"fl0w'))


def _flip(session: Session, event_id: int, bit: int) -> bool:
    """Whether the text is still the same."""
    row = session.get_one(EventRow, event_id)
    data = bytearray(row.payload or b"")
    data[bit // 8 % len(data)] ^= 1 << bit % 8
    before, row.payload = row.payload or b"", bytes(data)
    try:
        return texts(session, [before]) == texts(session, [row.payload])
    except ValueError:
        return False


def _rewrite(session: Session, number: int, change: Callable[[list[Any]], list[Any]], *, rehash: bool) -> None:
    row = session.get_one(SealRow, number)
    entries = change(list(entries_of(row.entries)))
    row.entries, row.count = packed_entries(entries), len(entries)
    if rehash:
        row.hash = seal_hash(row.number, row.sealed_at, row.count, row.entries, row.previous)


def _first(verdict: Verdict) -> tuple[str, int | None, int | None]:
    found = verdict.told[0]
    return found.kind, found.seal, found.event_id


def _seal_of(event_id: int) -> int:
    return (event_id - 1) // BLOCK + 1


def test_a_log_that_nobody_altered_is_whole(template: Path) -> None:
    found = _tampered(template, lambda _: None)
    assert (found.whole, found.seals, found.events, found.waiting, found.removed) == (True, SEALS, EVENTS, 0, 0)


@pytest.mark.parametrize("more", [{"form": "removal/1", "policy": {}}, {"form": "roll-up/1"}, {"policy": {}}])
def test_an_event_that_looks_like_another_entry_of_the_log_is_still_an_event(
    tmp_path: Path, more: dict[str, Any]
) -> None:
    with database(tmp_path) as session:
        take(session, {**task_event("START", "a"), **more})
        seal(session)
        assert verify(session).told == []


_OF_AN_EVENT: dict[str, tuple[str, Callable[[Session, int], Any]]] = {
    "another text": ("altered", _other_text),
    "another digest": ("altered", lambda s, n: _set_event(n, digest="ab" * 32)(s)),
    "another run": ("altered", lambda s, n: _set_event(n, run_id=str(uuid.UUID(int=n)))(s)),
    "another time": (
        "altered",
        lambda s, n: _set_event(n, event_time=dt.datetime(2030, 1, 1, tzinfo=dt.timezone.utc))(s),
    ),
    "another kind": ("altered", lambda s, n: _set_event(n, kind="job")(s)),
    "kind of a notice": ("altered", lambda s, n: _set_event(n, kind="removal")(s)),
    "the text of another event": ("altered", lambda s, n: _swap_payloads(s, n, n % EVENTS + 1)),
    "no text": ("removed", lambda s, n: _set_event(n, payload=None)(s)),
    "no row": ("removed", lambda s, n: s.execute(delete(EventRow).where(EventRow.id == n))),
}


def _swap_payloads(session: Session, one: int, other: int) -> None:
    first, second = session.get_one(EventRow, one), session.get_one(EventRow, other)
    first.payload, second.payload = second.payload, first.payload


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(how=st.sampled_from(sorted(_OF_AN_EVENT)), event_id=st.integers(1, EVENTS))
def test_an_event_that_was_altered_or_removed_is_named(template: Path, how: str, event_id: int) -> None:
    kind, tamper = _OF_AN_EVENT[how]
    found = _tampered(template, lambda session: tamper(session, event_id))
    first = min(event_id, event_id % EVENTS + 1) if how == "the text of another event" else event_id
    assert _first(found) == (kind, _seal_of(first), first)
    assert sum(found.broken.values()) == (2 if how == "the text of another event" else 1)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(event_id=st.integers(1, EVENTS), bit=st.integers(0, 50_000))
@example(event_id=27, bit=3586)  # a bit that fills the last byte of the compressed text
def test_any_flipped_bit_of_a_stored_text_is_found(template: Path, event_id: int, bit: int) -> None:
    same: list[bool] = []
    found = _tampered(template, lambda session: same.append(_flip(session, event_id, bit)))
    if same == [True]:
        assert found.whole  # compressed texts have a few bits that say nothing
    else:
        assert _first(found) == ("altered", _seal_of(event_id), event_id)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), rehash=st.booleans())
def test_a_seal_that_was_altered_is_named_or_its_events_are(template: Path, data: Any, rehash: bool) -> None:
    number = data.draw(st.integers(1, SEALS), label="seal")
    how = data.draw(
        st.sampled_from(["another digest", "one less", "one more", "none", "two changed places"]), label="how"
    )
    place = data.draw(st.integers(0, 1), label="place")

    def change(entries: list[Any]) -> list[Any]:
        if how == "another digest":
            return [*entries[:place], (entries[place][0], "cd" * 32), *entries[place + 1 :]]
        if how == "one less":
            return [*entries[:place], *entries[place + 1 :]]
        if how == "one more":
            return [*entries, (1000 + number, "ef" * 32)]
        if how == "two changed places":
            return [entries[1], entries[0], *entries[2:]]
        return []

    found = _tampered(template, lambda session: _rewrite(session, number, change, rehash=rehash))
    if how == "two changed places":
        assert _first(found) == ("reordered", number, (number - 1) * BLOCK + 1)
    elif not rehash:
        assert _first(found)[:2] == ("seal altered", number)
    else:
        assert not found.whole  # its events do not fit it, or the next seal does not
        assert found.told[0].seal in (number, None)


@pytest.mark.parametrize("number", range(1, SEALS + 1))
def test_a_seal_that_is_missing_is_named(template: Path, number: int) -> None:
    found = _tampered(template, lambda session: session.execute(delete(SealRow).where(SealRow.number == number)))
    events = BLOCK if number < SEALS else EVENTS % BLOCK
    if number < SEALS:
        assert _first(found) == ("seal removed", number, None)
    else:
        assert _first(found) == ("inserted", None, EVENTS - events + 1)
        assert "cut at its end" in found.told[0].what
    assert found.broken["inserted"] == events


def test_seals_that_changed_places_are_named(template: Path) -> None:
    def tamper(session: Session) -> None:
        for number, other in ((2, 100), (3, 2), (100, 3)):
            session.execute(update(SealRow).where(SealRow.number == number).values(number=other))

    found = _tampered(template, tamper)
    assert _first(found)[0] == "seal altered"
    assert not found.whole


@pytest.mark.parametrize("event_id", [0, -3, EVENTS + 1, EVENTS + 999])
def test_an_event_that_was_inserted_beside_the_server_is_named(template: Path, event_id: int) -> None:
    record = task_event("COMPLETE", "forged")
    text = canonical_json(record)

    def tamper(session: Session) -> None:
        now = dt.datetime.now(dt.timezone.utc)
        session.execute(
            insert(EventRow).values(
                id=event_id,
                digest=digest_bytes(text),
                received_at=now,
                event_time=now,
                kind="run",
                run_id=record["run"]["runId"],
                payload=compressed(text),
            )
        )

    found = _tampered(template, tamper)
    assert _first(found) == ("inserted", None, event_id)
    assert found.told[0].run_id == record["run"]["runId"]


def test_an_event_that_a_forged_seal_covers_again_is_told(template: Path) -> None:
    def tamper(session: Session) -> None:
        last = session.get_one(SealRow, SEALS)
        entries = packed_entries(list(entries_of(session.get_one(SealRow, 1).entries))[:2])
        number, now = SEALS + 1, dt.datetime.now(dt.timezone.utc)
        made = seal_hash(number, now, 2, entries, last.hash)
        session.add(SealRow(number=number, sealed_at=now, count=2, entries=entries, previous=last.hash, hash=made))

    found = _tampered(template, tamper)
    assert [(one.kind, one.seal, one.event_id) for one in found.told] == [("twice", 6, 1), ("twice", 6, 2)]


@pytest.mark.parametrize("how", ["another text", "none"])
def test_a_part_that_was_altered_or_deleted_breaks_the_events_that_have_it(template: Path, how: str) -> None:
    def tamper(session: Session) -> None:
        for part in session.scalars(select(PartRow)).all():
            if how == "none":
                session.delete(part)
            else:
                part.content = compressed(b'"something else"')

    found = _tampered(template, tamper)
    assert set(found.broken) == {"altered"}
    assert _first(found)[0] == "altered"


def _forge_all(session: Session) -> None:
    """As somebody who can write the database and knows how seals are made: alter an event, and make the chain anew from it on."""
    row = session.get_one(EventRow, 3)
    (text,) = texts(session, [row.payload or b""])
    text = text.replace(b'"flow', b'"fl0w')
    row.payload, row.digest = compressed(text), digest_bytes(text)
    previous = ""
    for one in session.scalars(select(SealRow).order_by(SealRow.number)).all():
        entries = [(event_id, row.digest if event_id == 3 else digest) for event_id, digest in entries_of(one.entries)]
        one.entries, one.previous = packed_entries(entries), previous or one.previous
        one.hash = seal_hash(one.number, one.sealed_at, one.count, one.entries, one.previous)
        previous = one.hash


@pytest.fixture(scope="module")
def kept_elsewhere(template: Path) -> list[Anchor]:
    with Session(create_engine(f"sqlite:///{template}")) as session:
        rows = session.execute(select(SealRow.number, SealRow.hash).where(SealRow.number.in_([2, 5]))).all()
    return [Anchor(number, kept, "the notebook of the auditor") for number, kept in rows]


def test_a_chain_made_anew_is_only_found_by_hashes_kept_elsewhere(template: Path, kept_elsewhere: list[Anchor]) -> None:
    assert _tampered(template, _forge_all).whole
    found = _tampered(template, _forge_all, anchors=kept_elsewhere)
    assert _first(found) == ("seal altered", 2, None)
    assert "the notebook of the auditor has another hash for seal 2" in found.told[0].what


def test_a_chain_cut_at_its_end_with_its_events_is_only_found_by_hashes_kept_elsewhere(
    template: Path, kept_elsewhere: list[Anchor]
) -> None:
    def tamper(session: Session) -> None:
        session.execute(delete(SealRow).where(SealRow.number > 3))
        session.execute(delete(EventRow).where(EventRow.id > 3 * BLOCK))

    assert _tampered(template, tamper).whole
    found = _tampered(template, tamper, anchors=kept_elsewhere)
    assert _first(found) == ("chain cut", 4, None)
    assert "the last one here is 3" in found.told[0].what


def test_hashes_kept_elsewhere_that_agree_are_counted(template: Path, kept_elsewhere: list[Anchor]) -> None:
    found = _tampered(template, lambda _: None, anchors=kept_elsewhere)
    assert (found.whole, found.anchors) == (True, 2)


def test_from_a_seal_on_the_chain_is_verified_whole_and_events_from_there(template: Path) -> None:
    early = _tampered(template, _set_event(2, payload=None), since=3)
    assert (early.whole, early.seals, early.events) == (True, SEALS, EVENTS - 2 * BLOCK)
    late = _tampered(template, _set_event(20, payload=None), since=3)
    assert _first(late) == ("removed", 3, 20)
    seal_of_the_start = _tampered(template, lambda s: _rewrite(s, 1, lambda e: e[1:], rehash=False), since=3)
    assert _first(seal_of_the_start)[:2] == ("seal altered", 1)


def test_an_event_may_wait_for_its_seal_for_a_while_only(template: Path) -> None:
    def wait(session: Session, since: dt.datetime) -> None:
        session.execute(insert(UnsealedRow).values(event_id=EVENTS))
        session.execute(delete(SealRow).where(SealRow.number == SEALS))
        session.execute(delete(EventRow).where(EventRow.id.in_([29])))
        session.execute(update(EventRow).where(EventRow.id == EVENTS).values(received_at=since))

    now = dt.datetime.now(dt.timezone.utc)
    fresh = _tampered(template, lambda session: wait(session, now))
    assert (fresh.whole, fresh.waiting) == (True, 1)
    old = _tampered(template, lambda session: wait(session, now - dt.timedelta(minutes=5)))
    assert [(one.kind, one.event_id) for one in old.told] == [("not sealed", EVENTS)]


def test_only_the_first_are_told_and_all_are_counted(template: Path) -> None:
    found = _tampered(template, lambda session: session.execute(update(EventRow).values(payload=None)))
    assert (found.broken["removed"], len(found.told), found.told[0].event_id) == (EVENTS, 20, 1)
