import { Box, HStack, Text } from "@chakra-ui/react";
import type { NodeProps } from "@xyflow/react";

import { LockIcon, StepIcon } from "../../components/icons";
import { formatDuration } from "../format";
import type { FlowNode } from "../layout";
import { lookOf } from "../states";
import { NodeFrame } from "./NodeFrame";

export const RunNodeView = ({ data, selected }: NodeProps<FlowNode>) => {
  const { node } = data;
  if (node.kind !== "run") return null;
  const { palette, text } = lookOf(node.state);
  const facts = [
    node.try_number !== null && node.try_number > 1 ? `try ${node.try_number}` : undefined,
    node.duration_s === null ? undefined : formatDuration(node.duration_s),
  ].filter((fact) => fact !== undefined);
  return (
    <NodeFrame
      data={data}
      label={node.locked ? "locked step" : `step ${node.label}, ${text}${node.cache === "hit" ? ", cached" : ""}`}
      selected={selected}
      shape={{ borderRadius: "lg", overflow: "hidden" }}
      title={node.locked ? "A step of a Dag that you may not read" : `${node.job_name ?? node.label}\n${node.dag_run_id ?? ""}`}
    >
      <Box bg={node.locked ? "bg.emphasized" : `${palette}.solid`} borderLeftRadius="md" flexShrink={0} w="6px" />
      <Box flex="1" minW={0} px={2.5} py={1.5}>
        <HStack gap={1.5}>
          {node.locked ? <LockIcon /> : <StepIcon />}
          <Text fontSize="sm" fontWeight="semibold" truncate>
            {node.label}
          </Text>
        </HStack>
        {node.locked ? null : (
          <HStack color="fg.muted" fontSize="xs" gap={1.5} whiteSpace="nowrap">
            <Text color={`${palette}.fg`} fontWeight="medium">
              {node.cache === "hit" ? "cached" : text}
            </Text>
            {facts.map((fact) => (
              <Text key={fact}>· {fact}</Text>
            ))}
          </HStack>
        )}
      </Box>
    </NodeFrame>
  );
};
