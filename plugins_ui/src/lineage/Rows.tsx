import { VStack } from "@chakra-ui/react";
import type { ReactNode } from "react";

import { Field, Section } from "../components/Field";

export type Row = [string, ReactNode];

/** A section of names and values; none where there are no rows. */
export const Rows = ({ rows, title }: { rows: Row[]; title: string }) =>
  rows.length === 0 ? null : (
    <Section title={title}>
      <VStack align="stretch" gap={1}>
        {rows.map(([name, value]) => (
          <Field key={name} name={name}>
            {value}
          </Field>
        ))}
      </VStack>
    </Section>
  );
