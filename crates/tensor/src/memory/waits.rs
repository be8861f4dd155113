//! Who holds a slice of which storage, and who waits for one: so that threads which would wait for each other for
//! ever get an error. An op comes here only where the lock it wants is taken; a slice lent to the user is noted here.

use crate::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// From one look at the others to the next. Most waits are over sooner.
const LOOK: Duration = Duration::from_millis(20);

/// Milliseconds that a thread waits for a slice in another thread's hands, where no cycle says that it is in vain.
static PATIENCE: AtomicU64 = AtomicU64::new(10_000);

/// A storage that is held or wanted, by whom, and where in the program.
#[derive(Clone, Copy)]
pub(crate) struct Claim {
    /// The storage's address.
    pub(crate) storage: usize,
    pub(crate) write: bool,
    pub(crate) op: &'static str,
    pub(crate) at: &'static Location<'static>,
}

impl Claim {
    fn blocks(&self, wanted: &Claim) -> bool {
        self.storage == wanted.storage && (self.write || wanted.write)
    }
}

impl std::fmt::Display for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` at {}:{}", self.op, self.at.file(), self.at.line())
    }
}

/// What one thread holds and waits for.
#[derive(Default)]
pub(crate) struct Holder {
    /// Slices that its user holds.
    slices: Mutex<Vec<Claim>>,
    /// What an op of it waits for, and what the op holds meanwhile.
    waits: Mutex<Option<(Claim, Vec<Claim>)>>,
}

/// Of every thread that ever held a slice or waited.
static HOLDERS: Mutex<Vec<Weak<Holder>>> = Mutex::new(Vec::new());

thread_local! {
    static OWN: Arc<Holder> = {
        let own = Arc::new(Holder::default());
        let mut all = HOLDERS.lock();
        all.retain(|holder| holder.strong_count() > 0);
        all.push(Arc::downgrade(&own));
        own
    };
}

/// This thread's; none where the thread is about to end.
pub(crate) fn own() -> Option<Arc<Holder>> {
    OWN.try_with(Arc::clone).ok()
}

impl Holder {
    /// Notes that the user holds slices.
    pub(crate) fn take(&self, claims: impl Iterator<Item = Claim>) {
        self.slices.lock().extend(claims);
    }

    /// Forgets about a slice of a storage.
    pub(crate) fn give_back(&self, storage: usize, write: bool) {
        let mut slices = self.slices.lock();
        if let Some(at) = slices.iter().position(|c| (c.storage, c.write) == (storage, write)) {
            slices.swap_remove(at);
        }
    }

    /// Of what it holds, that which stands in the way of `wanted`; and whether it is the user's.
    fn blocks(&self, wanted: &Claim) -> Option<(Claim, bool)> {
        let slice = self.slices.lock().iter().find(|c| c.blocks(wanted)).map(|c| (*c, true));
        let of_op = || {
            let waits = self.waits.lock();
            waits.as_ref().and_then(|w| w.1.iter().find(|c| c.blocks(wanted)).map(|c| (*c, false)))
        };
        slice.or_else(of_op)
    }

    /// Why this thread should not wait for `wanted` any more, if it should not; it then does not.
    fn in_vain(self: &Arc<Self>, wanted: &Claim, waited: Duration) -> Option<String> {
        // Under one lock, so that of several threads in a cycle one learns of it.
        let all = HOLDERS.lock();
        let holders: Vec<Arc<Holder>> = all.iter().filter_map(Weak::upgrade).collect();
        let (mut seen, mut slice) = (Vec::new(), None);
        // What is wanted, and the claim that stands first in this thread's way on the path there.
        let mut paths: Vec<(Claim, Option<Claim>)> = vec![(*wanted, None)];
        while let Some((wanted, first)) = paths.pop() {
            for holder in &holders {
                let Some((claim, users)) = holder.blocks(&wanted) else { continue };
                let first = match first {
                    Some(first) if Arc::ptr_eq(holder, self) => {
                        *self.waits.lock() = None;
                        return Some(format!(
                            "would wait for ever: another thread holds the tensor ({first}) and waits for what this \
                             one holds ({claim}); drop one of the two before the other is asked for"
                        ));
                    }
                    None if Arc::ptr_eq(holder, self) => continue,
                    first => first.unwrap_or(claim),
                };
                slice = slice.or(users.then_some(claim));
                if !seen.contains(&Arc::as_ptr(holder)) {
                    seen.push(Arc::as_ptr(holder));
                    paths.extend(holder.waits.lock().as_ref().map(|waits| (waits.0, Some(first))));
                }
            }
        }
        // A thread may wait for this one in another manner: for a message, or its end.
        let slice = slice.filter(|_| waited.as_millis() >= u128::from(PATIENCE.load(Ordering::Relaxed)))?;
        *self.waits.lock() = None;
        Some(format!(
            "waited {} s for a slice of the tensor's data that another thread holds ({slice}); it must be dropped \
             before this thread can go on",
            waited.as_secs()
        ))
    }
}

/// Waits for a lock, which `try_for` tries to take for some time; `holding` is what the op holds already.
///
/// # Errors
/// Where this thread itself holds a slice that stands in the way, where the wait would never end, or where another
/// thread does not give a slice back.
#[cold]
#[track_caller]
pub(crate) fn wait(
    wanted: Claim,
    holding: impl FnOnce() -> Vec<Claim>,
    try_for: impl Fn(Duration) -> bool,
) -> Result<()> {
    let Some(own) = own() else {
        while !try_for(LOOK) {}
        return Ok(());
    };
    let error = |message| Err(Error::new(ErrorKind::Argument, wanted.op, message));
    let slice = own.slices.lock().iter().find(|c| c.blocks(&wanted)).copied();
    if let Some(slice) = slice {
        return error(format!("this thread holds a slice of the tensor's data ({slice}); drop it before the op"));
    }
    if try_for(LOOK) {
        return Ok(());
    }
    *own.waits.lock() = Some((wanted, holding()));
    let start = Instant::now();
    loop {
        if let Some(why) = own.in_vain(&wanted, start.elapsed()) {
            return error(why);
        }
        if try_for(5 * LOOK) {
            *own.waits.lock() = None;
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tensor;
    use std::sync::mpsc;

    #[test]
    fn a_slice_that_is_not_given_back_is_named() {
        PATIENCE.store(200, Ordering::Relaxed);
        let x = Tensor::zeros([3]).build().unwrap();
        let slice = x.data::<f32>().unwrap();
        // Waits for the other thread, which waits for the slice.
        let (to, from) = mpsc::channel();
        let y = x.clone();
        std::thread::spawn(move || to.send(y.add_(1).map(|_| ()).unwrap_err().to_string()));
        let error = from.recv_timeout(Duration::from_secs(30)).unwrap();
        PATIENCE.store(10_000, Ordering::Relaxed);
        assert!(error.contains("another thread holds (`data` at ") && error.contains("waits.rs"), "{error}");
        drop(slice);
        assert_eq!(x.add_(1).unwrap().to_vec::<f32>().unwrap(), [1.0; 3]);
    }
}
