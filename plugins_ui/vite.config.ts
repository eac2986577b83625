import react from "@vitejs/plugin-react";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import cssInjectedByJs from "vite-plugin-css-injected-by-js";

const shim = (file: string) => fileURLToPath(new URL(`./src/shims/${file}.cjs`, import.meta.url));

// Airflow's page offers these libraries as globals; using them keeps one React, one router and one theme on the page.
const host = [
  { find: /^react$/, replacement: shim("react") },
  { find: /^react-dom$/, replacement: shim("react-dom") },
  { find: /^react\/jsx-runtime$/, replacement: shim("react-jsx-runtime") },
  { find: /^react-router-dom$/, replacement: shim("react-router-dom") },
  { find: /^@chakra-ui\/react$/, replacement: shim("chakra") },
  { find: /^@emotion\/react$/, replacement: shim("emotion") },
];

export default defineConfig(({ command }) => ({
  base: "./",
  plugins: [react(), cssInjectedByJs()],
  resolve: { alias: command === "build" ? host : [] },
  define: command === "build" ? { "process.env.NODE_ENV": '"production"' } : {},
  worker: { format: "es" },
  build: {
    outDir: "../sematic_airflow_provider/server/static",
    emptyOutDir: true,
    target: "es2022",
    cssCodeSplit: false,
    modulePreload: false,
    rollupOptions: {
      input: "src/main.tsx",
      preserveEntrySignatures: "exports-only",
      output: { format: "es", entryFileNames: "main.js", chunkFileNames: "chunks/[name]-[hash].js" },
    },
  },
  test: {
    // Chakra and a DOM take seconds to load: only tests that draw get them, and share them.
    projects: [
      { extends: true, test: { name: "pure", environment: "node", include: ["src/**/*.test.ts"] } },
      { extends: true, test: { name: "drawn", environment: "happy-dom", include: ["src/**/*.test.tsx"], isolate: false, setupFiles: ["src/testing/setup.ts"] } },
    ],
  },
}));
