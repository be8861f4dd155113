//! Events: places in streams, to wait for and to take times between.

use crate::context::Gpu;
use crate::driver::check;
use crate::{Stream, of};
use cudarc::driver::sys;
use flambeau_tensor::{Device, Error, ErrorKind, Result};

/// The bindings know its second version alone, which drivers before 12.8 lack.
type ElapsedTime = unsafe extern "C" fn(*mut f32, sys::CUevent, sys::CUevent) -> sys::CUresult;

/// A place in a stream: `torch.cuda.Event(enable_timing=True)`.
///
/// ```no_run
/// use flambeau_cuda::Event;
/// use flambeau_tensor::{Device, Tensor};
///
/// let device = Device::cuda(0)?;
/// let x = Tensor::rand([1024, 1024]).device(device).build()?;
/// let (start, end) = (Event::new(device)?, Event::new(device)?);
/// start.record()?;
/// let y = x.matmul(&x)?;
/// end.record()?;
/// end.synchronize()?;
/// println!("{} ms", start.elapsed_time(&end)?);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Debug)]
pub struct Event {
    gpu: &'static Gpu,
    handle: usize,
}

impl Event {
    /// An event that nobody has recorded yet.
    ///
    /// # Errors
    /// Where there is no such device.
    pub fn new(device: Device) -> Result<Event> {
        let (gpu, mut event) = (of(device)?, std::ptr::null_mut());
        gpu.enter()?;
        // SAFETY: `event` may be written.
        unsafe { check("cuda", sys::cuEventCreate(&mut event, sys::CUevent_flags::CU_EVENT_DEFAULT as u32))? };
        Ok(Event { gpu, handle: event as usize })
    }

    fn handle(&self) -> sys::CUevent {
        self.handle as sys::CUevent
    }

    /// Puts it behind what the thread's stream has queued, in place of where it was: `Event.record`.
    ///
    /// # Errors
    /// A fault of something queued before.
    pub fn record(&self) -> Result<()> {
        self.gpu.enter()?;
        // SAFETY: both are of this device, and there as long as they are used.
        unsafe { check("cuda", sys::cuEventRecord(self.handle(), self.gpu.queue().handle())) }
    }

    /// Has what the thread's stream is given from now on wait for it: `Event.wait`. It waits for nothing where nobody
    /// recorded it.
    ///
    /// # Errors
    /// A fault of something queued before.
    pub fn wait(&self) -> Result<()> {
        self.gpu.enter()?;
        // SAFETY: both are of this device, and there as long as they are used.
        unsafe { check("cuda", sys::cuStreamWaitEvent(self.gpu.queue().handle(), self.handle(), 0)) }
    }

    /// Is all that was queued before it over? `Event.query`.
    ///
    /// # Errors
    /// A fault of something queued before.
    pub fn query(&self) -> Result<bool> {
        self.gpu.enter()?;
        // SAFETY: the event is there.
        match unsafe { sys::cuEventQuery(self.handle()) } {
            sys::CUresult::CUDA_ERROR_NOT_READY => Ok(false),
            status => check("cuda", status).map(|()| true),
        }
    }

    /// Has the host wait until all that was queued before it is over: `Event.synchronize`.
    ///
    /// # Errors
    /// A fault of something queued before.
    pub fn synchronize(&self) -> Result<()> {
        self.gpu.enter()?;
        // SAFETY: the event is there.
        unsafe { check("cuda", sys::cuEventSynchronize(self.handle())) }
    }

    /// Milliseconds from this event to `end`: `Event.elapsed_time`.
    ///
    /// # Errors
    /// Where one was not recorded, is not over yet, or is of another device.
    pub fn elapsed_time(&self, end: &Event) -> Result<f32> {
        self.gpu.enter()?;
        let mut milliseconds = 0.0;
        // SAFETY: this is the function's type in every driver; both events are there, `milliseconds` may be written.
        unsafe {
            let found = sys::culib().get::<ElapsedTime>(b"cuEventElapsedTime\0");
            let elapsed = found.map_err(|e| Error::new(ErrorKind::Device, "elapsed_time", e.to_string()))?;
            check("elapsed_time", elapsed(&mut milliseconds, self.handle(), end.handle()))?;
        }
        Ok(milliseconds)
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        if self.gpu.enter().is_ok() {
            // SAFETY: nobody else has it; the driver keeps what still waits for it.
            unsafe { sys::cuEventDestroy_v2(self.handle()) };
        }
    }
}

impl Stream {
    /// A new event behind what is queued there now: `Stream.record_event`.
    ///
    /// # Errors
    /// A fault of something queued before.
    pub fn record_event(self) -> Result<Event> {
        let event = Event::new(self.device)?;
        crate::with_stream(self, || event.record())??;
        Ok(event)
    }

    /// Has what is queued there from now on wait for `event`: `Stream.wait_event`.
    ///
    /// # Errors
    /// A fault of something queued before.
    pub fn wait_event(self, event: &Event) -> Result<()> {
        crate::with_stream(self, || event.wait())?
    }

    /// Has what is queued there from now on wait for what `other` has queued now: `Stream.wait_stream`.
    ///
    /// # Errors
    /// A fault of something queued before.
    pub fn wait_stream(self, other: Stream) -> Result<()> {
        self.wait_event(&other.record_event()?)
    }
}
