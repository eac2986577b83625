import { Badge, Box, Button, HStack, Table, Text, VStack } from "@chakra-ui/react";
import { useState } from "react";

import type { Cell, Column, TablePreview } from "../api/previews";
import { Field, Section } from "../components/Field";
import { CountBars } from "./Bars";
import { formatCell, formatCount, formatShare, plural } from "./cells";
import { Beside, SpreadFields, StatisticsHistogram } from "./Facts";

const AT_FIRST = 8;

export const TableView = ({ preview }: { preview: TablePreview }) => {
  const { column_count, columns, rows, sample_rows } = preview;
  const [all, setAll] = useState(false);
  const shown = all ? columns : columns.slice(0, AT_FIRST);
  return (
    <VStack align="stretch" gap={5}>
      <Box>
        <Text color="fg.muted" fontSize="xs" mb={1.5}>
          {plural(rows, "row")}, {plural(column_count, "column")}
          {preview.head.length < rows ? `; the first ${plural(preview.head.length, "row")}` : ""}
          {columns.length < column_count ? `; the first ${formatCount(columns.length)} columns` : ""}
        </Text>
        <Head preview={preview} />
      </Box>
      <Section title={`Columns (${formatCount(column_count)})`}>
        <VStack align="stretch" gap={3}>
          {shown.map((column, n) => (
            <ColumnCard key={n} column={column} rows={rows} sampleRows={sample_rows} />
          ))}
          {shown.length < columns.length ? (
            <Button
              size="xs"
              variant="outline"
              onClick={() => {
                setAll(true);
              }}
            >
              Show all {formatCount(columns.length)} columns
            </Button>
          ) : null}
        </VStack>
        {sample_rows < rows ? (
          <Text color="fg.muted" fontSize="xs" mt={2}>
            Means, quantiles, histograms and counts are of an even sample of {plural(sample_rows, "row")}.
          </Text>
        ) : null}
      </Section>
    </VStack>
  );
};

const Head = ({ preview: { columns, head, index } }: { preview: TablePreview }) => {
  if (columns.length === 0) return null;
  return (
    <Box aria-label="first rows" as="section" borderRadius="md" borderWidth="1px" maxH="340px" overflow="auto" tabIndex={0}>
      <Table.Root data-testid="preview-table" size="sm" stickyHeader>
        <Table.Header>
          <Table.Row bg="bg.subtle">
            {index === null ? null : <Table.ColumnHeader px={2} py={1} />}
            {columns.map(({ dtype, name }, n) => (
              <Table.ColumnHeader key={n} px={2} py={1} textAlign={isNumber(head, n) ? "end" : "start"} whiteSpace="nowrap">
                <Text fontSize="xs" maxW="220px" title={name} truncate>
                  {name}
                </Text>
                <Text color="fg.muted" fontFamily="mono" fontSize="2xs" fontWeight="normal" maxW="220px" title={dtype} truncate>
                  {dtype}
                </Text>
              </Table.ColumnHeader>
            ))}
          </Table.Row>
        </Table.Header>
        <Table.Body>
          {head.map((row, r) => (
            <Table.Row key={r}>
              {index === null ? null : (
                <Table.Cell color="fg.muted" fontFamily="mono" fontSize="xs" px={2} py={0.5} whiteSpace="nowrap">
                  {formatCell(index[r] ?? null)}
                </Table.Cell>
              )}
              {row.map((cell, n) => (
                <HeadCell key={n} cell={cell} right={isNumber(head, n)} />
              ))}
            </Table.Row>
          ))}
        </Table.Body>
      </Table.Root>
    </Box>
  );
};

const isNumber = (head: Cell[][], column: number): boolean => head.some((row) => typeof row[column] === "number");

const HeadCell = ({ cell, right }: { cell: Cell; right: boolean }) => (
  <Table.Cell
    color={cell === null ? "fg.muted" : undefined}
    fontFamily="mono"
    fontSize="xs"
    px={2}
    py={0.5}
    textAlign={right ? "end" : "start"}
  >
    <Text as="span" display="block" fontStyle={cell === null ? "italic" : undefined} maxW="220px" ms={right ? "auto" : 0} title={formatCell(cell)} truncate>
      {formatCell(cell)}
    </Text>
  </Table.Cell>
);

const ColumnCard = ({ column, rows, sampleRows }: { column: Column; rows: number; sampleRows: number }) => {
  const { distinct, dtype, exact, max, min, name, nulls, statistics, top } = column;
  const of = exact ? rows : sampleRows;
  return (
    <Box aria-label={`column ${name}`} as="section" borderRadius="md" borderWidth="1px" p={2.5}>
      <HStack gap={2} justify="space-between" mb={1}>
        <Text fontSize="sm" fontWeight="medium" minW={0} title={name} truncate>
          {name}
        </Text>
        <Badge flexShrink={0} fontFamily="mono" maxW="50%" size="xs" title={dtype} variant="surface">
          <Text truncate>{dtype}</Text>
        </Badge>
      </HStack>
      <Beside>
        <VStack align="stretch" gap={0.5}>
          {nulls === null ? null : (
            <Field name="missing">
              <Text as="span" color={nulls > 0 ? "fg.warning" : "fg.muted"} fontSize="xs">
                {nulls === 0 ? "none" : `${formatCount(nulls)} (${formatShare(nulls, of)})`}
              </Text>
            </Field>
          )}
          <SpreadFields exact={exact} max={max} min={min} statistics={statistics} />
          {distinct === null ? null : (
            <Field name="different values">
              <Text as="span" fontSize="xs">
                {formatCount(distinct)}
              </Text>
            </Field>
          )}
        </VStack>
        <StatisticsHistogram statistics={statistics} />
        {top === null || top.length === 0 ? null : <CountBars counts={top} />}
      </Beside>
    </Box>
  );
};
