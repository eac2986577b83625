import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { createContext, useContext } from "react";
import type { ElkNode } from "elkjs/lib/elk-api";

import type { LineageGraph } from "../api/types";
import { runElk } from "./elk";
import { fromElk, toElk } from "./layout";

/** Tests lay out without a worker. */
export const LayoutEngine = createContext<(graph: ElkNode) => Promise<ElkNode>>(runElk);

const shapeOf = (graph: LineageGraph): string =>
  graph.nodes.map(({ id }) => id).join() + graph.edges.map(({ source, target }) => source + target).join();

/** Positions for a graph: computed again only when its nodes or edges are others. */
export const useLayout = (graph: LineageGraph) => {
  const engine = useContext(LayoutEngine);
  return useQuery({
    queryKey: ["layout", shapeOf(graph)],
    queryFn: async () => fromElk(await engine(toElk(graph))),
    placeholderData: keepPreviousData,
    staleTime: Infinity,
    retry: false,
  });
};
