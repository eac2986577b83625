import { BaseEdge, EdgeLabelRenderer, type EdgeProps } from "@xyflow/react";
import { useToken } from "@chakra-ui/react";

import { splinePath, type FlowEdge } from "./layout";

/** An edge along the route that ELK found; its label names the argument or output. */
export const ElkEdge = ({ id, data }: EdgeProps<FlowEdge>) => {
  const [line, bright] = useToken("colors", ["border.emphasized", "blue.solid"]);
  if (data === undefined || data.points.length === 0) return null;
  const middle = data.points[Math.floor(data.points.length / 2)];
  return (
    <>
      <BaseEdge
        id={id}
        path={splinePath(data.points)}
        style={{
          opacity: data.dimmed ? 0.25 : 1,
          stroke: data.bright ? bright : line,
          strokeWidth: data.bright ? 2 : 1.4,
        }}
      />
      {data.label !== "" && data.bright && middle !== undefined ? (
        <EdgeLabelRenderer>
          <div
            style={{
              background: "var(--chakra-colors-bg)",
              borderRadius: 4,
              color: "var(--chakra-colors-fg-muted)",
              fontSize: 10,
              padding: "0 4px",
              pointerEvents: "none",
              position: "absolute",
              transform: `translate(-50%, -50%) translate(${middle.x}px, ${middle.y}px)`,
            }}
          >
            {data.label}
          </div>
        </EdgeLabelRenderer>
      ) : null}
    </>
  );
};

export const edgeTypes = { elk: ElkEdge };
