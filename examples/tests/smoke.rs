//! Each example that is no program of the tests runs to its end and leaves the files that it names, with so few steps that
//! nothing is learnt.

use std::path::Path;
use std::process::Command;

/// Runs an example with a folder of its own; what it printed.
fn run(program: &str, arguments: &[&str], files: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let output = Command::new(program).args(arguments).arg("--out").arg(out).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program}: {printed}{}", String::from_utf8_lossy(&output.stderr));
    for file in files {
        assert!(size(&out.join(file)) > 100, "{program} leaves no {file}");
    }
    printed
}

fn size(path: &Path) -> u64 {
    path.metadata().map_or(0, |metadata| metadata.len())
}

#[test]
fn coins() {
    let few = ["--steps", "1", "--batch-size", "1"];
    let printed = run(env!("CARGO_BIN_EXE_coins"), &few, &["coins.png", "loss.svg"]);
    assert!(printed.contains("AP50 on 6 coins never seen"), "{printed}");
}

#[test]
fn ctc_digits() {
    let few = ["--steps", "2", "--batch-size", "2", "--strings", "1"];
    let printed = run(env!("CARGO_BIN_EXE_ctc_digits"), &few, &["ctc_digits.safetensors", "loss.svg"]);
    assert!(printed.contains("8 strings of 48 digits"), "{printed}");
    // One line of the timetable for each digit of the first string.
    assert_eq!(printed.lines().filter(|line| line.ends_with(" s") && line.contains(" to ")).count(), 6, "{printed}");
}

#[test]
fn effects() {
    let files = ["00_as_it_is.wav", "04_reverb.wav", "10_tempo.wav", "effects.png"];
    let printed = run(env!("CARGO_BIN_EXE_effects"), &[], &files);
    assert!(printed.contains("tempo 0.75                          3.91 s    -1.00 dB"), "{printed}");
}

#[test]
fn denoise() {
    let printed = run(env!("CARGO_BIN_EXE_denoise"), &["--snr", "5"], &["noisy.wav", "denoised.wav", "denoise.png"]);
    let after = printed.split("after ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default();
    // Nothing is trained: it works as it stands.
    assert!(printed.contains("before 5.00 dB") && after.parse::<f64>().unwrap() > 13.0, "{printed}");
}

#[test]
fn fashion() {
    let few = ["--epochs", "1", "--train", "64", "--test", "50"];
    let printed = run(env!("CARGO_BIN_EXE_fashion"), &few, &["fashion.safetensors", "loss.svg"]);
    assert!(printed.contains("Ankle boot") && printed.contains("test accuracy on 50 images"), "{printed}");
}

#[test]
fn augment() {
    run(env!("CARGO_BIN_EXE_augment"), &[], &["augment.png"]);
}

#[test]
fn from_torchvision() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("squeezenet1_1-untrained.pth");
    let network = flambeau::vision::models::get_model("squeezenet1_1").build().unwrap();
    flambeau::serialize::torch::save(&file, &(&network.state_dict()).into()).unwrap();
    let photograph = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/photos/coffee.png");
    let printed = run(env!("CARGO_BIN_EXE_from_torchvision"), &[file.to_str().unwrap(), photograph], &[]);
    assert!(printed.starts_with("squeezenet1_1: 1235496 parameters\n") && printed.lines().count() == 6, "{printed}");
}
