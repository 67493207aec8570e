// What the style sheets of an HTML file hide. Only that is read of them: rules with `display`, `visibility`, `opacity` or
// `font-size`, for a screen, by tags, classes, ids, attributes, and elements within others (CSS Selectors 3, Cascade 4).

import { LIMITS } from "../limits.ts";

const { styleCharactersMax, styleSelectorsMax, styleChecksMax } = LIMITS.convert;

/** The properties that can hide a text. */
export type Hiding = "display" | "visibility" | "opacity" | "font-size";

/** An element that is open; `within` are those around it. */
export interface StyledElement {
  name: string;
  id: string;
  classes: ReadonlySet<string>;
  attributes: Readonly<Record<string, string>>;
  within: StyledElement | undefined;
}

interface Declaration {
  property: Hiding;
  hides: boolean;
  isImportant: boolean;
}

interface Compound {
  name: string | undefined;
  id: string | undefined;
  classes: string[];
  attributes: { name: string; value: string | undefined }[];
}

/** Compounds from the last to the first. */
interface Selector {
  /** `isChild`: the part before it is the element right around. */
  parts: { compound: Compound; isChild: boolean }[];
  /** Ids, then classes and attributes, then tags. */
  weight: number;
}

interface Rule {
  selector: Selector;
  declaration: Declaration;
  /** Of two that weigh the same, the later one counts. */
  order: number;
}

/** What an element's own rules say; what they do not say comes from the element around it, where it does. */
export interface Looks {
  /** It and all within it. */
  isGone: boolean;
  isInvisible: boolean | undefined;
  isSizeless: boolean | undefined;
}

export class StyleSheet {
  /** Rules by what the last part of their selector asks for first. */
  private readonly byKey = new Map<string, Rule[]>();
  private order = 0;
  private checks = 0;
  private characters = 0;
  /** Something that may hide text was not understood, or lies elsewhere. */
  isPartly = false;

  /** `media` is the attribute of the element that holds the text. */
  add(text: string, media: string): void {
    this.characters += text.length;
    if (this.characters > styleCharactersMax) this.isPartly = true;
    else this.readMedia(withoutComments(text), media, 0);
  }

  /** `own` is the element's style attribute. */
  looks(element: StyledElement, own: string): Looks {
    const found = new Map<Hiding, Ranked>();
    const take = ({ property, hides, isImportant }: Declaration, weight: number, order: number): void => {
      const rank = [Number(isImportant), weight, order] as const;
      const known = found.get(property);
      if (known === undefined || isAbove(rank, known.rank)) found.set(property, { hides, rank });
    };
    if (this.byKey.size > 0 && this.checks <= styleChecksMax)
      for (const { selector, declaration, order } of this.rulesFor(element))
        if (this.matches(selector, element)) take(declaration, selector.weight, order);
    let order = 0;
    for (const declaration of declarationsOf(own)) take(declaration, Number.POSITIVE_INFINITY, order++);
    const says = (property: Hiding): boolean | undefined => found.get(property)?.hides;
    return {
      isGone: (says("display") ?? false) || (says("opacity") ?? false),
      isInvisible: says("visibility"),
      isSizeless: says("font-size"),
    };
  }

  private *rulesFor({ name, id, classes }: StyledElement): Generator<Rule> {
    yield* this.byKey.get("*") ?? [];
    yield* this.byKey.get(name) ?? [];
    for (const each of classes) yield* this.byKey.get(`.${each}`) ?? [];
    if (id !== "") yield* this.byKey.get(`#${id}`) ?? [];
  }

  private matches({ parts }: Selector, element: StyledElement): boolean {
    const from = (place: number, at: StyledElement | undefined): boolean => {
      const part = parts[place];
      if (part === undefined) return true;
      for (let each = at; each !== undefined; each = each.within) {
        this.checks += 1;
        if (this.checks > styleChecksMax) {
          this.isPartly = true;
          return false;
        }
        if (fits(part.compound, each) && from(place + 1, each.within)) return true;
        if (place === 0 || parts[place - 1]?.isChild) return false;
      }
      return false;
    };
    return from(0, element);
  }

  private readMedia(text: string, media: string, depth: number): void {
    const applies = mediaApplies(media);
    if (applies === true) this.read(text, depth);
    else if (applies === undefined) this.leave(text);
  }

  /** Not applied: to be told where it may have hidden something. */
  private leave(text: string): void {
    if (MAY_HIDE.test(text)) this.isPartly = true;
  }

  /** Rules of a block; those of `@media` and its like lie deeper. */
  private read(text: string, depth: number): void {
    for (const { head, body } of blocksOf(text)) {
      const [, at = "", condition = ""] = /^@([\w-]+)\s*(.*)$/s.exec(head) ?? [];
      if (at === "" && !head.startsWith("@")) this.addRule(head, body);
      else if (depth >= NESTED_MAX) this.leave(body);
      else if (at === "media") this.readMedia(body, condition, depth + 1);
      else if (at === "layer" || (at === "supports" && !/^not\b/i.test(condition))) this.read(body, depth + 1);
      else if (!/^(?:keyframes|-webkit-keyframes|font-face|page|property|counter-style|supports)$/.test(at))
        this.leave(body);
    }
    if (/@import\b/i.test(text)) this.isPartly = true;
  }

