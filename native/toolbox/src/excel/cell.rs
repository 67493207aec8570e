//! Cells: what a text means as number or date, and which formulas are taken.

use openwrap_contracts::{Fault, Outcome};
use serde_json::Value;

/// UTF-16 units of one text cell (Excel's limit).
const TEXT_UNITS_MAX: usize = 32_767;
/// Characters of one formula (Excel's limit).
const FORMULA_CHARS_MAX: usize = 8_192;
/// Digits Excel keeps of a number; longer whole numbers are names of something.
const DIGITS_MAX: usize = 15;

/// One cell, typed.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Empty,
    Text(String),
    Number(f64),
    Boolean(bool),
    Date(Moment),
    /// Formula without `=`, and its value as the file keeps it.
    Formula(String, String),
}

/// A calendar date, with a time when the text had one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    pub year: u16,
    pub month: u8,
    pub day: u8,
    pub time: Option<(u16, u8, u8)>,
}

/// Reads a cell of `rows`. `sheets` are the names a formula may refer to.
///
/// # Errors
/// `INVALID_ARGUMENTS` naming the cell.
pub fn from_json(value: &Value, sheets: &[&str], at: &str) -> Outcome<Cell> {
    let bad = |why: String| Fault::invalid(format!("excel.create: {at}: {why}"));
    match value {
        Value::Null => Ok(Cell::Empty),
        Value::Bool(value) => Ok(Cell::Boolean(*value)),
        Value::Number(number) => match number.as_f64().filter(|number| number.is_finite()) {
            Some(number) => Ok(Cell::Number(number)),
            None => Err(bad(format!("{number} is no number Excel can hold"))),
        },
        Value::String(text) => from_text(text, at),
        Value::Array(_) => Err(bad("a cell is no list".to_owned())),
        Value::Object(fields) => {
            if let Some(other) = fields.keys().find(|key| *key != "formula" && *key != "value") {
                return Err(bad(format!("unknown field `{}`", other.escape_debug())));
            }
            let Some(formula) = fields.get("formula").and_then(Value::as_str) else {
                return Err(bad("a cell that is an object has a text `formula`".to_owned()));
            };
            let formula = check_formula(formula, sheets).map_err(bad)?;
            let result = cached(fields.get("value").unwrap_or(&Value::Null)).map_err(bad)?;
            Ok(Cell::Formula(formula, result))
        }
    }
}

/// A text cell; the empty text is an empty cell.
pub fn from_text(text: &str, at: &str) -> Outcome<Cell> {
    if text.is_empty() {
        return Ok(Cell::Empty);
    }
    let units = text.encode_utf16().count();
    if units > TEXT_UNITS_MAX {
        return Err(Fault::invalid(format!(
            "excel.create: {at}: the text has {units} characters, a cell holds {TEXT_UNITS_MAX}"
        )));
    }
    Ok(Cell::Text(text.to_owned()))
}

/// A formula's value as the file keeps it.
fn cached(value: &Value) -> Result<String, String> {
    match value {
        Value::Null => Ok(String::new()),
        Value::Bool(value) => Ok(if *value { "TRUE" } else { "FALSE" }.to_owned()),
        Value::Number(number) => Ok(number.to_string()),
        Value::String(text) if text.encode_utf16().count() > TEXT_UNITS_MAX => Err("the value is too long".to_owned()),
        // The file tells texts from numbers by their form; these forms would be neither.
        Value::String(text) if text.parse::<f64>().is_ok_and(|number| !number.is_finite()) => Err(format!(
            "`{text}` is no value of a formula; use an error such as `#NUM!`"
        )),
        Value::String(text) => Ok(text.clone()),
        Value::Array(_) | Value::Object(_) => Err("the value of a formula is a text, a number or a boolean".to_owned()),
    }
}

/// Takes a formula over this workbook; refuses what reaches for other files, programs or addresses.
fn check_formula(text: &str, sheets: &[&str]) -> Result<String, String> {
    let formula = text.strip_prefix('=').unwrap_or(text).trim();
    if formula.is_empty() || formula.chars().count() > FORMULA_CHARS_MAX {
        return Err(format!("a formula has 1 to {FORMULA_CHARS_MAX} characters"));
    }
    if formula.chars().any(|c| c.is_control() && c != '\n') {
        return Err("a formula holds no control characters".to_owned());
    }
    let code = outside_quotes(formula)?;
    if code.contains(['|', '[', ']']) {
        return Err("a formula may not reach for other workbooks or programs (`|`, `[`)".to_owned());
    }
    for name in sheets_named(formula) {
        if !sheets.iter().any(|sheet| sheet.to_lowercase() == name.to_lowercase()) {
            return Err(format!("this workbook has no sheet `{}`", name.escape_debug()));
        }
    }
    let mut word = String::new();
    for c in code.chars() {
        if c.is_alphanumeric() || matches!(c, '.' | '_') {
            word.extend(c.to_uppercase());
            continue;
        }
        // Excel takes spaces between a function and its bracket.
        if c == '(' && REFUSED_FUNCTIONS.contains(&word.trim_start_matches("_XLFN.").trim_start_matches("_XLWS.")) {
            return Err(format!("the function {word} reaches out of the workbook"));
        }
        if !c.is_whitespace() {
            word.clear();
        }
    }
    Ok(formula.to_owned())
}

