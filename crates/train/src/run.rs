//! A folder for a run: what it was made with, its curves, its checkpoints.

use crate::tensorboard::{Hparam, SummaryWriter};
use flambeau_serialize::torch::{self, Value};
use flambeau_serialize::{self as serialize, file};
use flambeau_tensor::{Error, Result, StateDict, ensure};
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The endings of checkpoints: of a model alone, and of all that a run goes on from.
const WEIGHTS: &str = ".safetensors";
const EVERYTHING: &str = ".pt";

/// A run's folder: `config.json`, `curves.csv` with the same figures as event files for TensorBoard, and checkpoints,
/// of which a number is kept.
///
/// ```
/// # let folder = std::env::temp_dir().join(format!("flambeau-run-{}", std::process::id()));
/// use flambeau_tensor::{StateDict, Tensor};
/// use flambeau_train::RunFolder;
///
/// let mut run = RunFolder::open(&folder)?.keep(2);
/// run.config(&[("lr", 1e-3.into()), ("seed", 0.into())])?;
/// for epoch in 0..3 {
///     run.scalar("loss", 1.0 / (epoch + 1) as f64, epoch)?;
///     let state: StateDict = [("weight", Tensor::ones(2).build()?)].into_iter().collect();
///     run.checkpoint(epoch, &state)?;
/// }
/// let (epoch, state) = run.latest()?.expect("a checkpoint");
/// assert_eq!((epoch, state.len()), (2, 1));
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    keep: usize,
    curves: Option<(File, SummaryWriter)>,
}

/// A text as JSON.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => drop(write!(out, "\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

