// Shapes of slides, layouts and masters.

import type { Frame } from "./frame.ts";
import { type Attributes, el } from "./xml.ts";

export interface Placeholder {
  type?: "title" | "ctrTitle" | "subTitle" | "body" | "tbl" | "pic" | "ftr" | "sldNum" | "sldImg";
  idx?: number;
  sz?: "quarter";
}

export function placeholder({ type, idx, sz }: Placeholder): string {
  return el("p:ph", { type, sz, idx });
}

export function transform({ x, y, width, height }: Frame, tag = "a:xfrm"): string {
  return el(tag, {}, el("a:off", { x, y }), el("a:ext", { cx: width, cy: height }));
}

/** Shapes of one part; ids are counted from 2, 1 is the tree itself. */
export class Shapes {
  private readonly made: string[] = [];

  /** The next id. */
  get nextId(): number {
    return this.made.length + 2;
  }

  add(xml: string): void {
    this.made.push(xml);
  }

  /** A shape with text. Without a frame it lies where its layout says. */
  addText(name: string, held: Placeholder, place: Frame | undefined, text: TextBody): void {
    const properties = el("p:spPr", {}, place === undefined ? "" : transform(place) + geometry());
    this.add(
      el(
        "p:sp",
        {},
        el(
          "p:nvSpPr",
          {},
          el("p:cNvPr", { id: this.nextId, name }),
          el("p:cNvSpPr", {}, el("a:spLocks", { noGrp: 1 })),
          el("p:nvPr", {}, placeholder(held)),
        ),
        properties,
        textBody("p:txBody", text),
      ),
    );
  }

  /** A filled rectangle that means nothing by itself. */
  addFill(name: string, place: Frame, color: string): void {
    this.add(
      decoration(this.nextId, name, place, "rect", el("a:solidFill", {}, scheme(color)), el("a:ln", {}, "<a:noFill/>")),
    );
  }

  addLine(name: string, place: Frame, width: number): void {
    const line = el("a:ln", { w: width, cap: "sq" }, el("a:solidFill", {}, scheme("tx1")));
    this.add(decoration(this.nextId, name, place, "line", "", line));
  }

  tree(): string {
    const group = el("p:nvGrpSpPr", {}, el("p:cNvPr", { id: 1, name: "" }), "<p:cNvGrpSpPr/>", "<p:nvPr/>");
    const zero = ["a:off", "a:chOff"].map((tag) => [tag, { x: 0, y: 0 }] as const);
    const none = ["a:ext", "a:chExt"].map((tag) => [tag, { cx: 0, cy: 0 }] as const);
    const order = [zero[0], none[0], zero[1], none[1]].map((each) => (each === undefined ? "" : el(each[0], each[1])));
    return el("p:spTree", {}, group, el("p:grpSpPr", {}, el("a:xfrm", {}, ...order)), ...this.made);
  }
}

export interface TextBody {
  /** Properties of the body; insets and wrapping come with the master. */
  body?: Attributes;
  /** `a:lvl1pPr` and so on. */
  levels?: string;
  paragraphs: string;
}

export function textBody(tag: string, { body = {}, levels = "", paragraphs }: TextBody): string {
  return el(tag, {}, el("a:bodyPr", body), el("a:lstStyle", {}, levels), paragraphs);
}

function geometry(kind = "rect"): string {
  return el("a:prstGeom", { prst: kind }, "<a:avLst/>");
}

export function scheme(color: string): string {
  return el("a:schemeClr", { val: color });
}

function decoration(id: number, name: string, place: Frame, kind: string, fill: string, line: string): string {
  return el(
    "p:sp",
    {},
    el("p:nvSpPr", {}, el("p:cNvPr", { id, name }), "<p:cNvSpPr/>", el("p:nvPr", { userDrawn: 1 })),
    el("p:spPr", {}, transform(place), geometry(kind), fill, line),
    textBody("p:txBody", { paragraphs: "<a:p/>" }),
  );
}
