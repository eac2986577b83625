/** Everything that is worth sharing stands in the URL, so that a link shows the same and the back button works. */
import { useLayoutEffect, useMemo, useRef } from "react";
import { useSearchParams } from "react-router-dom";

import type { Direction } from "../api/types";
import { GROUPINGS, type Grouping } from "./grouping";
import { LAYOUTS, type Layout } from "./layout";

const DIRECTIONS: readonly Direction[] = ["both", "upstream", "downstream"];

/** More the server does not give at once. */
export const MOST_NODES = 2000;

export type LineageView = {
  /** Undefined: nobody chose; empty: the panel was closed on purpose. */
  node: string | undefined;
  /** The other end of a highlighted path. */
  to: string | undefined;
  depth: number | undefined;
  /** How many nodes are fetched; undefined: as many as the server thinks good. */
  nodes: number | undefined;
  /** Which way the graph is fetched. */
  direction: Direction;
  /** Which way from the selected node stays bright. */
  bright: Direction;
  grouping: Grouping | undefined;
  open: string[];
  /** Nodes around which more was loaded. */
  more: string[];
  query: string;
  layout: Layout;
  wide: boolean;
};

const NAMES: Record<keyof LineageView, string> = {
  node: "lin_node",
  to: "lin_to",
  depth: "lin_depth",
  nodes: "lin_nodes",
  direction: "lin_dir",
  bright: "lin_bright",
  grouping: "lin_group",
  open: "lin_open",
  more: "lin_more",
  query: "lin_q",
  layout: "lin_layout",
  wide: "lin_wide",
};

const oneOf = <T extends string>(values: readonly T[], text: string | null): T | undefined => values.find((value) => value === text);
const list = (text: string | null): string[] => (text ?? "").split(",").filter((item) => item !== "");

export const readView = (params: URLSearchParams): LineageView => {
  const get = (name: keyof LineageView) => params.get(NAMES[name]);
  const depth = Number(get("depth") ?? Number.NaN);
  return {
    node: get("node") ?? undefined,
    to: get("to") ?? undefined,
    depth: Number.isInteger(depth) && depth >= 0 && depth <= 50 ? depth : undefined,
    nodes: get("nodes") === String(MOST_NODES) ? MOST_NODES : undefined,
    direction: oneOf(DIRECTIONS, get("direction")) ?? "both",
    bright: oneOf(DIRECTIONS, get("bright")) ?? "both",
    grouping: oneOf(GROUPINGS, get("grouping")),
    open: list(get("open")),
    more: list(get("more")),
    query: get("query") ?? "",
    layout: oneOf(LAYOUTS, get("layout")) ?? "rows",
    wide: get("wide") === "1",
  };
};

/** The parameters with these changes; what is as it is anyway is left out, the parameters of others stay. */
export const writeView = (before: URLSearchParams, changes: Partial<LineageView>): URLSearchParams => {
  const after = new URLSearchParams(before);
  for (const [name, value] of Object.entries(changes) as [keyof LineageView, LineageView[keyof LineageView]][]) {
    const text = Array.isArray(value) ? value.join(",") : value === true ? "1" : value === false ? "" : String(value ?? "");
    const isUsual = value === undefined || (text === "" && name !== "node") || text === "both" || (name === "layout" && text === "rows");
    if (isUsual) after.delete(NAMES[name]);
    else after.set(NAMES[name], text);
  }
  return after;
};

/** What is to be changed, or what makes it of the newest state: of two clicks in a row the second knows of the first before Airflow has drawn that. */
export type Changes = Partial<LineageView> | ((now: LineageView) => Partial<LineageView>);

export type LineageUrl = LineageView & {
  /** A step that the back button undoes. */
  go: (changes: Changes) => void;
  /** In place of the present one: what changes letter by letter. */
  replace: (changes: Changes) => void;
};

export const useLineageUrl = (): LineageUrl => {
  const [params, setParams] = useSearchParams();
  const view = useMemo(() => readView(params), [params]);
  const newest = useRef(params);
  useLayoutEffect(() => {
    newest.current = params;
  }, [params]);
  const set = (changes: Changes, replace: boolean) => {
    const before = newest.current;
    newest.current = writeView(before, typeof changes === "function" ? changes(readView(before)) : changes);
    setParams(newest.current, { replace });
  };
  return {
    ...view,
    go: (changes) => {
      set(changes, false);
    },
    replace: (changes) => {
      set(changes, true);
    },
  };
};
