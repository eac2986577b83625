import { describe, expect, it } from "vitest";

import type { RunNode } from "../api/types";
import { buildArtifact, buildEdge, buildGraph, buildPipeline, buildRun } from "../testing/builders";
import { containersOf, defaultGrouping, groupGraph, joinEdges, type GroupNode } from "./grouping";

const mapped = (n: number, changes: Partial<RunNode> = {}) =>
  buildRun(`fit${n}`, { label: "fit", task_id: "tune.fit", map_index: n, ...changes });
const score = (n: number) => buildArtifact(`score${n}`, { names: ["flow.tune.fit.return_value"], label: "fit" });

/** table -> fit[0..2] -> scores -> best -> model, where fit and best are of the task group "tune". */
const TUNING = buildGraph(
  [
    buildRun("load"),
    buildArtifact("table"),
    ...[0, 1, 2].map((n) => mapped(n, n === 1 ? { state: "failed" } : {})),
    ...[0, 1, 2].map(score),
    buildRun("best", { task_id: "tune.best" }),
    buildArtifact("model"),
    buildRun("predict"),
  ],
  [
    buildEdge("run:load", "artifact:table"),
    ...[0, 1, 2].flatMap((n) => [
      buildEdge("artifact:table", `run:fit${n}`, "table"),
      buildEdge(`run:fit${n}`, `artifact:score${n}`, "return_value"),
      buildEdge(`artifact:score${n}`, "run:best", "scores"),
    ]),
    buildEdge("run:best", "artifact:model"),
    buildEdge("artifact:model", "run:predict"),
  ],
);
const WITHIN = "flow|manual__2026";
const FIT = `mapped:${WITHIN}|tune.fit`;
const TUNE = `group:${WITHIN}|tune`;
const DAG = `dag:${WITHIN}`;

const ids = ({ nodes }: { nodes: { id: string }[] }) => nodes.map(({ id }) => id).sort();
const group = (shown: ReturnType<typeof groupGraph>, id: string) => shown.nodes.find((node): node is GroupNode => node.id === id && node.kind === "group");

