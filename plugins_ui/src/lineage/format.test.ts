import { describe, expect, it } from "vitest";

import { artifactKind, formatBytes, formatDuration, formatNumber, shortType } from "./format";

describe("format", () => {
  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1234, "1.2 kB"],
    [292017, "292 kB"],
    [5e9, "5.0 GB"],
  ])("%d bytes as %s", (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it.each([
    [0.27, "270 ms"],
    [7.21, "7.2 s"],
    [59.99, "60.0 s"],
    [75, "1 min 15 s"],
    [3725, "1 h 2 min"],
  ])("%d seconds as %s", (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });

  it("shows every digit of a number", () => {
    expect(formatNumber(0.7036817583751023)).toBe("0.7036817583751023");
    expect(formatNumber("nan")).toBe("nan");
  });

  it("tells kinds of artifacts by codec, and models by their data set type too", () => {
    expect(artifactKind("parquet/1", null)).toBe("table");
    expect(artifactKind("chunks/1:parquet/1", null)).toBe("table");
    expect(artifactKind("files/1", null)).toBe("files");
    expect(artifactKind(null, null)).toBe("other");
    expect(artifactKind("theirs/1", "MODEL")).toBe("model");
    expect(artifactKind("theirs/1", null)).toBe("other");
  });

  it("shortens types to their own name", () => {
    expect(shortType("sklearn.pipeline.Pipeline")).toBe("Pipeline");
    expect(shortType(null)).toBe("");
  });
});
