//! What of a file a page shows: text, a table, a picture, or only its name. Files come from anywhere, so every size is bounded
//! before anything is unpacked, and what cannot be read is shown as name and size.

use std::io::Cursor;

use calamine::{Data, DataRef, Reader, Xlsx};
use openwrap_contracts::limits::{PREVIEW_FILE_BYTES_MAX, PREVIEW_ROWS_MAX};
use openwrap_contracts::method::FilePreview;
use openwrap_contracts::{Fault, Outcome};
use openwrap_toolbox::unpacked_bytes;

/// Columns of a table that are shown.
const COLUMNS_MAX: usize = 200;
/// Characters of one cell that are shown.
const CELL_CHARS_MAX: usize = 1_000;
/// Bytes of all parts of a package, unpacked for a look.
const UNPACKED_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// Rows of a sheet that are passed over in search of cells; further ones are not shown.
const CELLS_READ_MAX: usize = 2_000_000;

/// Pictures a browser draws without running anything in them.
const PICTURES: &[(&str, &str)] = &[
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
];

const LANGUAGES: &[(&str, &str)] = &[
    ("md", "markdown"),
    ("markdown", "markdown"),
    ("json", "json"),
    ("js", "javascript"),
    ("mjs", "javascript"),
    ("cjs", "javascript"),
    ("ts", "typescript"),
    ("tsx", "typescript"),
    ("py", "python"),
    ("rs", "rust"),
    ("sh", "shell"),
    ("html", "html"),
    ("htm", "html"),
    ("css", "css"),
    ("xml", "xml"),
    ("svg", "xml"),
    ("yml", "yaml"),
    ("yaml", "yaml"),
    ("toml", "toml"),
    ("sql", "sql"),
];

/// Cells as they are gathered, within the limits.
#[derive(Default)]
struct Grid {
    rows: Vec<Vec<String>>,
    bytes: usize,
    cut: bool,
}

/// # Errors
/// `NOT_FOUND` for a sheet the workbook does not have.
pub fn of(path: &str, bytes: &[u8], sheet: Option<&str>) -> Outcome<FilePreview> {
    let ending = ending(path);
    let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    match ending.as_str() {
        "csv" | "tsv" | "tab" => {
            if let Some(table) = separated(path, bytes, size, &ending) {
                return Ok(table);
            }
        }
        "xlsx" | "xlsm" => {
            return workbook(path, bytes, size, sheet).map(|table| table.unwrap_or_else(|| other(path, size, &ending)));
        }
        "docx" | "pptx" if fits(bytes) => {
            if let Some((text, cut)) = crate::office::markdown(bytes, &ending) {
                return Ok(FilePreview::Text {
                    path: path.to_owned(),
                    size,
                    language: "markdown".to_owned(),
                    text,
                    cut,
                });
            }
        }
        _ => {}
    }
    if let Some((_, media_type)) = PICTURES.iter().find(|(known, _)| *known == ending) {
        return Ok(FilePreview::Image {
            path: path.to_owned(),
            size,
            media_type: (*media_type).to_owned(),
        });
    }
    Ok(text(path, bytes, size, &ending).unwrap_or_else(|| other(path, size, &ending)))
}

fn ending(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.')
        .map(|(_, ending)| ending.to_ascii_lowercase())
        .unwrap_or_default()
}

fn other(path: &str, size: u32, ending: &str) -> FilePreview {
    let media_type = match ending {
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        _ => "application/octet-stream",
    };
    FilePreview::Other {
        path: path.to_owned(),
        size,
        media_type: media_type.to_owned(),
    }
}

