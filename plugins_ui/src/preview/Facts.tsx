import { Text } from "@chakra-ui/react";

import type { Cell, Statistics } from "../api/previews";
import { Field } from "../components/Field";
import { HistogramBars } from "./Bars";
import { formatCell, QUANTILES } from "./cells";

/** One value of the data, in full. */
export const Value = ({ value }: { value: Cell }) => (
  <Text as="span" color={value === null ? "fg.muted" : undefined} fontFamily="mono" fontSize="xs" whiteSpace="pre-wrap">
    {formatCell(value)}
  </Text>
);

export const StatisticsFields = ({ statistics }: { statistics: Statistics }) => (
  <>
    <Field name="mean">
      <Value value={statistics.mean} />
    </Field>
    <Field name="std. deviation">
      <Value value={statistics.std} />
    </Field>
    {(statistics.quantiles ?? []).map((quantile, n) => (
      <Field key={QUANTILES[n]} name={`${QUANTILES[n] ?? ""} quantile`}>
        <Value value={quantile} />
      </Field>
    ))}
    {statistics.histogram === null ? null : <HistogramBars histogram={statistics.histogram} />}
  </>
);
