/** Pure: what is shown, where it stands and what is marked, as React Flow wants it. */
import { Position, type Edge, type Node } from "@xyflow/react";

import type { Frame, Shown, ShownNode } from "./grouping";
import type { Placed, Point } from "./layout";

export type Marks = {
  selected: string | undefined;
  /** The other end of a path. */
  to: string | undefined;
  /** Bright nodes; all are where this is undefined. */
  bright: ReadonlySet<string> | undefined;
  hits: ReadonlySet<string>;
  hit: string | undefined;
  cursor: string | undefined;
  focus: ReadonlySet<string>;
  more: ReadonlySet<string>;
};

export type NodeData = {
  node: ShownNode;
  width: number;
  height: number;
  focus: boolean;
  more: boolean;
  dimmed: boolean;
  cursor: boolean;
  hit: "no" | "one" | "current";
};
export type CardNode = Node<NodeData, "card">;
export type FrameNode = Node<{ frame: Frame }, "frame">;
export type FlowNode = CardNode | FrameNode;
export type EdgeData = { points: Point[]; straight: boolean; label: string; bright: boolean; dimmed: boolean };
export type FlowEdge = Edge<EdgeData>;

const handles = (width: number, height: number, down: boolean) =>
  (["target", "source"] as const).map((type, n) => ({
    type,
    position: [down ? Position.Top : Position.Left, down ? Position.Bottom : Position.Right][n] ?? Position.Left,
    x: down ? width / 2 : n * width,
    y: down ? n * height : height / 2,
    width: 1,
    height: 1,
  }));

const FIXED = { draggable: false, connectable: false, focusable: false, deletable: false };

const isSame = (a: FlowNode | undefined, b: FlowNode): a is FlowNode => {
  if (a === undefined || a.type !== b.type || a.selected !== b.selected || a.position.x !== b.position.x || a.position.y !== b.position.y) return false;
  const [left, right] = [a.data as Record<string, unknown>, b.data as Record<string, unknown>];
  return a.width === b.width && a.height === b.height && Object.keys(right).every((key) => left[key] === right[key]);
};

/** Nodes that are as they were stay the same objects, so that React Flow draws only what has changed. `kept` is what was given last, and is brought up to date. */
export const toNodes = (shown: Shown, placed: Placed, marks: Marks, kept: Map<string, FlowNode>): FlowNode[] => {
  const made: FlowNode[] = [];
  for (const frame of shown.frames) {
    const place = placed.frames.get(frame.id);
    if (place === undefined) continue;
    const { height, width, x, y } = place;
    made.push({ ...FIXED, id: frame.id, type: "frame", position: { x, y }, width, height, measured: { width, height }, handles: [], selectable: false, selected: false, zIndex: -1, data: { frame } });
  }
  for (const node of shown.nodes) {
    const place = placed.places.get(node.id);
    if (place === undefined) continue;
    const { height, width, x, y } = place;
    made.push({
      ...FIXED,
      id: node.id,
      type: "card",
      position: { x, y },
      width,
      height,
      measured: { width, height },
      handles: handles(width, height, placed.layout === "down"),
      selected: node.id === marks.selected || node.id === marks.to,
      data: {
        node,
        width,
        height,
        focus: marks.focus.has(node.id),
        more: marks.more.has(node.id),
        dimmed: marks.bright !== undefined && !marks.bright.has(node.id),
        cursor: node.id === marks.cursor,
        hit: node.id === marks.hit ? "current" : marks.hits.has(node.id) ? "one" : "no",
      },
    });
  }
  const nodes = made.map((node) => {
    const before = kept.get(node.id);
    return isSame(before, node) ? before : node;
  });
  kept.clear();
  for (const node of nodes) kept.set(node.id, node);
  return nodes;
};

export const toEdges = (shown: Shown, placed: Placed, bright: ReadonlySet<string> | undefined, straight: boolean): FlowEdge[] =>
  shown.edges.flatMap(({ id, label, source, target }): FlowEdge[] => {
    if (!placed.places.has(source) || !placed.places.has(target)) return [];
    const lit = bright !== undefined && bright.has(source) && bright.has(target);
    const data = { points: placed.routes.get(id) ?? [], straight, label, bright: lit, dimmed: bright !== undefined && !lit };
    return [{ id, source, target, type: "route", focusable: false, selectable: false, zIndex: lit ? 1 : 0, data }];
  });
