import { ChakraProvider, type SystemContext } from "@chakra-ui/react";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";

import type { Place } from "./api/queries";
import { ErrorBoundary } from "./components/ErrorBoundary";
import { Settled } from "./components/Settled";
import { LineagePage } from "./lineage/LineagePage";

declare global {
  var ChakraUISystem: SystemContext;
  var AirflowPlugin: unknown;
  var Lineage: unknown;
}

// Outside the component: Airflow mounts it anew on every change of path, and the cache should outlive that.
const client = new QueryClient({ defaultOptions: { queries: { staleTime: 2000 } } });

/** What Airflow mounts on the pages of Dags, Dag runs, tasks and task instances, with the ids of the page. */
const Lineage = (place: Place) => (
  <ChakraProvider value={globalThis.ChakraUISystem}>
    <QueryClientProvider client={client}>
      <ErrorBoundary>
        <Settled>
          <LineagePage {...place} />
        </Settled>
      </ErrorBoundary>
    </QueryClientProvider>
  </ChakraProvider>
);

globalThis.AirflowPlugin = Lineage;
globalThis.Lineage = Lineage;

export default Lineage;
