import type { State } from "../api/types";

type Look = { palette: string; text: string };

/** Chakra colour palettes, as Airflow's own pages colour task states. */
const LOOKS: Record<State, Look> = {
  running: { palette: "cyan", text: "running" },
  success: { palette: "green", text: "success" },
  failed: { palette: "red", text: "failed" },
  skipped: { palette: "pink", text: "skipped" },
  unknown: { palette: "gray", text: "unknown" },
};

export const lookOf = (state: State | null): Look => LOOKS[state ?? "unknown"];
