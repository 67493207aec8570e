//! `excel.create`: the parts of the written file, read back.

use std::collections::BTreeMap;
use std::io::Read;

use openwrap_contracts::ErrorCode;
use openwrap_contracts::canonical::sha256_hex;
use openwrap_contracts::limits::FILE_READ_BYTES_MAX;
use openwrap_contracts::tool::Writes;
use serde_json::{Value, json};

use crate::view::World;

/// Parts of a workbook by name.
fn parts(bytes: &[u8]) -> BTreeMap<String, String> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut parts = BTreeMap::new();
    for place in 0..archive.len() {
        let mut file = archive.by_index(place).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        parts.insert(file.name().unwrap().into_owned(), text);
    }
    parts
}

/// The element `<c r="CELL" …>…</c>` of a sheet.
fn cell(sheet: &str, at: &str) -> String {
    let begin = sheet
        .find(&format!("<c r=\"{at}\""))
        .unwrap_or_else(|| panic!("{at} in {sheet}"));
    let rest = &sheet[begin..];
    let open = rest.find('>').unwrap();
    let end = if rest[..open].ends_with('/') {
        open + 1
    } else {
        rest.find("</c>").unwrap() + 4
    };
    rest[..end].to_owned()
}

fn text_of(parts: &BTreeMap<String, String>, cell: &str) -> String {
    assert!(cell.contains("t=\"s\""), "{cell}");
    let place: usize = cell
        .split("<v>")
        .nth(1)
        .unwrap()
        .split('<')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let item = parts["xl/sharedStrings.xml"].split("<si>").nth(place + 1).unwrap();
    let text = item.split_once('>').unwrap().1.split("</t>").next().unwrap();
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

fn is_missing(sheet: &str, at: &str) -> bool {
    !sheet.contains(&format!("<c r=\"{at}\"")) || !cell(sheet, at).contains("<v>")
}

async fn made(world: &World, sheets: Value) -> BTreeMap<String, String> {
    world
        .ok(
            "excel.create",
            json!({ "path": "r.xlsx", "title": "R", "sheets": sheets }),
        )
        .await;
    parts(&world.get("r.xlsx"))
}

async fn refused(sheets: Value) -> openwrap_contracts::Fault {
    let world = World::new();
    world.put("d.csv", "a\n1\n");
    let fault = world
        .fault(
            "excel.create",
            json!({ "path": "r.xlsx", "title": "R", "sheets": sheets }),
        )
        .await;
    assert_eq!(world.tree(), ["d.csv"], "nothing is left of a refused workbook");
    fault
}

const TABLE: &str = "date,plz,max temp,wind,note\n2012-01-01,01067,12.8,4.7,drizzle\n2012-01-02,10115,10.6,,\"a \"\"b\"\", c\"\n2012-01-03,10117,-1.5,2.3,\u{6570}\u{636e}\n";

/// The shape a report needs: data from a table, a summary with formulas and their values, a native chart.
pub fn analysis() -> Value {
    let formula = |text: &str, value: Value| json!({ "formula": text, "value": value });
    let chart = json!({
        "type": "line", "title": "Wind & <rain>", "categories": "Data!$A$2:$A$4", "anchor": "D2", "xTitle": "Day", "yTitle": "m/s",
        "series": [{ "name": "wind", "values": "Data!$D$2:$D$4" }, { "name": "max", "values": "Data!C2:C4" }],
    });
    json!({ "path": "out/analysis.xlsx", "title": "Analysis", "sheets": [
        { "name": "Data", "csv": "table.csv", "columns": [{ "header": "date", "format": "yyyy-mm-dd" }] },
        { "name": "My summary", "columns": [{ "header": "what" }, { "header": "wind", "format": "0.00" }], "charts": [chart], "rows": [
            ["count", formula("=COUNT(Data!D2:D4)", json!(2))],
            ["missing", formula("=COUNTBLANK(Data!D2:D4)", json!(1))],
            ["min", formula("=MIN(Data!D2:D4)", json!(2.3))],
            ["mean", formula("=AVERAGE(Data!D2:D4)", json!(3.5))],
            ["max", formula("=MAX(Data!D2:D4)", json!(4.7))],
            ["spread", formula("=STDEV.S(Data!D2:D4)", json!(1.697))],
            ["label", formula("=IF(B2>1,\"many <&\",\"few\")", json!("many <&"))],
            ["right", formula("=B2=2", json!(true))],
            ["flag", true],
            ["none", null],
        ] },
    ] })
}

#[tokio::test]
async fn an_analysis_has_typed_cells_formulas_with_values_and_a_chart() {
    let world = World::new();
    world.put("table.csv", TABLE);
    let output = world.ok("excel.create", analysis()).await;
    let bytes = world.get("out/analysis.xlsx");
    let artifact = &output.artifacts[0];
    assert_eq!(
        (artifact.path.as_str(), artifact.size as usize),
        ("out/analysis.xlsx", bytes.len())
    );
    assert_eq!(
        artifact.media_type,
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    );
    assert_eq!(artifact.checksum, sha256_hex(&bytes));
    assert_eq!(output.writes, Writes::Paths(vec!["out/analysis.xlsx".to_owned()]));
    let parts = parts(&bytes);
    let data = &parts["xl/worksheets/sheet1.xml"];
    // 2012-01-01 is day 40909 of Excel's calendar.
    assert!(cell(data, "A2").ends_with("<v>40909</v></c>"), "{}", cell(data, "A2"));
    assert_eq!(text_of(&parts, &cell(data, "B2")), "01067");
    assert!(cell(data, "C4").ends_with("<v>-1.5</v></c>"));
    assert!(
        is_missing(data, "D3"),
        "an empty cell stays empty, or the missing would not be counted"
    );
    assert_eq!(text_of(&parts, &cell(data, "E3")), "a \"b\", c");
    assert_eq!(text_of(&parts, &cell(data, "E4")), "\u{6570}\u{636e}");
    assert!(data.contains("<autoFilter ref=\"A1:E4\"/>") && data.contains("state=\"frozen\""));
    let summary = &parts["xl/worksheets/sheet2.xml"];
    for (at, inner) in [
        ("B2", "<f>COUNT(Data!D2:D4)</f><v>2</v>"),
        ("B3", "<f>COUNTBLANK(Data!D2:D4)</f><v>1</v>"),
        ("B4", "<f>MIN(Data!D2:D4)</f><v>2.3</v>"),
        ("B5", "<f>AVERAGE(Data!D2:D4)</f><v>3.5</v>"),
        ("B6", "<f>MAX(Data!D2:D4)</f><v>4.7</v>"),
        ("B7", "<f>_xlfn.STDEV.S(Data!D2:D4)</f><v>1.697</v>"),
    ] {
        let cell = cell(summary, at);
        assert!(cell.contains(inner) && !cell.contains(" t=\""), "{cell}");
    }
    assert!(cell(summary, "B8").contains("t=\"str\"") && cell(summary, "B8").contains("<v>many &lt;&amp;</v>"));
    assert!(cell(summary, "B9").contains("t=\"b\"") && cell(summary, "B10").contains("t=\"b\""));
    let chart = &parts["xl/charts/chart1.xml"];
    for inner in [
        "<c:lineChart>",
        "Wind &amp; &lt;rain&gt;",
        "<c:f>Data!$A$2:$A$4</c:f>",
        "<c:f>Data!$D$2:$D$4</c:f>",
        "<c:f>Data!$C$2:$C$4</c:f>",
    ] {
        assert!(chart.contains(inner), "{inner} in {chart}");
    }
    assert!(parts["xl/drawings/drawing1.xml"].contains("descr=\"Line chart: Wind &amp; &lt;rain&gt;\""));
    assert!(parts["docProps/core.xml"].contains("<dc:title>Analysis</dc:title>"));
    assert!(
        !parts
            .keys()
            .any(|name| name.contains("externalLink") || name.contains("vba"))
    );
}

#[tokio::test]
async fn the_same_input_gives_the_same_bytes() {
    let mut made = Vec::new();
    for _ in 0..2 {
        let world = World::new();
        world.put("table.csv", TABLE);
        made.push(world.ok("excel.create", analysis()).await.content);
        let first = world.get("out/analysis.xlsx");
        world.ok("excel.create", analysis()).await;
        assert_eq!(world.get("out/analysis.xlsx"), first);
    }
    assert_eq!(made[0], made[1]);
}

#[tokio::test]
async fn tables_come_in_as_they_are() {
    let world = World::new();
    world.put("bom.csv", "\u{feff}n;m\r\n1;2\r\n;3\r\n");
    world.put("tabs.tsv", "a\tb\n1,5\tx\n");
    world.put("ragged.csv", "a,b\n1\n1,2,3\n\"multi\nline\",\"\"\n");
    world.put("empty.csv", "");
    let sheets = json!([
        { "name": "Bom", "csv": "bom.csv" }, { "name": "Tabs", "csv": "tabs.tsv" },
        { "name": "Ragged", "csv": "ragged.csv", "rows": [[null, "=1+1", 7]] }, { "name": "Empty", "csv": "empty.csv" },
    ]);
    let parts = made(&world, sheets).await;
    let sheet = |number: usize| &parts[&format!("xl/worksheets/sheet{number}.xml")];
    assert_eq!(text_of(&parts, &cell(sheet(1), "A1")), "n");
    assert!(cell(sheet(1), "B2").contains("<v>2</v>") && is_missing(sheet(1), "A3"));
    assert_eq!(text_of(&parts, &cell(sheet(2), "A2")), "1,5");
    assert!(cell(sheet(3), "C3").contains("<v>3</v>"));
    assert_eq!(text_of(&parts, &cell(sheet(3), "A4")), "multi\nline");
    assert!(is_missing(sheet(3), "B4") && is_missing(sheet(3), "A5"));
    assert_eq!(text_of(&parts, &cell(sheet(3), "B5")), "=1+1");
    assert!(cell(sheet(3), "C5").contains("<v>7</v>"));
    for (bytes, code) in [(&b"a\n\xff\n"[..], ErrorCode::InvalidArguments)] {
        world.put("bad.csv", bytes);
        let arguments = json!({ "path": "r.xlsx", "title": "", "sheets": [{ "name": "S", "csv": "bad.csv" }] });
        assert_eq!(world.fault("excel.create", arguments).await.code, code);
    }
}

/// Text is text, wherever it comes from: no cell, title or name turns into a formula, a link or markup.
#[tokio::test]
async fn no_text_becomes_a_formula() {
    let hostile = [
        "=1+1",
        "+1",
        "-A1",
        "@SUM(A1)",
        "=cmd|' /C calc'!A0",
        "\t=1",
        "\r=1",
        "{=1}",
        "http://host/x",
        "</t></si>",
        "_x003d_1",
        "&#61;1",
        "a\u{1}\u{202e}\u{ffff}",
    ];
    let world = World::new();
    let quoted: Vec<String> = hostile.iter().map(|text| format!("\"{text}\"\n")).collect();
    world.put("d.csv", format!("\"=HYPERLINK(\"\"x\"\")\"\n{}", quoted.concat()));
    let rows: Vec<Value> = hostile.iter().map(|text| json!([text])).collect();
    let parts = made(
        &world,
        json!([{ "name": "D", "csv": "d.csv" }, { "name": "R", "rows": rows, "columns": [{ "header": "=1" }] }]),
    )
    .await;
    for number in 1..=2 {
        let sheet = &parts[&format!("xl/worksheets/sheet{number}.xml")];
        assert!(!sheet.contains("<f>") && !sheet.contains("hyperlink"), "{sheet}");
        for row in 1..=hostile.len() + 1 {
            assert!(cell(sheet, &format!("A{row}")).contains("t=\"s\""));
        }
    }
    let strings = &parts["xl/sharedStrings.xml"];
    // The same texts twice, and two headers.
    assert_eq!(strings.matches("<si>").count(), hostile.len() + 2);
    assert!(strings.contains("_x005F_x003d_1") && strings.contains("&amp;#61;1"));
    assert!(
        strings
            .chars()
            .all(|c| matches!(c, '\n' | '\r' | '\t') || (c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}')))
    );
}

#[tokio::test]
async fn formulas_stay_inside_the_workbook() {
    for formula in [
        "=WEBSERVICE(\"http://host\")",
        "=cmd|'/C calc'!A0",
        "=[b.xlsx]S!A1",
        "='[b.xlsx]S'!A1",
        "='C:\\b.xlsx'!N",
        "=HYPERLINK(\"http://host\")",
        "=_xlfn.IMAGE(\"http://host\")",
        "=RTD(\"x\",,1)",
        "=DDE(\"x\")",
        "=CALL(\"x\")",
        "=Other!A1",
        "=SUM(S!A1,Other!A1)",
        "=\"open",
        "=",
        "=A1\u{1}",
    ] {
        let fault = refused(json!([{ "name": "S", "rows": [[{ "formula": formula, "value": 1 }]] }])).await;
        assert_eq!(fault.code, ErrorCode::InvalidArguments, "{formula}");
        assert!(fault.message.contains("row 1 column 1"), "{}", fault.message);
    }
    for value in [json!([1]), json!({}), json!("NaN"), json!("inf")] {
        let fault = refused(json!([{ "name": "S", "rows": [[{ "formula": "=1", "value": value }]] }])).await;
        assert_eq!(fault.code, ErrorCode::InvalidArguments, "{value}");
    }
    for cell in [
        json!([1]),
        json!({ "value": 1 }),
        json!({ "formula": 1 }),
        json!({ "formula": "=1", "link": "x" }),
    ] {
        let fault = refused(json!([{ "name": "S", "rows": [[cell]] }])).await;
        assert_eq!(fault.code, ErrorCode::InvalidArguments, "{cell}");
    }
}

#[tokio::test]
async fn names_of_sheets_follow_the_rules() {
    let long = "n".repeat(32);
    for name in [
        "",
        " ",
        &long,
        "a/b",
        "a\\b",
        "a*",
        "a?",
        "a:b",
        "[a]",
        "'a",
        "a'",
        "History",
        "a\u{1}",
        "a\u{ffff}",
    ] {
        let fault = refused(json!([{ "name": name }])).await;
        assert_eq!(fault.code, ErrorCode::InvalidArguments, "{name:?}");
    }
    assert_eq!(refused(json!([])).await.code, ErrorCode::InvalidArguments);
    assert_eq!(
        refused(json!([{ "name": "Data" }, { "name": "dATA" }])).await.code,
        ErrorCode::InvalidArguments
    );
    let many: Vec<Value> = (0..65).map(|number| json!({ "name": format!("S{number}") })).collect();
    assert_eq!(refused(json!(many)).await.code, ErrorCode::InvalidArguments);
}

#[tokio::test]
async fn charts_columns_and_sources_follow_the_rules() {
    let chart = |field: &str, value: Value| {
        let mut chart = json!({ "type": "column", "title": "T", "categories": "S!A2:A3", "anchor": "C2",
            "series": [{ "name": "s", "values": "S!B2:B3" }] });
        chart[field] = value;
        json!([{ "name": "S", "rows": [["a", 1]], "charts": [chart] }])
    };
    for (field, value) in [
        ("categories", json!("T!A2:A3")),
        ("categories", json!("A2:A3")),
        ("categories", json!("S!A2:B3")),
        ("categories", json!("S!A3:A2")),
        ("categories", json!("S!A0:A2")),
        ("categories", json!("[x.xlsx]S!A1:A2")),
        ("series", json!([])),
        ("series", json!([{ "name": "=S!A1", "values": "S!B2:B3" }])),
        ("series", json!([{ "name": "s", "values": "S!B2:XFE2" }])),
        ("title", json!("=S!A1")),
        ("title", json!("a\u{ffff}")),
        ("altText", json!("a\u{1}")),
        ("anchor", json!("C0")),
        ("anchor", json!("S!C2")),
        ("type", json!("pie3d")),
        ("extra", json!(1)),
    ] {
        let fault = refused(chart(field, value.clone())).await;
        assert_eq!(fault.code, ErrorCode::InvalidArguments, "{field} {value}");
    }
    for column in [
        json!({ "header": "a", "format": "\"" }),
        json!({ "header": "a", "format": "0\u{1}" }),
        json!({ "header": "a", "width": 0 }),
        json!({ "header": "a", "width": 256 }),
    ] {
        let fault = refused(json!([{ "name": "S", "columns": [column], "rows": [[1]] }])).await;
        assert_eq!(fault.code, ErrorCode::InvalidArguments);
    }
    assert_eq!(
        refused(json!([{ "name": "S", "rows": [["x".repeat(32_768)]] }]))
            .await
            .code,
        ErrorCode::InvalidArguments
    );
    assert_eq!(
        refused(json!([{ "name": "S", "csv": "none.csv" }])).await.code,
        ErrorCode::NotFound
    );
    for csv in ["../d.csv", "/d.csv"] {
        assert_eq!(
            refused(json!([{ "name": "S", "csv": csv }])).await.code,
            ErrorCode::PathOutside
        );
    }
}

/// One file in many sheets does not multiply what is held in memory.
#[tokio::test]
async fn what_a_workbook_takes_in_is_bounded() {
    let world = World::new();
    let line = format!("{}\n", "x".repeat(30_000));
    world.put("d.csv", line.repeat(FILE_READ_BYTES_MAX / line.len() / 2 + 1));
    let sheets: Vec<Value> = (0..2)
        .map(|number| json!({ "name": format!("S{number}"), "csv": "d.csv" }))
        .collect();
    let fault = world
        .fault(
            "excel.create",
            json!({ "path": "r.xlsx", "title": "", "sheets": sheets }),
        )
        .await;
    assert_eq!(fault.code, ErrorCode::LimitExceeded);
    let cells = format!("{}\n", ",".repeat(9_999)).repeat(201);
    world.put("d.csv", cells);
    let fault = world
        .fault(
            "excel.create",
            json!({ "path": "r.xlsx", "title": "", "sheets": [{ "name": "S", "csv": "d.csv" }] }),
        )
        .await;
    assert_eq!(fault.code, ErrorCode::LimitExceeded);
    assert_eq!(world.tree(), ["d.csv"]);
}
