//! Checkpoints in several files.

use flambeau_serialize::{load, open, save, save_sharded};
use flambeau_tensor::{ErrorKind, Result, StateDict, Tensor};
use std::fs;

fn state() -> Result<StateDict> {
    (0..5).map(|i| Ok((format!("layer{i}.weight"), Tensor::full([4, 2], i as f32).build()?))).collect()
}

#[test]
fn several_files_are_one_checkpoint() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let state = state()?;
    save_sharded(folder.path().join("model.safetensors"), &state, 64)?;
    let mut names: Vec<_> =
        fs::read_dir(folder.path()).expect("a folder").map(|e| e.expect("an entry").file_name()).collect();
    names.sort();
    let shard = |i: usize| format!("model-0000{i}-of-00003.safetensors");
    assert_eq!(
        names,
        [shard(1), shard(2), shard(3), "model.safetensors.index.json".into()].map(std::ffi::OsString::from)
    );
    let index = folder.path().join("model.safetensors.index.json");
    let (loaded, checkpoint) = (load(&index)?, open(&index)?);
    assert_eq!(loaded.keys().collect::<Vec<_>>(), state.keys().collect::<Vec<_>>());
    assert_eq!(checkpoint.names().collect::<Vec<_>>(), state.keys().collect::<Vec<_>>());
    for (name, tensor) in &state {
        for got in [loaded.get(name).expect("there"), &checkpoint.tensor(name)?] {
            assert_eq!((got.shape(), got.to_vec::<f32>()?), (tensor.shape(), tensor.to_vec::<f32>()?), "{name}");
        }
    }
    assert_eq!(checkpoint.load()?.len(), 5);
    assert_eq!(load(folder.path().join(shard(3)))?.len(), 1, "each is a checkpoint by itself");
    // One tensor larger than a file may be, and all in one.
    for (most, files) in [(1, 5), (usize::MAX, 1)] {
        save_sharded(folder.path().join("other.safetensors"), &state, most)?;
        let name = format!("other-{files:05}-of-{files:05}.safetensors");
        assert!(folder.path().join(name).exists());
        assert_eq!(load(folder.path().join("other.safetensors.index.json"))?.len(), 5);
    }
    assert!(save_sharded(folder.path().join("model.pt"), &state, 64).is_err());
    Ok(())
}

#[test]
fn files_of_pytorchs_in_an_index() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let state = state()?;
    save(folder.path().join("a.pt"), &state)?;
    save(folder.path().join("b.pt"), &[("bias", Tensor::ones(3).build()?)])?;
    let index = folder.path().join("pytorch_model.bin.index.json");
    fs::write(&index, r#"{"weight_map": {"bias": "b.pt", "layer3.weight": "a.pt"}, "metadata": {"total_size": 1e3}}"#)
        .expect("written");
    assert_eq!(load(&index)?.keys().collect::<Vec<_>>(), ["bias", "layer3.weight"]);
    assert_eq!(open(&index).err().expect("not tensor by tensor").kind(), ErrorKind::Unsupported);
    Ok(())
}

#[test]
fn an_index_that_lies() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let index = folder.path().join("x.safetensors.index.json");
    save(folder.path().join("a.safetensors"), &state()?)?;
    for (text, part) in [
        (r#"{"weight_map": {"b": "a.safetensors"}}"#, "which has none of that name"),
        (
            r#"{"weight_map": {"b": "../a.safetensors"}}"#,
            "\"b\" is in \"../a.safetensors\", no plain name of a file (byte 16)",
        ),
        (r#"{"weight_map": {"b": "/etc/passwd"}}"#, "no plain name of a file"),
        (r#"{"weight_map": {"b": ".."}}"#, "no plain name of a file"),
        (r#"{"weight_map": {"b": ""}}"#, "no plain name of a file"),
        (r#"{"weight_map": {"b": "absent.safetensors"}}"#, "absent.safetensors"),
        (r#"{"weight_map": {"b": "x.safetensors.index.json"}}"#, "x.safetensors.index.json"),
        (r#"{"weight_map": {"b": "a.safetensors", "b": "a.safetensors"}}"#, "two tensors are called \"b\""),
        (r#"{"weights": {}}"#, "it has no `weight_map`"),
        ("[1]", "expected `{`, found `[` (byte 0)"),
        ("", "(byte 0)"),
    ] {
        fs::write(&index, text).expect("written");
        for error in [load(&index).err(), open(&index).err()] {
            let error = error.expect("a lie").to_string();
            assert!(error.contains(part), "{text} gave\n  {error}\nwithout\n  {part}");
        }
    }
    Ok(())
}
