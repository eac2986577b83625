/** The theme's colours as plain values, for what is drawn without style sheets: canvases and exported pictures. */
const TONES = ["green", "red", "cyan", "pink", "gray", "blue", "purple", "orange"] as const;

export type Palette = Record<"bg" | "subtle" | "fg" | "muted" | "border" | "line" | "accent", string> & { tones: Record<string, string> };

const FALLBACK = "#888888";

/** Any CSS colour as the #rrggbb that every program reads; `share` of it over what is below. */
const mixer = () => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [1, 1];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  return (colour: string, below: string, share: number): string => {
    if (context === null) return colour;
    context.globalAlpha = 1;
    context.fillStyle = below;
    context.fillRect(0, 0, 1, 1);
    context.globalAlpha = share;
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const [r = 0, g = 0, b = 0] = context.getImageData(0, 0, 1, 1).data;
    return `#${[r, g, b].map((part) => part.toString(16).padStart(2, "0")).join("")}`;
  };
};

export const readPalette = (element: Element): Palette => {
  const styles = getComputedStyle(element);
  const mix = mixer();
  const value = (name: string) => styles.getPropertyValue(`--chakra-colors-${name}`).trim() || FALLBACK;
  const plain = (name: string, share = 1) => mix(value(name), value("bg"), share);
  return {
    bg: plain("bg"),
    subtle: plain("blue-solid", 0.06),
    fg: plain("fg"),
    muted: plain("fg-muted"),
    border: plain("border"),
    line: plain("fg-muted", 0.5),
    accent: mix(value("blue-fg"), value("blue-solid"), 0.45),
    tones: Object.fromEntries(TONES.map((tone) => [tone, plain(`${tone}-solid`)])),
  };
};
