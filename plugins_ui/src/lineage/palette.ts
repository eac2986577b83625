/** The theme's colours as plain values, for what is drawn without style sheets: canvases and exported pictures. */
const NAMES = {
  bg: "bg",
  subtle: "bg-subtle",
  fg: "fg",
  muted: "fg-muted",
  border: "border",
  line: "border-emphasized",
  accent: "blue-solid",
  hit: "yellow-solid",
} as const;
const TONES = ["green", "red", "cyan", "pink", "gray", "blue", "purple", "orange"] as const;

export type Palette = Record<keyof typeof NAMES, string> & { tones: Record<string, string> };

const FALLBACK = "#888888";

export const readPalette = (element: Element): Palette => {
  const styles = getComputedStyle(element);
  const value = (name: string) => styles.getPropertyValue(`--chakra-colors-${name}`).trim() || FALLBACK;
  const named = Object.fromEntries(Object.entries(NAMES).map(([key, name]) => [key, value(name)])) as Record<keyof typeof NAMES, string>;
  return { ...named, tones: Object.fromEntries(TONES.map((tone) => [tone, value(`${tone}-solid`)])) };
};
