"""What the runs of a way come to, and what was promised of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import median

from benchmarks.environments import Peer
from benchmarks.reporting import Goal
from benchmarks.runs import LIMIT, OURS, Kept

MIB = 2**20
FACTOR = 1.3
EXTRA_MIB = 64
TABLES = ("numbers", "strings")
SMALL_S = 0.001


@dataclass(frozen=True)
class Summary:
    """Medians of the runs of one way with one kind of value; of JSON, per document."""

    kind: str
    way: str
    runs: int
    save_s: float
    load_s: float
    total_s: float
    spread: float
    ratio: float | None
    cpu_s: float
    save_extra: float
    load_extra: float
    disk: float
    weight: float
    beyond_sync_s: float | None

    def record(self) -> dict[str, object]:
        """As it is kept."""
        return asdict(self)

    def cells(self, verifies: str) -> list[object]:
        """As a line of the table."""
        return [
            self.kind,
            self.way,
            self.runs,
            self.save_s if self.kind != "json" else f"{1000 * self.save_s:.2f} ms",
            self.load_s if self.kind != "json" else f"{1000 * self.load_s:.2f} ms",
            self.total_s if self.kind != "json" else f"{1000 * self.total_s:.2f} ms",
            f"{self.spread:.0%}",
            None if self.ratio is None else f"{self.ratio:.2f}",
            self.cpu_s if self.kind != "json" else f"{1000 * self.cpu_s:.2f} ms",
            round(self.save_extra / MIB),
            round(max(0.0, self.load_extra - self.weight) / MIB),
            round(self.disk / MIB),
            verifies,
        ]


def summaries(plan: list[tuple[str, Peer]], kept: Kept) -> list[Summary]:
    """One for each kind and way that was measured, the quickest first, below the limit and ours."""
    found: list[Summary] = []
    for kind in dict.fromkeys(kind for kind, _ in plan):
        own = [_summary(kind, way.name, kept) for its_kind, way in plan if its_kind == kind and kept.of(kind, way.name)]
        found += sorted(own, key=lambda one: (one.way != LIMIT, one.way != OURS, one.total_s))
    return found


def _summary(kind: str, way: str, kept: Kept) -> Summary:
    runs = kept.of(kind, way)
    saves, loads = [run["save"] for run in runs], [run["load"] for run in runs]

    def each(figures: list[dict[str, float]], name: str) -> list[float]:
        return [one[name] / one.get("documents", 1) for one in figures]

    totals = [sum(pair) for pair in zip(each(saves, "wall_s"), each(loads, "wall_s"), strict=True)]
    limits = [_total(run) for run in kept.of(kind, LIMIT)]
    beyond = [wall - sync for wall, sync in zip(each(saves, "wall_s"), each(saves, "sync_s"), strict=True)]
    return Summary(
        kind=kind,
        way=way,
        runs=len(runs),
        save_s=median(each(saves, "wall_s")),
        load_s=median(each(loads, "wall_s")),
        total_s=median(totals),
        spread=max(totals) / min(totals) - 1,
        ratio=median(totals) / median(limits) if limits else None,
        cpu_s=median(map(sum, zip(each(saves, "cpu_s"), each(loads, "cpu_s"), strict=True))),
        save_extra=median(one["extra_bytes"] for one in saves),
        load_extra=median(one["extra_bytes"] for one in loads),
        disk=median(one["disk_bytes"] for one in saves),
        weight=median(one["weight"] for one in loads),
        beyond_sync_s=median(beyond) if kind == "json" else None,
    )


def _total(run: dict[str, dict[str, float]]) -> float:
    return sum(phase["wall_s"] / phase.get("documents", 1) for phase in run.values())


def judge(found: list[Summary]) -> list[Goal]:
    """What is promised of ours, for the kinds that were measured."""
    goals: list[Goal] = []
    for ours in (one for one in found if one.way == OURS):
        peers = [one for one in found if one.kind == ours.kind and one.way not in (OURS, LIMIT)]
        if ours.kind == "json":
            goals += _of_documents(ours)
        else:
            limit = next((one for one in found if one.kind == ours.kind and one.way == LIMIT), None)
            goals.append(_of_time(ours, peers, limit))
            goals += _of_memory(ours)
    return goals


def _of_time(ours: Summary, peers: list[Summary], limit: Summary | None) -> Goal:
    """An array keeps to both: near the limit, and ahead of every peer; the others to one of both.

    A peer that is quicker than the limit neither hashes what it writes nor what it reads: no verified hand-off is ahead of it. It is named, and not counted.
    """
    unverified = [peer for peer in peers if limit is not None and peer.total_s < limit.total_s]
    best = min((peer for peer in peers if peer not in unverified), key=lambda peer: peer.total_s, default=None)
    near = ours.ratio is not None and ours.ratio <= FACTOR
    ahead = best is None or ours.total_s < best.total_s
    strict = ours.kind == "array"
    found = f"{ours.total_s:.2f} s" + ("" if ours.ratio is None else f", {ours.ratio:.2f} times the limit")
    found += f"; best peer {best.way} {best.total_s:.2f} s" if best else ""
    found += "".join(f"; quicker than the limit, unverified: {peer.way} {peer.total_s:.2f} s" for peer in unverified)
    wanted = f"at most {FACTOR} times the limit {'and' if strict else 'or'} ahead of every peer that is not ahead of the limit"
    met = near and ahead if strict or best is None else near or ahead
    return Goal(f"{ours.kind}: hand-off", found, wanted, met)


def _of_memory(ours: Summary) -> list[Goal]:
    if ours.kind in TABLES:
        load, save = ours.load_extra / ours.weight, (ours.weight + ours.save_extra) / ours.weight
        wanted = f"at most {FACTOR} times the table"
        return [
            Goal(f"{ours.kind}: memory of a {what}, table included", f"{share:.2f} times", wanted, share <= FACTOR)
            for what, share in (("save", save), ("load", load))
        ]
    above = {"save": ours.save_extra / MIB, "load": max(0.0, ours.load_extra - ours.weight) / MIB}
    wanted = f"at most {EXTRA_MIB} MiB above the value"
    return [
        Goal(f"{ours.kind}: memory of a {what}", f"{extra:.0f} MiB", wanted, extra <= EXTRA_MIB)
        for what, extra in above.items()
    ]


def _of_documents(ours: Summary) -> list[Goal]:
    assert ours.beyond_sync_s is not None
    times = {"save, beyond the syncs": ours.beyond_sync_s, "load": ours.load_s}
    return [
        Goal(f"json: {what}", f"{1000 * seconds:.2f} ms a document", "under 1 ms", seconds < SMALL_S)
        for what, seconds in times.items()
    ]
