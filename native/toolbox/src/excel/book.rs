//! Builds the workbook's bytes.

use openwrap_contracts::{ErrorCode, Fault, Outcome};
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Formula, Workbook, Worksheet, XlsxError};

use super::cell::{Cell, Moment};
use super::table::{self, Budget, Table};
use super::{Arguments, CHARTS_MAX, SHEETS_MAX, SheetInput, chart};
use crate::place::Place;

/// Date in the document's properties: the same for every workbook, so that the same input gives the same bytes.
const CREATED: (u16, u8, u8) = (2000, 1, 1);
/// Rows looked at for the width of columns.
const MEASURED_ROWS: usize = 2_000;
/// The format's number for A4.
const PAPER_A4: u8 = 9;
const WIDTH_MIN: usize = 6;
const WIDTH_MAX: usize = 60;

const DATE_FORMAT: &str = "yyyy-mm-dd";
const TIME_FORMAT: &str = "yyyy-mm-dd hh:mm:ss";

/// # Errors
/// `INVALID_ARGUMENTS` naming sheet and cell, `LIMIT_EXCEEDED`, and what reading CSV files may say.
pub fn build(arguments: &Arguments, place: &Place) -> Outcome<Vec<u8>> {
    let names = sheet_names(&arguments.sheets)?;
    let mut workbook = Workbook::new();
    let created = ExcelDateTime::from_ymd(CREATED.0, CREATED.1, CREATED.2).map_err(writer_fault)?;
    let properties = DocProperties::new()
        .set_title(&arguments.title)
        .set_author("Open Wrap")
        .set_creation_datetime(&created);
    workbook.set_properties(&properties);
    let mut budget = Budget::default();
    let mut charts_left = CHARTS_MAX;
    for sheet in &arguments.sheets {
        let table = table::read(sheet, &names, place, &mut budget)?;
        let worksheet = workbook.add_worksheet();
        worksheet.set_name(&sheet.name).map_err(writer_fault)?;
        Writing {
            worksheet,
            sheet,
            formats: formats(sheet)?,
        }
        .write(&table)?;
        chart::place(worksheet, &sheet.charts, &names, &mut charts_left)?;
    }
    workbook.save_to_buffer().map_err(writer_fault)
}

/// What the writing library refuses is a mistake in the arguments.
pub fn writer_fault(error: XlsxError) -> Fault {
    Fault::invalid(format!("excel.create: {error}"))
}

fn sheet_names(sheets: &[SheetInput]) -> Outcome<Vec<&str>> {
    if sheets.is_empty() || sheets.len() > SHEETS_MAX {
        return Err(Fault::invalid(format!(
            "excel.create: a workbook has 1 to {SHEETS_MAX} sheets"
        )));
    }
    let mut seen = std::collections::BTreeSet::new();
    for sheet in sheets {
        let name = sheet.name.as_str();
        let bad = |why: &str| {
            Err(Fault::invalid(format!(
                "excel.create: sheet name `{}` {why}",
                name.escape_debug()
            )))
        };
        if name.trim().is_empty() {
            return bad("is empty");
        }
        if name.encode_utf16().count() > 31 {
            return bad("is longer than 31 characters");
        }
        if name.contains(['*', '?', ':', '[', ']', '\\', '/']) || name.chars().any(unprintable) {
            return bad("holds one of * ? : [ ] \\ /");
        }
        if name.starts_with('\'') || name.ends_with('\'') {
            return bad("begins or ends with an apostrophe");
        }
        if name.eq_ignore_ascii_case("history") {
            return bad("is Excel's own");
        }
        if !seen.insert(name.to_lowercase()) {
            return bad("is there twice");
        }
    }
    Ok(sheets.iter().map(|sheet| sheet.name.as_str()).collect())
}

/// Has no place in an attribute of the file: a control character, or one XML does not have.
pub fn unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// Number format of each listed column.
fn formats(sheet: &SheetInput) -> Outcome<Vec<Option<Format>>> {
    let format = |text: &String| {
        let quotes = text.matches('"').count();
        if text.is_empty() || text.chars().count() > 255 || text.chars().any(unprintable) || quotes % 2 == 1 {
            return Err(Fault::invalid(format!(
                "excel.create: sheet `{}`: `{}` is no number format",
                sheet.name,
                text.escape_debug()
            )));
        }
        Ok(Format::new().set_num_format(text))
    };
    let columns = sheet.columns.iter();
    columns
        .map(|column| column.format.as_ref().map(format).transpose())
        .collect()
}

struct Writing<'a> {
    worksheet: &'a mut Worksheet,
    sheet: &'a SheetInput,
    formats: Vec<Option<Format>>,
}

