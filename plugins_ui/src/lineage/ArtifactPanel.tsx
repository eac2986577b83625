import { Box, Table, Text, VStack } from "@chakra-ui/react";

import { useArtifact, usePreview } from "../api/queries";
import type { ArtifactNode, RunNode } from "../api/types";
import { Digest } from "../components/Digest";
import { ErrorAlert } from "../components/ErrorAlert";
import { Field, Section } from "../components/Field";
import { Preview } from "../preview/Preview";
import { Promises } from "../preview/Promises";
import { formatBytes, formatTime } from "./format";
import { NodeLink, Waiting, type Select } from "./Inspector";
import { Mono } from "./Mono";

type Props = { node: ArtifactNode; knows: (id: string) => boolean; onSelect: Select };

export const ArtifactPanel = ({ knows, node, onSelect }: Props) => {
  const digest = node.digest ?? "";
  const { data, error, refetch } = useArtifact(digest);
  const preview = usePreview(digest, !node.has_value);
  return (
    <>
      <VStack align="stretch" gap={1}>
        <Field name="digest">{node.digest === null ? null : <Digest digest={node.digest} />}</Field>
        <Field name="type">{node.type}</Field>
        <Field name="size">
          {node.size === null ? null : `${formatBytes(node.size)} (${node.size.toLocaleString("en")} bytes)`}
        </Field>
        <Field name="codec">{node.codec}</Field>
        <Field name="output">{node.names.join(", ")}</Field>
        {data === undefined ? null : <Field name="first seen">{formatTime(data.first_seen)}</Field>}
        {data?.statistics.rowCount === undefined ? null : <Field name="rows">{Number(data.statistics.rowCount).toLocaleString("en")}</Field>}
      </VStack>
      {data === undefined ? null : <Promises details={data} />}
      {node.has_value ? (
        <Section title="Value">
          <Mono text={JSON.stringify(node.value, undefined, 2)} />
        </Section>
      ) : (
        <Preview digest={digest} knows={knows} onSelect={onSelect} />
      )}
      {error === null ? null : <ErrorAlert error={error} onRetry={() => void refetch()} />}
      {data === undefined ? (
        error === null && <Waiting />
      ) : (
        <>
          <Runs runs={data.producers} title="Produced by" onSelect={onSelect} />
          <Runs runs={data.consumers} title="Used by" onSelect={onSelect} />
          {data.schema_fields.length === 0 || preview.data?.kind === "table" ? null : (
            <Section title={`Columns (${data.schema_fields.length})`}>
              <Box borderRadius="md" borderWidth="1px" maxH="280px" overflowY="auto">
                <Table.Root size="sm">
                  <Table.Body>
                    {data.schema_fields.map(({ name, type }) => (
                      <Table.Row key={name}>
                        <Table.Cell>{name}</Table.Cell>
                        <Table.Cell color="fg.muted">{type}</Table.Cell>
                      </Table.Row>
                    ))}
                  </Table.Body>
                </Table.Root>
              </Box>
            </Section>
          )}
        </>
      )}
    </>
  );
};

const Runs = ({ onSelect, runs, title }: { runs: RunNode[]; title: string; onSelect: Select }) => (
  <Section title={`${title} (${runs.length})`}>
    {runs.length === 0 ? <Text fontSize="sm">nothing yet</Text> : null}
    <VStack align="stretch" gap={0}>
      {runs.map((run) => (
        <NodeLink key={run.id} node={run} onSelect={onSelect}>
          <Text color="fg.muted" truncate>
            {run.started_at === null ? "" : formatTime(run.started_at)}
          </Text>
        </NodeLink>
      ))}
    </VStack>
  </Section>
);
