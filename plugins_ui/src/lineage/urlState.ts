/** What is selected and how far the graph goes stands in the URL, so that a link shows the same. */
import { useSearchParams } from "react-router-dom";

import type { Direction } from "../api/types";

export type LineageUrl = {
  selected: string | undefined;
  depth: number | undefined;
  direction: Direction;
  wide: boolean;
  select: (id: string | undefined) => void;
  setDepth: (depth: number) => void;
  setDirection: (direction: Direction) => void;
  setWide: (wide: boolean) => void;
};

const isDirection = (text: string | null): text is Direction =>
  text === "both" || text === "upstream" || text === "downstream";

/** An empty lin_node means that the panel was closed on purpose. */
export const useLineageUrl = (initial: string | undefined): LineageUrl => {
  const [params, setParams] = useSearchParams();
  const set = (name: string, value: string, replace: boolean) => {
    setParams(
      (before) => {
        const after = new URLSearchParams(before);
        after.set(name, value);
        return after;
      },
      { replace },
    );
  };
  const node = params.get("lin_node");
  const depth = Number(params.get("lin_depth") ?? Number.NaN);
  const direction = params.get("lin_dir");
  return {
    selected: node === null ? initial : node || undefined,
    depth: Number.isInteger(depth) && depth >= 0 && depth <= 50 ? depth : undefined,
    direction: isDirection(direction) ? direction : "both",
    wide: params.get("lin_wide") === "1",
    select: (id) => {
      set("lin_node", id ?? "", false);
    },
    setDepth: (value) => {
      set("lin_depth", String(value), true);
    },
    setDirection: (value) => {
      set("lin_dir", value, true);
    },
    setWide: (value) => {
      set("lin_wide", value ? "1" : "0", true);
    },
  };
};
