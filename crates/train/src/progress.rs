//! A bar that moves on the terminal, with the figures of the loop behind it.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The bar's characters.
const WIDTH: usize = 30;

/// Between two pictures of the bar.
const PACE: Duration = Duration::from_millis(100);

/// The rate is that of so many pictures.
const WINDOW: usize = 30;

struct State {
    label: String,
    all: usize,
    done: usize,
    figures: Vec<(String, String)>,
    begun: Instant,
    drawn: Option<Instant>,
    /// When how many were done, as far back as the rate looks.
    marks: VecDeque<(Instant, usize)>,
    out: Option<Box<dyn Write + Send>>,
    ended: bool,
}

/// A progress bar on the terminal's error stream: how far, how fast, how long still, and the loop's figures. It shows
/// nothing where the stream is no terminal. Clones are the same bar.
///
/// ```
/// use flambeau_train::Progress;
///
/// let bar = Progress::new(100).label("epoch 1/8");
/// for step in bar.over(0..100) {
///     bar.set("loss", format_args!("{:.4}", 1.0 / (step + 1) as f64));
/// }
/// ```
#[derive(Clone)]
pub struct Progress(Arc<Mutex<State>>);

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with(|state| f.debug_struct("Progress").field("done", &state.done).field("all", &state.all).finish())
    }
}

impl Progress {
    /// A bar for `all` steps.
    pub fn new(all: usize) -> Self {
        let stderr = std::io::stderr();
        let out: Option<Box<dyn Write + Send>> = if stderr.is_terminal() { Some(Box::new(stderr)) } else { None };
        let now = Instant::now();
        let marks = VecDeque::from([(now, 0)]);
        let (label, figures) = (String::new(), Vec::new());
        Progress(Arc::new(Mutex::new(State {
            label,
            all,
            done: 0,
            figures,
            begun: now,
            drawn: None,
            marks,
            out,
            ended: false,
        })))
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What stands before the bar.
    #[must_use]
    pub fn label(self, label: impl Into<String>) -> Self {
        self.with(|state| state.label = label.into());
        self
    }

    /// Draws to `out`, terminal or not.
    #[must_use]
    pub fn draw_to(self, out: impl Write + Send + 'static) -> Self {
        self.with(|state| state.out = Some(Box::new(out)));
        self
    }

    /// Sets a figure, which keeps its place behind the bar.
    pub fn set(&self, name: &str, value: impl fmt::Display) {
        self.with(|state| {
            let value = value.to_string();
            match state.figures.iter_mut().find(|(known, _)| known == name) {
                Some((_, old)) => *old = value,
                None => state.figures.push((name.to_string(), value)),
            }
        });
    }

    /// `n` steps more are done.
    pub fn inc(&self, n: usize) {
        self.with(|state| {
            state.done = state.done.saturating_add(n);
            state.draw(false);
        });
    }

    /// Draws the bar as it stands a last time and leaves its line.
    pub fn finish(&self) {
        self.with(State::finish);
    }

    /// The items of `steps`; the bar moves when the next one is asked for, and is finished at the end or when the
    /// loop is left.
    #[track_caller]
    pub fn over<I: IntoIterator>(&self, steps: I) -> Over<I::IntoIter> {
        Over { steps: steps.into_iter(), bar: self.clone(), begun: false }
    }
}

/// Seconds as `1:02` or `1:02:03`.
fn clock(seconds: f64) -> String {
    let s = if seconds.is_finite() { seconds.round() as u64 } else { 0 };
    match s / 3600 {
        0 => format!("{}:{:02}", s / 60, s % 60),
        h => format!("{h}:{:02}:{:02}", s / 60 % 60, s % 60),
    }
}

impl State {
    fn rate(&self, now: Instant) -> f64 {
        let (since, done) = self.marks.front().copied().unwrap_or((self.begun, 0));
        let seconds = now.duration_since(since).as_secs_f64();
        if seconds > 0.0 { (self.done - done.min(self.done)) as f64 / seconds } else { 0.0 }
    }

    fn line(&self, now: Instant) -> String {
        let part = if self.all == 0 { 1.0 } else { (self.done as f64 / self.all as f64).min(1.0) };
        let full = (part * WIDTH as f64) as usize;
        let rate = self.rate(now);
        let width = self.all.to_string().len();
        let mut line = String::new();
        if !self.label.is_empty() {
            line.push_str(&self.label);
            line.push(' ');
        }
        line.extend((0..WIDTH).map(|i| if i < full { '━' } else { '─' }));
        let _ = write!(line, " {:>width$}/{}", self.done, self.all);
        let _ = if rate >= 10.0 { write!(line, "  {rate:.0}/s") } else { write!(line, "  {rate:.2}/s") };
        let spent = now.duration_since(self.begun).as_secs_f64();
        let _ = match self.ended || rate <= 0.0 {
            true => write!(line, "  {}", clock(spent)),
            false => write!(line, "  {} left", clock((self.all.saturating_sub(self.done)) as f64 / rate)),
        };
        for (name, value) in &self.figures {
            let _ = write!(line, "  {name} {value}");
        }
        line
    }

    fn draw(&mut self, last: bool) {
        let now = Instant::now();
        if self.ended || (!last && self.drawn.is_some_and(|drawn| now.duration_since(drawn) < PACE)) {
            return;
        }
        if last {
            // At the end the rate is that of the whole.
            self.ended = true;
            self.marks.clear();
        }
        let line = self.line(now);
        self.drawn = Some(now);
        self.marks.push_back((now, self.done));
        if self.marks.len() > WINDOW {
            self.marks.pop_front();
        }
        // A bar that cannot be drawn is no reason to end a training run.
        if let Some(out) = &mut self.out {
            let end = if last { "\n" } else { "" };
            let _ = write!(out, "\r\x1b[K{line}{end}").and_then(|()| out.flush());
        }
    }

    fn finish(&mut self) {
        self.draw(true);
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Steps with a bar. See [`Progress::over`].
#[derive(Debug)]
pub struct Over<I> {
    steps: I,
    bar: Progress,
    begun: bool,
}

impl<I: Iterator> Iterator for Over<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        // A step is done when the next is asked for.
        if std::mem::replace(&mut self.begun, true) {
            self.bar.inc(1);
        }
        let step = self.steps.next();
        if step.is_none() {
            self.begun = false;
            self.bar.finish();
        }
        step
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.steps.size_hint()
    }
}

impl<I: ExactSizeIterator> ExactSizeIterator for Over<I> {}

impl<I> Drop for Over<I> {
    fn drop(&mut self) {
        self.bar.finish();
    }
}

/// `for batch in loader.iter().progress()`.
pub trait ProgressIterator: ExactSizeIterator + Sized {
    /// With a bar on the terminal.
    fn progress(self) -> Over<Self> {
        Progress::new(self.len()).over(self)
    }
}

impl<I: ExactSizeIterator> ProgressIterator for I {}
