/** Pure: the whole graph as an SVG, not only what is in view; text stays text. */
import { faceOf } from "./face";
import type { Marks } from "./flow";
import type { Shown } from "./grouping";
import { routePath, wholeOf, type Placed } from "./layout";
import type { Palette } from "./palette";
import { outlines, shapeOf } from "./shapes";

const MARGIN = 24;
const CHARACTER = 7;

const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[sign] ?? sign);

const cut = (text: string, width: number): string => {
  const most = Math.floor(width / CHARACTER);
  return text.length <= most ? text : `${text.slice(0, Math.max(most - 1, 1))}…`;
};

export type Picture = { svg: string; width: number; height: number };

export const toPicture = (shown: Shown, placed: Placed, { bright }: Pick<Marks, "bright">, palette: Palette, straight: boolean): Picture => {
  const bounds = wholeOf(placed) ?? { x: 0, y: 0, width: 1, height: 1 };
  const [width, height] = [Math.ceil(bounds.width + 2 * MARGIN), Math.ceil(bounds.height + 2 * MARGIN)];
  const parts: string[] = [];
  for (const frame of shown.frames) {
    const place = placed.frames.get(frame.id);
    if (place === undefined) continue;
    parts.push(
      `<rect x="${place.x}" y="${place.y}" width="${place.width}" height="${place.height}" rx="12" fill="${palette.subtle}" stroke="${palette.line}" stroke-dasharray="4 3"/>`,
      `<text x="${place.x + 14}" y="${place.y + 24}" font-size="12" font-weight="600" fill="${palette.fg}">${escaped(cut(frame.label, place.width - 28))}</text>`,
    );
  }
  for (const { id, source, target } of shown.edges) {
    const lit = bright !== undefined && bright.has(source) && bright.has(target);
    const path = routePath(placed.routes.get(id) ?? [], straight);
    if (path === "") continue;
    const faded = bright !== undefined && !lit ? ' opacity="0.35"' : "";
    parts.push(`<path d="${path}" fill="none" stroke="${lit ? palette.accent : palette.line}" stroke-width="${lit ? 2 : 1.5}"${faded}/>`);
  }
  for (const node of shown.nodes) {
    const place = placed.places.get(node.id);
    if (place === undefined) continue;
    const face = faceOf(node);
    const shape = shapeOf(node);
    const tone = palette.tones[face.tone] ?? palette.muted;
    const faded = bright !== undefined && !bright.has(node.id);
    const isCard = shape === "step" || shape === "group";
    const stroke = shape === "model" || shape === "dataset" ? tone : palette.line;
    const top = shape === "group" ? 8 : 0;
    const inner = place.width - 40;
    const middle = (place.height + top) / 2;
    const texts =
      face.facts === ""
        ? `<text x="20" y="${middle + 5}" font-size="14" fill="${palette.fg}">${escaped(cut(face.title, inner))}</text>`
        : `<text x="20" y="${middle - 3}" font-size="14"${isCard ? ' font-weight="600"' : ""} fill="${palette.fg}">${escaped(cut(face.title, inner))}</text>` +
          `<text x="20" y="${middle + 14}" font-size="12" fill="${palette.muted}">${escaped(cut(face.facts, inner))}</text>`;
    parts.push(
      `<g transform="translate(${place.x} ${place.y})"${faded ? ' opacity="0.4"' : ""}><title>${escaped(face.label)}</title>` +
        outlines(shape, place.width, place.height).map((path) => `<path d="${path}" fill="${isCard ? palette.bg : palette.subtle}" stroke="${stroke}"/>`).join("") +
        (isCard ? `<rect x="1" y="${top + 8}" width="5" height="${place.height - top - 16}" rx="2" fill="${tone}"/>` : "") +
        `${texts}</g>`,
    );
  }
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="${bounds.x - MARGIN} ${bounds.y - MARGIN} ${width} ${height}" font-family="system-ui, sans-serif">` +
    `<rect x="${bounds.x - MARGIN}" y="${bounds.y - MARGIN}" width="${width}" height="${height}" fill="${palette.bg}"/>${parts.join("")}</svg>`;
  return { svg, width, height };
};
