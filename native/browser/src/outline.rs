//! An accessibility tree as lines of text.

use std::collections::HashMap;

use openwrap_contracts::limits::BROWSER_PAGE_BYTES_MAX;
use serde::Deserialize;
use serde_json::Value;

use crate::page::FrameHome;
use crate::refs::NodeId;
use crate::roles::{ACTED_ON, INLINE, NAMED_BY_CONTENT, SILENT};
use crate::text::line;

/// Bytes of one name or text piece.
const NAME_BYTES_MAX: usize = 4_000;
/// Names of a list's options shown.
const OPTIONS_SHOWN: usize = 40;
const DEPTH_SHOWN: usize = 12;
/// A run of text is broken here, where the page's structure allows.
const TEXT_LINE_BYTES: usize = 400;

/// One node as DevTools tells it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AxNode {
    node_id: String,
    ignored: bool,
    role: AxValue,
    name: AxValue,
    value: AxValue,
    properties: Vec<AxProperty>,
    parent_id: Option<String>,
    child_ids: Vec<String>,
    #[serde(rename = "backendDOMNodeId")]
    backend: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AxValue {
    value: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AxProperty {
    name: String,
    value: AxValue,
}

/// The tree of one frame, and the frames inside it by the number of the element that holds them.
#[derive(Debug)]
pub struct FrameTree {
    pub home: FrameHome,
    pub loader: String,
    pub nodes: Vec<AxNode>,
    pub frames: HashMap<i64, FrameTree>,
}

/// The lines of a page, and whether all of it is there.
pub struct Outline {
    pub text: String,
    pub whole: bool,
}

struct Writer<'a> {
    refs: &'a mut dyn FnMut(&NodeId) -> u64,
    text: String,
    pending: String,
    pending_depth: usize,
    whole: bool,
}

struct Indexed<'a> {
    tree: &'a FrameTree,
    by_id: HashMap<&'a str, &'a AxNode>,
}

#[derive(Clone, Copy)]
struct Visit<'a> {
    tree: usize,
    node: &'a AxNode,
    depth: usize,
    /// The text here is already told by a name above.
    told: bool,
}

/// The tree as text; `refs` names the nodes a worker may act on.
pub fn outline(tree: &FrameTree, refs: &mut dyn FnMut(&NodeId) -> u64) -> Outline {
    let mut trees = Vec::new();
    let mut writer = Writer {
        refs,
        text: String::new(),
        pending: String::new(),
        pending_depth: 0,
        whole: true,
    };
    let mut stack = Vec::new();
    enter(tree, &mut trees, &mut stack, 0);
    while let Some(visit) = stack.pop() {
        if writer.text.len() > BROWSER_PAGE_BYTES_MAX {
            writer.whole = false;
            break;
        }
        writer.visit(visit, &mut trees, &mut stack);
    }
    writer.flush();
    Outline {
        text: writer.text,
        whole: writer.whole,
    }
}

/// Begins a frame's tree at its root.
fn enter<'a>(tree: &'a FrameTree, trees: &mut Vec<Indexed<'a>>, stack: &mut Vec<Visit<'a>>, depth: usize) {
    let by_id = tree.nodes.iter().map(|node| (node.node_id.as_str(), node)).collect();
    trees.push(Indexed { tree, by_id });
    if let Some(root) = tree.nodes.iter().find(|node| node.parent_id.is_none()) {
        stack.push(Visit {
            tree: trees.len() - 1,
            node: root,
            depth,
            told: false,
        });
    }
}

impl AxNode {
    fn role(&self) -> &str {
        self.role.value.as_str().unwrap_or_default()
    }

    fn name(&self) -> String {
        line(self.name.value.as_str().unwrap_or_default(), NAME_BYTES_MAX)
    }

    fn property(&self, name: &str) -> Option<&Value> {
        self.properties
            .iter()
            .find(|property| property.name == name)
            .map(|property| &property.value.value)
    }

    fn is(&self, name: &str) -> bool {
        self.property(name)
            .is_some_and(|value| value == true || value == "true")
    }

    fn is_acted_on(&self) -> bool {
        // A page that can be scrolled or an element given the focus by its author is acted on too; the document itself is not.
        ACTED_ON.contains(&self.role()) || (self.is("focusable") && self.role() != "RootWebArea")
    }

    fn details(&self) -> String {
        let mut details = String::new();
        if self.role() == "heading"
            && let Some(level) = self.property("level").and_then(Value::as_i64)
        {
            details.push_str(&format!(", level {level}"));
        }
        for state in ["disabled", "selected", "required", "readonly", "focused", "modal"] {
            if self.is(state) {
                details.push_str(&format!(", {state}"));
            }
        }
        for state in ["checked", "pressed", "expanded"] {
            match self.property(state) {
                Some(Value::Bool(true)) => details.push_str(&format!(", {state}")),
                Some(Value::String(value)) if value == "true" => details.push_str(&format!(", {state}")),
                Some(Value::String(value)) if value == "mixed" => details.push_str(&format!(", partly {state}")),
                // A list that is closed is no news.
                Some(_) if is_list(self.role()) => {}
                Some(_) => details.push_str(&format!(", not {state}")),
                None => {}
            }
        }
        if self
            .property("invalid")
            .is_some_and(|value| value != "false" && value != false)
        {
            details.push_str(", invalid");
        }
        details
            .strip_prefix(", ")
            .map_or_else(String::new, |details| format!(" ({details})"))
    }
}

