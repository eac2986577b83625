import { describe, expect, it } from "vitest";

import { buildPipeline } from "../testing/builders";
import { groupGraph } from "./grouping";
import { around, fromElk, inReadingOrder, routePath, SIZE, toElk } from "./layout";

const shown = groupGraph(buildPipeline(), "none", new Set());

describe("layout", () => {
  it("gives every node its size and every edge its ends", () => {
    const elk = toElk(shown, "rows");
    expect(elk.children).toHaveLength(7);
    expect(elk.children?.[0]).toMatchObject({ id: "run:raw", ...SIZE.run });
    expect(elk.edges).toHaveLength(7);
  });

  it.each([
    ["rows", "RIGHT", "MULTI_EDGE"],
    ["line", "RIGHT", undefined],
    ["down", "DOWN", undefined],
  ] as const)("as %s goes %s", (layout, direction, wrapping) => {
    expect(toElk(shown, layout).layoutOptions).toMatchObject({ "elk.direction": direction });
    expect(toElk(shown, layout).layoutOptions?.["elk.layered.wrapping.strategy"]).toBe(wrapping);
  });

  it("puts what lies in a frame into it, and frames into frames", () => {
    const nested = {
      ...shown,
      frames: [
        { id: "dag:a", label: "a", level: "dag" as const, parent: undefined },
        { id: "group:a", label: "g", level: "group" as const, parent: "dag:a" },
      ],
      parents: new Map([["run:raw", "group:a"]]),
    };
    const outer = toElk(nested, "rows").children?.find(({ id }) => id === "dag:a");
    expect(outer?.children?.map(({ id }) => id)).toEqual(["group:a"]);
    expect(outer?.children?.[0]?.children?.map(({ id }) => id)).toEqual(["run:raw"]);
    expect(toElk(nested, "rows").layoutOptions).toMatchObject({ "elk.hierarchyHandling": "INCLUDE_CHILDREN" });
  });

  it("saves time where there are many nodes", () => {
    const many = { ...shown, nodes: Array.from({ length: 400 }, (_, n) => ({ ...shown.nodes[0], id: `run:${n}` }) as (typeof shown.nodes)[0]) };
    expect(toElk(many, "rows").layoutOptions).toMatchObject({ "elk.layered.thoroughness": "1", "elk.edgeRouting": "POLYLINE" });
  });

  it("reads places, frames and routes", () => {
    const placed = fromElk(
      {
        id: "root",
        children: [
          { id: "a", x: 1, y: 2, width: 3, height: 4 },
          { id: "f", x: 0, y: 0, width: 50, height: 50, children: [{ id: "b", x: 5, y: 6, width: 1, height: 1 }] },
        ],
        edges: [
          { id: "e", sources: [], targets: [], sections: [{ id: "s", startPoint: { x: 0, y: 0 }, bendPoints: [{ x: 1, y: 1 }], endPoint: { x: 2, y: 2 } }] },
        ],
      },
      "rows",
    );
    expect(placed.places.get("a")).toEqual({ x: 1, y: 2, width: 3, height: 4 });
    expect(placed.places.get("b")).toMatchObject({ x: 5, y: 6 });
    expect([...placed.frames.keys()]).toEqual(["f"]);
    expect(placed.routes.get("e")).toHaveLength(3);
  });

  it("draws splines from groups of three points and the rest as lines", () => {
    const at = (n: number) => ({ x: n, y: n });
    expect(routePath([at(0), at(1), at(2), at(3), at(4)], false)).toBe("M 0 0 C 1 1, 2 2, 3 3 L 4 4");
    expect(routePath([at(0), at(1), at(2)], true)).toBe("M 0 0 L 1 1 L 2 2");
    expect(routePath([], false)).toBe("");
  });

  it("reads from left to right, then down", () => {
    const size = { width: 1, height: 1 };
    const places = new Map([
      ["c", { x: 9, y: 0, ...size }],
      ["b", { x: 0, y: 5, ...size }],
      ["a", { x: 0, y: 0, ...size }],
    ]);
    expect(inReadingOrder(["c", "b", "a"], places)).toEqual(["a", "b", "c"]);
    expect(around(places.values())).toEqual({ x: 0, y: 0, width: 10, height: 6 });
    expect(around([])).toBeUndefined();
  });
});
