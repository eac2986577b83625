import { Box, Text } from "@chakra-ui/react";
import type { NodeProps } from "@xyflow/react";

import { ArtifactIcon, LockIcon } from "../../components/icons";
import { artifactKind, formatBytes, shortDigest, shortType } from "../format";
import type { FlowNode } from "../layout";
import { NodeFrame } from "./NodeFrame";

export const ArtifactNodeView = ({ data, selected }: NodeProps<FlowNode>) => {
  const { node } = data;
  if (node.kind !== "artifact") return null;
  const kind = artifactKind(node.codec, node.dataset_type);
  const inline = node.has_value ? JSON.stringify(node.value) : undefined;
  return (
    <NodeFrame
      data={data}
      label={node.locked ? "locked artifact" : `artifact ${node.label}, ${shortType(node.type)}`}
      selected={selected}
      shape={{ alignItems: "center", bg: "bg.subtle", borderRadius: "full", gap: 2, px: 3 }}
      title={node.locked ? "An artifact of a Dag that you may not read" : `${node.names.join("\n")}\n${node.digest ?? ""}`}
    >
      <Box color={kind === "model" ? "purple.fg" : "blue.fg"}>{node.locked ? <LockIcon /> : <ArtifactIcon kind={kind} />}</Box>
      <Box flex="1" minW={0}>
        <Text fontSize="sm" truncate>
          {node.label}
        </Text>
        {node.locked ? null : (
          <Text color="fg.muted" fontSize="xs" truncate>
            {inline !== undefined && inline.length <= 18
              ? `${shortType(node.type)} ${inline}`
              : `${shortType(node.type)} · ${node.size === null ? shortDigest(node.digest ?? "") : formatBytes(node.size)}`}
          </Text>
        )}
      </Box>
    </NodeFrame>
  );
};
