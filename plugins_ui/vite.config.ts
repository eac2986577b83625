import react from "@vitejs/plugin-react";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
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

export default defineConfig(({ command, mode }) => ({
  base: "./",
  plugins: [react(), cssInjectedByJs()],
  publicDir: "public",
  resolve: { alias: command === "build" && mode !== "demo" ? host : [] },
  define: { "process.env.NODE_ENV": '"production"' },
  worker: { format: "es" },
  build: {
    outDir: mode === "demo" ? "dist-demo" : "../sematic_airflow_provider/server/static",
    emptyOutDir: true,
    target: "es2022",
    cssCodeSplit: false,
    modulePreload: false,
    rollupOptions:
      mode === "demo"
        ? {}
        : {
            input: "src/main.tsx",
            preserveEntrySignatures: "exports-only",
            output: { format: "es", entryFileNames: "main.js", chunkFileNames: "chunks/[name]-[hash].js" },
          },
  },
  test: { environment: "happy-dom", setupFiles: ["src/testing/setup.ts"] },
}));
