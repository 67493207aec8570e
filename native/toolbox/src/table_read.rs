//! `table.read`: rows of a CSV file or an Excel workbook, typed as the file has them. Files come from anywhere: every size is bounded
//! before anything is unpacked.

mod separated;
mod workbook;

use openwrap_contracts::ports::{Task, Tool, ToolInput};
use openwrap_contracts::tool::{Reach, Repeatability, ToolDefinition, ToolOutput};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::place::{Place, normal_file};
use crate::summary::word;

/// Rows of one answer unless the call says otherwise.
const ROWS: usize = 200;
/// Rows of one answer at most.
const ROWS_MAX: usize = 5_000;
/// JSON of the cells of one answer, and so of what a script gets.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Columns of a table; what is further right is refused.
pub(crate) const COLUMNS_MAX: usize = 1_000;

pub struct TableRead(ToolDefinition);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Arguments {
    path: String,
    #[serde(default)]
    sheet: Option<String>,
    #[serde(default)]
    offset: Option<usize>,
    #[serde(default)]
    limit: Option<usize>,
}

/// A table on its way into an answer: every row is counted, those asked for are kept.
pub(crate) struct Page {
    offset: usize,
    limit: usize,
    rows: Vec<Vec<Value>>,
    bytes: usize,
    /// Rows of the whole table.
    total: usize,
    /// Cells of its widest row.
    width: usize,
    full: bool,
}

impl Page {
    /// The next row of the table.
    pub(crate) fn row(&mut self, cells: Vec<Value>) -> Outcome<()> {
        if cells.len() > COLUMNS_MAX {
            let message = format!("a row has {} cells; {COLUMNS_MAX} are allowed", cells.len());
            return Err(Fault::new(ErrorCode::LimitExceeded, message));
        }
        let at = self.total;
        self.total += 1;
        self.width = self.width.max(cells.len());
        if at < self.offset || self.rows.len() == self.limit || self.full {
            return Ok(());
        }
        let bytes: usize = cells.iter().map(|cell| cell.as_str().map_or(12, str::len) + 4).sum();
        if self.bytes + bytes > ANSWER_BYTES_MAX && !self.rows.is_empty() {
            self.full = true;
            return Ok(());
        }
        self.bytes += bytes;
        self.rows.push(cells);
        Ok(())
    }
}

impl TableRead {
    pub fn new() -> Self {
        let description = format!(
            "Reads rows of a table: a CSV file (separator, quotes and encoding are found) or a sheet of an Excel workbook (.xlsx, .xlsm; \
             the first unless `sheet` names one). The first row is row 0, headers or not. Cells of a CSV file are the texts as they \
             stand; cells of a workbook are texts, numbers, booleans, null, and dates as `YYYY-MM-DD` or `YYYY-MM-DD HH:MM:SS`. Answers \
             {ROWS} rows from `offset`, or `limit` up to {ROWS_MAX}; `rowsTotal` and `width` are the whole table's, `nextOffset` is there \
             when there is more."
        );
        Self(ToolDefinition {
            name: "table.read".to_owned(),
            description,
            input_schema: json!({
                "type": "object",
                "properties": {
                    "path": { "type": "string", "minLength": 1, "description": "Path from the project's folder, as `data/table.csv`." },
                    "sheet": { "type": "string", "description": "Name of a sheet of a workbook." },
                    "offset": { "type": "integer", "minimum": 0, "description": "First row to read." },
                    "limit": { "type": "integer", "minimum": 1, "maximum": ROWS_MAX, "description": "Rows to read at most." },
                },
                "required": ["path"],
                "additionalProperties": false,
            }),
            repeat: Repeatability::Deterministic,
            reach: Reach::Reads,
        })
    }
}

impl Tool for TableRead {
    fn definition(&self) -> &ToolDefinition {
        &self.0
    }

    fn needs(&self, arguments: &Value) -> Outcome<Vec<String>> {
        let arguments: Arguments = crate::arguments("table.read", arguments)?;
        Ok(vec![format!("read:{}", normal_file(&arguments.path)?)])
    }

    fn summary(&self, arguments: &Value) -> String {
        format!(
            "read the table {}",
            word(arguments["path"].as_str().unwrap_or_default())
        )
    }

    fn run(&self, input: ToolInput) -> Task<'_, Outcome<ToolOutput>> {
        Box::pin(async move {
            let arguments: Arguments = crate::arguments("table.read", &input.arguments)?;
            crate::blocking(move || read(&Place::open(&input.view.root, None)?, &arguments)).await
        })
    }
}

fn read(place: &Place, arguments: &Arguments) -> Outcome<ToolOutput> {
    let path = normal_file(&arguments.path)?;
    let bytes = place.read(&path)?;
    let mut page = Page {
        offset: arguments.offset.unwrap_or(0),
        limit: arguments.limit.unwrap_or(ROWS).clamp(1, ROWS_MAX),
        rows: Vec::new(),
        bytes: 0,
        total: 0,
        width: 0,
        full: false,
    };
    let ending = path.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    let mut content = match ending.as_deref() {
        Some("xlsx" | "xlsm") => workbook::read(&path, bytes, arguments.sheet.as_deref(), &mut page)?,
        Some("xls" | "ods" | "xlsb" | "numbers") => {
            return Err(
                Fault::invalid(format!("table.read: `{path}` is no .xlsx workbook and no CSV file"))
                    .with_hint("Save it as .xlsx or as CSV."),
            );
        }
        _ if arguments.sheet.is_some() => {
            return Err(Fault::invalid("table.read: only a workbook has sheets"));
        }
        _ => separated::read(&path, &bytes, &mut page)?,
    };
    let next = page.offset.saturating_add(page.rows.len());
    content["rows"] = Value::from(page.rows.into_iter().map(Value::Array).collect::<Vec<_>>());
    content["rowsTotal"] = page.total.into();
    content["width"] = page.width.into();
    if next < page.total {
        content["nextOffset"] = next.into();
    }
    Ok(ToolOutput::read_only(content))
}
