/** Called on a node: where to click it, or why it cannot be clicked. Coordinates are CSS pixels of its own frame. */
async function point() {
  const element = this.nodeType === 1 ? this : this.parentElement;
  if (!element?.isConnected) return { gone: true };
  const describe = (node) => {
    let text = `<${node.localName}`;
    if (node.id) text += ` id="${node.id}"`;
    if (typeof node.className === "string" && node.className) text += ` class="${node.className}"`;
    const name = node.getAttribute("aria-label") || node.innerText || "";
    return `${text.slice(0, 160)}> ${name.trim().slice(0, 80)}`.trim();
  };
  element.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
  // A page that is not drawn asks for no frame.
  await Promise.race([
    new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))),
    new Promise((done) => setTimeout(done, 250)),
  ]);
  if (!element.isConnected) return { gone: true };
  const style = getComputedStyle(element);
  const boxes = [...element.getClientRects()].filter((box) => box.width > 0 && box.height > 0);
  if (style.visibility !== "visible" || boxes.length === 0) return { hidden: true };
  if (element.disabled === true) return { disabled: true };
  const climbs = (from) => {
    for (let node = from; node; node = node.parentNode ?? node.host) {
      if (node === element) return true;
      if (node.localName === "label" && node.control === element) return true;
    }
    return false;
  };
  const topmost = (x, y) => {
    let hit = document.elementFromPoint(x, y);
    while (hit?.shadowRoot) {
      const inner = hit.shadowRoot.elementFromPoint(x, y);
      if (!inner || inner === hit) break;
      hit = inner;
    }
    return hit;
  };
  let cover = null;
  for (const box of boxes) {
    const left = Math.max(box.left, 0);
    const top = Math.max(box.top, 0);
    const right = Math.min(box.right, innerWidth);
    const bottom = Math.min(box.bottom, innerHeight);
    if (right <= left || bottom <= top) continue;
    for (const [across, down] of [
      [0.5, 0.5],
      [0.2, 0.5],
      [0.8, 0.5],
      [0.5, 0.2],
      [0.5, 0.8],
    ]) {
      const x = left + (right - left) * across;
      const y = top + (bottom - top) * down;
      const hit = topmost(x, y);
      if (hit && climbs(hit)) return { x, y };
      cover ??= hit;
    }
  }
  return cover ? { covered: describe(cover) } : { outside: true };
}
