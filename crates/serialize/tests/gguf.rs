//! GGUF: the file in `data` that the `gguf` package and `data/make_gguf.py` made, and hostile ones.

use flambeau_serialize::{load, load_from, load_with_metadata, open};
use flambeau_tensor::{DType, ErrorKind, Result};
use std::fs;
use std::path::PathBuf;

fn data(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "data", name].iter().collect()
}

#[test]
fn every_block_format_to_the_bit() -> Result<()> {
    let (got, right) = (load(data("quants.gguf"))?, load(data("quants.safetensors"))?);
    assert_eq!(got.keys().collect::<Vec<_>>(), right.keys().collect::<Vec<_>>());
    for (name, right) in &right {
        let got = got.get(name).expect("just compared");
        assert_eq!(got.shape(), right.shape(), "{name}");
        assert_eq!(got.to_dtype(DType::F32)?.to_vec::<f32>()?, right.to_vec::<f32>()?, "{name}");
    }
    let dtypes = ["plain", "half", "ints", "Q4_K"].map(|name| got.get(name).map(|t| t.dtype()));
    assert_eq!(dtypes, [DType::F32, DType::F16, DType::I32, DType::F32].map(Some));
    Ok(())
}

#[test]
fn fields_and_single_tensors() -> Result<()> {
    let checkpoint = open(data("quants.gguf"))?;
    let field = |name: &str| checkpoint.metadata().iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    assert_eq!(field("general.architecture"), Some("test"));
    assert_eq!(field("test.layers"), Some("7"));
    assert_eq!(field("test.eps"), Some("0.25"));
    assert_eq!(field("test.flag"), Some("true"));
    assert_eq!(field("test.name"), Some("größe"));
    assert_eq!(field("test.tokens"), Some(r#"["a","b\"","c"]"#));
    assert_eq!(field("test.ints"), Some("[1,-2]"));
    assert_eq!(load_with_metadata(data("quants.gguf"))?.1, *checkpoint.metadata());
    assert_eq!((checkpoint.shape("Q6_K"), checkpoint.dtype("Q6_K")), (Some(&[2, 512][..]), Some(DType::F32)));
    assert_eq!(checkpoint.tensor("plain")?.to_vec::<f32>()?, [1.5, 2.5, 3.5]);
    Ok(())
}

/// A file of one tensor of this type and shape, whose data begins at `offset`, with `data` bytes.
fn file(kind: u32, dims: &[u64], offset: u64, data: usize) -> Vec<u8> {
    let mut bytes = b"GGUF\x03\0\0\0".to_vec();
    bytes.extend([1u64, 0, 1].map(u64::to_le_bytes).concat());
    bytes.extend(b"x");
    bytes.extend((dims.len() as u32).to_le_bytes());
    dims.iter().for_each(|n| bytes.extend(n.to_le_bytes()));
    bytes.extend(kind.to_le_bytes());
    bytes.extend(offset.to_le_bytes());
    bytes.resize(bytes.len().next_multiple_of(32) + data, 0);
    bytes
}

#[test]
fn headers_that_lie() {
    assert_eq!(load_from(&file(0, &[2, 3], 0, 24)).expect("loaded").get("x").expect("there").shape(), [3, 2]);
    for (bytes, part) in [
        (file(0, &[2, 3], 0, 23), "\"x\" has 24 bytes from byte 0 of the data on, the file ends at byte 119"),
        (file(0, &[2, 3], 32, 24), "has 24 bytes from byte 32 of the data on"),
        (file(0, &[2], u64::MAX, 24), "the file ends at byte"),
        (file(0, &[1 << 40, 1 << 40], 0, 24), "no whole number of blocks that can be counted"),
        (file(0, &[u64::MAX], 0, 24), "no whole number of blocks that can be counted"),
        (file(2, &[31], 0, 24), "no whole number of blocks"),
        (file(2, &[16, 2], 0, 24), "no whole number of blocks"),
        (file(16, &[256], 0, 300), "elements of ggml's type 16, which are not read (byte 24)"),
        (file(0, &[1; 5], 0, 4), "has 5 dimensions"),
        (b"GGUF\x01\0\0\0".to_vec(), "version 1 of GGUF"),
        ([&b"GGUF\x03\0\0\0"[..], &[0xff; 16]].concat(), "bytes are needed from byte 24 on"),
    ] {
        let error = load_from(&bytes).expect_err("a lie").to_string();
        assert!(error.contains(part), "{error}\nwithout\n  {part}");
    }
    // Lists in lists, and one of more items than the file has bytes.
    let field = |value: &[u8]| {
        let head =
            [&b"GGUF\x03\0\0\0"[..], &[0, 1, 1].map(u64::to_le_bytes).concat(), b"k", &9u32.to_le_bytes()].concat();
        load_from(&[&head, value].concat()).expect_err("a lie").to_string()
    };
    let list = |count: u64| [&9u32.to_le_bytes()[..], &count.to_le_bytes()].concat();
    assert!(field(&list(1).repeat(20)).contains("a field of type 9, 8 lists deep"));
    assert!(field(&list(1 << 60)).contains("1152921504606846976 bytes are needed"));
}

#[test]
fn damaged_files_are_errors_or_other_data() {
    let clean = fs::read(data("quants.gguf")).expect("there");
    // What fills up the last tensor, of 8 bytes, to 32 may be missing.
    for len in 0..clean.len() - 24 {
        let error = load_from(&clean[..len]).expect_err("cut off");
        assert_eq!(error.kind(), ErrorKind::Format, "{len}: {error}");
    }
    for bit in 0..8 * 1500 {
        let mut bytes = clean.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Err(e) = load_from(&bytes) {
            assert!(matches!(e.kind(), ErrorKind::Format | ErrorKind::Unsupported), "bit {bit}: {e}");
        }
    }
}
