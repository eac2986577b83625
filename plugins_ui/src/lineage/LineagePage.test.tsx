import { ChakraProvider, defaultSystem } from "@chakra-ui/react";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { MemoryRouter, useLocation } from "react-router-dom";
import { afterEach, describe, expect, it, vi } from "vitest";

import { graphPath, type Place } from "../api/queries";
import { buildArtifact, buildPipeline, buildRun } from "../testing/builders";
import { LineagePage } from "./LineagePage";
import { LayoutEngine } from "./useLayout";

type Answers = Record<string, { status?: number; body: unknown }>;

const answering = (answers: Answers) => {
  const fetched: string[] = [];
  vi.stubGlobal("fetch", (url: string) => {
    fetched.push(url);
    const found = Object.entries(answers).find(([part]) => url.includes(part))?.[1];
    if (found === undefined) return new Promise(() => undefined);
    return Promise.resolve(new Response(JSON.stringify(found.body), { status: found.status ?? 200 }));
  });
  return fetched;
};

const Where = () => <output>{useLocation().search}</output>;

const show = (place: Place, url = "/") =>
  render(
    <ChakraProvider value={defaultSystem}>
      <QueryClientProvider client={new QueryClient({ defaultOptions: { queries: { retry: false } } })}>
        <LayoutEngine.Provider
          value={(graph) => Promise.resolve({ ...graph, children: graph.children?.map((child, n) => ({ ...child, x: n * 200, y: 0 })) })}
        >
          <MemoryRouter initialEntries={[url]}>
            <LineagePage {...place} />
            <Where />
          </MemoryRouter>
        </LayoutEngine.Provider>
      </QueryClientProvider>
    </ChakraProvider>,
  );

const RUN = { dagId: "flow", runId: "manual__2026-01-01T00:00:00+00:00" };

const MODEL_DETAILS = {
  node: buildArtifact("model"),
  producers: [buildRun("train")],
  consumers: [buildRun("predict")],
  schema_fields: [{ name: "carrier", type: "str" }],
  statistics: { rowCount: 336776 },
  first_seen: "2026-01-01T00:00:00Z",
  deterministic: true,
  depends_on: ["scikit-learn"],
  pickle: false,
};

const MODEL_PREVIEW = {
  kind: "model", library: "sklearn 1.9.1", params: [], steps: [], fitted: [], feature_count: 11, feature_names: null, trees: null,
  importances: null, importance_type: "",
};

const TRAIN_DETAILS = {
  node: buildRun("train"),
  inputs: [{ label: "table", node: buildArtifact("table") }],
  outputs: [],
  step: { function: "flow.train", file: "/dags/flow.py", line: 7, compute: "local", arguments: { rate: { digest: "d", value: 0.1 } } },
  source: "def train(table): ...",
  provenance: { git: { commit: "abcdef0123456789", branch: "main", remote: null, dirty: true }, python: "3.12.1",
    host: "worker-1",
    executor: "CeleryExecutor",
    cpuCount: 8,
    cpuLimit: 2,
    cpuModel: "EPYC",
    gpus: { devices: [{ index: 0, name: "H100", memoryBytes: 80e9, driver: "570.1" }] },
    seeds: { numpy: 7 },
  },
  resources: { durationSeconds: 5, cpuSeconds: 9, peakMemoryBytes: 123456789 },
  cache: {
    status: "miss",
    key: "c".repeat(64),
    reason: "package numpy changed",
    changed: [{ part: "package numpy", was: "2.1.0", now: "2.2.0" }],
    computedBy: null,
  },
  metrics: { auc: 0.7036817583751023 },
  error: { message: "ValueError: no", stack_trace: "Traceback …" },
  tries: [
    { run_id: "train0", try_number: 1, state: "failed" },
    { run_id: "train", try_number: 2, state: "success" },
  ],
  event_count: 2,
};

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

