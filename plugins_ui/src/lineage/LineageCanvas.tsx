import "@xyflow/react/dist/style.css";
import "./canvas/canvas.css";

import { Background, Controls, ReactFlow, ReactFlowProvider, useReactFlow, useStore, type ColorMode } from "@xyflow/react";
import { useEffect, useImperativeHandle, useMemo, useRef, useState, type Ref } from "react";

import { follow, isArrow } from "./arrows";
import { CanvasActions, type Actions } from "./canvas/actions";
import { Minimap } from "./canvas/Minimap";
import { nodeTypes } from "./canvas/NodeCard";
import { Overview } from "./canvas/Overview";
import { edgeTypes } from "./canvas/RouteEdge";
import { useView, ZOOM } from "./canvas/view";
import { faceOf } from "./face";
import { toEdges, toNodes, type FlowEdge, type FlowNode, type Marks } from "./flow";
import { adjacent } from "./graph";
import type { Shown } from "./grouping";
import { inReadingOrder, type Placed } from "./layout";
import type { Palette } from "./palette";

/** What others may ask of the canvas. */
export type CanvasHandle = {
  fit: (ids?: string[]) => void;
  reveal: (id: string) => void;
};

type Props = Actions & {
  shown: Shown;
  placed: Placed;
  marks: Omit<Marks, "cursor">;
  anchor: string | undefined;
  colorMode: ColorMode;
  palette: Palette;
  handle: Ref<CanvasHandle>;
  onSelect: (id: string | undefined) => void;
  onPair: (id: string) => void;
  /** Keys that are about more than the graph's own nodes. */
  onKey: (key: string) => boolean;
};

/** Above this many nodes, far away, boxes on a canvas stand for cards. */
const MANY = 150;
const FAR = 0.3;
const STRAIGHT = 0.45;

/** Draws; knows nothing of where the graph comes from. */
export const LineageCanvas = (props: Props) => (
  <ReactFlowProvider>
    <Canvas {...props} />
  </ReactFlowProvider>
);

const NOTHING: never[] = [];

