//! The chores of the workspace, one module a verb.
//!
//! Every chore is `cargo xtask <verb>`: [`check`] holds the house rules, [`mod@bench`] runs the
//! benches and prints one table, or measures in turns with another framework that [`mod@reference`]
//! installs, [`data`] makes the shipped data again from its sources, [`kernels`] compiles the CUDA
//! kernels, [`sim`] runs a program on the simulated GPU, [`names`] writes the page of PyTorch's names.
//! [`layers`] is the rule about who may depend on whom, used by `check` and by a test. The command
//! line stands in `main.rs`; the chores are a library so that tests can reach them.

pub mod bench;
pub mod check;
pub mod data;
pub mod includes;
pub mod kernels;
pub mod layers;
pub mod names;
pub mod reference;
pub mod sim;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a chore returns: chores end with a message for a person, so any error will do.
pub type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// The folder of the workspace, found from this crate's place in it.
pub fn workspace_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Cargo's folder for what is built.
///
/// # Errors
/// If the workspace cannot be read.
pub fn target_directory() -> Result<PathBuf> {
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(workspace_root().join("Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()?;
    Ok(metadata.target_directory.into_std_path_buf())
}

/// The cargo that runs this chore, with the workspace as its working folder.
pub(crate) fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.current_dir(workspace_root());
    command
}

/// Runs a command to its end, with its output on the terminal.
///
/// # Errors
/// If the program cannot be started or ends with a status other than 0; the message names it.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = show(command);
    let status = command.status().map_err(|error| format!("cannot start `{shown}`: {error}"))?;
    if !status.success() {
        return Err(format!("`{shown}` ended with {status}").into());
    }
    Ok(())
}

/// A command as a person would type it: the program's bare name and the arguments.
pub(crate) fn show(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
