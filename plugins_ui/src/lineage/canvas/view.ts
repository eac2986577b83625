import { getViewportForBounds, useReactFlow, useStoreApi } from "@xyflow/react";
import { useCallback, useLayoutEffect, useMemo, useRef } from "react";

import { around, wholeOf, type Placed, type Rect } from "../layout";

export const ZOOM = { min: 0.02, max: 2 };
/** What lies over the graph, at the top and at the left, covers no node of a graph that is shown whole. */
const FIT = { padding: { top: "52px", right: "24px", bottom: "24px", left: "52px" }, maxZoom: 1.1 } as const;
const MARGIN = 40;

const nearest = (places: Map<string, Rect>, others: Map<string, Rect>, x: number, y: number): string | undefined => {
  let best: { id: string; distance: number } | undefined;
  for (const [id, place] of places) {
    if (!others.has(id)) continue;
    const distance = Math.hypot(place.x + place.width / 2 - x, place.y + place.height / 2 - y);
    if (distance < (best?.distance ?? Infinity)) best = { id, distance };
  }
  return best?.id;
};

/**
 * What part of the graph is in view. Until somebody moves it, all of it; after that a new layout leaves what one looks at where it is: `anchor`, or else
 * what is nearest to the middle.
 */
export const useView = (placed: Placed, anchor: string | undefined, selected: string | undefined, width: number, height: number) => {
  const { getViewport, setViewport } = useReactFlow();
  const store = useStoreApi();
  const touched = useRef(false);
  const before = useRef<Placed | undefined>(undefined);

  const show = useCallback(
    (rects: Iterable<Rect>, maxZoom: number, duration: number) => {
      const bounds = around(rects);
      const { height, width: wide } = store.getState();
      if (bounds === undefined || wide === 0 || height === 0) return;
      void setViewport(getViewportForBounds(bounds, wide, height, ZOOM.min, maxZoom, FIT.padding), { duration });
    },
    [setViewport, store],
  );

  const fit = useCallback(
    (duration = 250) => {
      touched.current = false;
      const whole = wholeOf(placed);
      if (whole !== undefined) show([whole], FIT.maxZoom, duration);
    },
    [placed, show],
  );

  const touch = useCallback(() => {
    touched.current = true;
  }, []);

  /** Moves no further than needed to have a node in view; brings it to the middle where `middle`. */
  const reveal = useCallback(
    (id: string, middle = false) => {
      const place = placed.places.get(id) ?? placed.frames.get(id);
      const { height, width: wide } = store.getState();
      if (place === undefined || wide === 0) return;
      const { x, y, zoom } = getViewport();
      const near = middle ? Math.max(zoom, 0.7) : zoom;
      const left = place.x * near + x;
      const top = place.y * near + y;
      const [w, h] = [place.width * near, place.height * near];
      const isIn = left >= MARGIN && top >= MARGIN && left + w <= wide - MARGIN && top + h <= height - MARGIN;
      if (isIn && near === zoom) return;
      touched.current = true;
      if (middle) {
        void setViewport({ x: wide / 2 - (place.x + place.width / 2) * near, y: height / 2 - (place.y + place.height / 2) * near, zoom: near }, { duration: 200 });
        return;
      }
      const dx = Math.max(MARGIN - left, 0) || Math.min(wide - MARGIN - left - w, 0);
      const dy = Math.max(MARGIN - top, 0) || Math.min(height - MARGIN - top - h, 0);
      void setViewport({ x: x + dx, y: y + dy, zoom });
    },
    [getViewport, placed, setViewport, store],
  );

  useLayoutEffect(() => {
    const last = before.current;
    before.current = placed;
    if (last === undefined || last === placed) return;
    if (!touched.current || last.layout !== placed.layout) {
      fit();
      return;
    }
    const { height, width: wide } = store.getState();
    const { x, y, zoom } = getViewport();
    const middle = nearest(last.places, placed.places, (wide / 2 - x) / zoom, (height / 2 - y) / zoom);
    const old = (id: string) => last.places.get(id) ?? last.frames.get(id);
    const now = (id: string) => placed.places.get(id) ?? placed.frames.get(id);
    const id = anchor !== undefined && old(anchor) !== undefined && now(anchor) !== undefined ? anchor : middle;
    const [from, to] = id === undefined ? [undefined, undefined] : [old(id), now(id)];
    if (from !== undefined && to !== undefined) void setViewport({ x: x + (from.x - to.x) * zoom, y: y + (from.y - to.y) * zoom, zoom });
  }, [anchor, fit, getViewport, placed, setViewport, store]);

  useLayoutEffect(() => {
    if (width > 0 && height > 0 && !touched.current) fit(0); // at once: a click soon after would leave a moving view half way
    else if (width > 0 && selected !== undefined) reveal(selected);
    // Only for a new size: layouts are looked at above.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [height, width]);

  return useMemo(() => ({ fit, reveal, show, touch }), [fit, reveal, show, touch]);
};
