/** Pure questions about a graph. */
import type { LineageGraph, LineageNode } from "../api/types";

export type IndexedGraph = {
  graph: LineageGraph;
  nodes: Map<string, LineageNode>;
  into: Map<string, string[]>;
  outOf: Map<string, string[]>;
};

export type Way = "upstream" | "downstream";

const push = (map: Map<string, string[]>, key: string, value: string) => {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else if (!list.includes(value)) list.push(value);
};

export const indexGraph = (graph: LineageGraph): IndexedGraph => {
  const into = new Map<string, string[]>();
  const outOf = new Map<string, string[]>();
  for (const { source, target } of graph.edges) {
    push(into, target, source);
    push(outOf, source, target);
  }
  return { graph, nodes: new Map(graph.nodes.map((node) => [node.id, node])), into, outOf };
};

/** All nodes that can be reached from one, going only one way; without the node itself. */
export const reachable = ({ into, outOf }: IndexedGraph, start: string, way: Way): Set<string> => {
  const next = way === "upstream" ? into : outOf;
  const found = new Set<string>();
  const pending = [start];
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    for (const other of next.get(id) ?? []) {
      if (other !== start && !found.has(other)) {
        found.add(other);
        pending.push(other);
      }
    }
  }
  return found;
};

/** The node and all that it came from or led to: what stays bright while it is selected. */
export const pathOf = (index: IndexedGraph, id: string): Set<string> =>
  new Set([id, ...reachable(index, id, "upstream"), ...reachable(index, id, "downstream")]);

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
