//! The stand-in driver, called as a program calls the real one.

use flambeau_cuda_sim::driver::*;
use std::ffi::{CStr, CString, c_void};
use std::ptr::null_mut;
use std::sync::{Mutex, MutexGuard, PoisonError};

const SUCCESS: u32 = 0;
const INVALID_VALUE: u32 = 1;
const OUT_OF_MEMORY: u32 = 2;
const INVALID_DEVICE: u32 = 101;
const INVALID_IMAGE: u32 = 200;
const INVALID_CONTEXT: u32 = 201;
const NO_BINARY: u32 = 209;
const INVALID_HANDLE: u32 = 400;
const NOT_FOUND: u32 = 500;
const NOT_READY: u32 = 600;
const ILLEGAL_ADDRESS: u32 = 700;

/// `x[i] = 2 x[i] + by` for `i < n`: the order of two launches shows.
const PUSH: &str = "
    .version 8.0
    .target sm_80
    .address_size 64
    .global .align 4 .u32 five = 5;
    .visible .entry push(.param .u64 x, .param .u32 n, .param .u32 by) {
        .reg .pred %p<2>; .reg .b32 %r<8>; .reg .b64 %d<4>;
        ld.param.u64 %d0, [x];
        ld.param.u32 %r0, [n];
        ld.param.u32 %r4, [by];
        mov.u32 %r1, %ctaid.x;
        mov.u32 %r2, %ntid.x;
        mov.u32 %r3, %tid.x;
        mad.lo.s32 %r1, %r1, %r2, %r3;
        setp.ge.u32 %p0, %r1, %r0;
        @%p0 bra END;
        mul.wide.u32 %d1, %r1, 4;
        add.s64 %d0, %d0, %d1;
        ld.global.u32 %r5, [%d0];
        mad.lo.u32 %r5, %r5, 2, %r4;
        st.global.u32 [%d0], %r5;
    END:
        ret;
    }
    .visible .entry five_to(.param .u64 x) {
        .reg .b32 %r<2>; .reg .b64 %d<2>;
        ld.param.u64 %d0, [x];
        ld.global.u32 %r0, [five];
        st.global.u32 [%d0], %r0;
        ret;
    }
    .visible .entry odd() { frobnicate.u32 %r0; ret; }
";

type Handle = *mut c_void;

/// The driver, for one test at a time, with a context of device 0 and no fault.
struct Driver {
    _alone: MutexGuard<'static, ()>,
}

fn driver() -> Driver {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(cuInit(0), SUCCESS);
    flambeau_sim_clear_fault();
    flambeau_sim_fail_allocations(-1);
    flambeau_sim_fail_work(-1);
    flambeau_sim_set_memory(1 << 30);
    flambeau_sim_set_null(false);
    let driver = Driver { _alone: alone };
    driver.enter(0);
    driver
}

fn text(status: u32) -> String {
    let mut text = std::ptr::null();
    // SAFETY: the driver answers with a text that stays.
    unsafe {
        assert_eq!(cuGetErrorString(status, &mut text), SUCCESS);
        CStr::from_ptr(text).to_string_lossy().into_owned()
    }
}

/// What a call wrote, where it went well.
fn made<T: Copy>(start: T, call: impl FnOnce(*mut T) -> u32) -> Result<T, u32> {
    let mut value = start;
    match call(&mut value) {
        SUCCESS => Ok(value),
        status => Err(status),
    }
}

impl Driver {
    fn enter(&self, device: i32) {
        // SAFETY: the place may be written.
        let context = made(null_mut(), |c| unsafe { cuDevicePrimaryCtxRetain(c, device) }).unwrap();
        assert_eq!(cuCtxSetCurrent(context), SUCCESS);
    }

    fn allocate(&self, bytes: usize) -> Result<u64, u32> {
        // SAFETY: the place may be written.
        made(0, |at| unsafe { cuMemAlloc_v2(at, bytes) })
    }

