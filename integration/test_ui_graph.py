"""The graph of the Lineage tab in a browser: an API server on SQLite, events posted over HTTP, Chromium."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Request, expect

from integration import ui_data
from integration.conftest import MODES, ROOT, SCREENSHOTS, logged_in
from sematic_airflow_provider.cli.processes import LocalAirflow, free_port

AXE = ROOT / "plugins_ui" / "node_modules" / "axe-core" / "axe.min.js"
FIT = "mapped:tuning|run1|tune.fit"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    home = tmp_path_factory.mktemp("graph")
    dags = home / "dags"
    dags.mkdir()
    (dags / "graphs.py").write_text(ui_data.DAGS)
    made = LocalAirflow(home, dags, free_port(18480))
    made.migrate()
    try:
        made.start("api-server")  # takes its time, and the Dags theirs
        made.command("dags", "reserialize")
        made.wait_until_healthy()
        _post(made, [*ui_data.tuning(), *ui_data.wide()])
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        yield made
    finally:
        made.stop()


def _post(server: LocalAirflow, events: list[dict[str, Any]]) -> None:
    for batch in ui_data.batches(events):
        request = urllib.request.Request(
            f"{server.url}/sematic/api/v1/lineage/batch",
            data=json.dumps(batch).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {server.api_key}"},
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            assert answer.status in (200, 204), answer.read()


@pytest.fixture(scope="module")
def tabs(browser: Browser, server: LocalAirflow) -> Iterator[dict[str, Page]]:
    with logged_in(browser, server) as found:
        yield found


@pytest.fixture
def page(tabs: dict[str, Page]) -> Iterator[Page]:
    """The light page; errors of scripts fail the test that sees them."""
    errors: list[str] = []

    def note(error: Any) -> None:
        errors.append(str(error))

    tabs["light"].on("pageerror", note)
    yield tabs["light"]
    tabs["light"].remove_listener("pageerror", note)
    assert errors == []


def _open(page: Page, server: LocalAirflow, query: str = "", dag_id: str = "tuning") -> None:
    page.goto(f"{server.url}/dags/{dag_id}/plugin/lineage{query}")
    expect(page.locator(".lin-card, [data-testid=overview]").first).to_be_attached(timeout=90_000)
    page.wait_for_timeout(500)  # the view settles after it was fitted


def _node(page: Page, label: str) -> Locator:
    return page.get_by_role(
        "button", name=re.compile(rf"^(step|artifact|data set|mapped task|outputs|task group|Dag) {label}\b")
    )


def _shot(page: Page, name: str) -> None:
    page.wait_for_timeout(400)
    page.screenshot(path=SCREENSHOTS / f"graph-{name}.png")


def _problems_of_access(page: Page) -> list[str]:
    page.add_script_tag(path=AXE)
    found = page.evaluate(
        "() => axe.run('[data-testid=lineage]', {resultTypes: ['violations']}).then(({violations}) => violations.map("
        "(v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200) + ' ' + n.failureSummary).join(' | ')}`))"
    )
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("mode", MODES)
def test_kinds_of_nodes_differ_in_shape_and_a_screen_reader_is_told_of_them(
    server: LocalAirflow, tabs: dict[str, Page], mode: str
) -> None:
    page = tabs[mode]
    _open(page, server, "?lin_group=mapped")
    for name in (
        "step load, success",
        "data set public.flights",
        "mapped task fit, 12: 1 failed; shut",
        "outputs fit, 12 outputs; shut",
    ):
        expect(page.get_by_role("button", name=name)).to_be_visible()
    shapes = {
        name: page.get_by_role("button", name=name)
        .locator("xpath=..")
        .locator("svg.lin-outline path")
        .first.get_attribute("d")
        for name in ("step load", "data set public.flights", "artifact best", "artifact load", "mapped task fit, 12")
    }
    assert len(set(shapes.values())) == len(shapes)
    expect(page.locator(".lin-model")).to_have_count(1)
    _shot(page, f"kinds-{mode}")
    assert _problems_of_access(page) == []
    _node(page, "load").first.click()
    expect(page.get_by_role("complementary")).to_be_visible()
    page.get_by_role("button", name="Keys and shapes").click()
    expect(page.get_by_text("follow the edges")).to_be_visible()
    _shot(page, f"help-{mode}")
    page.keyboard.press("Escape")
    assert _problems_of_access(page) == []


def test_groups_open_and_shut_and_the_back_button_undoes_it(server: LocalAirflow, page: Page) -> None:
    _open(page, server, "?lin_group=groups")
    expect(page.get_by_role("button", name=re.compile("^task group tune, .*shut, 13 steps"))).to_be_visible()
    page.get_by_role("button", name="Open task group tune").click()
    expect(page.get_by_role("button", name=re.compile("^mapped task fit, .*shut, 12 instances"))).to_be_visible()
    page.get_by_role("button", name="Open mapped task fit").click()
    expect(page.get_by_role("button", name=re.compile(r"^step fit \[7\], failed"))).to_have_count(1)
    assert FIT in page.evaluate("new URLSearchParams(location.search).get('lin_open')")
    _shot(page, "open")
    page.go_back()
    expect(page.get_by_role("button", name=re.compile("^mapped task fit, .*shut, 12 instances"))).to_be_visible()
    page.get_by_role("button", name="Shut task group tune").click()
    expect(page.get_by_role("button", name=re.compile("^task group tune, .*shut, 13 steps"))).to_be_visible()
    page.get_by_label("Group", exact=True).select_option("dags")
    expect(page.get_by_role("button", name=re.compile("^Dag serving, .*shut"))).to_be_visible()
    _shot(page, "dags")


@pytest.mark.parametrize("mode", MODES)
def test_the_way_between_two_nodes_is_highlighted_and_a_link_shows_the_same(
    server: LocalAirflow, tabs: dict[str, Page], mode: str
) -> None:
    page = tabs[mode]
    _open(page, server, "?lin_group=mapped")
    _node(page, "load").first.click()
    expect(page.locator(".lin-dimmed")).to_have_count(0)  # all came of it
    page.get_by_role("button", name="artifact best").click(modifiers=["Shift"])
    expect(page.get_by_test_id("path")).to_have_text("Path between load and best: 26 nodes")
    expect(page.locator(".lin-dimmed")).to_have_count(5)  # the source, and what came after the model
    page.reload()
    expect(page.get_by_test_id("path")).to_have_text("Path between load and best: 26 nodes")
    expect(page.locator(".lin-dimmed")).to_have_count(5)
    _shot(page, f"path-{mode}")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("path")).to_have_count(0)
    page.get_by_label("Highlight").select_option("upstream")
    expect(page.get_by_role("button", name="data set public.flights").locator("xpath=..")).not_to_have_class(
        re.compile("lin-dimmed")
    )
    expect(page.get_by_role("button", name="artifact best").locator("xpath=..")).to_have_class(re.compile("lin-dimmed"))


def test_a_search_finds_states_and_digests_and_goes_from_hit_to_hit(server: LocalAirflow, page: Page) -> None:
    _open(page, server, "?lin_group=none")
    page.locator(".lin-flow").focus()
    page.keyboard.press("/")
    page.keyboard.type("state:fa")
    page.wait_for_function("location.search.includes('lin_q')")
    page.keyboard.type("iled")  # what one types goes on into the box, although the URL has changed for the first time
    expect(page.get_by_label("Search in the graph")).to_have_value("state:failed")
    expect(page.get_by_test_id("search-hits")).to_have_text("1 of 1")
    expect(page.locator(".lin-hit")).to_have_count(1)
    page.get_by_label("Search in the graph").fill("kind:step fit")
    expect(page.get_by_test_id("search-hits")).to_have_text("1 of 12")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("search-hits")).to_have_text("2 of 12")
    page.get_by_role("button", name="Previous hit").click()
    expect(page.get_by_test_id("search-hits")).to_have_text("1 of 12")
    page.get_by_role("button", name="Show all hits").click()
    expect(page.locator(".lin-hit")).to_have_count(12)
    _shot(page, "search")
    digest = next(
        node["digest"]
        for node in server.get("/sematic/api/v1/dags/tuning/graph")["nodes"]
        if node.get("dataset_type") == "MODEL"
    )
    page.get_by_label("Search in the graph").fill(digest[:8])
    expect(page.get_by_test_id("search-hits")).to_have_text("1 of 1")
    expect(page.locator(".lin-hit.lin-model")).to_have_count(1)


def test_the_keyboard_alone_follows_the_edges_and_opens_what_it_comes_to(server: LocalAirflow, page: Page) -> None:
    _open(page, server, "?lin_group=mapped")
    page.locator(".lin-flow").focus()
    focused = "document.activeElement.getAttribute('aria-label')"
    page.keyboard.press("ArrowRight")  # the first
    expect(page.get_by_test_id("spoken")).to_contain_text("data set public.flights")
    for name in ("step load", "artifact load", "mapped task fit", "outputs fit"):
        page.keyboard.press("ArrowRight")
        expect(page.get_by_test_id("spoken")).to_contain_text(name)
        page.wait_for_function(f"{focused}?.startsWith('{name}')")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(page.get_by_role("complementary", name="Details of fit")).to_be_visible()
    expect(page.get_by_text("Within (12)")).to_be_visible()
    page.keyboard.press("o")
    expect(page.get_by_role("button", name=re.compile("^step fit "))).to_have_count(12)
    page.keyboard.press("Escape")
    expect(page.get_by_role("complementary")).to_have_count(0)


def test_more_is_loaded_at_a_node_which_stays_where_it_is(server: LocalAirflow, page: Page) -> None:
    _open(page, server, "?lin_group=mapped&lin_depth=2")
    card = page.get_by_role("button", name=re.compile("^step score"))
    expect(card).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^step send"))).to_have_count(0)
    page.mouse.move(700, 800)
    page.mouse.wheel(0, 120)  # one has moved the graph: from now on it must not jump
    page.wait_for_timeout(300)
    before = card.bounding_box()
    page.get_by_role("button", name="Load more of the lineage at score").click()
    expect(page.get_by_role("button", name=re.compile("^step alert"))).to_be_visible()
    page.wait_for_timeout(300)
    after = card.bounding_box()
    assert before is not None
    assert after is not None
    assert (after["x"], after["y"]) == pytest.approx((before["x"], before["y"]), abs=2)
    assert "lin_more=run" in page.url
    _shot(page, "more")
    fit = page.locator(f'.react-flow__node[data-id="{FIT}"]')
    shut = fit.bounding_box()
    page.get_by_role("button", name="Open mapped task fit").click()
    expect(page.get_by_role("button", name="Shut mapped task fit")).to_be_visible()
    page.wait_for_timeout(300)
    lies_open = fit.bounding_box()
    assert shut is not None
    assert lies_open is not None
    assert (lies_open["x"], lies_open["y"]) == pytest.approx((shut["x"], shut["y"]), abs=2)
    page.go_back()
    page.go_back()
    expect(page.get_by_role("button", name=re.compile("^step alert"))).to_have_count(0)


def test_the_graph_is_saved_as_picture_drawing_and_data(server: LocalAirflow, page: Page, tmp_path: Path) -> None:
    _open(page, server, "?lin_group=none")
    saved: dict[str, Path] = {}
    for kind, item in (("png", "Picture (PNG)"), ("svg", "Drawing (SVG)"), ("json", "Graph (JSON)")):
        page.get_by_role("button", name="Export").click()
        with page.expect_download() as download:
            page.get_by_role("menuitem", name=item).click()
        assert download.value.suggested_filename == f"lineage-tuning.{kind}"
        saved[kind] = tmp_path / kind
        download.value.save_as(saved[kind])
    graph = json.loads(saved["json"].read_text())
    drawing = saved["svg"].read_text()
    assert drawing.count("<g ") == len(graph["nodes"]) > 30
    assert "public.flights" in drawing
    picture = saved["png"].read_bytes()
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    width = int(re.search(r'width="(\d+)"', drawing)[1])  # type: ignore[index]
    assert int.from_bytes(picture[16:20], "big") == 2 * width
    (SCREENSHOTS / "graph-exported.png").write_bytes(picture)


def test_what_runs_is_live_without_a_reload(server: LocalAirflow, page: Page) -> None:
    _open(page, server, "?lin_group=mapped")
    expect(page.get_by_test_id("live")).to_have_text("● live: 1 running")
    expect(page.locator(".lin-running")).to_have_count(1)
    _post(server, ui_data.report_ends())
    expect(page.get_by_role("button", name="step report, success")).to_be_visible(timeout=15_000)
    expect(page.get_by_test_id("live")).to_have_count(0)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(6_000)
    assert [url for url in asked if "/sematic/" in url] == []  # nothing runs: nothing is asked


@pytest.mark.parametrize("mode", MODES)
def test_a_narrow_window_has_the_details_below_the_graph(
    server: LocalAirflow, tabs: dict[str, Page], mode: str
) -> None:
    page = tabs[mode]
    page.set_viewport_size({"width": 800, "height": 1000})
    try:
        _open(page, server, "?lin_group=groups")
        _node(page, "load").first.click()
        panel = page.get_by_role("complementary", name="Details of load").bounding_box()
        graph = page.get_by_test_id("lineage-graph").bounding_box()
        assert panel is not None
        assert graph is not None
        assert panel["y"] >= graph["y"] + graph["height"] - 2
        assert graph["width"] == pytest.approx(panel["width"], abs=2)
        assert graph["height"] > 150
        _shot(page, f"narrow-{mode}")
        assert _problems_of_access(page) == []
    finally:
        page.set_viewport_size({"width": 1500, "height": 950})


def test_two_thousand_nodes_stay_usable(server: LocalAirflow, page: Page) -> None:
    started = time.monotonic()
    _open(page, server, "?lin_nodes=2000&lin_group=none", "wide")
    expect(page.get_by_test_id("lineage-counts")).to_have_text("1000 steps, 1000 artifacts and data sets")
    expect(page.get_by_test_id("overview")).to_be_visible()
    opened = time.monotonic() - started
    assert page.locator(".react-flow__node").count() == 0  # boxes on one canvas stand for all
    _shot(page, "large")
    rate = page.evaluate(
        """async () => {
            const flow = document.querySelector('.lin-flow .react-flow__pane'), box = flow.getBoundingClientRect();
            const at = {bubbles: true, cancelable: true, clientX: box.x + 500, clientY: box.y + 200};
            const fire = (type, deltaY) => flow.dispatchEvent(new WheelEvent(type, {...at, deltaY}));
            const start = performance.now(); let frames = 0;
            while (performance.now() - start < 1500) {
                fire('wheel', frames % 20 < 10 ? -8 : 8); await new Promise(requestAnimationFrame); frames += 1;
            }
            return frames / 1.5;
        }"""
    )
    page.get_by_label("Search in the graph").fill("step500")
    expect(page.locator(".lin-hit-current")).to_have_count(1)
    drawn = page.locator(".react-flow__node").count()
    assert 0 < drawn < 300  # only what is in view
    _shot(page, "large-near")
    (SCREENSHOTS / "graph-large.txt").write_text(
        f"opened after {opened:.1f} s, {rate:.0f} frames per second, {drawn} nodes drawn near\n"
    )
    assert rate > 10  # far below what a desk computer does: machines of tests are shared, and draw without a GPU


def test_other_pages_load_nothing_of_ours_and_nothing_comes_from_outside(server: LocalAirflow, page: Page) -> None:
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    page.on("request", note)
    page.goto(f"{server.url}/dags")
    page.wait_for_load_state("networkidle")
    assert [url for url in asked if "/sematic/" in url] == []
    _open(page, server)
    page.remove_listener("request", note)
    assert any("elk-worker" in url for url in asked)  # the layout is in its own file and thread
    assert [url for url in asked if not url.startswith((server.url, "data:", "blob:"))] == []
