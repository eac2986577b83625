import { cleanup, screen } from "@testing-library/react";
import { afterEach, describe, expect, it } from "vitest";

import { buildArtifact } from "../testing/builders";
import { renderInPage } from "../testing/page";
import { Promises } from "./Promises";

const details = (deterministic: boolean | null, depends_on: string[], pickle: boolean) => ({
  node: buildArtifact("model"),
  producers: [],
  consumers: [],
  schema_fields: [],
  statistics: {},
  first_seen: "2026-01-01T00:00:00Z",
  deterministic,
  depends_on,
  pickle,
});

afterEach(cleanup);

describe("promises", () => {
  it("a pickle is marked, and that its digest may change", () => {
    renderInPage(<Promises details={details(false, [], true)} />);
    expect(screen.getByText("is a pickle")).toBeTruthy();
    expect(screen.getByText("equal values may get different digests")).toBeTruthy();
  });

  it("versions that a digest depends on are named", () => {
    renderInPage(<Promises details={details(true, ["scikit-learn", "numpy"], false)} />);
    expect(screen.getByText("digest depends on the version of scikit-learn, numpy")).toBeTruthy();
  });

  it.each([true, null])("nothing is said where all is well, or nobody knows (%s)", (deterministic) => {
    renderInPage(<Promises details={details(deterministic, [], false)} />);
    expect(screen.queryByText(/digest/)).toBeNull();
  });
});
