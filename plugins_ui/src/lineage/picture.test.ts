// @vitest-environment happy-dom
import { describe, expect, it } from "vitest";

import { buildPipeline, buildRun } from "../testing/builders";
import { groupGraph } from "./grouping";
import type { Placed } from "./layout";
import { readPalette } from "./palette";
import { toPicture } from "./picture";

const palette = { ...readPalette(document.documentElement), accent: "#0000ff" };
const placedOf = (ids: string[]): Placed => ({
  places: new Map(ids.map((id, n) => [id, { x: n * 200, y: 0, width: 180, height: 50 }])),
  frames: new Map(),
  routes: new Map([["artifact:model|run:predict", [{ x: 0, y: 0 }, { x: 9, y: 9 }]]]),
  layout: "rows",
});

describe("an exported picture", () => {
  const shown = groupGraph(buildPipeline({ nodes: [...buildPipeline().nodes, buildRun("odd", { label: '<script>"&' })] }), "none", new Set());
  const { height, svg, width } = toPicture(shown, placedOf(shown.nodes.map(({ id }) => id)), { bright: new Set(["artifact:model", "run:predict"]) }, palette, false);

  it("is well-formed and has every node, in view or not", () => {
    const document = new DOMParser().parseFromString(svg, "image/svg+xml");
    expect(document.querySelector("parsererror")).toBeNull();
    expect(document.querySelectorAll("g")).toHaveLength(8);
    expect([width, height]).toEqual([7 * 200 + 180 + 48, 98]);
  });

  it("writes names as text, whatever is in them", () => {
    expect(svg).not.toContain("<script");
    expect(svg).toContain("&lt;script&gt;&quot;&amp;");
  });

  it("shows the path that is highlighted", () => {
    expect(svg).toContain('stroke="#0000ff" stroke-width="2"');
    expect(svg.match(/<g [^>]*opacity/g)).toHaveLength(6);
  });
});
