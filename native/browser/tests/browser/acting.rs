//! Acting on pages: clicks, covers, fields, keys, tabs, waiting.

use openwrap_contracts::ErrorCode;
use serde_json::json;

use crate::world::{World, page, reference};

/// In one browser: starting it is most of what a test costs.
#[tokio::test(flavor = "multi_thread")]
async fn acts_reach_the_page() {
    let world = World::open().await;
    a_covered_element_is_not_clicked_and_its_cover_is_named(&world).await;
    a_form_is_filled_and_sent(&world).await;
    keys_scrolling_waiting_dialogs_and_frames(&world).await;
}

async fn a_covered_element_is_not_clicked_and_its_cover_is_named(world: &World) {
    let text = world
        .read(
            "/",
            "<button onclick=\"document.title='clicked'\">Buy</button><button style='visibility:hidden'>Ghost</button>
             <button disabled>Off</button>
             <div id=cookie-wall role=dialog aria-label='Cookie wall' style='position:fixed;inset:0;background:#fff8'
               onclick='this.remove()'>We value your privacy</div>",
        )
        .await;
    let buy = reference(&text, "Buy");
    let fault = world.fails("browser.click", json!({ "ref": buy })).await;
    assert_eq!(fault.code, ErrorCode::InvalidState);
    assert!(
        fault.message.contains("cookie-wall") && fault.message.contains("Cookie wall"),
        "{fault}"
    );
    assert!(
        world
            .fails("browser.click", json!({ "ref": reference(&text, "Off") }))
            .await
            .message
            .contains("disabled")
    );
    let wall = reference(
        &world
            .read("/", "<button onclick=\"document.title='clicked'\">Buy</button>")
            .await,
        "Buy",
    );
    world.says("browser.click", json!({ "ref": wall })).await;
    assert_eq!(
        world.says("browser.tabs", json!({ "act": "list" })).await["title"],
        "clicked"
    );
}

async fn a_form_is_filled_and_sent(world: &World) {
    world.site.put("/done", page("<h1>Thank you</h1>"));
    let text = world
        .read(
            "/form",
            "<form action=/done><label>Name <input name=name value=old></label>
             <label>Note <textarea name=note></textarea></label><label>Day <input type=date name=day></label>
             <select name=color aria-label=Color><option value=r>Red<option value=g>Green</select>
             <label><input type=checkbox name=agree> Agree</label><input type=file aria-label=File>
             <div contenteditable aria-label=Rich role=textbox>x</div></form>",
        )
        .await;
    let field = |words: &str| reference(&text, words);
    world
        .says("browser.type", json!({ "ref": field("Note"), "text": "two\nlines" }))
        .await;
    world
        .says("browser.type", json!({ "ref": field("Day"), "text": "2026-02-03" }))
        .await;
    world
        .says("browser.type", json!({ "ref": field("Rich"), "text": "rich" }))
        .await;
    let chosen = world
        .says("browser.select", json!({ "ref": field("Color"), "values": ["Green"] }))
        .await;
    assert_eq!(chosen["selected"], json!(["Green"]));
    world.says("browser.click", json!({ "ref": field("Agree") })).await;
    let fault = world
        .fails("browser.select", json!({ "ref": field("Color"), "values": ["Blue"] }))
        .await;
    assert!(fault.message.contains("Red, Green"), "{fault}");
    assert!(
        world
            .fails("browser.type", json!({ "ref": field("File"), "text": "/etc/passwd" }))
            .await
            .message
            .contains("takes no text")
    );
    let done = world
        .says(
            "browser.type",
            json!({ "ref": field("Name"), "text": "Ada", "submit": true }),
        )
        .await;
    let url = done["url"].as_str().unwrap();
    for sent in [
        "/done?",
        "name=Ada",
        "note=two%0D%0Alines",
        "day=2026-02-03",
        "color=g",
        "agree=on",
    ] {
        assert!(url.contains(sent), "{sent} is not in {url}");
    }
    assert!(world.snapshot().await.contains("Thank you"));
}

