/** Called on the window: what the fields of a page hold; never what is in a secret one. */
function fields() {
  const label = (field) =>
    (
      field.labels?.[0]?.innerText ||
      field.getAttribute("aria-label") ||
      field.placeholder ||
      field.name ||
      field.id ||
      field.localName
    )
      .trim()
      .replace(/\s+/gu, " ")
      .slice(0, 80);
  const isSecret = (field) =>
    field.type === "password" || /password|one-time-code|^cc-/u.test(field.autocomplete ?? "");
  const value = (field) => {
    if (isSecret(field)) return field.value === "" ? "" : "(not shown)";
    if (field.type === "checkbox" || field.type === "radio") return field.checked ? "checked" : "not checked";
    if (field.localName === "select")
      return [...field.selectedOptions]
        .map((one) => one.label.trim())
        .join(", ")
        .slice(0, 200);
    return String(field.value).slice(0, 200);
  };
  const fields = [
    ...document.querySelectorAll("input:not([type=hidden]):not([type=submit]):not([type=button]), select, textarea"),
  ];
  return fields.slice(0, 200).map((field) => ({ label: label(field), value: value(field), secret: isSecret(field) }));
}
