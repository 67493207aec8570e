// XML as text, always escaped.

export type Attributes = Record<string, string | number | undefined>;

const ENTITIES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  // A reader would turn them into blanks.
  "\t": "&#9;",
  "\n": "&#10;",
  "\r": "&#13;",
};

/** Text of an element or an attribute. Its characters are ones that XML can hold: the schema saw to it. */
export function escaped(text: string): string {
  return text.replace(/[&<>"\t\n\r]/g, (letter) => ENTITIES[letter] ?? letter);
}

/** An element; attributes without a value are left out, children are XML already. */
export function el(name: string, attributes: Attributes = {}, ...children: string[]): string {
  const said = Object.entries(attributes)
    .filter((entry): entry is [string, string | number] => entry[1] !== undefined)
    .map(([key, value]) => ` ${key}="${escaped(String(value))}"`)
    .join("");
  const inner = children.join("");
  return inner === "" ? `<${name}${said}/>` : `<${name}${said}>${inner}</${name}>`;
}

const NAMESPACES = {
  "xmlns:a": "http://schemas.openxmlformats.org/drawingml/2006/main",
  "xmlns:r": "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
  "xmlns:p": "http://schemas.openxmlformats.org/presentationml/2006/main",
};

export const DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n';

/** A whole part of a presentation. */
export function part(name: string, attributes: Attributes, ...children: string[]): string {
  return DECLARATION + el(name, { ...NAMESPACES, ...attributes }, ...children);
}