  private addRule(head: string, body: string): void {
    let own = "";
    let from = 0;
    for (const nested of blocksOf(body)) {
      // Rules within a rule are not applied.
      this.leave(nested.body);
      own += body.slice(from, nested.from);
      from = nested.to;
    }
    own += body.slice(from);
    const declarations = [...declarationsOf(own)];
    if (declarations.length === 0) return;
    for (const text of splitAt(head, ",")) {
      const selector = selectorOf(text.trim());
      this.order += 1;
      if (selector === undefined || this.order > styleSelectorsMax) {
        if (declarations.some(({ hides }) => hides)) this.isPartly = true;
        continue;
      }
      const key = keyOf(selector);
      const rules = this.byKey.get(key) ?? [];
      this.byKey.set(key, rules);
      for (const declaration of declarations) rules.push({ selector, declaration, order: this.order });
    }
  }
}

type Rank = readonly [important: number, weight: number, order: number];
interface Ranked {
  hides: boolean;
  rank: Rank;
}

function isAbove(one: Rank, other: Rank): boolean {
  const place = one.findIndex((each, at) => each !== other[at]);
  return place < 0 || (one[place] ?? 0) > (other[place] ?? 0);
}

const NESTED_MAX = 8;
const MAY_HIDE = /\b(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|(?:opacity|font-size)\s*:\s*0)/i;
/** The window of a usual screen, in pixels, and the letters in it. */
const WINDOW = { width: 1_280, height: 800, em: 16 };

/** Whether a list of media queries takes in a usual screen; undefined where it asks something unknown. */
function mediaApplies(media: string): boolean | undefined {
  if (media.trim() === "") return true;
  const answers = media.toLowerCase().split(",").map(queryApplies);
  return answers.includes(true) ? true : answers.includes(undefined) ? undefined : false;
}

function queryApplies(query: string): boolean | undefined {
  const [, not, kind, rest = ""] = /^\s*(?:(not)\s+|only\s+)?([a-z]+)?(.*)$/s.exec(query) ?? [];
  const type = kind === undefined || kind === "all" || kind === "screen";
  if (!type) return kind === "print" || kind === "speech" ? not !== undefined : undefined;
  const conditions = rest
    .split(/\band\b/)
    .map((each) => each.trim())
    .filter(Boolean);
  const answers = conditions.map(featureApplies);
  const all = answers.includes(false) ? false : answers.includes(undefined) ? undefined : true;
  return not === undefined || all === undefined ? all : !all;
}

function featureApplies(condition: string): boolean | undefined {
  const [, end, side, amount, unit] =
    /^\(\s*(min|max)-(width|height)\s*:\s*(\d+(?:\.\d+)?)(px|r?em)?\s*\)$/.exec(condition) ?? [];
  if (end === undefined) return undefined;
  const asked = Number(amount) * (unit === "px" || unit === undefined ? 1 : WINDOW.em);
  const own = side === "height" ? WINDOW.height : WINDOW.width;
  return end === "min" ? own >= asked : own <= asked;
}

function withoutComments(text: string): string {
  return text.replace(/\/\*.*?(?:\*\/|$)|<!--|-->/gs, " ");
}

interface Block {
  head: string;
  body: string;
  /** Where it begins and ends in the text. */
  from: number;
  to: number;
}

/** `HEAD { BODY }` at the outermost level; declarations before a head are none of its. */
function* blocksOf(text: string): Generator<Block> {
  const block = (from: number, open: number, to: number): Block => ({
    head: text.slice(from, open).trim(),
    body: text.slice(open + 1, to),
    from,
    to: Math.min(to + 1, text.length),
  });
  let [from, open, depth, quote] = [0, 0, 0, ""];
  for (let at = 0; at < text.length; at += 1) {
    const letter = text[at] ?? "";
    if (letter === "\\") at += 1;
    else if (quote !== "") quote = letter === quote || letter === "\n" ? "" : quote;
    else if (letter === '"' || letter === "'") quote = letter;
    else if (letter === "{") {
      if (depth === 0) open = at;
      depth += 1;
    } else if (letter === ";" && depth === 0) from = at + 1;
    else if (letter === "}") {
      if (depth === 0) from = at + 1;
      depth -= 1;
      if (depth < 0) depth = 0;
      else if (depth === 0) {
        yield block(from, open, at);
        from = at + 1;
      }
    }
  }
  // A sheet that ends in a block ends the block.
  if (depth > 0) yield block(from, open, text.length);
}

