//! `excel.create`: a workbook with typed cells, formulas with their values, and native charts. Same input, same bytes.

mod book;
mod cell;
mod chart;
mod table;

use openwrap_contracts::ports::{Task, Tool, ToolInput};
use openwrap_contracts::tool::{Reach, Repeatability, ToolDefinition, ToolOutput};
use openwrap_contracts::{Fault, Outcome};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ToolboxConfig;
use crate::file_write::written;
use crate::place::{Place, normal_file};
use crate::summary::word;

/// Sheets of one workbook.
const SHEETS_MAX: usize = 64;
/// Charts of one workbook.
const CHARTS_MAX: usize = 64;
/// Series of one chart.
const SERIES_MAX: usize = 32;

pub struct ExcelCreate {
    definition: ToolDefinition,
    config: ToolboxConfig,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Arguments {
    path: String,
    title: String,
    sheets: Vec<SheetInput>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SheetInput {
    name: String,
    #[serde(default)]
    columns: Vec<ColumnInput>,
    #[serde(default)]
    rows: Vec<Vec<Value>>,
    #[serde(default)]
    csv: Option<String>,
    #[serde(default)]
    charts: Vec<ChartInput>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ColumnInput {
    header: String,
    #[serde(default)]
    width: Option<f64>,
    #[serde(default)]
    format: Option<String>,
    #[serde(default, rename = "type")]
    kind: Option<ColumnKind>,
}

/// What the texts of a file's column are.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum ColumnKind {
    Text,
    Number,
    Date,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ChartInput {
    #[serde(rename = "type")]
    kind: ChartKind,
    title: String,
    categories: String,
    series: Vec<SeriesInput>,
    anchor: String,
    #[serde(default)]
    x_title: Option<String>,
    #[serde(default)]
    y_title: Option<String>,
    #[serde(default)]
    alt_text: Option<String>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum ChartKind {
    Column,
    Line,
    Bar,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SeriesInput {
    name: String,
    values: String,
}

impl ExcelCreate {
    pub fn new(config: ToolboxConfig) -> Self {
        let description = "Writes an Excel workbook (.xlsx) with one or more sheets. A sheet gets its content from `csv` (a \
            file of the project: first line = headers; numbers and ISO dates become real numbers and dates, numbers with \
            leading zeros stay text, empty cells stay empty), from `rows`, or from both (rows follow the file). `columns` \
            gives header, width and number format by position. The header row is bold, frozen and filterable, so data \
            starts in row 2. A cell is a text, a number, a boolean, null, or a formula with the value you computed for it: \
            `{\"formula\": \"=AVERAGE(Data!B2:B13)\", \"value\": 4.2}`. Texts are never read as formulas. Charts are native \
            Excel charts over ranges such as `Data!$B$2:$B$13`."
            .to_owned();
        Self {
            definition: ToolDefinition {
                name: "excel.create".to_owned(),
                description,
                input_schema: input_schema(),
                repeat: Repeatability::Deterministic,
                reach: Reach::Confined,
            },
            config,
        }
    }
}

fn input_schema() -> Value {
    let cell = json!({
        "description": "Text, number, boolean, null (empty), or a formula with its value.",
        "anyOf": [
            { "type": ["string", "number", "boolean", "null"] },
            {
                "type": "object",
                "properties": {
                    "formula": { "type": "string", "minLength": 1, "description": "As `=SUM(Data!B2:B13)`." },
                    "value": { "type": ["string", "number", "boolean", "null"], "description": "What the formula gives." },
                },
                "required": ["formula"],
                "additionalProperties": false,
            },
        ],
    });
    let column = json!({
        "type": "object",
        "properties": {
            "header": { "type": "string" },
            "width": { "type": "number", "minimum": 1, "maximum": 255, "description": "In characters; fitted to the content when left out." },
            "format": { "type": "string", "maxLength": 255, "description": "Excel number format, as `0.0`, `#,##0` or `yyyy-mm-dd`." },
            "type": { "type": "string", "enum": ["text", "number", "date"], "description": "What this column of `csv` holds, when it is not to be found out; what does not read so stays text." },
        },
        "required": ["header"],
        "additionalProperties": false,
    });
    let sheet = json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "minLength": 1, "maxLength": 31 },
            "columns": { "type": "array", "items": column, "maxItems": table::COLUMNS_MAX },
            "rows": { "type": "array", "items": { "type": "array", "items": cell, "maxItems": table::COLUMNS_MAX } },
            "csv": { "type": "string", "minLength": 1, "description": "CSV file of the project that fills the sheet." },
            "charts": { "type": "array", "items": chart_schema(), "maxItems": CHARTS_MAX },
        },
        "required": ["name"],
        "additionalProperties": false,
    });
    json!({
        "type": "object",
        "properties": {
            "path": { "type": "string", "minLength": 1, "description": "Where to write it, ending in `.xlsx`." },
            "title": { "type": "string", "maxLength": 255, "description": "Title in the document's properties." },
            "sheets": { "type": "array", "minItems": 1, "maxItems": SHEETS_MAX, "items": sheet },
        },
        "required": ["path", "title", "sheets"],
        "additionalProperties": false,
    })
}

fn chart_schema() -> Value {
    let range = |about: &str| json!({ "type": "string", "minLength": 1, "description": about });
    json!({
        "type": "object",
        "properties": {
            "type": { "type": "string", "enum": ["column", "line", "bar"] },
            "title": { "type": "string", "minLength": 1, "maxLength": 255 },
            "categories": range("Range of the labels, as `Months!$A$2:$A$13`."),
            "series": {
                "type": "array", "minItems": 1, "maxItems": SERIES_MAX,
                "items": {
                    "type": "object",
                    "properties": {
                        "name": { "type": "string", "minLength": 1, "maxLength": 255 },
                        "values": range("Range of the numbers, as `Months!$B$2:$B$13`."),
                    },
                    "required": ["name", "values"],
                    "additionalProperties": false,
                },
            },
            "anchor": range("Cell of the chart's upper left corner, as `H2`."),
            "xTitle": { "type": "string", "maxLength": 255 },
            "yTitle": { "type": "string", "maxLength": 255 },
            "altText": { "type": "string", "maxLength": 1000, "description": "What the chart shows, for people who cannot see it." },
        },
        "required": ["type", "title", "categories", "series", "anchor"],
        "additionalProperties": false,
    })
}

impl Tool for ExcelCreate {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn needs(&self, arguments: &Value) -> Outcome<Vec<String>> {
        let arguments: Arguments = crate::arguments("excel.create", arguments)?;
        let mut needs = vec![format!("write:{}", workbook_path(&arguments.path)?)];
        for csv in arguments.sheets.iter().filter_map(|sheet| sheet.csv.as_deref()) {
            needs.push(format!("read:{}", normal_file(csv)?));
        }
        needs.sort();
        needs.dedup();
        Ok(needs)
    }

