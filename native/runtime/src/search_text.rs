//! Words a person looks for.

use openwrap_contracts::limits::SEARCH_TEXT_CHARS_MAX;
use openwrap_contracts::{Fault, Outcome};

/// Trimmed and in lower case, for a comparison that knows none; none when nothing is looked for.
///
/// # Errors
/// `INVALID_ARGUMENTS` for more than `SEARCH_TEXT_CHARS_MAX` characters.
pub(crate) fn search_text(text: Option<&str>) -> Outcome<Option<String>> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    if text.is_some_and(|text| text.chars().count() > SEARCH_TEXT_CHARS_MAX) {
        return Err(Fault::invalid(format!(
            "text is longer than {SEARCH_TEXT_CHARS_MAX} characters"
        )));
    }
    Ok(text.map(str::to_lowercase))
}
