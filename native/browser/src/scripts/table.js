/** Called on a node in a table, or on the window with the table's number: its cells as text, spans repeated in every place they cover. */
function table(index, from, rowsMax, columnsMax, cellMax) {
  const kinds = "table, [role=table], [role=grid], [role=treegrid]";
  let table;
  let count = 0;
  if (index === null) {
    const element = this.nodeType === 1 ? this : this.parentElement;
    table = element?.closest(kinds) ?? element?.querySelector(kinds);
  } else {
    const all = document.querySelectorAll(kinds);
    count = all.length;
    table = all[index];
  }
  if (!table) return { missing: true, count };
  const own = (selector) => [...table.querySelectorAll(selector)].filter((node) => node.closest(kinds) === table);
  const native = table.localName === "table";
  const text = (node) => (node.innerText ?? node.textContent ?? "").trim().replace(/\s+/gu, " ").slice(0, cellMax);
  const rows = native ? own("tr") : own("[role=row]");
  const cellsOf = (row) =>
    native
      ? [...row.cells]
      : [...row.querySelectorAll("[role=cell], [role=gridcell], [role=columnheader], [role=rowheader]")];
  const isHeader = (row) =>
    row.parentElement?.localName === "thead" ||
    (cellsOf(row).length > 0 &&
      cellsOf(row).every((cell) => cell.localName === "th" || cell.getAttribute("role") === "columnheader"));
  const open = new Map();
  const grid = [];
  const headers = [];
  for (const row of rows) {
    const line = [];
    const place = () => {
      while (line.length < columnsMax && open.get(line.length)?.rows > 0) {
        const above = open.get(line.length);
        above.rows -= 1;
        line.push(above.text);
      }
    };
    for (const cell of cellsOf(row)) {
      place();
      const value = text(cell);
      const across = Math.min(Math.max(cell.colSpan ?? 1, 1), columnsMax);
      const down = Math.max(cell.rowSpan ?? 1, 1);
      for (let i = 0; i < across && line.length < columnsMax; i += 1) {
        if (down > 1) open.set(line.length, { rows: down - 1, text: value });
        line.push(value);
      }
    }
    place();
    headers.push(isHeader(row));
    grid.push(line);
    if (grid.length > from + rowsMax + 100) break;
  }
  let head = 0;
  while (head < grid.length && headers[head]) head += 1;
  const columns = head > 0 ? grid[head - 1] : [];
  const body = grid.slice(head);
  return {
    caption: text(table.caption ?? { textContent: table.getAttribute("aria-label") ?? "" }),
    columns,
    rows: body.slice(from, from + rowsMax),
    total: Math.max(rows.length - head, 0),
  };
}
