/**
 * Pure: which nodes are drawn as one. A run lies in its mapped task, its task groups and its Dag run; each of them can be shut and then stands for all that
 * is within. What lies open is drawn as a frame.
 */
import type { LineageEdge, LineageGraph, LineageNode, RunNode, State } from "../api/types";

export const GROUPINGS = ["none", "mapped", "groups", "dags"] as const;
export type Grouping = (typeof GROUPINGS)[number];
/** `data`: outputs of one name that a shut group wrote. */
export type GroupLevel = "mapped" | "group" | "dag" | "data";

export type GroupNode = {
  kind: "group";
  id: string;
  label: string;
  locked: false;
  level: GroupLevel;
  dag_run_id: string | null;
  members: string[];
  runs: number;
  states: Partial<Record<State, number>>;
};

export type ShownNode = LineageNode | GroupNode;
export type ShownEdge = { id: string; source: string; target: string; label: string };
export type Frame = { id: string; label: string; level: GroupLevel; parent: string | undefined };
export type Shown = {
  nodes: ShownNode[];
  edges: ShownEdge[];
  /** Outer ones before those within. */
  frames: Frame[];
  /** The frame that a shown node lies in. */
  parents: Map<string, string>;
  /** What stands for a node of the graph: itself, or the shut group that it is in. */
  shownAs: Map<string, string>;
};

type Container = { id: string; label: string; level: GroupLevel; dag_run_id: string | null };

const LEVELS: Record<Grouping, GroupLevel[]> = {
  none: [],
  mapped: ["mapped"],
  groups: ["mapped", "group"],
  dags: ["mapped", "group", "dag"],
};
/** A group of one is only in the way; a Dag of one step is still another Dag. */
const LEAST: Record<GroupLevel, number> = { mapped: 2, group: 2, dag: 1, data: 2 };

/** What a graph is grouped by where nobody chose: the larger, the more. */
export const defaultGrouping = ({ nodes }: LineageGraph): Grouping => {
  const runs = nodes.filter((node) => node.kind === "run");
  if (nodes.length > 400 && new Set(runs.map((run) => `${run.dag_id ?? ""}|${run.dag_run_id ?? ""}`)).size > 2) return "dags";
  return nodes.length > 60 && runs.some(({ map_index }) => (map_index ?? -1) >= 0) ? "mapped" : "none";
};

/** What a run lies in, outermost first. */
export const containersOf = ({ dag_id, dag_run_id, map_index, task_id }: RunNode): Container[] => {
  if (dag_id === null || dag_run_id === null || task_id === null) return [];
  const within = `${dag_id}|${dag_run_id}`;
  const names = task_id.split(".");
  const groups = names.slice(0, -1).map((label, n): Container => ({
    id: `group:${within}|${names.slice(0, n + 1).join(".")}`,
    label,
    level: "group",
    dag_run_id,
  }));
  const mapped: Container = { id: `mapped:${within}|${task_id}`, label: names.at(-1) ?? task_id, level: "mapped", dag_run_id };
  return [
    { id: `dag:${within}`, label: dag_id, level: "dag", dag_run_id },
    ...groups,
    ...(map_index !== null && map_index >= 0 ? [mapped] : []),
  ];
};

const count = <T>(items: Iterable<T>): Map<T, number> => {
  const counts = new Map<T, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  return counts;
};

const MOST_LABELS = 2;

const labelOf = (labels: Set<string>): string => {
  const some = [...labels].slice(0, MOST_LABELS).join(", ");
  return labels.size > MOST_LABELS ? `${some}, +${labels.size - MOST_LABELS}` : some;
};

/** Edges between the same two nodes as one, with the first of their labels and how many more there are. */
export const joinEdges = (edges: LineageEdge[], shownAs: (id: string) => string = (id) => id): ShownEdge[] => {
  const joined = new Map<string, ShownEdge & { labels: Set<string> }>();
  for (const edge of edges) {
    const [source, target] = [shownAs(edge.source), shownAs(edge.target)];
    if (source === target) continue;
    const id = `${source}|${target}`;
    const known = joined.get(id) ?? { id, source, target, label: "", labels: new Set<string>() };
    if (edge.label !== "return_value" && edge.label !== "") known.labels.add(edge.label);
    joined.set(id, known);
  }
  return [...joined.values()].map(({ id, labels, source, target }) => ({ id, source, target, label: labelOf(labels) }));
};

const nameOf = (node: LineageNode): string => {
  switch (node.kind) {
    case "artifact":
      return node.names[0] ?? node.label;
    case "dataset":
      return node.name ?? node.label;
    case "run":
      return node.label;
  }
};

