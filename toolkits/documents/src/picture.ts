// Kind and size of a picture, from its own bytes.

import { LIMITS } from "./limits.ts";
import { DocumentProblem } from "./problem.ts";

export interface Picture {
  kind: "png" | "jpg";
  /** Pixels. */
  width: number;
  height: number;
  bytes: Uint8Array;
}

const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** `at` is the place in the arguments. */
export function readPicture(bytes: Uint8Array, path: string, at: string): Picture {
  const picture = asPng(bytes) ?? asJpeg(bytes);
  if (picture === undefined)
    throw new DocumentProblem("INVALID_ARGUMENTS", at, `${path} is neither a PNG nor a JPEG picture`);
  const longest = Math.max(picture.width, picture.height);
  if (longest > LIMITS.pictureSideMax)
    throw new DocumentProblem(
      "LIMIT_EXCEEDED",
      at,
      `${path} is ${longest} pixels long, ${LIMITS.pictureSideMax} are the most`,
    );
  return picture;
}

function asPng(bytes: Uint8Array): Picture | undefined {
  if (bytes.length < 33 || PNG.some((byte, place) => bytes[place] !== byte)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const width = view.getUint32(16);
  const height = view.getUint32(20);
  return width > 0 && height > 0 ? { kind: "png", width, height, bytes } : undefined;
}

/** The size stands in the frame header, after any number of other segments. */
function asJpeg(bytes: Uint8Array): Picture | undefined {
  if (bytes.length < 4 || bytes[0] !== 0xff || bytes[1] !== 0xd8) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 2;
  while (at + 9 < bytes.length) {
    if (bytes[at] !== 0xff) return undefined;
    const marker = bytes[at + 1] ?? 0;
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) {
      const height = view.getUint16(at + 5);
      const width = view.getUint16(at + 7);
      return width > 0 && height > 0 ? { kind: "jpg", width, height, bytes } : undefined;
    }
    const length = view.getUint16(at + 2);
    if (length < 2) return undefined;
    at += 2 + length;
  }
  return undefined;
}
