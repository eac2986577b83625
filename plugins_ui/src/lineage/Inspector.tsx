import { Box, Button, CloseButton, Heading, HStack, Spinner, Text, VStack } from "@chakra-ui/react";
import type { ReactNode } from "react";

import type { LineageNode } from "../api/types";
import { NodeIcon } from "../components/icons";
import { Field, Section } from "../components/Field";
import { ArtifactPanel } from "./ArtifactPanel";
import type { IndexedGraph } from "./graph";
import { upstreamInOrder } from "./graph";
import { GroupPanel } from "./GroupPanel";
import type { ShownNode } from "./grouping";
import { RunPanel } from "./RunPanel";

export type Select = (id: string) => void;

type Props = {
  node: ShownNode;
  index: IndexedGraph;
  wide: boolean;
  onSelect: Select;
  onClose: () => void;
  onOpen: (group: string) => void;
  onWide: (wide: boolean) => void;
};

/** The side panel: all about the selected node. */
export const Inspector = ({ index, node, onClose, onOpen, onSelect, onWide, wide }: Props) => (
  <Box
    aria-label={`Details of ${node.label}`}
    as="aside"
    bg="bg"
    borderLeftWidth="1px"
    css={{ "@container (max-width: 760px)": { borderLeftWidth: 0, borderTopWidth: "1px", flex: "1 1 50%", height: "auto", minHeight: 0, width: "100%" } }}
    flexShrink={0}
    h="full"
    overflowY="auto"
    p={4}
    tabIndex={0}
    w={wide ? "min(900px, 70%)" : "min(420px, 50%)"}
  >
    <HStack justify="space-between" mb={3}>
      <HStack gap={2} minW={0}>
        <NodeIcon node={node} />
        <Heading size="md" truncate>
          {node.label}
        </Heading>
      </HStack>
      <HStack flexShrink={0} gap={1}>
        <Button
          aria-pressed={wide}
          size="2xs"
          variant="outline"
          onClick={() => {
            onWide(!wide);
          }}
        >
          {wide ? "Narrow" : "Widen"}
        </Button>
        <CloseButton aria-label="Close the details" size="sm" onClick={onClose} />
      </HStack>
    </HStack>
    <VStack align="stretch" gap={5}>
      {node.locked ? <Text color="fg.muted">This belongs to a Dag that you may not read.</Text> : <Details index={index} node={node} onOpen={onOpen} onSelect={onSelect} />}
      {node.kind === "group" ? null : <Path index={index} node={node} onSelect={onSelect} />}
    </VStack>
  </Box>
);

const Details = ({ index, node, onOpen, onSelect }: Pick<Props, "index" | "node" | "onOpen" | "onSelect">) => {
  switch (node.kind) {
    case "group":
      return (
        <GroupPanel
          index={index}
          node={node}
          onOpen={() => {
            onOpen(node.id);
          }}
          onSelect={onSelect}
        />
      );
    case "run":
      return <RunPanel node={node} onSelect={onSelect} />;
    case "artifact":
      return <ArtifactPanel knows={(id) => index.nodes.has(id)} node={node} onSelect={onSelect} />;
    case "dataset":
      return (
        <Section title="Data set">
          <Field name="namespace">{node.namespace}</Field>
          <Field name="name">{node.name}</Field>
        </Section>
      );
  }
};

const Path = ({ index, node, onSelect }: { index: IndexedGraph; node: LineageNode; onSelect: Select }) => {
  const path = upstreamInOrder(index, node.id);
  if (path.length === 0) return null;
  return (
    <Section title={`Came from (${path.length})`}>
      <VStack align="stretch" gap={0}>
        {path.map((member) => (
          <NodeLink key={member.id} node={member} onSelect={onSelect} />
        ))}
      </VStack>
    </Section>
  );
};

/** One line that selects a node. */
export const NodeLink = ({ children, node, onSelect }: { children?: ReactNode; node: LineageNode; onSelect: Select }) => (
  <Button
    aria-label={`${node.kind === "run" ? "step" : node.kind} ${node.label}`}
    justifyContent="start"
    size="xs"
    variant="ghost"
    onClick={() => {
      onSelect(node.id);
    }}
  >
    <NodeIcon node={node} />
    <Text truncate>{node.label}</Text>
    {children}
  </Button>
);

export const Waiting = () => (
  <HStack color="fg.muted" fontSize="sm">
    <Spinner size="xs" /> Loading details …
  </HStack>
);
