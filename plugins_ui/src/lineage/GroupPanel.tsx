import { Badge, Button, HStack, Text, VStack } from "@chakra-ui/react";

import type { State } from "../api/types";
import { Field, Section } from "../components/Field";
import { formatDuration } from "./format";
import type { IndexedGraph } from "./graph";
import type { GroupNode } from "./grouping";
import { NodeLink, type Select } from "./Inspector";
import { lookOf } from "./states";

const MOST = 200;

type Props = { node: GroupNode; index: IndexedGraph; onSelect: Select; onOpen: () => void };

/** What is within a group that is drawn as one. */
export const GroupPanel = ({ index, node, onOpen, onSelect }: Props) => {
  const members = node.members.flatMap((id) => index.nodes.get(id) ?? []);
  return (
    <>
      <VStack align="stretch" gap={1}>
        {node.dag_run_id === null ? null : <Field name="Dag run">{node.dag_run_id}</Field>}
        {node.runs === 0 ? null : (
          <Field name="states">
            <HStack gap={2} wrap="wrap">
              {(Object.entries(node.states) as [State, number][]).map(([state, count]) => (
                <Badge key={state} colorPalette={lookOf(state).palette}>
                  {count} {lookOf(state).text}
                </Badge>
              ))}
            </HStack>
          </Field>
        )}
        <Button alignSelf="start" mt={1} size="xs" variant="outline" onClick={onOpen}>
          Open in the graph
        </Button>
      </VStack>
      <Section title={`Within (${members.length})`}>
        <VStack align="stretch" gap={0}>
          {members.slice(0, MOST).map((member) => (
            <NodeLink key={member.id} node={member} onSelect={onSelect}>
              {member.kind === "run" ? (
                <HStack color="fg.muted" fontSize="xs" gap={1.5}>
                  <Text color={`${lookOf(member.state).palette}.fg`}>{lookOf(member.state).text}</Text>
                  {member.duration_s === null ? null : <Text>{formatDuration(member.duration_s)}</Text>}
                </HStack>
              ) : null}
            </NodeLink>
          ))}
          {members.length > MOST ? <Text color="fg.muted" fontSize="sm">and {members.length - MOST} more: open the group, or search</Text> : null}
        </VStack>
      </Section>
    </>
  );
};
