import { ChakraProvider, defaultSystem } from "@chakra-ui/react";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { render } from "@testing-library/react";
import type { ReactNode } from "react";
import { vi } from "vitest";

export type Answers = Record<string, { status?: number; body: unknown }>;

/** Answers requests whose address ends with a key; all others wait for ever. */
export const answering = (answers: Answers) => {
  vi.stubGlobal("fetch", (url: string) => {
    const found = Object.entries(answers).find(([end]) => url.endsWith(end))?.[1];
    if (found === undefined) return new Promise(() => undefined);
    return Promise.resolve(new Response(JSON.stringify(found.body), { status: found.status ?? 200 }));
  });
};

export const renderInPage = (content: ReactNode) =>
  render(
    <ChakraProvider value={defaultSystem}>
      <QueryClientProvider client={new QueryClient({ defaultOptions: { queries: { retry: false } } })}>{content}</QueryClientProvider>
    </ChakraProvider>,
  );