/** Parts at a separator that stands outside of quotes and brackets. */
function splitAt(text: string, separator: string): string[] {
  const parts: string[] = [];
  let [from, depth, quote] = [0, 0, ""];
  for (let at = 0; at < text.length; at += 1) {
    const letter = text[at] ?? "";
    if (letter === "\\") at += 1;
    else if (quote !== "") quote = letter === quote ? "" : quote;
    else if (letter === '"' || letter === "'") quote = letter;
    else if (letter === "(" || letter === "[") depth += 1;
    else if (letter === ")" || letter === "]") depth -= 1;
    else if (letter === separator && depth <= 0) {
      parts.push(text.slice(from, at));
      from = at + 1;
    }
  }
  return [...parts, text.slice(from)];
}

/** The declarations that can hide or show. */
export function* declarationsOf(text: string): Generator<Declaration> {
  for (const each of splitAt(withoutComments(text), ";")) {
    const colon = each.indexOf(":");
    const [name, rest] = [each.slice(0, Math.max(0, colon)).trim(), each.slice(colon + 1)];
    const isImportant = /!\s*important\s*$/i.test(rest);
    const value = rest
      .replace(/!\s*important\s*$/i, "")
      .trim()
      .toLowerCase();
    const property = name.toLowerCase();
    if (property === "display") yield { property, hides: /^none\b/.test(value), isImportant };
    else if (property === "visibility") yield { property, hides: /^(?:hidden|collapse)\b/.test(value), isImportant };
    else if (property === "opacity" || property === "font-size")
      yield { property, hides: Number.parseFloat(value) === 0, isImportant };
  }
}

/** None where it asks for more than is understood here. */
function selectorOf(text: string): Selector | undefined {
  const parts: Selector["parts"] = [];
  let [weight, rest, isChild] = [0, text, false];
  while (rest !== "") {
    const [compoundText = ""] = COMPOUND.exec(rest) ?? [];
    const compound = compoundOf(compoundText);
    if (compoundText === "" || compound === undefined) return undefined;
    weight += (compound.id === undefined ? 0 : 1e6) + (compound.classes.length + compound.attributes.length) * 1e3;
    weight += compound.name === undefined ? 0 : 1;
    parts.push({ compound, isChild });
    rest = rest.slice(compoundText.length);
    const [between = ""] = /^\s*>\s*|^\s+/.exec(rest) ?? [];
    if (between === "" && rest !== "") return undefined;
    isChild = between.includes(">");
    rest = rest.slice(between.length);
    if (rest === "" && isChild) return undefined;
  }
  return parts.length === 0 ? undefined : { parts: parts.reverse(), weight };
}

const NAME = String.raw`(?:[\w-]|[^\x00-\x7f]|\\[0-9a-f]{1,6}\s?|\\[^\n0-9a-f])+`;
const COMPOUND = new RegExp(String.raw`^(?:\*|${NAME})?(?:[.#]${NAME}|\[[^\]]*\]|:root)*`, "i");
const SIMPLE = new RegExp(
  String.raw`([.#]?)(${NAME})|\[\s*(${NAME})\s*(?:=\s*("[^"]*"|'[^']*'|${NAME})\s*)?\]|(\*)|(:root)`,
  "giy",
);

function compoundOf(text: string): Compound | undefined {
  const compound: Compound = { name: undefined, id: undefined, classes: [], attributes: [] };
  SIMPLE.lastIndex = 0;
  while (SIMPLE.lastIndex < text.length) {
    const found = SIMPLE.exec(text);
    if (found === null) return undefined;
    const [, sign, word, attribute, value, , root] = found;
    if (root !== undefined) compound.name = "html";
    else if (attribute !== undefined)
      compound.attributes.push({
        name: unescaped(attribute).toLowerCase(),
        value: value === undefined ? undefined : unquoted(value),
      });
    else if (sign === "." && word !== undefined) compound.classes.push(unescaped(word));
    else if (sign === "#" && word !== undefined) compound.id = unescaped(word);
    else if (word !== undefined) compound.name = unescaped(word).toLowerCase();
  }
  return compound;
}

function unescaped(word: string): string {
  return word.replace(/\\(?:([0-9a-f]{1,6})\s?|(.))/gi, (_, code: string | undefined, letter: string | undefined) => {
    if (code === undefined) return letter ?? "";
    const point = Number.parseInt(code, 16);
    return point > 0 && point <= 0x10ffff ? String.fromCodePoint(point) : "\ufffd";
  });
}

function unquoted(value: string): string {
  return unescaped(/^["']/.test(value) ? value.slice(1, -1) : value);
}

function keyOf({ parts }: Selector): string {
  const { id, classes, name } = parts[0]?.compound ?? { id: undefined, classes: [], name: undefined };
  if (id !== undefined) return `#${id}`;
  return classes[0] === undefined ? (name ?? "*") : `.${classes[0]}`;
}

function fits({ name, id, classes, attributes }: Compound, element: StyledElement): boolean {
  return (
    (name === undefined || name === element.name) &&
    (id === undefined || id === element.id) &&
    classes.every((each) => element.classes.has(each)) &&
    attributes.every(({ name: asked, value }) => {
      const own = element.attributes[asked];
      return own !== undefined && (value === undefined || own === value);
    })
  );
}
