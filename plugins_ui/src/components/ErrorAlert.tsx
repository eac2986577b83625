import { Alert, Button } from "@chakra-ui/react";

import { ApiError } from "../api/client";

const ADVICE: Record<number, string> = {
  401: "Sign in to Airflow again.",
  403: "Ask for read access to the runs of this Dag.",
  503: "An administrator can find out more with: airflow sematic doctor",
};

export const ErrorAlert = ({ error, onRetry }: { error: Error; onRetry: () => void }) => (
  <Alert.Root status="error" my={4}>
    <Alert.Indicator />
    <Alert.Content>
      <Alert.Title>The lineage could not be loaded</Alert.Title>
      <Alert.Description>
        {error.message} {error instanceof ApiError ? (ADVICE[error.status] ?? "") : "Is the API server running?"}
      </Alert.Description>
    </Alert.Content>
    <Button alignSelf="center" size="xs" variant="outline" onClick={onRetry}>
      Try again
    </Button>
  </Alert.Root>
);
