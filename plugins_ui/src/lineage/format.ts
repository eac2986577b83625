/** Pure: numbers, times and types as people read them. */

export const shortDigest = (digest: string): string => digest.slice(0, 12);

const UNITS = ["B", "kB", "MB", "GB", "TB"];

export const formatBytes = (bytes: number): string => {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const text = unit === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1);
  return `${text} ${UNITS[unit] ?? ""}`;
};

export const formatDuration = (seconds: number): string => {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  return hours > 0 ? `${hours} h ${minutes} min` : `${minutes} min ${whole % 60} s`;
};

export const formatTime = (iso: string): string =>
  new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** Every digit that the number has: nothing is rounded. */
export const formatNumber = (value: number | string): string => (typeof value === "number" ? String(value) : value);

export type ArtifactKind = "table" | "array" | "model" | "value" | "collection" | "files" | "figure" | "other";

const KINDS: Record<string, ArtifactKind> = {
  parquet: "table",
  "polars-parquet": "table",
  npy: "array",
  safetensors: "array",
  skops: "model",
  xgboost: "model",
  lightgbm: "model",
  json: "value",
  text: "value",
  bytes: "value",
  tree: "collection",
  files: "files",
  picture: "figure",
  plotly: "figure",
  png: "figure",
};

/** By the codec, whether stored in one piece or in chunks; models by their data set type too. */
export const artifactKind = (codec: string | null, datasetType: string | null): ArtifactKind => {
  if (datasetType === "MODEL") return "model";
  const name = (codec ?? "").replace(/^chunks\/\d+:/, "").split("/")[0] ?? "";
  return KINDS[name] ?? "other";
};

/** The type's own name, without the modules it is in. */
export const shortType = (type: string | null): string => (type ?? "").split(".").at(-1) ?? "";