async fn keys_scrolling_waiting_dialogs_and_frames(world: &World) {
    let text = world
        .read(
            "/",
            "<input aria-label=Field><p id=out></p><div style='height:4000px'></div><button id=low>Low</button>
             <iframe title=Inner style='margin-left:200px' srcdoc='<button onclick=\"parent.document.title=7\">Deep</button>'></iframe>
             <button onclick=\"alert('Saved'); document.title=confirm('Sure?')\">Ask</button>
             <script>document.addEventListener('keydown', e => out.textContent += e.key + e.ctrlKey + ' ');
             setTimeout(() => document.body.append('later on'), 300)</script>",
        )
        .await;
    world.says("browser.wait", json!({ "text": "later on" })).await;
    world.says("browser.press", json!({ "key": "Control+b" })).await;
    world.says("browser.press", json!({ "key": "ArrowDown" })).await;
    assert!(world.snapshot().await.contains("btrue ArrowDownfalse"));
    let place = world.says("browser.scroll", json!({ "to": "bottom" })).await;
    assert!(place["scrolled"]["top"].as_f64().unwrap() > 3_000.0, "{place}");
    world
        .says("browser.click", json!({ "ref": reference(&text, "Deep") }))
        .await;
    let standing = world.says("browser.tabs", json!({ "act": "list" })).await;
    assert_eq!(standing["title"], "7");
    let asked = world
        .says("browser.click", json!({ "ref": reference(&text, "Ask") }))
        .await;
    let notices = asked["notices"].to_string();
    assert!(
        notices.contains("Saved") && notices.contains("Sure?") && notices.contains("with no"),
        "{asked}"
    );
    assert_eq!(
        world.fails("browser.press", json!({ "key": "Hyper" })).await.code,
        ErrorCode::InvalidArguments
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tabs_open_come_to_the_front_and_close() {
    let world = World::open().await;
    let second = world.site.put("/second", page("<h1>Second</h1>"));
    world
        .says(
            "browser.open",
            json!({ "url": world.site.put("/first", page("<a href=/second target=_blank>Go</a>")) }),
        )
        .await;
    let first = world.snapshot().await;
    let opened = world
        .says("browser.click", json!({ "ref": reference(&first, "Go") }))
        .await;
    assert_eq!(opened["tab"], 2, "{opened}");
    assert!(world.snapshot().await.contains("Second"));
    let fault = world
        .fails("browser.click", json!({ "ref": reference(&first, "Go") }))
        .await;
    assert!(fault.message.contains("tab 1"), "{fault}");
    world.says("browser.open", json!({ "url": second })).await;
    let tabs = world.says("browser.tabs", json!({ "act": "front", "tab": 1 })).await;
    assert_eq!(tabs["tabs"].as_array().unwrap().len(), 3);
    assert!(tabs["url"].as_str().unwrap().ends_with("/first"), "{tabs}");
    assert_eq!(reference(&world.snapshot().await, "Go"), reference(&first, "Go"));
    let closed = world.says("browser.tabs", json!({ "act": "close", "tab": 1 })).await;
    assert_eq!(closed["tabs"].as_array().unwrap().len(), 2);
    let back = world
        .says(
            "browser.navigate",
            json!({ "url": world.site.put("/third", page("3")) }),
        )
        .await;
    assert!(back["url"].as_str().unwrap().ends_with("/third"));
    let back = world.says("browser.tabs", json!({ "act": "back" })).await;
    assert!(back["url"].as_str().unwrap().ends_with("/second"), "{back}");
    assert_eq!(
        world
            .fails("browser.tabs", json!({ "act": "close", "tab": 77 }))
            .await
            .code,
        ErrorCode::NotFound
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_of_another_site_is_read_and_clicked_where_nothing_covers_it() {
    let world = World::open().await;
    world.site.put(
        "/inner",
        page("<button onclick=\"this.textContent='Pressed'\">Press</button>"),
    );
    let other = format!("http://localhost:{}/inner", world.site.port());
    let text = world
        .read(
            "/",
            &format!(
                "<div style='height:60px'></div><iframe title=Other src={other} style='margin-left:150px;border:5px solid'></iframe>
                 <button id=toggle onclick='wall.hidden = !wall.hidden'>Wall</button>
                 <div id=wall hidden style='position:fixed;inset:0 0 auto 0;height:220px;background:#fff'>In the way</div>"
            ),
        )
        .await;
    let press = reference(&text, "Press");
    world
        .says("browser.click", json!({ "ref": reference(&text, "Wall") }))
        .await;
    let fault = world.fails("browser.click", json!({ "ref": press })).await;
    assert!(fault.message.contains("wall"), "{fault}");
    world
        .says("browser.click", json!({ "ref": reference(&text, "Wall") }))
        .await;
    world.says("browser.click", json!({ "ref": press })).await;
    assert!(world.snapshot().await.contains("Pressed"));
}
