/** Pure: which nodes a text finds. */
import type { LineageNode } from "../api/types";
import { artifactKind } from "./format";

const KEYS = ["state", "kind", "dag", "type"] as const;
type Key = (typeof KEYS)[number];
type Term = { key: Key | undefined; text: string };

const isKey = (text: string): text is Key => (KEYS as readonly string[]).includes(text);

const termsOf = (query: string): Term[] =>
  query
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "")
    .map((word) => {
      const [key = "", ...rest] = word.split(":");
      return rest.length > 0 && isKey(key) ? { key, text: rest.join(":") } : { key: undefined, text: word };
    });

const kindOf = (node: LineageNode): string => {
  switch (node.kind) {
    case "run":
      return "step";
    case "artifact":
      return artifactKind(node.codec, node.dataset_type);
    case "dataset":
      return "dataset";
  }
};

const textsOf = (node: LineageNode): (string | null)[] => {
  switch (node.kind) {
    case "run":
      return [node.label, node.task_id, node.job_name, node.dag_id, node.dag_run_id, node.state, node.cache === "hit" ? "cached" : null];
    case "artifact":
      return [node.label, ...node.names, node.type];
    case "dataset":
      return [node.label, node.name, node.namespace, node.version];
  }
};

const idOf = (node: LineageNode): string => (node.kind === "run" ? node.run_id : node.kind === "artifact" ? node.digest : null) ?? "";

const has = (text: string | null, part: string) => text?.toLowerCase().includes(part) ?? false;

const fits = (node: LineageNode, { key, text }: Term): boolean => {
  switch (key) {
    case "state":
      return node.kind === "run" && (node.cache === "hit" && text === "cached" ? true : has(node.state, text));
    case "kind":
      return has(kindOf(node), text) || has(node.kind, text);
    case "dag":
      return node.kind === "run" ? has(node.dag_id, text) : node.kind === "artifact" && node.names.some((name) => name.toLowerCase().startsWith(text));
    case "type":
      return node.kind === "artifact" && has(node.type, text);
    case undefined:
      return [kindOf(node), ...textsOf(node)].some((found) => has(found, text)) || (text.length >= 4 && idOf(node).startsWith(text));
  }
};

/**
 * The ids of the nodes that all words of a query fit: parts of names, the first four or more characters of a digest or run id, a state; `state:`, `kind:`,
 * `dag:` and `type:` ask for one of these only. Nothing for an empty query; what is locked is never found.
 */
export const search = (nodes: LineageNode[], query: string): string[] => {
  const terms = termsOf(query);
  if (terms.length === 0) return [];
  return nodes.filter((node) => !node.locked && terms.every((term) => fits(node, term))).map(({ id }) => id);
};