impl<'a> Writer<'_> {
    fn visit(&mut self, visit: Visit<'a>, trees: &mut Vec<Indexed<'a>>, stack: &mut Vec<Visit<'a>>) {
        let Visit { node, depth, told, .. } = visit;
        let role = node.role();
        let children = |told, depth, trees: &[Indexed<'a>], stack: &mut Vec<Visit<'a>>| {
            let by_id = &trees[visit.tree].by_id;
            let found = node.child_ids.iter().rev().filter_map(|id| by_id.get(id.as_str()));
            stack.extend(found.map(|child| Visit {
                tree: visit.tree,
                node: child,
                depth,
                told,
            }));
        };
        if node.ignored {
            if self.pending.len() > TEXT_LINE_BYTES {
                self.flush();
            }
            children(told, depth, trees, stack);
            return;
        }
        match role {
            "StaticText" | "text" => {
                if !told {
                    // Never cut: all of a page's text is reachable.
                    self.say(&line(node.name.value.as_str().unwrap_or_default(), usize::MAX), depth);
                }
            }
            "InlineTextBox" | "LineBreak" | "ListMarker" => {}
            "LabelText" => {
                self.flush();
                // A field in its label has the label's text as its name.
                let named = holds_field(node, &trees[visit.tree]);
                children(told || named, depth, trees, stack);
            }
            _ if INLINE.contains(&role) && !node.is_acted_on() => children(told, depth, trees, stack),
            "row" => {
                self.flush();
                match self.plain_cells(node, &trees[visit.tree]) {
                    Some(cells) if !told => self.put(depth, &format!("row: {}", cells.join(" | "))),
                    Some(_) => {}
                    None => {
                        self.put(depth, "row");
                        children(told, depth + 1, trees, stack);
                    }
                }
            }
            _ => {
                self.flush();
                let deeper = self.announce(visit, &trees[visit.tree]);
                let named = NAMED_BY_CONTENT.contains(&role) && (1..=NAME_BYTES_MAX).contains(&node.name().len());
                if !is_list(role) {
                    children(told || named, depth + usize::from(deeper), trees, stack);
                }
                self.enter_frame(visit, trees, stack);
            }
        }
    }

    /// The document inside a frame's element.
    fn enter_frame(&mut self, visit: Visit<'a>, trees: &mut Vec<Indexed<'a>>, stack: &mut Vec<Visit<'a>>) {
        let inner = visit
            .node
            .backend
            .and_then(|backend| trees[visit.tree].tree.frames.get(&backend));
        if let Some(inner) = inner {
            enter(inner, trees, stack, visit.depth + 1);
        }
    }

    /// Writes the node's own line, if it has one; true when what it holds stands below it.
    fn announce(&mut self, visit: Visit<'a>, trees: &Indexed<'a>) -> bool {
        let (node, role) = (visit.node, visit.node.role());
        let name = node.name();
        let acted_on = node.is_acted_on();
        let says = acted_on || role == "heading" || (!SILENT.contains(&role) && role != "listitem");
        if !says || (visit.told && !acted_on) {
            return false;
        }
        let mut text = shown_role(role).to_owned();
        if acted_on && let Some(backend) = node.backend {
            let id = NodeId {
                home: trees.tree.home.clone(),
                loader: trees.tree.loader.clone(),
                backend,
            };
            text.push_str(&format!(" e{}", (self.refs)(&id)));
        }
        if !name.is_empty() {
            text.push_str(": ");
            text.push_str(&name);
        }
        let value = match &node.value.value {
            Value::String(value) => line(value, NAME_BYTES_MAX),
            Value::Number(value) => value.to_string(),
            _ => String::new(),
        };
        if !value.is_empty() && value != name {
            text.push_str(" = ");
            text.push_str(&value);
        }
        text.push_str(&node.details());
        if is_list(role) {
            text.push_str(&options(node, trees));
        }
        self.put(visit.depth, &text);
        true
    }

    /// The texts of a row's cells, when no cell holds something to act on.
    fn plain_cells(&self, row: &'a AxNode, trees: &Indexed<'a>) -> Option<Vec<String>> {
        let mut cells = Vec::new();
        let mut stack: Vec<&AxNode> = child_nodes(row, trees).rev().collect();
        while let Some(node) = stack.pop() {
            let role = node.role();
            if node.ignored || matches!(role, "generic" | "none") {
                stack.extend(child_nodes(node, trees).rev());
                continue;
            }
            if matches!(role, "cell" | "gridcell" | "columnheader" | "rowheader") {
                cells.push(plain_text(node, trees)?);
            } else {
                return None;
            }
        }
        (!cells.is_empty()).then_some(cells)
    }

    fn say(&mut self, text: &str, depth: usize) {
        if text.is_empty() {
            return;
        }
        if self.pending.is_empty() {
            self.pending_depth = depth;
        } else {
            self.pending.push(' ');
        }
        self.pending.push_str(text);
    }

    fn flush(&mut self) {
        if !self.pending.is_empty() {
            let text = std::mem::take(&mut self.pending);
            self.put(self.pending_depth, &format!("text: {text}"));
        }
    }

    fn put(&mut self, depth: usize, text: &str) {
        self.text.extend(std::iter::repeat_n(' ', depth.min(DEPTH_SHOWN)));
        self.text.push_str(text);
        self.text.push('\n');
    }
}

fn child_nodes<'a, 't>(
    node: &'a AxNode,
    trees: &'t Indexed<'a>,
) -> impl DoubleEndedIterator<Item = &'a AxNode> + use<'a, 't> {
    node.child_ids
        .iter()
        .filter_map(|id| trees.by_id.get(id.as_str()).copied())
}

