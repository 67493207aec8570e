// Speaker notes: a master for their page, and a page for each slide that has some.

import { frame } from "./frame.ts";
import { colorMap } from "./master.ts";
import { Shapes, transform } from "./shape.ts";
import { paragraph, type TextStyle } from "./text.ts";
import { el, part } from "./xml.ts";

const PICTURE = frame(0.75, 0.75, 6, 3.375);
const WORDS = frame(0.75, 4.5, 6, 4.75);

function addPicture(shapes: Shapes): void {
  shapes.add(
    el(
      "p:sp",
      {},
      el(
        "p:nvSpPr",
        {},
        el("p:cNvPr", { id: shapes.nextId, name: "Slide Image" }),
        el("p:cNvSpPr", {}, el("a:spLocks", { noGrp: 1, noRot: 1, noChangeAspect: 1 })),
        el("p:nvPr", {}, el("p:ph", { type: "sldImg", idx: 2 })),
      ),
      el("p:spPr", {}, transform(PICTURE), el("a:prstGeom", { prst: "rect" }, "<a:avLst/>")),
    ),
  );
}

export function notesMaster(): string {
  const shapes = new Shapes();
  addPicture(shapes);
  const prompt = el("a:p", {}, el("a:r", {}, el("a:rPr", { lang: "en-US" }), el("a:t", {}, "Notes")));
  shapes.addText("Notes", { type: "body", sz: "quarter", idx: 3 }, WORDS, { paragraphs: prompt });
  const background = el("p:bg", {}, el("p:bgRef", { idx: 1001 }, el("a:schemeClr", { val: "bg1" })));
  const level = el("a:lvl1pPr", { marL: 0, algn: "l" }, el("a:defRPr", { sz: 1200 }));
  return part(
    "p:notesMaster",
    {},
    el("p:cSld", {}, background, shapes.tree()),
    colorMap(),
    el("p:notesStyle", {}, level),
  );
}

/** A paragraph for each line of the notes. */
export function notesSlide(notes: string, style: TextStyle): string {
  const shapes = new Shapes();
  addPicture(shapes);
  const paragraphs = notes.split(/\r\n|\r|\n/).map((line) => paragraph(line, style));
  shapes.addText("Notes", { type: "body", idx: 3 }, undefined, { paragraphs: paragraphs.join("") });
  return part("p:notes", {}, el("p:cSld", {}, shapes.tree()), el("p:clrMapOvr", {}, "<a:masterClrMapping/>"));
}
