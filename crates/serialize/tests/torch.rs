//! PyTorch's files: those in `data`, which PyTorch and `data/make.py` made, damaged and hostile ones, and our own.

use flambeau_serialize::torch::{self, Sparse, Value};
use flambeau_serialize::{load, load_from, save};
use flambeau_tensor::{Complex, DType, Device, ErrorKind, Result, StateDict, Tensor, tensor};
use std::fs;
use std::path::PathBuf;

fn data(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "data", name].iter().collect()
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

#[track_caller]
fn tensor<'a>(value: &'a Value, name: &str) -> &'a Tensor {
    value.get(name).and_then(Value::as_tensor).unwrap_or_else(|| panic!("no tensor {name}"))
}

fn floats(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).expect("real").to_vec().expect("f64")
}

#[test]
fn a_model_with_its_optimizer_and_schedule() {
    let right = load(data("resnet.safetensors")).expect("our own format");
    for name in ["resnet.pt", "resnet_legacy.pt"] {
        assert_same(&load(data(name)).expect(name), &right);
        assert_same(&load_from(&fs::read(data(name)).expect("there")).expect(name), &right);
        let value = torch::load(data(name)).expect(name);
        assert_eq!(value.get("epoch").and_then(Value::as_i64), Some(3));
        assert!(matches!(value.get("seed"), Some(Value::Int(n)) if *n == (1 << 64) - 3));
        assert_eq!(value.get("loss").and_then(Value::as_f64), Some(f64::INFINITY));
        assert_eq!(value.get("note").and_then(Value::as_str), Some("größer ☃"));
        assert!(value.get("best").is_some_and(Value::is_none));
        assert_eq!(value.get("done").and_then(Value::as_bool), Some(false));
        assert_eq!(value.get("model").expect("there").state_dict().sub("layer1.1.bn1.").len(), 5);
        let groups = value.get("optimizer").and_then(|o| o.get("param_groups")).expect("groups");
        let option = |group: usize, name: &str| groups.at(group).and_then(|g| g.get(name)).cloned();
        assert_eq!(option(0, "weight_decay").and_then(|v| v.as_f64()), Some(0.125));
        assert_eq!(
            option(1, "betas").map(|b| b.items().iter().filter_map(Value::as_f64).collect()),
            Some(vec![0.5, 0.75])
        );
        assert_eq!(option(1, "amsgrad").and_then(|v| v.as_bool()), Some(true));
        assert!(option(0, "foreach").is_some_and(|v| v.is_none()));
        assert_eq!(option(0, "params").map(|p| p.items().len()), Some(19));
        let state = value.get("optimizer").and_then(|o| o.get("state")).expect("state");
        assert_eq!(state.entries().len(), 21);
        assert_eq!(
            floats(state.at(20).and_then(|s| s.get("step")).and_then(Value::as_tensor).expect("a tensor")),
            [3.0]
        );
        let drops = value.get("scheduler").and_then(|s| s.get("_schedulers")).and_then(|s| s.at(1)).expect("nested");
        assert_eq!(drops.get("milestones").and_then(|m| m.at(5)).and_then(Value::as_i64), Some(2), "a Counter");
    }
}

