//! `cargo xtask reference`: a Python environment with PyTorch, to compare with.

use std::path::PathBuf;
use std::process::Command;

use crate::{Result, run as run_command, target_directory};

/// Versions of torch, torchvision and torchaudio that go together.
const VERSIONS: &[[&str; 3]] = &[["2.11.0", "0.26.0", "2.11.0"], ["2.15.0", "0.29.2", ""]];

/// The environment's interpreter, whether it is there or not.
///
/// # Errors
/// If the workspace cannot be read.
pub fn python() -> Result<PathBuf> {
    let folder = target_directory()?.join("reference");
    Ok(if cfg!(windows) { folder.join("Scripts").join("python.exe") } else { folder.join("bin").join("python") })
}

/// What pip is asked for.
fn packages(torch: &str) -> Vec<String> {
    match VERSIONS.iter().find(|versions| versions[0] == torch) {
        Some(versions) => ["torch", "torchvision", "torchaudio"]
            .iter()
            .zip(versions)
            .filter(|(_, version)| !version.is_empty())
            .map(|(name, version)| format!("{name}=={version}"))
            .collect(),
        // Whatever pip finds to go with it.
        None => vec![format!("torch=={torch}"), "torchvision".to_owned()],
    }
}

/// Makes the environment under the target folder, or brings it to `torch`'s version (2.11.0 unless given). `index`:
/// where pip looks for packages, such as PyTorch's own index of builds without CUDA.
///
/// # Errors
/// If there is no `python3`, or pip does not find the packages.
pub fn run(torch: Option<&str>, index: Option<&str>) -> Result<()> {
    let folder = target_directory()?.join("reference");
    let python = python()?;
    if !python.is_file() {
        run_command(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    }
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install"]);
    pip.args(index.iter().flat_map(|index| ["--index-url", index]));
    pip.arg("numpy").args(packages(torch.unwrap_or(VERSIONS[0][0])));
    run_command(&mut pip)?;
    run_command(Command::new(&python).args(["-c", "import torch; print('torch', torch.__version__)"]))?;
    println!("{}", python.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_that_go_together_are_asked_for_together() {
        assert_eq!(packages("2.11.0"), ["torch==2.11.0", "torchvision==0.26.0", "torchaudio==2.11.0"]);
        assert_eq!(packages("2.15.0"), ["torch==2.15.0", "torchvision==0.29.2"]);
        assert_eq!(packages("2.9.1"), ["torch==2.9.1", "torchvision"]);
    }
}
