//! What a worker does in a page, by refs.

use std::time::{Duration, Instant};

use openwrap_contracts::limits::{BROWSER_LOAD_MS_MAX, BROWSER_SCREENSHOT_BYTES_MAX, BROWSER_TEXT_BYTES_MAX};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde_json::{Value, json};

use crate::browser::{Browser, TabHome};
use crate::keys::Key;
use crate::page::{self, Element};
use crate::refs::Known;
use crate::text::{json_bytes, line};

/// How often a page is looked at while something is waited for.
const LOOK: Duration = Duration::from_millis(100);
/// Rows read of a table in one call, before the limit of bytes.
const ROWS_MAX: usize = 1_000;
const COLUMNS_MAX: usize = 60;
const CELL_CHARS_MAX: usize = 500;
/// Longest picture of a whole page, in CSS pixels.
const PICTURE_HEIGHT_MAX: f64 = 8_000.0;

/// The fault of a ref whose node is not there any more.
pub fn gone() -> Fault {
    Fault::new(ErrorCode::NotFound, "the element is not on the page any more")
        .with_hint("Take a new browser.snapshot and use a ref from it.")
}

fn cannot(why: impl std::fmt::Display) -> Fault {
    Fault::new(ErrorCode::InvalidState, format!("the element is {why}"))
}

/// Reads what a script of a point says.
pub fn point_of(answer: &Value) -> Outcome<(f64, f64)> {
    if let (Some(x), Some(y)) = (answer["x"].as_f64(), answer["y"].as_f64()) {
        return Ok((x, y));
    }
    if let Some(cover) = answer["covered"].as_str() {
        return Err(cannot(format!("covered by {}", line(cover, 240)))
            .with_hint("Close or scroll away what covers it, then try again."));
    }
    let why = [
        ("gone", "gone from the page"),
        ("hidden", "not visible"),
        ("disabled", "disabled"),
        ("outside", "outside of what can be scrolled to"),
    ];
    match why.iter().find(|(key, _)| answer[*key] == true) {
        Some(("gone", _)) => Err(gone()),
        Some((_, why)) => Err(cannot(why)),
        None => Err(gone()),
    }
}

fn refused(answer: &Value) -> Option<Fault> {
    if answer["gone"] == true {
        return Some(gone());
    }
    let why = answer["refused"].as_str()?;
    let options = answer["options"].as_array().map_or_else(String::new, |options| {
        let names: Vec<String> = options
            .iter()
            .filter_map(Value::as_str)
            .map(|name| line(name, 80))
            .collect();
        format!("; it has {}", names.join(", "))
    });
    Some(cannot(format!("{}{options}", line(why, 300))))
}

impl Browser {
    /// The node a ref stands for.
    ///
    /// # Errors
    /// `NOT_FOUND` for a ref that was never given out, or whose page or node has gone.
    pub(crate) async fn element(&self, reference: &str) -> Outcome<Element> {
        let shown = line(reference, 40);
        let (tab, node) = match self.with(|state| state.refs.known(reference)) {
            Known::Node(tab, node) => (tab, node),
            Known::Old => return Err(gone()),
            Known::Never => {
                return Err(Fault::not_found(format!("there is no ref `{shown}`"))
                    .with_hint("Refs stand in browser.snapshot, as e12."));
            }
        };
        let (front, current) = self.with(|state| {
            let loader = state
                .tab(tab)
                .and_then(|tab| tab.loaders.get(&node.home.frame).cloned());
            (state.front, loader)
        });
        if current.as_deref() != Some(node.loader.as_str()) {
            return Err(
                Fault::not_found(format!("`{shown}` belongs to a page that is not shown any more"))
                    .with_hint("Take a new browser.snapshot and use a ref from it."),
            );
        }
        if front != tab {
            return Err(Fault::new(
                ErrorCode::InvalidState,
                format!("`{shown}` lies in tab {tab}, which is not at the front"),
            )
            .with_hint("Bring it to the front with browser.tabs first."));
        }
        self.hold(&node.home, tab, node.backend)
            .await
            .map_err(|fault| match fault.code {
                ErrorCode::ExecutionFailed => gone(),
                _ => fault,
            })
    }

