import { Box, HStack, Text, VStack } from "@chakra-ui/react";

import type { Cell, Count, Fact, Histogram } from "../api/previews";
import { formatCell, formatCount, heights, shares } from "./cells";

const WIDTH = 240;
const HEIGHT = 48;

/** Counts in bins of equal width. */
export const HistogramBars = ({ histogram }: { histogram: Histogram }) => {
  const { counts, high, low } = histogram;
  const step = WIDTH / counts.length;
  const border = (bin: number) => formatCell(low + ((high - low) * bin) / counts.length);
  return (
    <Box color="blue.solid">
      <svg
        aria-label={`histogram from ${formatCell(low)} to ${formatCell(high)}`}
        height={HEIGHT}
        preserveAspectRatio="none"
        role="img"
        style={{ display: "block" }}
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        width="100%"
      >
        {heights(counts).map((share, bin) => {
          const count = counts[bin] ?? 0;
          const height = count === 0 ? 0 : Math.max(1, share * HEIGHT);
          return (
            <rect
              key={bin}
              fill="currentColor"
              height={height}
              width={Math.max(1, step - 1)}
              x={bin * step + 0.5}
              y={HEIGHT - height}
            >
              <title>{`${border(bin)} to ${border(bin + 1)}: ${formatCount(count)}`}</title>
            </rect>
          );
        })}
      </svg>
      <HStack borderTopWidth="1px" color="fg.muted" fontFamily="mono" fontSize="2xs" gap={4} justify="space-between">
        <Text truncate>{formatCell(low)}</Text>
        <Text truncate>{formatCell(high)}</Text>
      </HStack>
    </Box>
  );
};

type Row = { key: string; name: Cell; share: number; text: string; negative?: boolean };

const BarRows = ({ label, rows }: { label: string; rows: Row[] }) => (
  <VStack align="stretch" aria-label={label} as="ul" gap={0.5} listStyleType="none">
    {rows.map(({ key, name, negative, share, text }) => (
      <Box key={key} as="li" fontSize="xs" position="relative" px={1.5} py={0.5}>
        <Box
          bg={negative === true ? "orange.muted" : "blue.muted"}
          borderRadius="sm"
          inset={0}
          position="absolute"
          right="auto"
          style={{ width: `${100 * share}%` }}
        />
        <HStack gap={3} justify="space-between" position="relative">
          <Text color={name === null ? "fg.muted" : undefined} title={formatCell(name)} truncate>
            {name === "" ? "(empty)" : formatCell(name)}
          </Text>
          <Text flexShrink={0} fontFamily="mono">
            {text}
          </Text>
        </HStack>
      </Box>
    ))}
  </VStack>
);

/** The most common values. */
export const CountBars = ({ counts }: { counts: Count[] }) => {
  const high = heights(counts.map(({ count }) => count));
  return (
    <BarRows
      label="most common values"
      rows={counts.map(({ count, value }, n) => ({ key: String(n), name: value, share: high[n] ?? 0, text: formatCount(count) }))}
    />
  );
};

/** What matters most to a model; what counts against is of another colour. */
export const ImportanceBars = ({ facts }: { facts: Fact[] }) => {
  const share = shares(facts.map(({ value }) => value));
  return (
    <BarRows
      label="importances"
      rows={facts.map(({ name, value }, n) => ({
        key: String(n),
        name,
        share: share[n] ?? 0,
        text: formatCell(value),
        negative: typeof value === "number" && value < 0,
      }))}
    />
  );
};
