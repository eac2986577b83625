import type { ArtifactNode, LineageEdge, LineageGraph, LineageNode, RunNode } from "../api/types";

export const buildRun = (name: string, changes: Partial<RunNode> = {}): RunNode => ({
  id: `run:${name}`,
  kind: "run",
  label: name,
  locked: false,
  run_id: name,
  state: "success",
  job_namespace: "default",
  job_name: `flow.${name}`,
  dag_id: "flow",
  dag_run_id: "manual__2026",
  task_id: name,
  map_index: -1,
  try_number: 1,
  started_at: "2026-01-01T00:00:00Z",
  ended_at: "2026-01-01T00:00:05Z",
  duration_s: 5,
  cache: null,
  ...changes,
});

export const buildArtifact = (name: string, changes: Partial<ArtifactNode> = {}): ArtifactNode => ({
  id: `artifact:${name}`,
  kind: "artifact",
  label: name,
  locked: false,
  digest: name.padEnd(64, "0"),
  codec: "parquet/1",
  type: "pandas.DataFrame",
  size: 1234,
  names: [`flow.${name}.return_value`],
  dataset_type: null,
  value: null,
  has_value: false,
  ...changes,
});

/** An edge between the ids of two nodes, in the direction of the data. */
export const buildEdge = (source: string, target: string, label = ""): LineageEdge => ({
  source,
  target,
  kind: source.startsWith("run:") ? "write" : "read",
  label,
});

export const buildGraph = (nodes: LineageNode[], edges: LineageEdge[], changes: Partial<LineageGraph> = {}): LineageGraph => ({
  focus: [],
  nodes,
  edges,
  truncated: false,
  more: { upstream: [], downstream: [] },
  ...changes,
});

/** raw -> [table] -> train -> [model] -> predict -> [scores], and the table goes to predict as well. */
export const buildPipeline = (changes: Partial<LineageGraph> = {}): LineageGraph =>
  buildGraph(
    [
      buildRun("raw"),
      buildArtifact("table"),
      buildRun("train"),
      buildArtifact("model", { codec: "skops/1", dataset_type: "MODEL", type: "sklearn.pipeline.Pipeline" }),
      buildRun("predict"),
      buildArtifact("scores"),
      buildArtifact("aside"),
    ],
    [
      buildEdge("run:raw", "artifact:table", "return_value"),
      buildEdge("run:raw", "artifact:aside", "aside"),
      buildEdge("artifact:table", "run:train", "table"),
      buildEdge("run:train", "artifact:model", "return_value"),
      buildEdge("artifact:model", "run:predict", "model"),
      buildEdge("artifact:table", "run:predict", "flights"),
      buildEdge("run:predict", "artifact:scores", "return_value"),
    ],
    changes,
  );
