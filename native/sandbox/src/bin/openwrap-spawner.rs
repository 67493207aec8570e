//! The spawner process (`serve`), and the program its probe runs inside the sandbox (`probe`).

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    #[allow(clippy::disallowed_methods)]
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.split_first() {
        Some((mode, [])) if mode == "serve" => openwrap_sandbox::serve(),
        Some((mode, rest)) if mode == "probe" => openwrap_sandbox::probe::run(rest),
        _ => Err("this program is started by Open Wrap".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "openwrap-spawner: {message}");
            ExitCode::FAILURE
        }
    }
}
