//! A sheet's content: a CSV file, rows, or both, as typed cells.

use openwrap_contracts::limits::FILE_READ_BYTES_MAX;
use openwrap_contracts::{ErrorCode, Fault, Outcome};

use super::cell::{self, Cell};
use super::{ColumnKind, SheetInput};
use crate::place::{Place, normal_file};

/// Columns of a sheet (Excel's limit).
pub const COLUMNS_MAX: usize = 16_384;
/// Rows of a sheet below its header (Excel's limit).
const ROWS_MAX: usize = 1_048_575;
/// Cells of a workbook.
const CELLS_MAX: usize = 2_000_000;

/// What a workbook may still take in, over all its sheets.
pub struct Budget {
    cells: usize,
    /// Bytes of CSV files; one file may fill many sheets.
    file_bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            cells: CELLS_MAX,
            file_bytes: FILE_READ_BYTES_MAX,
        }
    }
}

impl Budget {
    fn cell(&mut self) -> Outcome<()> {
        let left = self.cells.checked_sub(1);
        self.cells = left.ok_or_else(|| over(format!("a workbook gets at most {CELLS_MAX} cells")))?;
        Ok(())
    }

    fn file(&mut self, bytes: usize) -> Outcome<()> {
        let left = self.file_bytes.checked_sub(bytes);
        self.file_bytes = left.ok_or_else(|| {
            over(format!(
                "a workbook takes in at most {FILE_READ_BYTES_MAX} bytes of files, each sheet's counted"
            ))
        })?;
        Ok(())
    }
}

fn over(what: String) -> Fault {
    Fault::new(ErrorCode::LimitExceeded, format!("excel.create: {what}"))
}

/// Headers (none: the sheet has no header row) and cells.
pub struct Table {
    pub headers: Option<Vec<String>>,
    pub rows: Vec<Vec<Cell>>,
}

/// Reads a sheet's content. `sheets` are the names formulas may refer to.
///
/// # Errors
/// `INVALID_ARGUMENTS` naming sheet and cell, `LIMIT_EXCEEDED`, and what reading the file may say.
pub fn read(sheet: &SheetInput, sheets: &[&str], place: &Place, budget: &mut Budget) -> Outcome<Table> {
    let mut table = Table {
        headers: None,
        rows: Vec::new(),
    };
    if let Some(csv) = &sheet.csv {
        let path = normal_file(csv)?;
        let bytes = place.read(&path)?;
        budget.file(bytes.len())?;
        let records = records(&path, &bytes, budget)?;
        let mut records = records.into_iter();
        table.headers = Some(records.next().unwrap_or_default());
        let kinds: Vec<_> = sheet.columns.iter().map(|column| column.kind).collect();
        table.rows = typed(records.collect(), &kinds, &path)?;
    }
    if !sheet.columns.is_empty() {
        let given = sheet.columns.iter().map(|column| column.header.clone());
        let rest = table
            .headers
            .take()
            .unwrap_or_default()
            .into_iter()
            .skip(sheet.columns.len());
        table.headers = Some(given.chain(rest).collect());
    }
    for row in &sheet.rows {
        let mut cells = Vec::with_capacity(row.len());
        for (column, value) in row.iter().enumerate() {
            budget.cell()?;
            let at = format!(
                "sheet `{}`, row {} column {}",
                sheet.name,
                table.rows.len() + 1,
                column + 1
            );
            let mut typed = cell::from_json(value, sheets, &at)?;
            // A column written as dates gets dates.
            let format = sheet.columns.get(column).and_then(|column| column.format.as_deref());
            if let (Cell::Text(text), Some(format)) = (&typed, format)
                && format.contains('y')
                && let Some(moment) = cell::date(text)
            {
                typed = Cell::Date(moment);
            }
            cells.push(typed);
        }
        table.rows.push(cells);
    }
    check_size(&table, &sheet.name)?;
    Ok(table)
}

fn check_size(table: &Table, sheet: &str) -> Outcome<()> {
    let columns = table.rows.iter().map(Vec::len).max().unwrap_or(0);
    let columns = columns.max(table.headers.as_ref().map_or(0, Vec::len));
    if columns <= COLUMNS_MAX && table.rows.len() <= ROWS_MAX {
        return Ok(());
    }
    Err(Fault::new(
        ErrorCode::LimitExceeded,
        format!(
            "excel.create: sheet `{sheet}` would have {} rows and {columns} columns; {ROWS_MAX} and {COLUMNS_MAX} are the most",
            table.rows.len()
        ),
    ))
}

/// The file's records as texts.
fn records(path: &str, bytes: &[u8], budget: &mut Budget) -> Outcome<Vec<Vec<String>>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Fault::invalid(format!(
            "excel.create: `{path}` is not UTF-8 (byte {}); convert it first",
            error.valid_up_to()
        ))
    })?;
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter(path, text))
        .from_reader(text.as_bytes());
    let mut records = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| Fault::invalid(format!("excel.create: `{path}`: {error}")))?;
        for _ in 0..record.len() {
            budget.cell()?;
        }
        records.push(record.iter().map(str::to_owned).collect());
    }
    Ok(records)
}

