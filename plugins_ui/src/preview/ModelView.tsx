import { Box, Text, VStack } from "@chakra-ui/react";

import type { Fact, ModelPreview } from "../api/previews";
import { Field, Section } from "../components/Field";
import { shortType } from "../lineage/format";
import { ImportanceBars } from "./Bars";
import { formatCount } from "./cells";
import { Value } from "./Facts";

export const ModelView = ({ preview }: { preview: ModelPreview }) => {
  const { feature_count, feature_names, fitted, importance_type, importances, library, params, steps, trees } = preview;
  return (
    <VStack align="stretch" gap={4}>
      <VStack align="stretch" gap={1}>
        <Field name="library">{library}</Field>
        {trees === null ? null : <Field name="trees">{formatCount(trees)}</Field>}
        {feature_count === null ? null : <Field name="features">{formatCount(feature_count)}</Field>}
        {feature_names === null ? null : (
          <Field name="feature names">
            <Text as="span" fontFamily="mono" fontSize="xs">
              {feature_names.join(", ")}
              {feature_names.length < (feature_count ?? 0) ? ", …" : ""}
            </Text>
          </Field>
        )}
      </VStack>
      {importances === null ? null : (
        <Section title={`What matters most${importance_type === "" ? "" : ` (${importance_type})`}`}>
          <ImportanceBars facts={importances} />
        </Section>
      )}
      {steps.length === 0 ? null : (
        <Section title={`Steps (${steps.length})`}>
          <VStack align="stretch" as="ol" gap={1.5} listStyleType="none">
            {steps.map((step) => (
              <Box key={step.name} as="li" borderRadius="md" borderWidth="1px" p={2} style={{ marginInlineStart: 12 * (step.name.split(".").length - 1) }}>
                <Text fontSize="sm" fontWeight="medium" title={step.type}>
                  {shortType(step.type)}{" "}
                  <Text as="span" color="fg.muted" fontSize="xs" fontWeight="normal">
                    {step.name}
                  </Text>
                </Text>
                <Facts facts={step.params} />
              </Box>
            ))}
          </VStack>
        </Section>
      )}
      {params.length === 0 ? null : (
        <Section title="Hyperparameters">
          <Facts facts={params} />
        </Section>
      )}
      {fitted.length === 0 ? null : (
        <Section title="Learned">
          <Facts facts={fitted} />
        </Section>
      )}
    </VStack>
  );
};

const Facts = ({ facts }: { facts: Fact[] }) => (
  <VStack align="stretch" gap={0.5}>
    {facts.map(({ name, value }) => (
      <Field key={name} name={name}>
        <Value value={value} />
      </Field>
    ))}
  </VStack>
);
