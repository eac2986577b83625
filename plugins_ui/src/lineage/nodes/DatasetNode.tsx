import { Box, Text } from "@chakra-ui/react";
import type { NodeProps } from "@xyflow/react";

import { DatasetIcon, LockIcon } from "../../components/icons";
import type { FlowNode } from "../layout";
import { NodeFrame } from "./NodeFrame";

export const DatasetNodeView = ({ data, selected }: NodeProps<FlowNode>) => {
  const { node } = data;
  if (node.kind !== "dataset") return null;
  return (
    <NodeFrame
      data={data}
      label={node.locked ? "locked data set" : `data set ${node.label}`}
      selected={selected}
      shape={{ alignItems: "center", bg: "bg.subtle", borderRadius: "sm", borderStyle: "dashed", gap: 2, px: 3 }}
      title={node.locked ? "A data set of a Dag that you may not read" : `${node.namespace ?? ""}\n${node.name ?? ""}`}
    >
      <Box color="orange.fg">{node.locked ? <LockIcon /> : <DatasetIcon />}</Box>
      <Box flex="1" minW={0}>
        <Text fontSize="sm" truncate>
          {node.label}
        </Text>
        <Text color="fg.muted" fontSize="xs" truncate>
          {node.namespace}
        </Text>
      </Box>
    </NodeFrame>
  );
};
