/** Called on a frame's element: a point of the frame in the coordinates of the page around it, or what covers it there. */
function framePoint(x, y) {
  const box = this.getBoundingClientRect();
  const style = getComputedStyle(this);
  const outer = {
    x: box.left + this.clientLeft + Number.parseFloat(style.paddingLeft) + x,
    y: box.top + this.clientTop + Number.parseFloat(style.paddingTop) + y,
  };
  const hit = document.elementFromPoint(outer.x, outer.y);
  if (!hit) return { outside: true };
  if (hit === this || hit.contains(this) || this.getRootNode() !== document) return outer;
  return {
    covered: `<${hit.localName}${hit.id ? ` id="${hit.id}"` : ""}> ${(hit.innerText ?? "").trim().slice(0, 80)}`,
  };
}
