// Which columns of a table hold figures.

const NUMBER = /^[\s\u2212+-]?[\d.,\s]*\d%?$/;

/** Columns in which nearly every filled cell is a number stand to the end side. */
export function numericColumns(columns: readonly string[], rows: readonly (readonly string[])[]): boolean[] {
  return columns.map((_, place) => {
    const filled = rows.map((row) => row[place] ?? "").filter((cell) => cell.trim() !== "");
    const numbers = filled.filter((cell) => NUMBER.test(cell)).length;
    return filled.length > 0 && numbers >= filled.length * 0.9;
  });
}
