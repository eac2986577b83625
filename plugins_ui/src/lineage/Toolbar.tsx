import { Button, CloseButton, HStack, IconButton, Input, InputGroup, Menu, NativeSelect, Popover, Portal, Text } from "@chakra-ui/react";
import { useEffect, useRef, useState, type Ref } from "react";

import type { Direction } from "../api/types";
import type { Grouping } from "./grouping";
import { Help } from "./Help";
import type { Layout } from "./layout";

export type ExportKind = "png" | "svg" | "json";

type Props = {
  depth: number;
  direction: Direction;
  grouping: Grouping;
  layout: Layout;
  query: string;
  hits: number;
  hit: number;
  searchBox: Ref<HTMLInputElement>;
  helpOpen: boolean;
  onDepth: (depth: number) => void;
  onDirection: (direction: Direction) => void;
  onExport: (kind: ExportKind) => void;
  onGrouping: (grouping: Grouping) => void;
  onHelp: (open: boolean) => void;
  onHit: (step: 1 | -1) => void;
  onFitHits: () => void;
  onLayout: (layout: Layout) => void;
  onQuery: (query: string) => void;
};

const DIRECTIONS: Record<Direction, string> = { both: "up- and downstream", upstream: "upstream only", downstream: "downstream only" };
const GROUPINGS: Record<Grouping, string> = { none: "no groups", mapped: "mapped tasks", groups: "task groups", dags: "Dags" };
const LAYOUTS: Record<Layout, string> = { rows: "left to right, in rows", line: "left to right", down: "top to bottom" };
const HOPS = [1, 2, 4, 8, 12, 20, 50];

/** What is fetched and how it is drawn. */
export const Toolbar = (props: Props) => {
  const { depth, direction, grouping, helpOpen, layout, onDepth, onDirection, onExport, onGrouping, onHelp, onLayout } = props;
  const hops = HOPS.includes(depth) ? HOPS : [...HOPS, depth].toSorted((a, b) => a - b);
  return (
    <HStack aria-label="Lineage graph" columnGap={2} mb={2} role="toolbar" rowGap={1.5} wrap="wrap">
      <Search {...props} />
      <Choice label="Group" texts={GROUPINGS} title="What is drawn as one" value={grouping} w="128px" onChange={onGrouping} />
      <Choice label="Direction" texts={DIRECTIONS} title="Which way the lineage is followed" value={direction} w="176px" onChange={onDirection} />
      <Choice
        label="Depth"
        texts={Object.fromEntries(hops.map((hop) => [String(hop), `${hop} ${hop === 1 ? "hop" : "hops"}`]))}
        title="How many edges the lineage is followed"
        value={String(depth)}
        w="84px"
        onChange={(value) => {
          onDepth(Number(value));
        }}
      />
      <Choice label="Layout" texts={LAYOUTS} title="How the graph is laid out" value={layout} w="160px" onChange={onLayout} />
      <Menu.Root
        onSelect={({ value }) => {
          onExport(value as ExportKind);
        }}
      >
        <Menu.Trigger asChild>
          <Button size="xs" variant="outline">
            Export
          </Button>
        </Menu.Trigger>
        <Portal>
          <Menu.Positioner>
            <Menu.Content>
              <Menu.Item value="png">Picture (PNG)</Menu.Item>
              <Menu.Item value="svg">Drawing (SVG)</Menu.Item>
              <Menu.Item value="json">Graph (JSON)</Menu.Item>
            </Menu.Content>
          </Menu.Positioner>
        </Portal>
      </Menu.Root>
      <Popover.Root
        open={helpOpen}
        positioning={{ placement: "bottom-end" }}
        onOpenChange={({ open }) => {
          onHelp(open);
        }}
      >
        <Popover.Trigger asChild>
          <IconButton aria-label="Keys and shapes" size="xs" title="Keys and shapes" variant="outline">
            ?
          </IconButton>
        </Popover.Trigger>
        <Portal>
          <Popover.Positioner>
            <Popover.Content w="340px">
              <Help />
            </Popover.Content>
          </Popover.Positioner>
        </Portal>
      </Popover.Root>
    </HStack>
  );
};

