/** Pure: what is shown as ELK wants it, and ELK's result as places and routes. */
import type { ElkExtendedEdge, ElkNode, LayoutOptions } from "elkjs/lib/elk-api";

import type { Shown, ShownNode } from "./grouping";

/** `rows`: left to right, long ones go on in a second row; `line`: left to right in one; `down`: top to bottom. */
export const LAYOUTS = ["rows", "line", "down"] as const;
export type Layout = (typeof LAYOUTS)[number];

export type Point = { x: number; y: number };
export type Rect = Point & { width: number; height: number };
export type Placed = { places: Map<string, Rect>; frames: Map<string, Rect>; routes: Map<string, Point[]>; layout: Layout };

export const SIZE: Record<ShownNode["kind"], { width: number; height: number }> = {
  run: { width: 184, height: 56 },
  artifact: { width: 176, height: 48 },
  dataset: { width: 184, height: 48 },
  group: { width: 216, height: 72 },
};

/** Above this, time counts more than beauty. */
const MANY = 300;

const options = (shown: Shown, layout: Layout): LayoutOptions => {
  const many = shown.nodes.length > MANY;
  const framed = shown.frames.length > 0;
  return {
    "elk.algorithm": "layered",
    "elk.direction": layout === "down" ? "DOWN" : "RIGHT",
    "elk.layered.spacing.nodeNodeBetweenLayers": layout === "down" ? "36" : "40",
    "elk.spacing.nodeNode": "18",
    "elk.layered.thoroughness": many ? "1" : "4",
    "elk.edgeRouting": many ? "POLYLINE" : "SPLINES",
    "elk.json.shapeCoords": "ROOT",
    "elk.json.edgeCoords": "ROOT",
    ...(many ? { "elk.layered.nodePlacement.strategy": "SIMPLE", "elk.layered.crossingMinimization.greedySwitch.type": "OFF" } : {}),
    ...(framed ? { "elk.hierarchyHandling": "INCLUDE_CHILDREN" } : {}),
    ...(layout === "rows" && !framed && !many
      ? { "elk.layered.wrapping.strategy": "MULTI_EDGE", "elk.layered.wrapping.additionalEdgeSpacing": "24", "elk.aspectRatio": "2.4" }
      : {}),
  };
};

export const toElk = (shown: Shown, layout: Layout): ElkNode => {
  const frames = new Map(
    shown.frames.map(({ id }): [string, ElkNode] => [
      id,
      { id, children: [], layoutOptions: { "elk.padding": "[top=44,left=20,bottom=20,right=20]" } },
    ]),
  );
  const children: ElkNode[] = [];
  const put = (parent: string | undefined, node: ElkNode) => {
    const frame = parent === undefined ? undefined : frames.get(parent);
    (frame?.children ?? children).push(node);
  };
  for (const { id, parent } of shown.frames) {
    const frame = frames.get(id);
    if (frame !== undefined) put(parent, frame);
  }
  for (const { id, kind } of shown.nodes) put(shown.parents.get(id), { id, ...SIZE[kind] });
  return {
    id: "root",
    layoutOptions: options(shown, layout),
    children,
    edges: shown.edges.map(({ id, source, target }): ElkExtendedEdge => ({ id, sources: [source], targets: [target] })),
  };
};

export const fromElk = (result: ElkNode, layout: Layout): Placed => {
  const placed: Placed = { places: new Map(), frames: new Map(), routes: new Map(), layout };
  const read = (node: ElkNode) => {
    for (const child of node.children ?? []) {
      const { height = 0, id, width = 0, x = 0, y = 0 } = child;
      (child.children === undefined ? placed.places : placed.frames).set(id, { x, y, width, height });
      read(child);
    }
    for (const edge of node.edges ?? []) {
      const points = (edge.sections ?? []).flatMap(({ bendPoints = [], endPoint, startPoint }) => [startPoint, ...bendPoints, endPoint]);
      placed.routes.set(edge.id, points);
    }
  };
  read(result);
  return placed;
};

/** The smallest rectangle around these; undefined around nothing. */
export const around = (rects: Iterable<Rect>): Rect | undefined => {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const { height, width, x, y } of rects) {
    [left, top] = [Math.min(left, x), Math.min(top, y)];
    [right, bottom] = [Math.max(right, x + width), Math.max(bottom, y + height)];
  }
  return right < left ? undefined : { x: left, y: top, width: right - left, height: bottom - top };
};

/** The rectangle around the whole drawing: edges that go round the nodes too. */
export const wholeOf = ({ frames, places, routes }: Placed): Rect | undefined => {
  const points = [...routes.values()].flat().map(({ x, y }) => ({ x, y, width: 0, height: 0 }));
  return around([...places.values(), ...frames.values(), ...points]);
};

/** As one reads: from left to right, then down; nodes that stand in one column from top to bottom. */
export const inReadingOrder = (ids: string[], places: Map<string, Rect>): string[] =>
  ids.toSorted((a, b) => {
    const [p, q] = [places.get(a), places.get(b)];
    if (p === undefined || q === undefined) return 0;
    return p.x - q.x || p.y - q.y;
  });

/** An SVG path through ELK's route: start, then groups of two control points and an end; `straight` where it is no spline. */
export const routePath = (points: Point[], straight: boolean): string => {
  const [start, ...rest] = points;
  if (start === undefined) return "";
  let path = `M ${start.x} ${start.y}`;
  let at = 0;
  for (; !straight && at + 2 < rest.length; at += 3) {
    const [a, b, c] = [rest[at], rest[at + 1], rest[at + 2]];
    if (a && b && c) path += ` C ${a.x} ${a.y}, ${b.x} ${b.y}, ${c.x} ${c.y}`;
  }
  for (; at < rest.length; at += 1) {
    const point = rest[at];
    if (point) path += ` L ${point.x} ${point.y}`;
  }
  return path;
};
