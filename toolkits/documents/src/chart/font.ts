// Widths of text in a TrueType font, and which characters it has.

export class FontMetrics {
  private readonly view: DataView;
  private readonly unitsPerEm: number;
  private readonly metrics: { offset: number; count: number };
  private readonly glyphs: (codePoint: number) => number;

  constructor(bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const tables = this.tables();
    const table = (tag: string): number => {
      const offset = tables.get(tag);
      if (offset === undefined) throw new Error(`the font has no table ${tag}`);
      return offset;
    };
    this.unitsPerEm = this.view.getUint16(table("head") + 18);
    this.metrics = { offset: table("hmtx"), count: this.view.getUint16(table("hhea") + 34) };
    this.glyphs = this.characterMap(table("cmap"));
  }

  /** Pixels of a line of text at a size in pixels; kerning left out. */
  width(text: string, size: number): number {
    let units = 0;
    for (const letter of text) {
      const glyph = Math.min(this.glyphs(letter.codePointAt(0) ?? 0), this.metrics.count - 1);
      units += this.view.getUint16(this.metrics.offset + glyph * 4);
    }
    return (units / this.unitsPerEm) * size;
  }

  /** The characters of a text that the font cannot draw, each once, in order. */
  missing(text: string): string[] {
    return [...new Set(text)].filter((letter) => this.glyphs(letter.codePointAt(0) ?? 0) === 0);
  }

  private tables(): Map<string, number> {
    const tables = new Map<string, number>();
    const count = this.view.getUint16(4);
    for (let place = 0; place < count; place += 1) {
      const at = 12 + place * 16;
      const tag = [0, 1, 2, 3].map((byte) => String.fromCharCode(this.view.getUint8(at + byte))).join("");
      tables.set(tag, this.view.getUint32(at + 8));
    }
    return tables;
  }

  /** The map of the basic plane (format 4), which every font for Windows has. */
  private characterMap(cmap: number): (codePoint: number) => number {
    const { view } = this;
    const count = view.getUint16(cmap + 2);
    for (let place = 0; place < count; place += 1) {
      const map = cmap + view.getUint32(cmap + 4 + place * 8 + 4);
      if (view.getUint16(map) === 4) return (codePoint) => this.lookUp(map, codePoint);
    }
    throw new Error("the font has no map of the basic plane");
  }

  private lookUp(map: number, codePoint: number): number {
    if (codePoint > 0xffff) return 0;
    const { view } = this;
    const doubled = view.getUint16(map + 6);
    for (let segment = 0; segment < doubled; segment += 2) {
      if (view.getUint16(map + 14 + segment) < codePoint) continue;
      const start = view.getUint16(map + 16 + doubled + segment);
      if (start > codePoint) return 0;
      const delta = view.getUint16(map + 16 + 2 * doubled + segment);
      const rangeAt = map + 16 + 3 * doubled + segment;
      const range = view.getUint16(rangeAt);
      if (range === 0) return (codePoint + delta) & 0xffff;
      const glyph = view.getUint16(rangeAt + range + 2 * (codePoint - start));
      return glyph === 0 ? 0 : (glyph + delta) & 0xffff;
    }
    return 0;
  }
}
