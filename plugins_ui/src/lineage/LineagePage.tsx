import { Box, Flex, HStack, NativeSelect, Spinner, Text } from "@chakra-ui/react";
import { useMemo } from "react";

import { ApiError } from "../api/client";
import { useGraph, type Place } from "../api/queries";
import type { Direction, LineageGraph } from "../api/types";
import { Empty } from "../components/Empty";
import { ErrorAlert } from "../components/ErrorAlert";
import { indexGraph, pathOf } from "./graph";
import { Inspector } from "./Inspector";
import { toFlow } from "./layout";
import { LineageCanvas } from "./LineageCanvas";
import { useLineageUrl, type LineageUrl } from "./urlState";
import { useColorMode } from "./useColorMode";
import { useLayout } from "./useLayout";

const MORE_HOPS = 4;
const DEFAULT_DEPTH = { whole: 4, one: 20 };

/** The page: reads the route, fetches, and shows waiting, error, nothing yet, or the graph. */
export const LineagePage = (place: Place) => {
  const url = useLineageUrl(undefined);
  const { data, error, refetch } = useGraph(place, url);
  if (data !== undefined) return <Loaded graph={data} place={place} url={url} />;
  if (error instanceof ApiError && error.status === 404) return <Empty />;
  if (error !== null) return <ErrorAlert error={error} onRetry={() => void refetch()} />;
  return <Loading />;
};

const Loading = () => (
  <Flex align="center" color="fg.muted" gap={3} h="60vh" justify="center">
    <Spinner /> <Text>Loading lineage …</Text>
  </Flex>
);

const Loaded = ({ graph, place, url }: { graph: LineageGraph; place: Place; url: LineageUrl }) => {
  const colorMode = useColorMode();
  const layout = useLayout(graph);
  const index = useMemo(() => indexGraph(graph), [graph]);
  const initial = place.taskId !== undefined && place.runId !== undefined ? graph.focus.at(-1) : undefined;
  const selected = url.selected ?? (new URLSearchParams(location.search).has("lin_node") ? undefined : initial);
  const node = selected === undefined ? undefined : index.nodes.get(selected);
  const path = useMemo(() => (node === undefined ? undefined : pathOf(index, node.id)), [index, node]);
  const depth = url.depth ?? (place.taskId === undefined ? DEFAULT_DEPTH.whole : DEFAULT_DEPTH.one);
  const showMore = () => {
    url.setDepth(Math.min(depth + MORE_HOPS, 50));
  };
  if (layout.error !== null) return <ErrorAlert error={layout.error} onRetry={() => void layout.refetch()} />;
  if (layout.data === undefined) return <Loading />;
  const flow = toFlow(graph, layout.data, node?.id, path, showMore);
  return (
    <Flex
      direction="column"
      h="calc(100vh - 300px)"
      minH="440px"
      pt={2}
      onKeyDown={(event) => {
        if (event.key === "Escape") url.select(undefined);
      }}
    >
      <Toolbar graph={graph} url={url} onShowMore={showMore} />
      <Flex borderRadius="md" borderWidth="1px" flex="1" minH={0} overflow="hidden">
        <Box data-testid="lineage-graph" flex="1" minW={0}>
          <LineageCanvas
            colorMode={colorMode}
            edges={flow.edges}
            nodes={flow.nodes}
            shape={`${graph.nodes.length} ${node === undefined ? "wide" : url.wide ? "narrowest" : "narrow"} ${layout.dataUpdatedAt}`}
            onSelect={url.select}
          />
        </Box>
        {node === undefined ? null : (
          <Inspector
            key={node.id}
            index={index}
            node={node}
            wide={url.wide}
            onClose={() => {
              url.select(undefined);
            }}
            onSelect={url.select}
            onWide={url.setWide}
          />
        )}
      </Flex>
    </Flex>
  );
};

const DIRECTIONS: Record<Direction, string> = {
  both: "upstream and downstream",
  upstream: "upstream only",
  downstream: "downstream only",
};

const Toolbar = ({ graph, onShowMore, url }: { graph: LineageGraph; url: LineageUrl; onShowMore: () => void }) => {
  const runs = graph.nodes.filter(({ kind }) => kind === "run").length;
  const hidden = graph.more.upstream.length + graph.more.downstream.length;
  return (
    <HStack color="fg.muted" fontSize="sm" gap={4} mb={2}>
      <NativeSelect.Root size="xs" w="200px">
        <NativeSelect.Field
          aria-label="Direction"
          value={url.direction}
          onChange={(event) => {
            url.setDirection(event.currentTarget.value as Direction);
          }}
        >
          {Object.entries(DIRECTIONS).map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </NativeSelect.Field>
        <NativeSelect.Indicator />
      </NativeSelect.Root>
      <Text data-testid="lineage-counts">
        {runs} {runs === 1 ? "step" : "steps"}, {graph.nodes.length - runs} artifacts and data sets
      </Text>
      {graph.truncated ? <Text color="fg.warning">The graph is cut: there is more than can be shown at once.</Text> : null}
      {!graph.truncated && hidden > 0 ? (
        <Text as="button" color="blue.fg" cursor="pointer" onClick={onShowMore}>
          Show more: {hidden} {hidden === 1 ? "node has" : "nodes have"} neighbours that are not shown
        </Text>
      ) : null}
    </HStack>
  );
};
