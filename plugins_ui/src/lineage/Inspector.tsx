import { Box, Button, CloseButton, Heading, HStack, Spinner, Text, VStack } from "@chakra-ui/react";
import type { ReactNode } from "react";

import type { LineageNode } from "../api/types";
import { ArtifactIcon, DatasetIcon, LockIcon, StepIcon } from "../components/icons";
import { Field, Section } from "../components/Field";
import { ArtifactPanel } from "./ArtifactPanel";
import { artifactKind } from "./format";
import type { IndexedGraph } from "./graph";
import { upstreamInOrder } from "./graph";
import { RunPanel } from "./RunPanel";

export type Select = (id: string) => void;

type Props = {
  node: LineageNode;
  index: IndexedGraph;
  wide: boolean;
  onSelect: Select;
  onClose: () => void;
  onWide: (wide: boolean) => void;
};

/** The side panel: all about the selected node. */
export const Inspector = ({ index, node, onClose, onSelect, onWide, wide }: Props) => (
  <Box
    aria-label={`Details of ${node.label}`}
    as="aside"
    bg="bg"
    borderLeftWidth="1px"
    h="full"
    overflowY="auto"
    p={4}
    flexShrink={0}
    w={{ base: "full", md: wide ? "min(900px, 70%)" : "420px" }}
  >
    <HStack justify="space-between" mb={3}>
      <HStack gap={2} minW={0}>
        <IconOf node={node} />
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
      {node.locked ? <Text color="fg.muted">This belongs to a Dag that you may not read.</Text> : <Details index={index} node={node} onSelect={onSelect} />}
      <Path index={index} node={node} onSelect={onSelect} />
    </VStack>
  </Box>
);

const IconOf = ({ node }: { node: LineageNode }) => {
  if (node.locked) return <LockIcon />;
  switch (node.kind) {
    case "run":
      return <StepIcon />;
    case "artifact":
      return <ArtifactIcon kind={artifactKind(node.codec, node.dataset_type)} />;
    case "dataset":
      return <DatasetIcon />;
  }
};

const Details = ({ index, node, onSelect }: { index: IndexedGraph; node: LineageNode; onSelect: Select }) => {
  switch (node.kind) {
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
    <IconOf node={node} />
    <Text truncate>{node.label}</Text>
    {children}
  </Button>
);

export const Waiting = () => (
  <HStack color="fg.muted" fontSize="sm">
    <Spinner size="xs" /> Loading details …
  </HStack>
);
