import { Box, Table, Text, VStack } from "@chakra-ui/react";

import type { ArrayPreview, TensorsPreview } from "../api/previews";
import { Field } from "../components/Field";
import { formatBytes } from "../lineage/format";
import { CountBars } from "./Bars";
import { formatCell, formatCount, formatShape, plural } from "./cells";
import { Beside, SpreadFields, StatisticsHistogram, Value } from "./Facts";

export const ArrayView = ({ preview }: { preview: ArrayPreview }) => {
  const { device, dtype, exact, first, inf, max, min, nan, nbytes, sample_size, shape, statistics, stored, top } = preview;
  const of = exact ? "" : " of sample";
  return (
    <VStack align="stretch" gap={2}>
      <Beside>
        <VStack align="stretch" gap={1}>
          <Field name="shape">
            <Text as="span" fontFamily="mono" fontSize="xs">
              {formatShape(shape)}
            </Text>
          </Field>
          <Field name="dtype">
            <Value value={dtype} />
          </Field>
          <Field name="in memory">{formatBytes(nbytes)}</Field>
          {device === "" ? null : <Field name="device">{device}</Field>}
          {stored === null ? null : <Field name="elements held">{formatCount(stored)}</Field>}
          {nan === null || nan === 0 ? null : <Field name={`NaN${of}`}>{formatCount(nan)}</Field>}
          {inf === null || inf === 0 ? null : <Field name={`infinite${of}`}>{formatCount(inf)}</Field>}
          <SpreadFields exact={exact} max={max} min={min} statistics={statistics} />
        </VStack>
        <StatisticsHistogram statistics={statistics} />
        {top === null ? null : <CountBars counts={top} />}
      </Beside>
      {first.length === 0 ? null : (
        <Box aria-label="first elements" as="section" bg="bg.subtle" borderRadius="md" borderWidth="1px" fontFamily="mono" fontSize="xs" overflowWrap="anywhere" p={2.5}>
          {first.map(formatCell).join("  ")}
          {first.length < shape.reduce((a, b) => a * b, 1) ? "  …" : ""}
        </Box>
      )}
      {sample_size > 0 && !exact ? (
        <Text color="fg.muted" fontSize="xs">
          Statistics are of an even sample of {plural(sample_size, "element")}.
        </Text>
      ) : null}
    </VStack>
  );
};

export const TensorsView = ({ preview: { count, elements, tensors } }: { preview: TensorsPreview }) => (
  <Box>
    <Text color="fg.muted" fontSize="xs" mb={1.5}>
      {plural(count, "tensor")}, {plural(elements, "element")}
      {tensors.length < count ? `; the first ${formatCount(tensors.length)}` : ""}
    </Text>
    <Box borderRadius="md" borderWidth="1px" maxH="360px" overflow="auto" tabIndex={0}>
      <Table.Root size="sm" stickyHeader>
        <Table.Header>
          <Table.Row bg="bg.subtle">
            {["name", "shape", "dtype", "norm"].map((name) => (
              <Table.ColumnHeader key={name} fontSize="xs" px={2} py={1}>
                {name}
              </Table.ColumnHeader>
            ))}
          </Table.Row>
        </Table.Header>
        <Table.Body>
          {tensors.map(({ dtype, name, norm, shape }) => (
            <Table.Row key={name}>
              {[name, formatShape(shape), dtype, norm === null ? "" : formatCell(norm)].map((text, n) => (
                <Table.Cell key={n} fontFamily="mono" fontSize="xs" px={2} py={0.5} whiteSpace="nowrap">
                  {text}
                </Table.Cell>
              ))}
            </Table.Row>
          ))}
        </Table.Body>
      </Table.Root>
    </Box>
  </Box>
);
