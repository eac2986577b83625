/** One hook for each endpoint; the only file with query keys. */
import { keepPreviousData, useQueries, useQuery, type UseQueryResult } from "@tanstack/react-query";

import { ApiError, apiUrl, getJson } from "./client";
import type { ArtifactPreview } from "./previews";
import type { ArtifactDetails, Direction, LineageGraph, RunDetails } from "./types";

const POLL_MS = 5000;

export type Place = { dagId?: string; runId?: string; taskId?: string; mapIndex?: string };
export type Extent = { depth?: number; direction: Direction; nodes?: number };

/** The graph endpoint of the page that the tab stands on. */
export const graphPath = ({ dagId, runId, taskId, mapIndex }: Place, { depth, direction, nodes }: Extent): string => {
  const part = encodeURIComponent;
  const dag = `/dags/${part(dagId ?? "~")}`;
  const run = runId === undefined ? "" : `/runs/${part(runId)}`;
  const task = taskId === undefined ? "" : `/tasks/${part(taskId)}`;
  const query = new URLSearchParams();
  if (depth !== undefined) query.set("depth", String(depth));
  if (direction !== "both") query.set("direction", direction);
  if (nodes !== undefined) query.set("max_nodes", String(nodes));
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

const AROUND_HOPS = 2;

/** The graphs around these nodes, in this order, each undefined until it is there. */
export const useAround = (ids: string[]) =>
  useQueries({
    queries: ids.map((id) => {
      const path = `/nodes/${encodeURIComponent(id)}/graph?depth=${AROUND_HOPS}`;
      return {
        queryKey: ["graph", path],
        queryFn: ({ signal }: { signal: AbortSignal }) => getJson<LineageGraph>(path, signal),
        refetchInterval: whileRunning,
        retry,
      };
    }),
    combine,
  });

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
