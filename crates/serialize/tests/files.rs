//! Checkpoints through files: round trips, the word of the format's own crate, hostile files, and what is
//! left on the disk after a failure.

use flambeau_serialize::{load, load_from, load_with_metadata, open, save, save_to, save_with_metadata};
use flambeau_tensor::{Complex, DType, Device, ErrorKind, StateDict, Tensor, bf16, f16};
use proptest::prelude::*;
use std::fs;

/// One tensor of each dtype of the format, views and empty ones among them; narrow dtypes first.
fn one_of_each() -> StateDict {
    let t = |r: flambeau_tensor::Result<Tensor>| r.expect("a tensor");
    let grid = t(Tensor::from_vec((0..12).map(|i| i as f32 / 8.0).collect(), [3, 4]));
    [
        ("flags", t(Tensor::from_slice(&[true, false, true], 3))),
        ("bytes", t(Tensor::from_slice(&[0u8, 127, 255], [3, 1]))),
        ("i8", t(Tensor::from_slice(&[-128i8, 127], 2))),
        ("i16", t(Tensor::from_slice(&[i16::MIN, 0, i16::MAX], 3))),
        ("i32", t(Tensor::from_slice(&[i32::MIN, i32::MAX], 2))),
        ("i64", t(Tensor::from_slice(&[i64::MIN, i64::MAX], 2))),
        ("half", t(Tensor::from_slice(&[f16::from_f32(1.5), f16::INFINITY], 2))),
        ("brain", t(Tensor::from_slice(&[bf16::from_f32(-2.5)], ()))),
        ("double", t(Tensor::from_slice(&[std::f64::consts::PI, f64::NEG_INFINITY, -0.0], 3))),
        ("complex", t(Tensor::from_slice(&[Complex::new(1.0f32, -2.0), Complex::new(0.0, 3.0)], 2))),
        ("grid", grid.clone()),
        ("turned", t(grid.t())),
        ("columns", t(grid.narrow(1, 1, 2))),
        ("spread", t(t(Tensor::from_slice(&[7.0f32], 1)).expand([2, 3]))),
        ("nothing", t(Tensor::zeros([0, 5]).build())),
        ("a \"quoted\"\\ name é😀\n", t(Tensor::from_slice(&[1i64], 1))),
    ]
    .into_iter()
    .collect()
}

#[track_caller]
fn assert_same(a: &StateDict, b: &StateDict) {
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>(), "the same names in the same order");
    for (name, x) in a {
        let y = b.get(name).expect("just compared");
        assert_eq!((x.dtype(), x.shape()), (y.dtype(), y.shape()), "{name}");
        assert_eq!(x.to_bytes().expect("data"), y.to_bytes().expect("data"), "{name}");
    }
}

fn bytes_of(state: &StateDict) -> Vec<u8> {
    let mut bytes = Vec::new();
    save_to(&mut bytes, state).expect("written");
    bytes
}

/// A file of `header` and `data` zeros.
fn file_with(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

#[test]
fn every_dtype_comes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("all.safetensors");
    let state = one_of_each();
    save(&path, &state).expect("saved");
    assert_same(&state, &load(&path).expect("loaded"));
    assert_same(&state, &load_from(&fs::read(&path).expect("there")).expect("loaded"));
    assert_same(&StateDict::new(), &load_from(&bytes_of(&StateDict::new())).expect("an empty file"));
}

#[test]
fn the_formats_own_crate_reads_what_we_write() {
    let state = one_of_each();
    let bytes = bytes_of(&state);
    let theirs = safetensors::SafeTensors::deserialize(&bytes).expect("valid in their eyes");
    assert_eq!(theirs.len(), state.len());
    for (name, tensor) in &state {
        let view = theirs.tensor(name).expect("it is there");
        assert_eq!((view.shape(), view.data()), (tensor.shape(), &tensor.to_bytes().expect("data")[..]), "{name}");
        let start = view.data().as_ptr() as usize - bytes.as_ptr() as usize;
        assert_eq!(start % tensor.dtype().to_real().size(), 0, "{name} is aligned in the file");
    }
    assert_eq!(theirs.tensor("brain").expect("there").dtype(), safetensors::Dtype::BF16);
    assert_eq!(theirs.tensor("complex").expect("there").dtype(), safetensors::Dtype::C64);
}

