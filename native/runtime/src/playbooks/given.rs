//! What a playbook asks for, and what it is given: checked against each other before anything starts.

use std::collections::BTreeMap;
use std::path::Path;

use openwrap_contracts::limits::PLAYBOOK_TEXT_BYTES_MAX;
use openwrap_contracts::playbook::{Playbook, PlaybookInput, PlaybookShape};
use openwrap_contracts::{Fault, Outcome};
use serde_json::{Map, Value};

use super::{ABOUT_CHARS_MAX, LISTED_MAX, TITLE_CHARS_MAX};
use crate::files::checked_path;
use crate::folders;

/// Options of one choice.
const OPTIONS_MAX: usize = 100;
/// Characters of a goal made from inputs.
const GOAL_CHARS_MAX: usize = 300;

/// Whether an input can be asked for.
pub(super) fn check_declared(input: &PlaybookInput) -> Outcome<()> {
    let wrong = |what: &str| {
        let name = input.name.escape_debug();
        Err(Fault::invalid(format!(
            "what the playbook says of itself: input `{name}`: {what}"
        )))
    };
    let is_name = |name: &str| {
        name.len() <= 64
            && name.starts_with(|letter: char| letter.is_ascii_alphabetic())
            && name
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    };
    if !is_name(&input.name) {
        return wrong("its name must match [A-Za-z][A-Za-z0-9_]{0,63}");
    }
    if input.title.trim().is_empty() || input.title.chars().count() > TITLE_CHARS_MAX {
        return wrong("its title is missing or too long");
    }
    if input.about.chars().count() > ABOUT_CHARS_MAX {
        return wrong("what is said of it is too long");
    }
    if let PlaybookShape::Choice { options } = &input.shape
        && (options.is_empty() || options.len() > OPTIONS_MAX)
    {
        return wrong("it has no options, or too many");
    }
    match &input.default {
        Some(default) => fits(input, default).map(|_| ()),
        None => Ok(()),
    }
}

/// The inputs in normal form, defaults filled in.
pub(super) async fn checked(
    playbook: &Playbook,
    mut given: BTreeMap<String, Value>,
    project: &Path,
) -> Outcome<Map<String, Value>> {
    let mut inputs = Map::new();
    for input in &playbook.inputs {
        let value = given.remove(&input.name).filter(|value| !is_left_out(value));
        let Some(value) = value.or_else(|| input.default.clone()) else {
            if input.optional {
                continue;
            }
            return Err(Fault::invalid(format!("`{}` ({}) is missing", input.name, input.title)));
        };
        let value = fits(input, &value)?;
        if let (PlaybookShape::File { .. }, Some(path)) = (&input.shape, value.as_str()) {
            check_file(input, project, path).await?;
        }
        inputs.insert(input.name.clone(), value);
    }
    match given.keys().next() {
        Some(unknown) => Err(Fault::invalid(format!(
            "the playbook does not ask for `{}`",
            unknown.escape_debug()
        ))),
        None => Ok(inputs),
    }
}

/// As a form leaves a field.
fn is_left_out(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

fn fits(input: &PlaybookInput, value: &Value) -> Outcome<Value> {
    let wrong = |what: String| Err(Fault::invalid(format!("`{}` ({}): {what}", input.name, input.title)));
    match (&input.shape, value) {
        (PlaybookShape::File { extensions }, Value::String(path)) => {
            let path = checked_path(path)?;
            let ending = path.rsplit_once('.').map(|(_, ending)| ending.to_lowercase());
            let known = extensions.is_empty() || ending.is_some_and(|ending| extensions.contains(&ending));
            if path.is_empty() || path.chars().any(char::is_control) {
                return wrong("is no file's path".to_owned());
            }
            if !known {
                return wrong(format!("must be a file ending in .{}", extensions.join(", .")));
            }
            Ok(Value::String(path))
        }
        (PlaybookShape::Text { lines }, Value::String(text)) => {
            let is_line = |letter: char| !letter.is_control() || letter == '\t' || (*lines && letter == '\n');
            if text.len() > PLAYBOOK_TEXT_BYTES_MAX {
                return wrong(format!("must have at most {PLAYBOOK_TEXT_BYTES_MAX} bytes"));
            }
            if !text.chars().all(is_line) {
                return wrong("holds a character that a text of this kind cannot have".to_owned());
            }
            Ok(value.clone())
        }
        (PlaybookShape::Number { min, max, integer }, Value::Number(number)) => {
            let number = number.as_f64().unwrap_or(f64::NAN);
            let inside = min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max);
            if !number.is_finite() || !inside || (*integer && number.fract() != 0.0) {
                return wrong(format!("must be {}", number_range(*min, *max, *integer)));
            }
            Ok(value.clone())
        }
        (PlaybookShape::Choice { options }, Value::String(chosen)) => {
            if !options.iter().any(|option| option.value == *chosen) {
                let known: Vec<&str> = options.iter().map(|option| option.value.as_str()).collect();
                return wrong(format!("must be one of {}", known.join(", ")));
            }
            Ok(value.clone())
        }
        (PlaybookShape::YesNo {}, Value::Bool(_)) => Ok(value.clone()),
        (shape, _) => wrong(format!("must be {}", kind(shape))),
    }
}

