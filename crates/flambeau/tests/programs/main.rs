//! The programs that the facade exists for, as their authors write them: they compile, run, and fail with
//! the message that helps. Short calls stand here, whole programs in files of their own.

mod audio;
mod cart_pole;
mod dqn;
mod gpt;
mod hooks_and_groups;
mod loader;
mod reinforce;
mod resnet;
mod science;
mod vae;
mod wgan_gp;

use flambeau::audio::transforms::*;
use flambeau::prelude::*;
use flambeau::vision::transforms::*;
use resnet::BasicBlock;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[test]
fn the_page_lists_every_program() {
    let (page, own) = (include_str!("../../../../docs/programs.md"), include_str!("main.rs"));
    for program in own.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';')) {
        assert!(page.contains(&format!("`{program}.rs`")), "docs/programs.md does not tell of {program}.rs");
    }
}

/// A program has the process's random numbers to itself: one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static RUNNING: Mutex<()> = Mutex::new(());
    // One that failed leaves nothing behind that another needs.
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../data").join(name)
}

#[test]
fn a_module_of_ones_own() -> Result<()> {
    let _alone = alone();
    let block = BasicBlock::new(8, 16, 2)?;
    assert_eq!(block.call(&Tensor::randn([2, 8, 6, 6]).build()?)?.shape(), [2, 16, 3, 3]);
    let names: Vec<String> = block.named_parameters().into_iter().map(|(name, _)| name).collect();
    assert!(names.contains(&"downsample.0.weight".to_string()), "{names:?}");
    assert!(format!("{block:?}").starts_with("BasicBlock(\n  (conv1): Conv2d(8, 16, kernel_size=(3, 3)"));
    // The same model without memory.
    let empty = block.to(Device::Meta)?;
    assert_eq!(empty.call(&Tensor::zeros([2, 8, 6, 6]).device(Device::Meta).build()?)?.shape(), [2, 16, 3, 3]);
    Ok(())
}

#[test]
fn training_on_images() -> Result<()> {
    let _alone = alone();
    flambeau::manual_seed(0);
    let train = vision::datasets::Mnist::new(data("digits"))
        .train(true)
        .transform(Compose::of((RandomCrop::new(8).padding(1), ToTensor::new(), Normalize::new([0.3], [0.38]))))
        .build()?;
    let loader = DataLoader::new(train).batch_size(64).shuffle(true).workers(2).build()?;
    let model = Sequential::of((Flatten::new(), Linear::new(64, 10)))?;
    let mut optimizer = SGD::new(model.parameters()).lr(0.1).momentum(0.9).build()?;
    let mut losses = Vec::new();
    for batch in loader.iter().progress() {
        let (images, labels) = batch?;
        let loss = cross_entropy(&model.call(&images)?, &labels)?;
        optimizer.zero_grad();
        loss.backward()?;
        clip_grad_norm_(model.parameters(), 1.0)?;
        optimizer.step()?;
        losses.push(loss.item::<f64>()?);
    }
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    assert!(mean(&losses[losses.len() - 5..]) < 0.75 * mean(&losses[..3]), "{losses:?}");
    Ok(())
}

#[test]
fn sound() -> Result<()> {
    let _alone = alone();
    let folder = data("spoken_digits/seven");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let (waveform, rate) = flambeau::audio::load(&files[0])?;
    let features = Sequential::of((
        Resample::new(rate, 16_000),
        MelSpectrogram::new(16_000).n_fft(400).hop_length(160).n_mels(64),
        AmplitudeToDB::new(),
    ))?
    .call(&waveform)?;
    let frames = waveform.size(1)? * 2 / 160 + 1;
    assert_eq!(features.shape(), [1, 64, frames]);
    Ok(())
}

#[test]
fn tensors_by_hand() -> Result<()> {
    let _alone = alone();
    let a = tensor!([[1.0, 2.0], [3.0, 4.0]]);
    let (row, col, picked) = (a.i(1)?, a.i((.., 0))?, a.i(a.gt(1.5)?)?);
    assert_eq!(row.to_vec::<f32>()?, [3.0, 4.0]);
    assert_eq!(col.to_vec::<f32>()?, [1.0, 3.0]);
    assert_eq!(picked.to_vec::<f32>()?, [2.0, 3.0, 4.0]);
    let b = &a * 2.0 + a.t()?;
    let c = a.matmul(&b)?.softmax(-1)?.sum([0, 1])?;
    assert!((c.item::<f64>()? - 2.0).abs() < 1e-6);
    a.i((0, ..))?.mul_(10.0)?;
    assert_eq!(a.to_vec::<f32>()?, [10.0, 20.0, 3.0, 4.0]);
    Ok(())
}

struct Clamp;

impl Function for Clamp {
    fn forward(&self, ctx: &mut Context, x: &Tensor) -> Result<Tensor> {
        ctx.save(x);
        x.clamp(0.0, 1.0)
    }
    fn backward(&self, _: &Context, grad: &Tensor) -> Result<Tensor> {
        Ok(grad.clone())
    }
}

#[test]
fn forward_and_backward_of_ones_own() -> Result<()> {
    let _alone = alone();
    let x = tensor!([-1.0, 0.5, 2.0]).requires_grad_()?;
    Clamp.apply(&x)?.sum(..)?.backward()?;
    assert_eq!(x.grad().unwrap().to_vec::<f32>()?, [1.0; 3]);
    Ok(())
}

#[test]
fn mistakes_say_what_is_wrong_and_where() -> Result<()> {
    let _alone = alone();
    let wrong = Tensor::ones([32, 784]).build()?.matmul(&Tensor::ones([512, 10]).build()?).unwrap_err().to_string();
    assert!(
        wrong.starts_with("matmul: cannot multiply [32, 784] by [512, 10]: inner sizes 784 and 512 differ"),
        "{wrong}"
    );
    assert!(wrong.contains("main.rs:"), "{wrong}");

    let other = Sequential::of((Linear::new(2, 3),))?.state_dict();
    let wrong = Sequential::of((Linear::new(2, 4),))?.load_state_dict(&other).unwrap_err().to_string();
    assert!(wrong.contains("2 size mismatches: \"0.weight\" is [4, 2] here and [3, 2] in the checkpoint"), "{wrong}");

    let x = tensor!([1.0, 2.0]).requires_grad_()?;
    let y = x.mul(2.0)?;
    let z = y.mul(&y)?;
    y.add_(1.0)?;
    let wrong = z.sum(..)?.backward().unwrap_err().to_string();
    assert!(wrong.contains("a value saved by `mul`") && wrong.contains("was overwritten by `add_`"), "{wrong}");

    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("MNIST/raw");
    std::fs::create_dir_all(&raw).unwrap();
    let mut lying = vec![0, 0, 8, 3, 0, 0, 0xea, 0x60, 0, 0, 0, 28, 0, 0, 0, 28];
    lying.resize(1210, 7);
    std::fs::write(raw.join("train-images-idx3-ubyte"), lying).unwrap();
    let mut labels = vec![0, 0, 8, 1, 0, 0, 0xea, 0x60];
    labels.resize(8 + 60000, 7);
    std::fs::write(raw.join("train-labels-idx1-ubyte"), labels).unwrap();
    let wrong = vision::datasets::Mnist::new(folder.path()).train(true).build().err().unwrap().to_string();
    assert!(wrong.contains("train-images-idx3-ubyte") && wrong.contains("60000") && wrong.contains("1210"), "{wrong}");
    Ok(())
}
