/** Pure: what a node says, in its card, to a screen reader, and in an exported picture. */
import type { ArtifactNode, RunNode, State } from "../api/types";
import { artifactKind, formatBytes, formatDuration, shortDigest, shortType } from "./format";
import type { GroupNode, ShownNode } from "./grouping";
import { lookOf } from "./states";

export type Face = {
  title: string;
  facts: string;
  /** For screen readers: begins with what the title and facts say, in these words. */
  label: string;
  hint: string;
  /** Chakra colour palette. */
  tone: string;
};

const ORDER: State[] = ["failed", "upstream_failed", "running", "unknown", "removed", "skipped", "success"];

/** Of several states the one that matters most. */
export const worst = (states: Partial<Record<State, number>>): State | undefined => ORDER.find((state) => (states[state] ?? 0) > 0);

export const LEVELS: Record<GroupNode["level"], string> = { dag: "Dag", group: "task group", mapped: "mapped task", data: "outputs" };

const counted = (n: number, one: string, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

const ofGroup = ({ dag_run_id, label, level, members, runs, states }: GroupNode): Face => {
  const data = members.length - runs;
  const state = worst(states);
  const others = ORDER.filter((other) => other !== "success" && states[other] !== undefined).map((other) => `${states[other] ?? 0} ${lookOf(other).text}`);
  const sizes = [...(runs > 0 ? [counted(runs, level === "mapped" ? "instance" : "step")] : []), ...(data > 0 ? [counted(data, level === "data" ? "output" : "artifact")] : [])];
  const short = (others.length > 0 ? others : sizes).join(" · ");
  const facts = others.length > 0 && runs > 1 ? `${runs}: ${short}` : short;
  return {
    title: label,
    facts,
    label: `${LEVELS[level]} ${label}, ${facts}; shut, ${sizes.join(", ")}`,
    hint: [`${LEVELS[level]} ${label}`, level === "dag" ? (dag_run_id ?? "") : "", sizes.join(", ")].filter((line) => line !== "").join("\n"),
    tone: state === undefined ? "blue" : lookOf(state).palette,
  };
};

const ofRun = (node: RunNode): Face => {
  const { palette, text } = lookOf(node.state);
  const cached = node.cache === "hit";
  const facts = [
    cached ? `${text}, cached` : text,
    ...(node.try_number !== null && node.try_number > 1 ? [`try ${node.try_number}`] : []),
    ...(node.duration_s === null ? [] : [formatDuration(node.duration_s)]),
  ];
  return {
    title: node.label,
    facts: facts.join(" · "),
    label: `step ${node.label}, ${facts.join(" · ")}`,
    hint: `${node.job_name ?? node.label}\n${node.dag_run_id ?? ""}`,
    tone: palette,
  };
};

const ofArtifact = (node: ArtifactNode): Face => {
  const type = shortType(node.type);
  const inline = node.has_value ? JSON.stringify(node.value) : undefined;
  const size = node.size === null ? shortDigest(node.digest ?? "") : formatBytes(node.size);
  const facts = inline !== undefined && inline.length <= 18 ? `${type} ${inline}` : `${type} · ${size}`;
  return {
    title: node.label,
    facts,
    label: `artifact ${node.label}, ${facts}`,
    hint: `${node.names.join("\n")}\n${node.digest ?? ""}`,
    tone: artifactKind(node.codec, node.dataset_type) === "model" ? "purple" : "blue",
  };
};

const LOCKED = { run: "step", artifact: "artifact", dataset: "data set", group: "group" };

export const faceOf = (node: ShownNode): Face => {
  if (node.locked) {
    const what = LOCKED[node.kind];
    return { title: "locked", facts: "", label: `locked ${what}`, hint: `A ${what} of a Dag that you may not read`, tone: "gray" };
  }
  switch (node.kind) {
    case "group":
      return ofGroup(node);
    case "run":
      return ofRun(node);
    case "artifact":
      return ofArtifact(node);
    case "dataset":
      return {
        title: node.label,
        facts: node.namespace ?? "",
        label: `data set ${node.label}, ${node.namespace ?? ""}`,
        hint: `${node.namespace ?? ""}\n${node.name ?? ""}`,
        tone: "orange",
      };
  }
};
