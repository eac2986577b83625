import { Badge } from "@chakra-ui/react";

import type { Provenance } from "../api/types";
import { formatBytes } from "./format";
import { Rows, type Row } from "./Rows";

/** A row for what was told, none for what was not. */
const told = (name: string, value: string | number | null | undefined): Row[] => (value == null || value === "" ? [] : [[name, value]]);

/** What a container may use, beside what the machine has. */
const limited = (whole: string, limit: string | undefined): string => (limit === undefined || limit === whole ? whole : `${limit} of ${whole}`);

const bytes = (count: number | null | undefined): string | undefined => (count == null ? undefined : formatBytes(count));

export const EnvironmentSection = ({ provenance }: { provenance: Provenance | null }) => {
  if (provenance === null) return null;
  const { cpuCount, cpuLimit, cpuModel, executor, gpus, host, image, imageDigest, memoryBytes, memoryLimitBytes, packages, platform, python, scratch, seeds } = provenance;
  const devices = gpus?.devices ?? [];
  return (
    <Rows
      title="Environment"
      rows={[
        ...told("Python", python),
        ...told("host", host),
        ...told("platform", platform),
        ...told("executor", executor),
        ...told("image", image),
        ...told("image digest", imageDigest),
        ...told("CPUs", cpuCount === undefined ? undefined : `${limited(String(cpuCount), cpuLimit == null ? undefined : String(cpuLimit))}${cpuModel ? `, ${cpuModel}` : ""}`),
        ...told("memory", memoryBytes === undefined ? undefined : limited(formatBytes(memoryBytes), bytes(memoryLimitBytes))),
        ...devices.map((device): Row => [
          `GPU ${device.index}`,
          [device.name ?? "", bytes(device.memoryBytes), device.driver == null ? undefined : `driver ${device.driver}`].filter(Boolean).join(", "),
        ]),
        ...told("free for files", bytes(scratch?.freeBytes)),
        ...Object.entries(seeds ?? {}).map(([library, seed]): Row => [`seed of ${library}`, seed]),
        ...told("packages", packages?.digest.slice(0, 12)),
      ]}
    />
  );
};

export const gitRows = (provenance: Provenance | null): Row[] => {
  const found = provenance?.git;
  if (found == null) return [["git", "not in a repository"]];
  const diff = found.diff?.digest;
  return [
    [
      "git",
      <span key="git">
        <code title={found.commit ?? ""}>{found.commit?.slice(0, 12) ?? "no commit"}</code> {found.branch ?? ""}
        {found.dirty === true ? (
          <Badge colorPalette="orange" ml={2} title="Files differed from the commit when this ran">
            uncommitted changes
          </Badge>
        ) : null}
      </span>,
    ],
    ...told("remote", found.remote),
    ...(diff === undefined
      ? told("changes", found.dirty === true ? found.diffUnavailable : undefined)
      : [["changes", <code key="diff">{`airflow sematic artifacts get ${diff}`}</code>] satisfies Row]),
  ];
};
