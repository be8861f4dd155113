//! Files that are cut, damaged or lie: whatever the bytes, a reader gives a value or an error that names the
//! file. It does not panic, and takes no memory beyond what the file can fill.

use flambeau::audio::io as sound;
use flambeau::data::Dataset;
use flambeau::prelude::*;
use flambeau::vision::datasets::{Cifar10, Cifar100, ImageFolder, read_idx};
use flambeau::vision::io as image;
use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The largest block that anybody asked for since it was set to 0.
static LARGEST: AtomicUsize = AtomicUsize::new(0);

struct Watched;

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(ptr, layout, size) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// Numbers that look random, the same ones in every run: Knuth's linear congruential generator.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % n.max(1)
    }
}

/// `whole` with a few bytes changed, more often near the start, where headers are.
fn damaged(whole: &[u8], dice: &mut Dice) -> Vec<u8> {
    const WORDS: [[u8; 4]; 6] =
        [[0; 4], [0xff; 4], [0x7f, 0xff, 0xff, 0xff], [0xff, 0xff, 0xff, 0x7f], [0x80, 0, 0, 0], [0, 0, 0, 0x80]];
    let mut bytes = whole.to_vec();
    match dice.below(32) {
        0 => bytes.truncate(dice.below(whole.len()).max(1)),
        1 => {
            let (from, to) = (dice.below(whole.len()), dice.below(whole.len()));
            let part = whole[from..(from + 1 + dice.below(64)).min(whole.len())].to_vec();
            bytes.splice(to..to, part);
        }
        _ => {}
    }
    for _ in 0..=dice.below(4) {
        let at = if dice.below(3) > 0 { dice.below(bytes.len().min(80)) } else { dice.below(bytes.len()) };
        if dice.below(2) == 0 {
            bytes[at] = dice.below(256) as u8;
        } else {
            let word = WORDS[dice.below(WORDS.len())];
            bytes[at..].iter_mut().zip(word).for_each(|(to, x)| *to = x);
        }
    }
    bytes
}

/// How many damaged files each reader is given: 2000, or `FLAMBEAU_DAMAGED_FILES`.
fn variants() -> usize {
    let asked = std::env::var("FLAMBEAU_DAMAGED_FILES").ok();
    asked.map_or(2000, |n| n.parse().expect("FLAMBEAU_DAMAGED_FILES is a number"))
}

/// Reads `whole`, which must go well, and then what became of it in many ways.
fn attack(name: &str, whole: &[u8], most: usize, read: impl Fn(&Path) -> Result<()> + std::panic::RefUnwindSafe) {
    // The watch is for the whole process: one attack at a time.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(|e| e.into_inner());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, whole).unwrap();
    read(&path).unwrap();
    let mut dice = Dice(7);
    let cut = (0..whole.len()).step_by(whole.len().div_ceil(300)).map(|n| whole[..n].to_vec());
    let all = cut.collect::<Vec<_>>().into_iter().chain((0..variants()).map(|_| damaged(whole, &mut dice)));
    let (mut inputs, mut errors) = (0usize, 0usize);
    for (i, bytes) in all.enumerate() {
        std::fs::write(&path, &bytes).unwrap();
        inputs += 1;
        LARGEST.store(0, Ordering::Relaxed);
        let Ok(result) = catch_unwind(|| read(&path)) else { panic!("{name}, variant {i}: the reader panics") };
        let largest = LARGEST.load(Ordering::Relaxed);
        assert!(largest <= most, "{name}, variant {i}: {largest} bytes at once for a file of {}", bytes.len());
        if let Err(error) = result {
            assert!(error.to_string().contains(name), "{name}, variant {i}: the error does not name the file: {error}");
            errors += 1;
        }
    }
    println!("{name}: {inputs} files, {errors} refused");
    assert!(errors > 100, "{name}: {errors} errors only, has the file a header at all?");
}

fn data(file: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data").join(file)).unwrap()
}

