import { VStack } from "@chakra-ui/react";

import type { BytesPreview, JsonPreview, TextPreview } from "../api/previews";
import { Field } from "../components/Field";
import { formatBytes } from "../lineage/format";
import { Mono } from "../lineage/Mono";
import { formatCount, plural } from "./cells";
import { Cut } from "./PictureView";

const jsonCut = ({ entries, entries_shown }: JsonPreview): string => {
  if (entries === null) return "Only the beginning is shown.";
  if (entries_shown === null) return `Only the beginning is shown: there are ${plural(entries, "entry", "entries")}.`;
  return `Only the beginning of the first ${formatCount(entries_shown)} of ${plural(entries, "entry", "entries")} is shown.`;
};

export const JsonView = ({ preview }: { preview: JsonPreview }) => (
  <>
    <Mono text={preview.text} />
    {preview.complete ? null : <Cut>{jsonCut(preview)}</Cut>}
  </>
);

export const TextView = ({ preview: { characters, head, lines } }: { preview: TextPreview }) => (
  <>
    <Mono text={head} />
    <Cut>
      {plural(characters, "character")}
      {lines === null ? "" : `, ${plural(lines, "line")}`}
      {head.length < characters ? "; only the beginning is shown" : ""}
    </Cut>
  </>
);

/** Bytes in hex, sixteen in a line. */
export const hexLines = (hex: string): string =>
  (hex.match(/.{1,32}/g) ?? []).map((line) => (line.match(/../g) ?? []).join(" ")).join("\n");

export const BytesView = ({ preview: { head, media_type, size, text } }: { preview: BytesPreview }) => (
  <VStack align="stretch" gap={2}>
    <VStack align="stretch" gap={1}>
      <Field name="seems to be">{media_type}</Field>
      <Field name="size">{formatBytes(size)}</Field>
    </VStack>
    <Mono text={text ?? hexLines(head)} />
    {(text === null ? head.length / 2 : text.length) < size ? <Cut>Only the beginning is shown.</Cut> : null}
  </VStack>
);
