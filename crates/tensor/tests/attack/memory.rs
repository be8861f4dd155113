//! An allocator that has only so much to give: what asks for more, and cannot live without it, ends the test, and
//! the call is named.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;

/// What one allocation may have.
const MOST: usize = 48 << 20;

struct Small;

static CALL: Mutex<String> = Mutex::new(String::new());

/// Names the call that comes next.
pub fn watch(what: &str) {
    let mut call = CALL.lock().unwrap_or_else(|e| e.into_inner());
    call.clear();
    call.push_str(what);
}

/// The name of the call, for a test that ends with "memory allocation of … bytes failed".
fn refuse(bytes: usize) -> *mut u8 {
    if std::env::var_os("ATTACK_TRACE").is_some()
        && let Ok(call) = CALL.try_lock()
    {
        eprintln!("{bytes} bytes are asked for by {call}");
    }
    std::ptr::null_mut()
}

// SAFETY: the system's allocator does it all; what is refused is null, as the trait has it.
unsafe impl GlobalAlloc for Small {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        if layout.size() > MOST { refuse(layout.size()) } else { unsafe { System.alloc(layout) } }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        if layout.size() > MOST { refuse(layout.size()) } else { unsafe { System.alloc_zeroed(layout) } }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(ptr, layout) }
    }
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        if size > MOST { refuse(size) } else { unsafe { System.realloc(ptr, layout, size) } }
    }
}

#[global_allocator]
static SMALL: Small = Small;
