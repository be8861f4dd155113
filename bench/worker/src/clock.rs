//! Time and memory of this process, as the system counts them.

use std::sync::LazyLock;
use std::time::Instant;

/// What time is measured by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clock {
    /// The clock on the wall.
    Wall,
    /// The time that this process's threads computed, which holds beside busy neighbours.
    Cpu,
}

impl Clock {
    pub fn named(name: &str) -> Option<Clock> {
        match name {
            "wall" => Some(Clock::Wall),
            "cpu" => Some(Clock::Cpu),
            _ => None,
        }
    }

    /// Nanoseconds since some moment.
    pub fn now(self) -> f64 {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        match self {
            Clock::Wall => START.elapsed().as_nanos() as f64,
            Clock::Cpu => cpu_time(),
        }
    }
}

#[cfg(unix)]
fn cpu_time() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the time is written to a struct of ours.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// No such clock here: the wall's stands in.
#[cfg(not(unix))]
fn cpu_time() -> f64 {
    Clock::Wall.now()
}

/// The most bytes that this process held at once, 0 where the system does not say.
#[cfg(unix)]
pub fn peak_memory() -> u64 {
    // SAFETY: numbers alone, for which zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the usage is written to a struct of ours.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    // Kilobytes, but bytes on macOS.
    usage.ru_maxrss as u64 * if cfg!(target_os = "macos") { 1 } else { 1024 }
}

#[cfg(not(unix))]
pub fn peak_memory() -> u64 {
    0
}