    fn summary(&self, arguments: &Value) -> String {
        let sheets = arguments["sheets"].as_array().map(Vec::as_slice).unwrap_or_default();
        let sheet = |sheet: &Value| {
            let name = word(sheet["name"].as_str().unwrap_or_default());
            let csv = sheet["csv"].as_str();
            csv.map_or_else(|| name.clone(), |csv| format!("{name} from {}", word(csv)))
        };
        let named: Vec<String> = sheets.iter().map(sheet).collect();
        format!(
            "write the workbook {} ({} sheets: {})",
            word(arguments["path"].as_str().unwrap_or_default()),
            sheets.len(),
            named.join(", ")
        )
    }

    fn run(&self, input: ToolInput) -> Task<'_, Outcome<ToolOutput>> {
        let owner = self.config.tools_owner;
        Box::pin(async move {
            let arguments: Arguments = crate::arguments("excel.create", &input.arguments)?;
            crate::blocking(move || {
                let path = workbook_path(&arguments.path)?;
                let place = Place::open(&input.view.root, owner)?;
                let bytes = book::build(&arguments, &place)?;
                Ok(written(place.write(&path, &bytes)?))
            })
            .await
        })
    }
}

fn workbook_path(path: &str) -> Outcome<String> {
    let path = normal_file(path)?;
    if path.to_ascii_lowercase().ends_with(".xlsx") {
        return Ok(path);
    }
    Err(Fault::invalid(format!(
        "`{}` does not end in `.xlsx`",
        path.escape_debug()
    )))
}
