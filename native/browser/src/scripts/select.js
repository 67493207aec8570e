/** Called on a `select`: chooses exactly the options with these values or labels. */
function select(wanted) {
  const element = this.nodeType === 1 ? this.closest("select") : this.parentElement?.closest("select");
  if (!element) return { refused: "no list of options; click it instead" };
  if (element.disabled) return { refused: "disabled" };
  const options = [...element.options];
  const chosen = [];
  for (const value of wanted) {
    const option =
      options.find((one) => one.value === value) ?? options.find((one) => one.label.trim() === value.trim());
    if (!option || option.disabled) {
      const known = options
        .filter((one) => !one.disabled)
        .slice(0, 50)
        .map((one) => one.label.trim().slice(0, 80));
      return { refused: `without an option ${JSON.stringify(value)}`, options: known };
    }
    chosen.push(option);
  }
  if (!element.multiple && chosen.length !== 1) return { refused: "a list of which exactly one is chosen" };
  for (const option of options) option.selected = chosen.includes(option);
  element.dispatchEvent(new Event("input", { bubbles: true }));
  element.dispatchEvent(new Event("change", { bubbles: true }));
  return { selected: chosen.map((one) => one.label.trim()) };
}