type ChoiceProps<T extends string> = { label: string; texts: Record<T, string>; title: string; value: T; w: string; onChange: (value: T) => void };

const Choice = <T extends string>({ label, onChange, texts, title, value, w }: ChoiceProps<T>) => (
  <NativeSelect.Root size="xs" title={title} w={w}>
    <NativeSelect.Field
      aria-label={label}
      value={value}
      onChange={(event) => {
        onChange(event.currentTarget.value as T);
      }}
    >
      {Object.entries<string>(texts).map(([key, text]) => (
        <option key={key} value={key}>
          {text}
        </option>
      ))}
    </NativeSelect.Field>
    <NativeSelect.Indicator />
  </NativeSelect.Root>
);

const PAUSE_MS = 150;

/**
 * The text goes into the URL when one pauses: each change of it draws Airflow's page anew. It comes back from there a moment later, when one may have typed
 * on: what was `sent` from here changes the text no more.
 */
const Search = ({ hit, hits, onFitHits, onHit, onQuery, query, searchBox }: Props) => {
  const [text, setText] = useState(query);
  const [seen, setSeen] = useState(query);
  const [sent, setSent] = useState<string[]>([]);
  if (query !== seen) {
    setSeen(query);
    const at = sent.indexOf(query);
    setSent(sent.slice(at + 1));
    if (at === -1) setText(query); // somebody else's: the back button, Escape
  }
  const timer = useRef<number>(undefined);
  useEffect(
    () => () => {
      window.clearTimeout(timer.current);
    },
    [],
  );
  const change = (value: string) => {
    setText(value);
    window.clearTimeout(timer.current);
    timer.current = window.setTimeout(() => {
      setSent((before) => (value === (before.at(-1) ?? query) ? before : [...before, value]));
      onQuery(value);
    }, PAUSE_MS);
  };
  const isDone = text === query && query !== "";
  return (
    <HStack gap={1}>
      <InputGroup
        endElement={
          text === "" ? undefined : (
            <HStack gap={1}>
              <Text aria-live="polite" color={hits === 0 && isDone ? "fg.error" : "fg.muted"} data-testid="search-hits" fontSize="xs" whiteSpace="nowrap">
                {!isDone ? "" : hits === 0 ? "no hits" : `${hit + 1} of ${hits}`}
              </Text>
              <CloseButton
                aria-label="Clear the search"
                size="2xs"
                onClick={() => {
                  change("");
                }}
              />
            </HStack>
          )
        }
        w="220px"
      >
        <Input
          ref={searchBox}
          aria-label="Search in the graph"
          placeholder="Search   /"
          size="xs"
          title="Names, states, the start of a digest; state:failed, kind:model, dag:…, type:…"
          value={text}
          onChange={(event) => {
            change(event.currentTarget.value);
          }}
          onKeyDown={(event) => {
            if (event.key === "Enter") {
              event.preventDefault();
              if (isDone) onHit(event.shiftKey ? -1 : 1);
            }
          }}
        />
      </InputGroup>
      <IconButton
        aria-label="Previous hit"
        disabled={hits === 0}
        size="2xs"
        variant="ghost"
        onClick={() => {
          onHit(-1);
        }}
      >
        ‹
      </IconButton>
      <IconButton
        aria-label="Next hit"
        disabled={hits === 0}
        size="2xs"
        variant="ghost"
        onClick={() => {
          onHit(1);
        }}
      >
        ›
      </IconButton>
      <Button aria-label="Show all hits" disabled={hits === 0} size="2xs" title="Show all hits" variant="ghost" onClick={onFitHits}>
        all
      </Button>
    </HStack>
  );
};