#[test]
fn every_kind_of_value() {
    for name in ["everything.pt", "everything_4.pt", "everything_legacy.pt", "packed.pt"] {
        let value = torch::load(data(name)).expect(name);
        for dtype in DType::ALL.into_iter().filter(|d| !d.is_wide_unsigned()) {
            let got = tensor(&value, dtype.name());
            assert_eq!(got.dtype(), dtype, "{name}");
            let right = if dtype == DType::Bool { vec![0.0, 1.0, 1.0, 1.0] } else { vec![0.0, 1.0, 2.0, 100.0] };
            let got = if dtype.is_complex() {
                got.view_as_real().and_then(|r| r.select(-1, 0)).expect("complex")
            } else {
                got.clone()
            };
            assert_eq!(floats(&got), right, "{name}: {dtype}");
        }
        assert_eq!(floats(tensor(&value, "parameter")), [1.5, -2.5]);
        let ints = |key: &str| value.get(key).map(|v| v.items().iter().filter_map(Value::as_i64).collect::<Vec<_>>());
        assert_eq!(ints("size"), Some(vec![2, 3]));
        assert_eq!(ints("set"), Some(vec![7]));
        assert!(matches!(value.get("dtype"), Some(Value::DType(DType::BF16))));
        assert_eq!(value.get("device").and_then(Value::as_str), Some("cuda:1"));
        assert!(matches!(value.get("bytes"), Some(Value::Bytes(b)) if b == b"\x00\x7f\x80\xff"), "{name}");
        assert!(matches!(value.get("bytearray"), Some(Value::Bytes(b)) if b == b"\xfe\x01"));
        assert!(matches!(value.get("complex"), Some(Value::Complex(c)) if *c == Complex::new(1.5, -2.0)));
        let nested = format!("{:?}", value.get("nested").expect("there"));
        assert_eq!(
            nested,
            "List([Tuple([]), List([]), Dict([]), Tuple([Int(1), Tuple([Int(2), List([Int(3), \
             Dict([(Int(4), Str(\"four\")), (Tuple([Int(5), Int(6)]), Int(-7))])])])])])"
        );
        let ints = [0, 255, 256, -1, 65536, 1 << 31, -(1 << 31) - 1, 1 << 63, -(1i128 << 70)];
        let got = value.get("ints").expect("there").items();
        assert!(got.iter().zip(ints).all(|(a, b)| matches!(a, Value::Int(a) if *a == b)), "{name}: {got:?}");
    }
}

#[test]
fn views_share_their_storage() {
    for name in ["everything.pt", "everything_legacy.pt", "packed.pt"] {
        let value = torch::load(data(name)).expect(name);
        let views = value.get("views").expect("there");
        let base = tensor(views, "base");
        assert_eq!(floats(base), (0..24).map(f64::from).collect::<Vec<_>>());
        let turned = tensor(views, "turned");
        assert_eq!((turned.shape(), turned.strides()), (&[6, 4][..], &[1, 6][..]));
        assert_eq!(floats(tensor(views, "inner")), [8.0, 9.0, 10.0, 14.0, 15.0, 16.0]);
        assert_eq!(floats(tensor(views, "steps")), [3.0, 7.0, 11.0, 15.0, 19.0, 23.0]);
        assert_eq!(floats(tensor(views, "spread")), [5.0; 6]);
        assert_eq!(floats(tensor(views, "scalar")), [7.0]);
        assert_eq!(tensor(views, "none").shape(), [0]);
        base.fill_(9.0).expect("filled");
        for shared in ["turned", "inner", "steps", "again", "spread", "scalar"] {
            assert!(floats(tensor(views, shared)).iter().all(|x| *x == 9.0), "{name}: {shared} shares the memory");
        }
    }
}

/// `t.conj()` and its imaginary part are views in PyTorch: the file has the numbers of `t`, and says what to do to them.
#[test]
fn conjugates_and_negatives_are_made() -> Result<()> {
    for name in ["lazy.pt", "lazy_legacy.pt"] {
        let file = torch::load(data(name))?;
        let parts = |name: &str| -> Result<Vec<f32>> {
            let t = tensor(&file, name);
            let t = if t.dtype().is_complex() { t.contiguous()?.view_as_real()? } else { t.clone() };
            t.contiguous()?.to_vec::<f32>()
        };
        assert_eq!(parts("plain")?, [1.0, 2.0, 3.0, -4.0, 0.0, 5.0, 0.0, -1.0, 2.0, 0.0, 7.0, 1.0]);
        assert_eq!(parts("conj")?, [1.0, -2.0, 3.0, 4.0, 0.0, -5.0, 0.0, 1.0, 2.0, 0.0, 7.0, -1.0]);
        assert_eq!(parts("turned")?, [3.0, 4.0, 2.0, 0.0, 0.0, -5.0, 7.0, -1.0]);
        assert_eq!(parts("neg")?, [-2.0, 4.0, -5.0, 1.0, 0.0, -1.0]);
        assert_eq!(parts("row")?, [1.0, 0.0, -1.0]);
    }
    Ok(())
}