    fn stream(&self) -> Handle {
        // SAFETY: the place may be written.
        made(null_mut(), |s| unsafe { cuStreamCreate(s, 1) }).unwrap()
    }

    fn event(&self) -> Handle {
        // SAFETY: the place may be written.
        made(null_mut(), |e| unsafe { cuEventCreate(e, 0) }).unwrap()
    }

    fn pinned(&self, numbers: usize) -> *mut u32 {
        // SAFETY: the place may be written.
        made(null_mut(), |p| unsafe { cuMemHostAlloc(p, numbers * 4, 0) }).unwrap().cast()
    }

    fn module(&self, image: &str) -> Result<Handle, u32> {
        let image = CString::new(image).unwrap();
        // SAFETY: the image ends with a zero.
        made(null_mut(), |m| unsafe { cuModuleLoadData(m, image.as_ptr().cast()) })
    }

    fn function(&self, module: Handle, name: &str) -> Result<Handle, u32> {
        let name = CString::new(name).unwrap();
        // SAFETY: the name ends with a zero.
        made(null_mut(), |f| unsafe { cuModuleGetFunction(f, module, name.as_ptr()) })
    }

    fn push(&self) -> Handle {
        self.function(self.module(PUSH).unwrap(), "push").unwrap()
    }

    /// Numbers on the device.
    fn upload(&self, numbers: &[u32]) -> u64 {
        let at = self.allocate(numbers.len() * 4).unwrap();
        // SAFETY: both have so many bytes.
        let status = unsafe { cuMemcpyHtoDAsync_v2(at, numbers.as_ptr().cast(), numbers.len() * 4, null_mut()) };
        assert_eq!(status, SUCCESS);
        assert_eq!(cuCtxSynchronize(), SUCCESS);
        at
    }

    fn download(&self, at: u64, count: usize) -> Result<Vec<u32>, u32> {
        let mut numbers = vec![0u32; count];
        // SAFETY: both have so many bytes.
        match unsafe { cuMemcpyDtoHAsync_v2(numbers.as_mut_ptr().cast(), at, count * 4, null_mut()) } {
            SUCCESS => Ok(numbers),
            status => Err(status),
        }
    }

    /// Launches `push` on `n` numbers in blocks of 32 threads.
    fn launch(&self, function: Handle, x: u64, n: u32, by: u32, stream: Handle) -> u32 {
        self.launch_as(function, (x, n, by), stream, [[n.div_ceil(32), 1, 1], [32, 1, 1]], 0)
    }

    fn launch_as(
        &self,
        function: Handle,
        (mut x, mut n, mut by): (u64, u32, u32),
        stream: Handle,
        [grid, block]: [[u32; 3]; 2],
        shared: u32,
    ) -> u32 {
        let mut params: [Handle; 3] = [(&raw mut x).cast(), (&raw mut n).cast(), (&raw mut by).cast()];
        let (params, none) = (params.as_mut_ptr(), null_mut());
        let ([gx, gy, gz], [bx, by, bz]) = (grid, block);
        // SAFETY: three parameters, of the kernel's sizes.
        unsafe { cuLaunchKernel(function, gx, gy, gz, bx, by, bz, shared, stream, params, none) }
    }
}

