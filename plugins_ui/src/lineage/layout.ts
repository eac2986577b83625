/** Pure: a graph as ELK wants it, and ELK's result as React Flow wants it. */
import { Position, type Edge, type Node } from "@xyflow/react";
import type { ElkExtendedEdge, ElkNode } from "elkjs/lib/elk-api";

import type { LineageEdge, LineageGraph, LineageNode } from "../api/types";

export const SIZE = { run: { width: 176, height: 56 }, artifact: { width: 168, height: 48 }, dataset: { width: 168, height: 48 } };

export type NodeData = { node: LineageNode; focus: boolean; more: boolean; dimmed: boolean; onShowMore: () => void };
export type FlowNode = Node<NodeData>;
export type EdgeData = { points: { x: number; y: number }[]; label: string; bright: boolean; dimmed: boolean };
export type FlowEdge = Edge<EdgeData>;

const OPTIONS = {
  "elk.algorithm": "layered",
  "elk.direction": "RIGHT",
  "elk.layered.spacing.nodeNodeBetweenLayers": "44",
  "elk.spacing.nodeNode": "24",
  // A long pipeline goes on in a second row, instead of shrinking to a thread.
  "elk.layered.wrapping.strategy": "MULTI_EDGE",
  "elk.layered.wrapping.additionalEdgeSpacing": "24",
  "elk.aspectRatio": "1.9",
  "elk.layered.thoroughness": "3",
  "elk.edgeRouting": "SPLINES",
};

export type JoinedEdge = { id: string; source: string; target: string; label: string };

/** Edges between the same two nodes drawn as one, with both labels. */
export const joinEdges = (edges: LineageEdge[]): JoinedEdge[] => {
  const joined = new Map<string, string[]>();
  const ends = new Map<string, LineageEdge>();
  for (const edge of edges) {
    const id = `${edge.source}|${edge.target}`;
    ends.set(id, edge);
    const labels = joined.get(id) ?? [];
    const label = edge.label === "return_value" ? "" : edge.label;
    if (label !== "" && !labels.includes(label)) labels.push(label);
    joined.set(id, labels);
  }
  return [...ends].map(([id, { source, target }]) => ({ id, source, target, label: (joined.get(id) ?? []).join(", ") }));
};

export const toElk = (graph: LineageGraph): ElkNode => ({
  id: "root",
  layoutOptions: OPTIONS,
  children: graph.nodes.map(({ id, kind }) => ({ id, ...SIZE[kind] })),
  edges: joinEdges(graph.edges).map(
    ({ id, source, target }): ElkExtendedEdge => ({ id, sources: [source], targets: [target] }),
  ),
});

export type Placed = { positions: Map<string, { x: number; y: number }>; routes: Map<string, { x: number; y: number }[]> };

export const fromElk = (result: ElkNode): Placed => ({
  positions: new Map((result.children ?? []).map(({ id, x, y }) => [id, { x: x ?? 0, y: y ?? 0 }])),
  routes: new Map(
    (result.edges ?? []).map((edge) => [
      edge.id,
      (edge.sections ?? []).flatMap((section) => [section.startPoint, ...(section.bendPoints ?? []), section.endPoint]),
    ]),
  ),
});

const HANDLES = (width: number, height: number) => [
  { type: "target" as const, position: Position.Left, x: 0, y: height / 2, width: 1, height: 1 },
  { type: "source" as const, position: Position.Right, x: width, y: height / 2, width: 1, height: 1 },
];

export const toFlow = (
  graph: LineageGraph,
  placed: Placed,
  selected: string | undefined,
  path: Set<string> | undefined,
  onShowMore: () => void,
): { nodes: FlowNode[]; edges: FlowEdge[] } => {
  const focus = new Set(graph.focus);
  const more = new Set([...graph.more.upstream, ...graph.more.downstream]);
  const nodes = graph.nodes.flatMap((node): FlowNode[] => {
    const position = placed.positions.get(node.id);
    if (position === undefined) return [];
    const { width, height } = SIZE[node.kind];
    return [
      {
        id: node.id,
        type: node.kind,
        position,
        width,
        height,
        measured: { width, height },
        handles: HANDLES(width, height),
        selected: node.id === selected,
        draggable: false,
        connectable: false,
        focusable: false,
        data: {
          node,
          focus: focus.has(node.id) && focus.size < graph.nodes.filter(({ kind }) => kind === "run").length,
          more: more.has(node.id),
          dimmed: path !== undefined && !path.has(node.id),
          onShowMore,
        },
      },
    ];
  });
  const edges = joinEdges(graph.edges).map(({ id, source, target, label }): FlowEdge => {
    const bright = path !== undefined && path.has(source) && path.has(target);
    const data = { points: placed.routes.get(id) ?? [], label, bright, dimmed: path !== undefined && !bright };
    return { id, source, target, type: "elk", focusable: false, data };
  });
  return { nodes, edges };
};

/** An SVG path through ELK's spline: start, then groups of two control points and an end. */
export const splinePath = (points: { x: number; y: number }[]): string => {
  const [start, ...rest] = points;
  if (start === undefined) return "";
  let path = `M ${start.x} ${start.y}`;
  let at = 0;
  for (; at + 2 < rest.length; at += 3) {
    const [a, b, c] = [rest[at], rest[at + 1], rest[at + 2]];
    if (a && b && c) path += ` C ${a.x} ${a.y}, ${b.x} ${b.y}, ${c.x} ${c.y}`;
  }
  for (; at < rest.length; at += 1) {
    const point = rest[at];
    if (point) path += ` L ${point.x} ${point.y}`;
  }
  return path;
};
