import { Box, Image, Text, VStack } from "@chakra-ui/react";
import { useState } from "react";

import type { FigurePreview, ImagePreview } from "../api/previews";
import { pictureUrl } from "../api/queries";
import { Field, Section } from "../components/Field";
import { formatBytes } from "../lineage/format";
import { Mono } from "../lineage/Mono";
import { formatCount, plural } from "./cells";

export const PictureView = ({ digest, preview }: { digest: string; preview: ImagePreview }) => {
  const [broken, setBroken] = useState(false);
  const { frames, height, mode, shown_height, shown_width, title, width } = preview;
  const smaller = shown_width < width || shown_height < height;
  return (
    <VStack align="stretch" gap={1.5}>
      {broken ? (
        <Text color="fg.muted" fontSize="sm">
          The picture cannot be loaded.
        </Text>
      ) : (
        <a href={pictureUrl(digest)} rel="noreferrer" target="_blank">
          {/* Pictures are drawn for white paper, in dark mode too. */}
          <Box bg="white" borderRadius="md" borderWidth="1px" overflow="hidden">
            <Image
              alt={title === "" ? "preview" : title}
              display="block"
              maxH="420px"
              mx="auto"
              objectFit="contain"
              src={pictureUrl(digest)}
              onError={() => {
                setBroken(true);
              }}
            />
          </Box>
        </a>
      )}
      {title === "" ? null : <Text fontSize="sm">{title}</Text>}
      <Text color="fg.muted" fontSize="xs">
        {formatCount(width)} × {formatCount(height)} pixels{mode === "" ? "" : `, ${mode}`}
        {frames > 1 ? `, the first of ${formatCount(frames)} frames` : ""}
        {smaller ? `; shown at ${formatCount(shown_width)} × ${formatCount(shown_height)}` : ""}
      </Text>
    </VStack>
  );
};

export const FigureView = ({ preview: { json, size, title, trace_count, traces } }: { preview: FigurePreview }) => (
  <VStack align="stretch" gap={3}>
    <VStack align="stretch" gap={1}>
      {title === "" ? null : <Field name="title">{title}</Field>}
      <Field name="as JSON">{formatBytes(size)}</Field>
    </VStack>
    <Section title={`Traces (${formatCount(trace_count)})`}>
      <VStack align="stretch" gap={0.5}>
        {traces.map(({ name, points, type }, n) => (
          <Field key={n} name={type}>
            {name} {points === null ? "" : <Text as="span" color="fg.muted">{plural(points, "point")}</Text>}
          </Field>
        ))}
        {traces.length < trace_count ? <Cut>and {plural(trace_count - traces.length, "more trace")}</Cut> : null}
      </VStack>
    </Section>
    {json === null ? null : <Mono text={json} />}
  </VStack>
);

/** Says that there is more than is shown. */
export const Cut = ({ children }: { children: React.ReactNode }) => (
  <Text color="fg.muted" fontSize="xs" mt={1}>
    {children}
  </Text>
);
