//! Files that TensorBoard shows: records of protocol-buffer messages, as `torch.utils.tensorboard` writes them.

mod event;
mod graph;
mod histogram;
mod png;
mod record;

use event::{Message, Value};
use flambeau_tensor::trace::Program;
use flambeau_tensor::{DType, Error, Result, Tensor, bail, ensure};
use record::Records;
use std::fs::{File, OpenOptions};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// After so long what was written is given to the file.
const FLUSH: Duration = Duration::from_secs(2);

/// Writes scalars, histograms, images, texts and graphs of a run into an event file, for `tensorboard --logdir`.
/// As `torch.utils.tensorboard.SummaryWriter`.
///
/// ```
/// # let folder = std::env::temp_dir().join(format!("flambeau-events-{}", std::process::id()));
/// use flambeau_train::SummaryWriter;
///
/// let mut board = SummaryWriter::new(&folder)?;
/// for step in 0..10 {
///     board.add_scalar("loss", 1.0 / (step + 1) as f64, step)?;
/// }
/// board.flush()?;
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Debug)]
pub struct SummaryWriter {
    path: PathBuf,
    records: Records<BufWriter<File>>,
    flushed: Instant,
}

/// A hyperparameter's value.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Hparam {
    /// A number.
    Number(f64),
    /// A whole number, which is kept to its last digit: a seed.
    Integer(i128),
    /// A text.
    Text(String),
    /// Yes or no.
    Bool(bool),
}

macro_rules! from {
    ($($t:ty => |$x:ident| $value:expr;)*) => {$(
        impl From<$t> for Hparam {
            fn from($x: $t) -> Hparam {
                $value
            }
        }
    )*};
}
from! {
    f64 => |x| Hparam::Number(x);
    f32 => |x| Hparam::Number(f64::from(x));
    i32 => |x| Hparam::Integer(x.into());
    i64 => |x| Hparam::Integer(x.into());
    u64 => |x| Hparam::Integer(x.into());
    usize => |x| Hparam::Integer(x as i128);
    bool => |x| Hparam::Bool(x);
    &str => |x| Hparam::Text(x.to_string());
    String => |x| Hparam::Text(x);
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |t| t.as_secs_f64())
}

