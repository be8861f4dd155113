//! `cargo xtask kernels`: compiles the CUDA kernels of `flambeau-cuda` by NVRTC and packs them into the archives that the
//! crate carries, with a manifest that says what they were made from.
//!
//! NVRTC is a library: neither `nvcc` nor a C++ compiler is needed, nor a GPU. It is opened when it is needed, from the
//! folder that `--toolkit` or the variable `FLAMBEAU_CUDA_TOOLKIT` names: a CUDA toolkit's, or the folder `nvidia` of the
//! Python wheels.
//!
//! An archive is the word `FLKERN01`, the number of images, for each its capability times ten (0 for PTX), its size and
//! its size as it is packed, all `u32` in little endian, and the images one after another, each a zlib stream.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use libloading::Library;
use serde_json::{Value, json};

use crate::{Result, workspace_root};

/// The version that archives are made with: its machine code loads on drivers from 525 on.
pub const VERSION: (i32, i32) = (12, 8);
/// What the PTX is for: any device from this on.
const PTX: u32 = 80;
const OPTIONS: &[&str] = &["--std=c++17", "-default-device"];
const WHERE: &str = "pip install nvidia-cuda-nvrtc-cu12==12.8.93 nvidia-cuda-runtime-cu12==12.8.90 puts it into the folder \
                     `nvidia` among the Python packages; name that folder by --toolkit DIR or FLAMBEAU_CUDA_TOOLKIT";

/// The folder of the sources; archives lie in `archives`, beside the manifest.
pub fn folder() -> PathBuf {
    workspace_root().join("crates/cuda/kernels")
}

/// Compiles all families, or the one called `only`, to PTX and to machine code for the devices of `capabilities` (as
/// 80, 90, …).
///
/// # Errors
/// Where there is no NVRTC, not the right one, or a source does not compile.
pub fn run(toolkit: Option<&Path>, only: Option<&str>, capabilities: &[u32]) -> Result<()> {
    let from_environment = std::env::var_os("FLAMBEAU_CUDA_TOOLKIT").map(PathBuf::from);
    let toolkit = toolkit.map(Path::to_path_buf).or(from_environment);
    let toolkit = toolkit.unwrap_or_else(|| PathBuf::from("/usr/local/cuda"));
    let compiler = Compiler::open(&toolkit)?;
    let mut manifest = read_manifest().unwrap_or_else(|_| json!({}));
    manifest["compiler"] = json!(format!("NVRTC {}.{}", VERSION.0, VERSION.1));
    manifest["options"] = json!(OPTIONS);
    for family in families()? {
        if only.is_some_and(|name| name != family) {
            continue;
        }
        let source = fs::read_to_string(folder().join(format!("{family}.cu")))?;
        let mut images = vec![(0, compiler.compile(&family, &source, &format!("compute_{PTX}"), false)?)];
        for capability in capabilities {
            images.push((*capability * 10, compiler.compile(&family, &source, &format!("sm_{capability}"), true)?));
        }
        let kernels = String::from_utf8_lossy(&images[0].1).matches(".entry ").count();
        let sizes: BTreeMap<String, usize> = images.iter().map(|(c, image)| (label(*c), image.len())).collect();
        let archive = pack(&images)?;
        fs::create_dir_all(folder().join("archives"))?;
        fs::write(folder().join(format!("archives/{family}.z")), &archive)?;
        println!("{family}: {kernels} kernels, {} bytes packed, {sizes:?}", archive.len());
        manifest["families"][&family] = json!({
            "source": hash(&family)?, "kernels": kernels, "archive": archive.len(), "archive_hash": hash_of(&[&archive]),
            "images": sizes,
        });
    }
    // The same file whether or not another crate of the build wants maps in the order of their making.
    manifest.sort_all_objects();
    fs::write(folder().join("archives/manifest.json"), serde_json::to_string_pretty(&manifest)? + "\n")?;
    Ok(())
}

