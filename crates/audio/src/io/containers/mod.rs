//! Files by their structure: each walker finds what the samples are and where they lie, before one is read. All that
//! is promised is held against the length of the file, and every fault is told by its byte.

pub(super) mod aiff;
pub(super) mod au;
pub(super) mod caf;
pub(super) mod mp4;
pub(super) mod ogg;
pub(super) mod sphere;
pub(super) mod w64;
pub(super) mod wav;
