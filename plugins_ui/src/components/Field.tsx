import { Box, HStack, Text } from "@chakra-ui/react";
import type { ReactNode } from "react";

export const Field = ({ children, name }: { children: ReactNode; name: string }) => (
  <HStack align="start" fontSize="sm" gap={3}>
    <Text color="fg.muted" flexShrink={0} overflowWrap="anywhere" w="128px">
      {name}
    </Text>
    <Box minW={0} overflowWrap="anywhere">
      {children}
    </Box>
  </HStack>
);

export const Section = ({ children, title }: { children: ReactNode; title: string }) => (
  <Box as="section">
    <Text as="h3" color="fg.muted" fontSize="xs" fontWeight="semibold" letterSpacing="wide" mb={1.5} textTransform="uppercase">
      {title}
    </Text>
    {children}
  </Box>
);
