import { HStack, Spinner, Text } from "@chakra-ui/react";

import { ApiError } from "../api/client";
import type { ArtifactPreview } from "../api/previews";
import { usePreview } from "../api/queries";
import { ErrorAlert } from "../components/ErrorAlert";
import { ErrorBoundary } from "../components/ErrorBoundary";
import { Section } from "../components/Field";
import { ArrayView, TensorsView } from "./ArrayView";
import { FilesView, TreeView } from "./ListViews";
import { ModelView } from "./ModelView";
import { FigureView, PictureView } from "./PictureView";
import { TableView } from "./TableView";
import { BytesView, JsonView, TextView } from "./TextViews";

export type PreviewProps = { digest: string; knows: (id: string) => boolean; onSelect: (id: string) => void };

/** What an artifact looks like: loading, none, not for this user, an error, or the picture of it. */
export const Preview = (props: PreviewProps) => {
  const { data, error, refetch } = usePreview(props.digest, true);
  return (
    <Section title="Preview">
      {data === undefined ? (
        <Missing error={error} onRetry={() => void refetch()} />
      ) : (
        <ErrorBoundary>
          <Shown {...props} preview={data} />
        </ErrorBoundary>
      )}
    </Section>
  );
};

const Missing = ({ error, onRetry }: { error: Error | null; onRetry: () => void }) => {
  if (error === null) {
    return (
      <HStack color="fg.muted" fontSize="sm">
        <Spinner size="xs" /> Loading the preview …
      </HStack>
    );
  }
  if (error instanceof ApiError && error.status === 404) return <Quiet text={sentence(error.message)} />;
  if (error instanceof ApiError && error.status === 403) return <Quiet text="You may not see this artifact." />;
  return <ErrorAlert error={error} onRetry={onRetry} />;
};

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

const Quiet = ({ text }: { text: string }) => (
  <Text color="fg.muted" fontSize="sm">
    {text}
  </Text>
);

const Shown = ({ digest, knows, onSelect, preview }: PreviewProps & { preview: ArtifactPreview }) => {
  switch (preview.kind) {
    case "table":
      return <TableView preview={preview} />;
    case "array":
      return <ArrayView preview={preview} />;
    case "tensors":
      return <TensorsView preview={preview} />;
    case "model":
      return <ModelView preview={preview} />;
    case "image":
      return <PictureView digest={digest} preview={preview} />;
    case "figure":
      return <FigureView preview={preview} />;
    case "json":
      return <JsonView preview={preview} />;
    case "text":
      return <TextView preview={preview} />;
    case "bytes":
      return <BytesView preview={preview} />;
    case "files":
      return <FilesView preview={preview} />;
    case "tree":
      return <TreeView knows={knows} preview={preview} onSelect={onSelect} />;
    default:
      return <Quiet text="This version of the Lineage tab does not know this kind of preview." />;
  }
};
