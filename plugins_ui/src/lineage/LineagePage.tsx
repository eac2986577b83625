import { Box, Flex, Spinner, Text } from "@chakra-ui/react";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";

import { ApiError } from "../api/client";
import type { Place } from "../api/queries";
import type { LineageGraph } from "../api/types";
import { Empty } from "../components/Empty";
import { ErrorAlert } from "../components/ErrorAlert";
import { indexGraph } from "./graph";
import { defaultGrouping, groupGraph } from "./grouping";
import { Inspector } from "./Inspector";
import { inReadingOrder } from "./layout";
import { LineageCanvas, type CanvasHandle } from "./LineageCanvas";
import { readPalette, type Palette } from "./palette";
import { Highlight, nameOf, StatusLine } from "./StatusLine";
import { Toolbar, type ExportKind } from "./Toolbar";
import { MOST_NODES, useLineageUrl, type LineageUrl } from "./urlState";
import { useColorMode } from "./useColorMode";
import { useLayout } from "./useLayout";
import { useLineage } from "./useLineage";
import { useMarks } from "./useMarks";

const MORE_HOPS = 4;
const MOST_AT_ONCE = 20;
const DEFAULT_DEPTH = { whole: 4, one: 20 };

/** The page: reads the route, fetches, and shows waiting, error, nothing yet, or the graph. */
export const LineagePage = (place: Place) => {
  const url = useLineageUrl();
  const { error, graph, more, page, refetch } = useLineage(place, url);
  if (graph !== undefined && page !== undefined) return <Loaded graph={graph} more={more} page={page} place={place} url={url} />;
  if (error instanceof ApiError && error.status === 404) return <Empty />;
  if (error !== null) return <ErrorAlert error={error} onRetry={() => void refetch()} />;
  return <Loading />;
};

const HEIGHT = { h: "calc(100vh - 300px)", minH: "480px" };

