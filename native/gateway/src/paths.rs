//! Paths of a view never reach a model or a record: outputs show the project's instead.

use std::path::Path;

use openwrap_contracts::ports::View;
use serde_json::Value;

/// What is shown in place of a view's folders, longest first.
pub struct Shown {
    pairs: Vec<(String, String)>,
}

impl Shown {
    pub fn new(view: &View, project: &Path) -> Self {
        let mut pairs: Vec<(String, String)> = [
            (view.root.as_path(), project.to_string_lossy().into_owned()),
            (view.home.as_path(), "~".to_owned()),
            (view.temp.as_path(), "/tmp".to_owned()),
        ]
        .into_iter()
        .map(|(folder, shown)| (folder.to_string_lossy().into_owned(), shown))
        .filter(|(folder, _)| folder.len() > 1)
        .collect();
        pairs.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.0.cmp(&b.0)));
        Self { pairs }
    }

    /// Replaces the folders in every string and key of a value.
    pub fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Some(shown) = self.replaced(text) {
                    *text = shown;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(fields) => {
                if fields.keys().any(|key| self.replaced(key).is_some()) {
                    let old = std::mem::take(fields);
                    fields.extend(old.into_iter().map(|(key, item)| (self.text(key), item)));
                }
                fields.values_mut().for_each(|item| self.value(item));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// The text with the folders replaced.
    pub fn text(&self, text: String) -> String {
        self.replaced(&text).unwrap_or(text)
    }

    fn replaced(&self, text: &str) -> Option<String> {
        let mut result: Option<String> = None;
        for (folder, shown) in &self.pairs {
            let current = result.as_deref().unwrap_or(text);
            if let Some(next) = replace_folder(current, folder, shown) {
                result = Some(next);
            }
        }
        result
    }
}

/// Only whole names count: `/views/1` is not in `/views/10`.
fn replace_folder(text: &str, folder: &str, shown: &str) -> Option<String> {
    let mut rest = text;
    let mut result: Option<String> = None;
    let mut kept = 0;
    while let Some(at) = rest.find(folder) {
        let after = &rest[at + folder.len()..];
        let goes_on = after.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-');
        let start = text.len() - rest.len();
        if !goes_on {
            let built = result.get_or_insert_with(|| String::with_capacity(text.len()));
            built.push_str(&text[kept..start + at]);
            built.push_str(shown);
            kept = start + at + folder.len();
        }
        rest = after;
    }
    let mut built = result?;
    built.push_str(&text[kept..]);
    Some(built)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn folders_of_the_view_become_the_project() {
        let view = View {
            view_id: "v".into(),
            root: "/run/views/1".into(),
            home: "/run/views/1.home".into(),
            temp: "/run/t".into(),
        };
        let shown = Shown::new(&view, Path::new("/home/me/p"));
        let mut value = json!({ "stdout": "at /run/views/1/a.js and /run/views/10/x", "/run/views/1": ["/run/views/1.home/.x", "/run/t/1 /run/views/1"] });
        shown.value(&mut value);
        assert_eq!(
            value,
            json!({ "stdout": "at /home/me/p/a.js and /run/views/10/x", "/home/me/p": ["~/.x", "/tmp/1 /home/me/p"] })
        );
    }
}
