import { describe, expect, it } from "vitest";

import { buildPipeline } from "../testing/builders";
import { toEdges, toNodes, type FlowNode, type Marks } from "./flow";
import { groupGraph } from "./grouping";
import type { Placed } from "./layout";

const shown = groupGraph(buildPipeline(), "none", new Set());
const placed: Placed = {
  places: new Map(shown.nodes.map(({ id }) => [id, { x: 0, y: 0, width: 10, height: 10 }])),
  frames: new Map(),
  routes: new Map(),
  layout: "rows",
};
const NONE: Marks = { selected: undefined, to: undefined, bright: undefined, hits: new Set(), hit: undefined, cursor: undefined, focus: new Set(), more: new Set() };
const cards = (nodes: FlowNode[]) => nodes.filter((node) => node.type === "card");

describe("flow", () => {
  it("keeps a node that is placed at zero, and leaves out one that has no place yet", () => {
    expect(toNodes(shown, placed, NONE, new Map())).toHaveLength(7);
    expect(toNodes(shown, { ...placed, places: new Map() }, NONE, new Map())).toEqual([]);
  });

  it("dims what is off the path and brightens what is on it", () => {
    const bright = new Set(["artifact:model", "run:predict"]);
    const nodes = cards(toNodes(shown, placed, { ...NONE, bright }, new Map()));
    expect(nodes.filter(({ data }) => !data.dimmed).map(({ id }) => id)).toEqual(["artifact:model", "run:predict"]);
    expect(toEdges(shown, placed, bright, false).filter(({ data }) => data?.bright).map(({ id }) => id)).toEqual(["artifact:model|run:predict"]);
  });

  it("marks the nodes that have more, hits, and the cursor", () => {
    const marks = { ...NONE, more: new Set(["run:raw"]), hits: new Set(["run:train", "run:raw"]), hit: "run:train", cursor: "run:raw" };
    const nodes = cards(toNodes(shown, placed, marks, new Map()));
    const of = (id: string) => nodes.find((node) => node.id === id)?.data;
    expect(of("run:raw")).toMatchObject({ more: true, hit: "one", cursor: true });
    expect(of("run:train")).toMatchObject({ more: false, hit: "current", cursor: false });
  });

  it("gives the same objects for all nodes but those that changed", () => {
    const kept = new Map<string, FlowNode>();
    const first = toNodes(shown, placed, NONE, kept);
    const second = toNodes(shown, placed, { ...NONE, selected: "run:train" }, kept);
    const changed = second.filter((node, n) => node !== first[n]);
    expect(changed.map(({ id }) => id)).toEqual(["run:train"]);
  });
});
