//! `table.read`: rows of files however they are written, in pages, within limits.

use openwrap_contracts::fault::ErrorCode;
use serde_json::{Value, json};

use crate::view::World;
use crate::workbook::analysis;

async fn read(world: &World, arguments: Value) -> Value {
    world.ok("table.read", arguments).await.content
}

/// AT-028.
#[tokio::test]
async fn rows_of_text_come_whatever_separates_and_encodes_them() {
    let world = World::new();
    world.put(
        "german.csv",
        b"Stra\xdfe;Umsatz\r\n\"Am \"\"Tor\"\"; 1\";1.234,5\r\n;\x80 3\r\n",
    );
    let rows = json!([["Straße", "Umsatz"], ["Am \"Tor\"; 1", "1.234,5"], ["", "€ 3"]]);
    let found = read(&world, json!({ "path": "german.csv" })).await;
    assert_eq!(
        (&found["rows"], &found["rowsTotal"], &found["width"]),
        (&rows, &json!(3), &json!(2))
    );
    assert_eq!(
        (&found["separator"], &found["encoding"]),
        (&json!(";"), &json!("windows-1252"))
    );
    world.put("said.txt", "sep=|\na|b,c\n");
    let found = read(&world, json!({ "path": "said.txt" })).await;
    assert_eq!(found["rows"], json!([["a", "b,c"]]));
    world.put("wide.tsv", b"\xff\xfea\0\t\0b\0\n\x001\0\t\x002\0");
    let found = read(&world, json!({ "path": "wide.tsv" })).await;
    assert_eq!(found["rows"], json!([["a", "b"], ["1", "2"]]));
    world.put("none.csv", "");
    assert_eq!(read(&world, json!({ "path": "none.csv" })).await["rowsTotal"], 0);
}

/// AT-028.
#[tokio::test]
async fn sheets_give_typed_cells_and_their_formulas_values() {
    let world = World::new();
    let table = "date,plz,max temp,wind,note\n2012-01-01,01067,12.8,4.7,drizzle\n2012-01-02,10115,10.6,,x\n2012-01-03,10117,-1.5,2.3,数据\n";
    world.put("table.csv", table);
    world.ok("excel.create", analysis()).await;
    let found = read(&world, json!({ "path": "out/analysis.xlsx" })).await;
    assert_eq!(
        (&found["sheets"], &found["sheet"]),
        (&json!(["Data", "My summary"]), &json!("Data"))
    );
    assert_eq!(found["rows"][1], json!(["2012-01-01", "01067", 12.8, 4.7, "drizzle"]));
    assert_eq!(found["rows"][2], json!(["2012-01-02", "10115", 10.6, null, "x"]));
    let found = read(&world, json!({ "path": "out/analysis.xlsx", "sheet": "My summary" })).await;
    assert_eq!(found["rows"][1], json!(["count", 2.0]));
    assert_eq!(found["rows"][9], json!(["flag", true]));
    let fault = world
        .fault("table.read", json!({ "path": "out/analysis.xlsx", "sheet": "Other" }))
        .await;
    assert_eq!(fault.code, ErrorCode::NotFound);
}

#[tokio::test]
async fn long_tables_come_in_pages_and_what_is_no_table_is_refused() {
    let world = World::new();
    let rows: String = (0..12_000).map(|row| format!("{row},x\n")).collect();
    world.put("long.csv", &rows);
    let (mut seen, mut offset) = (Vec::new(), Some(json!(0)));
    while let Some(at) = offset {
        let page = read(&world, json!({ "path": "long.csv", "offset": at, "limit": 5_000 })).await;
        assert_eq!(page["rowsTotal"], 12_000);
        seen.extend(
            page["rows"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row[0].as_str().unwrap().to_owned()),
        );
        offset = page.get("nextOffset").cloned();
    }
    assert_eq!(seen, (0..12_000).map(|row| row.to_string()).collect::<Vec<_>>());
    let cells = vec!["x".repeat(30_000); 500].join("\n");
    world.put("heavy.csv", &cells);
    let page = read(&world, json!({ "path": "heavy.csv", "limit": 500 })).await;
    assert!(
        page["nextOffset"].as_u64().is_some_and(|next| next > 100 && next < 200),
        "{}",
        page["nextOffset"]
    );
    world.put("broad.csv", ["1"; 1_001].join(","));
    world.put("fake.xlsx", "no package");
    world.put("old.xls", "x");
    world.put("binary.csv", b"PK\x03\x04\0\0");
    for (path, code) in [
        ("broad.csv", ErrorCode::LimitExceeded),
        ("fake.xlsx", ErrorCode::InvalidArguments),
        ("old.xls", ErrorCode::InvalidArguments),
        ("binary.csv", ErrorCode::InvalidArguments),
        ("gone.csv", ErrorCode::NotFound),
        ("../x.csv", ErrorCode::PathOutside),
    ] {
        assert_eq!(
            world.fault("table.read", json!({ "path": path })).await.code,
            code,
            "{path}"
        );
    }
}
