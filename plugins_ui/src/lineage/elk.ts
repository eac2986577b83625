/** The one ELK instance, in a web worker whose URL the bundler resolves; started when the first graph is laid out. */
import ELK, { type ElkNode } from "elkjs/lib/elk-api";
import ElkWorker from "elkjs/lib/elk-worker.min.js?worker";

let instance: InstanceType<typeof ELK> | undefined;

export const runElk = (graph: ElkNode): Promise<ElkNode> => {
  instance ??= new ELK({ workerFactory: () => new ElkWorker() });
  return instance.layout(graph);
};
