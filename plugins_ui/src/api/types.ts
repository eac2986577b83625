/** The answers of the lineage API; docs/lineage-api.md explains them. */

export type State = "running" | "success" | "failed" | "skipped" | "upstream_failed" | "removed" | "unknown";
export type CacheStatus = "hit" | "miss" | "off" | "refreshed";
export type Direction = "both" | "upstream" | "downstream";

type NodeBase = { id: string; label: string; locked: boolean };

export type RunNode = NodeBase & {
  kind: "run";
  run_id: string | null;
  state: State | null;
  job_namespace: string | null;
  job_name: string | null;
  dag_id: string | null;
  dag_run_id: string | null;
  task_id: string | null;
  map_index: number | null;
  try_number: number | null;
  started_at: string | null;
  ended_at: string | null;
  duration_s: number | null;
  cache: CacheStatus | null;
};

export type ArtifactNode = NodeBase & {
  kind: "artifact";
  digest: string | null;
  codec: string | null;
  type: string | null;
  size: number | null;
  names: string[];
  dataset_type: string | null;
  value: unknown;
  has_value: boolean;
};

export type DatasetNode = NodeBase & {
  kind: "dataset";
  namespace: string | null;
  name: string | null;
  version: string | null;
};

export type LineageNode = RunNode | ArtifactNode | DatasetNode;

export type LineageEdge = { source: string; target: string; kind: "read" | "write"; label: string };

export type LineageGraph = {
  focus: string[];
  nodes: LineageNode[];
  edges: LineageEdge[];
  truncated: boolean;
  more: { upstream: string[]; downstream: string[] };
};

export type Port = { label: string; node: ArtifactNode | DatasetNode };

export type Ref = { digest: string; codec: string; type: string; size: number; value?: unknown };

export type Provenance = {
  git?: {
    commit: string | null;
    branch: string | null;
    remote: string | null;
    dirty: boolean | null;
    diff?: Ref | null;
    diffUnavailable?: string | null;
  } | null;
  python?: string;
  platform?: string;
  host?: string;
  executor?: string | null;
  cpuCount?: number;
  cpuModel?: string | null;
  cpuLimit?: number | null;
  memoryBytes?: number;
  memoryLimitBytes?: number | null;
  gpus?: { devices?: { index: number; name: string | null; memoryBytes: number | null; driver: string | null }[] } | null;
  scratch?: { freeBytes?: number } | null;
  seeds?: Record<string, number> | null;
  packages?: Ref | null;
  image?: string | null;
  imageDigest?: string | null;
  providerVersion?: string;
};

export type RunDetails = {
  node: RunNode;
  inputs: Port[];
  outputs: Port[];
  step: {
    function?: string;
    file?: string | null;
    line?: number | null;
    compute?: string;
    arguments?: Record<string, Ref>;
    codeUnavailable?: string | null;
  } | null;
  source: string | null;
  provenance: Provenance | null;
  cache: {
    status?: CacheStatus;
    key?: string | null;
    reason?: string;
    changed?: { part: string; was: string | null; now: string | null }[];
    computedBy?: { dagId: string; runId: string; taskId: string; mapIndex: number; at: string } | null;
  } | null;
  resources: { durationSeconds?: number; cpuSeconds?: number; peakMemoryBytes?: number } | null;
  metrics: Record<string, number | string>;
  error: { message: string; stack_trace: string | null } | null;
  tries: { run_id: string; try_number: number; state: State }[];
  event_count: number;
};

export type ArtifactDetails = {
  node: ArtifactNode;
  producers: RunNode[];
  consumers: RunNode[];
  schema_fields: { name: string; type: string | null }[];
  statistics: Record<string, unknown>;
  first_seen: string;
  deterministic: boolean | null;
  depends_on: string[];
  pickle: boolean;
};
