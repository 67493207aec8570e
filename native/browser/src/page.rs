//! Scripts run in pages: in a world of their own, where nothing of the page's can change what they see.

use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde_json::{Value, json};

use crate::browser::Browser;

/// Name of the world scripts run in; the page's scripts have another.
const WORLD: &str = "openwrap";
const OBJECTS: &str = "openwrap";

pub const POINT: &str = include_str!("scripts/point.js");
pub const FRAME_POINT: &str = include_str!("scripts/frame-point.js");
pub const FOCUS: &str = include_str!("scripts/focus.js");
pub const SELECT: &str = include_str!("scripts/select.js");
pub const TABLE: &str = include_str!("scripts/table.js");
pub const FIELDS: &str = include_str!("scripts/fields.js");
pub const SCROLL: &str = include_str!("scripts/scroll.js");
pub const BOX: &str = include_str!("scripts/box.js");
pub const HAS_TEXT: &str = "function (text) { return (document.body?.innerText ?? '').includes(text); }";
pub const ALL_TEXT: &str = "function (max) { return (document.body?.innerText ?? '').slice(0, max); }";
pub const WHERE: &str = "function () { return [document.title.slice(0, 2000), location.href.slice(0, 8000)]; }";
pub const STATUS: &str = "function () { return performance.getEntriesByType('navigation')[0]?.responseStatus ?? 0; }";

/// A document's frame and the DevTools session that reaches it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FrameHome {
    pub session: String,
    pub frame: String,
}

/// A node of a page, held until [`Browser::let_go`].
#[derive(Debug, Clone)]
pub struct Element {
    pub home: FrameHome,
    pub tab: u32,
    object: String,
}

/// The script as a function: what stands before it is its comment.
fn function(script: &str) -> &str {
    match script.find("*/\n") {
        Some(end) if script.starts_with("/**") => &script[end + 3..],
        _ => script,
    }
}

impl Browser {
    async fn world(&self, home: &FrameHome) -> Outcome<i64> {
        let params = json!({ "frameId": home.frame, "worldName": WORLD });
        let made = self
            .devtools
            .call(Some(&home.session), "Page.createIsolatedWorld", params)
            .await?;
        made["executionContextId"]
            .as_i64()
            .ok_or_else(|| Fault::internal("the browser named no world"))
    }

    /// Holds a node by its number in the browser.
    pub async fn hold(&self, home: &FrameHome, tab: u32, backend: i64) -> Outcome<Element> {
        let world = self.world(home).await?;
        let params = json!({ "backendNodeId": backend, "executionContextId": world, "objectGroup": OBJECTS });
        let node = self
            .devtools
            .call(Some(&home.session), "DOM.resolveNode", params)
            .await?;
        let object = node["object"]["objectId"].as_str();
        Ok(Element {
            home: home.clone(),
            tab,
            object: object
                .ok_or_else(|| Fault::internal("the browser named no object"))?
                .to_owned(),
        })
    }

    /// Calls a script on a node.
    pub async fn on(&self, element: &Element, script: &str, arguments: &[Value]) -> Outcome<Value> {
        let to = json!({ "objectId": element.object });
        self.script(&element.home, to, script, arguments).await
    }

    /// Calls a script on a frame's window.
    pub async fn in_frame(&self, home: &FrameHome, script: &str, arguments: &[Value]) -> Outcome<Value> {
        let world = self.world(home).await?;
        let to = json!({ "executionContextId": world, "objectGroup": OBJECTS });
        self.script(home, to, script, arguments).await
    }

    async fn script(&self, home: &FrameHome, mut call: Value, script: &str, arguments: &[Value]) -> Outcome<Value> {
        let arguments: Vec<Value> = arguments.iter().map(|value| json!({ "value": value })).collect();
        call["functionDeclaration"] = json!(function(script));
        call["arguments"] = json!(arguments);
        call["returnByValue"] = json!(true);
        call["awaitPromise"] = json!(true);
        let answer = self
            .devtools
            .call(Some(&home.session), "Runtime.callFunctionOn", call)
            .await?;
        if let Some(thrown) = answer.get("exceptionDetails") {
            let what = thrown["exception"]["description"].as_str().or(thrown["text"].as_str());
            let what = crate::text::line(what.unwrap_or_default(), 200);
            return Err(Fault::new(
                ErrorCode::ExecutionFailed,
                format!("the page could not be read: {what}"),
            ));
        }
        Ok(answer["result"]["value"].clone())
    }

    /// Lets go of every node held in a session.
    pub fn let_go(&self, home: &FrameHome) {
        let params = json!({ "objectGroup": OBJECTS });
        self.devtools
            .post(Some(&home.session), "Runtime.releaseObjectGroup", params);
    }
}