const REFUSED_FUNCTIONS: &[&str] = &[
    "WEBSERVICE",
    "FILTERXML",
    "HYPERLINK",
    "IMAGE",
    "RTD",
    "CALL",
    "REGISTER",
    "REGISTER.ID",
    "EXEC",
    "DDE",
    "STOCKHISTORY",
    "CUBEVALUE",
    "CUBESET",
    "CUBEMEMBER",
    "SQL.REQUEST",
    "IMPORTDATA",
    "IMPORTXML",
    "INFO",
    "CELL",
];

/// The formula without its texts and quoted sheet names; a quote that does not end is refused.
fn outside_quotes(formula: &str) -> Result<String, String> {
    let mut code = String::with_capacity(formula.len());
    let mut open: Option<char> = None;
    for c in formula.chars() {
        match open {
            Some(quote) if c == quote => open = None,
            // A quoted sheet name with a bracket names another workbook.
            Some('\'') if matches!(c, '[' | ']' | '|') => code.push(c),
            Some(_) => {}
            None if matches!(c, '"' | '\'') => {
                open = Some(c);
                code.push(' ');
            }
            None => code.push(c),
        }
    }
    match open {
        Some(quote) => Err(format!("a quote ({quote}) in the formula does not end")),
        None => Ok(code),
    }
}

/// Sheets a formula refers to, as `Data!A1` and `'My data'!A1` have them; of `First:Last!A1` the last one.
fn sheets_named(formula: &str) -> Vec<String> {
    let mut named = Vec::new();
    let mut word = String::new();
    let mut rest = formula.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' => while rest.next().is_some_and(|c| c != '"') {},
            '\'' => {
                word.clear();
                while let Some(c) = rest.next() {
                    if c == '\'' && rest.next_if_eq(&'\'').is_none() {
                        break;
                    }
                    word.push(c);
                }
            }
            // `#REF!` is an error value, no sheet.
            '!' if !word.is_empty() && !word.starts_with('#') => named.push(std::mem::take(&mut word)),
            c if c.is_alphanumeric() || matches!(c, '.' | '_' | '#') => word.push(c),
            _ => word.clear(),
        }
    }
    named
}

