import { describe, expect, it } from "vitest";

import { formatCell, formatShape, formatShare, heights, plural, shares } from "./cells";
import { hexLines } from "./TextViews";

describe("cells", () => {
  it.each([
    [0.1 + 0.2, "0.30000000000000004"],
    [5e-324, "5e-324"],
    [-0, "-0"],
    ["18446744073709551615", "18446744073709551615"],
    ["NaN", "NaN"],
    [null, "null"],
    [false, "false"],
    ["", ""],
  ])("%o is %s, with every digit", (value, text) => {
    expect(formatCell(value)).toBe(text);
  });

  it.each([
    [0, 10, "0%"],
    [10, 10, "100%"],
    [1, 3, "33.3%"],
    [1, 1_000_000, "< 0.1%"],
    [999_999, 1_000_000, "> 99.9%"],
    [0, 0, "0%"],
  ])("%d of %d is %s", (part, whole, text) => {
    expect(formatShare(part, whole)).toBe(text);
  });

  it("counts and shapes are read easily", () => {
    expect([plural(1, "row"), plural(1234567, "row"), plural(2, "entry", "entries")]).toEqual(["1 row", "1,234,567 rows", "2 entries"]);
    expect([formatShape([1000, 3]), formatShape([])]).toEqual(["1,000 × 3", "no dimensions"]);
  });

  it("bars are parts of the longest", () => {
    expect(heights([1, 4, 0])).toEqual([0.25, 1, 0]);
    expect(heights([0, 0])).toEqual([0, 0]);
    expect(shares([0.5, -1, "NaN", null])).toEqual([0.5, 1, 0, 0]);
    expect(shares([0, 0])).toEqual([0, 0]);
    expect(shares([0.001, 0.0005])).toEqual([1, 0.5]);
  });

  it("bytes are written sixteen in a line", () => {
    expect(hexLines("00".repeat(17))).toBe(`${Array(16).fill("00").join(" ")}\n00`);
  });
});
