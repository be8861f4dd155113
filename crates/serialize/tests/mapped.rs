//! Files mapped into memory.

use flambeau_serialize::{load, load_mapped, open_mapped, save, save_sharded, torch};
use flambeau_tensor::{Result, StateDict, Tensor};
use std::path::Path;

fn state() -> Result<StateDict> {
    let large = Tensor::from_vec((0..5000).map(|i| i as f32).collect(), [50, 100])?;
    Ok([("large", large.clone()), ("turned", large.t()?), ("small", Tensor::ones(3).build()?)].into_iter().collect())
}

fn mapped(path: &Path) -> Result<StateDict> {
    // SAFETY: the file is this test's, which replaces it only.
    unsafe { load_mapped(path) }
}

#[test]
fn what_is_mapped_is_what_is_read() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["x.safetensors", "x.pt", "x.npz"] {
        let path = folder.path().join(name);
        save(&path, &state()?)?;
        let (mapped, read) = (mapped(&path)?, load(&path)?);
        assert_eq!(mapped.keys().collect::<Vec<_>>(), read.keys().collect::<Vec<_>>());
        for (name, tensor) in &read {
            let got = mapped.get(name).expect("just compared");
            assert_eq!((got.shape(), got.strides()), (tensor.shape(), tensor.strides()));
            assert_eq!(got.to_vec::<f32>()?, tensor.to_vec::<f32>()?, "{name}");
        }
        // What is written stays here, though another file takes the place of the old one meanwhile.
        mapped.get("large").expect("there").fill_(7.0)?;
        assert_eq!(load(&path)?.get("large").expect("there").to_vec::<f32>()?[4], 4.0);
        save(&path, &[("other", Tensor::ones(3).build()?)])?;
        assert_eq!(mapped.get("large").expect("there").sum(..)?.item::<f32>()?, 35000.0);
    }
    save_sharded(folder.path().join("m.safetensors"), &state()?, 20_000)?;
    assert_eq!(mapped(&folder.path().join("m.safetensors.index.json"))?.len(), 3);
    Ok(())
}

#[test]
fn tensors_that_share_a_storage_share_the_map() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.pt");
    save(&path, &state()?)?;
    // SAFETY: nobody else knows the file.
    let value = unsafe { torch::load_mapped(&path) }?;
    let tensor = |name: &str| value.get(name).and_then(torch::Value::as_tensor).expect("there");
    tensor("large").fill_(3.0)?;
    assert_eq!(tensor("turned").sum(..)?.item::<f32>()?, 15000.0);
    Ok(())
}

#[test]
fn a_tensor_that_is_asked_for_again_has_memory_of_its_own() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.safetensors");
    save(&path, &state()?)?;
    // SAFETY: nobody else knows the file.
    let checkpoint = unsafe { open_mapped(&path) }?;
    let (first, second) = (checkpoint.tensor("large")?, checkpoint.tensor("large")?);
    first.fill_(7.0)?;
    assert_eq!(second.to_vec::<f32>()?[..3], [0.0, 1.0, 2.0]);
    drop((checkpoint, second));
    if let Ok(maps) = std::fs::read_to_string("/proc/self/maps") {
        assert!(maps.contains(path.to_str().expect("text")), "it is mapped");
    }
    assert_eq!(first.to_vec::<f32>()?, [7.0; 5000], "the map lives as long as its tensors");
    Ok(())
}