    /// Presses and releases the left button on an element that is visible and on top.
    pub(crate) async fn click(&self, reference: &str, clicks: u32) -> Outcome<()> {
        let element = self.element(reference).await?;
        let tab = self.front()?;
        let answer = self.on(&element, page::POINT, &[]).await?;
        let point = self.outward(&tab, &element.home, point_of(&answer)?).await?;
        self.let_go(&element.home);
        let session = Some(tab.home.session.as_str());
        let mouse = |kind: &str, button: &str, count: u32| {
            let params = json!({
                "type": kind, "x": point.0, "y": point.1, "button": button, "buttons": u32::from(kind == "mousePressed"),
                "clickCount": count,
            });
            self.devtools.call(session, "Input.dispatchMouseEvent", params)
        };
        mouse("mouseMoved", "none", 0).await?;
        for count in 1..=clicks {
            mouse("mousePressed", "left", count).await?;
            // A click may close the tab or open a dialog, and then has no answer.
            let _ = mouse("mouseReleased", "left", count).await;
        }
        self.settled().await;
        Ok(())
    }

    /// Puts text into a field in place of what it held.
    pub(crate) async fn type_text(&self, reference: &str, text: &str, submit: bool) -> Outcome<()> {
        let element = self.element(reference).await?;
        let tab = self.front()?;
        let answer = self.on(&element, page::FOCUS, &[json!(text)]).await?;
        self.let_go(&element.home);
        if let Some(fault) = refused(&answer) {
            return Err(fault);
        }
        let session = Some(tab.home.session.as_str());
        if answer["focused"] == true {
            if text.is_empty() {
                if answer["empty"] != true {
                    self.press_key(&tab, &Key::parse("Delete")?).await?;
                }
            } else {
                self.devtools
                    .call(session, "Input.insertText", json!({ "text": text }))
                    .await?;
            }
        }
        if submit {
            self.press_key(&tab, &Key::parse("Enter")?).await?;
        }
        self.settled().await;
        Ok(())
    }

    async fn press_key(&self, tab: &TabHome, key: &Key) -> Outcome<()> {
        let session = Some(tab.home.session.as_str());
        self.devtools
            .call(session, "Input.dispatchKeyEvent", key.event(true))
            .await?;
        self.devtools
            .call(session, "Input.dispatchKeyEvent", key.event(false))
            .await
            .map(|_| ())
    }

    pub(crate) async fn press(&self, key: &str) -> Outcome<()> {
        let key = Key::parse(key)?;
        let tab = self.front()?;
        self.press_key(&tab, &key).await?;
        self.settled().await;
        Ok(())
    }

    pub(crate) async fn select(&self, reference: &str, values: &[String]) -> Outcome<Value> {
        let element = self.element(reference).await?;
        let answer = self.on(&element, page::SELECT, &[json!(values)]).await?;
        self.let_go(&element.home);
        if let Some(fault) = refused(&answer) {
            return Err(fault);
        }
        self.settled().await;
        Ok(answer["selected"].clone())
    }

    /// `act`: `by`, `top`, `bottom`, `into`.
    pub(crate) async fn scroll(&self, reference: Option<&str>, act: &str, pixels: f64) -> Outcome<Value> {
        let arguments = [json!(act), json!(pixels)];
        let answer = match reference {
            Some(reference) => {
                let element = self.element(reference).await?;
                self.on(&element, page::SCROLL, &arguments).await?
            }
            None => self.in_frame(&self.front()?.home, page::SCROLL, &arguments).await?,
        };
        self.settled().await;
        Ok(answer)
    }

