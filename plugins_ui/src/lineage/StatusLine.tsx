import { Box, Button, HStack, NativeSelect, Text } from "@chakra-ui/react";

import type { Direction, LineageGraph, LineageNode } from "../api/types";
import type { Between } from "./graph";

type Props = {
  graph: LineageGraph;
  selected: string | undefined;
  bright: Direction;
  pair: { from: string; to: string; between: Between | undefined } | undefined;
  loading: boolean;
  onBright: (direction: Direction) => void;
  onShowMore: () => void;
  onUnpair: () => void;
};

/** How much is shown, how much is not, and what is highlighted. */
export const StatusLine = ({ bright, graph, loading, onBright, onShowMore, onUnpair, pair, selected }: Props) => {
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
        <Text color="fg.warning">The graph is cut: there is more than can be shown at once. Fewer hops or one direction show less of it, whole.</Text>
      ) : null}
      {!graph.truncated && hidden > 0 ? (
        <Button color="blue.fg" h="auto" minW={0} px={0} size="sm" variant="plain" onClick={onShowMore}>
          Show more: {hidden} {hidden === 1 ? "node has" : "nodes have"} neighbours that are not shown
        </Button>
      ) : null}
      {pair === undefined && selected !== undefined ? (
        <HStack gap={2}>
          <Text>
            highlighted: {selected}{" "}
            <Box as="span" hideBelow="lg">
              (Shift and click another node for the path between)
            </Box>
          </Text>
          <NativeSelect.Root size="xs" w="164px">
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
        </HStack>
      ) : null}
      {pair === undefined ? null : (
        <HStack data-testid="path" gap={2}>
          <Text color="fg">{describe(pair)}</Text>
          <Button size="2xs" variant="outline" onClick={onUnpair}>
            Clear the path
          </Button>
        </HStack>
      )}
    </HStack>
  );
};

const describe = ({ between, from, to }: NonNullable<Props["pair"]>): string => {
  if (between === undefined) return `Nothing links ${from} and ${to} in what is shown: load more, or follow more hops.`;
  const inner = Math.max(between.ids.size - 2, 0);
  const nodes = `${inner} ${inner === 1 ? "node" : "nodes"} between`;
  return between.kind === "flow" ? `Path of ${from} and ${to}: ${nodes}` : `No data went between ${from} and ${to}. The shortest link: ${nodes}`;
};

/** What a place is called in a sentence. */
export const nameOf = (node: LineageNode | { label: string } | undefined): string => node?.label ?? "a node that is not shown";
