import { Button, HStack, Text } from "@chakra-ui/react";
import { useState } from "react";

import { shortDigest } from "../lineage/format";

/** A digest in its short form; the button copies the whole. */
export const Digest = ({ digest }: { digest: string }) => {
  const [copied, setCopied] = useState(false);
  return (
    <HStack gap={2}>
      <Text as="code" fontFamily="mono" title={digest}>
        {shortDigest(digest)}
      </Text>
      <Button
        aria-label={`Copy digest ${digest}`}
        size="2xs"
        variant="outline"
        onClick={() => {
          void navigator.clipboard.writeText(digest).then(() => {
            setCopied(true);
          });
        }}
      >
        {copied ? "copied" : "copy"}
      </Button>
    </HStack>
  );
};