impl RunFolder {
    /// The folder `path`, made where it is not there; a run that is there already goes on.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        std::fs::create_dir_all(&path).map_err(|e| Error::io("create", &path, e))?;
        Ok(RunFolder { path, keep: 3, curves: None })
    }

    /// How many checkpoints stay (3), beside the one called `best`.
    #[must_use]
    pub fn keep(mut self, checkpoints: usize) -> Self {
        self.keep = checkpoints.max(1);
        self
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes what the run was made with (its seed, too) into `config.json`.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn config(&self, config: &[(&str, Hparam)]) -> Result<()> {
        let value = |value: &Hparam| match value {
            Hparam::Number(x) if x.is_finite() => format!("{x}"),
            Hparam::Number(x) => quoted(&x.to_string()),
            Hparam::Integer(n) => n.to_string(),
            Hparam::Bool(yes) => yes.to_string(),
            Hparam::Text(text) => quoted(text),
        };
        let lines: Vec<String> = config.iter().map(|(name, of)| format!("  {}: {}", quoted(name), value(of))).collect();
        let path = self.path.join("config.json");
        let text = format!("{{\n{}\n}}\n", lines.join(",\n"));
        file::replace(&path, |out| out.write_all(text.as_bytes()).map_err(|e| Error::io("write", &path, e)))
    }

    fn curves(&mut self) -> Result<&mut (File, SummaryWriter)> {
        if self.curves.is_none() {
            let path = self.path.join("curves.csv");
            let error = |e| Error::io("write", &path, e);
            let mut file = OpenOptions::new().create(true).append(true).open(&path).map_err(error)?;
            if file.metadata().map_err(error)?.len() == 0 {
                file.write_all(b"step,name,value\n").map_err(error)?;
            }
            self.curves = Some((file, SummaryWriter::new(&self.path)?));
        }
        self.curves.as_mut().ok_or_else(|| Error::other("the curves were just opened"))
    }

    /// A figure at `step`: a line of `curves.csv`, and a scalar for TensorBoard.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn scalar(&mut self, name: &str, value: f64, step: u64) -> Result<()> {
        let path = self.path.join("curves.csv");
        let (file, board) = self.curves()?;
        let name_in_csv =
            if name.contains([',', '"', '\n']) { format!("\"{}\"", name.replace('"', "\"\"")) } else { name.into() };
        file.write_all(format!("{step},{name_in_csv},{value}\n").as_bytes())
            .map_err(|e| Error::io("write", path, e))?;
        board.add_scalar(name, value, step)
    }

    /// The writer of the run's event file, for images, histograms and texts.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn board(&mut self) -> Result<&mut SummaryWriter> {
        Ok(&mut self.curves()?.1)
    }

    fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// Steps and files of the checkpoints of a form, the oldest first.
    fn listed(&self, form: &str) -> Result<Vec<(u64, PathBuf)>> {
        let folder = self.checkpoints();
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(Error::io("read", folder, e)),
        };
        let mut all = Vec::new();
        for entry in entries {
            let path = entry.map_err(|e| Error::io("read", &folder, e))?.path();
            let step = path.file_name().and_then(|name| name.to_str()?.strip_suffix(form)?.parse().ok());
            all.extend(step.map(|step| (step, path)));
        }
        all.sort();
        Ok(all)
    }

    /// Saves `state` as the checkpoint of `step` and removes the oldest ones beyond those to keep. Returns its file.
    ///
    /// # Errors
    /// Where it cannot be written; what was saved before is whole then.
    pub fn checkpoint(&self, step: u64, state: &StateDict) -> Result<PathBuf> {
        let path = self.save(&format!("{step:08}"), state)?;
        self.thin(WEIGHTS, &path)?;
        Ok(path)
    }

    /// Saves all that the run goes on from as the checkpoint of `step`, in PyTorch's form: the states of the model, the
    /// optimizer, the schedule, the loader. It stays beside those of [`checkpoint`](RunFolder::checkpoint), and as many are
    /// kept. Returns its file, which `torch.load` reads.
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("flambeau-resume-{}", std::process::id()));
    /// use flambeau_serialize::torch::Value;
    /// use flambeau_tensor::{StateDict, Tensor};
    /// use flambeau_train::RunFolder;
    ///
    /// let run = RunFolder::open(&folder)?;
    /// let model: StateDict = [("weight", Tensor::ones(2).build()?)].into_iter().collect();
    /// let optimizer = Value::dict([("lr", 0.1.into())]); // an optimizer's `state_dict()?`
    /// run.checkpoint_all(7, &Value::dict([("model", Value::of(&model)), ("optimizer", optimizer)]))?;
    ///
    /// let (step, state) = run.latest_all()?.expect("a checkpoint");
    /// assert_eq!((step, state.get("model").expect("a model").state_dict().len()), (7, 1));
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok::<(), flambeau_tensor::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`checkpoint`](RunFolder::checkpoint).
    pub fn checkpoint_all(&self, step: u64, state: &Value) -> Result<PathBuf> {
        let path = self.file(&format!("{step:08}{EVERYTHING}"))?;
        torch::save(&path, state)?;
        self.thin(EVERYTHING, &path)?;
        Ok(path)
    }

    /// Removes the oldest checkpoints of a form beyond those to keep, but not `new`.
    fn thin(&self, form: &str, new: &Path) -> Result<()> {
        let all = self.listed(form)?;
        for (_, old) in &all[..all.len().saturating_sub(self.keep)] {
            if *old != new {
                std::fs::remove_file(old).map_err(|e| Error::io("remove", old, e))?;
            }
        }
        Ok(())
    }

    /// Saves `state` as the checkpoint called `best`, which stays until the next one.
    ///
    /// # Errors
    /// As [`checkpoint`](RunFolder::checkpoint).
    pub fn save_best(&self, state: &StateDict) -> Result<PathBuf> {
        self.save("best", state)
    }

    fn save(&self, name: &str, state: &StateDict) -> Result<PathBuf> {
        let path = self.file(&format!("{name}{WEIGHTS}"))?;
        serialize::save(&path, state)?;
        Ok(path)
    }

    /// The path of a checkpoint's file; its folder is there then.
    fn file(&self, name: &str) -> Result<PathBuf> {
        let folder = self.checkpoints();
        std::fs::create_dir_all(&folder).map_err(|e| Error::io("create", &folder, e))?;
        Ok(folder.join(name))
    }

    /// The step and the state of the last checkpoint, if there is one.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn latest(&self) -> Result<Option<(u64, StateDict)>> {
        self.listed(WEIGHTS)?.pop().map(|(step, path)| Ok((step, serialize::load(path)?))).transpose()
    }

    /// The step and the state of the last checkpoint by [`checkpoint_all`](RunFolder::checkpoint_all), if there is one.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn latest_all(&self) -> Result<Option<(u64, Value)>> {
        self.listed(EVERYTHING)?.pop().map(|(step, path)| Ok((step, torch::load(path)?))).transpose()
    }

    /// The state called `best`.
    ///
    /// # Errors
    /// Where there is none, or it cannot be read.
    #[track_caller]
    pub fn best(&self) -> Result<StateDict> {
        let path = self.checkpoints().join("best.safetensors");
        ensure!(path.exists(), Io, "RunFolder::best", "{} has no checkpoint called best", self.path.display());
        serialize::load(path)
    }
}
