// What the style sheets of an HTML file hide. Only that is read of them: rules with `display`, `visibility`, `opacity` or
// `font-size`, for a screen, by tags, classes, ids, attributes, and elements within others (CSS Selectors 3, Cascade 5).

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

/** Whether a value hides; `around`: as the element around it does; `unknown`: it may. */
type Hides = boolean | "around" | "unknown";

interface Declaration {
  property: Hiding;
  hides: Hides;
  isImportant: boolean;
}

interface Compound {
  name: string | undefined;
  isRoot: boolean;
  ids: string[];
  classes: string[];
  attributes: { name: string; value: string | undefined }[];
}

/** Compounds from the last to the first. */
interface Selector {
  /** `isChild`: the part before it is the element right around. */
  parts: { compound: Compound; isChild: boolean }[];
  weight: number;
}

interface Rule {
  selector: Selector;
  /** One a property at most: the one that wins. */
  ranked: readonly Ranked[];
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
  /** Layers by name, in the order in which they are first named. */
  private readonly layers = new Map<string, number>();
  private order = 0;
  private checks = 0;
  private characters = 0;
  /** Something that may hide text was not understood, or lies elsewhere. */
  isPartly = false;

  /** `media` is the attribute of the element that holds the text. */
  add(text: string, media: string): void {
    this.characters += text.length;
    if (this.characters > styleCharactersMax) this.isPartly = true;
    else this.readMedia(withoutComments(text), media, { depth: 0, layer: UNLAYERED });
  }