describe("grouping", () => {
  it("leaves the graph as it is where nothing is grouped", () => {
    const shown = groupGraph(buildPipeline(), "none", new Set());
    expect(ids(shown)).toEqual(ids(buildPipeline()));
    expect(shown.frames).toEqual([]);
    expect(shown.shownAs.get("run:raw")).toBe("run:raw");
  });

  it("draws the instances of a mapped task as one, and what they wrote as one", () => {
    const shown = groupGraph(TUNING, "mapped", new Set());
    const data = `data:${FIT}|flow.tune.fit.return_value`;
    expect(ids(shown)).toEqual(["artifact:model", "artifact:table", data, FIT, "run:best", "run:load", "run:predict"].sort());
    expect(group(shown, FIT)).toMatchObject({ runs: 3, states: { success: 2, failed: 1 } });
    expect(group(shown, data)?.members).toHaveLength(3);
    expect(shown.edges.map(({ id }) => id)).toEqual(
      expect.arrayContaining([`artifact:table|${FIT}`, `${FIT}|${data}`, `${data}|run:best`]),
    );
  });

  it("shows the instances of an open mapped task in a frame, their outputs among them no more as one", () => {
    const shown = groupGraph(TUNING, "mapped", new Set([FIT]));
    expect(ids(shown)).toEqual(ids(TUNING));
    expect(shown.frames).toEqual([{ id: FIT, label: "fit", level: "mapped", parent: undefined }]);
    expect(shown.parents.get("run:fit0")).toBe(FIT);
    expect(shown.parents.has("run:best")).toBe(false);
  });

  it("shows the outputs of a mapped task one by one where only these are open", () => {
    const data = `data:${FIT}|flow.tune.fit.return_value`;
    const shown = groupGraph(TUNING, "mapped", new Set([data]));
    expect(group(shown, FIT)).toBeDefined();
    expect(shown.parents.get("artifact:score1")).toBe(data);
    expect(shown.frames.map(({ id }) => id)).toEqual([data]);
  });

  it("draws a task group as one, with the data that never left it inside", () => {
    const shown = groupGraph(TUNING, "groups", new Set());
    expect(ids(shown)).toEqual(["artifact:model", "artifact:table", TUNE, "run:load", "run:predict"].sort());
    expect(group(shown, TUNE)).toMatchObject({ runs: 4, label: "tune" });
    expect(group(shown, TUNE)?.members).toContain("artifact:score0");
    expect(shown.shownAs.get("artifact:score0")).toBe(TUNE);
  });

  it("keeps the mapped task shut inside an open task group", () => {
    const shown = groupGraph(TUNING, "groups", new Set([TUNE]));
    expect(shown.parents.get(FIT)).toBe(TUNE);
    expect(shown.parents.get("run:best")).toBe(TUNE);
    expect(shown.parents.get(`data:${FIT}|flow.tune.fit.return_value`)).toBe(TUNE);
    expect(shown.parents.has("artifact:model")).toBe(false);
  });

  it("nests frames, outer ones first", () => {
    const { frames } = groupGraph(TUNING, "dags", new Set([DAG, TUNE, FIT]));
    expect(frames.map(({ id, parent }) => [id, parent])).toEqual([
      [DAG, undefined],
      [TUNE, DAG],
      [FIT, TUNE],
    ]);
  });

  it("shows of several Dags what went from one to the other", () => {
    const other = buildRun("serve", { dag_id: "serving", job_name: "serving.serve" });
    const graph = buildGraph([...TUNING.nodes, other], [...TUNING.edges, buildEdge("artifact:model", "run:serve", "model")]);
    const shown = groupGraph(graph, "dags", new Set());
    expect(ids(shown)).toEqual(["artifact:model", DAG, "dag:serving|manual__2026"].sort());
    expect(shown.edges.map(({ id }) => id)).toEqual(expect.arrayContaining([`${DAG}|artifact:model`, "artifact:model|dag:serving|manual__2026"]));
  });

  it("does not put what is locked into a group", () => {
    const locked = buildRun("locked", { locked: true, dag_id: null, dag_run_id: null, task_id: null });
    const shown = groupGraph(buildGraph([...TUNING.nodes, locked], TUNING.edges), "dags", new Set());
    expect(ids(shown)).toContain("run:locked");
  });

  it("makes no group of a single instance", () => {
    expect(ids(groupGraph(buildGraph([mapped(0)], []), "mapped", new Set()))).toEqual(["run:fit0"]);
  });

  it("never loses a node: each is shown, or stands in exactly one group", () => {
    for (const grouping of ["none", "mapped", "groups", "dags"] as const) {
      for (const open of [[], [DAG], [TUNE], [FIT], [DAG, TUNE], [DAG, TUNE, FIT]]) {
        const shown = groupGraph(TUNING, grouping, new Set(open));
        const told = shown.nodes.flatMap((node) => (node.kind === "group" ? node.members : [node.id]));
        expect(told.sort(), `${grouping} ${open.join()}`).toEqual(ids(TUNING));
        const known = new Set(shown.nodes.map(({ id }) => id));
        for (const { source, target } of shown.edges) expect(known.has(source) && known.has(target)).toBe(true);
      }
    }
  });

  it("names what a run lies in, outermost first", () => {
    expect(containersOf(mapped(1)).map(({ id }) => id)).toEqual([DAG, TUNE, FIT]);
    expect(containersOf(buildRun("spark", { task_id: null }))).toEqual([]);
  });

  it("groups nothing in a small graph, mapped tasks in a larger one, Dags in a large one of several", () => {
    const many = (n: number, changes: (n: number) => Partial<RunNode>) => buildGraph(Array.from({ length: n }, (_, k) => buildRun(`r${k}`, changes(k))), []);
    expect(defaultGrouping(TUNING)).toBe("none");
    expect(defaultGrouping(many(61, (n) => ({ map_index: n })))).toBe("mapped");
    expect(defaultGrouping(many(401, (n) => ({ dag_id: `dag${n % 5}` })))).toBe("dags");
  });
});

describe("joined edges", () => {
  it("keep the labels of both", () => {
    const edges = [buildEdge("artifact:t", "run:r", "left"), buildEdge("artifact:t", "run:r", "right")];
    expect(joinEdges(edges)).toEqual([{ id: "artifact:t|run:r", source: "artifact:t", target: "run:r", label: "left, right" }]);
  });

  it("name two of many labels and count the others", () => {
    const edges = [0, 1, 2, 3].map((n) => buildEdge("artifact:t", "run:r", `score_${n}`));
    expect(joinEdges(edges)[0]?.label).toBe("score_0, score_1, +2");
  });

  it("have no label for the only output", () => {
    expect(joinEdges([buildEdge("run:r", "artifact:t", "return_value")])[0]?.label).toBe("");
  });
});
