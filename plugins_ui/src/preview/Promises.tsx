import { Badge, HStack } from "@chakra-ui/react";

import type { ArtifactDetails } from "../api/types";

const WRAPPED = { h: "auto", minW: 0, whiteSpace: "normal" } as const;

/** What is to be known of the identity and the safety of an artifact, where it is not as usual. */
export const Promises = ({ details: { depends_on, deterministic, pickle } }: { details: ArtifactDetails }) => {
  if (!pickle && deterministic !== false && depends_on.length === 0) return null;
  return (
    <HStack gap={1.5} wrap="wrap">
      {pickle ? (
        <Badge colorPalette="orange" {...WRAPPED} title="Loading it runs code that is in it. The API server never does.">
          is a pickle
        </Badge>
      ) : null}
      {deterministic === false ? (
        <Badge colorPalette="orange" {...WRAPPED} title="The codec does not promise equal bytes for equal values: the digest may change although the value is the same.">
          equal values may get different digests
        </Badge>
      ) : null}
      {depends_on.length > 0 ? (
        <Badge {...WRAPPED} title="Equal values have equal digests under equal versions of these." variant="surface">
          digest depends on the version of {depends_on.join(", ")}
        </Badge>
      ) : null}
    </HStack>
  );
};
