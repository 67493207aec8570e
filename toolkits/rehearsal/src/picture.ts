// What the rehearsal model says about a picture: what a program works out from its bytes, and that nobody has looked at it.

import { inflateSync } from "node:zlib";

export interface Picture {
  /** `image/png`, `image/jpeg`, … */
  mediaType: string;
  bytes: Uint8Array;
}

interface Pixels {
  width: number;
  height: number;
  /** Red, green and blue of every pixel; transparent ones on white. */
  colours: Uint8Array;
}

/** Pixels of a picture that are unpacked. */
const PIXELS_MAX = 8_000_000;
/** Colours that are told. */
const COLOURS_TOLD = 4;
/** Steps of each channel that count as one colour. */
const STEP = 32;
const PNG_SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const CHANNELS: Record<number, number> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

export function wordsAbout(picture: Picture): string {
  const begin = "Rehearsal: no model has looked at this picture, so what it shows is not said here.";
  const kind = picture.mediaType.replace("image/", "").toUpperCase();
  const bytes = Buffer.from(picture.bytes);
  const pixels = picture.mediaType === "image/png" ? pixelsOf(bytes) : undefined;
  const size = pixels ?? jpegSize(bytes);
  if (size === undefined) return `${begin} Of its bytes only the kind could be read: ${kind}.`;
  const measured = `Worked out from its bytes: ${kind}, ${size.width} x ${size.height} pixels`;
  if (pixels === undefined) return `${begin} ${measured}.`;
  const colours = frequentColours(pixels).map(({ name, share }) => `${name} (${(100 * share).toFixed(1)} %)`);
  const light = meanLightness(pixels.colours);
  return `${begin} ${measured}; mean lightness ${(100 * light).toFixed(0)} %; most frequent colours ${colours.join(", ")}.`;
}

function frequentColours({ colours }: Pixels): { name: string; share: number }[] {
  const counts = new Map<number, { count: number; sums: [number, number, number] }>();
  for (let at = 0; at < colours.length; at += 3) {
    const [red = 0, green = 0, blue = 0] = colours.subarray(at, at + 3);
    const key = (Math.floor(red / STEP) * 256 + Math.floor(green / STEP)) * 256 + Math.floor(blue / STEP);
    const known = counts.get(key) ?? { count: 0, sums: [0, 0, 0] };
    known.count += 1;
    known.sums[0] += red;
    known.sums[1] += green;
    known.sums[2] += blue;
    counts.set(key, known);
  }
  const total = colours.length / 3;
  return [...counts]
    .sort(([a, { count: more }], [b, { count: less }]) => less - more || a - b)
    .slice(0, COLOURS_TOLD)
    .map(([, { count, sums }]) => {
      const hex = sums.map((sum) =>
        Math.round(sum / count)
          .toString(16)
          .padStart(2, "0"),
      );
      return { name: `#${hex.join("")}`, share: count / total };
    });
}

function meanLightness(colours: Uint8Array): number {
  const sum = colours.reduce((all, value) => all + value, 0);
  return colours.length === 0 ? 0 : sum / colours.length / 255;
}

interface Header {
  width: number;
  height: number;
  depth: number;
  kind: number;
  interlaced: boolean;
}

/** Pixels of a PNG with 8 bits a channel; nothing for other kinds, and for what is no PNG. */
function pixelsOf(bytes: Buffer): Pixels | undefined {
  if (!bytes.subarray(0, 8).equals(PNG_SIGNATURE)) return undefined;
  let header: Header | undefined;
  let palette: Buffer = Buffer.alloc(0);
  const parts: Buffer[] = [];
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    const kind = bytes.toString("latin1", at + 4, at + 8);
    const data = bytes.subarray(at + 8, at + 8 + length);
    if (kind === "IHDR" && length === 13) header = headerOf(data);
    if (kind === "PLTE") palette = data;
    if (kind === "IDAT") parts.push(data);
    at += 12 + length;
  }
  const channels = header && CHANNELS[header.kind];
  if (header === undefined || channels === undefined || header.depth !== 8 || header.interlaced) return undefined;
  const { width, height } = header;
  if (width * height === 0 || width * height > PIXELS_MAX) return undefined;
  try {
    const rows = inflateSync(Buffer.concat(parts), { maxOutputLength: (width * channels + 1) * height });
    const raw = unfiltered(rows, width * channels, height, channels);
    return { width, height, colours: colouredPixels(raw, width * height, header.kind, channels, palette) };
  } catch {
    return undefined;
  }
}

function headerOf(data: Buffer): Header {
  const [depth = 0, kind = 0, , , interlace = 0] = data.subarray(8);
  return { width: data.readUInt32BE(0), height: data.readUInt32BE(4), depth, kind, interlaced: interlace !== 0 };
}

/** The filters of PNG (its specification, section 9) taken back. */
function unfiltered(rows: Buffer, length: number, height: number, channels: number): Uint8Array {
  const raw = new Uint8Array(length * height);
  for (let row = 0; row < height; row += 1) {
    const filter = rows[row * (length + 1)] ?? 0;
    const start = row * length;
    for (let column = 0; column < length; column += 1) {
      const given = rows[row * (length + 1) + 1 + column] ?? 0;
      const left = column >= channels ? (raw[start + column - channels] ?? 0) : 0;
      const above = row > 0 ? (raw[start - length + column] ?? 0) : 0;
      const corner = row > 0 && column >= channels ? (raw[start - length + column - channels] ?? 0) : 0;
      raw[start + column] = given + predicted(filter, left, above, corner);
    }
  }
  return raw;
}

function predicted(filter: number, left: number, above: number, corner: number): number {
  if (filter === 1) return left;
  if (filter === 2) return above;
  if (filter === 3) return (left + above) >> 1;
  if (filter !== 4) return 0;
  const estimate = left + above - corner;
  const [toLeft, toAbove, toCorner] = [left, above, corner].map((value) => Math.abs(estimate - value)) as [
    number,
    number,
    number,
  ];
  if (toLeft <= toAbove && toLeft <= toCorner) return left;
  return toAbove <= toCorner ? above : corner;
}

function colouredPixels(raw: Uint8Array, count: number, kind: number, channels: number, palette: Buffer): Uint8Array {
  const colours = new Uint8Array(count * 3);
  for (let pixel = 0; pixel < count; pixel += 1) {
    const value = raw.subarray(pixel * channels, (pixel + 1) * channels);
    const [first = 0, second = 0, third = 0, fourth = 255] = value;
    const alpha = kind === 4 ? second : kind === 6 ? fourth : 255;
    const grey = kind === 0 || kind === 4;
    const plain =
      kind === 3 ? palette.subarray(first * 3, first * 3 + 3) : grey ? [first, first, first] : [first, second, third];
    for (let channel = 0; channel < 3; channel += 1) {
      colours[pixel * 3 + channel] = Math.round(((plain[channel] ?? 0) * alpha + 255 * (255 - alpha)) / 255);
    }
  }
  return colours;
}

/** Width and height from the frame header of a JPEG. */
function jpegSize(bytes: Buffer): { width: number; height: number } | undefined {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return undefined;
  for (let at = 2; at + 9 < bytes.length; ) {
    if (bytes[at] !== 0xff) return undefined;
    const marker = bytes[at + 1] ?? 0;
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return { height: bytes.readUInt16BE(at + 5), width: bytes.readUInt16BE(at + 7) };
    at += 2 + bytes.readUInt16BE(at + 2);
  }
  return undefined;
}
