import { Box } from "@chakra-ui/react";

/** Text as it is: code, JSON, a stack trace. */
export const Mono = ({ text }: { text: string }) => (
  <Box
    as="pre"
    bg="bg.subtle"
    borderRadius="md"
    borderWidth="1px"
    fontFamily="mono"
    fontSize="xs"
    maxH="320px"
    overflow="auto"
    p={2.5}
    tabIndex={0}
    whiteSpace="pre"
  >
    {text}
  </Box>
);
