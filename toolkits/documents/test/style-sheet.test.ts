// What style sheets hide is left out of a page, as far as they are understood; where they are not, the notes say so.

import { expect, test } from "vitest";
import { htmlToMarkdown } from "../src/convert/html.ts";
import { Source } from "../src/convert/source.ts";

function read(html: string): { text: string; warnings: string[] } {
  const source = new Source("page.html", Buffer.from(html));
  return { text: htmlToMarkdown(source), warnings: source.warnings };
}

const styled = (css: string, body: string): string => `<!doctype html><style>${css}</style><body>${body}`;
const HIDDEN = "Hidden text was left out.";
const PARTLY = /were not applied: what they hide is shown/;

test.each([
  ["a class", ".x{display:none}", "<p>a<p class='y x'>secret"],
  ["an id, in any letters", "#X\n{ DISPLAY : NONE }", "<p>a<p id=X>secret"],
  ["a tag", "aside{visibility:hidden}", "<p>a<aside>secret</aside>"],
  ["an attribute", "[data-x='1'],[lang]{opacity:0}", "<p>a<p data-x=1>secret<p lang=de>secret"],
  ["all of them", "p.x#y[z]{font-size:0}", "<p>a<p class=x id=y z>secret"],
  [
    "an element within others",
    "main > .b i , .c *{display:none}",
    "<main><p class=b>a<i>secret</i></main><p class=c>a<b>secret</b>",
  ],
  ["a child only", ".b > i{display:none}", "<p class=b>a<i>secret</i><b><i>shown</i></b>"],
  ["what stands later", "p{display:none} p{display:block} .x{display:none}", "<p>a<p class=x>secret"],
  ["what weighs more", "#x{display:none} .x{display:block}", "<p>a<p id=x class=x>secret"],
  ["what is important", "p{display:none!important} #x{display:block}", "<p id=x style='display:block'>secret</p>a"],
  ["what is important in its rule", ".x{display:none!important;display:block}", "<p>a<p class=x>secret"],
  [
    "what stands last in its rule",
    ".x{display:none;display:block} .y{display:block;display:none}",
    "<p class=x>shown<p class=y>secret",
  ],
  [
    "what is no value",
    ".x{display:none;display:shown;opacity:5px} .x{font-size:0;font-size:big;font-size:5}",
    "<p>a<p class=x>secret",
  ],
  ["less than nothing", ".x{opacity:-1} .y{font-size:0.0em;font-size:-1px}", "<p>a<p class=x>secret<p class=y>secret"],
  [
    "as it is around it",
    ".x{visibility:hidden} .x b{visibility:inherit} .x i{visibility:initial}",
    "<p class=x>secret<b>secret</b><i>shown</i>",
  ],
  [
    "many classes, which weigh less than an id",
    `#x{display:none} ${".x".repeat(1_100)}{display:block}`,
    "<p>a<p id=x class=x>secret",
  ],
  ["two ids, which nothing has", "#y{display:none} #x#y{display:block} #y#y{visibility:visible}", "<p>a<p id=y>secret"],
  [
    "the root, which weighs as a class",
    ".a .x{display:block} :root .x{display:none} p:root{display:none}",
    "<p>a<p class=a><b class=x>secret</b>",
  ],
  ["a root and a body that are not written", "html > body > .x{display:none}", "<p>a</p></body><p class=x>secret"],
  ["what is in no layer", ".x{display:none} @layer a{#x{display:block}}", "<p>a<p id=x class=x>secret"],
  [
    "a layer that is named later",
    "@layer b, a;@layer a{.x{display:none}} @layer b{#x{display:block}}",
    "<p>a<p id=x class=x>secret",
  ],
  [
    "what is important in a layer",
    "@layer a{.x{display:none!important}} @layer b{#x{display:block!important}} #x{display:block!important}",
    "<p>a<p id=x class=x>secret",
  ],
  ["an own style above it", ".x{display:none}", "<p class=x style='display:block'>shown<p style='display:none'>secret"],
  [
    "a screen",
    "@media screen and (min-width:600px){.x{display:none}} @media print{.y{display:none}}",
    "<p class=x>secret<p class=y>shown",
  ],
  ["no narrow screen", "@media (max-width: 40em){.x{display:none}}", "<p class=x>shown"],
  ["layers and supports", "@layer a{@supports (display:grid){.x{display:none}}}", "<p>a<p class=x>secret"],
  ["what shows itself again", ".x{visibility:hidden} .x b{visibility:visible}", "<p class=x>secret<b>shown</b>secret"],
  ["a size that children set", "ul{font-size:0} li{font-size:12px}", "<ul>secret<li>shown</ul>"],
  [
    "comments, strings and odd names",
    "/*}*/.a::before{content:'}'} .\\31 x\\:y{/* */display:/**/none}",
    "<p>a<p class='1x:y'>secret",
  ],
  ["a sheet that does not end", "p{color:red} .x{display:none", "<p>a<p class=x>secret"],
  ["a style behind it", "", "<p>a<p class=x>secret</p><style>.x{display:none}</style>"],
])("%s", (_, css, body) => {
  const { text, warnings } = read(styled(css, body));
  expect(text).not.toContain("secret");
  expect(text.includes("shown")).toBe(body.includes("shown"));
  expect(warnings).toEqual(body.includes("secret") ? [HIDDEN] : []);
});

