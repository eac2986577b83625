import { describe, expect, it } from "vitest";

import { readView, writeView } from "./urlState";

const read = (text: string) => readView(new URLSearchParams(text));

describe("the URL", () => {
  it("gives back all that was put into it, whatever characters ids have", () => {
    const view = {
      ...read(""),
      node: "run:1",
      to: "artifact:2",
      depth: 8,
      nodes: 2000,
      direction: "upstream" as const,
      bright: "downstream" as const,
      grouping: "groups" as const,
      open: ["group:a b|manual__2026-01-01T00:00:00+00:00|tune", "dag:ä|r"],
      more: ["artifact:9"],
      query: "state:failed & more",
      layout: "down" as const,
      wide: true,
    };
    expect(read(writeView(new URLSearchParams(), view).toString())).toEqual(view);
  });

  it("leaves out what is usual, and leaves alone what is of others", () => {
    const after = writeView(new URLSearchParams("tab=x&lin_to=a&lin_q=b"), { to: undefined, query: "", direction: "both", layout: "rows", open: [] });
    expect(after.toString()).toBe("tab=x");
  });

  it("tells a panel that was closed from one that was never opened", () => {
    expect(read("").node).toBeUndefined();
    expect(read(writeView(new URLSearchParams(), { node: "" }).toString()).node).toBe("");
  });

  it("does not trust what stands in it", () => {
    expect(read("lin_depth=999&lin_nodes=1000000&lin_dir=sideways&lin_group=x&lin_layout=y")).toEqual(read(""));
  });
});
