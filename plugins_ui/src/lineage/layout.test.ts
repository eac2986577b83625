import { describe, expect, it } from "vitest";

import { buildArtifact, buildEdge, buildGraph, buildPipeline, buildRun } from "../testing/builders";
import { fromElk, joinEdges, SIZE, splinePath, toElk, toFlow } from "./layout";

const placedAtZero = (ids: string[]) => ({ positions: new Map(ids.map((id) => [id, { x: 0, y: 0 }])), routes: new Map() });

describe("layout", () => {
  it("gives every node its size and every edge its ends", () => {
    const elk = toElk(buildPipeline());
    expect(elk.children).toHaveLength(7);
    expect(elk.children?.[0]).toMatchObject({ id: "run:raw", ...SIZE.run });
    expect(elk.edges).toHaveLength(7);
  });

  it("joins edges between the same nodes and keeps both labels", () => {
    const edges = [buildEdge("artifact:t", "run:r", "left"), buildEdge("artifact:t", "run:r", "right")];
    expect(joinEdges(edges)).toEqual([{ id: "artifact:t|run:r", source: "artifact:t", target: "run:r", label: "left, right" }]);
  });

  it("does not label the only output", () => {
    expect(joinEdges([buildEdge("run:r", "artifact:t", "return_value")])[0]?.label).toBe("");
  });

  it("keeps a node that is placed at zero", () => {
    const graph = buildGraph([buildRun("a"), buildArtifact("b")], []);
    const { nodes } = toFlow(graph, placedAtZero(["run:a", "artifact:b"]), undefined, undefined, () => undefined);
    expect(nodes).toHaveLength(2);
  });

  it("dims what is off the path and brightens what is on it", () => {
    const graph = buildPipeline();
    const path = new Set(["artifact:model", "run:predict"]);
    const { edges, nodes } = toFlow(graph, placedAtZero(graph.nodes.map(({ id }) => id)), "artifact:model", path, () => undefined);
    expect(nodes.filter(({ data }) => !data.dimmed).map(({ id }) => id)).toEqual(["artifact:model", "run:predict"]);
    expect(edges.filter(({ data }) => data?.bright).map(({ id }) => id)).toEqual(["artifact:model|run:predict"]);
  });

  it("marks the nodes that have more", () => {
    const graph = buildPipeline({ more: { upstream: ["run:raw"], downstream: [] } });
    const { nodes } = toFlow(graph, placedAtZero(graph.nodes.map(({ id }) => id)), undefined, undefined, () => undefined);
    expect(nodes.filter(({ data }) => data.more).map(({ id }) => id)).toEqual(["run:raw"]);
  });

  it("reads positions and routes", () => {
    const placed = fromElk({
      id: "root",
      children: [{ id: "a", x: 1, y: 2 }],
      edges: [
        { id: "e", sources: [], targets: [], sections: [{ id: "s", startPoint: { x: 0, y: 0 }, bendPoints: [{ x: 1, y: 1 }], endPoint: { x: 2, y: 2 } }] },
      ],
    });
    expect(placed.positions.get("a")).toEqual({ x: 1, y: 2 });
    expect(placed.routes.get("e")).toHaveLength(3);
  });

  it("draws splines from groups of three points and the rest as lines", () => {
    const at = (n: number) => ({ x: n, y: n });
    expect(splinePath([at(0), at(1), at(2), at(3), at(4)])).toBe("M 0 0 C 1 1, 2 2, 3 3 L 4 4");
    expect(splinePath([])).toBe("");
  });
});
