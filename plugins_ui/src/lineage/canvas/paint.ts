/** Draws a graph small: boxes and straight lines on a canvas, thousands of them in one frame. */
import { faceOf } from "../face";
import type { Marks } from "../flow";
import type { Shown } from "../grouping";
import type { Placed } from "../layout";
import type { Palette } from "../palette";

export type Transform = { x: number; y: number; zoom: number };

export const paint = (context: CanvasRenderingContext2D, shown: Shown, placed: Placed, marks: Marks, palette: Palette, { x, y, zoom }: Transform) => {
  const { bright, hits, selected } = marks;
  context.save();
  context.translate(x, y);
  context.scale(zoom, zoom);
  context.lineWidth = 1 / zoom;
  context.strokeStyle = palette.line;
  for (const place of placed.frames.values()) context.strokeRect(place.x, place.y, place.width, place.height);
  const line = (lit: boolean) => {
    context.beginPath();
    for (const { source, target } of shown.edges) {
      const [from, to] = [placed.places.get(source), placed.places.get(target)];
      if (from === undefined || to === undefined || lit !== (bright !== undefined && bright.has(source) && bright.has(target))) continue;
      if (placed.layout === "down") {
        context.moveTo(from.x + from.width / 2, from.y + from.height);
        context.lineTo(to.x + to.width / 2, to.y);
      } else {
        context.moveTo(from.x + from.width, from.y + from.height / 2);
        context.lineTo(to.x, to.y + to.height / 2);
      }
    }
    context.strokeStyle = lit ? palette.accent : palette.line;
    context.globalAlpha = lit || bright === undefined ? 1 : 0.4;
    context.stroke();
  };
  line(false);
  context.lineWidth = 2 / zoom;
  line(true);
  for (const node of shown.nodes) {
    const place = placed.places.get(node.id);
    if (place === undefined) continue;
    context.globalAlpha = bright !== undefined && !bright.has(node.id) ? 0.25 : 1;
    context.fillStyle = palette.tones[faceOf(node).tone] ?? palette.muted;
    context.beginPath();
    context.roundRect(place.x, place.y, place.width, place.height, node.kind === "run" || node.kind === "group" ? 8 : place.height / 2);
    context.fill();
    if (node.id !== selected && node.id !== marks.to && node.id !== marks.cursor && !hits.has(node.id)) continue;
    context.globalAlpha = 1;
    context.strokeStyle = hits.has(node.id) ? (palette.tones.orange ?? palette.accent) : palette.accent;
    context.lineWidth = 3 / zoom;
    const gap = 3 / zoom;
    context.strokeRect(place.x - gap, place.y - gap, place.width + 2 * gap, place.height + 2 * gap);
  }
  context.restore();
};

/** The canvas at the size of its box, sharp on any screen; undefined where there is nothing to draw on. */
export const prepare = (canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D | undefined => {
  const scale = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== w) canvas.width = w;
  if (canvas.height !== h) canvas.height = h;
  const context = canvas.getContext("2d");
  if (context === null || w === 0 || h === 0) return undefined;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
};
