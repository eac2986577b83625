import { Handle, Position, type NodeProps } from "@xyflow/react";
import { memo, useContext } from "react";

import { NodeIcon } from "../../components/icons";
import { faceOf, LEVELS } from "../face";
import type { CardNode, FrameNode, NodeData } from "../flow";
import { outlines, shapeOf } from "../shapes";
import { CanvasActions } from "./actions";

const classesOf = (data: NodeData, selected: boolean) =>
  [
    "lin-card",
    `lin-${shapeOf(data.node)}`,
    selected && "lin-selected",
    data.focus && "lin-focus",
    data.dimmed && "lin-dimmed",
    data.hit !== "no" && "lin-hit",
    data.hit === "current" && "lin-hit-current",
    data.node.locked && "lin-locked",
    data.node.kind === "run" && data.node.state === "running" && "lin-running",
  ]
    .filter((name) => name !== false)
    .join(" ");

const HIDDEN = { visibility: "hidden" } as const;

/** A node, in the shape of its kind. Plain elements and one style sheet: a graph has hundreds of these. */
export const NodeCard = memo(({ data, selected }: NodeProps<CardNode>) => {
  const { onMore, onToggle } = useContext(CanvasActions);
  const { height, node, width } = data;
  const face = faceOf(node);
  const shape = shapeOf(node);
  return (
    <div className={classesOf(data, selected)} style={{ "--lin-tone": `var(--chakra-colors-${face.tone}-solid)`, "--lin-text": `var(--chakra-colors-${face.tone}-fg)` } as React.CSSProperties}>
      <svg aria-hidden className="lin-outline" height={height} width={width}>
        {outlines(shape, width, height).map((path) => (
          <path key={path} d={path} />
        ))}
      </svg>
      <Handle isConnectable={false} position={Position.Left} style={HIDDEN} type="target" />
      <button
        aria-label={`${face.label}${data.more ? ", has more lineage that is not shown" : ""}`}
        aria-pressed={selected}
        className="lin-face"
        data-testid={`node-${node.kind}`}
        tabIndex={data.cursor ? 0 : -1}
        title={face.hint}
        type="button"
      >
        <span className="lin-icon">
          <NodeIcon node={node} />
        </span>
        <span className="lin-texts">
          <span className="lin-title">{face.title}</span>{" "}
          {face.facts === "" ? null : <span className="lin-facts">{face.facts}</span>}
        </span>
      </button>
      <Handle isConnectable={false} position={Position.Right} style={HIDDEN} type="source" />
      {node.kind === "group" ? (
        <button
          aria-label={`Open ${LEVELS[node.level]} ${face.title}`}
          className="lin-round lin-toggle"
          tabIndex={-1}
          title="Open: show what is within"
          type="button"
          onClick={(event) => {
            event.stopPropagation();
            onToggle(node.id);
          }}
        >
          ⤢
        </button>
      ) : null}
      {data.more ? (
        <button
          aria-label={`Load more of the lineage at ${face.title}`}
          className="lin-round lin-more"
          tabIndex={-1}
          title="There is more lineage here: load it"
          type="button"
          onClick={(event) => {
            event.stopPropagation();
            onMore(node.id);
          }}
        >
          +
        </button>
      ) : null}
    </div>
  );
});
NodeCard.displayName = "NodeCard";

/** The border around what lies open. */
export const NodeFrame = memo(({ data: { frame } }: NodeProps<FrameNode>) => {
  const { onToggle } = useContext(CanvasActions);
  return (
    <div className={`lin-frame lin-frame-${frame.level}`}>
      <button
        aria-label={`Shut ${LEVELS[frame.level]} ${frame.label}`}
        className="lin-frame-title nodrag nopan"
        title="Shut: show it as one"
        type="button"
        onClick={(event) => {
          event.stopPropagation();
          onToggle(frame.id);
        }}
      >
        <span className="lin-frame-sign">–</span>
        <b>{frame.label}</b> <span className="lin-frame-level">{LEVELS[frame.level]}</span>
      </button>
    </div>
  );
});
NodeFrame.displayName = "NodeFrame";

/** A constant outside components: React Flow remounts every node when this object changes. */
export const nodeTypes = { card: NodeCard, frame: NodeFrame };
