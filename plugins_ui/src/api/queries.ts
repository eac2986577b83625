/** One hook for each endpoint; the only file with query keys. */
import { keepPreviousData, useQueries, useQuery, useQueryClient, type UseQueryResult } from "@tanstack/react-query";

import { ApiError, apiUrl, getJson } from "./client";
import type { ArtifactPreview } from "./previews";
import type { ArtifactDetails, Direction, LineageGraph, LineageNode, RunDetails } from "./types";

const POLL_MS = 5000;

export type Place = { dagId?: string; runId?: string; taskId?: string; mapIndex?: string };
export type Extent = { depth?: number; direction: Direction };

/** The graph endpoint of the page that the tab stands on. */
export const graphPath = ({ dagId, runId, taskId, mapIndex }: Place, { depth, direction }: Extent): string => {
  const part = encodeURIComponent;
  const dag = `/dags/${part(dagId ?? "~")}`;
  const run = runId === undefined ? "" : `/runs/${part(runId)}`;
  const task = taskId === undefined ? "" : `/tasks/${part(taskId)}`;
  const query = new URLSearchParams();
  if (depth !== undefined) query.set("depth", String(depth));
  if (direction !== "both") query.set("direction", direction);
  if (run && task && mapIndex !== undefined && /^\d+$/.test(mapIndex)) query.set("map_index", mapIndex);
  const text = query.toString();
  return `${dag}${run}${task}/graph${text ? `?${text}` : ""}`;
};

const retry = (count: number, error: Error) => !(error instanceof ApiError && error.status < 500) && count < 2;

/** Asked again only while something runs. */
const whileRunning = ({ state }: { state: { data: LineageGraph | undefined } }) =>
  state.data?.nodes.some((node) => node.kind === "run" && node.state === "running") ? POLL_MS : false;

export const useGraph = (place: Place, extent: Extent) => {
  const path = graphPath(place, extent);
  return useQuery({
    queryKey: ["graph", path],
    queryFn: ({ signal }) => getJson<LineageGraph>(path, signal),
    placeholderData: keepPreviousData,
    refetchInterval: whileRunning,
    retry,
  });
};

/** A node's own graph; undefined for nodes that have none. */
export const aroundPath = (node: LineageNode): string | undefined => {
  const extent = { depth: 2, direction: "both" as const };
  if (node.kind === "artifact") return node.digest === null ? undefined : `/artifacts/${node.digest}/graph?depth=${extent.depth}`;
  if (node.kind !== "run" || node.dag_id === null || node.dag_run_id === null || node.task_id === null) return undefined;
  return graphPath({ dagId: node.dag_id, runId: node.dag_run_id, taskId: node.task_id, mapIndex: String(node.map_index ?? -1) }, extent);
};

/**
 * The graphs around these nodes of a graph, in this order, each undefined until it is there. A node may be known only from what was loaded around one
 * before it.
 */
export const useAround = (graph: LineageGraph | undefined, ids: string[]) => {
  const client = useQueryClient();
  const known = new Map((graph?.nodes ?? []).map((node) => [node.id, node]));
  const paths = ids.map((id) => {
    const node = known.get(id);
    const path = node === undefined ? undefined : aroundPath(node);
    for (const found of client.getQueryData<LineageGraph>(["graph", path])?.nodes ?? []) known.set(found.id, found);
    return path;
  });
  return useQueries({
    queries: paths.map((path) => ({
      queryKey: ["graph", path],
      queryFn: ({ signal }: { signal: AbortSignal }) => getJson<LineageGraph>(path ?? "", signal),
      enabled: path !== undefined,
      refetchInterval: whileRunning,
      retry,
    })),
    combine,
  });
};

const combine = (results: UseQueryResult<LineageGraph>[]) => ({
  around: results.map(({ data }) => data),
  isLoading: results.some(({ isLoading }) => isLoading),
  error: results.find(({ error }) => error !== null)?.error ?? null,
  refetch: () => Promise.all(results.filter(({ isError }) => isError).map((result) => result.refetch())),
});

export const useRun = (runId: string) =>
  useQuery({
    queryKey: ["run", runId],
    queryFn: ({ signal }) => getJson<RunDetails>(`/runs/${runId}`, signal),
    refetchInterval: ({ state }) => (state.data?.node.state === "running" ? POLL_MS : false),
    retry,
  });

export const useArtifact = (digest: string) =>
  useQuery({
    queryKey: ["artifact", digest],
    queryFn: ({ signal }) => getJson<ArtifactDetails>(`/artifacts/${digest}`, signal),
    retry,
  });

export const usePreview = (digest: string, wanted: boolean) =>
  useQuery({
    queryKey: ["preview", digest],
    queryFn: ({ signal }) => getJson<ArtifactPreview>(`/artifacts/${digest}/preview`, signal),
    enabled: wanted,
    staleTime: Infinity,
    retry,
  });

export const pictureUrl = (digest: string): string => apiUrl(`/artifacts/${digest}/preview.png`);
