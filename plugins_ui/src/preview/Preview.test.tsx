import { cleanup, fireEvent, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, describe, expect, it, vi } from "vitest";

import type { ArtifactPreview, Column } from "../api/previews";
import { answering, renderInPage } from "../testing/page";
import { Preview } from "./Preview";

const DIGEST = "d".repeat(64);
const END = `/artifacts/${DIGEST}/preview`;

const column = (name: string, changes: Partial<Column> = {}): Column => ({
  name,
  dtype: "float64",
  exact: true,
  nulls: 0,
  min: null,
  max: null,
  statistics: null,
  distinct: null,
  top: null,
  ...changes,
});

const TABLE: ArtifactPreview = {
  kind: "table",
  rows: 336776,
  column_count: 12,
  columns: [
    column("delay", {
      nulls: 8255,
      min: -43,
      max: 0.1 + 0.2,
      statistics: {
        mean: 12.639070257304708,
        std: 40,
        quantiles: [-10.5, -5, -2, 11, 88],
        histogram: { low: -43, high: 1301, counts: [5, 20, 0, 1] },
      },
    }),
    column("carrier", { dtype: "str", distinct: 16, top: [{ value: "UA", count: 1742 }, { value: null, count: 3 }] }),
    ...Array.from({ length: 10 }, (_, n) => column(`more ${n}`)),
  ],
  head: [[0.30000000000000004, "UA", ...Array<null>(10).fill(null)]],
  index: ["first label"],
  sample_rows: 10000,
};

const show = (preview: unknown, knows: (id: string) => boolean = () => false) => {
  answering({ [END]: { body: preview } });
  const onSelect = vi.fn();
  renderInPage(<Preview digest={DIGEST} knows={knows} onSelect={onSelect} />);
  return onSelect;
};

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

describe("the preview", () => {
  it("says that it is loading", () => {
    answering({});
    renderInPage(<Preview digest={DIGEST} knows={() => false} onSelect={vi.fn()} />);
    expect(screen.getByText("Loading the preview …")).toBeTruthy();
  });

  it("says why there is none", async () => {
    answering({ [END]: { status: 404, body: { detail: "no preview: [sematic] previews is off" } } });
    renderInPage(<Preview digest={DIGEST} knows={() => false} onSelect={vi.fn()} />);
    expect(await screen.findByText("No preview: [sematic] previews is off.")).toBeTruthy();
  });

  it("gives nothing away of what is locked", async () => {
    answering({ [END]: { status: 403, body: { detail: "Forbidden" } } });
    renderInPage(<Preview digest={DIGEST} knows={() => false} onSelect={vi.fn()} />);
    expect(await screen.findByText("You may not see this artifact.")).toBeTruthy();
  });

  it("passes on what is wrong with the store, and tries again", async () => {
    answering({ [END]: { status: 503, body: { detail: "the artifact store cannot be read: no route to host" } } });
    renderInPage(<Preview digest={DIGEST} knows={() => false} onSelect={vi.fn()} />);
    expect(await screen.findByText(/no route to host/, undefined, { timeout: 8000 })).toBeTruthy();
    answering({ [END]: { body: { kind: "text", head: "hello", characters: 5, lines: 1 } } });
    await userEvent.click(screen.getByRole("button", { name: "Try again" }));
    expect(await screen.findByText("hello")).toBeTruthy();
  }, 12_000);

  it("does not break on a kind of a later version, nor on a broken preview", async () => {
    show({ kind: "hologram" });
    expect(await screen.findByText(/does not know this kind/)).toBeTruthy();
    cleanup();
    vi.spyOn(console, "error").mockReturnValue(undefined);
    show({ kind: "table", columns: null });
    expect(await screen.findByText("The lineage could not be loaded")).toBeTruthy();
  });
});

describe("a table", () => {
  it("shows its head with types and labels, and every digit", async () => {
    show(TABLE);
    expect(await screen.findByText("336,776 rows, 12 columns; the first 1 row")).toBeTruthy();
    expect(screen.getAllByText("0.30000000000000004").length).toBe(2);
    for (const text of ["first label", "12.639070257304708", "8,255 (2.5%)", "1,742"]) expect(screen.getByText(text), text).toBeTruthy();
    expect(screen.getAllByText("null").length).toBeGreaterThan(5);
  });

  it("draws histograms that can be read bin by bin", async () => {
    show(TABLE);
    const drawn = await screen.findByRole("img", { name: "histogram from -43 to 1301" });
    expect(drawn.querySelectorAll("rect").length).toBe(4);
    expect(drawn.querySelectorAll("title")[1]?.textContent).toBe("293 to 629: 20");
  });

  it("shows a few columns first, and all when asked", async () => {
    show(TABLE);
    expect((await screen.findAllByRole("region", { name: /^column / })).length).toBe(8);
    await userEvent.click(screen.getByRole("button", { name: "Show all 12 columns" }));
    expect(screen.getAllByRole("region", { name: /^column / }).length).toBe(12);
  });

  it("says what is of a sample only", async () => {
    show({ ...TABLE, columns: [column("x", { exact: false, min: 1, max: 2 })] });
    expect(await screen.findByText("min of sample")).toBeTruthy();
    expect(screen.getByText(/even sample of 10,000 rows/)).toBeTruthy();
  });

  it("is shown without rows and columns too", async () => {
    show({ ...TABLE, rows: 0, column_count: 0, columns: [], head: [], index: null, sample_rows: 0 });
    expect(await screen.findByText("0 rows, 0 columns")).toBeTruthy();
  });
});

