import { createContext } from "react";

/** What the small buttons on nodes do. */
export type Actions = { onMore: (id: string) => void; onToggle: (id: string) => void };

const nothing = () => undefined;

export const CanvasActions = createContext<Actions>({ onMore: nothing, onToggle: nothing });