fn number_range(min: Option<f64>, max: Option<f64>, integer: bool) -> String {
    let what = if integer { "a whole number" } else { "a number" };
    match (min, max) {
        (Some(min), Some(max)) => format!("{what} from {min} to {max}"),
        (Some(min), None) => format!("{what}, {min} or more"),
        (None, Some(max)) => format!("{what}, {max} or less"),
        (None, None) => what.to_owned(),
    }
}

fn kind(shape: &PlaybookShape) -> &'static str {
    match shape {
        PlaybookShape::File { .. } => "the path of a file in the project",
        PlaybookShape::Text { .. } => "a text",
        PlaybookShape::Number { .. } => "a number",
        PlaybookShape::Choice { .. } => "one of its options",
        PlaybookShape::YesNo {} => "true or false",
    }
}

async fn check_file(input: &PlaybookInput, project: &Path, path: &str) -> Outcome<()> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let missing = || {
        Fault::not_found(format!(
            "`{}` ({}): there is no file `{path}` in the project",
            input.name, input.title
        ))
        .with_hint("Put the file into the project first.")
    };
    let listed = folders::list_beneath(project.to_path_buf(), folder.to_owned(), LISTED_MAX.saturating_mul(10)).await;
    let (entries, cut) = listed.map_err(|_| missing())?;
    if cut || entries.iter().any(|entry| !entry.folder && entry.name == name) {
        return Ok(());
    }
    Err(missing())
}

/// What a person reads as the run's goal: the title, and the files it is about.
pub(super) fn goal(playbook: &Playbook, inputs: &Map<String, Value>) -> String {
    let files = playbook
        .inputs
        .iter()
        .filter(|input| matches!(input.shape, PlaybookShape::File { .. }))
        .filter_map(|input| inputs.get(&input.name)?.as_str());
    let files: Vec<&str> = files.collect();
    let goal = match files.as_slice() {
        [] => playbook.title.clone(),
        files => format!("{}: {}", playbook.title, files.join(", ")),
    };
    goal.chars().take(GOAL_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use openwrap_contracts::playbook::{PlaybookOption, PlaybookShape};
    use serde_json::json;

    use super::*;

    fn input(shape: PlaybookShape) -> PlaybookInput {
        PlaybookInput {
            name: "x".to_owned(),
            title: "X".to_owned(),
            about: String::new(),
            optional: false,
            default: None,
            shape,
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_what_would() {
        let file = input(PlaybookShape::File {
            extensions: vec!["csv".to_owned(), "xlsx".to_owned()],
        });
        assert_eq!(fits(&file, &json!("./a/b.CSV")).unwrap(), json!("a/b.CSV"));
        for bad in [
            json!("../a.csv"),
            json!("/a.csv"),
            json!("a.txt"),
            json!("csv"),
            json!(1),
            json!(".git/a.csv"),
            json!("a\n.csv"),
        ] {
            assert!(fits(&file, &bad).is_err(), "{bad}");
        }
        let whole = input(PlaybookShape::Number {
            min: Some(1.0),
            max: Some(9.0),
            integer: true,
        });
        assert!(fits(&whole, &json!(9)).is_ok());
        for bad in [json!(0), json!(10), json!(1.5), json!("3"), json!(null)] {
            let fault = fits(&whole, &bad).unwrap_err();
            assert!(fault.message.contains("`x` (X)"), "{fault}");
        }
        let choice = input(PlaybookShape::Choice {
            options: vec![PlaybookOption {
                value: "a".to_owned(),
                title: "A".to_owned(),
            }],
        });
        assert!(fits(&choice, &json!("a")).is_ok());
        assert!(fits(&choice, &json!("b")).unwrap_err().message.contains("one of a"));
        let text = input(PlaybookShape::Text { lines: false });
        assert!(fits(&text, &json!("two\nlines")).is_err());
        assert!(fits(&text, &json!("x".repeat(PLAYBOOK_TEXT_BYTES_MAX + 1))).is_err());
        assert!(fits(&input(PlaybookShape::Text { lines: true }), &json!("two\nlines")).is_ok());
        assert!(fits(&input(PlaybookShape::YesNo {}), &json!("yes")).is_err());
    }
}
