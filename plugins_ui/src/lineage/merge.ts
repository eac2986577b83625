/** Pure: a graph with what was loaded around one of its nodes. */
import type { LineageGraph } from "../api/types";

type Way = keyof LineageGraph["more"];

/**
 * The nodes and edges of both; of a node that both have, what `around` says, which is newer. `center` is what `around` was loaded for: only of it, and of
 * nodes that are new, does `around` know whether there is more; a walk leaves the other sides of those in between alone.
 */
export const mergeGraphs = (graph: LineageGraph, around: LineageGraph, center: string): LineageGraph => {
  const known = new Set(graph.nodes.map(({ id }) => id));
  const nodes = new Map([...graph.nodes, ...around.nodes].map((node) => [node.id, node]));
  const edges = new Map([...graph.edges, ...around.edges].map((edge) => [JSON.stringify([edge.source, edge.target, edge.kind, edge.label]), edge]));
  const more = (way: Way) => [
    ...graph.more[way].filter((id) => id !== center),
    ...around.more[way].filter((id) => id === center || !known.has(id)),
  ];
  return {
    ...graph,
    nodes: [...nodes.values()],
    edges: [...edges.values()],
    more: { upstream: more("upstream"), downstream: more("downstream") },
  };
};
