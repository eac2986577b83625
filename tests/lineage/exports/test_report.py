"""The report: what it tells, that it is one file which runs nothing, and that names in it are text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

from sematic_airflow_provider.db import queries
from sematic_airflow_provider.db.exporting import subgraph
from sematic_airflow_provider.db.seals import head, seal
from sematic_airflow_provider.lineage.exports.report import report
from sematic_airflow_provider.lineage.exports.subgraph import Subgraph
from tests.events import ref, task_event
from tests.lineage.exports.parts import HOSTILE, hostile_events, part_of, recorded, told

PACKAGES = ref("packages").to_json()
DIFF = ref("diff").to_json()


class _Page(HTMLParser):
    """Elements, attributes and text of a page, as a browser has them."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self._hidden = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self._hidden += tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag == "style"

    def handle_data(self, data: str) -> None:
        self.text += "" if self._hidden else data


def _model() -> list[Any]:
    rows, model = ref("flow.load.return_value", "rows"), ref("flow.train.return_value", "model", "skops/1")
    provenance = {
        "python": "3.11.7",
        "platform": "Linux-6.1",
        "host": "gpu-worker-7",
        "cpuModel": "EPYC 7763",
        "cpuCount": 64,
        "memoryBytes": 512_000_000_000,
        "image": "registry/steps:1",
        "imageDigest": "sha256:abc",
        "gpus": {"devices": [{"name": "H100", "memoryBytes": 80_000_000_000, "driver": "550.1"}], "visible": "0"},
        "git": {
            "commit": "c0ffee" * 6,
            "branch": "main",
            "remote": "https://git.example/models",
            "dirty": True,
            "diff": DIFF,
        },
        "packages": PACKAGES,
        "seeds": {"numpy": 1234},
    }
    facets: dict[str, Any] = {
        "sematic_provenance": provenance,
        "sematic_resources": {"durationSeconds": 61.5, "cpuSeconds": 120.0, "peakMemoryBytes": 9_000_000_000},
        "sematic_cache": {"status": "miss", "reason": "the code of train has changed", "key": "k" * 64},
        "executionParameters": {"parameters": [{"key": "learning_rate", "value": "0.05"}]},
        "test": {"tests": [{"name": "auc", "status": "pass", "expected": "at least 0.6", "actual": "0.71"},
                           {"name": "drift", "status": "fail", "expected": "at most 0.1", "actual": "0.4"}]},
    }  # fmt: skip
    train = task_event(
        "COMPLETE", "train", second=9, reads={"rows": rows}, writes={"return_value": model}, facets=facets
    )
    train["run"]["facets"]["airflow"]["dagRun"] |= {"triggering_user_name": "maria.lopez", "run_type": "manual"}
    train["job"]["facets"] = {
        "sourceCode": {
            "language": "python",
            "sourceCode": "def train(rows):\n    return fit(rows) if len(rows) < 3 else None",
        },
        "ownership": {"owners": [{"name": "risk-team"}]},
    }
    train["outputs"][0]["facets"]["datasetType"] = {"datasetType": "MODEL"}
    train["inputs"][0]["facets"]["schema"] = {"fields": [{"name": "dep_delay", "type": "double"}]}
    raw = {
        "namespace": "postgres://db:5432",
        "name": "raw.flights",
        "facets": {"version": {"datasetVersion": "snapshot-41"}},
    }
    load = task_event("COMPLETE", "load", second=5, writes={"return_value": rows})
    load["inputs"] = [raw]
    return [load, train]


def _report(documents: dict[str, Any] | None = None) -> _Page:
    part = part_of(_model(), "flow", digest=ref("x", "model").digest)
    return _Page(report(part, documents))


def test_it_tells_of_data_code_people_checks_environment_and_hardware() -> None:
    text = " ".join(_report().text.split())
    for fact in (
        "raw.flights", "snapshot-41", "dep_delay", ref("x", "rows").digest, ref("x", "model").digest,
        "def train(rows): return fit(rows) if len(rows) < 3 else None", "c0ffee", "https://git.example/models", "on main",
        "started by maria.lopez", "owned by risk-team", "at least 0.6", "0.71", "at most 0.1", "1 of 2 failed",
        "numpy = 1234", "learning_rate = 0.05", "the code of train has changed", "gpu-worker-7", "EPYC 7763 · 64 cores", "512.0 GB", "H100", "driver 550.1",
        "sha256:abc", "61.50 s", "9.0 GB", PACKAGES["digest"], DIFF["digest"],
    ):  # fmt: skip
        assert fact in text, fact
    assert text.startswith("Lineage of train Model train")


def test_packages_and_differences_are_listed_where_they_can_be_read() -> None:
    text = _report({PACKAGES["digest"]: {"numpy": "2.1.0"}, DIFF["digest"]: "--- a/train.py\n+++ b/train.py"}).text
    assert "numpy 2.1.0" in text
    assert "+++ b/train.py" in text


def test_it_is_one_file_that_runs_nothing_and_fetches_nothing() -> None:
    for part in (part_of(recorded(), "mixed_with_plain_tasks"), part_of(hostile_events(), "hostile")):
        page = _Page(report(part))
        assert not page.tags & {"script", "iframe", "object", "embed", "link", "img", "form", "base", "foreignobject"}
        assert not [name for name, _ in page.attributes if name.startswith("on")]
        links = [value for name, value in page.attributes if name in ("href", "src", "action", "xlink:href")]
        assert links
        assert all(link.startswith("#") for link in links)


def test_links_lead_to_what_is_in_the_page() -> None:
    for part in (part_of(recorded("mapped_failed_skipped"), "recorded"), part_of(hostile_events(), "hostile")):
        page = _Page(report(part))
        targets = {value for name, value in page.attributes if name == "id"}
        assert {value[1:] for name, value in page.attributes if name == "href"} <= targets


def test_hostile_names_are_text() -> None:
    page = _Page(report(part_of(hostile_events(), "hostile")))
    for name in HOSTILE[:4]:
        assert name in page.text
    assert "⟨U+202E⟩" in page.text
    assert not set(page.text) & set("\u202e\u0007\x00")
    assert "49" not in re.findall(r"\{\{ 7 \* 7 \}\}|49\{", page.text)


def test_what_was_not_told_is_said_to_be_missing() -> None:
    part = part_of([task_event("COMPLETE", "bare", writes={"return_value": ref("flow.bare.return_value")})], "flow")
    text = _Page(report(part)).text
    for words in (
        "No run in this report told of a check",
        "No run told its source",
        "No run told of its environment",
        "No run told of its machine",
    ):
        assert words in text


def test_a_part_that_was_cut_says_so() -> None:
    from sematic_airflow_provider.db.queries import Extent

    part: Subgraph = part_of(_model(), "flow", digest=ref("x", "model").digest, extent=Extent(1, "upstream"))
    assert "Not everything is in it" in _Page(report(part)).text
    assert "Not everything is in it" not in _report().text


def test_it_names_the_head_of_the_hash_chain() -> None:
    with told(_model()) as session:
        seal(session)
        last = head(session)
        seeds = queries.artifact_seed(session, ref("x", "model").digest)
        page = _Page(report(subgraph(session, seeds, queries.Extent(20))))
    assert last is not None
    assert f"up to link {last.number} of its hash chain" in page.text
    assert last.hash in page.text
