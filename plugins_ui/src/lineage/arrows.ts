/** Pure: where the arrow keys lead. */
import type { Layout, Rect } from "./layout";

export type Arrow = "ArrowLeft" | "ArrowRight" | "ArrowUp" | "ArrowDown";
export const isArrow = (key: string): key is Arrow => key.startsWith("Arrow");

type Adjacent = { into: Map<string, string[]>; outOf: Map<string, string[]> };

const middle = ({ height, width, x, y }: Rect) => ({ x: x + width / 2, y: y + height / 2 });

const least = (ids: string[], cost: (id: string) => number): string | undefined => {
  let best: { id: string; cost: number } | undefined;
  for (const id of ids) {
    const found = { id, cost: cost(id) };
    if (found.cost < (best?.cost ?? Number.POSITIVE_INFINITY)) best = found;
  }
  return best?.id;
};

/** Along the flow an arrow follows an edge, to the end that lies most straight ahead; across it, it goes to the next node there. */
export const follow = (arrow: Arrow, from: string, places: Map<string, Rect>, { into, outOf }: Adjacent, layout: Layout): string | undefined => {
  const place = places.get(from);
  if (place === undefined) return undefined;
  const at = middle(place);
  const down = layout === "down";
  const along = down ? ["ArrowUp", "ArrowDown"] : ["ArrowLeft", "ArrowRight"];
  const distances = (id: string) => {
    const to = middle(places.get(id) ?? place);
    return down ? { ahead: to.y - at.y, aside: to.x - at.x } : { ahead: to.x - at.x, aside: to.y - at.y };
  };
  if (along.includes(arrow)) {
    const next = (arrow === along[1] ? outOf : into).get(from) ?? [];
    return least(next, (id) => Math.abs(distances(id).aside) + Math.abs(distances(id).ahead) / 1000);
  }
  const sign = arrow === "ArrowDown" || arrow === "ArrowRight" ? 1 : -1;
  return least([...places.keys()], (id) => {
    const { ahead, aside } = distances(id);
    return aside * sign > 4 ? aside * sign + 3 * Math.abs(ahead) : Number.POSITIVE_INFINITY;
  });
};
