/** Airflow's page of a task instance, where its logs are. */
export const taskInstancePath = (dagId: string, runId: string, taskId: string, mapIndex: number | null): string => {
  const mapped = mapIndex !== null && mapIndex >= 0 ? `/mapped/${mapIndex}` : "";
  return `/dags/${encodeURIComponent(dagId)}/runs/${encodeURIComponent(runId)}/tasks/${encodeURIComponent(taskId)}${mapped}`;
};
