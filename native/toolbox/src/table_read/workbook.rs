//! Sheets of Excel workbooks.

use std::io::Cursor;

use calamine::{Data, DataRef, Reader, Xlsx};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde_json::{Number, Value, json};

use super::{COLUMNS_MAX, Page};
use crate::package::{Unread, unpacked_bytes};

/// Bytes of all parts of a workbook, unpacked.
const UNPACKED_BYTES_MAX: u64 = 192 * 1024 * 1024;
/// Cells of a sheet, and empty rows between them.
const CELLS_MAX: usize = 4_000_000;
const ROWS_MAX: usize = 1_048_576;

pub(super) fn read(path: &str, bytes: Vec<u8>, sheet: Option<&str>, page: &mut Page) -> Outcome<Value> {
    let broken = |why: String| Fault::invalid(format!("table.read: `{path}` cannot be read as a workbook: {why}"));
    unpacked_bytes(&bytes, UNPACKED_BYTES_MAX).map_err(|why| match why {
        Unread::Broken(why) => broken(why),
        Unread::TooLarge => {
            let message = format!("table.read: `{path}` is more than {UNPACKED_BYTES_MAX} bytes unpacked");
            Fault::new(ErrorCode::LimitExceeded, message)
        }
    })?;
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(|error| broken(error.to_string()))?;
    let sheets = book.sheet_names();
    let wanted = match sheet {
        Some(named) => sheets.iter().find(|known| *known == named),
        None => sheets.first(),
    };
    let wanted = wanted.cloned().ok_or_else(|| {
        let names = sheets.join(", ");
        Fault::not_found(format!(
            "table.read: `{path}` has no such sheet; it has {}",
            names.escape_debug()
        ))
    })?;
    let mut cells = book
        .worksheet_cells_reader(&wanted)
        .map_err(|error| broken(error.to_string()))?;
    let mut rows = Rows::default();
    for count in 0_usize.. {
        let Some(cell) = cells.next_cell().map_err(|error| broken(error.to_string()))? else {
            break;
        };
        if count > CELLS_MAX {
            let message = format!("table.read: `{path}` has more than {CELLS_MAX} cells");
            return Err(Fault::new(ErrorCode::LimitExceeded, message));
        }
        let (row, column) = cell.get_position();
        let value = value_of(cell.get_value());
        if !value.is_null() {
            rows.put(row as usize, column as usize, value, page)?;
        }
    }
    rows.end(page)?;
    Ok(json!({ "format": "xlsx", "sheets": sheets, "sheet": wanted }))
}

/// Cells come row by row; rows between them are empty.
#[derive(Default)]
struct Rows {
    at: usize,
    cells: Vec<Value>,
}

impl Rows {
    fn put(&mut self, row: usize, column: usize, value: Value, page: &mut Page) -> Outcome<()> {
        if column >= COLUMNS_MAX || row >= ROWS_MAX {
            let message = format!("table.read: a cell stands in row {row}, column {column}, which is too far out");
            return Err(Fault::new(ErrorCode::LimitExceeded, message));
        }
        if row < self.at {
            return Err(Fault::invalid("table.read: the rows of the sheet are out of order"));
        }
        while self.at < row {
            page.row(std::mem::take(&mut self.cells))?;
            self.at += 1;
        }
        if self.cells.len() <= column {
            self.cells.resize(column + 1, Value::Null);
        }
        if let Some(cell) = self.cells.get_mut(column) {
            *cell = value;
        }
        Ok(())
    }

    fn end(self, page: &mut Page) -> Outcome<()> {
        if self.cells.is_empty() {
            Ok(())
        } else {
            page.row(self.cells)
        }
    }
}

fn value_of(value: &DataRef<'_>) -> Value {
    match value {
        DataRef::Empty => Value::Null,
        DataRef::Int(number) => Value::from(*number),
        DataRef::Float(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        DataRef::Bool(value) => Value::Bool(*value),
        DataRef::DateTime(moment) => match moment.to_ymd_hms_milli() {
            (year, month, day, 0, 0, 0, 0) => Value::from(format!("{year:04}-{month:02}-{day:02}")),
            (year, month, day, hour, minute, second, _) => Value::from(format!(
                "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"
            )),
        },
        value => match Data::from(value.clone()).to_string() {
            text if text.is_empty() => Value::Null,
            text => Value::String(text),
        },
    }
}
