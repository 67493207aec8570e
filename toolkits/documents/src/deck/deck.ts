// A whole presentation as a package: presentation, master, layouts, theme, slides, notes, pictures, properties.

import { createHash } from "node:crypto";
import type { ChartSize } from "../chart/draw.ts";
import type { ChartPicture } from "../chart/raster.ts";
import { missingLetters, tooMuch } from "../check.ts";
import { LIMITS } from "../limits.ts";
import { GROUND } from "../palette.ts";
import { type Picture, readPicture } from "../picture.ts";
import type { Drawing } from "../schema.ts";
import { EMU_PER_POINT, NOTES_PAGE, SLIDE } from "./frame.ts";
import { LAYOUTS, type LayoutName, slideLayout, slideMaster } from "./master.ts";
import { notesMaster, notesSlide } from "./notes.ts";
import { OpenPackage, ROOT } from "./open-package.ts";
import type { DeckArguments, Slide } from "./schema.ts";
import { layoutOf, slideXml } from "./slide.ts";
import type { TextStyle } from "./text.ts";
import { theme } from "./theme.ts";
import { DECLARATION, el, escaped, part } from "./xml.ts";

const OFFICE = "application/vnd.openxmlformats-officedocument";
const typeOf = (kind: string): string => `${OFFICE}.presentationml.${kind}+xml`;
const PRESENTATION = "ppt/presentation.xml";
const MASTER = "ppt/slideMasters/slideMaster1.xml";
const NOTES_MASTER = "ppt/notesMasters/notesMaster1.xml";
const NAMES = Object.keys(LAYOUTS) as LayoutName[];
/** The least that the format allows for slides. */
const SLIDE_ID_FIRST = 256;

/** Points of a slide for a pixel of a chart: its smallest words are as large as a caption. */
const POINTS_PER_PIXEL = 1.15;

export interface DeckSources {
  /** The bytes of a file in the project; `at` is the place in the arguments. */
  read: (path: string, at: string) => Promise<Uint8Array>;
  draw: (chart: Drawing, size: ChartSize) => Promise<ChartPicture>;
}

export interface MadeDeck {
  bytes: Uint8Array;
  warnings: string[];
}

export async function makeDeck(call: DeckArguments, sources: DeckSources): Promise<MadeDeck> {
  const deck = new Deck(call, sources);
  await deck.build();
  return { bytes: deck.file.bytes(), warnings: deck.warnings };
}

class Deck {
  readonly file = new OpenPackage();
  readonly warnings: string[] = [];
  private readonly call: DeckArguments;
  private readonly sources: DeckSources;
  private readonly language: string;
  /** By SHA-256: a picture that is shown twice is kept once. */
  private readonly media = new Map<string, string>();
  private mediaBytes = 0;

  constructor(call: DeckArguments, sources: DeckSources) {
    this.call = call;
    this.sources = sources;
    this.language = call.language ?? "en-US";
  }

  async build(): Promise<void> {
    const { slides } = this.call;
    const masterId = this.addMaster();
    const slideIds: string[] = [];
    for (const [place, slide] of slides.entries()) slideIds.push(await this.addSlide(slide, place));
    const notesId = slides.some(({ notes }) => notes !== undefined) ? this.addNotes(slides) : undefined;
    this.file.add(PRESENTATION, typeOf("presentation.main"), this.presentation(masterId, slideIds, notesId));
    this.file.relate(ROOT, "officeDocument", PRESENTATION);
    this.addProperties();
  }

  private presentation(masterId: string, slideIds: string[], notesId: string | undefined): string {
    return part(
      "p:presentation",
      { saveSubsetFonts: 1 },
      el("p:sldMasterIdLst", {}, el("p:sldMasterId", { id: 2 ** 31, "r:id": masterId })),
      notesId === undefined ? "" : el("p:notesMasterIdLst", {}, el("p:notesMasterId", { "r:id": notesId })),
      el("p:sldIdLst", {}, ...slideIds.map((id, place) => el("p:sldId", { id: SLIDE_ID_FIRST + place, "r:id": id }))),
      el("p:sldSz", { cx: SLIDE.width, cy: SLIDE.height }),
      el("p:notesSz", { cx: NOTES_PAGE.width, cy: NOTES_PAGE.height }),
      el("p:defaultTextStyle", {}, el("a:defPPr", {}, el("a:defRPr", { lang: this.language }))),
    );
  }

  private addMaster(): string {
    const layouts = NAMES.map((name, place) => {
      const at = layoutPart(place);
      this.file.add(at, typeOf("slideLayout"), slideLayout(LAYOUTS[name]));
      this.file.relate(at, "slideMaster", MASTER);
      return this.file.relate(MASTER, "slideLayout", at);
    });
    this.file.add(MASTER, typeOf("slideMaster"), slideMaster(layouts));
    this.addTheme(MASTER, "ppt/theme/theme1.xml");
    const id = this.file.relate(PRESENTATION, "slideMaster", MASTER);
    this.file.relate(PRESENTATION, "theme", "ppt/theme/theme1.xml");
    return id;
  }

