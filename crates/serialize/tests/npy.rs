//! NumPy's files: those in `data`, which NumPy and `data/make.py` made, hostile ones, and our own.

use flambeau_serialize::{load, load_from, npy, save};
use flambeau_tensor::{Complex, DType, Device, ErrorKind, Result, StateDict, Tensor};
use std::fs;
use std::path::PathBuf;

fn data(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "data", name].iter().collect()
}

fn floats(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).expect("real").to_vec().expect("f64")
}

#[test]
fn single_arrays() -> Result<()> {
    let fortran = npy::load(data("fortran.npy"))?;
    assert_eq!((fortran.dtype(), fortran.shape(), fortran.strides()), (DType::F64, &[2, 3][..], &[1, 2][..]));
    assert_eq!(floats(&fortran), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    let big = npy::load(data("big.npy"))?;
    assert_eq!((big.dtype(), floats(&big)), (DType::I32, vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]));
    let scalar = npy::load(data("scalar.npy"))?;
    assert_eq!((scalar.rank(), floats(&scalar)), (0, vec![2.5]));
    assert_eq!(floats(&npy::load(data("version2.npy"))?), [1.0, 4.0]);
    for (name, part) in [("text.npy", "\"<U2\" have no dtype here"), ("objects.npy", "\"|O\" are pickled objects")] {
        let error = npy::load(data(name)).expect_err("no tensor");
        assert!(error.kind() == ErrorKind::Unsupported && error.message().contains(part), "{error}");
    }
    assert!(load(data("big.npy")).expect_err("no name").to_string().contains("`npy::load` reads it"));
    Ok(())
}

#[test]
fn archives() -> Result<()> {
    for name in ["arrays.npz", "packed.npz"] {
        let state = load(data(name))?;
        let get = |name: &str| state.get(name).expect("there");
        assert_eq!(get("flags").to_vec::<bool>()?, [true, false]);
        assert_eq!((get("half").dtype(), floats(get("half"))), (DType::F16, vec![1.5]));
        assert_eq!((get("u2").dtype(), floats(get("u2"))), (DType::U16, vec![65535.0]));
        assert_eq!(get("c").to_vec::<Complex<f32>>()?, [Complex::new(1.0, -2.0)]);
        assert_eq!(get("empty").shape(), [0, 4]);
    }
    assert_eq!(load(data("packed.npz"))?.get("zeros").expect("there").to_vec::<i64>()?, [0; 1000]);
    Ok(())
}

#[test]
fn every_dtype_comes_back() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let (one, all) = (folder.path().join("x.npy"), folder.path().join("x.npz"));
    let mut state = StateDict::new();
    for dtype in DType::ALL.into_iter().filter(|d| *d != DType::BF16) {
        for shape in [&[][..], &[3], &[2, 0], &[2, 3, 4]] {
            let tensor = Tensor::ones(shape).dtype(dtype).build()?;
            npy::save(&one, &tensor)?;
            let back = npy::load(&one)?;
            assert_eq!((back.dtype(), back.shape()), (dtype, shape));
            assert_eq!(back.to_bytes()?, tensor.to_bytes()?);
            assert_eq!((fs::metadata(&one).expect("there").len() as usize - tensor.numel() * dtype.size()) % 64, 0);
            state.insert(format!("{dtype}/{shape:?}"), tensor);
        }
    }
    save(&all, &state)?;
    let back = load(&all)?;
    assert_eq!(back.keys().collect::<Vec<_>>(), state.keys().collect::<Vec<_>>());
    assert!(state.iter().all(|(name, t)| back.get(name).expect("there").to_bytes().ok() == t.to_bytes().ok()));
    let turned = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?.t()?;
    npy::save(&one, &turned)?;
    assert_eq!(floats(&npy::load(&one)?), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    let kind = |t: &Tensor| npy::save(&one, t).expect_err("refused").kind();
    assert_eq!(kind(&Tensor::ones(2).dtype(DType::BF16).build()?), ErrorKind::Unsupported);
    assert_eq!(kind(&Tensor::ones(2).device(Device::Meta).build()?), ErrorKind::Device);
    assert_eq!(
        save(&all, &[("x", Tensor::ones(2).dtype(DType::BF16).build()?)]).expect_err("refused").kind(),
        ErrorKind::Unsupported
    );
    assert_eq!(load(&all)?.len(), state.len(), "the old file stays");
    Ok(())
}

/// An `.npy` with this header and these bytes behind it.
fn file(header: &str, elements: usize) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + elements, 0);
    bytes
}

#[test]
fn headers_that_lie() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.npy");
    let read = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("written");
        npy::load(&path)
    };
    let good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
    assert_eq!(read(&file(good, 8)).expect("loaded").shape(), [2]);
    assert_eq!(
        read(&file("{\"shape\":(2L,1),'fortran_order':True,'descr':'|u1'}", 2)).expect("loaded").shape(),
        [2, 1]
    );
    for (header, elements, part) in [
        (good, 7, "8 bytes are needed from byte 67 on, the file ends at byte 74"),
        ("", 0, "no `{` where one belongs (byte 10)"),
        ("{'descr': '<f4'", 0, "no `}` where one belongs (byte 25)"),
        ("{'descr': '<f4', 'shape': (2,)}", 8, "needs 'descr', 'fortran_order' and 'shape'"),
        ("{'descr': '<f4', 'fortran_order': 1, 'shape': (2,)}", 8, "\"fortran_order\" is not understood"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}", 8, "a size that is no whole number (byte 61)"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", 8, "no whole number"),
        (
            "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
            8,
            "more bytes than can be counted",
        ),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,)}", 8, "4398046511104 bytes are needed"),
        ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", 8, "an array of structures"),
        ("{'descr': '<f4", 0, "a text has no end"),
    ] {
        let error = read(&file(header, elements)).expect_err("a lie").to_string();
        assert!(error.contains(part) && error.contains("x.npy"), "{header} gave\n  {error}\nwithout\n  {part}");
    }
    let whole = file(good, 8);
    for len in 0..whole.len() {
        assert_eq!(read(&whole[..len]).expect_err("cut off").kind(), ErrorKind::Format, "{len}");
    }
    assert!(read(b"\x93NUMPY\x09\x00\x00\x00").expect_err("a version").to_string().contains("version 9"));
}

#[test]
fn archives_that_lie() {
    let clean = fs::read(data("packed.npz")).expect("there");
    for len in 0..clean.len() {
        let error = load_from(&clean[..len]).expect_err("cut off");
        assert_eq!(error.kind(), ErrorKind::Format, "{len}: {error}");
    }
    let mut noticed = 0;
    for bit in 0..8 * clean.len() {
        let mut bytes = clean.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Err(e) = load_from(&bytes) {
            assert!(matches!(e.kind(), ErrorKind::Format | ErrorKind::Unsupported), "bit {bit}: {e}");
            noticed += 1;
        }
    }
    assert!(noticed > 2 * clean.len(), "checksums are held against the bytes: {noticed}");
}