#[test]
fn devices_say_what_they_are() {
    let _driver = driver();
    // SAFETY: every place may be written.
    unsafe {
        assert_eq!(made(0, |n| cuDeviceGetCount(n)), Ok(2));
        assert!(made(0, |v| cuDriverGetVersion(v)).unwrap() >= 12000);
        assert_eq!(made(0, |d| cuDeviceGet(d, 1)), Ok(1));
        assert_eq!(made(0, |d| cuDeviceGet(d, 2)), Err(INVALID_DEVICE));
        assert_eq!(made(0, |d| cuDeviceGet(d, -1)), Err(INVALID_DEVICE));
        assert_eq!(made(0, |v| cuDeviceGetAttribute(v, 75, 0)), Ok(8));
        assert_eq!(made(0, |v| cuDeviceTotalMem_v2(v, 1)), Ok(1 << 30));
        assert_eq!(made(null_mut(), |c| cuDevicePrimaryCtxRetain(c, 2)), Err(INVALID_DEVICE));
        let mut name = [0; 64];
        assert_eq!(cuDeviceGetName(name.as_mut_ptr(), 64, 0), SUCCESS);
        assert_eq!(CStr::from_ptr(name.as_ptr()), c"Simulated GPU");
        assert_eq!(cuDeviceGetName(name.as_mut_ptr(), 4, 0), INVALID_VALUE);
    }
    assert_eq!(cuCtxSetCurrent(9 as Handle), INVALID_CONTEXT);
    let without = std::thread::spawn(|| {
        // SAFETY: the place may be written.
        made(0, |at| unsafe { cuMemAlloc_v2(at, 100) })
    });
    assert_eq!(without.join().unwrap(), Err(INVALID_CONTEXT), "each thread has a context of its own");
}

#[test]
fn memory_is_limited_and_given_back_once() {
    let driver = driver();
    let free = || {
        // SAFETY: both places may be written.
        made(0, |free| unsafe { cuMemGetInfo_v2(free, &mut 0) }).unwrap()
    };
    let before = free();
    let at = driver.allocate(1000).unwrap();
    assert_eq!(free(), before - 1000);
    assert_eq!(cuMemFree_v2(at), SUCCESS);
    assert_eq!(free(), before);
    assert_eq!(cuMemFree_v2(at), INVALID_VALUE);
    assert_eq!(driver.allocate(0), Err(INVALID_VALUE));
    flambeau_sim_set_memory(((1 << 30) - before + 5000) as u64);
    let at = driver.allocate(4000).unwrap();
    assert_eq!(driver.allocate(4000), Err(OUT_OF_MEMORY));
    assert_eq!(cuMemFree_v2(at), SUCCESS);
    assert_eq!(driver.allocate(4000).map(|at| cuMemFree_v2(at)), Ok(SUCCESS));
    flambeau_sim_fail_allocations(1);
    assert_eq!(driver.allocate(8).map(|at| cuMemFree_v2(at)), Ok(SUCCESS));
    assert_eq!(driver.allocate(8), Err(OUT_OF_MEMORY));
    flambeau_sim_fail_allocations(-1);
    assert_eq!(driver.allocate(8).map(|at| cuMemFree_v2(at)), Ok(SUCCESS));
}

#[test]
fn copies_from_page_locked_memory_are_late_and_others_are_not() {
    let driver = driver();
    let (pinned, mut plain) = (driver.pinned(4), [1u32, 2, 3, 4]);
    let (a, b, back) = (driver.allocate(16).unwrap(), driver.allocate(16).unwrap(), driver.pinned(4));
    // SAFETY: four numbers each; nothing runs before it is waited for.
    unsafe {
        for i in 0..4 {
            *pinned.add(i) = i as u32 + 1;
        }
        assert_eq!(cuMemcpyHtoDAsync_v2(a, pinned.cast(), 16, null_mut()), SUCCESS);
        assert_eq!(cuMemcpyHtoDAsync_v2(b, plain.as_ptr().cast(), 16, null_mut()), SUCCESS);
        assert_eq!(cuMemcpyDtoHAsync_v2(back.cast(), a, 16, null_mut()), SUCCESS);
        *pinned = 9;
        plain[0] = 9;
        assert_eq!(*back, 0, "the copy back has not run");
        assert_eq!(cuCtxSynchronize(), SUCCESS);
        assert_eq!(std::slice::from_raw_parts(back, 4), [9, 2, 3, 4]);
    }
    assert_eq!(driver.download(b, 4), Ok(vec![1, 2, 3, 4]));
    assert_eq!(plain[0], 9);
    assert_eq!(cuMemsetD8Async(b, 1, 4, null_mut()), SUCCESS);
    assert_eq!(cuMemcpyDtoDAsync_v2(a, b, 8, null_mut()), SUCCESS);
    assert_eq!(driver.download(a, 3), Ok(vec![0x0101_0101, 2, 3]));
    assert_eq!(cuMemFreeHost(pinned.cast()), SUCCESS);
    assert_eq!(cuMemFreeHost(pinned.cast()), INVALID_VALUE);
    assert_eq!(cuMemFreeHost(back.cast()), SUCCESS);
}