  /** `own` is the element's style attribute. */
  looks(element: StyledElement, own: string): Looks {
    const found = new Map<Hiding, Ranked>();
    const take = (ranked: Ranked): void => {
      const known = found.get(ranked.property);
      if (known === undefined || isAbove(ranked, known)) found.set(ranked.property, ranked);
    };
    if (this.byKey.size > 0 && this.checks <= styleChecksMax)
      for (const { selector, ranked } of this.rulesFor(element))
        if (this.matches(selector, element)) for (const each of ranked) take(each);
    for (const each of winners(own)) take({ ...each, layer: OWN, weight: 0, order: 0 });
    const says = (property: Hiding): boolean | undefined => {
      const hides = found.get(property)?.hides;
      if (hides === "unknown") this.isPartly = true;
      return typeof hides === "boolean" ? hides : undefined;
    };
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

  private readMedia(text: string, media: string, within: Within): void {
    const applies = mediaApplies(media);
    if (applies === true) this.read(text, within);
    else if (applies === undefined) this.leave(text);
  }

  /** Not applied: to be told where it may have hidden something. */
  private leave(text: string): void {
    if (MAY_HIDE.test(text)) this.isPartly = true;
  }

  /** Rules of a block; those of `@media` and its like lie deeper. */
  private read(text: string, { depth, layer }: Within): void {
    let end = 0;
    for (const { head, body, from, to } of blocksOf(text)) {
      this.nameLayers(text.slice(end, from));
      end = to;
      const within = { depth: depth + 1, layer };
      const [, at = "", condition = ""] = /^@([\w-]+)\s*(.*)$/s.exec(head) ?? [];
      if (at === "" && !head.startsWith("@")) this.addRule(head, body, layer);
      else if (depth >= NESTED_MAX) this.leave(body);
      else if (at === "media") this.readMedia(body, condition, within);
      else if (at === "layer") this.readLayer(condition, body, within);
      else if (at === "supports" && !/^not\b/i.test(condition)) this.read(body, within);
      else if (!/^(?:keyframes|-webkit-keyframes|font-face|page|property|counter-style|supports)$/.test(at))
        this.leave(body);
    }
    if (/@import\b/i.test(text)) this.isPartly = true;
  }

  /** `@layer NAME, NAME;`: their order, before what is in them. */
  private nameLayers(between: string): void {
    for (const [, names = ""] of between.matchAll(/@layer\s+([^;]+);/g))
      for (const name of names.split(",")) this.layerOf(name.trim());
  }

  private layerOf(name: string): number {
    const known = this.layers.get(name) ?? this.layers.size;
    this.layers.set(name, known);
    return known;
  }

  private readLayer(name: string, body: string, within: Within): void {
    // Layers within layers have an order of their own.
    if (within.layer !== UNLAYERED || name.includes(".")) this.leave(body);
    else this.read(body, { ...within, layer: this.layerOf(name === "" ? ` ${this.layers.size}` : name) });
  }

  private addRule(head: string, body: string, layer: number): void {
    let own = "";
    let from = 0;
    for (const nested of blocksOf(body)) {
      // Rules within a rule are not applied.
      this.leave(nested.body);
      own += body.slice(from, nested.from);
      from = nested.to;
    }
    own += body.slice(from);
    const declarations = winners(own);
    if (declarations.length === 0) return;
    for (const text of splitAt(head, ",")) {
      const selector = selectorOf(text.trim());
      this.order += 1;
      if (selector === undefined || this.order > styleSelectorsMax) {
        if (declarations.some(({ hides }) => hides !== false)) this.isPartly = true;
        continue;
      }
      const key = keyOf(selector);
      const rules = this.byKey.get(key) ?? [];
      this.byKey.set(key, rules);
      rules.push({ selector, ranked: declarations.map((each) => ranked(each, layer, selector.weight, this.order)) });
    }
  }
}

/** Where a block lies. */
interface Within {
  depth: number;
  layer: number;
}

const UNLAYERED = 1e9;
/** The element's own style: above every layer. */
const OWN = 2 * UNLAYERED;

/** Of two that stand in the same layer and weigh the same, the later one counts. */
interface Ranked extends Declaration {
  layer: number;
  weight: number;
  order: number;
}

/** What is in no layer stands above them all; of what is important, below. */
function ranked({ property, hides, isImportant }: Declaration, layer: number, weight: number, order: number): Ranked {
  return { property, hides, isImportant, layer: isImportant ? -layer : layer, weight, order };
}

function isAbove(one: Ranked, other: Ranked): boolean {
  if (one.isImportant !== other.isImportant) return one.isImportant;
  if (one.layer !== other.layer) return one.layer > other.layer;
  return one.weight === other.weight ? one.order >= other.order : one.weight > other.weight;
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

/** What counts of declarations that stand together: of each property the last important one, else the last. */
function winners(text: string): Declaration[] {
  const found = new Map<Hiding, Declaration>();
  for (const declaration of declarationsOf(text))
    if (declaration.isImportant || !found.get(declaration.property)?.isImportant)
      found.set(declaration.property, declaration);
  return [...found.values()];
}

/** The declarations that can hide or show; what is no value of its property is none. */
function* declarationsOf(text: string): Generator<Declaration> {
  for (const each of splitAt(withoutComments(text), ";")) {
    const colon = each.indexOf(":");
    const property = each.slice(0, Math.max(0, colon)).trim().toLowerCase();
    if (!isHiding(property)) continue;
    const rest = each.slice(colon + 1);
    const isImportant = /!\s*important\s*$/i.test(rest);
    const value = rest
      .replace(/!\s*important\s*$/i, "")
      .trim()
      .toLowerCase();
    const hides = hidesOf(property, value);
    if (hides !== undefined) yield { property, hides, isImportant };
  }
}

const isHiding = (property: string): property is Hiding => Object.hasOwn(VALUES, property);

const NUMBER = String.raw`(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?`;
const NOUGHT = String.raw`(?:0+\.?0*|\.0+)(?:e[+-]?\d+)?`;
const UNIT =
  "(?:%|px|pt|pc|in|cm|mm|q|r?em|r?ex|r?ch|r?cap|r?ic|r?lh|[sld]?v(?:w|h|i|b|min|max)|cq(?:w|h|i|b|min|max))";
const BOX =
  "(?:block|inline|run-in|flow|flow-root|table|flex|grid|ruby|math|list-item|contents|(?:inline|table|ruby|-webkit|-moz|-ms)-[a-z-]+)";

/** Values that hide, and those that show. */
const VALUES: Record<Hiding, { hides: RegExp; shows: RegExp; isInherited: boolean }> = {
  display: { hides: /^none$/, shows: new RegExp(`^${BOX}(?:\\s+${BOX})*$`), isInherited: false },
  visibility: { hides: /^(?:hidden|collapse)$/, shows: /^visible$/, isInherited: true },
  opacity: {
    hides: new RegExp(`^(?:[+-]?${NOUGHT}|-${NUMBER})%?$`),
    shows: new RegExp(`^[+]?${NUMBER}%?$`),
    isInherited: false,
  },
  "font-size": {
    hides: new RegExp(`^[+-]?${NOUGHT}${UNIT}?$`),
    shows: new RegExp(
      `^(?:[+]?${NUMBER}${UNIT}|(?:x{1,3}-)?(?:small|large)|medium|smaller|larger|math|(?:calc|clamp|min|max)\\(.*\\))$`,
      "s",
    ),
    isInherited: true,
  },
};

/** Undefined: a browser takes it for none. */
function hidesOf(property: Hiding, value: string): Hides | undefined {
  const { hides, shows, isInherited } = VALUES[property];
  if (hides.test(value)) return true;
  if (value === "initial" || shows.test(value)) return false;
  if (/^(?:inherit|unset|revert)$/.test(value)) return isInherited ? "around" : false;
  // What a browser works out from what stands elsewhere.
  return value === "revert-layer" || value.includes("(") ? "unknown" : undefined;
}

/** None where it asks for more than is understood here. */
function selectorOf(text: string): Selector | undefined {
  const parts: Selector["parts"] = [];
  let [ids, classes, tags] = [0, 0, 0];
  let [rest, isChild] = [text, false];
  while (rest !== "") {
    const [compoundText = ""] = COMPOUND.exec(rest) ?? [];
    const compound = compoundOf(compoundText);
    if (compoundText === "" || compound === undefined) return undefined;
    ids += compound.ids.length;
    classes += compound.classes.length + compound.attributes.length + Number(compound.isRoot);
    tags += compound.name === undefined ? 0 : 1;
    parts.push({ compound, isChild });
    rest = rest.slice(compoundText.length);
    const [between = ""] = /^\s*>\s*|^\s+/.exec(rest) ?? [];
    if (between === "" && rest !== "") return undefined;
    isChild = between.includes(">");
    rest = rest.slice(between.length);
    if (rest === "" && isChild) return undefined;
  }
  return parts.length === 0 ? undefined : { parts: parts.reverse(), weight: weightOf(ids, classes, tags) };
}

/** Ids, then classes and attributes, then tags; of each no more than browsers count. */
function weightOf(ids: number, classes: number, tags: number): number {
  return [ids, classes, tags].reduce((all, each) => all * 1_024 + Math.min(each, 1_023), 0);
}

const NAME = String.raw`(?:[\w-]|[^\x00-\x7f]|\\[0-9a-f]{1,6}\s?|\\[^\n0-9a-f])+`;
const COMPOUND = new RegExp(String.raw`^(?:\*|${NAME})?(?:[.#]${NAME}|\[[^\]]*\]|:root)*`, "i");
const SIMPLE = new RegExp(
  String.raw`([.#]?)(${NAME})|\[\s*(${NAME})\s*(?:=\s*("[^"]*"|'[^']*'|${NAME})\s*)?\]|(\*)|(:root)`,
  "giy",
);

function compoundOf(text: string): Compound | undefined {
  const compound: Compound = { name: undefined, isRoot: false, ids: [], classes: [], attributes: [] };
  SIMPLE.lastIndex = 0;
  while (SIMPLE.lastIndex < text.length) {
    const found = SIMPLE.exec(text);
    if (found === null) return undefined;
    const [, sign, word, attribute, value, , root] = found;
    if (root !== undefined) compound.isRoot = true;
    else if (attribute !== undefined)
      compound.attributes.push({
        name: unescaped(attribute).toLowerCase(),
        value: value === undefined ? undefined : unquoted(value),
      });
    else if (sign === "." && word !== undefined) compound.classes.push(unescaped(word));
    else if (sign === "#" && word !== undefined) compound.ids.push(unescaped(word));
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
  const { ids = [], classes = [], name = "*" } = parts[0]?.compound ?? {};
  if (ids[0] !== undefined) return `#${ids[0]}`;
  return classes[0] === undefined ? name : `.${classes[0]}`;
}

function fits({ name, isRoot, ids, classes, attributes }: Compound, element: StyledElement): boolean {
  return (
    (name === undefined || name === element.name) &&
    (!isRoot || element.name === "html") &&
    ids.every((each) => each === element.id) &&
    classes.every((each) => element.classes.has(each)) &&
    attributes.every(({ name: asked, value }) => {
      const own = element.attributes[asked];
      return own !== undefined && (value === undefined || own === value);
    })
  );
}
