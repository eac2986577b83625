import { describe, expect, it } from "vitest";

import { buildArtifact, buildEdge, buildGraph, buildPipeline, buildRun } from "../testing/builders";
import { between, indexGraph, pathOf, reachable, upstreamInOrder } from "./graph";

describe("graph", () => {
  const index = indexGraph(buildPipeline());

  it("reaches everything upstream and nothing beside it", () => {
    expect([...reachable(index, "artifact:scores", "upstream")].sort()).toEqual([
      "artifact:model",
      "artifact:table",
      "run:predict",
      "run:raw",
      "run:train",
    ]);
  });

  it("reaches everything downstream", () => {
    expect(reachable(index, "artifact:model", "downstream")).toEqual(new Set(["run:predict", "artifact:scores"]));
  });

  it("keeps what is off the path of the selected node apart", () => {
    const path = pathOf(index, "artifact:model");
    expect(path.has("artifact:model")).toBe(true);
    expect(path.has("artifact:aside")).toBe(false);
  });

  it("orders the way back so that each node stands after what it is made of", () => {
    const order = upstreamInOrder(index, "artifact:scores").map(({ id }) => id);
    expect(order[0]).toBe("run:raw");
    expect(order.indexOf("artifact:table")).toBeLessThan(order.indexOf("run:train"));
    expect(order.at(-1)).toBe("run:predict");
  });

  it("ends on a cycle", () => {
    const loop = indexGraph(
      buildGraph([buildRun("a"), buildArtifact("b")], [buildEdge("run:a", "artifact:b"), buildEdge("artifact:b", "run:a")]),
    );
    expect(reachable(loop, "run:a", "upstream")).toEqual(new Set(["artifact:b"]));
    expect(upstreamInOrder(loop, "run:a").map(({ id }) => id)).toEqual(["artifact:b"]);
  });
});

describe("what lies between two nodes", () => {
  const index = indexGraph(buildPipeline());

  it("is every way that data took, whichever end is named first", () => {
    const ways = new Set(["artifact:table", "run:train", "artifact:model", "run:predict"]);
    expect(between(index, ["artifact:table"], ["run:predict"])).toEqual({ ids: ways, kind: "flow" });
    expect(between(index, ["run:predict"], ["artifact:table"])).toEqual({ ids: ways, kind: "flow" });
  });

  it("is the shortest link where no data went from one to the other", () => {
    expect(between(index, ["artifact:aside"], ["artifact:model"])).toEqual({
      ids: new Set(["artifact:aside", "run:raw", "artifact:table", "run:train", "artifact:model"]),
      kind: "link",
    });
  });

  it("is nothing where nothing links them", () => {
    const apart = indexGraph(buildGraph([buildRun("a"), buildRun("b")], []));
    expect(between(apart, ["run:a"], ["run:b"])).toBeUndefined();
  });
});
