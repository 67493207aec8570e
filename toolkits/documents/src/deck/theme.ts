// Colours and fonts of a deck: the product's paper palette, a serif for what is said, a sans for what is looked up.

import { GROUND, INK, INK_SOFT, SEA, SERIES, STONE } from "../palette.ts";
import { SANS, SERIF } from "../styles.ts";
import { DECLARATION, el } from "./xml.ts";

const VISITED = "423658";

const fill = (color: string): string => el("a:solidFill", {}, el("a:schemeClr", { val: color }));

function colors(): string {
  const color = (name: string, value: string): string => el(`a:${name}`, {}, el("a:srgbClr", { val: value }));
  return el(
    "a:clrScheme",
    { name: "Paper" },
    color("dk1", INK),
    color("lt1", GROUND),
    color("dk2", INK_SOFT),
    color("lt2", STONE),
    ...SERIES.map((value, place) => color(`accent${place + 1}`, value)),
    color("hlink", SEA),
    color("folHlink", VISITED),
  );
}

function fonts(): string {
  const font = (name: string, latin: string): string =>
    el(`a:${name}`, {}, el("a:latin", { typeface: latin }), el("a:ea", { typeface: "" }), el("a:cs", { typeface: "" }));
  return el("a:fontScheme", { name: "Paper" }, font("majorFont", SERIF), font("minorFont", SANS));
}

/** Plain fills and lines; a theme has three of each. */
function formats(): string {
  const three = (made: string): string => made.repeat(3);
  const line = el("a:ln", { w: 9525 }, fill("phClr"), el("a:prstDash", { val: "solid" }));
  return el(
    "a:fmtScheme",
    { name: "Paper" },
    el("a:fillStyleLst", {}, three(fill("phClr"))),
    el("a:lnStyleLst", {}, three(line)),
    el("a:effectStyleLst", {}, three("<a:effectStyle><a:effectLst/></a:effectStyle>")),
    el("a:bgFillStyleLst", {}, three(fill("phClr"))),
  );
}

export function theme(): string {
  return (
    DECLARATION +
    el(
      "a:theme",
      { "xmlns:a": "http://schemas.openxmlformats.org/drawingml/2006/main", name: "Paper" },
      el("a:themeElements", {}, colors(), fonts(), formats()),
    )
  );
}