/// What a cell says; none when it holds something to act on beside its text.
fn plain_text<'a>(cell: &'a AxNode, trees: &Indexed<'a>) -> Option<String> {
    let mut text = String::new();
    let mut stack: Vec<&AxNode> = vec![cell];
    while let Some(node) = stack.pop() {
        match node.role() {
            "StaticText" if !node.ignored => {
                if !text.is_empty() {
                    text.push(' ');
                }
                text.push_str(&line(node.name.value.as_str().unwrap_or_default(), usize::MAX));
            }
            "InlineTextBox" | "LineBreak" => {}
            _ if node.is_acted_on() && !std::ptr::eq(node, cell) => return None,
            _ => stack.extend(child_nodes(node, trees).rev()),
        }
        if text.len() > NAME_BYTES_MAX {
            return None;
        }
    }
    Some(text)
}

/// What a list offers.
fn options<'a>(list: &'a AxNode, trees: &Indexed<'a>) -> String {
    let mut names = Vec::new();
    let mut more = 0;
    let mut stack: Vec<&AxNode> = child_nodes(list, trees).rev().collect();
    while let Some(node) = stack.pop() {
        if matches!(node.role(), "option" | "menuitem" | "MenuListOption") {
            if names.len() < OPTIONS_SHOWN {
                let mark = if node.is("selected") { "*" } else { "" };
                names.push(format!(
                    "{mark}{}",
                    line(node.name.value.as_str().unwrap_or_default(), 100)
                ));
            } else {
                more += 1;
            }
        } else {
            stack.extend(child_nodes(node, trees).rev());
        }
    }
    match (names.is_empty(), more) {
        (true, _) => String::new(),
        (false, 0) => format!(" [{}]", names.join("; ")),
        (false, more) => format!(" [{}; {more} more]", names.join("; ")),
    }
}

fn holds_field<'a>(label: &'a AxNode, trees: &Indexed<'a>) -> bool {
    let mut stack: Vec<&AxNode> = vec![label];
    while let Some(node) = stack.pop() {
        if node.is_acted_on() && !node.name().is_empty() {
            return true;
        }
        stack.extend(child_nodes(node, trees));
    }
    false
}

/// Its options are shown in its own line.
fn is_list(role: &str) -> bool {
    matches!(role, "combobox" | "ComboBoxMenuButton" | "ComboBoxSelect" | "listbox")
}

fn shown_role(role: &str) -> &str {
    match role {
        "Iframe" => "frame",
        "img" => "image",
        "ComboBoxMenuButton" | "ComboBoxSelect" => "combobox",
        "DisclosureTriangle" => "disclosure",
        "generic" | "GenericContainer" => "element",
        other => other,
    }
}

/// The part of a text from `offset` that fits into `bytes_max` bytes of JSON, cut after a line where one ends; and where it ends.
pub fn part(text: &str, offset: usize, bytes_max: usize) -> (&str, usize) {
    let rest = &text[offset..];
    let mut bytes = 0;
    let mut end = 0;
    for whole in rest.split_inclusive('\n') {
        let length = crate::text::json_bytes(whole);
        if bytes + length > bytes_max {
            break;
        }
        bytes += length;
        end += whole.len();
    }
    if end == 0 {
        // One line over the limit is cut at a character.
        for c in rest.chars() {
            let mut buffer = [0; 4];
            bytes += crate::text::json_bytes(c.encode_utf8(&mut buffer));
            if bytes > bytes_max {
                break;
            }
            end += c.len_utf8();
        }
    }
    (&rest[..end], offset + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_within_the_limit_and_together_everything() {
        let text = format!(
            "{}\n\"quoted\"\n{}\u{e4}\u{4e2d}\n{}",
            "a".repeat(30),
            "b".repeat(250),
            "c\n".repeat(40)
        );
        let mut all = String::new();
        let mut offset = 0;
        while offset < text.len() {
            let (piece, next) = part(&text, offset, 100);
            assert!(next > offset && crate::text::json_bytes(piece) <= 100);
            all.push_str(piece);
            offset = next;
        }
        assert_eq!(all, text);
    }
}