/** As high as the window leaves room below what Airflow shows above. */
const useRoom = (box: React.RefObject<HTMLElement | null>): string => {
  const [room, setRoom] = useState(HEIGHT.h);
  useLayoutEffect(() => {
    const measure = () => {
      const top = box.current?.getBoundingClientRect().top ?? 0;
      if (top > 0) setRoom(`${Math.max(window.innerHeight - top - 16, 480)}px`);
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(document.body);
    window.addEventListener("resize", measure);
    return () => {
      observer.disconnect();
      window.removeEventListener("resize", measure);
    };
  }, [box]);
  return room;
};

const Loading = () => (
  <Flex align="center" color="fg.muted" gap={3} justify="center" {...HEIGHT}>
    <Spinner /> <Text>Loading lineage …</Text>
  </Flex>
);

type LoadedProps = { graph: LineageGraph; page: LineageGraph; place: Place; url: LineageUrl; more: ReturnType<typeof useLineage>["more"] };

const Loaded = ({ graph, more, page, place, url }: LoadedProps) => {
  const colorMode = useColorMode();
  const canvas = useRef<CanvasHandle>(null);
  const searchBox = useRef<HTMLInputElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const [helpOpen, setHelpOpen] = useState(false);
  const [hit, setHit] = useState(0);
  const [anchor, setAnchor] = useState<string | undefined>();
  const [failure, setFailure] = useState<Error | undefined>();
  const palette = usePalette(colorMode);
  const room = useRoom(box);

  const grouping = url.grouping ?? defaultGrouping(page);
  const open = useMemo(() => new Set(url.open), [url.open]);
  const index = useMemo(() => indexGraph(graph), [graph]);
  const grouped = useMemo(() => groupGraph(graph, grouping, open), [graph, grouping, open]);
  const layout = useLayout(grouped, url.layout);
  const shown = layout.drawn?.shown ?? grouped;

  const initial = place.taskId !== undefined && place.runId !== undefined ? graph.focus.at(-1) : undefined;
  const nodeOf = (id: string | undefined) => (id === undefined ? undefined : (index.nodes.get(id) ?? grouped.nodes.find((shownNode) => shownNode.id === id)));
  const node = nodeOf(url.node ?? initial);
  const to = nodeOf(url.to);
  const found = useMarks(index, shown, { selected: node?.id, to: to?.id, bright: url.bright, query: url.query });
  const hits = useMemo(() => (layout.drawn === undefined ? found.hits : inReadingOrder(found.hits, layout.drawn.placed.places)), [found.hits, layout.drawn]);
  const at = hits.length === 0 ? 0 : hit % hits.length;
  const current = url.query === "" ? undefined : hits[at];
  const marks = useMemo(() => ({ ...found.marks, hit: current }), [current, found.marks]);
  const depth = url.depth ?? (place.taskId === undefined ? DEFAULT_DEPTH.whole : DEFAULT_DEPTH.one);

  useEffect(() => {
    if (current !== undefined) canvas.current?.reveal(current);
  }, [current]);

  const select = (id: string | undefined) => {
    url.go({ node: id ?? "", to: undefined });
  };
  const deeper = () => {
    url.go({ depth: Math.min(depth + MORE_HOPS, 50) });
  };
  const loadMore = (shownId: string) => {
    const within = shown.nodes.find(({ id }) => id === shownId);
    const hidden = new Set([...graph.more.upstream, ...graph.more.downstream]);
    const ids = (within?.kind === "group" ? within.members : [shownId]).filter((id) => hidden.has(id));
    setAnchor(shownId);
    url.go((now) => ({ more: [...now.more, ...ids.filter((id) => !now.more.includes(id)).slice(0, MOST_AT_ONCE)] }));
  };
  const toggle = (id: string) => {
    setAnchor(id);
    url.go((now) => ({ grouping, open: now.open.includes(id) ? now.open.filter((other) => other !== id) : [...now.open, id] }));
  };
  const pair = (id: string) => {
    url.go((now) => {
      const from = nodeOf(now.node ?? initial)?.id;
      return from === undefined || from === id ? { node: id, to: undefined } : { node: from, to: id };
    });
  };
  const step = (by: 1 | -1) => {
    if (hits.length > 0) setHit((at + by + hits.length) % hits.length);
  };
  const clear = (): boolean => {
    if (url.to !== undefined) url.go({ to: undefined });
    else if (node !== undefined) select(undefined);
    else if (url.query !== "") url.replace({ query: "" });
    else return false;
    return true;
  };
  const onKey = (key: string): boolean => {
    if (key === "/") searchBox.current?.focus();
    else if (key === "?") setHelpOpen(true);
    else if (key === "n") step(1);
    else if (key === "p") step(-1);
    else return false;
    return true;
  };
  const save = (kind: ExportKind) => {
    setFailure(undefined);
    exportAs(kind, graph, layout.drawn, marks, palette, place).catch((error: unknown) => {
      setFailure(error instanceof Error ? error : new Error(String(error)));
    });
  };

  useEffect(() => {
    // On the window: after a reload, and when a node was clicked away, nothing of ours has the focus.
    const onEscape = (event: KeyboardEvent) => {
      const isOurs = event.target === document.body || (event.target instanceof Node && box.current?.contains(event.target) === true);
      if (event.key === "Escape" && isOurs && !event.defaultPrevented && clear()) event.preventDefault();
    };
    window.addEventListener("keydown", onEscape);
    return () => {
      window.removeEventListener("keydown", onEscape);
    };
  });

  if (layout.error !== null) return <ErrorAlert error={layout.error} onRetry={() => void layout.refetch()} />;
  return (
    <Flex
      ref={box}
      css={{ containerType: "inline-size" }}
      data-testid="lineage"
      direction="column"
      h={room}
      minH={HEIGHT.minH}
      pt={2}
    >
      <Toolbar
        depth={depth}
        direction={url.direction}
        grouping={grouping}
        helpOpen={helpOpen}
        hit={at}
        hits={hits.length}
        layout={url.layout}
        query={url.query}
        searchBox={searchBox}
        onDepth={(value) => {
          url.go({ depth: value });
        }}
        onDirection={(direction) => {
          url.go({ direction });
        }}
        onExport={save}
        onFitHits={() => canvas.current?.fit(hits)}
        onGrouping={(value) => {
          url.go({ grouping: value, open: [] });
        }}
        onHelp={setHelpOpen}
        onHit={step}
        onLayout={(value) => {
          url.go({ layout: value });
        }}
        onQuery={(query) => {
          setHit(0);
          url.replace({ query });
        }}
      />
      <StatusLine
        graph={graph}
        loading={more.isLoading}
        onAll={
          url.nodes === undefined
            ? () => {
                url.go({ nodes: MOST_NODES });
              }
            : undefined
        }
        onShowMore={deeper}
      />
      {more.error === null ? null : <ErrorAlert error={more.error} onRetry={() => void more.refetch()} />}
      {failure === undefined ? null : <Text color="fg.error" mb={2} role="alert">{failure.message}</Text>}
      <Flex
        borderRadius="md"
        borderWidth="1px"
        css={{ "@container (max-width: 760px)": { flexDirection: "column" } }}
        flex="1"
        minH={0}
        overflow="hidden"
      >
        <Box data-testid="lineage-graph" flex="1 1 50%" minH={0} minW={0} position="relative">
          {layout.drawn === undefined ? (
            <Flex align="center" color="fg.muted" gap={3} h="full" justify="center">
              <Spinner /> <Text>Laying out {grouped.nodes.length} nodes …</Text>
            </Flex>
          ) : (
            <LineageCanvas
              anchor={anchor}
              colorMode={colorMode}
              handle={canvas}
              marks={marks}
              palette={palette}
              placed={layout.drawn.placed}
              shown={shown}
              onKey={onKey}
              onMore={loadMore}
              onPair={pair}
              onSelect={select}
              onToggle={toggle}
            />
          )}
          {node === undefined ? null : (
            <Highlight
              bright={url.bright}
              pair={to === undefined ? undefined : { from: nameOf(node), to: nameOf(to), between: found.between }}
              selected={nameOf(node)}
              onBright={(bright) => {
                url.go({ bright });
              }}
              onUnpair={() => {
                url.go({ to: undefined });
              }}
            />
          )}
        </Box>
        {node === undefined ? null : (
          <Inspector
            key={node.id}
            index={index}
            node={node}
            wide={url.wide}
            onClose={() => {
              select(undefined);
            }}
            onOpen={toggle}
            onSelect={select}
            onWide={(wide) => {
              url.replace({ wide });
            }}
          />
        )}
      </Flex>
    </Flex>
  );
};

/** Read from the page, so that canvases have the colours that style sheets give to all else. */
const usePalette = (colorMode: string): Palette => {
  const [palette, setPalette] = useState(() => ({ colorMode, colours: readPalette(document.documentElement) }));
  if (palette.colorMode === colorMode) return palette.colours;
  const colours = readPalette(document.documentElement);
  setPalette({ colorMode, colours });
  return colours;
};

/** Loaded when somebody exports. */
const exportAs = async (
  kind: ExportKind,
  graph: LineageGraph,
  drawn: ReturnType<typeof useLayout>["drawn"],
  marks: Parameters<typeof import("./picture").toPicture>[2],
  palette: Palette,
  place: Place,
) => {
  const { download, pngFile, svgFile } = await import("./download");
  const name = ["lineage", place.dagId, place.runId, place.taskId].filter((part) => part !== undefined).join("-").replace(/[^\w.-]+/g, "_");
  if (kind === "json") {
    download(`${name}.json`, new Blob([JSON.stringify(graph, undefined, 2)], { type: "application/json" }));
    return;
  }
  if (drawn === undefined) return;
  const { toPicture } = await import("./picture");
  const picture = toPicture(drawn.shown, drawn.placed, marks, palette, drawn.shown.nodes.length > 300);
  download(`${name}.${kind}`, kind === "svg" ? svgFile(picture) : await pngFile(picture));
};
