import { Button, HStack, NativeSelect, Text } from "@chakra-ui/react";

import type { Direction, LineageGraph, LineageNode } from "../api/types";
import type { Between } from "./graph";
import { MOST_NODES } from "./urlState";

type Props = { graph: LineageGraph; loading: boolean; onShowMore: () => void; onAll: (() => void) | undefined };

/** How much is shown, and how much is not. */
export const StatusLine = ({ graph, loading, onAll, onShowMore }: Props) => {
  const runs = graph.nodes.filter(({ kind }) => kind === "run").length;
  const running = graph.nodes.filter((node) => node.kind === "run" && node.state === "running").length;
  const hidden = new Set([...graph.more.upstream, ...graph.more.downstream]).size;
  return (
    <HStack color="fg.muted" columnGap={4} fontSize="sm" mb={2} minH="28px" rowGap={1} wrap="wrap">
      <Text data-testid="lineage-counts">
        {runs} {runs === 1 ? "step" : "steps"}, {graph.nodes.length - runs} artifacts and data sets
      </Text>
      {running > 0 ? (
        <Text color="cyan.fg" data-testid="live">
          ● live: {running} running
        </Text>
      ) : null}
      {loading ? <Text>loading more …</Text> : null}
      {graph.truncated ? (
        <HStack gap={2}>
          <Text color="fg.warning">The graph is cut: there is more than can be shown at once. Fewer hops, or one direction, are shown whole.</Text>
          {onAll === undefined ? null : (
            <Button size="2xs" variant="outline" onClick={onAll}>
              Show up to {MOST_NODES.toLocaleString("en")} nodes
            </Button>
          )}
        </HStack>
      ) : null}
      {!graph.truncated && hidden > 0 ? (
        <Button color="blue.fg" h="auto" minW={0} px={0} size="sm" variant="plain" onClick={onShowMore}>
          Show more: {hidden} {hidden === 1 ? "node has" : "nodes have"} neighbours that are not shown
        </Button>
      ) : null}
    </HStack>
  );
};

type HighlightProps = {
  selected: string;
  bright: Direction;
  pair: { from: string; to: string; between: Between | undefined } | undefined;
  onBright: (direction: Direction) => void;
  onUnpair: () => void;
};

/** What is highlighted; lies over the graph, so that nothing moves when it comes and goes. */
export const Highlight = ({ bright, onBright, onUnpair, pair, selected }: HighlightProps) => (
  <HStack
    bg="bg"
    borderRadius="md"
    borderWidth="1px"
    columnGap={2}
    fontSize="xs"
    left={2}
    maxW="calc(100% - 16px)"
    position="absolute"
    px={2}
    py={1}
    shadow="xs"
    top={2}
    wrap="wrap"
    zIndex={5}
  >
    {pair === undefined ? (
      <>
        <Text truncate>{selected}:</Text>
        <NativeSelect.Root size="xs" w="192px">
          <NativeSelect.Field
            aria-label="Highlight"
            value={bright}
            onChange={(event) => {
              onBright(event.currentTarget.value as Direction);
            }}
          >
            <option value="both">what led to and from it</option>
            <option value="upstream">what led to it</option>
            <option value="downstream">what came of it</option>
          </NativeSelect.Field>
          <NativeSelect.Indicator />
        </NativeSelect.Root>
        <Text color="fg.muted" css={{ "@container (max-width: 1000px)": { display: "none" } }}>
          Shift + click another node: the path between
        </Text>
      </>
    ) : (
      <>
        <Text data-testid="path">{describe(pair)}</Text>
        <Button size="2xs" variant="outline" onClick={onUnpair}>
          Clear
        </Button>
      </>
    )}
  </HStack>
);

const describe = ({ between, from, to }: NonNullable<HighlightProps["pair"]>): string => {
  if (between === undefined) return `Nothing links ${from} and ${to} in what is shown: load more, or follow more hops.`;
  const inner = Math.max(between.ids.size - 2, 0);
  const nodes = `${inner} ${inner === 1 ? "node" : "nodes"}`;
  return between.kind === "flow" ? `Path between ${from} and ${to}: ${nodes}` : `No data went between ${from} and ${to}; the shortest link: ${nodes}`;
};

/** What a place is called in a sentence. */
export const nameOf = (node: LineageNode | { label: string } | undefined): string => node?.label ?? "a node that is not shown";
