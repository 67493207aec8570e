//! The tools over a task's browser. What they answer comes from the web and is labelled so.

use std::sync::Arc;
use std::time::Duration;

use openwrap_contracts::identity::Label;
use openwrap_contracts::limits::BROWSER_LOAD_MS_MAX;
use openwrap_contracts::ports::{Task, Tool, ToolInput};
use openwrap_contracts::tool::{ToolDefinition, ToolOutput, Writes};
use openwrap_contracts::{Fault, Outcome};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::address::Address;
use crate::browser::{BLANK, Browser};
use crate::browsers::Browsers;
use crate::file::{picture_path, write_picture};
use crate::offer::{ACTS, Act};
use crate::page;
use crate::text::line;

/// The browser's tools, by name.
#[must_use]
pub fn tools(browsers: &Arc<Browsers>) -> Vec<Arc<dyn Tool>> {
    let tool = |act: &Act| {
        Arc::new(BrowserTool {
            definition: act.definition(),
            act: *act,
            browsers: Arc::clone(browsers),
        }) as Arc<dyn Tool>
    };
    ACTS.iter().map(tool).collect()
}

struct BrowserTool {
    definition: ToolDefinition,
    act: Act,
    browsers: Arc<Browsers>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AtAddress {
    url: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reading {
    #[serde(default)]
    cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Clicking {
    r#ref: String,
    #[serde(default)]
    double: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typing {
    r#ref: String,
    text: String,
    #[serde(default)]
    submit: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Selecting {
    r#ref: String,
    values: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pressing {
    key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scrolling {
    #[serde(default)]
    r#ref: Option<String>,
    #[serde(default)]
    to: Option<Edge>,
    #[serde(default)]
    by: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Edge {
    Top,
    Bottom,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Waiting {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Extracting {
    #[serde(default)]
    r#ref: Option<String>,
    #[serde(default)]
    index: Option<usize>,
    #[serde(default)]
    from: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Picturing {
    path: String,
    #[serde(default)]
    r#ref: Option<String>,
    #[serde(default)]
    full_page: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tabbing {
    act: TabAct,
    #[serde(default)]
    tab: Option<u32>,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum TabAct {
    List,
    Front,
    Close,
    Back,
    Forward,
    Reload,
}

impl BrowserTool {
    fn read<T: DeserializeOwned>(&self, value: &Value) -> Outcome<T> {
        T::deserialize(value).map_err(|error| Fault::invalid(format!("{}: {error}", self.act.name())))
    }

    async fn execute(&self, input: &ToolInput) -> Outcome<ToolOutput> {
        // Wrong arguments start no browser.
        self.needs(&input.arguments)?;
        let browser = self.browsers.of(input).await?;
        let _turn = browser.turn.lock().await;
        if !self.act.only_reads() {
            browser.leave();
        }
        if let Act::Screenshot = self.act {
            return self.screenshot(&browser, input).await;
        }
        let mut answer = self
            .act_on(&browser, &input.arguments)
            .await
            .map_err(|fault| told(&browser, fault))?;
        browser.look().await;
        if let (Value::Object(answer), Value::Object(standing)) = (&mut answer, browser.standing()) {
            for (key, value) in standing {
                answer.entry(key).or_insert(value);
            }
        }
        Ok(output(answer))
    }

    async fn act_on(&self, browser: &Browser, arguments: &Value) -> Outcome<Value> {
        match self.act {
            Act::Open | Act::Navigate => {
                let address = Address::parse(&self.read::<AtAddress>(arguments)?.url)?;
                visit(browser, &address, self.act == Act::Open).await
            }
            Act::Snapshot => {
                browser
                    .snapshot(self.read::<Reading>(arguments)?.cursor.as_deref())
                    .await
            }
            Act::Click => {
                let Clicking { r#ref, double } = self.read(arguments)?;
                browser.click(&r#ref, 1 + u32::from(double)).await?;
                Ok(json!({ "clicked": r#ref }))
            }
            Act::Type => {
                let Typing { r#ref, text, submit } = self.read(arguments)?;
                browser.type_text(&r#ref, &text, submit).await?;
                Ok(json!({ "typed": r#ref }))
            }
            Act::Select => {
                let Selecting { r#ref, values } = self.read(arguments)?;
                let selected = browser.select(&r#ref, &values).await?;
                Ok(json!({ "selected": selected }))
            }
            Act::Press => {
                let Pressing { key } = self.read(arguments)?;
                browser.press(&key).await?;
                Ok(json!({ "pressed": key }))
            }
            Act::Scroll => {
                let Scrolling { r#ref, to, by } = self.read(arguments)?;
                let act = match (&to, by, &r#ref) {
                    (Some(Edge::Top), ..) => "top",
                    (Some(Edge::Bottom), ..) => "bottom",
                    (None, None, Some(_)) => "into",
                    _ => "by",
                };
                let pixels = by.unwrap_or(f64::from(crate::browser::HEIGHT) * 0.9);
                let place = browser.scroll(r#ref.as_deref(), act, pixels).await?;
                Ok(json!({ "scrolled": place }))
            }
            Act::Wait => {
                let Waiting { text, ms } = self.read(arguments)?;
                match (text, ms) {
                    (Some(text), _) => {
                        browser.wait_for(&text).await?;
                        Ok(json!({ "found": text }))
                    }
                    (None, ms) => {
                        let ms = ms.unwrap_or(1_000).min(BROWSER_LOAD_MS_MAX);
                        tokio::time::sleep(Duration::from_millis(ms)).await;
                        Ok(json!({ "waitedMs": ms }))
                    }
                }
            }
            Act::ExtractTable => {
                let Extracting { r#ref, index, from } = self.read(arguments)?;
                browser.table(r#ref.as_deref(), index.unwrap_or(0), from).await
            }
            Act::Tabs => tabs(browser, self.read(arguments)?).await,
            Act::Screenshot => Ok(json!({})),
        }
    }

    async fn screenshot(&self, browser: &Browser, input: &ToolInput) -> Outcome<ToolOutput> {
        let Picturing { path, r#ref, full_page } = self.read(&input.arguments)?;
        let path = picture_path(&path)?;
        let bytes = browser.picture(r#ref.as_deref(), full_page).await?;
        let (root, owner) = (input.view.root.clone(), self.browsers.config.tools_owner);
        let written = tokio::task::spawn_blocking(move || write_picture(&root, &path, &bytes, owner)).await;
        let artifact = written.map_err(|error| Fault::internal(format!("the picture was not written: {error}")))??;
        let mut answer = output(json!({ "path": artifact.path, "size": artifact.size, "checksum": artifact.checksum }));
        answer.writes = Writes::Paths(vec![artifact.path.clone()]);
        answer.artifacts = vec![artifact];
        Ok(answer)
    }
}

fn output(content: Value) -> ToolOutput {
    ToolOutput {
        labels: vec![Label::Web],
        ..ToolOutput::read_only(content)
    }
}

/// Why an act failed, with what the page did meanwhile.
fn told(browser: &Browser, fault: Fault) -> Fault {
    let notices = browser.with(|state| std::mem::take(&mut state.notices));
    if notices.is_empty() {
        return fault;
    }
    let notices = Vec::from(notices).join("; ");
    Fault {
        message: format!("{} ({notices})", fault.message),
        ..fault
    }
}

async fn visit(browser: &Browser, address: &Address, anew: bool) -> Outcome<Value> {
    let _going = browser.reach.open(&address.target);
    let front = browser.front();
    let empty = browser.with(|state| state.front().is_some_and(|tab| tab.url == BLANK));
    let tab = match front {
        Ok(front) if !anew || empty => front,
        // A crashed page is replaced by the one asked for.
        Err(_) if !anew => browser.tab(browser.with(|state| state.front))?,
        _ => browser.new_tab().await?,
    };
    browser.go(&tab, address).await?;
    // A page whose status cannot be read has none to tell.
    let status = browser.in_frame(&tab.home, page::STATUS, &[]).await.ok();
    Ok(
        match status.filter(|status| status.as_u64().is_some_and(|status| status > 0)) {
            Some(status) => json!({ "status": status }),
            None => json!({}),
        },
    )
}

async fn tabs(browser: &Browser, Tabbing { act, tab }: Tabbing) -> Outcome<Value> {
    let wanted = || tab.ok_or_else(|| Fault::invalid("browser.tabs: `tab` is missing"));
    match act {
        TabAct::List => {}
        TabAct::Front => browser.bring(wanted()?).await?,
        TabAct::Close => browser.close_tab(wanted()?).await?,
        TabAct::Back => browser.history(&browser.front()?, -1).await?,
        TabAct::Forward => browser.history(&browser.front()?, 1).await?,
        TabAct::Reload => browser.history(&browser.front()?, 0).await?,
    }
    let tabs: Vec<Value> = browser.with(|state| {
        let front = state.front;
        state
            .tabs
            .iter()
            .map(|tab| {
                json!({
                    "tab": tab.number, "url": crate::address::shown(&tab.url), "title": line(&tab.title, 200),
                    "front": tab.number == front,
                })
            })
            .collect()
    });
    Ok(json!({ "tabs": tabs }))
}

impl Tool for BrowserTool {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn needs(&self, arguments: &Value) -> Outcome<Vec<String>> {
        Ok(match self.act {
            Act::Open | Act::Navigate => {
                let address = Address::parse(&self.read::<AtAddress>(arguments)?.url)?;
                vec![format!("browser:{}", address.origin)]
            }
            Act::Screenshot => vec![format!(
                "write:{}",
                picture_path(&self.read::<Picturing>(arguments)?.path)?
            )],
            _ => Vec::new(),
        })
    }

    fn summary(&self, arguments: &Value) -> String {
        let text = |key: &str| line(arguments[key].as_str().unwrap_or_default(), 2_000);
        match self.act {
            Act::Open | Act::Navigate => format!("open {}", text("url")),
            Act::Snapshot => "read the page".to_owned(),
            Act::Click => format!("click {}", text("ref")),
            Act::Type => format!("type {:?} into {}", text("text"), text("ref")),
            Act::Select => format!(
                "choose {} in {}",
                line(&arguments["values"].to_string(), 500),
                text("ref")
            ),
            Act::Press => format!("press {}", text("key")),
            Act::Scroll => "scroll the page".to_owned(),
            Act::Wait => "wait for the page".to_owned(),
            Act::ExtractTable => "read a table of the page".to_owned(),
            Act::Screenshot => format!("write a picture of the page to {}", text("path")),
            Act::Tabs => format!("{} tabs", text("act")),
        }
    }

    fn run(&self, input: ToolInput) -> Task<'_, Outcome<ToolOutput>> {
        Box::pin(async move {
            tokio::select! {
                biased;
                () = input.cancel.cancelled() => Err(Fault::canceled()),
                done = self.execute(&input) => done,
            }
        })
    }
}