/// A number as programs print it: no sign `+`, no leading zeros, no spaces, no separators, at most 15 digits when whole.
pub fn number(text: &str) -> Option<f64> {
    let body = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match body.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (body, None),
    };
    let (whole, part) = match mantissa.split_once('.') {
        Some((whole, part)) => (whole, Some(part)),
        None => (mantissa, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits(whole) && (whole == "0" || !whole.starts_with('0')) && part.is_none_or(digits);
    let signed = |text: &str| text.strip_prefix(['+', '-']).is_some_and(digits);
    // `12E4` may be the name of an article; `1e+21`, `1.5e3` are what programs print.
    let exponent = exponent.is_none_or(|text| signed(text) || (part.is_some() && digits(text)));
    if !plain || !exponent || is_long(whole) || text.len() > 40 {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

fn is_long(whole: &str) -> bool {
    whole.len() > DIGITS_MAX
}

/// Digits that name something (`00420`, a long account number): their column is no column of numbers.
pub fn is_code(text: &str) -> bool {
    let body = text.strip_prefix('-').unwrap_or(text);
    let digits = body.len() > 1 && body.bytes().all(|byte| byte.is_ascii_digit());
    digits && (body.starts_with('0') || is_long(body))
}

/// An ISO 8601 date (`2012-03-01`), or date and time without zone (`2012-03-01T14:30:00`), from 1900-03-01 on: before
/// that Excel counts a day that never was.
pub fn date(text: &str) -> Option<Moment> {
    if !text.is_ascii() {
        return None;
    }
    let (day, time) = match text.split_at_checked(10)? {
        (day, "") => (day, None),
        (day, rest) => (day, Some(clock(rest.strip_prefix(['T', ' '])?)?)),
    };
    let fields = fixed(day, '-', &[4, 2, 2])?;
    let (year, month, day) = (fields[0], fields[1], fields[2]);
    let leap = (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if day == 0 || day > days || (year, month) < (1900, 3) {
        return None;
    }
    Some(Moment {
        year,
        month: u8::try_from(month).ok()?,
        day: u8::try_from(day).ok()?,
        time,
    })
}

fn clock(text: &str) -> Option<(u16, u8, u8)> {
    let fields = if text.len() == 5 {
        fixed(text, ':', &[2, 2])?
    } else {
        fixed(text, ':', &[2, 2, 2])?
    };
    let second = fields.get(2).copied().unwrap_or(0);
    if fields[0] > 23 || fields[1] > 59 || second > 59 {
        return None;
    }
    Some((fields[0], u8::try_from(fields[1]).ok()?, u8::try_from(second).ok()?))
}

/// Digits in fields of fixed lengths.
fn fixed(text: &str, separator: char, lengths: &[usize]) -> Option<Vec<u16>> {
    let fields: Vec<&str> = text.split(separator).collect();
    let fits = fields.len() == lengths.len()
        && fields
            .iter()
            .zip(lengths)
            .all(|(field, length)| field.len() == *length && field.bytes().all(|byte| byte.is_ascii_digit()));
    if !fits {
        return None;
    }
    fields.iter().map(|field| field.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const SHEETS: [&str; 3] = ["Data", "My data", "O'Hara"];

    #[test]
    fn numbers_are_strict() {
        for (text, value) in [
            ("0", 0.0),
            ("-1.50", -1.5),
            ("12", 12.0),
            ("1e-7", 1e-7),
            ("1.5e3", 1500.0),
            ("0.1", 0.1),
        ] {
            assert_eq!(number(text), Some(value), "{text}");
        }
        for text in [
            "",
            "-",
            "01",
            "+1",
            "1.",
            ".5",
            "1,5",
            " 1",
            "1e5",
            "12E4",
            "NaN",
            "inf",
            "1234567890123456",
            "0x1",
            "1e+999",
        ] {
            assert_eq!(number(text), None, "{text}");
        }
        assert!(is_code("00420") && is_code("1234567890123456") && !is_code("0") && !is_code("10"));
    }

    #[test]
    fn dates_are_real_days() {
        assert!(
            date("2012-02-29").is_some() && date("2024-12-31T23:59:59").is_some() && date("2024-12-31 08:30").is_some()
        );
        for text in [
            "2011-02-29",
            "2012-13-01",
            "2012-1-1",
            "2012/01/01",
            "1899-01-01",
            "1900-02-28",
            "2012-01-01Z",
            "2012-01-01T25:00",
            "20é2-01-0",
        ] {
            assert_eq!(date(text), None, "{text}");
        }
    }

    #[test]
    fn formulas_stay_in_the_workbook() {
        for good in [
            "=SUM(A1:A3)",
            "AVERAGE('My data'!B2:B9)",
            "=IF(A1>\"a|[b]\",1,0)",
            "=COUNTBLANK(Data!A2:A9)",
            "=SUM(data!A1:data!A9)+SUM(Data:'My data'!B1)",
            "='O''Hara'!A1&\"Nope!A1\"",
            "=IFERROR(#REF!,0)",
        ] {
            assert!(
                from_json(&json!({ "formula": good, "value": 1 }), &SHEETS, "B2").is_ok(),
                "{good}"
            );
        }
        for bad in [
            "=",
            "=cmd|'/C calc'!A0",
            "=[other.xlsx]S!A1",
            "='[o.xlsx]S'!A1",
            "=WEBSERVICE(\"http://x\")",
            "=_xlfn.webservice (A1)",
            "=HYPERLINK(\"x\")",
            "=\"a",
            "=A1\u{7}",
            "=Nope!A1",
            "='C:\\x.xlsx'!Name",
            "='\\\\host\\share\\x'!A1",
            "='http://host/x'!A1",
            "=SUM(Data:Nope!A1)",
        ] {
            assert!(from_json(&json!({ "formula": bad }), &SHEETS, "B2").is_err(), "{bad}");
        }
        assert_eq!(
            from_json(&json!("=SUM(A1)"), &SHEETS, "A1").unwrap(),
            Cell::Text("=SUM(A1)".to_owned())
        );
        assert!(from_json(&json!({ "formula": "=A1", "value": "NaN" }), &SHEETS, "A1").is_err());
    }

    proptest! {
        #[test]
        fn printed_numbers_are_read_back(value in any::<f64>().prop_filter("finite", |v| v.is_finite() && v.abs() < 1e15)) {
            let text = format!("{value}");
            if text.len() <= 40 {
                prop_assert_eq!(number(&text), Some(value));
            }
        }

        #[test]
        fn any_text_is_taken_without_panic(text in "\\PC{0,30}") {
            let _ = (number(&text), date(&text), is_code(&text), check_formula(&text, &SHEETS).is_ok());
        }
    }
}
