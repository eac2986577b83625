import { Box, Button, type BoxProps } from "@chakra-ui/react";
import { Handle, Position } from "@xyflow/react";
import type { ReactNode } from "react";

import type { NodeData } from "../layout";

type Props = {
  data: NodeData;
  selected: boolean;
  label: string;
  title: string;
  shape: BoxProps;
  children: ReactNode;
};

/** What all nodes share: handles, the ring of the selected one, the fading of those off the path, the marker of more. */
export const NodeFrame = ({ children, data, label, selected, shape, title }: Props) => (
  <Box
    aria-label={label}
    aria-pressed={selected}
    bg="bg"
    borderColor={selected ? "blue.solid" : "border.emphasized"}
    borderWidth={selected ? "2px" : "1px"}
    boxShadow={data.focus ? "sm" : undefined}
    color="fg"
    cursor="pointer"
    display="flex"
    data-testid={`node-${data.node.kind}`}
    h="full"
    opacity={data.dimmed ? 0.3 : 1}
    outlineColor="blue.focusRing"
    overflow="visible"
    position="relative"
    role="button"
    tabIndex={0}
    title={title}
    transition="opacity 0.15s"
    w="full"
    _hover={{ borderColor: "blue.solid" }}
    onKeyDown={(event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        event.currentTarget.click();
      }
    }}
    {...shape}
  >
    <Handle isConnectable={false} position={Position.Left} style={{ visibility: "hidden" }} type="target" />
    {children}
    <Handle isConnectable={false} position={Position.Right} style={{ visibility: "hidden" }} type="source" />
    {data.more ? (
      <Button
        aria-label="Show more of the lineage"
        bg="bg.emphasized"
        borderRadius="full"
        color="fg"
        h="18px"
        minW="18px"
        position="absolute"
        px={1}
        right="-9px"
        size="xs"
        title="There is more lineage here that is not shown"
        top="-9px"
        onClick={(event) => {
          event.stopPropagation();
          data.onShowMore();
        }}
      >
        +
      </Button>
    ) : null}
  </Box>
);