const Canvas = ({ anchor, colorMode, handle, marks: given, onKey, onMore, onPair, onSelect, onToggle, palette, placed, shown }: Props) => {
  const [cursor, setCursor] = useState<string | undefined>();
  const wrapper = useRef<HTMLDivElement>(null);
  const kept = useRef(new Map<string, FlowNode>());
  const { screenToFlowPosition } = useReactFlow();
  const width = useStore((state) => Math.round(state.width));
  const height = useStore((state) => Math.round(state.height));
  const isFar = useStore(({ transform }) => transform[2] < FAR) && shown.nodes.length > MANY;
  const isStraight = useStore(({ transform }) => transform[2] < STRAIGHT) || shown.nodes.length > 300;
  const { selected } = given;
  const view = useView(placed, anchor, selected, width, height);
  const next = useMemo(() => adjacent(shown.edges), [shown]);
  const marks = useMemo(() => ({ ...given, cursor }), [cursor, given]);
  // The map is a cache of what was made last: reading it while rendering changes no outcome, only which objects carry it.
  // eslint-disable-next-line react-hooks/refs
  const nodes = useMemo(() => (isFar ? NOTHING : toNodes(shown, placed, marks, kept.current)), [isFar, marks, placed, shown]);
  const edges = useMemo((): FlowEdge[] => (isFar ? NOTHING : toEdges(shown, placed, given.bright, isStraight)), [given.bright, isFar, isStraight, placed, shown]);
  const actions = useMemo(() => ({ onMore, onToggle }), [onMore, onToggle]);

  useImperativeHandle(
    handle,
    () => ({
      fit: (ids) => {
        if (ids === undefined) view.fit();
        else {
          view.touch();
          view.show(ids.flatMap((id) => placed.places.get(id) ?? []), 1, 250);
        }
      },
      reveal: (id) => {
        view.reveal(id, true);
      },
    }),
    [placed, view],
  );

  useEffect(() => {
    if (selected !== undefined) view.reveal(selected);
    // Once for each selection, not for each layout.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [selected]);

  const walk = (id: string | undefined) => {
    if (id === undefined) return;
    setCursor(id);
    view.reveal(id);
    focusCard(wrapper.current, id, 12);
  };

  const onKeyDown = (event: React.KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target instanceof HTMLInputElement) return;
    const at = cursor !== undefined && placed.places.has(cursor) ? cursor : selected;
    const own = (): boolean => {
      if (isArrow(event.key)) {
        walk(at === undefined ? firstOf(placed, next.into) : follow(event.key, at, placed.places, next, placed.layout));
        return true;
      }
      const isNode = event.target === wrapper.current || (event.target instanceof Element && event.target.classList.contains("lin-face"));
      if ((event.key === "Enter" || event.key === " ") && at !== undefined && isNode) {
        if (event.shiftKey) onPair(at);
        else onSelect(at);
        return true;
      }
      const node = shown.nodes.find(({ id }) => id === at);
      if (event.key === "o" && node !== undefined) {
        const frame = shown.parents.get(node.id);
        if (node.kind === "group") onToggle(node.id);
        else if (frame !== undefined) onToggle(frame);
        return true;
      }
      if (event.key === "m" && at !== undefined && given.more.has(at)) {
        onMore(at);
        return true;
      }
      if (event.key === "f") {
        view.fit();
        return true;
      }
      return onKey(event.key);
    };
    if (own()) event.preventDefault();
  };

  const pick = (event: React.MouseEvent) => {
    const at = screenToFlowPosition({ x: event.clientX, y: event.clientY });
    const found = isFar
      ? [...placed.places].find(([, { height, width: w, x, y }]) => at.x >= x && at.x <= x + w && at.y >= y && at.y <= y + height)?.[0]
      : undefined;
    if (found !== undefined && event.shiftKey) onPair(found);
    else onSelect(found);
  };

  const spoken = shown.nodes.find(({ id }) => id === cursor);
  return (
    <CanvasActions.Provider value={actions}>
      <ReactFlow<FlowNode, FlowEdge>
        ref={wrapper}
        aria-label={`Lineage graph of ${shown.nodes.length} nodes. Arrow keys follow the edges, Enter opens, question mark lists all keys.`}
        className="lin-flow"
        colorMode={colorMode}
        deleteKeyCode={null}
        disableKeyboardA11y
        edges={edges}
        edgeTypes={edgeTypes}
        edgesFocusable={false}
        elementsSelectable
        maxZoom={ZOOM.max}
        minZoom={ZOOM.min}
        multiSelectionKeyCode={null}
        nodes={nodes}
        nodesConnectable={false}
        nodesDraggable={false}
        nodesFocusable={false}
        nodeTypes={nodeTypes}
        onlyRenderVisibleElements
        selectionKeyCode={null}
        tabIndex={0}
        zoomOnDoubleClick={false}
        onInit={() => {
          view.fit(0);
          // A link may name what is to be in view.
          if (given.hit !== undefined) view.reveal(given.hit, true);
          else if (selected !== undefined) view.reveal(selected);
        }}
        onKeyDown={onKeyDown}
        onMove={(event) => {
          if (event !== null) view.touch();
        }}
        onNodeClick={(event, node) => {
          if (node.type === "frame") return;
          setCursor(node.id);
          if (event.shiftKey) onPair(node.id);
          else onSelect(node.id);
        }}
        onNodeDoubleClick={(_, node) => {
          if (node.type === "card" && node.data.node.kind === "group") onToggle(node.id);
        }}
        onPaneClick={pick}
      >
        <Background gap={24} />
        {isFar ? <Overview marks={marks} palette={palette} placed={placed} shown={shown} /> : null}
        <Controls
          showFitView
          showInteractive={false}
          onFitView={() => {
            view.fit();
          }}
          onZoomIn={view.touch}
          onZoomOut={view.touch}
        />
        {width > 480 && height > 320 ? <Minimap marks={marks} palette={palette} placed={placed} shown={shown} onMove={view.touch} /> : null}
      </ReactFlow>
      <div aria-live="polite" data-testid="spoken" style={UNSEEN}>
        {spoken === undefined ? "" : `${faceOf(spoken).label}; ${next.into.get(spoken.id)?.length ?? 0} before, ${next.outOf.get(spoken.id)?.length ?? 0} after`}
      </div>
    </CanvasActions.Provider>
  );
};

/** Where the data begin. */
const firstOf = ({ places }: Placed, into: Map<string, string[]>): string | undefined => {
  const ids = inReadingOrder([...places.keys()], places);
  return ids.find((id) => !into.has(id)) ?? ids[0];
};

const UNSEEN = { clip: "rect(0 0 0 0)", height: 1, overflow: "hidden", position: "absolute", width: 1 } as const;

/** A card that has just come into view is there a few frames later. */
const focusCard = (wrapper: HTMLElement | null, id: string, frames: number) => {
  const card = wrapper?.querySelector<HTMLElement>(`.react-flow__node[data-id="${CSS.escape(id)}"] .lin-face`);
  if (card instanceof HTMLElement) card.focus({ preventScroll: true });
  else if (frames > 0) requestAnimationFrame(() => { focusCard(wrapper, id, frames - 1); });
  else wrapper?.focus({ preventScroll: true });
};
