import { useStore } from "@xyflow/react";
import { useLayoutEffect, useRef } from "react";

import type { Marks } from "../flow";
import type { Shown } from "../grouping";
import type { Placed } from "../layout";
import type { Palette } from "../palette";
import { paint, prepare } from "./paint";

type Props = { shown: Shown; placed: Placed; marks: Marks; palette: Palette };

const STYLE = { height: "100%", inset: 0, pointerEvents: "none", position: "absolute", width: "100%", zIndex: 3 } as const;

/** Stands for the cards of a large graph that is seen from far, where nobody could read them. */
export const Overview = ({ marks, palette, placed, shown }: Props) => {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [x, y, zoom] = useStore(({ transform }) => transform);
  const width = useStore((state) => state.width);
  const height = useStore((state) => state.height);
  useLayoutEffect(() => {
    const context = canvas.current === null ? undefined : prepare(canvas.current, width, height);
    if (context !== undefined) paint(context, shown, placed, marks, palette, { x, y, zoom });
  }, [height, marks, palette, placed, shown, width, x, y, zoom]);
  return <canvas ref={canvas} aria-hidden data-testid="overview" style={STYLE} />;
};
