// One slide: fills the placeholders of its layout.

import { invalid } from "../check.ts";
import type { Picture } from "../picture.ts";
import type { Drawing } from "../schema.ts";
import { EMU_PER_INCH, EMU_PER_POINT, type Frame, PLACES } from "./frame.ts";
import { FOOTER, type LayoutName, levelSizes, NUMBER, oneSize } from "./master.ts";
import type { Voice } from "./measure.ts";
import type { Points, Slide, SlideOf } from "./schema.ts";
import { type Placeholder, placeholder, Shapes, transform } from "./shape.ts";
import { fitted, tableXml } from "./table.ts";
import { BOLD, flatPoints, paragraph, SIZES, sizeOfPoints, sizeOfText, type TextStyle } from "./text.ts";
import { el, part } from "./xml.ts";

/** A picture is not blown up beyond so few pixels an inch. */
const PIXELS_PER_INCH_LEAST = 64;

export interface SlideSources {
  style: TextStyle;
  /** At the foot. */
  deckTitle: string;
  byline: string;
  /** The picture at a place in the arguments, and the id of the relationship to it. */
  picture: (path: string, at: string) => Promise<Shown>;
  /** A chart drawn for a frame. */
  chart: (chart: Drawing, room: Frame, at: string) => Promise<Shown>;
}

interface Shown {
  picture: Picture;
  id: string;
}

export function layoutOf(slide: Slide): LayoutName {
  if (slide.layout === "picture" || slide.layout === "chart") return slide.body === undefined ? "picture" : "beside";
  if (slide.layout === "columns" && (slide.left.heading ?? slide.right.heading) !== undefined) return "comparison";
  return slide.layout;
}

/** `at` is its place in the arguments, `number` the one shown. */
export async function slideXml(slide: Slide, at: string, number: number, sources: SlideSources): Promise<string> {
  const page = new Page(at, sources);
  await page.fill(slide);
  if (slide.layout !== "title" && slide.layout !== "section") page.foot(number);
  return part("p:sld", {}, el("p:cSld", {}, page.shapes.tree()), el("p:clrMapOvr", {}, "<a:masterClrMapping/>"));
}

class Page {
  readonly shapes = new Shapes();
  private readonly at: string;
  private readonly sources: SlideSources;

  constructor(at: string, sources: SlideSources) {
    this.at = at;
    this.sources = sources;
  }

  async fill(slide: Slide): Promise<void> {
    switch (slide.layout) {
      case "title":
        return this.cover(slide);
      case "section":
        return this.section(slide);
      case "content":
        this.title(slide.title);
        return this.points(slide.body, { idx: 1 }, PLACES.body, "body");
      case "columns":
        return this.columns(slide);
      case "table":
        return this.table(slide);
      case "picture":
      case "chart":
        return this.picture(slide);
    }
  }

  foot(number: number): void {
    const { deckTitle, style } = this.sources;
    const letters = [...deckTitle];
    const short = letters.length <= 90 ? deckTitle : `${letters.slice(0, 89).join("").trimEnd()}\u2026`;
    this.shapes.addText("Footer", FOOTER, undefined, { paragraphs: paragraph(short, style) });
    const shown = el("a:rPr", { lang: style.language, dirty: 0 }) + el("a:t", {}, String(number));
    this.shapes.addText("Slide Number", NUMBER, undefined, {
      paragraphs: el("a:p", {}, el("a:fld", { id: "{6F1B7C52-6A5D-4E0B-9C1B-0D5A5C4E2A10}", type: "slidenum" }, shown)),
    });
  }

  private cover({ title, subtitle }: SlideOf<"title">): void {
    const { byline } = this.sources;
    this.words("Title", title, { type: "ctrTitle" }, PLACES.coverTitle, SIZES.coverTitle, "serif", "title");
    if (subtitle !== undefined)
      this.words(
        "Subtitle",
        subtitle,
        { type: "subTitle", idx: 1 },
        PLACES.coverSubtitle,
        SIZES.coverText,
        "sans",
        "subtitle",
      );
    if (byline !== "")
      this.words(
        "Byline",
        byline,
        { type: "body", sz: "quarter", idx: 13 },
        PLACES.coverByline,
        SIZES.caption,
        "sans",
        "title",
      );
  }