#[test]
fn work_runs_when_it_is_waited_for() {
    let driver = driver();
    let (push, stream) = (driver.push(), driver.stream());
    let x = driver.upload(&[0; 100]);
    assert_eq!(flambeau_sim_queued(), 0);
    flambeau_sim_counts();
    assert_eq!(driver.launch(push, x, 100, 7, stream), SUCCESS);
    assert_eq!((cuStreamQuery(stream), flambeau_sim_queued()), (NOT_READY, 1));
    assert_eq!(flambeau_sim_counts().launches, 0);
    assert_eq!(cuStreamSynchronize(stream), SUCCESS);
    assert_eq!((cuStreamQuery(stream), flambeau_sim_queued()), (SUCCESS, 0));
    let counts = flambeau_sim_counts();
    assert_eq!((counts.launches, counts.global_bytes), (1, 800));
    assert_eq!(driver.download(x, 100), Ok(vec![7; 100]));
    assert_eq!(cuStreamDestroy_v2(stream), SUCCESS);
    for status in [cuStreamQuery(stream), cuStreamSynchronize(stream), cuStreamDestroy_v2(stream)] {
        assert_eq!(status, INVALID_HANDLE);
    }
    assert_eq!(driver.launch(push, x, 100, 7, stream), INVALID_HANDLE);
}

/// Two streams push 1 and 2 onto a number. Without an event the seed decides who is first, with one the program does.
#[test]
fn streams_run_in_any_order_that_events_allow() {
    let driver = driver();
    let (push, streams, event) = (driver.push(), [driver.stream(), driver.stream()], driver.event());
    let both = |seed, ordered: bool| {
        flambeau_sim_set_seed(seed);
        let x = driver.upload(&[0]);
        assert_eq!(driver.launch(push, x, 1, 1, streams[0]), SUCCESS);
        if ordered {
            assert_eq!(cuEventRecord(event, streams[0]), SUCCESS);
            assert_eq!(cuEventQuery(event), NOT_READY);
            assert_eq!(cuStreamWaitEvent(streams[1], event, 0), SUCCESS);
        }
        assert_eq!(driver.launch(push, x, 1, 2, streams[1]), SUCCESS);
        assert_eq!(cuCtxSynchronize(), SUCCESS);
        driver.download(x, 1).unwrap()[0]
    };
    let any: Vec<u32> = (0..32).map(|seed| both(seed, false)).collect();
    assert!(any.contains(&4) && any.contains(&5), "{any:?}");
    assert_eq!(any, (0..32).map(|seed| both(seed, false)).collect::<Vec<u32>>(), "the seed decides alone");
    assert!((0..32).all(|seed| both(seed, true) == 4));
}

