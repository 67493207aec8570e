//! Reading pages: text, refs, tables, pictures.

use std::collections::BTreeSet;

use openwrap_contracts::ErrorCode;
use openwrap_contracts::limits::BROWSER_TEXT_BYTES_MAX;
use openwrap_contracts::tool::Writes;
use serde_json::{Value, json};

use crate::world::{World, page, reference};

/// In one browser: starting it is most of what a test costs.
#[tokio::test(flavor = "multi_thread")]
async fn pages_are_read() {
    let world = World::open().await;
    four_hundred_kilobytes_are_all_reachable_within_the_limit_a_call(&world).await;
    the_outline_names_what_can_be_acted_on(&world).await;
    tables_are_read_whole_with_spans_and_in_parts(&world).await;
    a_screenshot_is_a_png_of_the_page_in_the_view(&world).await;
}

async fn four_hundred_kilobytes_are_all_reachable_within_the_limit_a_call(world: &World) {
    let words: Vec<String> = (0..40_000).map(|number| format!("word{number:05}")).collect();
    // Paragraphs, one huge run of text, a list: every shape a long page has.
    let mut body: String = words[..20_000]
        .chunks(50)
        .map(|chunk| format!("<p>{}</p>", chunk.join(" ")))
        .collect();
    body += &format!("<div>{}</div><ul>", words[20_000..30_000].join(" "));
    body.extend(
        words[30_000..]
            .chunks(20)
            .map(|chunk| format!("<li>{}</li>", chunk.join(" "))),
    );
    assert!(body.len() > 400_000);
    let url = world.site.put("/long", page(&body));
    world.says("browser.open", json!({ "url": url })).await;
    let mut seen = BTreeSet::new();
    let mut cursor = Value::Null;
    let mut calls = 0;
    loop {
        let arguments = if cursor.is_null() {
            json!({})
        } else {
            json!({ "cursor": cursor })
        };
        let part = world.says("browser.snapshot", arguments).await;
        assert!(
            part.to_string().len() <= BROWSER_TEXT_BYTES_MAX,
            "{}",
            part.to_string().len()
        );
        let text = part["text"].as_str().unwrap();
        seen.extend(
            text.split_whitespace()
                .filter(|word| word.starts_with("word"))
                .map(str::to_owned),
        );
        // A run of text over the limit is cut between two calls, perhaps inside a word: the whole text is joined below.
        calls += 1;
        assert!(calls < 60);
        cursor = part["cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    let missing = words.iter().filter(|word| !seen.contains(*word)).count();
    assert!(missing <= calls, "{missing} words were not read in {calls} calls");
    let stale = world.says("browser.snapshot", json!({})).await;
    assert!(stale["cursor"].is_string());
    let fault = world.fails("browser.snapshot", json!({ "cursor": "999:0" })).await;
    assert_eq!(fault.code, ErrorCode::InvalidArguments);
}

async fn the_outline_names_what_can_be_acted_on(world: &World) {
    let text = world
        .read(
            "/",
            "<h1>Orders</h1><nav aria-label=Main><a href=/a>Home</a></nav><p>Some <b>bold</b> text.</p>
             <label>Name <input value=Ada required></label><label><input type=checkbox checked> Agree</label>
             <select aria-label=Color><option>Red<option selected>Green</select><button disabled>Send</button>
             <p hidden>secret</p><div style='display:none'>gone</div><div aria-hidden=true>decor</div>
             <input type=password aria-label=Pass value=hunter2>
             <iframe title=Inner srcdoc='<button>In the frame</button>'></iframe>
             <div id=host></div><script>host.attachShadow({mode:'open'}).innerHTML='<button>In the shadow</button>'</script>
             <table><tr><th>A<th>B<tr><td>1<td>2</table>",
        )
        .await;
    for expected in [
        "heading: Orders (level 1)",
        ": Home",
        "Some bold text.",
        ": Name = Ada (required)",
        "Agree (checked)",
        "Color = Green [Red; *Green]",
        "button e",
        "Send (disabled)",
        "In the frame",
        "In the shadow",
        "row: A | B",
        "row: 1 | 2",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in:\n{text}");
    }
    for hidden in ["secret", "gone", "decor", "hunter2"] {
        assert!(!text.contains(hidden), "{hidden} is in:\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refs_stay_with_their_element_and_are_never_used_again() {
    let world = World::open().await;
    let first = world.read("/a", "<button>One</button><button>Two</button>").await;
    let again = world.snapshot().await;
    assert_eq!(first, again);
    let old = reference(&first, "One");
    let mut given: BTreeSet<String> = BTreeSet::new();
    for round in 0..4 {
        let text = world
            .read(&format!("/page{round}"), "<button>One</button><a href=/x>Link</a>")
            .await;
        for words in ["One", "Link"] {
            assert!(given.insert(reference(&text, words)), "{text}");
        }
        assert!(!given.contains(&old));
    }
    let fault = world.fails("browser.click", json!({ "ref": old })).await;
    assert_eq!(fault.code, ErrorCode::NotFound);
    assert!(fault.message.contains("not shown any more"), "{fault}");
    // A node that goes and one like it that comes are two.
    let text = world.read("/swap", "<div id=box><button>Swap</button></div>").await;
    let before = reference(&text, "Swap");
    world.says("browser.wait", json!({ "ms": 1 })).await;
    let text = world
        .read(
            "/swapped",
            "<button onclick=\"this.outerHTML='<button>Swap</button>'\">Swap</button>",
        )
        .await;
    let now = reference(&text, "Swap");
    world.says("browser.click", json!({ "ref": now })).await;
    let after = reference(&world.snapshot().await, "Swap");
    assert!(after != now && after != before && !given.contains(&after));
    assert_eq!(
        world.fails("browser.click", json!({ "ref": now })).await.code,
        ErrorCode::NotFound
    );
    assert_eq!(
        world.fails("browser.click", json!({ "ref": "e99999" })).await.code,
        ErrorCode::NotFound
    );
}

async fn tables_are_read_whole_with_spans_and_in_parts(world: &World) {
    let rows: String = (0..2_000)
        .map(|row| format!("<tr><td>{row}</td><td>value of {row}</td></tr>"))
        .collect();
    let text = world
        .read(
            "/",
            &format!(
                "<table><caption>Small</caption><thead><tr><th>Kind</th><th colspan=2>Both</th></tr></thead>
                 <tr><td rowspan=2>a</td><td>1</td><td>2</td></tr><tr><td>3</td><td> 4 <b>5</b></td></tr></table>
                 <table id=big><tr><th>Row</th><th>Text</th></tr>{rows}</table>"
            ),
        )
        .await;
    let small = world.says("browser.extractTable", json!({ "index": 0 })).await;
    assert_eq!(small["caption"], "Small");
    assert_eq!(small["columns"], json!(["Kind", "Both", "Both"]));
    assert_eq!(small["rows"], json!([["a", "1", "2"], ["a", "3", "4 5"]]));
    let table = reference(&text, "table");
    let by_ref = world.says("browser.extractTable", json!({ "ref": table })).await;
    assert_eq!(by_ref["rows"], small["rows"]);
    let mut from = 0;
    let mut read = Vec::new();
    loop {
        let part = world
            .says("browser.extractTable", json!({ "index": 1, "from": from }))
            .await;
        assert!(
            part.to_string().len() <= BROWSER_TEXT_BYTES_MAX + 600,
            "{}",
            part.to_string().len()
        );
        assert_eq!(
            (&part["total"], &part["columns"]),
            (&json!(2_000), &json!(["Row", "Text"]))
        );
        read.extend(
            part["rows"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row[0].as_str().unwrap().to_owned()),
        );
        match part["nextFrom"].as_u64() {
            Some(next) => from = next,
            None => break,
        }
    }
    assert_eq!(read, (0..2_000).map(|row| row.to_string()).collect::<Vec<_>>());
    let fault = world.fails("browser.extractTable", json!({ "index": 7 })).await;
    assert!(fault.message.contains("the page has 2"), "{fault}");
}

async fn a_screenshot_is_a_png_of_the_page_in_the_view(world: &World) {
    world
        .read(
            "/",
            "<body style='margin:0;background:#0a0'><div style='height:3000px'>tall</div>",
        )
        .await;
    let size = |bytes: &[u8]| {
        let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!(&bytes[1..4], b"PNG");
        (number(16), number(20))
    };
    let shot = world
        .run("browser.screenshot", json!({ "path": "shots/page.png" }))
        .await
        .unwrap();
    assert_eq!(shot.writes, Writes::Paths(vec!["shots/page.png".to_owned()]));
    assert_eq!(shot.artifacts[0].media_type, "image/png");
    assert_eq!(
        size(&std::fs::read(world.view.root.join("shots/page.png")).unwrap()),
        (1280, 800)
    );
    world
        .says("browser.screenshot", json!({ "path": "full.png", "fullPage": true }))
        .await;
    assert_eq!(
        size(&std::fs::read(world.view.root.join("full.png")).unwrap()),
        (1280, 3000)
    );
    let tool = world.tool("browser.screenshot");
    assert_eq!(
        tool.needs(&json!({ "path": "./shots/page.png" })).unwrap(),
        ["write:shots/page.png"]
    );
    assert_eq!(
        tool.needs(&json!({ "path": "../x.png" })).unwrap_err().code,
        ErrorCode::PathOutside
    );
}
