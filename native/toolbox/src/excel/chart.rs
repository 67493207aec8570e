//! Native charts over ranges of the workbook.

use openwrap_contracts::{Fault, Outcome};
use rust_xlsxwriter::{Chart, ChartType, Worksheet};

use super::book::{unprintable, writer_fault};
use super::{CHARTS_MAX, ChartInput, ChartKind, SERIES_MAX};

const ROWS_OF_SHEET: u32 = 1_048_576;
const COLUMNS_OF_SHEET: u32 = 16_384;
const WIDTH_PIXELS: u32 = 640;
const HEIGHT_PIXELS: u32 = 360;

/// A range of one sheet, zero-based, both ends in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    sheet: String,
    from: (u32, u16),
    to: (u32, u16),
}

/// Puts the charts of a sheet into it.
pub fn place(worksheet: &mut Worksheet, charts: &[ChartInput], sheets: &[&str], left: &mut usize) -> Outcome<()> {
    for input in charts {
        *left = left
            .checked_sub(1)
            .ok_or_else(|| Fault::invalid(format!("excel.create: at most {CHARTS_MAX} charts")))?;
        let (row, column) = cell(&input.anchor)
            .ok_or_else(|| Fault::invalid(format!("excel.create: `{}` is no cell", input.anchor.escape_debug())))?;
        let chart = chart(input, sheets)?;
        worksheet.insert_chart(row, column, &chart).map_err(writer_fault)?;
    }
    Ok(())
}

fn chart(input: &ChartInput, sheets: &[&str]) -> Outcome<Chart> {
    let (kind, word) = match input.kind {
        ChartKind::Column => (ChartType::Column, "Column"),
        ChartKind::Line => (ChartType::Line, "Line"),
        ChartKind::Bar => (ChartType::Bar, "Bar"),
    };
    if input.series.is_empty() || input.series.len() > SERIES_MAX {
        return Err(Fault::invalid(format!(
            "excel.create: chart `{}` has {} series, 1 to {SERIES_MAX} are drawn",
            input.title.escape_debug(),
            input.series.len()
        )));
    }
    let mut chart = Chart::new(kind);
    chart.title().set_name(plain(&input.title)?);
    let categories = range(&input.categories, sheets)?;
    for series in &input.series {
        let values = range(&series.values, sheets)?;
        let one = chart.add_series();
        one.set_name(plain(&series.name)?);
        one.set_categories((
            categories.sheet.as_str(),
            categories.from.0,
            categories.from.1,
            categories.to.0,
            categories.to.1,
        ));
        one.set_values((
            values.sheet.as_str(),
            values.from.0,
            values.from.1,
            values.to.0,
            values.to.1,
        ));
    }
    // A bar chart lies on its side: its categories go up the left.
    if let Some(title) = &input.x_title {
        chart.x_axis().set_name(plain(title)?);
    }
    if let Some(title) = &input.y_title {
        chart.y_axis().set_name(plain(title)?);
    }
    if input.series.len() == 1 {
        chart.legend().set_hidden();
    }
    if input.alt_text.iter().any(|text| text.chars().any(unprintable)) {
        return Err(Fault::invalid(
            "excel.create: `altText` is one line without control characters",
        ));
    }
    let alt = input
        .alt_text
        .clone()
        .unwrap_or_else(|| format!("{word} chart: {}", input.title));
    chart.set_alt_text(alt);
    chart.set_width(WIDTH_PIXELS).set_height(HEIGHT_PIXELS);
    Ok(chart)
}

/// A title; one that begins with `=` would be read as a reference.
fn plain(text: &str) -> Outcome<&str> {
    if text.starts_with('=') || text.chars().any(unprintable) || text.chars().count() > 255 {
        return Err(Fault::invalid(format!(
            "excel.create: `{}` is no title: plain text of up to 255 characters, not beginning with `=`",
            text.escape_debug()
        )));
    }
    Ok(text)
}

/// Reads `Sheet!$A$2:$A$13` or `'My sheet'!A2:A13`.
fn range(text: &str, sheets: &[&str]) -> Outcome<Range> {
    let bad = |why: &str| Fault::invalid(format!("excel.create: range `{}`: {why}", text.escape_debug()));
    let reference = text.strip_prefix('=').unwrap_or(text);
    let (sheet, cells) = reference
        .rsplit_once('!')
        .ok_or_else(|| bad("write `Sheet!$A$2:$A$13`"))?;
    let quoted = sheet.strip_prefix('\'').and_then(|sheet| sheet.strip_suffix('\''));
    let sheet = quoted.map_or_else(|| sheet.to_owned(), |sheet| sheet.replace("''", "'"));
    if !sheets.contains(&sheet.as_str()) {
        return Err(bad("there is no such sheet"));
    }
    let (from, to) = cells.split_once(':').unwrap_or((cells, cells));
    let from = cell(from).ok_or_else(|| bad("its first cell cannot be read"))?;
    let to = cell(to).ok_or_else(|| bad("its last cell cannot be read"))?;
    if from.0 > to.0 || from.1 > to.1 {
        return Err(bad("its ends are the wrong way round"));
    }
    if from.0 != to.0 && from.1 != to.1 {
        return Err(bad("it has to lie in one row or one column"));
    }
    Ok(Range { sheet, from, to })
}

/// Row and column of `H2` or `$H$2`, zero-based.
fn cell(text: &str) -> Option<(u32, u16)> {
    let text = text.strip_prefix('$').unwrap_or(text);
    let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (column, row) = text.split_at(letters);
    let row = row.strip_prefix('$').unwrap_or(row);
    if !(1..=3).contains(&letters) || row.len() > 7 || !row.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = |sum: u32, letter: u8| sum * 26 + u32::from(letter.to_ascii_uppercase() - b'A') + 1;
    let column = column.bytes().fold(0, number);
    let row: u32 = row.parse().ok()?;
    if row == 0 || row > ROWS_OF_SHEET || column > COLUMNS_OF_SHEET {
        return None;
    }
    Some((row - 1, u16::try_from(column - 1).ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn cells_and_ranges_are_read_strictly() {
        assert_eq!(cell("A1"), Some((0, 0)));
        assert_eq!(cell("$XFD$1048576"), Some((1_048_575, 16_383)));
        for text in ["", "A", "1", "A0", "XFE1", "A1048577", "AAAA1", "A1x", "A$"] {
            assert_eq!(cell(text), None, "{text}");
        }
        let sheets = ["My data", "O'Hara", "S"];
        assert_eq!(range("='My data'!$A$2:$A$3", &sheets).unwrap().to, (2, 0));
        assert!(range("'O''Hara'!A1:A2", &sheets).is_ok());
        for text in ["S!A1:B2", "T!A1:A2", "S!A2:A1", "A1:A2", "S!A:A"] {
            assert!(range(text, &sheets).is_err(), "{text}");
        }
    }
}
