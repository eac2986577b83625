import { describe, expect, it } from "vitest";

import { buildArtifact, buildEdge, buildGraph, buildPipeline, buildRun } from "../testing/builders";
import { mergeGraphs } from "./merge";

const base = buildPipeline({ focus: ["run:train"], more: { upstream: ["run:raw"], downstream: ["artifact:scores"] } });
const around = buildGraph(
  [buildArtifact("scores"), buildRun("report"), buildRun("predict", { state: "failed" })],
  [buildEdge("artifact:scores", "run:report", "scores"), buildEdge("run:predict", "artifact:scores", "return_value")],
  { focus: ["artifact:scores"], more: { upstream: ["run:predict"], downstream: ["run:report"] } },
);

describe("a graph with what was loaded around a node", () => {
  const merged = mergeGraphs(base, around, "artifact:scores");

  it("has the nodes and edges of both, each once", () => {
    expect(merged.nodes).toHaveLength(8);
    expect(merged.edges).toHaveLength(8);
    expect(merged.nodes.map(({ id }) => id).slice(0, 7)).toEqual(base.nodes.map(({ id }) => id));
  });

  it("says of a node what was told last", () => {
    expect(merged.nodes.find(({ id }) => id === "run:predict")).toMatchObject({ state: "failed" });
  });

  it("keeps its own focus", () => {
    expect(merged.focus).toEqual(["run:train"]);
  });

  it("offers no more at the node that it was loaded for, but at what is new", () => {
    expect(merged.more).toEqual({ upstream: ["run:raw"], downstream: ["run:report"] });
  });

  it("still offers more where even this was cut", () => {
    const cut = mergeGraphs(base, { ...around, more: { upstream: [], downstream: ["artifact:scores"] } }, "artifact:scores");
    expect(cut.more.downstream).toEqual(["artifact:scores"]);
  });
});
