import { act, renderHook } from "@testing-library/react";
import type { ReactNode } from "react";
import { MemoryRouter, useNavigate } from "react-router-dom";
import { describe, expect, it } from "vitest";

import { useLineageUrl } from "./urlState";

const inRouter = ({ children }: { children: ReactNode }) => <MemoryRouter>{children}</MemoryRouter>;

describe("the state in the URL", () => {
  it("lets a second change know of the first, which has not been drawn yet", () => {
    const { result } = renderHook(() => useLineageUrl(), { wrapper: inRouter });
    const { go } = result.current;
    act(() => {
      go({ node: "a" });
      go((now) => ({ node: now.node, to: "b" }));
      go((now) => ({ open: [...now.open, "c"] }));
      go((now) => ({ open: [...now.open, "d"] }));
    });
    expect(result.current).toMatchObject({ node: "a", to: "b", open: ["c", "d"] });
  });

  it("forgets what the back button has undone", () => {
    const { result } = renderHook(() => ({ url: useLineageUrl(), navigate: useNavigate() }), { wrapper: inRouter });
    act(() => {
      result.current.url.go({ node: "a" });
    });
    act(() => {
      void result.current.navigate(-1);
    });
    act(() => {
      result.current.url.go((now) => ({ to: now.node ?? "nothing" }));
    });
    expect(result.current.url).toMatchObject({ node: undefined, to: "nothing" });
  });
});