impl Writing<'_> {
    fn write(mut self, table: &Table) -> Outcome<()> {
        let first = u32::from(table.headers.is_some());
        if let Some(headers) = &table.headers {
            self.headers(headers, table.rows.len())?;
        }
        let plain = Format::new();
        let date = Format::new().set_num_format(DATE_FORMAT);
        let time = Format::new().set_num_format(TIME_FORMAT);
        for (row, cells) in (first..).zip(&table.rows) {
            for (column, cell) in (0_u16..).zip(cells) {
                let own = self.formats.get(usize::from(column)).and_then(Option::as_ref);
                let format = match cell {
                    Cell::Date(Moment { time: None, .. }) => own.unwrap_or(&date),
                    Cell::Date(_) => own.unwrap_or(&time),
                    _ => own.unwrap_or(&plain),
                };
                put(self.worksheet, row, column, cell, format).map_err(writer_fault)?;
            }
        }
        self.page();
        self.widths(table)
    }

    /// On paper: every column on one page, the sheet and the page's number at the foot; charts stand beside the cells.
    fn page(&mut self) {
        self.worksheet.set_paper_size(PAPER_A4);
        self.worksheet.set_print_fit_to_pages(1, 0);
        self.worksheet.set_footer("&L&A&R&P / &N");
        if !self.sheet.charts.is_empty() {
            self.worksheet.set_landscape();
        }
    }

    /// Bold, frozen, filterable, on each printed page.
    fn headers(&mut self, headers: &[String], rows: usize) -> Outcome<()> {
        let bold = Format::new().set_bold();
        for (column, header) in (0_u16..).zip(headers) {
            self.worksheet
                .write_string_with_format(0, column, header, &bold)
                .map_err(writer_fault)?;
        }
        self.worksheet.set_freeze_panes(1, 0).map_err(writer_fault)?;
        self.worksheet.set_repeat_rows(0, 0).map_err(writer_fault)?;
        let last_row = u32::try_from(rows).map_err(|_| Fault::new(ErrorCode::LimitExceeded, "too many rows"))?;
        if let Some(last) = headers.len().checked_sub(1)
            && rows > 0
        {
            let last = u16::try_from(last).map_err(|_| Fault::new(ErrorCode::LimitExceeded, "too many columns"))?;
            self.worksheet.autofilter(0, 0, last_row, last).map_err(writer_fault)?;
        }
        Ok(())
    }

    fn widths(&mut self, table: &Table) -> Outcome<()> {
        let mut widths: Vec<usize> = Vec::new();
        let mut note = |column: usize, width: usize| {
            if widths.len() <= column {
                widths.resize(column + 1, WIDTH_MIN);
            }
            widths[column] = widths[column].max(width.min(WIDTH_MAX));
        };
        for (column, header) in table.headers.iter().flatten().enumerate() {
            // Room for the filter's button.
            note(column, shown_width(header) + 3);
        }
        for row in table.rows.iter().take(MEASURED_ROWS) {
            for (column, cell) in row.iter().enumerate() {
                note(column, cell_width(cell) + 1);
            }
        }
        for (place, width) in widths.iter().enumerate() {
            let column = u16::try_from(place).map_err(|_| Fault::new(ErrorCode::LimitExceeded, "too many columns"))?;
            let asked = self.sheet.columns.get(place).and_then(|column| column.width);
            let width = asked.unwrap_or(f64::from(u32::try_from(*width).unwrap_or(u32::MAX)));
            if !(1.0..=255.0).contains(&width) {
                return Err(Fault::invalid("excel.create: a column is 1 to 255 characters wide"));
            }
            self.worksheet.set_column_width(column, width).map_err(writer_fault)?;
        }
        Ok(())
    }
}

fn put(worksheet: &mut Worksheet, row: u32, column: u16, cell: &Cell, format: &Format) -> Result<(), XlsxError> {
    match cell {
        Cell::Empty => {}
        Cell::Text(text) => {
            worksheet.write_string_with_format(row, column, text, format)?;
        }
        Cell::Number(number) => {
            worksheet.write_number_with_format(row, column, *number, format)?;
        }
        Cell::Boolean(value) => {
            worksheet.write_boolean_with_format(row, column, *value, format)?;
        }
        Cell::Date(moment) => {
            let date = ExcelDateTime::from_ymd(moment.year, moment.month, moment.day)?;
            let date = match moment.time {
                Some((hour, minute, second)) => date.and_hms(hour, minute, second)?,
                None => date,
            };
            worksheet.write_datetime_with_format(row, column, &date, format)?;
        }
        Cell::Formula(formula, result) => {
            let formula = Formula::new(formula).set_result(result);
            worksheet.write_formula_with_format(row, column, formula, format)?;
        }
    }
    Ok(())
}

fn cell_width(cell: &Cell) -> usize {
    match cell {
        Cell::Empty => 0,
        Cell::Text(text) => shown_width(text),
        Cell::Number(number) => number.to_string().len().min(12),
        Cell::Boolean(_) => 5,
        Cell::Date(Moment { time: None, .. }) => DATE_FORMAT.len(),
        Cell::Date(_) => TIME_FORMAT.len(),
        Cell::Formula(_, result) => shown_width(result).min(12),
    }
}

/// Width of the longest line; characters of East Asian scripts and pictures take two places.
fn shown_width(text: &str) -> usize {
    let wide = |c: char| matches!(u32::from(c), 0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0xFE30..=0xFE6F | 0xFF00..=0xFF60 | 0xFFE0..=0xFFE6 | 0x1F300..=0x1FAFF | 0x20000..=0x3FFFD);
    let line = |line: &str| line.chars().map(|c| if wide(c) { 2 } else { 1 }).sum::<usize>();
    text.lines().map(line).max().unwrap_or(0)
}
