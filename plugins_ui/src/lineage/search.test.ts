import { describe, expect, it } from "vitest";

import { buildArtifact, buildRun } from "../testing/builders";
import { search } from "./search";

const NODES = [
  buildRun("train", { state: "failed", task_id: "tune.train" }),
  buildRun("predict", { cache: "hit", run_id: "01a207f9-aaaa" }),
  buildArtifact("table", { digest: "beef".padEnd(64, "0") }),
  buildArtifact("model", { codec: "skops/1", dataset_type: "MODEL", type: "sklearn.pipeline.Pipeline", names: ["other.fit.return_value"] }),
  { id: "dataset:raw", kind: "dataset" as const, label: "raw.flights", locked: false, namespace: "postgres://db", name: "raw.flights", version: null },
  buildArtifact("secret", { locked: true, label: "locked", names: [] }),
];

describe("search", () => {
  it.each([
    ["", []],
    ["TRAIN", ["run:train"]],
    ["tune", ["run:train"]],
    ["failed", ["run:train"]],
    ["state:cached", ["run:predict"]],
    ["cached", ["run:predict"]],
    ["beef", ["artifact:table"]],
    ["eef0", []],
    ["01a207f9", ["run:predict"]],
    ["kind:model", ["artifact:model"]],
    ["model", ["artifact:model"]],
    ["kind:step", ["run:train", "run:predict"]],
    ["kind:dataset", ["dataset:raw"]],
    ["type:pipeline", ["artifact:model"]],
    ["dag:other", ["artifact:model"]],
    ["postgres", ["dataset:raw"]],
    ["kind:step failed", ["run:train"]],
    ["train nowhere", []],
    ["locked", []],
  ])("for %s finds %o", (query, ids) => {
    expect(search(NODES, query)).toEqual(ids);
  });

  it("takes a word with a colon that is no key as it is", () => {
    expect(search(NODES, "postgres://db")).toEqual(["dataset:raw"]);
  });
});