describe("the endpoint", () => {
  it.each([
    [{ dagId: "a b" }, "/dags/a%20b/graph"],
    [{ dagId: "d", runId: "r+1" }, "/dags/d/runs/r%2B1/graph"],
    [{ dagId: "d", taskId: "g.t" }, "/dags/d/tasks/g.t/graph"],
    [{ dagId: "d", runId: "r", taskId: "t" }, "/dags/d/runs/r/tasks/t/graph"],
    [{ dagId: "d", runId: "r", taskId: "t", mapIndex: "3" }, "/dags/d/runs/r/tasks/t/graph?map_index=3"],
    [{ dagId: "d", runId: "r", taskId: "t", mapIndex: "{MAP_INDEX}" }, "/dags/d/runs/r/tasks/t/graph"],
  ])("of %o is %s", (place, path) => {
    expect(graphPath(place, { direction: "both" })).toBe(path);
  });
});

describe("the page", () => {
  it("says that it is loading", () => {
    answering({});
    show(RUN);
    expect(screen.getByText("Loading lineage …")).toBeTruthy();
  });

  it("teaches the first step where there is no lineage", async () => {
    answering({ graph: { status: 404, body: { detail: "flow has no lineage yet" } } });
    show(RUN);
    expect(await screen.findByText("No lineage yet")).toBeTruthy();
    expect(screen.getByText("airflow sematic doctor")).toBeTruthy();
  });

  it("says what is wrong and what to do when it may not read", async () => {
    answering({ graph: { status: 403, body: { detail: "Forbidden" } } });
    show(RUN);
    expect(await screen.findByText(/Forbidden Ask for read access/)).toBeTruthy();
  });

  it("passes on what the server says of missing tables", async () => {
    answering({ graph: { status: 503, body: { detail: "the lineage tables are missing: run airflow db migrate" } } });
    show(RUN);
    expect(await screen.findByText(/run airflow db migrate/, undefined, { timeout: 8000 })).toBeTruthy();
  }, 10_000);

  it("asks below Airflow's base path", async () => {
    const fetched = answering({ graph: { body: buildPipeline() } });
    show(RUN);
    await screen.findByTestId("lineage-counts");
    expect(fetched[0]).toBe("/airflow/sematic/api/v1/dags/flow/runs/manual__2026-01-01T00%3A00%3A00%2B00%3A00/graph");
  });

  it("counts steps and artifacts, and says honestly that there is more", async () => {
    answering({ graph: { body: buildPipeline({ more: { upstream: ["run:raw"], downstream: [] } }) } });
    show(RUN);
    expect((await screen.findByTestId("lineage-counts")).textContent).toBe("3 steps, 4 artifacts and data sets");
    await userEvent.click(screen.getByText(/1 node has neighbours/));
    expect(screen.getByRole("status").textContent).toContain("lin_depth=8");
  });

  it("says that a graph was cut", async () => {
    answering({ graph: { body: buildPipeline({ truncated: true }) } });
    show(RUN);
    expect(await screen.findByText(/The graph is cut/)).toBeTruthy();
  });

  it("shows the artifact that the URL selects, and the way back to its sources", async () => {
    answering({ "/artifacts/": { body: MODEL_DETAILS }, graph: { body: buildPipeline() } });
    show(RUN, "/?lin_node=artifact:model");
    expect(await screen.findByText("Came from (3)")).toBeTruthy();
    expect(await screen.findByText("336,776")).toBeTruthy();
    expect(screen.getByText("Produced by (1)")).toBeTruthy();
    await userEvent.click(screen.getAllByRole("button", { name: /raw/ }).at(-1) as HTMLElement);
    await waitFor(() => {
      expect(decodeURIComponent(screen.getByRole("status").textContent)).toContain("lin_node=run:raw");
    });
  });

  it("shows what an artifact looks like, and what its codec promises", async () => {
    answering({ "/preview": { body: MODEL_PREVIEW }, "/artifacts/": { body: MODEL_DETAILS }, graph: { body: buildPipeline() } });
    show(RUN, "/?lin_node=artifact:model");
    expect(await screen.findByText("sklearn 1.9.1")).toBeTruthy();
    expect(await screen.findByText("digest depends on the version of scikit-learn")).toBeTruthy();
    await userEvent.click(screen.getByRole("button", { name: "Widen" }));
    await waitFor(() => {
      expect(screen.getByRole("status").textContent).toContain("lin_wide=1");
    });
  });

  it("shows a value that travels with the graph as it is, and asks for no preview", async () => {
    const value = buildArtifact("rate", { codec: "json/1", has_value: true, value: 0.1 + 0.2 });
    const fetched = answering({ "/artifacts/": { body: { ...MODEL_DETAILS, node: value } }, graph: { body: buildPipeline({ nodes: [value], edges: [] }) } });
    show(RUN, "/?lin_node=artifact:rate");
    expect(await screen.findByText("0.30000000000000004")).toBeTruthy();
    await screen.findByText("Produced by (1)");
    expect(fetched.filter((url) => url.endsWith("/preview"))).toEqual([]);
  });

  it("shows all that a run has told, with every digit", async () => {
    answering({ "/runs/train": { body: TRAIN_DETAILS }, graph: { body: buildPipeline() } });
    show(RUN, "/?lin_node=run:train");
    expect(await screen.findByText("0.7036817583751023")).toBeTruthy();
    for (const text of ["ValueError: no", "uncommitted changes", "/dags/flow.py:7", "123 MB", "worker-1", "CeleryExecutor", "2 of 8, EPYC", "H100, 80.0 GB, driver 570.1", "seed of numpy", "def train(table): ...", "1 failed"]) {
      expect(screen.getByText(text), text).toBeTruthy();
    }
    expect(screen.getByText("task instance and logs").getAttribute("href")).toBe("/dags/flow/runs/manual__2026/tasks/train");
  });

  it("says why a step was executed although it could have been cached", async () => {
    answering({ "/runs/train": { body: TRAIN_DETAILS }, graph: { body: buildPipeline() } });
    show(RUN, "/?lin_node=run:train");
    expect(await screen.findByText("miss: it was executed")).toBeTruthy();
    for (const text of ["package numpy changed", "package numpy", "2.1.0", "2.2.0"]) expect(screen.getByText(text), text).toBeTruthy();
  });

  it("links a step that was not executed to the run that computed its outputs", async () => {
    const computedBy = { dagId: "other", runId: "r+1", taskId: "fit", mapIndex: 2, at: "2026-01-01T00:00:00Z" };
    const details = { ...TRAIN_DETAILS, cache: { status: "hit", key: "c".repeat(64), reason: "", changed: [], computedBy } };
    const nodes = buildPipeline().nodes.map((node) => (node.id === "run:train" ? buildRun("train", { cache: "hit" }) : node));
    answering({ "/runs/train": { body: details }, graph: { body: buildPipeline({ nodes }) } });
    show(RUN, "/?lin_node=run:train");
    const link = await screen.findByText("other.fit, r+1");
    expect(link.getAttribute("href")).toBe("/dags/other/runs/r%2B1/tasks/fit/mapped/2");
    expect(await screen.findByLabelText(/^step train, success, cached/)).toBeTruthy();
  });

  it("closes the panel with Escape", async () => {
    answering({ "/runs/train": { body: TRAIN_DETAILS }, graph: { body: buildPipeline() } });
    show(RUN, "/?lin_node=run:train");
    await userEvent.click(await screen.findByRole("button", { name: "Direction" }).catch(() => screen.getByLabelText("Direction")));
    await userEvent.keyboard("{Escape}");
    await waitFor(() => {
      expect(screen.queryByText("Came from (2)")).toBeNull();
    });
  });

  it("gives nothing away of what is locked", async () => {
    const locked = buildRun("locked", { locked: true, dag_id: null, task_id: null, run_id: null });
    answering({ graph: { body: buildPipeline({ nodes: [...buildPipeline().nodes, locked] }) } });
    show(RUN, "/?lin_node=run:locked");
    expect(await screen.findByText("This belongs to a Dag that you may not read.")).toBeTruthy();
  });
});
