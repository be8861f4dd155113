//! `cargo xtask sim -- COMMAND`: runs a program on the simulated GPU, whose shared object stands in the driver's place.

use std::fs;
use std::process::Command;

use crate::{Result, cargo, run as run_command, workspace_root};

/// Builds the stand-in, puts it where the loader finds it first, and runs `command`.
///
/// # Errors
/// Where it does not build, there is no command, or that ends with a status other than 0.
pub fn run(command: &[String]) -> Result<()> {
    let Some((program, arguments)) = command.split_first() else {
        return Err("name the program to run: cargo xtask sim -- cargo run --features cuda …".into());
    };
    if !cfg!(target_os = "linux") {
        return Err("the stand-in takes the driver's place on Linux alone".into());
    }
    run_command(cargo().args(["build", "--quiet", "--package", "flambeau-cuda-sim"]))?;
    let target = workspace_root().join("target");
    let folder = target.join("sim");
    fs::create_dir_all(&folder)?;
    for name in ["libcuda.so", "libcuda.so.1"] {
        fs::copy(target.join("debug/libflambeau_cuda_sim.so"), folder.join(name))?;
    }
    let before = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let paths = std::iter::once(folder).chain(std::env::split_paths(&before).filter(|p| !p.as_os_str().is_empty()));
    run_command(Command::new(program).args(arguments).env("LD_LIBRARY_PATH", std::env::join_paths(paths)?))
}