test.each([
  ["a pseudo-class", ".x:not(.y){display:none}"],
  ["a sibling", "p + p{display:none}"],
  ["a part of an attribute", "[class^=x]{display:none}"],
  ["an unknown condition", "@media (color){.x{display:none}}"],
  ["a container", "@container (min-width:1px){.x{display:none}}"],
  ["a rule within a rule", ".z{color:red;&.x,.x{display:none}}"],
  ["a value from elsewhere", ".x{display:var(--d)}"],
  ["a layer within a layer", "@layer a{@layer b{.x{display:none}}}"],
  ["another file", "@import url(x.css);"],
  ["too many rules", `${".q{display:none}".repeat(20_001)}.x{display:none}`],
  ["too many letters", `/*${"x".repeat(1024 * 1024)}*/.x{display:none}`],
])("what is not understood is shown, and said: %s", (_, css) => {
  const { text, warnings } = read(styled(css, "<p>a<p class='z x'>words"));
  expect(text).toContain("words");
  expect(warnings.length).toBe(1);
  expect(warnings[0]).toMatch(PARTLY);
});

test("sheets in other files are said, those of other things are not", () => {
  expect(read("<link rel='preload stylesheet' href=x.css><p>a").warnings[0]).toMatch(PARTLY);
  expect(read("<link rel=icon href=x.png><template><style>p{display:none}</style></template><p>a")).toEqual({
    text: "a\n",
    warnings: [],
  });
  expect(read("<style media=print>p{display:none}</style><p>a")).toEqual({ text: "a\n", warnings: [] });
});

test("a page that hides itself until a program shows it is read, and that is said", () => {
  const { text, warnings } = read(styled("html{opacity:0}body{visibility:hidden}", "<p>words"));
  expect(text).toBe("words\n");
  expect(warnings[0]).toMatch(PARTLY);
});

test("AT-035 sheets that cost others much time are done soon", () => {
  const deep = "<div class=a>".repeat(400);
  const long = `${".a ".repeat(30)}.b`;
  for (const html of [
    styled(`${long}{display:none}`, `${deep}${"<p class=b>x</p>".repeat(5_000)}`),
    styled("{".repeat(500_000), "<p>x"),
    styled("}".repeat(500_000), "<p>x"),
    styled(`${"a,".repeat(250_000)}b{display:none}`, "<p>x"),
    styled(".x\\".repeat(200_000), "<p>x"),
    styled("/*".repeat(300_000), "<p>x"),
    styled(`.x{${"!".repeat(300_000)}important}`, "<p>x"),
    styled(`.x{display:${" ".repeat(300_000)}x}`, "<p>x"),
    styled("[".repeat(300_000), "<p>x"),
    styled("@media ".repeat(100_000), "<p>x"),
    styled(`${"@media screen{".repeat(1_000)}.x{display:none}`, "<p>x"),
    `${"<style>.x{display:none}".repeat(50_000)}`,
    // As many declarations as selectors.
    styled(`${"a,".repeat(19_000)}b{${"opacity:1;".repeat(90_000)}}`, "<p>x"),
    styled(`b{display:block${" block".repeat(100_000)} x}`, "<p>x"),
    styled("@layer a,".repeat(100_000), "<p>x"),
    styled("@layer a;".repeat(100_000), "<p>x"),
    styled(Array.from({ length: 19_000 }, () => ".x{opacity:1}").join(""), "<p class=x>x".repeat(2_000)),
  ])
    expect(read(html).text.length).toBeLessThan(2_000_000);
});