#[test]
fn we_read_what_the_formats_own_crate_writes() {
    use safetensors::tensor::TensorView;
    let (floats, flags) = (1.5f32.to_le_bytes().repeat(6), [1u8, 0, 1]);
    let views = [
        ("w", TensorView::new(safetensors::Dtype::F32, vec![2, 3], &floats).expect("fits")),
        ("flags", TensorView::new(safetensors::Dtype::BOOL, vec![3], &flags).expect("fits")),
    ];
    let fields = std::collections::HashMap::from([("format".to_string(), "pt".to_string())]);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("theirs.safetensors");
    safetensors::serialize_to_file(views, Some(fields), &path).expect("written");
    let (state, metadata) = load_with_metadata(&path).expect("loaded");
    assert_eq!(metadata, [("format".to_string(), "pt".to_string())]);
    assert_eq!(state.get("w").expect("there").to_vec::<f32>().expect("f32"), [1.5; 6]);
    assert_eq!(state.get("flags").expect("there").to_vec::<bool>().expect("bool"), [true, false, true]);
}

#[test]
fn metadata_keeps_its_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("m.safetensors");
    save_with_metadata(&path, &one_of_each(), &[("z", "1"), ("a", "\"two\"\n"), ("", "")]).expect("saved");
    let (state, metadata) = load_with_metadata(&path).expect("loaded");
    assert_same(&one_of_each(), &state);
    assert_eq!(
        metadata.iter().map(|(k, v)| (&k[..], &v[..])).collect::<Vec<_>>(),
        [("z", "1"), ("a", "\"two\"\n"), ("", "")]
    );
}

