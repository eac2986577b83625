"""``artifacts verify``: some artifacts with all that they consist of, or everything in the store and everything that is recorded."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from sqlalchemy import select

from sematic_airflow_provider.artifacts import pointers
from sematic_airflow_provider.artifacts.deletions import deleted_before
from sematic_airflow_provider.artifacts.digest import Digest, parse_digest
from sematic_airflow_provider.artifacts.parts import Part, part_of
from sematic_airflow_provider.artifacts.references import refs_in
from sematic_airflow_provider.artifacts.store import Store
from sematic_airflow_provider.artifacts.verification import Checked, Problem, check_blobs, check_parts
from sematic_airflow_provider.cli.printing import Progress
from sematic_airflow_provider.db.mentions import mentions
from sematic_airflow_provider.db.models import DataRow
from sematic_airflow_provider.db.sessions import lineage_session
from sematic_airflow_provider.errors import ArtifactError

_SAVE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Options:
    """``sample``: percent of the blobs to read. ``resume``: where to keep how far a verification has come, and to go on from."""

    jobs: int = 4
    sample: float = 100.0
    resume: Path | None = None


def verify_some(store: Store, parts: Sequence[Part], options: Options, progress: Progress) -> Checked:
    """Verify these artifacts and all that they consist of.

    Raises:
        StoreError: the store fails.
    """
    checked = Checked()
    start = ((part, "what was asked for") for part in parts)
    digests = dict.fromkeys(
        part.digest for part in check_parts(store, start, _Asked(store), checked, jobs=options.jobs)
    )
    for problem in checked.problems:
        digests.pop(problem.digest, None)
    check_blobs(store, digests, jobs=options.jobs, checked=checked, each=lambda _: progress("verified", checked.blobs))
    return _settled(store, checked)


def verify_all(store: Store, options: Options, progress: Progress) -> Checked:
    """Read every blob, or a sample of them; then see that everything recorded is there, with all that it consists of.

    Raises:
        ArtifactError: the file to resume from is of another verification.
        StoreError, SQLAlchemyError: the store or the database fails.
    """
    kept = _Kept(store, options)
    stored, after = _Stored(), kept.after
    checked = kept.checked
    chosen = _sampled(options.sample)

    def to_read() -> Iterator[Digest]:
        for digest, _ in store.blobs():
            stored.add(digest)
            if chosen(digest) and (after is None or digest > after):
                yield digest

    def each(digest: Digest) -> None:
        kept.note(digest)
        progress("verified", checked.blobs)

    check_blobs(store, to_read(), jobs=options.jobs, checked=checked, each=each)
    known = {problem.digest for problem in checked.problems}
    found = Checked()
    named = dict(_recorded(store))  # at once, so that no transaction is open while the store is read
    for number, _ in enumerate(check_parts(store, named.items(), stored, found, jobs=options.jobs), start=1):
        progress("recorded", number)
    checked.problems += [problem for problem in found.problems if problem.digest not in known]
    kept.done()
    return _settled(store, checked)


def _recorded(store: Store) -> Iterator[tuple[Part, str]]:
    """What XComs, asset events, lineage and pointers name, less tiny values that stand in the refs themselves."""
    for pointer in pointers.pointers(store):
        for version in pointer.versions:
            if not version.ref.has_value:
                yield part_of(version.ref), f"pointer {pointer.name}"
    for mention in mentions():
        for ref in refs_in(mention.text):
            if not ref.has_value:
                yield part_of(ref), mention.where
    with lineage_session() as session:
        query = select(DataRow.digest, DataRow.codec, DataRow.name).where(
            DataRow.digest.is_not(None), DataRow.value.is_(None)
        )
        rows = session.execute(query).all()
    for digest, codec, name in rows:
        yield Part(Digest(digest or ""), codec), f"lineage of {name}"


def _settled(store: Store, checked: Checked) -> Checked:
    """What a collection has deleted is not lost, and what was stored since the store was listed is there."""
    checked.problems = [
        problem for problem in checked.problems if problem.state != "missing" or store.stat(problem.digest) is None
    ]
    if any(problem.state == "missing" for problem in checked.problems):
        gone = deleted_before(store)
        checked.problems = [
            replace(problem, state="deleted")
            if problem.state == "missing" and bytes.fromhex(problem.digest) in gone
            else problem
            for problem in checked.problems
        ]
    return checked


class _Asked:
    """The blobs of a store, asked for one by one."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __contains__(self, digest: object) -> bool:
        return self._store.stat(parse_digest(digest)) is not None


class _Stored:
    """The blobs of a store, 32 bytes each."""

    def __init__(self) -> None:
        self._digests: set[bytes] = set()

    def add(self, digest: Digest) -> None:
        self._digests.add(bytes.fromhex(digest))

    def __contains__(self, digest: object) -> bool:
        return bytes.fromhex(parse_digest(digest)) in self._digests


def _sampled(percent: float) -> Callable[[Digest], bool]:
    """Whether a blob is in a random sample: another one each time, so that many small ones see everything in the end."""
    offset, bound = random.SystemRandom().randrange(2**32), percent / 100 * 2**32
    return lambda digest: (int(digest[:8], 16) + offset) % 2**32 < bound


class _Kept:
    """How far a verification has come, in a file, so that one that was interrupted goes on."""

    def __init__(self, store: Store, options: Options) -> None:
        self._path, self._url = options.resume, store.url
        self.after: Digest | None = None
        self.checked = Checked()
        self._saved = time.monotonic()
        if self._path is not None and self._path.exists():
            self._read(self._path)

    def note(self, digest: Digest) -> None:
        """All up to this one are verified."""
        self.after = digest
        if self._path is not None and time.monotonic() - self._saved > _SAVE_SECONDS:
            self._saved = time.monotonic()
            record = {"store": self._url, "after": digest, **asdict(self.checked)}
            beside = self._path.with_name(f"{self._path.name}.new")
            beside.write_text(json.dumps(record), encoding="utf-8")
            os.replace(beside, self._path)

    def done(self) -> None:
        """There is nothing to go on from any more."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _read(self, path: Path) -> None:
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            problems = [Problem(**problem) for problem in record["problems"]]
            self.checked = Checked(int(record["blobs"]), int(record["bytes"]), problems)
            self.after, url = parse_digest(record["after"]), record["store"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(
                f"{path} does not tell how far a verification has come: {error}. Delete it, or give another file"
            ) from error
        if url != self._url:
            raise ArtifactError(
                f"{path} tells of a verification of the store {url}, not of {self._url}: give another file"
            )
