import { BaseEdge, EdgeLabelRenderer, type EdgeProps } from "@xyflow/react";
import { memo } from "react";

import type { FlowEdge } from "../flow";
import { routePath } from "../layout";

/** An edge along the route that ELK found; its label names the argument or output. */
export const RouteEdge = memo(({ id, data }: EdgeProps<FlowEdge>) => {
  if (data === undefined || data.points.length === 0) return null;
  const middle = data.points[Math.floor(data.points.length / 2)];
  return (
    <>
      <BaseEdge
        className={data.bright ? "lin-edge lin-edge-bright" : data.dimmed ? "lin-edge lin-edge-dimmed" : "lin-edge"}
        id={id}
        interactionWidth={0}
        path={routePath(data.points, data.straight)}
      />
      {data.label !== "" && data.bright && middle !== undefined ? (
        <EdgeLabelRenderer>
          <div className="lin-edge-label" style={{ transform: `translate(-50%, -50%) translate(${middle.x}px, ${middle.y}px)` }}>
            {data.label}
          </div>
        </EdgeLabelRenderer>
      ) : null}
    </>
  );
});
RouteEdge.displayName = "RouteEdge";

export const edgeTypes = { route: RouteEdge };