fn label(capability: u32) -> String {
    if capability == 0 { format!("compute_{PTX}.ptx") } else { format!("sm_{}", capability / 10) }
}

/// What the manifest says.
///
/// # Errors
/// Where it cannot be read.
pub fn read_manifest() -> Result<Value> {
    Ok(serde_json::from_str(&fs::read_to_string(folder().join("archives/manifest.json"))?)?)
}

/// The families there are sources for, in the order of their names.
///
/// # Errors
/// Where the folder cannot be read.
pub fn families() -> Result<Vec<String>> {
    let mut families = Vec::new();
    for entry in fs::read_dir(folder())? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "cu") {
            families.extend(path.file_stem().map(|s| s.to_string_lossy().into_owned()));
        }
    }
    families.sort();
    Ok(families)
}

/// What a family is made from, as a number: its source and the headers that it includes. Line ends do not count.
///
/// # Errors
/// Where a file cannot be read.
pub fn hash(family: &str) -> Result<String> {
    let mut files = Vec::new();
    read_with_headers(&format!("{family}.cu"), &mut files)?;
    let parts: Vec<&[u8]> = files.iter().map(|(_, text)| text.as_bytes()).collect();
    Ok(hash_of(&parts))
}

/// A source behind the headers of the folder that it includes, each once.
fn read_with_headers(name: &str, files: &mut Vec<(String, String)>) -> Result<()> {
    let text = fs::read_to_string(folder().join(name))?.replace("\r\n", "\n");
    for line in text.lines() {
        let header = line.strip_prefix("#include \"").and_then(|rest| rest.strip_suffix('"'));
        if let Some(header) = header.filter(|header| files.iter().all(|(known, _)| known != header)) {
            read_with_headers(header, files)?;
        }
    }
    files.push((name.to_string(), text));
    Ok(())
}

/// FNV-1a of 64 bits: it tells a change, not an attack.
pub fn hash_of(parts: &[&[u8]]) -> String {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    format!("{:016x}", parts.iter().copied().flatten().fold(0xcbf2_9ce4_8422_2325, step))
}

fn pack(images: &[(u32, Vec<u8>)]) -> Result<Vec<u8>> {
    let mut archive = b"FLKERN01".to_vec();
    archive.extend((images.len() as u32).to_le_bytes());
    let mut streams = Vec::new();
    for (capability, image) in images {
        let mut packer = ZlibEncoder::new(Vec::new(), Compression::best());
        packer.write_all(image)?;
        let stream = packer.finish()?;
        for number in [*capability, u32::try_from(image.len())?, u32::try_from(stream.len())?] {
            archive.extend(number.to_le_bytes());
        }
        streams.extend(stream);
    }
    archive.extend(streams);
    Ok(archive)
}

/// NVRTC, and the folders of its headers.
struct Compiler {
    library: Library,
    headers: Vec<PathBuf>,
}

type Program = *mut c_void;

impl Compiler {
    fn open(toolkit: &Path) -> Result<Compiler> {
        let folders = ["cuda_nvrtc/lib", "lib64", "lib", "targets/x86_64-linux/lib"].map(|f| toolkit.join(f));
        let found = folders.iter().map(|f| f.join("libnvrtc.so.12")).find(|path| path.exists());
        let Some(path) = found else {
            let looked: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
            return Err(format!("libnvrtc.so.12 is in none of {}. {WHERE}", looked.join(", ")).into());
        };
        let includes = ["cuda_runtime/include", "include"].map(|f| toolkit.join(f));
        let headers: Vec<PathBuf> = includes.into_iter().filter(|f| f.join("cuda_fp16.h").exists()).collect();
        if headers.is_empty() {
            return Err(format!("cuda_fp16.h is not in {}. {WHERE}", toolkit.display()).into());
        }
        // SAFETY: NVRTC does nothing of note when it is loaded.
        let compiler = Compiler { library: unsafe { Library::new(&path)? }, headers };
        let (mut major, mut minor) = (0, 0);
        // SAFETY: the function's type; both places may be written.
        unsafe {
            let version: libloading::Symbol<'_, unsafe extern "C" fn(*mut c_int, *mut c_int) -> c_int> =
                compiler.library.get("nvrtcVersion")?;
            version(&mut major, &mut minor);
        }
        if (major, minor) != VERSION {
            return Err(format!(
                "{} is NVRTC {major}.{minor}, archives are made with {}.{}",
                path.display(),
                VERSION.0,
                VERSION.1
            )
            .into());
        }
        Ok(compiler)
    }