  private section({ title, subtitle }: SlideOf<"section">): void {
    this.words("Title", title, { type: "title" }, PLACES.sectionTitle, SIZES.coverTitle, "serif", "title");
    if (subtitle !== undefined)
      this.words(
        "Text",
        subtitle,
        { type: "body", sz: "quarter", idx: 1 },
        PLACES.sectionText,
        SIZES.coverText,
        "sans",
        "subtitle",
      );
  }

  private columns(slide: SlideOf<"columns">): void {
    this.title(slide.title);
    if (layoutOf(slide) === "columns") {
      const size = this.commonSize(slide, PLACES.left, PLACES.right);
      this.points(slide.left.body, { idx: 1 }, PLACES.left, "left.body", size);
      this.points(slide.right.body, { idx: 2 }, PLACES.right, "right.body", size);
      return;
    }
    const heading = (words: string | undefined, idx: number, place: Frame, at: string): void => {
      if (words === undefined) return;
      this.words("Heading", words, { type: "body", sz: "quarter", idx }, place, SIZES.heading, "sans", at, BOLD);
    };
    const size = this.commonSize(slide, PLACES.leftBelow, PLACES.rightBelow);
    heading(slide.left.heading, 1, PLACES.leftHeading, "left.heading");
    this.points(slide.left.body, { idx: 2 }, PLACES.leftBelow, "left.body", size);
    heading(slide.right.heading, 3, PLACES.rightHeading, "right.heading");
    this.points(slide.right.body, { idx: 4 }, PLACES.rightBelow, "right.body", size);
  }

  /** What stands side by side has one size. */
  private commonSize({ left, right }: SlideOf<"columns">, leftPlace: Frame, rightPlace: Frame): number {
    return Math.min(
      sizeOfPoints(left.body, leftPlace, `${this.at}.left.body`),
      sizeOfPoints(right.body, rightPlace, `${this.at}.right.body`),
    );
  }

  private table(slide: SlideOf<"table">): void {
    this.title(slide.title);
    const room = slide.caption === undefined ? PLACES.body : PLACES.figure;
    const table = fitted(slide, room, `${this.at}.rows`);
    const width = table.widths.reduce((sum, each) => sum + each, 0);
    const height = table.heights.reduce((sum, each) => sum + each, 0);
    const place = { ...room, width, height };
    this.shapes.add(
      el(
        "p:graphicFrame",
        {},
        el(
          "p:nvGraphicFramePr",
          {},
          el("p:cNvPr", { id: this.shapes.nextId, name: "Table", descr: slide.caption }),
          el("p:cNvGraphicFramePr", {}, el("a:graphicFrameLocks", { noGrp: 1 })),
          el("p:nvPr", {}, placeholder({ type: "tbl", idx: 1 })),
        ),
        transform(place, "p:xfrm"),
        el(
          "a:graphic",
          {},
          el(
            "a:graphicData",
            { uri: "http://schemas.openxmlformats.org/drawingml/2006/table" },
            tableXml(slide, table, this.sources.style),
          ),
        ),
      ),
    );
    if (slide.caption !== undefined) this.caption(slide.caption, beneath(place, PLACES.caption));
  }

