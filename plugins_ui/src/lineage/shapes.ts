/** Pure: outlines of nodes. Each kind has a shape of its own, so that colour is never all that tells them apart. */
import { artifactKind } from "./format";
import type { ShownNode } from "./grouping";

export type Shape = "step" | "artifact" | "model" | "dataset" | "group";

export const shapeOf = (node: ShownNode): Shape => {
  switch (node.kind) {
    case "run":
      return "step";
    case "artifact":
      return artifactKind(node.codec, node.dataset_type) === "model" ? "model" : "artifact";
    default:
      return node.kind;
  }
};

const rounded = (x: number, y: number, w: number, h: number, r: number) =>
  `M ${x + r} ${y} H ${x + w - r} A ${r} ${r} 0 0 1 ${x + w} ${y + r} V ${y + h - r} A ${r} ${r} 0 0 1 ${x + w - r} ${y + h} ` +
  `H ${x + r} A ${r} ${r} 0 0 1 ${x} ${y + h - r} V ${y + r} A ${r} ${r} 0 0 1 ${x + r} ${y} Z`;

/** SVG paths in a box of this size, the last of them on top: steps are cards, artifacts pills, models hexagons, data sets drums, groups piles. */
export const outlines = (shape: Shape, width: number, height: number): string[] => {
  const [w, h, o] = [width - 1, height - 1, 0.5];
  switch (shape) {
    case "step":
      return [rounded(o, o, w, h, 8)];
    case "artifact":
      return [rounded(o, o, w, h, h / 2)];
    case "model":
      return [`M ${o + 14} ${o} H ${o + w - 14} L ${o + w} ${o + h / 2} L ${o + w - 14} ${o + h} H ${o + 14} L ${o} ${o + h / 2} Z`];
    case "dataset": {
      const e = 8;
      const body = `M ${o + e} ${o} H ${o + w - e} A ${e} ${h / 2} 0 0 1 ${o + w - e} ${o + h} H ${o + e} A ${e} ${h / 2} 0 0 1 ${o + e} ${o} Z`;
      return [body, `M ${o + w - e} ${o} A ${e} ${h / 2} 0 0 0 ${o + w - e} ${o + h}`];
    }
    case "group":
      return [rounded(o + 8, o, w - 8, h - 8, 8), rounded(o + 4, o + 4, w - 8, h - 8, 8), rounded(o, o + 8, w - 8, h - 8, 8)];
  }
};
