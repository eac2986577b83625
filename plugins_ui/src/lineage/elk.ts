/** The one ELK instance, in a web worker whose URL the bundler resolves; loaded when the first graph is laid out. */
import type { ElkNode } from "elkjs/lib/elk-api";

const start = async () => {
  const [{ default: ELK }, { default: ElkWorker }] = await Promise.all([import("elkjs/lib/elk-api"), import("elkjs/lib/elk-worker.min.js?worker")]);
  return new ELK({ workerFactory: () => new ElkWorker() });
};

let starting: ReturnType<typeof start> | undefined;

export const runElk = async (graph: ElkNode): Promise<ElkNode> => {
  starting ??= start();
  return (await starting).layout(graph);
};
