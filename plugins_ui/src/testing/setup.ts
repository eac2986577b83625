import { defaultSystem } from "@chakra-ui/react";

// What Airflow's page has, and a browser but not happy-dom.
globalThis.ChakraUISystem = defaultSystem;
globalThis.ResizeObserver = class {
  observe() {}
  unobserve() {}
  disconnect() {}
};
const base = document.createElement("base");
base.href = "/airflow/";
document.head.append(base);