#[test]
fn events_tell_how_far_work_has_come() {
    let driver = driver();
    let (push, stream, [start, end]) = (driver.push(), driver.stream(), [driver.event(), driver.event()]);
    let elapsed = || {
        // SAFETY: the place may be written.
        made(0.0, |ms| unsafe { cuEventElapsedTime(ms, start, end) })
    };
    assert_eq!((cuEventQuery(start), elapsed()), (SUCCESS, Err(INVALID_HANDLE)), "never recorded");
    let x = driver.upload(&[0; 1000]);
    assert_eq!(cuEventRecord(start, stream), SUCCESS);
    assert_eq!(driver.launch(push, x, 1000, 1, stream), SUCCESS);
    assert_eq!(cuEventRecord(end, stream), SUCCESS);
    assert_eq!(driver.launch(push, x, 1000, 1, stream), SUCCESS);
    assert_eq!(elapsed(), Err(NOT_READY));
    assert_eq!(cuEventSynchronize(end), SUCCESS);
    assert!(elapsed().unwrap() > 0.0);
    assert_eq!(cuStreamSynchronize(stream), SUCCESS);
    assert_eq!(driver.download(x, 2), Ok(vec![3, 3]));
    driver.enter(1);
    let foreign = driver.stream();
    assert_eq!(cuEventRecord(start, foreign), INVALID_HANDLE, "an event of another device");
    assert_eq!(cuEventDestroy_v2(start), SUCCESS);
    assert_eq!(cuEventQuery(start), INVALID_HANDLE);
}

#[test]
fn modules_hold_kernels_and_variables() {
    let driver = driver();
    let module = driver.module(PUSH).unwrap();
    let five = driver.function(module, "five_to").unwrap();
    let x = driver.upload(&[0]);
    assert_eq!(driver.launch_as(five, (x, 0, 0), null_mut(), [[1; 3]; 2], 0), SUCCESS);
    assert_eq!(driver.download(x, 1), Ok(vec![5]));
    assert_eq!(driver.function(module, "nobody"), Err(NOT_FOUND));
    assert_eq!(driver.function(module, "odd"), Err(INVALID_IMAGE));
    assert!(text(INVALID_IMAGE).contains("frobnicate"), "{}", text(INVALID_IMAGE));
    assert_eq!(driver.module("what is no PTX"), Err(INVALID_IMAGE));
    assert_eq!(driver.module("\x7fELF"), Err(NO_BINARY));
    assert_eq!(cuModuleUnload(module), SUCCESS);
    assert_eq!(cuModuleUnload(module), INVALID_HANDLE);
    assert_eq!(driver.launch_as(five, (x, 0, 0), null_mut(), [[1; 3]; 2], 0), INVALID_HANDLE);
}

#[test]
fn launches_are_checked_before_they_are_queued() {
    let driver = driver();
    let (push, x) = (driver.push(), driver.upload(&[0; 64]));
    let launch = |grid, block, shared| driver.launch_as(push, (x, 64, 1), null_mut(), [grid, block], shared);
    assert_eq!(launch([2, 1, 1], [32, 1, 1], 0), SUCCESS);
    for (grid, block) in [
        ([0, 1, 1], [32, 1, 1]),
        ([1, 1, 1], [0, 1, 1]),
        ([1, 1, 1], [1025, 1, 1]),
        ([1, 1, 1], [64, 64, 1]),
        ([1, 1, 1], [u32::MAX, 2, 1]),
        ([1, 70_000, 1], [1, 1, 1]),
        ([1, 1, 70_000], [1, 1, 1]),
    ] {
        assert_eq!(launch(grid, block, 0), INVALID_VALUE, "{grid:?} {block:?}");
    }
    assert_eq!(launch([1; 3], [1; 3], 64 << 10), INVALID_VALUE, "more shared memory than was asked for");
    assert_eq!(cuFuncSetAttribute(push, 8, 64 << 10), SUCCESS);
    assert_eq!(launch([1; 3], [1; 3], 64 << 10), SUCCESS);
    assert_eq!(cuFuncSetAttribute(push, 8, 1 << 20), INVALID_VALUE);
    for handle in [null_mut(), 1_000_000 as Handle] {
        assert_eq!(driver.launch(handle, x, 1, 1, null_mut()), INVALID_HANDLE);
    }
    driver.enter(1);
    let theirs = driver.stream();
    assert_eq!(driver.launch(push, x, 1, 1, theirs), INVALID_HANDLE, "a kernel of another device");
}

