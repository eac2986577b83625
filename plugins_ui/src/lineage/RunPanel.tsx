import { Badge, Box, HStack, Link, Text, VStack } from "@chakra-ui/react";
import { Link as RouterLink } from "react-router-dom";

import { useRun } from "../api/queries";
import type { Port, RunDetails, RunNode } from "../api/types";
import { ErrorAlert } from "../components/ErrorAlert";
import { Field, Section } from "../components/Field";
import { CacheSection } from "./CacheSection";
import { EnvironmentSection, gitRows } from "./EnvironmentSection";
import { formatBytes, formatDuration, formatNumber, formatTime } from "./format";
import { NodeLink, Waiting, type Select } from "./Inspector";
import { Mono } from "./Mono";
import { taskInstancePath } from "./paths";
import { Rows } from "./Rows";
import { lookOf } from "./states";

const pathOf = ({ dag_id, dag_run_id, map_index, task_id }: RunNode): string | undefined =>
  dag_id === null || dag_run_id === null || task_id === null ? undefined : taskInstancePath(dag_id, dag_run_id, task_id, map_index);

export const RunPanel = ({ node, onSelect }: { node: RunNode; onSelect: Select }) => {
  const { data, error, refetch } = useRun(node.run_id ?? "");
  const { palette, text } = lookOf(node.state);
  const path = pathOf(node);
  return (
    <>
      <VStack align="stretch" gap={1}>
        <Field name="state">
          <HStack gap={2}>
            <Badge colorPalette={palette}>{text}</Badge>
            {node.try_number !== null && node.try_number > 0 ? <Text>try {node.try_number}</Text> : null}
          </HStack>
        </Field>
        {node.duration_s === null ? null : <Field name="duration">{formatDuration(node.duration_s)}</Field>}
        {node.started_at === null ? null : <Field name="started">{formatTime(node.started_at)}</Field>}
        <Field name="job">{node.job_name}</Field>
        <Field name="Dag run">{node.dag_run_id}</Field>
        {path === undefined ? null : (
          <Field name="Airflow">
            <Link asChild colorPalette="blue" variant="underline">
              <RouterLink to={path}>task instance and logs</RouterLink>
            </Link>
          </Field>
        )}
      </VStack>
      {error === null ? null : <ErrorAlert error={error} onRetry={() => void refetch()} />}
      {data === undefined ? error === null && <Waiting /> : <Told details={data} onSelect={onSelect} />}
    </>
  );
};

const Told = ({ details, onSelect }: { details: RunDetails; onSelect: Select }) => {
  const { cache, error, metrics, provenance, resources, source, step, tries } = details;
  const literals = Object.entries(step?.arguments ?? {}).filter(([, ref]) => "value" in ref);
  return (
    <>
      {error === null ? null : (
        <Section title="Error">
          <Text color="fg.error" fontSize="sm" mb={2}>
            {error.message}
          </Text>
          {error.stack_trace === null ? null : <Mono text={error.stack_trace} />}
        </Section>
      )}
      {tries.length > 1 ? (
        <Section title={`Tries (${tries.length})`}>
          <HStack gap={2} wrap="wrap">
            {tries.map(({ run_id, state, try_number }) => (
              <Badge
                key={run_id}
                aria-label={`Show try ${try_number}`}
                as="button"
                colorPalette={lookOf(state).palette}
                cursor="pointer"
                variant={run_id === details.node.run_id ? "solid" : "subtle"}
                onClick={() => {
                  onSelect(`run:${run_id}`);
                }}
              >
                {try_number} {state}
              </Badge>
            ))}
          </HStack>
        </Section>
      ) : null}
      <CacheSection cache={cache} />
      <Rows title="Metrics" rows={Object.entries(metrics).map(([name, value]) => [name, formatNumber(value)])} />
      <Ports ports={details.inputs} title="Inputs" onSelect={onSelect} />
      <Ports ports={details.outputs} title="Outputs" onSelect={onSelect} />
      <Rows title="Parameters" rows={literals.map(([name, ref]) => [name, <code key="v">{JSON.stringify(ref.value)}</code>])} />
      {resources === null ? null : (
        <Rows
          title="Resources"
          rows={[
            ["wall time", resources.durationSeconds === undefined ? "" : formatDuration(resources.durationSeconds)],
            ["CPU time", resources.cpuSeconds === undefined ? "" : formatDuration(resources.cpuSeconds)],
            ["peak memory", resources.peakMemoryBytes === undefined ? "" : formatBytes(resources.peakMemoryBytes)],
            ["ran", step?.compute === "kubernetes" ? "in a pod" : "in the worker"],
          ]}
        />
      )}
      {step === null ? null : (
        <Rows title="Code" rows={[["function", step.function ?? ""], ["file", `${step.file ?? ""}${step.line == null ? "" : `:${step.line}`}`], ...gitRows(provenance)]} />
      )}
      {source === null ? null : <Mono text={source} />}
      <EnvironmentSection provenance={provenance} />
    </>
  );
};

const Ports = ({ onSelect, ports, title }: { ports: Port[]; title: string; onSelect: Select }) =>
  ports.length === 0 ? null : (
    <Section title={title}>
      <VStack align="stretch" gap={0}>
        {ports.map(({ label, node }) => (
          <Box key={`${label} ${node.id}`}>
            <NodeLink node={node} onSelect={onSelect}>
              <Text color="fg.muted">{label === "return_value" ? "" : label}</Text>
            </NodeLink>
          </Box>
        ))}
      </VStack>
    </Section>
  );
