import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { createContext, useContext, useMemo } from "react";
import type { ElkNode } from "elkjs/lib/elk-api";

import { runElk } from "./elk";
import type { Shown } from "./grouping";
import { fromElk, toElk, type Layout, type Placed } from "./layout";

/** Tests lay out without a worker. */
export const LayoutEngine = createContext<(graph: ElkNode) => Promise<ElkNode>>(runElk);

/** A short name of what a layout depends on (cyrb53: 53 bits are plenty for the few layouts of a page). */
export const shapeKey = ({ edges, nodes, parents }: Shown, layout: Layout): string => {
  let [a, b] = [0xdeadbeef, 0x41c6ce57];
  const add = (text: string) => {
    for (let n = 0; n < text.length; n += 1) {
      const code = text.charCodeAt(n);
      a = Math.imul(a ^ code, 2654435761);
      b = Math.imul(b ^ code, 1597334677);
    }
  };
  add(layout);
  for (const { id } of nodes) add(`${id} ${parents.get(id) ?? ""} `);
  for (const { id } of edges) add(`${id} `);
  return `${nodes.length}-${edges.length}-${(a >>> 0).toString(36)}${(b >>> 0).toString(36)}`;
};

/** What is shown with its places, which are computed again only when the nodes or edges are others. While that lasts, what was shown before. */
export const useLayout = (shown: Shown, layout: Layout) => {
  const engine = useContext(LayoutEngine);
  const key = useMemo(() => shapeKey(shown, layout), [shown, layout]);
  const query = useQuery({
    queryKey: ["layout", key],
    queryFn: async (): Promise<{ shown: Shown; placed: Placed }> => ({ shown, placed: fromElk(await engine(toElk(shown, layout)), layout) }),
    placeholderData: keepPreviousData,
    staleTime: Infinity,
    structuralSharing: false,
    retry: false,
  });
  const drawn = query.data === undefined || query.isPlaceholderData ? query.data : { shown, placed: query.data.placed };
  return { ...query, drawn };
};