#[test]
fn types_that_flambeau_lacks_are_widened() {
    let state = load(data("foreign.pt")).expect("loaded");
    for (name, dtype) in [("float8_e4m3fn", DType::F16), ("float8_e5m2", DType::F16)] {
        let tensor = state.get(name).expect("there");
        assert_eq!((tensor.dtype(), floats(tensor)), (dtype, vec![0.0, 1.0, 2.0, 64.0]), "{name}");
    }
    for dtype in [DType::U16, DType::U32, DType::U64] {
        let tensor = state.get(dtype.name()).expect("there");
        assert_eq!((tensor.dtype(), floats(tensor)), (dtype, vec![0.0, 1.0, 2.0, 64.0]));
    }
    assert_eq!(floats(state.get("part").expect("there")), [1.0, 64.0]);
}

#[test]
fn tensors_of_a_script() {
    let state = load(data("script.pt")).expect("loaded");
    assert_eq!(state.keys().collect::<Vec<_>>(), ["steps", "linear.weight", "linear.bias"]);
    assert_eq!(floats(state.get("linear.weight").expect("there")), [1.5; 6]);
    assert_eq!(floats(state.get("steps").expect("there")), [4.0, 5.0]);
    let value = torch::load(data("script.pt")).expect("loaded");
    assert_eq!(value.get("sizes").and_then(|s| s.at(1)).and_then(Value::as_i64), Some(8));
    assert_eq!(value.get("training").and_then(Value::as_bool), Some(true));
}

#[track_caller]
fn sparse<'a>(value: &'a Value, name: &str) -> &'a Sparse {
    match value.get(name) {
        Some(Value::Sparse(sparse)) => sparse,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn sparse_tensors_come_as_their_parts_and_go_back() -> Result<()> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ours = folder.path().join("ours.pt");
    torch::save(&ours, &torch::load(data("sparse.pt"))?)?;
    for path in [data("sparse.pt"), data("sparse_legacy.pt"), ours] {
        let value = torch::load(&path)?;
        let plain = sparse(&value, "plain");
        assert_eq!((plain.shape(), plain.is_coalesced()), (&[3, 4][..], false));
        assert_eq!(plain.indices().to_vec::<i64>()?, [0, 2, 2, 2, 1, 0, 3, 3]);
        assert_eq!(plain.values().to_vec::<f32>()?, [1.5, -2.0, 3.0, 0.5]);
        let right = [0.0, 1.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -2.0, 0.0, 0.0, 3.5];
        assert_eq!(floats(&plain.to_dense()?), right);
        let once = sparse(&value, "once");
        assert_eq!((once.values().numel(), once.is_coalesced()), (3, true));
        assert_eq!(floats(&once.to_dense()?), right);
        let rows = sparse(&value, "rows").to_dense()?;
        assert_eq!((rows.dtype(), floats(&rows)), (DType::F64, floats(tensor(&value, "dense"))));
        let empty = sparse(&value, "empty");
        assert_eq!((empty.values().numel(), floats(&empty.to_dense()?)), (0, vec![0.0; 6]));
        assert_eq!(value.sparse().map(|(path, _)| path).as_deref(), Some("plain"));
        assert_eq!(value.state_dict().keys().collect::<Vec<_>>(), ["dense"]);
    }
    // No dimension is sparse, as PyTorch allows: the values are added up.
    let whole = Sparse::new(Tensor::zeros([0, 2]).dtype(DType::I64).build()?, tensor!([[1.0, 2.0], [3.0, 4.0]]), &[2])?;
    assert_eq!(floats(&whole.to_dense()?), [4.0, 6.0]);
    Ok(())
}

