import { useMemo } from "react";

import { useAround, useGraph, type Place } from "../api/queries";
import { mergeGraphs } from "./merge";
import type { LineageView } from "./urlState";

/** The graph of the page, with what was loaded around some of its nodes. */
export const useLineage = (place: Place, view: Pick<LineageView, "depth" | "direction" | "more" | "nodes">) => {
  const page = useGraph(place, view);
  const { data } = page;
  const { around, error, isLoading, refetch } = useAround(view.more);
  const graph = useMemo(
    () =>
      data === undefined
        ? undefined
        : view.more.reduce((merged, id, n) => {
            const found = around[n];
            return found === undefined ? merged : mergeGraphs(merged, found, id);
          }, data),
    [around, data, view.more],
  );
  return { page: data, graph, error: page.error, refetch: page.refetch, more: { error, isLoading, refetch } };
};
