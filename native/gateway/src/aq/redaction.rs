//! What never enters a hash: values of fields that hold secrets, at any depth.

use serde_json::Value;

/// Stands in place of a value.
const REDACTED: &str = "[redacted]";

/// Fields that always hold secrets, folded as [`folded`] does.
const ALWAYS: &[&str] = &["apikey", "token", "secret", "password"];

/// Names of fields whose values are left out.
pub struct Redaction {
    keys: Vec<String>,
}

impl Redaction {
    pub fn new(more: &[String]) -> Self {
        let mut keys: Vec<String> = ALWAYS.iter().map(|key| (*key).to_owned()).collect();
        keys.extend(more.iter().map(|key| folded(key)));
        Self { keys }
    }

    /// A copy without secrets.
    pub fn of(&self, value: &Value) -> Value {
        match value {
            Value::Array(items) => Value::Array(items.iter().map(|item| self.of(item)).collect()),
            Value::Object(fields) => {
                let kept = |(key, item): (&String, &Value)| {
                    let item = if self.keys.contains(&folded(key)) {
                        Value::from(REDACTED)
                    } else {
                        self.of(item)
                    };
                    (key.clone(), item)
                };
                Value::Object(fields.iter().map(kept).collect())
            }
            plain => plain.clone(),
        }
    }
}

/// `apiKey`, `API_KEY` and `api-key` are one name.
fn folded(key: &str) -> String {
    key.chars()
        .filter(|c| !matches!(c, '_' | '-'))
        .flat_map(char::to_lowercase)
        .collect()
}