#[test]
fn sparse_tensors_that_lie() -> Result<()> {
    let error = |indices: Tensor, shape: &[usize]| {
        let made = Sparse::new(indices, tensor!([1.0, 2.0]), shape);
        made.expect_err("refused").to_string()
    };
    assert!(error(tensor!([[0i64, 3]]), &[3]).contains("an index 3 of dimension 0 is not in 0..3"));
    assert!(error(tensor!([[-1i64, 0]]), &[3]).contains("an index -1 of dimension 0"));
    assert!(error(tensor!([[0i64, 1]]), &[3, 3]).contains("do not go together"));
    assert!(error(tensor!([[0i64, 1, 2]]), &[3]).contains("do not go together"));
    assert!(error(tensor!([0i64, 1]), &[3]).contains("do not go together"));
    assert!(error(tensor!([[0.0, 1.0]]), &[3]).contains("do not go together"));
    assert!(error(tensor!([[0i64, 1], [0, 1]]), &[usize::MAX, 2]).contains("do not go together"));
    // In a file: an index changed to one that is out of range, a size to one that is smaller.
    let legacy = fs::read(data("sparse_legacy.pt")).expect("there");
    let place =
        legacy.windows(8 * 4).position(|w| w[..8] == [0; 8] && w[8..16] == 2u64.to_le_bytes()).expect("indices");
    let mut bad = legacy.clone();
    bad[place + 8] = 200;
    let path = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(path.path(), &bad).expect("written");
    let error = torch::load(path.path()).expect_err("refused").to_string();
    assert!(error.contains("a sparse tensor: an index 200 of dimension 0 is not in 0..3"), "{error}");
    // A tensor of any size is told of, and made by nobody who does not ask.
    let place = legacy.windows(4).position(|w| w == b"K\x03K\x04").expect("the size");
    let mut large = legacy.clone();
    large.splice(place..place + 2, *b"\x8a\x06\0\0\0\0\0\x01");
    fs::write(path.path(), &large).expect("written");
    assert_eq!(sparse(&torch::load(path.path())?, "plain").shape(), [1 << 40, 4]);
    assert!(sparse(&torch::load(path.path())?, "plain").to_dense().is_err());
    Ok(())
}

#[test]
fn what_is_not_on_the_list_is_named() {
    let error = |name: &str| load(data(name)).expect_err("refused");
    let module = error("module.pt");
    assert_eq!(module.kind(), ErrorKind::Unsupported);
    assert!(module.to_string().contains("`torch.nn.modules.linear.Linear`"), "{module}");
    let csr = error("csr.pt");
    assert_eq!(csr.kind(), ErrorKind::Unsupported);
    assert!(csr.to_string().contains("a tensor of the layout torch.sparse_csr"), "{csr}");
    let sparse = error("sparse.pt").to_string();
    assert!(sparse.contains("the tensor \"plain\" is sparse; `torch::load` gives it"), "{sparse}");
    assert!(error("single.pt").to_string().contains("a single value and no name for it"));
    assert_eq!(floats(torch::load(data("single.pt")).expect("read").as_tensor().expect("a tensor")), [1.0; 3]);
    // What a pickle would run, in the form before 1.6, whose first pickle is the number.
    for (program, name) in [
        (&b"cos\nsystem\n(X\x04\x00\x00\x00truetR."[..], "os.system"),
        (b"cbuiltins\neval\n(X\x01\x00\x00\x001tR.", "builtins.eval"),
        (b"\x8c\x05posix\x8c\x06system\x93.", "posix.system"),
        (b"ctorch\nload\n.", "torch.load"),
        (b"c__torch__\nNet\n)\x81.", "__torch__.Net"),
    ] {
        let error = torch_error(&legacy(program, b"\x80\x02]."));
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains(&format!("`{name}`")), "{error}");
        assert!(error.message().contains("nothing was executed (byte "), "{error}");
    }
}

