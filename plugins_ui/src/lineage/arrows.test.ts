import { describe, expect, it } from "vitest";

import { follow, isArrow } from "./arrows";
import { adjacent } from "./graph";

const at = (x: number, y: number) => ({ x, y, width: 100, height: 50 });

/** a in the middle of the left column, b above c in the next, d after c. */
const PLACES = new Map([
  ["a", at(0, 60)],
  ["b", at(200, 0)],
  ["c", at(200, 100)],
  ["d", at(400, 110)],
]);
const EDGES = adjacent([
  { source: "a", target: "b" },
  { source: "a", target: "c" },
  { source: "c", target: "d" },
]);

describe("arrow keys", () => {
  it.each([
    ["ArrowRight", "a", "c"],
    ["ArrowRight", "d", undefined],
    ["ArrowLeft", "d", "c"],
    ["ArrowLeft", "b", "a"],
    ["ArrowDown", "b", "c"],
    ["ArrowUp", "c", "b"],
    ["ArrowUp", "b", undefined],
  ] as const)("%s at %s leads to %s", (key, from, to) => {
    expect(follow(key, from, PLACES, EDGES, "rows")).toBe(to);
  });

  it("follow the edges downward where the graph goes down", () => {
    const turned = new Map([...PLACES].map(([id, { height, width, x, y }]) => [id, { x: y, y: x, width: height, height: width }]));
    expect(follow("ArrowDown", "a", turned, EDGES, "down")).toBe("c");
    expect(follow("ArrowUp", "d", turned, EDGES, "down")).toBe("c");
    expect(follow("ArrowRight", "b", turned, EDGES, "down")).toBe("c");
  });

  it("are those four", () => {
    expect(["ArrowUp", "Enter", "a"].map(isArrow)).toEqual([true, false, false]);
  });
});
