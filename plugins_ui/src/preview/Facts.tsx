import { Box, Text } from "@chakra-ui/react";
import type { ReactNode } from "react";

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

type Spread = { min: Cell; max: Cell; exact: boolean; statistics: Statistics | null };

/** From the least to the greatest value, with the quantiles between them where they belong. */
export const SpreadFields = ({ exact, max, min, statistics }: Spread) => (
  <>
    {min === null ? null : (
      <Field name={exact ? "min" : "min of sample"}>
        <Value value={min} />
      </Field>
    )}
    {(statistics?.quantiles ?? []).map((quantile, n) => (
      <Field key={QUANTILES[n]} name={QUANTILES[n] ?? ""}>
        <Value value={quantile} />
      </Field>
    ))}
    {max === null ? null : (
      <Field name={exact ? "max" : "max of sample"}>
        <Value value={max} />
      </Field>
    )}
    {statistics === null ? null : (
      <>
        <Field name="mean">
          <Value value={statistics.mean} />
        </Field>
        <Field name="std. deviation">
          <Value value={statistics.std} />
        </Field>
      </>
    )}
  </>
);

/** Side by side where there is room. */
export const Beside = ({ children }: { children: ReactNode }) => (
  <Box alignItems="start" columnGap={5} display="grid" gridTemplateColumns="repeat(auto-fit, minmax(min(100%, 280px), 1fr))" rowGap={2}>
    {children}
  </Box>
);

export const StatisticsHistogram = ({ statistics }: { statistics: Statistics | null }) =>
  statistics?.histogram == null ? null : <HistogramBars histogram={statistics.histogram} />;