/// A file of the form before 1.6 with this value and these keys, and no storages.
fn legacy(program: &[u8], keys: &[u8]) -> Vec<u8> {
    let magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    [&magic[..], b"\x80\x02M\xe9\x03.", b"\x80\x02}.", b"\x80\x02", program, keys].concat()
}

#[track_caller]
fn torch_error(bytes: &[u8]) -> flambeau_tensor::Error {
    load_from(bytes).expect_err("no file of PyTorch's")
}

#[test]
fn programs_that_lie() {
    let deep = [&vec![b']'; 100_000][..], &vec![b'a'; 99_999], b"."].concat();
    // Twenty lists, each of ten times the one before.
    let mut laughs = b"]q\x00".to_vec();
    for level in 0..20u8 {
        laughs.extend(b"](");
        laughs.extend([b'h', level].repeat(10));
        laughs.extend([b'e', b'q', level + 1]);
    }
    laughs.push(b'.');
    let long = [&b"X\x00\x00\x01\x00"[..], &vec![b'x'; 1 << 16], b"q\x000]("].concat();
    let long = [&long[..], &b"h\x00".repeat(1 << 14), b"e."].concat();
    let storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQ";
    let view = |rest: &[u8]| [&b"ctorch._utils\n_rebuild_tensor_v2\n("[..], storage, rest, b"\x89NtR."].concat();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b".".to_vec(), "nothing left to take"),
        (b"0.".to_vec(), "nothing left to take"),
        (b"(.".to_vec(), "nothing left to take"),
        (b"t.".to_vec(), "no mark"),
        (b"(K\x01d.".to_vec(), "a key of a dict has no value"),
        (b"h\x07.".to_vec(), "nothing was kept under the number 7"),
        (b"K\x01K\x02a.".to_vec(), "items for what holds none"),
        (b"}K\x02a.".to_vec(), "items for what does not hold such"),
        (b"]K\x02K\x03s.".to_vec(), "keys for what is no dict"),
        (b"\xffx.".to_vec(), "the instruction 0xff"),
        (b"\x80\x09.".to_vec(), "pickles of version 9"),
        (b"X\xff\xff\xff\xffabc.".to_vec(), "ends within the instruction"),
        (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc.".to_vec(), "ends within the instruction"),
        (b"X\x01\x00\x00\x00\xff.".to_vec(), "not UTF-8"),
        (b"K\x01)R.".to_vec(), "a call of what is no function"),
        (b"ccollections\nOrderedDict\nK\x01\x85R.".to_vec(), "a dict of what are no pairs"),
        (b"]q\x00h\x00a.".to_vec(), "or hold each other"),
        (b"NQ.".to_vec(), "a reference to what is no storage"),
        (deep, "nested more than 500 deep"),
        (laughs, "far more than the file has"),
        (long, "far more than the file has"),
        (view(b"K\x00K\x05\x85K\x01\x85"), "does not fit its storage \"0\" of 4 elements"),
        (view(b"K\x02K\x03\x85K\x01\x85"), "does not fit its storage"),
        (view(b"K\x00K\x02K\x02\x86K\x01\x85"), "does not fit its storage"),
        (view(b"J\xff\xff\xff\xffK\x02\x85K\x01\x85"), "are no whole numbers"),
        (view(b"K\x00\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\x04\x86K\x00K\x01\x86"), "does not fit its storage"),
        (view(b"K\x00K\x02\x85\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85"), "does not fit its storage"),
        (view(b"K\x00K\x04\x85K\x01\x85"), "the file has no storage \"0\""),
    ];
    for (program, part) in cases {
        let error = torch_error(&legacy(&program, b"\x80\x02]."));
        let start = &program[..program.len().min(40)];
        assert!(
            error.message().contains(part),
            "{:?} gave\n  {error}\nwithout\n  {part}",
            String::from_utf8_lossy(start)
        );
    }
    let keys = b"\x80\x02]X\x01\x00\x00\x000a.\x05\x00\x00\x00\x00\x00\x00\x00";
    let error = torch_error(&legacy(&view(b"K\x00K\x04\x85K\x01\x85"), keys));
    assert!(error.message().contains("has 5 elements, its tensors need 4"), "{error}");
}

