//! The list of models a server gives: `{"data":[{"id"}]}` on both wires, `{"models":[{"name"}]}` of some local servers.

use openwrap_contracts::limits::MODEL_LIST_MAX;
use serde::Deserialize;

/// Longest name that is taken.
const NAME_CHARS_MAX: usize = 200;

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    data: Option<Vec<Entry>>,
    #[serde(default)]
    models: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    name: Option<String>,
}

/// Names in the server's order, each once; those that could not be shown are left out. None when it is no list of models.
pub fn read(body: &[u8]) -> Option<Vec<String>> {
    let list: List = serde_json::from_slice(body).ok()?;
    let mut names: Vec<String> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for entry in list.data.or(list.models)? {
        let name = entry.id.or(entry.name)?;
        if is_name(&name) && names.len() < MODEL_LIST_MAX && seen.insert(name.clone()) {
            names.push(name);
        }
    }
    Some(names)
}

fn is_name(name: &str) -> bool {
    let shown =
        |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/' | '@' | '+' | ' ' | '(' | ')' | ',');
    !name.trim().is_empty() && name.chars().count() <= NAME_CHARS_MAX && name.chars().all(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_nothing_else() {
        let names = |text: &str| read(text.as_bytes());
        let some = |list: &[&str]| Some(list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(
            names(r#"{"object":"list","data":[{"id":"b"},{"id":"a:1"},{"id":"b"}]}"#),
            some(&["b", "a:1"])
        );
        assert_eq!(names(r#"{"models":[{"name":"x/y"}]}"#), some(&["x/y"]));
        assert_eq!(
            names(r#"{"data":[{"id":"<b>"},{"id":"a\u202e"},{"id":""}]}"#),
            some(&[])
        );
        for other in ["{}", "[]", "<html>", r#"{"data":[{}]}"#, r#"{"data":"x"}"#, ""] {
            assert_eq!(names(other), None, "{other}");
        }
        let many: Vec<String> = (0..3000).map(|at| format!("{{\"id\":\"m{at}\"}}")).collect();
        let many = names(&format!("{{\"data\":[{}]}}", many.join(",")));
        assert_eq!(many.map(|names| names.len()), Some(MODEL_LIST_MAX));
    }
}