#[test]
fn a_fault_shows_late_and_stays() {
    let driver = driver();
    let (push, x) = (driver.push(), driver.upload(&[0; 8]));
    assert_eq!(driver.launch(push, x, 9, 1, null_mut()), SUCCESS, "nobody has looked yet");
    assert_eq!(cuCtxSynchronize(), ILLEGAL_ADDRESS);
    for part in ["32 bytes", "kernel push", "ld.global.u32"] {
        assert!(text(ILLEGAL_ADDRESS).contains(part), "{}", text(ILLEGAL_ADDRESS));
    }
    assert_eq!(driver.allocate(8), Err(ILLEGAL_ADDRESS));
    assert_eq!(driver.download(x, 1), Err(ILLEGAL_ADDRESS));
    assert_eq!(driver.launch(push, x, 1, 1, null_mut()), ILLEGAL_ADDRESS);
    flambeau_sim_clear_fault();
    flambeau_sim_fail_work(1);
    let x = driver.upload(&[3]);
    assert_eq!(driver.launch(push, x, 1, 1, null_mut()), SUCCESS);
    assert_eq!(driver.download(x, 1), Err(ILLEGAL_ADDRESS));
    assert!(text(ILLEGAL_ADDRESS).contains("injected"));
    flambeau_sim_clear_fault();
    assert_eq!(driver.download(x, 1), Ok(vec![3]));
}

#[test]
fn devices_see_their_own_memory_and_that_of_peers() {
    let driver = driver();
    let x = driver.upload(&[1, 2]);
    driver.enter(1);
    let (push, y) = (driver.push(), driver.upload(&[0, 0]));
    // SAFETY: the place may be written.
    assert_eq!(made(0, |can| unsafe { cuDeviceCanAccessPeer(can, 1, 0) }), Ok(1));
    assert_eq!(cuMemcpyPeerAsync(y, 2 as Handle, x, 1 as Handle, 8, null_mut()), SUCCESS);
    assert_eq!(driver.download(y, 2), Ok(vec![1, 2]));
    assert_eq!(driver.launch(push, x, 2, 1, null_mut()), SUCCESS);
    assert_eq!(cuCtxSynchronize(), ILLEGAL_ADDRESS);
    assert!(text(ILLEGAL_ADDRESS).contains("of device 0, which device 1 may not see"), "{}", text(ILLEGAL_ADDRESS));
    flambeau_sim_clear_fault();
    assert_eq!(cuCtxEnablePeerAccess(2 as Handle, 0), INVALID_CONTEXT, "a peer of itself");
    assert_eq!(cuCtxEnablePeerAccess(1 as Handle, 0), SUCCESS);
    assert_eq!(cuCtxEnablePeerAccess(1 as Handle, 0), 704);
    assert_eq!(driver.launch(push, x, 2, 1, null_mut()), SUCCESS);
    assert_eq!(driver.download(x, 2), Ok(vec![3, 5]));
}

#[test]
fn in_the_null_mode_launches_do_nothing() {
    let driver = driver();
    let (push, x) = (driver.push(), driver.upload(&[4]));
    flambeau_sim_set_null(true);
    assert_eq!(driver.launch(push, x, 1, 1, null_mut()), SUCCESS);
    assert_eq!((driver.download(x, 1), flambeau_sim_queued()), (Ok(vec![4]), 0));
}

#[test]
fn threads_work_beside_each_other() {
    let driver = driver();
    let push = driver.push() as usize;
    std::thread::scope(|scope| {
        for by in 0..4 {
            let driver = &driver;
            scope.spawn(move || {
                driver.enter(0);
                let (x, stream) = (driver.upload(&[by; 50]), driver.stream());
                for _ in 0..10 {
                    assert_eq!(driver.launch(push as Handle, x, 50, by, stream), SUCCESS);
                }
                assert_eq!(cuStreamSynchronize(stream), SUCCESS);
                assert_eq!(driver.download(x, 50), Ok(vec![by * 2047; 50]));
            });
        }
    });
}
