import { Badge, HStack, Link, Text, VStack } from "@chakra-ui/react";
import { Link as RouterLink } from "react-router-dom";

import type { CacheStatus, RunDetails } from "../api/types";
import { Field, Section } from "../components/Field";
import { formatTime } from "./format";
import { taskInstancePath } from "./paths";

const LOOKS: Record<CacheStatus, { palette: string; text: string }> = {
  hit: { palette: "green", text: "hit: outputs of an earlier run were used" },
  miss: { palette: "gray", text: "miss: it was executed" },
  refreshed: { palette: "blue", text: "refreshed: executed because it was cleared" },
  off: { palette: "gray", text: "off" },
};

/** Values of parts of the key are digests or versions: the former are shown short. */
const shown = (value: string | null): string => (value === null ? "not there" : /^[0-9a-f]{64}$/.test(value) ? value.slice(0, 12) : value);

/** Whether the step cache was used, and why, or why not. */
export const CacheSection = ({ cache }: { cache: RunDetails["cache"] }) => {
  if (cache?.status == null) return null;
  const { palette, text } = LOOKS[cache.status];
  const origin = cache.computedBy;
  const path = origin == null ? undefined : taskInstancePath(origin.dagId, origin.runId, origin.taskId, origin.mapIndex);
  const changed = cache.changed ?? [];
  return (
    <Section title="Cache">
      <VStack align="stretch" gap={1}>
        <HStack>
          <Badge colorPalette={palette}>{text}</Badge>
        </HStack>
        {cache.reason && path === undefined ? <Text fontSize="sm">{cache.reason}</Text> : null}
        {origin == null || path === undefined ? null : (
          <Field name="computed by">
            <Link asChild colorPalette="blue" variant="underline">
              <RouterLink to={path}>{`${origin.dagId}.${origin.taskId}, ${origin.runId}`}</RouterLink>
            </Link>
            <Text color="fg.muted">{formatTime(origin.at)}</Text>
          </Field>
        )}
        {changed.map(({ now, part, was }) => (
          <Field key={part} name={part}>
            <code title={was ?? ""}>{shown(was)}</code> → <code title={now ?? ""}>{shown(now)}</code>
          </Field>
        ))}
        {cache.key ? (
          <Field name="key">
            <code title={cache.key}>{cache.key.slice(0, 12)}</code>
          </Field>
        ) : null}
      </VStack>
    </Section>
  );
};
