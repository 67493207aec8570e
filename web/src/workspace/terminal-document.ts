// The terminal draws with style elements and style attributes, which the page's content policy refuses, as it should. The
// same styles are set through style sheet objects and the style property here, which no markup from outside can reach.

const plain = Document.prototype.createElement;

/** Stands for a style element; its text becomes a style sheet of the page. */
function styleElement(): HTMLElement {
  const element = plain.call(document, "span");
  element.hidden = true;
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  Object.defineProperty(element, "textContent", { set: (text: string) => sheet.replaceSync(text) });
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== sheet);
    Element.prototype.remove.call(element);
  };
  return element;
}

function make(tag: string): HTMLElement {
  if (tag === "style") return styleElement();
  const element = plain.call(document, tag);
  element.setAttribute = (name: string, value: string) => {
    if (name === "style") element.style.cssText = value;
    else Element.prototype.setAttribute.call(element, name, value);
  };
  return element;
}

/** For the terminal's `documentOverride`. */
export const terminalDocument: Document = new Proxy(document, {
  get: (target, name) => {
    if (name === "createElement") return make;
    const value: unknown = Reflect.get(target, name, target);
    return typeof value === "function" ? value.bind(target) : value;
  },
});

/** Some of it asks the page's document in spite of the override: while it opens, that one answers alike. */
export function opening(act: () => void): void {
  Object.defineProperty(document, "createElement", { configurable: true, value: make });
  try {
    act();
  } finally {
    Reflect.deleteProperty(document, "createElement");
  }
}