impl SummaryWriter {
    /// A new event file in `folder`, which is made where it is not there.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn new(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        std::fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
        let (time, pid) = (now() as u64, std::process::id());
        for number in 0..10_000 {
            let path = folder.join(format!("events.out.tfevents.{time:010}.flambeau.{pid}.{number}"));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => {
                    let records = Records::new(BufWriter::new(file));
                    let mut writer = SummaryWriter { path, records, flushed: Instant::now() };
                    writer.write(&event::version(now()))?;
                    writer.flush()?;
                    return Ok(writer);
                }
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(Error::io("create", path, e)),
            }
        }
        bail!(Io, "SummaryWriter", "{} has too many event files of this second", folder.display())
    }

    /// The event file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn write(&mut self, event: &Message) -> Result<()> {
        self.records.write(event.bytes()).map_err(|e| Error::io("write", &self.path, e))?;
        if self.flushed.elapsed() >= FLUSH { self.flush() } else { Ok(()) }
    }

    fn add(&mut self, value: Value, step: u64) -> Result<()> {
        self.write(&event::summary(now(), step, &[value]))
    }

    /// A figure at `step`.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn add_scalar(&mut self, tag: &str, value: f64, step: u64) -> Result<()> {
        self.add(event::scalar(tag, value as f32), step)
    }

    /// How the values of a tensor of any shape are distributed, in PyTorch's buckets. Infinities and what is not a
    /// number are left out.
    ///
    /// # Errors
    /// Where no value is left, or it cannot be written.
    #[track_caller]
    pub fn add_histogram(&mut self, tag: &str, values: &Tensor, step: u64) -> Result<()> {
        let values = values.detach().to_dtype(DType::F64)?.to_vec::<f64>()?;
        let values: Vec<f64> = values.into_iter().filter(|x| x.is_finite()).collect();
        ensure!(!values.is_empty(), Argument, "add_histogram", "`{tag}` has no finite value");
        self.add(event::histogram(tag, &histogram::Histogram::of(&values)), step)
    }

    /// A picture `[channels, height, width]` of 1, 3 or 4 channels, or `[height, width]`: bytes, or floats of 0 to 1.
    ///
    /// # Errors
    /// Where it is no picture, or it cannot be written.
    #[track_caller]
    pub fn add_image(&mut self, tag: &str, image: &Tensor, step: u64) -> Result<()> {
        let shape = image.shape();
        let (channels, height, width) = match *shape {
            [h, w] => (1, h, w),
            [c @ (1 | 3 | 4), h, w] => (c, h, w),
            _ => bail!(Shape, "add_image", "`{tag}` is {shape:?}: a picture is [1, 3 or 4 channels, height, width]"),
        };
        ensure!(height > 0 && width > 0, Shape, "add_image", "`{tag}` is {shape:?}, a picture of no pixels");
        let small = image.numel() < 1 << 30;
        ensure!(small, Shape, "add_image", "`{tag}` is {shape:?}: too large for a PNG file");
        let planes = match image.dtype() {
            DType::U8 => image.detach().to_vec::<u8>()?,
            dtype if dtype.is_float() => {
                let values = image.detach().to_dtype(DType::F32)?.to_vec::<f32>()?;
                values.into_iter().map(|x| (x * 255.0).clamp(0.0, 255.0) as u8).collect()
            }
            dtype => bail!(DType, "add_image", "`{tag}` is {dtype}: pixels are bytes or floats"),
        };
        let pixels = height * width;
        let interleaved: Vec<u8> =
            (0..pixels * channels).map(|i| planes[i % channels * pixels + i / channels]).collect();
        let png = png::encode(&interleaved, channels, height, width)?;
        self.add(event::image(tag, channels, height, width, &png), step)
    }

    /// A text, which TensorBoard shows as Markdown.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn add_text(&mut self, tag: &str, text: &str, step: u64) -> Result<()> {
        self.add(event::text(tag, text), step)
    }

    /// The graph of a program, a node for each op: of a model what [`trace`](flambeau_tensor::trace::trace) makes of a
    /// call of it. As `SummaryWriter.add_graph`.
    ///
    /// ```
    /// # let folder = tempfile::tempdir().expect("a temporary folder");
    /// use flambeau_tensor::{Tensor, trace::trace};
    /// use flambeau_train::SummaryWriter;
    ///
    /// let (x, w) = (Tensor::ones([2, 3]).build()?, Tensor::ones([3, 4]).build()?);
    /// let program = trace(&[&x], |x| Ok(vec![x[0].matmul(&w)?.relu()?]))?;
    /// SummaryWriter::new(&folder)?.add_graph(&program)?;
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn add_graph(&mut self, program: &Program) -> Result<()> {
        self.add_graph_with::<&str, &Tensor>(program, &[])
    }

    /// [`add_graph`](SummaryWriter::add_graph) with the names of parameters, as a module's `named_parameters` gives them:
    /// TensorBoard groups a module's parameters and the ops that read them.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn add_graph_with<N: AsRef<str>, T: AsRef<Tensor>>(
        &mut self,
        program: &Program,
        names: &[(N, T)],
    ) -> Result<()> {
        self.write(&event::graph(now(), &graph::of(program, names)))?;
        self.flush()
    }

    /// What the run was made with, and the figures it came to: a row in TensorBoard's table of runs.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn add_hparams(&mut self, hparams: &[(&str, Hparam)], metrics: &[(&str, f64)]) -> Result<()> {
        let names: Vec<&str> = metrics.iter().map(|(name, _)| *name).collect();
        let values = event::hparams(hparams, &names, now());
        for value in values {
            self.add(value, 0)?;
        }
        for (name, value) in metrics {
            self.add_scalar(name, *value, 0)?;
        }
        self.flush()
    }

    /// Gives what was written to the file; it happens by itself every two seconds, and at the end.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        self.flushed = Instant::now();
        self.records.flush().map_err(|e| Error::io("write", &self.path, e))
    }
}