describe("other kinds", () => {
  it("arrays show shape, ends and how they begin", async () => {
    show({
      kind: "array", shape: [1000, 3], dtype: "float64", nbytes: 24000, exact: true, sample_size: 3000, first: [1.5, "NaN"],
      nan: 1, inf: 0, min: 0.1 + 0.2, max: 9, stored: null, device: "", top: null,
      statistics: { mean: 1, std: 1, quantiles: [1, 2, 3, 4, 5], histogram: null },
    });
    for (const text of ["1,000 × 3", "24.0 kB", "0.30000000000000004", "1.5 NaN …"]) expect(await screen.findByText(text), text).toBeTruthy();
    expect(screen.queryByText("infinite")).toBeNull();
  });

  it("tensors are listed", async () => {
    show({ kind: "tensors", count: 2, elements: 1010, tensors: [{ name: "layer.weight", shape: [10, 100], dtype: "torch.float32", norm: 1.25 }] });
    expect(await screen.findByText("2 tensors, 1,010 elements; the first 1")).toBeTruthy();
    expect(screen.getByText("10 × 100")).toBeTruthy();
  });

  it("models show parameters, steps and what matters", async () => {
    show({
      kind: "model", library: "sklearn 1.9.1", params: [{ name: "C", value: 0.30000000000000004 }],
      steps: [{ name: "clf", type: "sklearn.linear_model.LogisticRegression", params: [{ name: "tol", value: 0.0001 }] }],
      fitted: [], feature_count: 2, feature_names: ["a", "b"], trees: null,
      importances: [{ name: "a", value: -0.5 }], importance_type: "coefficient",
    });
    for (const text of ["sklearn 1.9.1", "0.30000000000000004", "What matters most (coefficient)", "-0.5", "0.0001"]) {
      expect(await screen.findByText(text), text).toBeTruthy();
    }
  });

  it("pictures are fetched from the server, and may be missing", async () => {
    show({ kind: "image", width: 4000, height: 3000, shown_width: 1024, shown_height: 768, mode: "RGB", frames: 1, title: "Delays" });
    const picture = await screen.findByAltText("Delays");
    expect(picture.getAttribute("src")).toBe(`/airflow/sematic/api/v1${END}.png`);
    expect(screen.getByText("4,000 × 3,000 pixels, RGB; shown at 1,024 × 768")).toBeTruthy();
    fireEvent.error(picture);
    expect(screen.getByText("The picture cannot be loaded.")).toBeTruthy();
  });

  it("figures of plotly show their traces", async () => {
    show({ kind: "figure", title: "By month", traces: [{ name: "late", type: "scatter", points: 12 }], trace_count: 3, size: 6607, json: "{}" });
    for (const text of ["By month", "12 points", "and 2 more traces"]) expect(await screen.findByText(text), text).toBeTruthy();
  });

  it("JSON, text and bytes say where they are cut", async () => {
    show({ kind: "json", text: "[1", complete: false, entries: 50000, entries_shown: 20 });
    expect(await screen.findByText("Only the beginning of the first 20 of 50,000 entries is shown.")).toBeTruthy();
    cleanup();
    show({ kind: "text", head: "abc", characters: 1000, lines: null });
    expect(await screen.findByText("1,000 characters; only the beginning is shown")).toBeTruthy();
    cleanup();
    show({ kind: "bytes", head: "0001ff", size: 3, media_type: "application/octet-stream", text: null });
    expect(await screen.findByText("00 01 ff")).toBeTruthy();
    expect(screen.queryByText("Only the beginning is shown.")).toBeNull();
  });

  it("what looks like a page is text", async () => {
    show({ kind: "text", head: "<img src=x onerror=alert(1)>", characters: 28, lines: 1 });
    expect(await screen.findByText("<img src=x onerror=alert(1)>")).toBeTruthy();
    expect(document.querySelector("img")).toBeNull();
  });

  it("folders are listed", async () => {
    show({
      kind: "files", name: "export", of: "folder", count: 500, size: 12345,
      entries: [{ path: "a.csv", entry: "file", size: 10, target: "" }, { path: "l", entry: "link", size: 0, target: "a.csv" }],
    });
    for (const text of ["a.csv", "→ a.csv", "The first 2 are listed."]) expect(await screen.findByText(text), text).toBeTruthy();
  });

  it("members lead to their nodes where the graph has them, and tell their digests where not", async () => {
    const [here, away] = ["a".repeat(64), "b".repeat(64)];
    const member = { type: "pandas.DataFrame", codec: "parquet/1", size: 100, value: null };
    const onSelect = show(
      {
        kind: "tree", of: "flow.Split", count: 3, size: 205,
        members: [
          { ...member, key: "train", digest: here },
          { ...member, key: "test", digest: away, codec: "chunks/1:pickle/1" },
          { ...member, key: "n", digest: "c".repeat(64), value: "5" },
        ],
      },
      (id) => id === `artifact:${here}`,
    );
    await userEvent.click(await screen.findByRole("button", { name: "show member train" }));
    expect(onSelect).toHaveBeenCalledWith(`artifact:${here}`);
    expect(screen.getByTitle(away)).toBeTruthy();
    expect(screen.getByText("pickle")).toBeTruthy();
    expect(screen.getByText("5")).toBeTruthy();
    expect(screen.queryByRole("button", { name: "show member test" })).toBeNull();
  });
});