#[test]
fn a_cut_off_file_is_an_error_at_every_length() {
    for name in ["everything.pt", "everything_legacy.pt", "packed.pt"] {
        let bytes = fs::read(data(name)).expect("there");
        for len in 0..bytes.len() {
            let error = load_from(&bytes[..len]).expect_err("cut off");
            assert!(matches!(error.kind(), ErrorKind::Format), "{name}, {len}: {error}");
            assert!(error.to_string().contains("byte"), "{name}, {len}: {error}");
        }
    }
}

#[test]
fn a_flipped_bit_is_an_error_or_other_data() {
    for name in ["everything.pt", "everything_4.pt", "everything_legacy.pt", "packed.pt", "foreign.pt"] {
        let clean = fs::read(data(name)).expect("there");
        // One of each byte, another one each time.
        for byte in 0..clean.len() {
            let (bit, mut bytes) = (byte * 5 % 8, clean.clone());
            bytes[byte] ^= 1 << bit;
            if let Err(e) = load_from(&bytes) {
                assert!(
                    matches!(e.kind(), ErrorKind::Format | ErrorKind::Unsupported),
                    "{name}, bit {bit} of byte {byte}: {e}"
                );
            }
        }
    }
}

#[test]
fn what_is_saved_comes_back() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.pt");
    let read = torch::load(data("everything.pt"))?;
    torch::save(&path, &read)?;
    let again = torch::load(&path)?;
    let print = |value: &Value| {
        let Value::Dict(entries) = value else { panic!("no dict") };
        entries
            .iter()
            .filter(|(_, v)| v.as_tensor().is_none() && v.get("base").is_none())
            .map(|e| format!("{e:?}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(print(&read), print(&again));
    assert_same(&read.state_dict(), &again.state_dict());
    let views = again.get("views").expect("there");
    assert_eq!(tensor(views, "turned").strides(), [1, 6]);
    tensor(views, "base").fill_(9.0)?;
    assert_eq!(floats(tensor(views, "inner")), [9.0; 6], "shared again");

    let state = load(data("resnet.pt"))?.sub("model.");
    for name in ["x.pt", "x.pth", "x.npz"] {
        save(folder.path().join(name), &state)?;
        assert_same(&load(folder.path().join(name))?, &state);
    }
    // A view alone is written without the rest of its storage.
    let part = Tensor::zeros([1000, 1000]).build()?.narrow(1, 3, 2)?.narrow(0, 0, 5)?;
    torch::save(&path, &part.clone().into())?;
    assert!(fs::metadata(&path).expect("there").len() < 2000);
    assert_eq!(torch::load(&path)?.as_tensor().expect("a tensor").shape(), [5, 2]);
    Ok(())
}

#[test]
fn what_cannot_be_written_is_refused() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.pt");
    let kind = |value: &Value| torch::save(&path, value).expect_err("refused").kind();
    assert_eq!(kind(&Tensor::zeros(2).device(Device::Meta).build()?.into()), ErrorKind::Device);
    let mut deep = Value::None;
    for _ in 0..600 {
        deep = Value::List(vec![deep]);
    }
    assert_eq!(kind(&deep), ErrorKind::Argument);
    assert_eq!(kind(&Value::Dict(vec![(Value::List(vec![]), Value::None)])), ErrorKind::Argument);
    assert!(!path.exists(), "nothing was begun");
    Ok(())
}
