import { Box, HStack, Kbd, Text, VStack } from "@chakra-ui/react";
import type { ReactNode } from "react";

import { Section } from "../components/Field";
import { outlines, type Shape } from "./shapes";

const KEYS: [string[], string][] = [
  [["←", "→"], "follow the edges"],
  [["↑", "↓"], "the next node beside"],
  [["Enter"], "open the details"],
  [["Shift", "Enter"], "path between the open node and this one (or Shift and click)"],
  [["o"], "open or shut a group"],
  [["m"], "load more at a node"],
  [["/"], "search; Enter goes to the next hit"],
  [["n", "p"], "next and previous hit"],
  [["f"], "show all"],
  [["Esc"], "clear path, then selection, then search"],
];

const SHAPES: [Shape, string, string][] = [
  ["step", "step", "fg.muted"],
  ["artifact", "artifact", "blue.solid"],
  ["model", "model", "purple.solid"],
  ["dataset", "data set", "orange.solid"],
  ["group", "group, shut", "fg.muted"],
];

/** The keys of the graph, and what its shapes mean. */
export const Help = () => (
  <VStack align="stretch" gap={4} p={4}>
    <Section title="Keys">
      <VStack align="stretch" gap={1}>
        {KEYS.map(([keys, text]) => (
          <Row key={text} text={text}>
            {keys.map((key) => (
              <Kbd key={key} size="sm">
                {key}
              </Kbd>
            ))}
          </Row>
        ))}
      </VStack>
    </Section>
    <Section title="Shapes">
      <VStack align="stretch" gap={1}>
        {SHAPES.map(([shape, text, colour]) => (
          <Row key={shape} text={text}>
            <Box asChild color={colour}>
              <svg aria-hidden height="24" width="56">
                {outlines(shape, 56, 24).map((path) => (
                  <path key={path} d={path} fill="var(--chakra-colors-bg-subtle)" stroke="currentColor" />
                ))}
              </svg>
            </Box>
          </Row>
        ))}
      </VStack>
    </Section>
  </VStack>
);

const Row = ({ children, text }: { children: ReactNode; text: string }) => (
  <HStack align="center" fontSize="sm" gap={3}>
    <HStack gap={1} minW="96px">
      {children}
    </HStack>
    <Text>{text}</Text>
  </HStack>
);