/// Tabs in a `.tsv`; else commas, unless the first line has none but semicolons or tabs.
fn delimiter(path: &str, text: &str) -> u8 {
    let first = text.lines().next().unwrap_or_default();
    if path.to_ascii_lowercase().ends_with(".tsv") {
        return b'\t';
    }
    match (first.contains(','), first.contains(';'), first.contains('\t')) {
        (false, true, _) => b';',
        (false, false, true) => b'\t',
        _ => b',',
    }
}

/// Types cells: as the column says, else by what they look like; then a column with codes (`00420`) is text throughout.
fn typed(records: Vec<Vec<String>>, kinds: &[Option<ColumnKind>], path: &str) -> Outcome<Vec<Vec<Cell>>> {
    let width = records.iter().map(Vec::len).max().unwrap_or(0);
    let mut codes = vec![false; width];
    for record in &records {
        for (column, text) in record.iter().enumerate() {
            codes[column] |= cell::is_code(text);
        }
    }
    let mut rows = Vec::with_capacity(records.len());
    for (number, record) in records.into_iter().enumerate() {
        let mut row = Vec::with_capacity(record.len());
        for (column, text) in record.into_iter().enumerate() {
            let at = || format!("`{path}` record {} column {}", number + 2, column + 1);
            let told = match kinds.get(column).copied().flatten() {
                None if codes[column] => Some(ColumnKind::Text),
                kind => kind,
            };
            row.push(one(&text, told, at)?);
        }
        rows.push(row);
    }
    Ok(rows)
}

fn one(text: &str, kind: Option<ColumnKind>, at: impl Fn() -> String) -> Outcome<Cell> {
    let cell = match kind {
        Some(ColumnKind::Text) => None,
        Some(ColumnKind::Number) => text
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite())
            .map(Cell::Number),
        Some(ColumnKind::Date) => cell::date(text).map(Cell::Date),
        None => cell::number(text)
            .map(Cell::Number)
            .or_else(|| cell::date(text).map(Cell::Date)),
    };
    match cell {
        Some(cell) => Ok(cell),
        None => cell::from_text(text, &at()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read_text(text: &str) -> Vec<Vec<Cell>> {
        let mut budget = Budget::default();
        let records = records("t.csv", text.as_bytes(), &mut budget).unwrap();
        typed(records.into_iter().skip(1).collect(), &[], "t.csv").unwrap()
    }

    #[test]
    fn a_column_is_what_it_is_said_to_be() {
        let mut budget = Budget::default();
        let records = records("t.csv", b"1e-7,007,2024-05-01\n00012,1.5,1\nn/a,1,soon\n", &mut budget).unwrap();
        let kinds = [ColumnKind::Number, ColumnKind::Text, ColumnKind::Date].map(Some);
        let rows = typed(records, &kinds, "t.csv").unwrap();
        assert_eq!(rows[0][0], Cell::Number(1e-7));
        assert_eq!(rows[1][0], Cell::Number(12.0));
        assert_eq!(rows[2][0], Cell::Text("n/a".to_owned()));
        assert_eq!(rows[1][1], Cell::Text("1.5".to_owned()));
        assert!(matches!(rows[0][2], Cell::Date(_)));
        assert_eq!(rows[1][2], Cell::Text("1".to_owned()));
    }

    #[test]
    fn columns_with_codes_stay_text() {
        let rows = read_text("plz,n,when\n01067,1,2024-05-01\n10115,,x\n");
        assert_eq!(rows[0][0], Cell::Text("01067".to_owned()));
        assert_eq!(rows[1][0], Cell::Text("10115".to_owned()));
        assert_eq!(rows[0][1], Cell::Number(1.0));
        assert_eq!(rows[1][1], Cell::Empty);
        assert!(matches!(rows[0][2], Cell::Date(_)));
        assert_eq!(rows[1][2], Cell::Text("x".to_owned()));
    }

    #[test]
    fn texts_that_look_like_formulas_stay_texts() {
        for text in ["=1+1", "+1", "-A1", "@SUM(A1)", "=cmd|' /C calc'!A0"] {
            let rows = read_text(&format!("a\n\"{text}\"\n"));
            assert_eq!(rows[0][0], Cell::Text(text.to_owned()));
        }
    }

    #[test]
    fn the_budget_holds() {
        let mut budget = Budget {
            cells: 3,
            file_bytes: 5,
        };
        let fault = records("t.csv", b"a,b\n1,2\n", &mut budget).unwrap_err();
        assert_eq!(fault.code, ErrorCode::LimitExceeded);
        assert!(budget.file(3).is_ok());
        assert_eq!(budget.file(3).unwrap_err().code, ErrorCode::LimitExceeded);
    }
}
