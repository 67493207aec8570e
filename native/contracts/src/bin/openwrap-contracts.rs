//! Prints the contracts document as JSON; `npm run gen` reads it.

use std::io::Write;

fn main() -> std::process::ExitCode {
    let text = openwrap_contracts::schema::document()
        .and_then(|document| serde_json::to_vec_pretty(&document).map_err(Into::into));
    let written = match text {
        Ok(bytes) => std::io::stdout().write_all(&bytes),
        Err(fault) => std::io::stderr().write_all(fault.to_string().as_bytes()),
    };
    if written.is_ok() {
        std::process::ExitCode::SUCCESS
    } else {
        std::process::ExitCode::FAILURE
    }
}
