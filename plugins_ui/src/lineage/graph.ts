/** Pure questions about a graph. */
import type { LineageGraph, LineageNode } from "../api/types";

export type IndexedGraph = {
  graph: LineageGraph;
  nodes: Map<string, LineageNode>;
  into: Map<string, string[]>;
  outOf: Map<string, string[]>;
};

export type Way = "upstream" | "downstream";

/** Whom each node has before it and after it; edges that are told twice count once. */
export const adjacent = (edges: { source: string; target: string }[]): Pick<IndexedGraph, "into" | "outOf"> => {
  const into = new Map<string, Set<string>>();
  const outOf = new Map<string, Set<string>>();
  for (const { source, target } of edges) {
    into.set(target, (into.get(target) ?? new Set()).add(source));
    outOf.set(source, (outOf.get(source) ?? new Set()).add(target));
  }
  const listed = (map: Map<string, Set<string>>) => new Map([...map].map(([id, others]) => [id, [...others]]));
  return { into: listed(into), outOf: listed(outOf) };
};

export const indexGraph = (graph: LineageGraph): IndexedGraph => ({
  graph,
  nodes: new Map(graph.nodes.map((node) => [node.id, node])),
  ...adjacent(graph.edges),
});

type Adjacent = Pick<IndexedGraph, "into" | "outOf">;

/** All nodes that can be reached from these, going only one way; without these themselves. */
export const reachable = ({ into, outOf }: Adjacent, start: string | string[], way: Way): Set<string> => {
  const next = way === "upstream" ? into : outOf;
  const starts = new Set(typeof start === "string" ? [start] : start);
  const found = new Set<string>();
  const pending = [...starts];
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    for (const other of next.get(id) ?? []) {
      if (!starts.has(other) && !found.has(other)) {
        found.add(other);
        pending.push(other);
      }
    }
  }
  return found;
};

/** The nodes and all that they came from or led to: what stays bright while they are selected. */
export const pathOf = (index: Adjacent, ids: string | string[], ways: Way[] = ["upstream", "downstream"]): Set<string> =>
  new Set([...(typeof ids === "string" ? [ids] : ids), ...ways.flatMap((way) => [...reachable(index, ids, way)])]);

/** `flow`: data went from one end to the other. `link`: they only share something, and this is the shortest way between them. */
export type Between = { ids: Set<string>; kind: "flow" | "link" };

/** What lies between two places: every way that data took from one to the other; where there is none, the shortest link. */
export const between = (index: Adjacent, from: string[], to: string[]): Between | undefined => {
  for (const [first, last] of [
    [from, to],
    [to, from],
  ] as const) {
    const after = pathOf(index, first, ["downstream"]);
    if (!last.some((id) => after.has(id))) continue;
    const before = pathOf(index, last, ["upstream"]);
    return { ids: new Set([...after].filter((id) => before.has(id))), kind: "flow" };
  }
  const cameFrom = new Map<string, string | undefined>(from.map((id) => [id, undefined]));
  const ends = new Set(to);
  // A list that grows while it is walked: nearest first.
  const order = [...from];
  for (const id of order) {
    if (ends.has(id)) {
      const ids = new Set<string>();
      for (let at: string | undefined = id; at !== undefined; at = cameFrom.get(at)) ids.add(at);
      return { ids, kind: "link" };
    }
    for (const other of [...(index.into.get(id) ?? []), ...(index.outOf.get(id) ?? [])]) {
      if (cameFrom.has(other)) continue;
      cameFrom.set(other, id);
      order.push(other);
    }
  }
  return undefined;
};

/** What a node came from, sources first: an order in which each stands after all that it is made of. */
export const upstreamInOrder = (index: IndexedGraph, id: string): LineageNode[] => {
  const members = reachable(index, id, "upstream");
  const order: LineageNode[] = [];
  const visited = new Set<string>();
  const visit = (current: string) => {
    if (visited.has(current)) return;
    visited.add(current);
    for (const before of index.into.get(current) ?? []) visit(before);
    const node = index.nodes.get(current);
    if (node !== undefined && current !== id && members.has(current)) order.push(node);
  };
  visit(id);
  return order;
};