    /// Waits until a text is on the page.
    ///
    /// # Errors
    /// `TIMEOUT`.
    pub(crate) async fn wait_for(&self, text: &str) -> Outcome<()> {
        let deadline = Instant::now() + Duration::from_millis(BROWSER_LOAD_MS_MAX);
        loop {
            let tab = self.front()?;
            // While the page changes, its frame may not be there for a moment.
            let there = self.in_frame(&tab.home, page::HAS_TEXT, &[json!(text)]).await;
            if there.is_ok_and(|there| there == true) {
                return Ok(());
            }
            if Instant::now() > deadline || !self.is_alive() {
                let shown = line(text, 120);
                return Err(Fault::new(
                    ErrorCode::Timeout,
                    format!("\"{shown}\" did not appear on the page within {BROWSER_LOAD_MS_MAX} ms"),
                ));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Cells of a table, as many rows as fit.
    pub(crate) async fn table(&self, reference: Option<&str>, index: usize, from: usize) -> Outcome<Value> {
        let limits = [json!(from), json!(ROWS_MAX), json!(COLUMNS_MAX), json!(CELL_CHARS_MAX)];
        let ask = |index: Value| [vec![index], limits.to_vec()].concat();
        let answer = match reference {
            Some(reference) => {
                let element = self.element(reference).await?;
                self.on(&element, page::TABLE, &ask(Value::Null)).await?
            }
            None => {
                self.in_frame(&self.front()?.home, page::TABLE, &ask(json!(index)))
                    .await?
            }
        };
        if answer["missing"] == true {
            let count = answer["count"].as_u64().unwrap_or(0);
            let where_ = reference.map_or_else(
                || format!("no table with index {index}: the page has {count}"),
                |reference| format!("no table at `{}`", line(reference, 40)),
            );
            return Err(Fault::not_found(format!("there is {where_}")));
        }
        Ok(within(answer, from))
    }

    /// A picture of what is shown, of one element, or of the whole page; PNG bytes.
    pub(crate) async fn picture(&self, reference: Option<&str>, whole: bool) -> Outcome<Vec<u8>> {
        use base64::Engine;
        let tab = self.front()?;
        let session = Some(tab.home.session.as_str());
        let mut params = json!({ "format": "png" });
        if let Some(reference) = reference {
            let element = self.element(reference).await?;
            if element.home != tab.home {
                return Err(cannot("inside a frame; take the picture without a ref"));
            }
            let area = self.on(&element, page::BOX, &[]).await?;
            let size = |key: &str| area[key].as_f64().unwrap_or(0.0);
            if size("width") < 1.0 || size("height") < 1.0 {
                return Err(cannot("not visible"));
            }
            params["clip"] = clip(size("x"), size("y"), size("width"), size("height"));
            params["captureBeyondViewport"] = json!(true);
        } else if whole {
            let metrics = self.devtools.call(session, "Page.getLayoutMetrics", json!({})).await?;
            let size = |key: &str| metrics["cssContentSize"][key].as_f64().unwrap_or(1.0);
            params["clip"] = clip(0.0, 0.0, size("width"), size("height"));
            params["captureBeyondViewport"] = json!(true);
        }
        let answer = self.devtools.call(session, "Page.captureScreenshot", params).await?;
        let data = answer["data"].as_str().unwrap_or_default();
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(data)
            .map_err(|error| Fault::internal(format!("the browser's picture: {error}")))?;
        if bytes.len() > BROWSER_SCREENSHOT_BYTES_MAX {
            let limit = format!(
                "the picture has {} bytes, {BROWSER_SCREENSHOT_BYTES_MAX} are the most",
                bytes.len()
            );
            return Err(Fault::new(ErrorCode::LimitExceeded, limit));
        }
        Ok(bytes)
    }
}

fn clip(x: f64, y: f64, width: f64, height: f64) -> Value {
    let height = height.min(PICTURE_HEIGHT_MAX);
    let width = width.min(PICTURE_HEIGHT_MAX);
    json!({ "x": x, "y": y, "width": width, "height": height, "scale": 1 })
}

/// The rows that fit into one call; the rest is named.
fn within(mut table: Value, from: usize) -> Value {
    let Value::Array(rows) = table["rows"].take() else {
        return table;
    };
    let total = table["total"].as_u64().unwrap_or(0);
    let mut bytes = json_bytes(&table.to_string()) + 200;
    let mut fitting = Vec::new();
    for row in rows {
        bytes += row.to_string().len() + 1;
        if bytes > BROWSER_TEXT_BYTES_MAX && !fitting.is_empty() {
            break;
        }
        fitting.push(row);
    }
    let next = from + fitting.len();
    table["rows"] = Value::Array(fitting);
    if (next as u64) < total {
        table["nextFrom"] = json!(next);
    }
    table
}
