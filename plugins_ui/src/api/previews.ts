/** What previews hold; docs/previews.md explains it. */

/** Whole numbers beyond 2**53 and what JSON has no number for come as text. */
export type Cell = boolean | number | string | null;

export type Histogram = { low: number; high: number; counts: number[] };
export type Count = { value: Cell; count: number };
export type Fact = { name: string; value: Cell };
export type Statistics = { mean: Cell; std: Cell; quantiles: Cell[] | null; histogram: Histogram | null };

export type Column = {
  name: string;
  dtype: string;
  exact: boolean;
  nulls: number | null;
  min: Cell;
  max: Cell;
  statistics: Statistics | null;
  distinct: number | null;
  top: Count[] | null;
};

export type TablePreview = {
  kind: "table";
  rows: number;
  column_count: number;
  columns: Column[];
  head: Cell[][];
  index: Cell[] | null;
  sample_rows: number;
};

export type ArrayPreview = {
  kind: "array";
  shape: number[];
  dtype: string;
  nbytes: number;
  exact: boolean;
  sample_size: number;
  first: Cell[];
  nan: number | null;
  inf: number | null;
  min: Cell;
  max: Cell;
  statistics: Statistics | null;
  top: Count[] | null;
  stored: number | null;
  device: string;
};

export type Tensor = { name: string; shape: number[]; dtype: string; norm: Cell };
export type TensorsPreview = { kind: "tensors"; count: number; elements: number; tensors: Tensor[] };

export type ModelPreview = {
  kind: "model";
  library: string;
  params: Fact[];
  steps: { name: string; type: string; params: Fact[] }[];
  fitted: Fact[];
  feature_count: number | null;
  feature_names: string[] | null;
  trees: number | null;
  importances: Fact[] | null;
  importance_type: string;
};

export type ImagePreview = {
  kind: "image";
  width: number;
  height: number;
  shown_width: number;
  shown_height: number;
  mode: string;
  frames: number;
  title: string;
};

export type FigurePreview = {
  kind: "figure";
  title: string;
  traces: { name: string; type: string; points: number | null }[];
  trace_count: number;
  size: number;
  json: string | null;
};

export type JsonPreview = {
  kind: "json";
  text: string;
  complete: boolean;
  entries: number | null;
  entries_shown: number | null;
};

export type TextPreview = { kind: "text"; head: string; characters: number; lines: number | null };
export type BytesPreview = { kind: "bytes"; head: string; size: number; media_type: string; text: string | null };

export type FileEntry = { path: string; entry: "file" | "executable" | "folder" | "link"; size: number; target: string };
export type FilesPreview = {
  kind: "files";
  name: string;
  of: "file" | "folder";
  count: number;
  size: number;
  entries: FileEntry[];
};

export type Member = { key: string; type: string; codec: string; size: number; digest: string; value: string | null };
export type TreePreview = { kind: "tree"; of: string; count: number; size: number; members: Member[] };

export type ArtifactPreview =
  | TablePreview
  | ArrayPreview
  | TensorsPreview
  | ModelPreview
  | ImagePreview
  | FigurePreview
  | JsonPreview
  | TextPreview
  | BytesPreview
  | FilesPreview
  | TreePreview;
