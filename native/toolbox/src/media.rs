//! What the tools that show a file of the project to a model have in common.

use openwrap_contracts::Outcome;
use openwrap_contracts::identity::Label;
use openwrap_contracts::tool::ToolOutput;
use serde_json::{Value, json};

use crate::place::normal_file;
use crate::summary::word;

/// The file, and before it the provider that is named: a person chose the one of the run, another one gets the file only when it is
/// granted.
///
/// # Errors
/// As [`normal_file`].
pub(crate) fn needs(path: &str, route: Option<&str>) -> Outcome<Vec<String>> {
    let provider = |route: &str| format!("model:{}", route.split('/').next().unwrap_or_default());
    let mut needs: Vec<String> = route.map(provider).into_iter().collect();
    needs.push(format!("read:{}", normal_file(path)?));
    Ok(needs)
}

/// ` to ROUTE`, where the call names one.
pub(crate) fn to_route(arguments: &Value) -> String {
    let route = arguments["modelRouteId"].as_str();
    route.map(|route| format!(" to {}", word(route))).unwrap_or_default()
}

/// What a model saw or heard in a file is text from outside, whoever put the file there: nobody has read it as text.
pub(crate) fn answer(mut content: Value, rehearsal: bool) -> ToolOutput {
    if rehearsal {
        content["rehearsal"] = json!(true);
    }
    let mut output = ToolOutput::read_only(content);
    output.labels = vec![Label::UntrustedFile];
    output
}