/// The bytes that `write` puts into a file of that name.
fn written(name: &str, write: impl Fn(&Path) -> Result<()>) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    write(&path).unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn idx_plain_and_packed() {
    let packed = data("digits/MNIST/raw/t10k-labels-idx1-ubyte.gz");
    attack("labels-idx1-ubyte.gz", &packed, 4 << 20, |path| read_idx(path).map(drop));
    let mut plain = vec![0, 0, 8, 3, 0, 0, 0, 5, 0, 0, 0, 8, 0, 0, 0, 8];
    plain.extend((0..5 * 64).map(|i| i as u8));
    attack("images-idx3-ubyte", &plain, 4 << 20, |path| read_idx(path).map(drop));
}

#[test]
fn pictures() {
    let picture = Tensor::rand([3, 24, 31]).build().unwrap().mul(255.0).unwrap().to_dtype(DType::U8).unwrap();
    for name in ["picture.png", "picture.jpg"] {
        let whole = written(name, |path| image::write_image(&picture, path));
        attack(name, &whole, 16 << 20, |path| image::read_image(path).map(drop));
    }
}

/// A colour profile is compressed, and nobody looks at it: 2×2 pixels with one of 64 MiB take no more than others.
#[test]
fn pictures_with_swollen_profiles() {
    let picture = Tensor::zeros([3, 2, 2]).dtype(DType::U8).build().unwrap();
    let mut whole = written("profile.png", |path| image::write_image(&picture, path));
    let mut zlib = flate2::write::ZlibEncoder::new(b"iCCPname\0\0".to_vec(), flate2::Compression::best());
    for _ in 0..64 {
        zlib.write_all(&[0; 1 << 20]).unwrap();
    }
    let mut chunk = zlib.finish().unwrap();
    let mut sum = flate2::Crc::new();
    sum.update(&chunk);
    let len = chunk.len() as u32 - 4;
    chunk.splice(..0, len.to_be_bytes());
    chunk.extend(sum.sum().to_be_bytes());
    // Behind the header.
    whole.splice(33..33, chunk);
    attack("profile.png", &whole, 4 << 20, |path| image::read_image(path).map(drop));
}

#[test]
fn records_of_pictures() {
    let root = |path: &Path| path.parent().unwrap().parent().unwrap().to_path_buf();
    let ten: Vec<u8> = (0..3 * 3073).map(|i| (i % 7) as u8).collect();
    attack("cifar-10-batches-bin/test_batch.bin", &ten, 1 << 20, |path| {
        Cifar10::new(root(path)).train(false).build().map(drop)
    });
    let hundred: Vec<u8> = (0..3 * 3074).map(|i| (i % 7) as u8).collect();
    attack("cifar-100-binary/test.bin", &hundred, 1 << 20, |path| {
        Cifar100::new(root(path)).train(false).build().map(drop)
    });
}

#[test]
fn folders_of_pictures() {
    let picture = Tensor::rand([3, 16, 21]).build().unwrap().mul(255.0).unwrap().to_dtype(DType::U8).unwrap();
    let whole = written("1.png", |path| image::write_image(&picture, path));
    attack("cats/1.png", &whole, 16 << 20, |path| {
        let set = ImageFolder::new(path.parent().unwrap().parent().unwrap()).build()?;
        set.get(0).map(drop)
    });
}

#[test]
fn waves() {
    let whole = data("spoken_digits/one/us-m5_nohash_0.wav");
    attack("one.wav", &whole, 4 << 20, |path| sound::load(path).map(drop));
    attack("info.wav", &whole, 4 << 20, |path| sound::info(path).map(drop));
}

#[test]
fn checkpoints() {
    let net =
        Sequential::of((Linear::new(3, 5).build().unwrap(), ReLU::new(), Linear::new(5, 2).build().unwrap())).unwrap();
    let whole = written("net.safetensors", |path| serialize::save(path, &net.state_dict()));
    attack("net.safetensors", &whole, 4 << 20, |path| serialize::load(path).map(drop));
    let whole = written("net.pt", |path| serialize::save(path, &net.state_dict()));
    attack("net.pt", &whole, 4 << 20, |path| serialize::load(path).map(drop));
    for name in ["everything_legacy.pt", "packed.npz", "quants.gguf"] {
        let whole = data(&format!("../crates/serialize/tests/data/{name}"));
        attack(name, &whole, 4 << 20, |path| serialize::load(path).map(drop));
    }
    let whole = data("../crates/serialize/tests/data/fortran.npy");
    attack("fortran.npy", &whole, 4 << 20, |path| serialize::npy::load(path).map(drop));
}