/// The beginning of a text, and whether there is more; none when the bytes are no text.
pub fn text_of(bytes: &[u8], limit: usize) -> Option<(&str, bool)> {
    let part = &bytes[..bytes.len().min(limit)];
    let text = match std::str::from_utf8(part) {
        Ok(text) => text,
        // Cut inside a character.
        Err(error) if part.len() < bytes.len() && error.error_len().is_none() => {
            std::str::from_utf8(&part[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    (!text.contains('\0')).then_some((text, part.len() < bytes.len()))
}

fn text(path: &str, bytes: &[u8], size: u32, ending: &str) -> Option<FilePreview> {
    let (text, cut) = text_of(bytes, PREVIEW_FILE_BYTES_MAX)?;
    let language = LANGUAGES.iter().find(|(known, _)| *known == ending);
    Some(FilePreview::Text {
        path: path.to_owned(),
        size,
        language: language.map_or("text", |(_, language)| language).to_owned(),
        text: text.trim_start_matches('\u{feff}').to_owned(),
        cut,
    })
}

impl Grid {
    /// Takes a cell; false when there is no room for more.
    fn put(&mut self, row: usize, column: usize, text: &str) -> bool {
        if row > PREVIEW_ROWS_MAX || self.bytes + text.len() > PREVIEW_FILE_BYTES_MAX {
            self.cut = true;
            return false;
        }
        if column >= COLUMNS_MAX {
            self.cut = true;
            return true;
        }
        while self.rows.len() <= row {
            self.rows.push(Vec::new());
        }
        let shown: String = text.chars().take(CELL_CHARS_MAX).collect();
        self.bytes += shown.len() + 1;
        if let Some(cells) = self.rows.get_mut(row) {
            while cells.len() < column {
                cells.push(String::new());
            }
            cells.push(shown);
        }
        true
    }

    /// The first row names the columns.
    fn table(mut self, path: &str, size: u32, sheets: Vec<String>, sheet: String) -> FilePreview {
        let width = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        for row in &mut self.rows {
            row.resize(width, String::new());
        }
        let columns = if self.rows.is_empty() {
            Vec::new()
        } else {
            self.rows.remove(0)
        };
        FilePreview::Table {
            path: path.to_owned(),
            size,
            sheets,
            sheet,
            columns,
            rows: self.rows,
            cut: self.cut,
        }
    }
}

fn separated(path: &str, bytes: &[u8], size: u32, ending: &str) -> Option<FilePreview> {
    let (text, cut) = text_of(bytes, PREVIEW_FILE_BYTES_MAX)?;
    let text = text.trim_start_matches('\u{feff}');
    let head = text.lines().next().unwrap_or_default();
    let count = |mark: char| head.matches(mark).count();
    let delimiter = match ending {
        "csv" if count(';') > count(',') && count(';') >= count('\t') => b';',
        "csv" if count('\t') > count(',') => b'\t',
        "csv" => b',',
        _ => b'\t',
    };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut grid = Grid::default();
    let mut records = reader.records();
    'rows: for row in 0.. {
        let Some(record) = records.next() else { break };
        for (column, cell) in record.ok()?.iter().enumerate() {
            if !grid.put(row, column, cell) {
                break 'rows;
            }
        }
    }
    // The last line of a text that was cut may be half a line.
    if cut && !grid.cut {
        grid.rows.pop();
    }
    grid.cut |= cut;
    Some(grid.table(path, size, Vec::new(), String::new()))
}

/// None: it is no workbook, or one that is too large to be unpacked for a look.
fn workbook(path: &str, bytes: &[u8], size: u32, sheet: Option<&str>) -> Outcome<Option<FilePreview>> {
    if !fits(bytes) {
        return Ok(None);
    }
    let Ok(mut book) = Xlsx::new(Cursor::new(bytes)) else {
        return Ok(None);
    };
    let sheets = book.sheet_names();
    let wanted = match sheet {
        Some(named) => sheets.iter().find(|known| *known == named),
        None => sheets.first(),
    };
    let wanted = match (wanted, sheet) {
        (Some(wanted), _) => wanted.clone(),
        (None, Some(named)) => {
            return Err(Fault::not_found(format!(
                "the workbook has no sheet `{}`",
                named.escape_debug()
            )));
        }
        (None, None) => return Ok(None),
    };
    let mut grid = Grid::default();
    let Ok(mut cells) = book.worksheet_cells_reader(&wanted) else {
        return Ok(None);
    };
    for count in 0_usize.. {
        let Ok(Some(cell)) = cells.next_cell() else { break };
        let (row, column) = cell.get_position();
        let text = shown(cell.get_value());
        if text.is_empty() {
            continue;
        }
        if count > CELLS_READ_MAX || !grid.put(row as usize, column as usize, &text) {
            grid.cut = true;
            break;
        }
    }
    drop(cells);
    Ok(Some(grid.table(path, size, sheets, wanted)))
}

fn fits(bytes: &[u8]) -> bool {
    unpacked_bytes(bytes, UNPACKED_BYTES_MAX).is_ok()
}

/// A cell as a person reads it.
fn shown(value: &DataRef<'_>) -> String {
    match value {
        DataRef::DateTime(moment) => match moment.to_ymd_hms_milli() {
            (year, month, day, 0, 0, 0, 0) => format!("{year:04}-{month:02}-{day:02}"),
            (year, month, day, hour, minute, second, _) => {
                format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
            }
        },
        value => Data::from(value.clone()).to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn table(preview: FilePreview) -> (Vec<String>, Vec<Vec<String>>, bool) {
        match preview {
            FilePreview::Table { columns, rows, cut, .. } => (columns, rows, cut),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn separated_values_become_a_grid_whatever_separates_them() {
        for text in [
            "\u{feff}a,b\n1,\"x,\ny\"\n",
            "a;b\n1;\"x,\ny\"\n",
            "a\tb\n1\t\"x,\ny\"\n",
        ] {
            let (columns, rows, cut) = table(of("t.csv", text.as_bytes(), None).unwrap());
            assert_eq!((columns, cut), (vec!["a".to_owned(), "b".to_owned()], false));
            assert_eq!(rows, [["1", "x,\ny"]]);
        }
        let long = format!("h\n{}", "1\n".repeat(PREVIEW_ROWS_MAX + 10));
        let (_, rows, cut) = table(of("t.csv", long.as_bytes(), None).unwrap());
        assert_eq!((rows.len(), cut), (PREVIEW_ROWS_MAX, true));
        let wide = ["9"; 5_000].join(",");
        let (columns, _, cut) = table(of("t.csv", wide.as_bytes(), None).unwrap());
        assert_eq!((columns.len(), cut), (COLUMNS_MAX, true));
    }

    #[test]
    fn texts_pictures_and_the_rest_are_told_apart() {
        let kind = |path: &str, bytes: &[u8]| match of(path, bytes, None).unwrap() {
            FilePreview::Text { language, .. } => language,
            FilePreview::Table { .. } => "table".to_owned(),
            FilePreview::Image { media_type, .. } | FilePreview::Other { media_type, .. } => media_type,
        };
        assert_eq!(kind("a/r.md", b"# x"), "markdown");
        assert_eq!(kind("x.svg", b"<svg/>"), "xml");
        assert_eq!(kind("NAME", b"plain"), "text");
        assert_eq!(kind("x.PNG", b"\x89PNG"), "image/png");
        assert_eq!(kind("x.bin", b"\0\xff"), "application/octet-stream");
        assert_eq!(kind("no.xlsx", b"not a package"), other_type("xlsx"));
        assert_eq!(kind("no.csv", b"\xff\xfe"), "application/octet-stream");
    }

    fn other_type(ending: &str) -> String {
        match other("x", 0, ending) {
            FilePreview::Other { media_type, .. } => media_type,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let text = "\u{e4}".repeat(PREVIEW_FILE_BYTES_MAX);
        let FilePreview::Text { text, cut, size, .. } = of("a.txt", text.as_bytes(), None).unwrap() else {
            panic!("no text");
        };
        assert!(cut && text.len() <= PREVIEW_FILE_BYTES_MAX && size as usize > text.len());
    }

    #[test]
    fn a_package_that_unpacks_to_too_much_is_not_opened() {
        use std::io::Write;
        let mut package = zip::ZipWriter::new(Cursor::new(Vec::new()));
        package
            .start_file("xl/sharedStrings.xml", zip::write::SimpleFileOptions::default())
            .unwrap();
        let zeros = vec![b' '; 1024 * 1024];
        for _ in 0..=UNPACKED_BYTES_MAX / 1024 / 1024 {
            package.write_all(&zeros).unwrap();
        }
        let bytes = package.finish().unwrap().into_inner();
        assert!(bytes.len() < 2 * 1024 * 1024 && !fits(&bytes));
        assert!(matches!(
            of("bomb.xlsx", &bytes, None).unwrap(),
            FilePreview::Other { .. }
        ));
    }
}
