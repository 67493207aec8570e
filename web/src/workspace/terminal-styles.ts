// The terminal draws with style elements and style attributes, which the page's content policy refuses, as it should: markup
// could carry them. The same styles are set here through style sheet objects and the style property, which only scripts can.

const create = Document.prototype.createElement;

/** Stands for a style element; its text becomes a style sheet of the page. */
function styleElement(): HTMLElement {
  const element = create.call(document, "span");
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

/** Runs what makes the terminal's style elements; each is made once, while it opens. */
export function withStyleSheets(open: () => void): void {
  const make = (tag: string): HTMLElement => (tag === "style" ? styleElement() : create.call(document, tag));
  Object.defineProperty(document, "createElement", { configurable: true, value: make });
  try {
    open();
  } finally {
    Reflect.deleteProperty(document, "createElement");
  }
}

// Colours of single characters come as style attributes of spans.
Object.defineProperty(HTMLSpanElement.prototype, "setAttribute", {
  configurable: true,
  value(this: HTMLSpanElement, name: string, value: string): void {
    if (name === "style") this.style.cssText = value;
    else Element.prototype.setAttribute.call(this, name, value);
  },
});
