/** Called on a node or the window: scrolls it, or what scrolls around it; says where it stands. */
function scroll(act, pixels) {
  const root = document.scrollingElement ?? document.documentElement;
  let box = root;
  if (this !== globalThis) {
    const element = this.nodeType === 1 ? this : this.parentElement;
    if (act === "into") {
      element.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
    }
    for (let node = element; node; node = node.parentElement) {
      const flow = getComputedStyle(node).overflowY;
      if (node.scrollHeight > node.clientHeight && (flow === "auto" || flow === "scroll")) {
        box = node;
        break;
      }
    }
  }
  if (act === "top") box.scrollTo({ top: 0, behavior: "instant" });
  if (act === "bottom") box.scrollTo({ top: box.scrollHeight, behavior: "instant" });
  if (act === "by") box.scrollBy({ top: pixels, behavior: "instant" });
  return { top: Math.round(box.scrollTop), height: box.scrollHeight, shown: box.clientHeight };
}
