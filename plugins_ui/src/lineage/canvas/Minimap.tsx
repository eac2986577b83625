import { Panel, useReactFlow, useStore } from "@xyflow/react";
import { useLayoutEffect, useMemo, useRef } from "react";

import type { Marks } from "../flow";
import type { Shown } from "../grouping";
import { wholeOf, type Placed } from "../layout";
import type { Palette } from "../palette";
import { paint, prepare } from "./paint";

type Props = { shown: Shown; placed: Placed; marks: Marks; palette: Palette; onMove: () => void };

const BOX = { width: 168, height: 96 };
const EDGE = 6;

/** The whole graph in the corner, with a frame around what is in view; press or drag to go there. Not there while all is in view. */
export const Minimap = ({ marks, onMove, palette, placed, shown }: Props) => {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { setViewport } = useReactFlow();
  const [x, y, zoom] = useStore(({ transform }) => transform);
  const width = useStore((state) => state.width);
  const height = useStore((state) => state.height);
  const whole = useMemo(() => wholeOf(placed) ?? { x: 0, y: 0, width: 1, height: 1 }, [placed]);
  const scale = Math.min((BOX.width - 2 * EDGE) / whole.width, (BOX.height - 2 * EDGE) / whole.height);
  const left = (BOX.width - whole.width * scale) / 2 - whole.x * scale;
  const top = (BOX.height - whole.height * scale) / 2 - whole.y * scale;
  const isAllInView =
    whole.x * zoom + x >= 0 && whole.y * zoom + y >= 0 && (whole.x + whole.width) * zoom + x <= width && (whole.y + whole.height) * zoom + y <= height;
  useLayoutEffect(() => {
    const context = canvas.current === null ? undefined : prepare(canvas.current, BOX.width, BOX.height);
    if (context !== undefined) paint(context, shown, placed, marks, palette, { x: left, y: top, zoom: scale });
  }, [isAllInView, left, marks, palette, placed, scale, shown, top]);
  const go = (event: React.PointerEvent<HTMLDivElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    const at = { x: (event.clientX - box.left - left) / scale, y: (event.clientY - box.top - top) / scale };
    onMove();
    void setViewport({ x: width / 2 - at.x * zoom, y: height / 2 - at.y * zoom, zoom });
  };
  if (isAllInView) return null;
  return (
    <Panel className="nodrag nopan" position="bottom-right" style={{ marginBottom: 22 }}>
      <div
        aria-hidden
        data-testid="minimap"
        style={{ ...BOX, background: palette.subtle, border: `1px solid ${palette.border}`, borderRadius: 6, cursor: "crosshair", overflow: "hidden", position: "relative" }}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          go(event);
        }}
        onPointerMove={(event) => {
          if (event.buttons === 1) go(event);
        }}
      >
        <canvas ref={canvas} style={BOX} />
        <div
          style={{
            border: `1.5px solid ${palette.accent}`,
            borderRadius: 3,
            height: (height / zoom) * scale,
            left: left + (-x / zoom) * scale,
            pointerEvents: "none",
            position: "absolute",
            top: top + (-y / zoom) * scale,
            width: (width / zoom) * scale,
          }}
        />
      </div>
    </Panel>
  );
};
