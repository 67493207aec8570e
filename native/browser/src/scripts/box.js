/** Called on a node: brought into view, and where it lies in the page. */
function box() {
  const element = this.nodeType === 1 ? this : this.parentElement;
  if (!element?.isConnected) return { gone: true };
  element.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
  const box = element.getBoundingClientRect();
  return { x: box.left + scrollX, y: box.top + scrollY, width: box.width, height: box.height };
}
