import type { State } from "../api/types";

type Look = { palette: string; text: string };

/** Chakra colour palettes, as Airflow's own pages colour task states. */
const LOOKS: Record<State, Look> = {
  running: { palette: "cyan", text: "running" },
  success: { palette: "green", text: "success" },
  failed: { palette: "red", text: "failed" },
  skipped: { palette: "pink", text: "skipped" },
  upstream_failed: { palette: "orange", text: "upstream failed" },
  removed: { palette: "gray", text: "removed" },
  unknown: { palette: "gray", text: "unknown" },
};

export const lookOf = (state: State | null): Look => LOOKS[state ?? "unknown"];
