import { Box, Code, Heading, Text, VStack } from "@chakra-ui/react";

const EXAMPLE = `from sematic_airflow_provider import sematic_task

@sematic_task
def train(table: pd.DataFrame) -> Pipeline:
    ...`;

/** Nothing here yet: how the first lineage comes about. */
export const Empty = () => (
  <VStack gap={3} maxW="560px" mx="auto" py={16} textAlign="center">
    <Heading size="md">No lineage yet</Heading>
    <Text color="fg.muted">
      Decorate a function, use it in this Dag and trigger a run. What each step reads and writes appears here as soon as it
      starts.
    </Text>
    <Box as="pre" bg="bg.subtle" borderRadius="md" borderWidth="1px" fontFamily="mono" fontSize="xs" p={4} textAlign="left" w="full">
      {EXAMPLE}
    </Box>
    <Text color="fg.muted" fontSize="sm">
      Has it run already? <Code>airflow sematic doctor</Code> finds what is in the way.
    </Text>
  </VStack>
);