    /// PTX that ends with no zero, or machine code.
    fn compile(&self, family: &str, source: &str, architecture: &str, machine_code: bool) -> Result<Vec<u8>> {
        let (text, name) = (CString::new(source)?, CString::new(format!("{family}.cu"))?);
        let mut options: Vec<String> = OPTIONS.iter().map(|o| (*o).to_string()).collect();
        options.push(format!("--gpu-architecture={architecture}"));
        options.extend(self.headers.iter().chain([&folder()]).map(|f| format!("--include-path={}", f.display())));
        let options = options.into_iter().map(CString::new).collect::<Result<Vec<_>, _>>()?;
        let pointers: Vec<*const c_char> = options.iter().map(|o| o.as_ptr()).collect();
        let mut program: Program = std::ptr::null_mut();
        type Create = unsafe extern "C" fn(
            *mut Program,
            *const c_char,
            *const c_char,
            c_int,
            *const *const c_char,
            *const *const c_char,
        ) -> c_int;
        type Compile = unsafe extern "C" fn(Program, c_int, *const *const c_char) -> c_int;
        type Destroy = unsafe extern "C" fn(*mut Program) -> c_int;
        // SAFETY: the functions' types; texts end with zeros and live as long as the calls; the program is given back once.
        unsafe {
            let none = std::ptr::null();
            let status = self.library.get::<Create>("nvrtcCreateProgram")?(
                &mut program,
                text.as_ptr(),
                name.as_ptr(),
                0,
                none,
                none,
            );
            if status != 0 {
                return Err(format!("{family}: NVRTC error {status}").into());
            }
            let status = self.library.get::<Compile>("nvrtcCompileProgram")?(
                program,
                pointers.len() as c_int,
                pointers.as_ptr(),
            );
            let log = self.read(program, "nvrtcGetProgramLogSize", "nvrtcGetProgramLog")?;
            let log =
                CStr::from_bytes_until_nul(&log).map(|l| l.to_string_lossy().trim().to_string()).unwrap_or_default();
            let image = match status {
                0 if machine_code => self.read(program, "nvrtcGetCUBINSize", "nvrtcGetCUBIN"),
                0 => self.read(program, "nvrtcGetPTXSize", "nvrtcGetPTX"),
                _ => Err(format!("{family}.cu for {architecture}:\n{log}").into()),
            };
            self.library.get::<Destroy>("nvrtcDestroyProgram")?(&mut program);
            if status == 0 && !log.is_empty() {
                eprintln!("{log}");
            }
            let mut image = image?;
            if !machine_code && image.last() == Some(&0) {
                image.pop();
            }
            Ok(image)
        }
    }

    /// # Safety
    /// The functions are those that give the size of something of the program, and that fill so many bytes with it.
    unsafe fn read(&self, program: Program, size: &str, fill: &str) -> Result<Vec<u8>> {
        let mut bytes = 0usize;
        // SAFETY: the functions' types; the vector has as many bytes as are asked for.
        unsafe {
            self.library.get::<unsafe extern "C" fn(Program, *mut usize) -> c_int>(size)?(program, &mut bytes);
            let mut all = vec![0u8; bytes];
            let status =
                self.library.get::<unsafe extern "C" fn(Program, *mut u8) -> c_int>(fill)?(program, all.as_mut_ptr());
            if status == 0 { Ok(all) } else { Err(format!("{fill}: NVRTC error {status}").into()) }
        }
    }
}