#[test]
fn fields_of_no_concern_are_passed_over() {
    let data = [1.5f32, -2.0].map(f32::to_le_bytes).concat();
    let a = r#""a":{"note":{"by":["x",null,1.5e3]},"dtype":"F32","shape":[2],"data_offsets":[0,8],"z":true}"#;
    let read = |header: &str| load_from(&[&file_with(header, 0), &data[..]].concat());
    for metadata in ["", r#""__metadata__":null,"#, r#""__metadata__": {} ,"#] {
        let state = read(&format!("{{{metadata}{a}}}")).expect("loaded");
        assert_eq!(state.get("a").expect("there").to_vec::<f32>().expect("f32"), [1.5, -2.0]);
    }
    assert!(load_from(&file_with(r#"{"__metadata__":{"k":"v"}}"#, 0)).expect("loaded").is_empty());
    let nested = format!(r#"{{{}"z":{}"#, &a[..a.len() - 9], "[".repeat(100_000));
    assert!(read(&nested).expect_err("too deep").to_string().contains("nested more than 128 deep"));
}

/// The numbers that PyTorch gives for these bytes, and their sums over all bytes that are numbers.
#[test]
fn types_that_flambeau_lacks_are_widened() {
    let floats = |dtype: &str, bytes: &[u8]| {
        let n = bytes.len();
        let header = format!(r#"{{"a":{{"dtype":"{dtype}","shape":[{n}],"data_offsets":[0,{n}]}}}}"#);
        let state = load_from(&[&file_with(&header, 0), bytes].concat()).expect("loaded");
        let wide = state.get("a").expect("there").to_dtype(DType::F64).expect("real");
        wide.to_vec::<f64>().expect("f64")
    };
    let some = [0u8, 1, 7, 8, 9, 0x40, 0x78, 0x7b, 0x7e, 0x81, 0xff];
    let nan = f64::NAN;
    let (small, tiny) = (2f64.powi(-9), 2f64.powi(-16));
    let cases = [
        (
            "F8_E4M3",
            2542933.331604004,
            [0.0, 1.0, 7.0, 8.0, 9.0, 1024.0, 131072.0, 180224.0, 229376.0, -1.0, nan].map(|x| x * small),
        ),
        (
            "F8_E4M3FNUZ",
            750933.332901001,
            [0.0, 1.0, 7.0, 8.0, 9.0, 1024.0, 131072.0, 180224.0, 229376.0, -1.0, -245760.0].map(|x| x * small / 2.0),
        ),
        (
            "F8_E5M2",
            22548578304.0,
            [0.0, tiny, 7.0 * tiny, 8.0 * tiny, 10.0 * tiny, 2.0, 32768.0, 57344.0, nan, -tiny, nan],
        ),
        (
            "F8_E5M2FNUZ",
            22548578304.0,
            [
                0.0,
                tiny / 2.0,
                3.5 * tiny,
                4.0 * tiny,
                5.0 * tiny,
                1.0,
                16384.0,
                28672.0,
                49152.0,
                -tiny / 2.0,
                -57344.0,
            ],
        ),
        (
            "F8_E8M0",
            3.8597363079105396e76,
            [-127, -126, -120, -119, -118, -63, -7, -4, -1, 2, 200].map(|e| if e == 200 { nan } else { 2f64.powi(e) }),
        ),
    ];
    let all: Vec<u8> = (0..=255).collect();
    for (dtype, squares, values) in cases {
        for (got, right) in floats(dtype, &some).into_iter().zip(values) {
            assert!(got == right || got.is_nan() && right.is_nan(), "{dtype}: {got}, not {right}");
        }
        let sum: f64 = floats(dtype, &all).iter().filter(|x| x.is_finite()).map(|x| x * x).sum();
        assert!((sum / squares - 1.0).abs() < 1e-12, "{dtype}: {sum}");
    }
    assert_eq!(floats("F8_E5M2", &[0x7c, 0xfc]), [f64::INFINITY, f64::NEG_INFINITY]);
}

#[test]
fn one_foreign_tensor_does_not_refuse_the_file() {
    let header = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"u16":{"dtype":"U16","shape":[2],"data_offsets":[4,8]},"u32":{"dtype":"U32","shape":[1],"data_offsets":[8,12]},"u64":{"dtype":"U64","shape":[1],"data_offsets":[12,20]},"f4":{"dtype":"F4","shape":[2],"data_offsets":[20,21]}}"#;
    let file = |u64: u64| {
        [&file_with(header, 0)[..], &1.5f32.to_le_bytes(), &[1, 0, 0xff, 0xff], &[0xff; 4], &u64.to_le_bytes(), &[0x21]]
            .concat()
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mixed.safetensors");
    fs::write(&path, file(1 << 63)).expect("written");
    let checkpoint = open(&path).expect("opened");
    assert_eq!(checkpoint.names().collect::<Vec<_>>(), ["a", "u16", "u32", "u64", "f4"]);
    assert_eq!((checkpoint.shape("u16"), checkpoint.dtype("u16")), (Some(&[2][..]), Some(DType::U16)));
    assert_eq!((checkpoint.shape("f4"), checkpoint.dtype("f4"), checkpoint.dtype("b")), (Some(&[2][..]), None, None));
    let tensor = |name| checkpoint.tensor(name);
    assert_eq!(tensor("a").expect("there").to_vec::<f32>().expect("f32"), [1.5]);
    assert_eq!(tensor("u16").expect("there").to_vec::<u16>().expect("u16"), [1, 65535]);
    assert_eq!(tensor("u32").expect("there").to_vec::<u32>().expect("u32"), [u32::MAX]);
    let refused = |name| {
        let error = tensor(name).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        error.to_string()
    };
    assert_eq!(tensor("u64").expect("there").to_vec::<u64>().expect("u64"), [1 << 63]);
    assert!(refused("f4").contains("\"f4\" has elements of 4 bits"));
    assert!(tensor("b").expect_err("absent").to_string().contains("no tensor called \"b\""));
    fs::write(&path, file(7)).expect("written");
    let checkpoint = open(&path).expect("opened");
    assert!(checkpoint.load().expect_err("f4").to_string().contains("\"f4\""), "not a state dict without it");
    let seven = checkpoint.tensor("u64").expect("it fits");
    assert_eq!(seven.to_vec::<u64>().expect("u64"), [7]);
}

#[test]
fn a_cut_off_file_is_an_error_at_every_length() {
    let bytes = bytes_of(&one_of_each());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cut.safetensors");
    for len in 0..bytes.len() {
        let error = load_from(&bytes[..len]).expect_err("cut off");
        assert_eq!(error.kind(), ErrorKind::Format, "{len}: {error}");
        assert!(error.to_string().contains("byte"), "{len}: {error}");
        // Through a file now and then: the system is slow.
        if len % 97 == 0 {
            fs::write(&path, &bytes[..len]).expect("written");
            let error = load(&path).expect_err("cut off").to_string();
            assert!(error.contains("cut.safetensors") && error.contains("byte"), "{len}: {error}");
        }
    }
    assert!(load_from(&[&bytes[..], &[0]].concat()).is_err(), "a byte too many");
}

#[test]
fn a_flipped_bit_is_an_error_or_other_data() {
    let state = one_of_each();
    let clean = bytes_of(&state);
    let header = 8 + u64::from_le_bytes(clean[..8].try_into().expect("eight")) as usize;
    for bit in 0..8 * clean.len() {
        let mut bytes = clean.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        match load_from(&bytes) {
            // The header's length decides over everything.
            Ok(_) if bit < 64 => panic!("bit {bit} of the length went unseen"),
            Ok(loaded) => assert_eq!(loaded.len(), state.len(), "bit {bit}"),
            Err(e) if bit / 8 >= header => panic!("bit {bit} is an element's: {e}"),
            Err(e) => assert!(matches!(e.kind(), ErrorKind::Format | ErrorKind::Unsupported), "bit {bit}: {e}"),
        }
    }
}

#[test]
fn lying_headers_are_told_with_their_byte() {
    let cases = [
        (
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
            7,
            "\"a\" lies at bytes 62..70, the file ends at byte 69 (byte 9)",
        ),
        (
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
            9,
            "1 bytes belong to no tensor: the last one ends at byte 70 (byte 70)",
        ),
        (
            r#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#,
            8,
            "needs 12 bytes, its data_offsets are 0..8 (byte 9)",
        ),
        (r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, 8, "its data_offsets are 8..0"),
        (
            r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,0]}}"#,
            0,
            "needs more bytes than can be counted",
        ),
        (
            r#"{"a":{"dtype":"U8","shape":[9223372036854775807],"data_offsets":[0,9223372036854775807]}}"#,
            8,
            "the file ends at byte",
        ),
        (r#"{"a":{"dtype":"U8","shape":[99999999999999999999],"data_offsets":[0,8]}}"#, 8, "the number is too large"),
        (
            r#"{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,8]}}"#,
            8,
            "expected a whole number, found `-` (byte 36)",
        ),
        (r#"{"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,8]}}"#, 8, "expected a whole number"),
        (
            r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}"#,
            6,
            "\"b\" overlaps the tensor before it",
        ),
        (
            r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[5,9]}}"#,
            9,
            "\"b\" leaves a gap before it: it begins at byte 118, the one before ends at byte 117",
        ),
        (
            r#"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#,
            0,
            "two tensors are called \"a\" (byte 61)",
        ),
        (r#"{"a":{"dtype":"U8","dtype":"I8","shape":[0],"data_offsets":[0,0]}}"#, 0, "\"a\" has two fields \"dtype\""),
        (r#"{"a":{"dtype":"U8","shape":[0]}}"#, 0, "needs the fields"),
        (r#"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0]}}"#, 0, "needs two `data_offsets`, it has 1"),
        (r#"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0,0]}}"#, 0, "more than 2 numbers"),
        (
            r#"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":nil}}"#,
            0,
            "expected a value, found `n` (byte 64)",
        ),
        (
            r#"{"a":{"dtype":"Q8","shape":[0],"data_offsets":[0,0]}}"#,
            0,
            "the dtype \"Q8\", which the format does not know",
        ),
        (
            r#"{"a":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,1]}}"#,
            1,
            "\"a\", F8_E4M3 [2], needs 2 bytes, its data_offsets are 0..1",
        ),
        (r#"{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}}"#, 2, "needs more bytes than can be counted"),
        (r#"{"__metadata__":{"a":1}}"#, 0, "expected `\"`, found `1` (byte 29)"),
        (r#"{"__metadata__":{"a":"1","a":"2"}}"#, 0, "two fields of the metadata are called \"a\""),
        (r#"{"__metadata__":{},"__metadata__":{}}"#, 0, "`__metadata__` stands twice"),
        (r#"{"a":[]}"#, 0, "expected `{`, found `[` (byte 13)"),
        ("{} x", 0, "expected the end of the header, found `x` (byte 11)"),
        ("[]", 0, "expected `{`"),
        ("", 0, "found the end of the header (byte 8)"),
        ("{", 0, "(byte 9)"),
    ];
    for (header, data, part) in cases {
        let error = load_from(&file_with(header, data)).expect_err("a lie").to_string();
        assert!(error.contains(part), "{header} gave\n  {error}\nwithout\n  {part}");
    }
    let ones = vec!["1"; 65].join(",");
    let header = format!(r#"{{"a":{{"dtype":"U8","shape":[{ones}],"data_offsets":[0,1]}}}}"#);
    assert!(load_from(&file_with(&header, 1)).expect_err("65 dimensions").to_string().contains("more than 64 numbers"));
}

#[test]
fn a_huge_header_allocates_nothing() {
    for promised in [9u64, 1 << 40, u64::MAX, u64::MAX - 7, i64::MAX as u64] {
        let bytes = [&promised.to_le_bytes()[..], b"{}      "].concat();
        let error = load_from(&bytes).expect_err("a lie").to_string();
        assert!(error.contains(&format!("{promised} bytes (at byte 0), the file ends at byte 16")), "{error}");
    }
    let not_utf8 = [&2u64.to_le_bytes()[..], b"{\xff"].concat();
    assert!(load_from(&not_utf8).expect_err("not UTF-8").to_string().contains("not UTF-8 at byte 9"));
}

#[test]
fn what_the_format_cannot_hold_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.safetensors");
    let zeros = |dtype| Tensor::zeros(2).dtype(dtype).build().expect("zeros");
    let kind = |tensors: &[(&str, Tensor)]| save(&path, tensors).expect_err("refused").kind();
    assert_eq!(kind(&[("x", zeros(DType::Complex128))]), ErrorKind::Unsupported);
    assert_eq!(kind(&[("__metadata__", zeros(DType::F32))]), ErrorKind::Argument);
    assert_eq!(kind(&[("x", zeros(DType::F32)), ("x", zeros(DType::F32))]), ErrorKind::Argument);
    let meta = Tensor::zeros(2).device(Device::Meta).build().expect("meta");
    assert_eq!(kind(&[("x", meta)]), ErrorKind::Device);
    assert!(save_with_metadata(&path, &StateDict::new(), &[("a", ""), ("a", "")]).is_err());
    assert!(!path.exists(), "nothing was begun");
    for name in ["x.pkl", "x", "x.SAFETENSOR"] {
        let error = save(folder.path().join(name), &StateDict::new()).expect_err("no such format");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("`.safetensors`, `.pt`, `.pth` and `.npz` are known"), "{error}");
        // What a file is, its content says.
        fs::write(folder.path().join(name), bytes_of(&one_of_each())).expect("written");
        assert_same(&one_of_each(), &load(folder.path().join(name)).expect("loaded"));
    }
    for name in ["x.pt", "x.npz"] {
        let error = save_with_metadata(folder.path().join(name), &StateDict::new(), &[("a", "")]).expect_err("refused");
        assert!(error.to_string().contains("only `.safetensors` keeps text fields, as \"a\""), "{error}");
    }
    save(folder.path().join("x.SafeTensors"), &StateDict::new()).expect("case does not matter");
    let error = load(folder.path().join("absent.safetensors")).expect_err("not there");
    assert!(error.kind() == ErrorKind::Io && error.to_string().contains("absent.safetensors"), "{error}");
}

#[test]
fn a_name_that_tells_no_format_is_an_error_at_the_callers_line() {
    for name in ["model", "model.bin"] {
        let error = save(name, &one_of_each()).expect_err("no format");
        assert!(error.location().is_some_and(|at| at.file() == file!()), "{error}");
    }
}

#[test]
fn the_old_file_stays_until_the_new_one_is_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    let old = one_of_each();
    save(&path, &old).expect("saved");
    let meta = Tensor::zeros(2).device(Device::Meta).build().expect("meta");
    save(&path, &[("x", meta)]).expect_err("no data");
    assert_same(&old, &load(&path).expect("the old one"));
    let new: StateDict = [("x", Tensor::zeros(3).build().expect("zeros"))].into_iter().collect();
    save(&path, &new).expect("saved over");
    assert_same(&new, &load(&path).expect("the new one"));
    let names: Vec<_> =
        fs::read_dir(folder.path()).expect("a folder").map(|e| e.expect("an entry").file_name()).collect();
    assert_eq!(names, ["model.safetensors"], "no drafts are left");
    save(folder.path().join("absent/model.safetensors"), &new).expect_err("no such folder");
    fs::create_dir(folder.path().join("folder.safetensors")).expect("made");
    save(folder.path().join("folder.safetensors"), &new).expect_err("a folder");
}

#[cfg(unix)]
#[test]
fn links_and_devices_are_not_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let (real, link) = (folder.path().join("real.safetensors"), folder.path().join("link.safetensors"));
    save(&real, &StateDict::new()).expect("saved");
    std::os::unix::fs::symlink(&real, &link).expect("linked");
    save(&link, &one_of_each()).expect("saved through the link");
    assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
    assert_same(&one_of_each(), &load(&real).expect("behind the link"));
    // What a link leads to need not be there yet; links may be relative and lead on.
    let (first, second) = (folder.path().join("first.safetensors"), folder.path().join("second"));
    std::os::unix::fs::symlink("second", &first).expect("linked");
    std::os::unix::fs::symlink("third.safetensors", &second).expect("linked");
    save(&first, &one_of_each()).expect("saved through two links");
    assert!([&first, &second].iter().all(|p| fs::symlink_metadata(p).expect("there").is_symlink()));
    assert_same(&one_of_each(), &load(folder.path().join("third.safetensors")).expect("behind the links"));
    let round = folder.path().join("round.safetensors");
    std::os::unix::fs::symlink("round.safetensors", &round).expect("linked");
    assert!(save(&round, &one_of_each()).expect_err("a circle").to_string().contains("links"));
    let full = folder.path().join("full.safetensors");
    std::os::unix::fs::symlink("/dev/full", &full).expect("linked");
    if fs::metadata("/dev/full").is_ok() {
        assert_eq!(save(&full, &one_of_each()).expect_err("no space").kind(), ErrorKind::Io);
    }
}

#[test]
fn drafts_of_killed_processes_are_cleared_away() {
    let folder = tempfile::tempdir().expect("a folder");
    let hour = std::time::Duration::from_secs(3600);
    let left = |name: &str, age| {
        let file = fs::File::create(folder.path().join(name)).expect("made");
        file.set_modified(std::time::SystemTime::now() - age).expect("dated");
    };
    left(".flambeau-4711-0.tmp", hour * 2);
    left(".flambeau-4711-1.tmp", hour / 2);
    for foreign in [".flambeau-4711-x.tmp", ".flambeau-4711.tmp", "flambeau-4711-0.tmp", ".model.tmp"] {
        left(foreign, hour * 2);
    }
    fs::create_dir(folder.path().join(".flambeau-1-1.tmp")).expect("made");
    save(folder.path().join("model.safetensors"), &one_of_each()).expect("saved");
    let mut names: Vec<_> =
        fs::read_dir(folder.path()).expect("a folder").map(|e| e.expect("an entry").file_name()).collect();
    names.sort();
    let kept =
        [".flambeau-1-1.tmp", ".flambeau-4711-1.tmp", ".flambeau-4711-x.tmp", ".flambeau-4711.tmp", ".model.tmp"];
    assert_eq!(names, [&kept[..], &["flambeau-4711-0.tmp", "model.safetensors"]].concat());
}

#[test]
fn a_name_may_be_as_long_as_the_system_lets_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(format!("{}.safetensors", "n".repeat(255 - 12)));
    save(&path, &one_of_each()).expect("saved");
    assert_same(&one_of_each(), &load(&path).expect("loaded"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn noise_is_never_a_panic(header in ".{0,200}", data in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut bytes = file_with(&header, 0);
        bytes.extend(data);
        let _ = load_from(&bytes);
    }

    #[test]
    fn pieces_of_a_header_are_never_a_panic(pieces in proptest::collection::vec(prop_oneof![
        Just("{"), Just("}"), Just("["), Just("]"), Just(":"), Just(","), Just("\"a\""), Just("\"dtype\""), Just("\"F32\""),
        Just("\"shape\""), Just("\"data_offsets\""), Just("0"), Just("4"), Just("18446744073709551615"), Just("\"__metadata__\""), Just(" "),
    ], 0..40)) {
        let _ = load_from(&file_with(&pieces.concat(), 4));
    }

    #[test]
    fn any_small_state_comes_back(shapes in proptest::collection::vec((proptest::collection::vec(0usize..4, 0..4), 0usize..14), 0..6)) {
        let state: StateDict = shapes.iter().enumerate().map(|(i, (shape, dtype))| {
            let dtype = DType::ALL[*dtype];
            (format!("t{i}"), Tensor::ones(&shape[..]).dtype(dtype).build().expect("ones"))
        }).collect();
        assert_same(&state, &load_from(&bytes_of(&state)).expect("what was written"));
    }
}

/// Beyond what signed types hold, in each format that keeps them.
#[test]
fn wide_unsigned_integers_come_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut state = StateDict::new();
    state.insert("u16", Tensor::from_vec(vec![0u16, 1, u16::MAX], 3).expect("made"));
    state.insert("u32", Tensor::from_vec(vec![7u32, u32::MAX], [2, 1]).expect("made"));
    state.insert("u64", Tensor::from_vec(vec![1u64, u64::MAX], 2).expect("made"));
    for name in ["a.safetensors", "a.pt", "a.npz"] {
        let path = folder.path().join(name);
        save(&path, &state).expect("saved");
        let back = load(&path).expect("loaded");
        for (name, tensor) in state.iter() {
            let back = back.get(name).expect("there");
            assert_eq!((back.dtype(), back.shape()), (tensor.dtype(), tensor.shape()));
            assert_eq!(back.to_bytes().expect("bytes"), tensor.to_bytes().expect("bytes"), "{name}");
        }
    }
}

/// Tied parameters: written once, all names there again, as one tensor.
#[test]
fn names_of_one_tensor_are_recorded() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tied.safetensors");
    let weight = Tensor::from_vec((0..1024).map(|i| i as f32).collect(), [32, 32]).expect("made");
    let mut state = StateDict::new();
    state.insert("encoder.weight", weight.clone());
    state.insert("bias", Tensor::ones(3).build().expect("made"));
    state.insert("decoder.weight", weight.detach());
    state.insert("turned", weight.t().expect("turned"));
    save_with_metadata(&path, &state, &[("format", "pt")]).expect("saved");
    let once = fs::metadata(&path).expect("there").len();
    assert!((8192..9216).contains(&once), "two tensors of 4096 bytes and a header, not {once}");

    let (back, metadata) = load_with_metadata(&path).expect("loaded");
    assert_eq!(metadata, [("format".to_string(), "pt".to_string())]);
    assert_eq!(back.len(), 4);
    for (name, tensor) in state.iter() {
        assert_eq!(back.get(name).expect(name).to_bytes().expect("bytes"), tensor.to_bytes().expect("bytes"), "{name}");
    }
    let (encoder, decoder) = (back.get("encoder.weight").expect("one"), back.get("decoder.weight").expect("the other"));
    assert!(encoder.storage().is(decoder.storage()));
    let opened = open(&path).expect("opened").tensor("decoder.weight").expect("read");
    assert_eq!(opened.shape(), [32, 32]);

    // Fields that would come back as names are refused, and so are those that the names need.
    for field in [("alias:a", "bias"), ("alias:decoder.weight", "nothing")] {
        let error = save_with_metadata(&path, &state, &[field]).expect_err("a name");
        assert!(error.message().contains("would be another name of a tensor"), "{error}");
    }
}

/// Files of other programs may have such fields with a meaning of their own: these make no file unreadable.
#[test]
fn foreign_fields_that_look_like_names_are_fields() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("foreign.safetensors");
    let fields = [("alias:b", "nowhere"), ("alias:a", "a"), ("alias:", "x"), ("alias:x", "alias:b")];
    let metadata = fields.map(|(name, value)| format!(r#""{name}":"{value}""#)).join(",");
    let header = format!(r#"{{"__metadata__":{{{metadata}}},"a":{{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}}}"#);
    fs::write(&path, file_with(&header, 4)).expect("written");
    let (state, found) = load_with_metadata(&path).expect("loaded");
    assert_eq!(state.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a"]);
    assert_eq!(found, fields.map(|(name, value)| (name.to_string(), value.to_string())));
    // And they are written again.
    save_with_metadata(&path, &state, &fields).expect("saved");
    assert_eq!(load_with_metadata(&path).expect("loaded").1, found);
}

#[cfg(target_os = "linux")]
#[test]
fn a_pipe_is_refused() {
    use std::os::fd::AsRawFd;
    let (pipe, writer) = std::io::pipe().unwrap();
    let error = load(format!("/dev/fd/{}", pipe.as_raw_fd())).unwrap_err();
    assert!(error.to_string().contains("a pipe or a device"), "{error}");
    drop(writer);
}
