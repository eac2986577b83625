/** Hands files to the browser; nothing leaves it. */
import type { Picture } from "./picture";

export const download = (name: string, content: Blob) => {
  const url = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => {
    URL.revokeObjectURL(url);
  }, 10_000);
};

export const svgFile = ({ svg }: Picture): Blob => new Blob([svg], { type: "image/svg+xml" });

/** Browsers refuse larger canvases. */
const MOST = 16_000;

/** The picture in pixels, two for each unit where that fits. Raises: the browser cannot draw it. */
export const pngFile = async (picture: Picture): Promise<Blob> => {
  const scale = Math.min(2, MOST / picture.width, MOST / picture.height);
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(picture.svg)}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [Math.round(picture.width * scale), Math.round(picture.height * scale)];
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => {
      if (blob === null) reject(new Error("This browser cannot draw a picture of this size: export it as SVG."));
      else resolve(blob);
    }, "image/png");
  });
};