  private addTheme(owner: string, name: string): void {
    this.file.add(name, `${OFFICE}.theme+xml`, theme());
    this.file.relate(owner, "theme", name);
  }

  private styleOf(owner: string): TextStyle {
    return { language: this.language, link: (address) => this.file.relate(owner, "hyperlink", address, true) };
  }

  private async addSlide(slide: Slide, place: number): Promise<string> {
    const at = slidePart(place);
    this.file.relate(at, "slideLayout", layoutPart(NAMES.indexOf(layoutOf(slide))));
    const xml = await slideXml(slide, `slides[${place}]`, place + 1, {
      style: this.styleOf(at),
      deckTitle: this.call.title,
      byline: [this.call.author, this.call.date].filter((each) => each !== undefined).join(" \u00b7 "),
      picture: async (path, where) => {
        const picture = readPicture(await this.sources.read(path, where), path, where);
        return { picture, id: this.file.relate(at, "image", this.mediaPart(picture, where)) };
      },
      chart: async (chart, room, where) => {
        const pixels = (emu: number): number => Math.round(emu / EMU_PER_POINT / POINTS_PER_PIXEL);
        const size = { width: pixels(room.width), height: pixels(room.height), ground: GROUND };
        const { png, missing } = await this.sources.draw(chart, size);
        this.warnings.push(...missingLetters(where, missing));
        const picture = readPicture(png, "the chart", where);
        return { picture, id: this.file.relate(at, "image", this.mediaPart(picture, where)) };
      },
    });
    this.file.add(at, typeOf("slide"), xml);
    return this.file.relate(PRESENTATION, "slide", at);
  }

  private mediaPart(picture: Picture, at: string): string {
    const hash = createHash("sha256").update(picture.bytes).digest("hex");
    const known = this.media.get(hash);
    if (known !== undefined) return known;
    this.mediaBytes += picture.bytes.byteLength;
    if (this.mediaBytes > LIMITS.picturesBytesMax)
      throw tooMuch(at, `the pictures together have more than ${LIMITS.picturesBytesMax} bytes`);
    const name = `ppt/media/image${this.media.size + 1}.${picture.kind}`;
    this.media.set(hash, name);
    this.file.addMedia(name, picture.bytes);
    return name;
  }

  private addNotes(slides: readonly Slide[]): string {
    this.file.add(NOTES_MASTER, typeOf("notesMaster"), notesMaster());
    this.addTheme(NOTES_MASTER, "ppt/theme/theme2.xml");
    for (const [place, { notes }] of slides.entries()) {
      if (notes === undefined) continue;
      const at = `ppt/notesSlides/notesSlide${place + 1}.xml`;
      this.file.add(at, typeOf("notesSlide"), notesSlide(notes, this.styleOf(at)));
      this.file.relate(at, "notesMaster", NOTES_MASTER);
      this.file.relate(at, "slide", slidePart(place));
      this.file.relate(slidePart(place), "notesSlide", at);
    }
    return this.file.relate(PRESENTATION, "notesMaster", NOTES_MASTER);
  }

  private addProperties(): void {
    const { title, author = "", date, slides } = this.call;
    const stamp = (name: string): string =>
      date === undefined ? "" : el(`dcterms:${name}`, { "xsi:type": "dcterms:W3CDTF" }, `${date}T00:00:00Z`);
    const core = el(
      "cp:coreProperties",
      {
        "xmlns:cp": "http://schemas.openxmlformats.org/package/2006/metadata/core-properties",
        "xmlns:dc": "http://purl.org/dc/elements/1.1/",
        "xmlns:dcterms": "http://purl.org/dc/terms/",
        "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
      },
      el("dc:title", {}, escaped(title)),
      el("dc:creator", {}, escaped(author)),
      el("cp:lastModifiedBy", {}, escaped(author)),
      stamp("created"),
      stamp("modified"),
      el("dc:language", {}, this.language),
    );
    this.file.add(
      "docProps/core.xml",
      "application/vnd.openxmlformats-package.core-properties+xml",
      DECLARATION + core,
    );
    this.file.relate(
      ROOT,
      "http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties",
      "docProps/core.xml",
    );
    const app = el(
      "Properties",
      { xmlns: "http://schemas.openxmlformats.org/officeDocument/2006/extended-properties" },
      el("Slides", {}, String(slides.length)),
      el("Application", {}, "Open Wrap"),
    );
    this.file.add("docProps/app.xml", `${OFFICE}.extended-properties+xml`, DECLARATION + app);
    this.file.relate(ROOT, "extended-properties", "docProps/app.xml");
  }
}

const slidePart = (place: number): string => `ppt/slides/slide${place + 1}.xml`;
const layoutPart = (place: number): string => `ppt/slideLayouts/slideLayout${place + 1}.xml`;
