/** Small line icons, drawn in the current colour. */
import type { ReactNode } from "react";

import { artifactKind, type ArtifactKind } from "../lineage/format";
import type { ShownNode } from "../lineage/grouping";

const Icon = ({ children, label }: { children: ReactNode; label: string }) => (
  <svg
    aria-label={label}
    fill="none"
    height="16"
    role="img"
    stroke="currentColor"
    strokeLinecap="round"
    strokeLinejoin="round"
    strokeWidth="1.4"
    style={{ flexShrink: 0 }}
    viewBox="0 0 16 16"
    width="16"
  >
    {children}
  </svg>
);

export const LockIcon = () => (
  <Icon label="locked">
    <rect height="7" rx="1.5" width="10" x="3" y="7" />
    <path d="M5.5 7V5a2.5 2.5 0 0 1 5 0v2" />
  </Icon>
);

export const DatasetIcon = () => (
  <Icon label="data set">
    <ellipse cx="8" cy="4" rx="5" ry="2" />
    <path d="M3 4v8c0 1.1 2.2 2 5 2s5-.9 5-2V4M3 8c0 1.1 2.2 2 5 2s5-.9 5-2" />
  </Icon>
);

export const StepIcon = () => (
  <Icon label="step">
    <path d="M4 3.5v9l8-4.5z" />
  </Icon>
);

export const ArtifactIcon = ({ kind }: { kind: ArtifactKind }) => {
  switch (kind) {
    case "table":
      return (
        <Icon label="table">
          <rect height="11" rx="1" width="12" x="2" y="2.5" />
          <path d="M2 6h12M2 9.7h12M6.5 6v7.5" />
        </Icon>
      );
    case "model":
      return (
        <Icon label="model">
          <circle cx="3.5" cy="4.5" r="1.6" />
          <circle cx="3.5" cy="11.5" r="1.6" />
          <circle cx="12.5" cy="8" r="1.6" />
          <path d="M5 5.2 11 7.4M5 10.8l6-2.2" />
        </Icon>
      );
    case "array":
      return (
        <Icon label="array">
          <path d="M5 2.5H3v11h2M11 2.5h2v11h-2M6 8h.01M8 8h.01M10 8h.01" />
        </Icon>
      );
    case "value":
      return (
        <Icon label="value">
          <path d="M6 2.5c-2 0-1.5 2-1.5 3S4 8 3 8c1 0 1.5 1.5 1.5 2.5s-.5 3 1.5 3M10 2.5c2 0 1.5 2 1.5 3s.5 2.5 1.5 2.5c-1 0-1.5 1.5-1.5 2.5s.5 3-1.5 3" />
        </Icon>
      );
    case "collection":
      return (
        <Icon label="collection">
          <rect height="4.5" rx="1" width="4.5" x="2" y="2" />
          <rect height="4.5" rx="1" width="4.5" x="9.5" y="2" />
          <rect height="4.5" rx="1" width="4.5" x="2" y="9.5" />
          <rect height="4.5" rx="1" width="4.5" x="9.5" y="9.5" />
        </Icon>
      );
    case "files":
      return (
        <Icon label="files">
          <path d="M2 4.5a1 1 0 0 1 1-1h3.5l1.5 2h5a1 1 0 0 1 1 1v5a1 1 0 0 1-1 1H3a1 1 0 0 1-1-1z" />
        </Icon>
      );
    case "figure":
      return (
        <Icon label="figure">
          <path d="M2.5 2.5v11h11M5.5 11V8M8.5 11V5M11.5 11V7" />
        </Icon>
      );
    case "other":
      return (
        <Icon label="artifact">
          <path d="M4 2h5l3 3v9H4zM9 2v3h3" />
        </Icon>
      );
  }
};

export const GroupIcon = () => (
  <Icon label="group">
    <rect height="7" rx="1.5" width="9" x="2" y="7" />
    <path d="M4.5 4.5H12a1.5 1.5 0 0 1 1.5 1.5v5.5M7 2h7.5A1.5 1.5 0 0 1 16 3.5" />
  </Icon>
);

export const NodeIcon = ({ node }: { node: ShownNode }) => {
  if (node.locked) return <LockIcon />;
  switch (node.kind) {
    case "run":
      return <StepIcon />;
    case "artifact":
      return <ArtifactIcon kind={artifactKind(node.codec, node.dataset_type)} />;
    case "dataset":
      return <DatasetIcon />;
    case "group":
      return <GroupIcon />;
  }
};
