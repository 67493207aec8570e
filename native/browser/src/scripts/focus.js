/** Called on a node: makes it ready to take typed text in place of what it holds. */
function focus(text) {
  const element = this.nodeType === 1 ? this : this.parentElement;
  if (!element?.isConnected) return { gone: true };
  if (element.disabled || element.readOnly) return { refused: element.disabled ? "disabled" : "read-only" };
  const typed = ["text", "search", "url", "tel", "email", "password", "number"];
  const setOnly = ["date", "time", "datetime-local", "month", "week", "color", "range"];
  element.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
  if (element.localName === "input" && setOnly.includes(element.type)) {
    element.focus();
    element.value = text;
    if (element.value === "" && text !== "") return { refused: `not a value of a field of type ${element.type}` };
    element.dispatchEvent(new Event("input", { bubbles: true }));
    element.dispatchEvent(new Event("change", { bubbles: true }));
    return { done: true };
  }
  if (element.localName === "textarea" || (element.localName === "input" && typed.includes(element.type))) {
    element.focus();
    element.select();
    return { focused: true, empty: element.value === "" };
  }
  if (element.isContentEditable) {
    element.focus();
    getSelection().selectAllChildren(element);
    return { focused: true, empty: element.textContent === "" };
  }
  const type = element.localName === "input" ? ` of type ${element.type}` : "";
  return { refused: `a ${element.localName}${type}, which takes no text` };
}
