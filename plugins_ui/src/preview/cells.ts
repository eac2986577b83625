/** Pure: values and counts as people read them, with every digit that they have. */
import type { Cell } from "../api/previews";

export const formatCell = (value: Cell): string => {
  if (value === null) return "null";
  return Object.is(value, -0) ? "-0" : String(value);
};

export const formatCount = (count: number): string => count.toLocaleString("en");

export const plural = (count: number, one: string, many = `${one}s`): string => `${formatCount(count)} ${count === 1 ? one : many}`;

export const formatShape = (shape: number[]): string => (shape.length === 0 ? "no dimensions" : shape.map(formatCount).join(" × "));

/** The heights of bars between 0 and 1. */
export const heights = (counts: number[]): number[] => {
  const most = Math.max(1, ...counts);
  return counts.map((count) => count / most);
};

/** A part of a whole, honest at both ends: 0% is none, 100% is all. */
export const formatShare = (part: number, whole: number): string => {
  if (whole === 0 || part === 0) return "0%";
  if (part === whole) return "100%";
  const percent = (100 * part) / whole;
  if (percent < 0.1) return "< 0.1%";
  return percent > 99.9 ? "> 99.9%" : `${percent.toFixed(1)}%`;
};

/** Lengths of bars: shares of the greatest size, for numbers only. */
export const shares = (values: Cell[]): number[] => {
  const sizes = values.map((value) => (typeof value === "number" ? Math.abs(value) : 0));
  return heights(sizes.map((size) => (Number.isFinite(size) ? size : 0)).map((size, _, all) => size / (Math.max(...all) || 1)));
};

export const QUANTILES = ["5%", "25%", "median", "75%", "95%"];