  private async picture(slide: SlideOf<"picture"> | SlideOf<"chart">): Promise<void> {
    this.title(slide.title);
    const { body, caption } = slide;
    if (body !== undefined) this.points(body, { idx: 1 }, PLACES.besideText, "body");
    const bare = body === undefined ? PLACES.body : PLACES.besideFigure;
    const above = body === undefined ? PLACES.figure : PLACES.besideFigureAbove;
    const room = caption === undefined ? bare : above;
    const isChart = slide.layout === "chart";
    const { altText } = isChart ? slide.chart : slide.image;
    const { picture, id } = isChart
      ? await this.sources.chart(slide.chart, room, `${this.at}.chart`)
      : await this.sources.picture(slide.image.path, `${this.at}.image.path`);
    const place = shaped(picture, room);
    if (place === undefined)
      throw invalid(
        isChart ? `${this.at}.chart` : `${this.at}.image.path`,
        "the picture is too long and thin to be seen",
      );
    this.shapes.add(
      el(
        "p:pic",
        {},
        el(
          "p:nvPicPr",
          {},
          el("p:cNvPr", { id: this.shapes.nextId, name: isChart ? "Chart" : "Picture", descr: altText }),
          el("p:cNvPicPr", {}, el("a:picLocks", { noGrp: 1, noChangeAspect: 1 })),
          el("p:nvPr", {}, placeholder({ type: "pic", idx: body === undefined ? 1 : 2 })),
        ),
        el("p:blipFill", {}, el("a:blip", { "r:embed": id }), el("a:stretch", {}, "<a:fillRect/>")),
        el("p:spPr", {}, transform(place), el("a:prstGeom", { prst: "rect" }, "<a:avLst/>")),
      ),
    );
    if (caption !== undefined)
      this.caption(caption, beneath(place, body === undefined ? PLACES.caption : PLACES.besideCaption));
  }

  private title(title: string): void {
    this.words("Title", title, { type: "title" }, PLACES.title, SIZES.title, "serif", "title");
  }

  private caption(words: string, place: Frame): void {
    const held: Placeholder = { type: "body", sz: "quarter", idx: 13 };
    const size = sizeOfText(words, place, SIZES.caption, "sans", `${this.at}.caption`);
    const levels = size === SIZES.caption[0] ? "" : oneSize(size);
    this.shapes.addText("Caption", held, place, { levels, paragraphs: paragraph(words, this.sources.style) });
  }

  /** One paragraph at the largest size that fits; the layout's own is the first. */
  private words(
    name: string,
    words: string,
    held: Placeholder,
    place: Frame,
    sizes: readonly number[],
    voice: Voice,
    field: string,
    stretch = 1,
  ): void {
    const size = sizeOfText(words, place, sizes, voice, `${this.at}.${field}`, stretch);
    const levels = size === sizes[0] ? "" : oneSize(size);
    this.shapes.addText(name, held, undefined, { levels, paragraphs: paragraph(words, this.sources.style) });
  }

  private points(
    points: Points,
    held: Placeholder,
    place: Frame,
    field: string,
    size: number = sizeOfPoints(points, place, `${this.at}.${field}`),
  ): void {
    const levels = size === SIZES.body[0] ? "" : levelSizes(size);
    const paragraphs = flatPoints(points).map(({ text, level }) => paragraph(text, this.sources.style, level));
    this.shapes.addText("Text", held, undefined, { levels, paragraphs: paragraphs.join("") });
  }
}

/** As large as fits without blurring, in the middle of the room; none where a side would vanish. */
function shaped(picture: Picture, room: Frame): Frame | undefined {
  const own = { width: picture.width / PIXELS_PER_INCH_LEAST, height: picture.height / PIXELS_PER_INCH_LEAST };
  const scale = Math.min(1, room.width / (own.width * EMU_PER_INCH), room.height / (own.height * EMU_PER_INCH));
  const width = Math.round(own.width * scale * EMU_PER_INCH);
  const height = Math.round(own.height * scale * EMU_PER_INCH);
  if (width < EMU_PER_POINT / 10 || height < EMU_PER_POINT / 10) return undefined;
  return { x: room.x + Math.floor((room.width - width) / 2), y: room.y, width, height };
}

/** A caption follows what it belongs to and begins at its edge. */
function beneath(figure: Frame, usual: Frame): Frame {
  const y = Math.min(usual.y, figure.y + figure.height + Math.round(0.1 * EMU_PER_INCH));
  // A narrow picture may stand far to the right.
  const x = Math.min(figure.x, usual.x + usual.width / 2);
  return { ...usual, x, y, width: usual.x + usual.width - x };
}