const common = (chains: Container[][]): Container[] => {
  const [first = [], ...rest] = chains;
  const end = first.findIndex(({ id }, n) => rest.some((chain) => chain[n]?.id !== id));
  return end === -1 ? first : first.slice(0, end);
};

/** The graph as it is drawn: `open` names the groups that lie open, all others that `grouping` makes are shut. */
export const groupGraph = (graph: LineageGraph, grouping: Grouping, open: ReadonlySet<string>): Shown => {
  const levels = LEVELS[grouping];
  const runs = graph.nodes.filter((node) => node.kind === "run");
  const chains = new Map(runs.map((run) => [run.id, containersOf(run).filter(({ level }) => levels.includes(level))]));
  const sizes = count([...chains.values()].flat().map(({ id }) => id));

  const shownAs = new Map<string, string>();
  const shut = new Map<string, Container>();
  const framesOf = new Map<string, Container[]>();
  for (const [id, chain] of chains) {
    const large = chain.filter((container) => (sizes.get(container.id) ?? 0) >= LEAST[container.level]);
    const at = large.findIndex((container) => !open.has(container.id));
    const container = large[at];
    if (container !== undefined) shut.set(container.id, container);
    const shown = container?.id ?? id;
    shownAs.set(id, shown);
    framesOf.set(shown, container === undefined ? large : large.slice(0, at));
  }

  const writers = new Map<string, Set<string>>();
  const readers = new Map<string, Set<string>>();
  for (const { kind, source, target } of graph.edges) {
    const [map, data, run] = kind === "write" ? [writers, target, source] : [readers, source, target];
    map.set(data, (map.get(data) ?? new Set()).add(shownAs.get(run) ?? run));
  }
  const collected = new Map<string, string>();
  for (const node of graph.nodes) {
    if (node.kind === "run" || node.locked) continue;
    const [w, r] = [[...(writers.get(node.id) ?? [])], [...(readers.get(node.id) ?? [])]];
    const home = shut.get(w[0] ?? r[0] ?? "");
    if (home === undefined || w.length > 1 || (w.length === 0 && r.length > 1)) continue;
    const inside = w.length === 1 && r.every((id) => id === home.id);
    if (inside && (r.length > 0 || home.level !== "mapped")) shownAs.set(node.id, home.id);
    else collected.set(node.id, `data:${home.id}|${nameOf(node)}`);
  }
  const collections = count(collected.values());
  for (const node of graph.nodes) {
    if (node.kind === "run") continue;
    const shownRuns = [...(writers.get(node.id) ?? []), ...(readers.get(node.id) ?? [])];
    const around = common(shownRuns.map((id) => framesOf.get(id) ?? []));
    const id = collected.get(node.id);
    if (id !== undefined && (collections.get(id) ?? 0) >= LEAST.data) {
      const collection: Container = { id, label: node.label, level: "data", dag_run_id: null };
      if (open.has(id)) around.push(collection);
      else {
        shut.set(id, collection);
        shownAs.set(node.id, id);
        framesOf.set(id, common([framesOf.get(id) ?? around, around]));
        continue;
      }
    }
    if (!shownAs.has(node.id)) framesOf.set(node.id, [...around]);
  }

  const nodes = new Map<string, ShownNode>();
  for (const node of graph.nodes) {
    const container = shut.get(shownAs.get(node.id) ?? "");
    if (container === undefined) {
      shownAs.set(node.id, node.id);
      nodes.set(node.id, node);
      continue;
    }
    const found = nodes.get(container.id);
    const group: GroupNode =
      found?.kind === "group" ? found : { ...container, kind: "group", locked: false, members: [], runs: 0, states: {} };
    group.members.push(node.id);
    if (node.kind === "run") {
      const state = node.state ?? "unknown";
      group.runs += 1;
      group.states[state] = (group.states[state] ?? 0) + 1;
    }
    nodes.set(container.id, group);
  }

  const frames = new Map<string, Frame>();
  const parents = new Map<string, string>();
  for (const id of nodes.keys()) {
    const chain = framesOf.get(id) ?? [];
    chain.forEach((container, n) => {
      frames.set(container.id, { id: container.id, label: container.label, level: container.level, parent: chain[n - 1]?.id });
    });
    const parent = chain.at(-1)?.id;
    if (parent !== undefined) parents.set(id, parent);
  }
  return {
    nodes: [...nodes.values()],
    edges: joinEdges(graph.edges, (id) => shownAs.get(id) ?? id),
    frames: [...frames.values()],
    parents,
    shownAs,
  };
};
