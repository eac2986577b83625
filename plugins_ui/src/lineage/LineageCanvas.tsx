import "@xyflow/react/dist/style.css";

import { Background, Controls, MiniMap, ReactFlow, type ColorMode, type ReactFlowInstance } from "@xyflow/react";
import { useEffect, useRef } from "react";

import { edgeTypes } from "./ElkEdge";
import type { FlowEdge, FlowNode } from "./layout";
import { nodeTypes } from "./nodes";

type Props = {
  nodes: FlowNode[];
  edges: FlowEdge[];
  colorMode: ColorMode;
  shape: string;
  onSelect: (id: string | undefined) => void;
};

const FIT = { padding: 0.12, maxZoom: 1.1 };

const THEME = {
  "--xy-background-color": "var(--chakra-colors-bg)",
  "--xy-background-pattern-color": "var(--chakra-colors-border)",
  "--xy-controls-button-background-color": "var(--chakra-colors-bg)",
  "--xy-controls-button-background-color-hover": "var(--chakra-colors-bg-muted)",
  "--xy-controls-button-border-color": "var(--chakra-colors-border)",
  "--xy-controls-button-color": "var(--chakra-colors-fg)",
  "--xy-minimap-background-color": "var(--chakra-colors-bg-subtle)",
  "--xy-minimap-mask-background-color": "var(--chakra-colors-bg-emphasized)",
  "--xy-minimap-node-background-color": "var(--chakra-colors-fg-subtle)",
  "--xy-attribution-background-color": "transparent",
  width: "100%",
  height: "100%",
} as React.CSSProperties;

/** Draws; knows nothing of where the graph comes from. */
export const LineageCanvas = ({ colorMode, edges, nodes, onSelect, shape }: Props) => {
  const flow = useRef<ReactFlowInstance<FlowNode, FlowEdge> | null>(null);
  useEffect(() => {
    void flow.current?.fitView(FIT);
  }, [shape]);
  return (
    <ReactFlow
      colorMode={colorMode}
      edges={edges}
      edgeTypes={edgeTypes}
      elementsSelectable
      maxZoom={2}
      minZoom={0.05}
      nodes={nodes}
      nodesConnectable={false}
      nodesDraggable={false}
      nodeTypes={nodeTypes}
      onlyRenderVisibleElements
      style={THEME}
      onInit={(instance) => {
        flow.current = instance;
        void instance.fitView(FIT);
      }}
      onNodeClick={(_, node) => {
        onSelect(node.id);
      }}
      onPaneClick={() => {
        onSelect(undefined);
      }}
    >
      <Background gap={24} />
      <Controls fitViewOptions={FIT} showInteractive={false} />
      {nodes.length > 40 ? <MiniMap pannable zoomable style={{ height: 90, width: 140 }} /> : null}
    </ReactFlow>
  );
};
