import { useMemo } from "react";

import type { Direction } from "../api/types";
import type { Marks } from "./flow";
import { between, pathOf, type Between, type IndexedGraph, type Way } from "./graph";
import type { Shown } from "./grouping";
import { search } from "./search";

const WAYS: Record<Direction, Way[]> = { both: ["upstream", "downstream"], upstream: ["upstream"], downstream: ["downstream"] };

export type Chosen = { selected: string | undefined; to: string | undefined; bright: Direction; query: string };
export type Found = { marks: Omit<Marks, "cursor" | "hit">; hits: string[]; between: Between | undefined };

/** What is bright, found and marked: asked of the graph itself, told of what stands for its nodes. */
export const useMarks = (index: IndexedGraph, shown: Shown, { bright, query, selected, to }: Chosen): Found => {
  const members = useMemo(() => {
    const groups = new Map(shown.nodes.flatMap((node) => (node.kind === "group" ? [[node.id, node.members] as const] : [])));
    return (id: string) => groups.get(id) ?? (index.nodes.has(id) ? [id] : []);
  }, [index, shown]);
  const found = useMemo(() => {
    if (selected === undefined) return undefined;
    if (to !== undefined) return between(index, members(selected), members(to)) ?? null;
    return pathOf(index, members(selected), WAYS[bright]);
  }, [bright, index, members, selected, to]);
  const hits = useMemo(() => {
    const ids = search(index.graph.nodes, query).map((id) => shown.shownAs.get(id) ?? id);
    return [...new Set(ids)];
  }, [index, query, shown]);
  return useMemo(() => {
    const shownOf = (ids: Iterable<string>) => new Set([...ids].map((id) => shown.shownAs.get(id) ?? id));
    const ends = [selected, to].filter((id) => id !== undefined).flatMap(members);
    const ids = found === undefined ? undefined : found === null ? ends : found instanceof Set ? found : found.ids;
    const { focus, more, nodes } = index.graph;
    const runs = nodes.filter(({ kind }) => kind === "run").length;
    return {
      between: found === undefined || found === null || found instanceof Set ? undefined : found,
      hits,
      marks: {
        selected: selected === undefined ? undefined : (shown.shownAs.get(selected) ?? selected),
        to: to === undefined ? undefined : (shown.shownAs.get(to) ?? to),
        bright: ids === undefined ? undefined : shownOf(ids),
        hits: new Set(hits),
        focus: focus.length < runs ? shownOf(focus) : new Set<string>(),
        more: shownOf([...more.upstream, ...more.downstream]),
      },
    };
  }, [found, hits, index, members, selected, shown, to]);
};
