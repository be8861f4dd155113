//! Sound: reading and writing it, sets of it, transforms. Laid out like torchaudio.
//!
//! - [`io`]: sound files to tensors and back.
//! - [`datasets`]: torchaudio's sets of recordings, from local folders.
//! - [`transforms`]: what is done to a waveform on its way into a model, as modules.
//! - [`functional`]: the same as functions, filters and effects among them.
//! - [`effects`]: chains of effects, in SoX's words.
//! - [`compliance`]: features as Kaldi computes them.
//! - [`models`]: networks that recognise and separate, and decoders from what they say to words.
//! - [`pipelines`]: published networks, with their labels.
//!
//! A waveform is a tensor `[channels, frames]` of `f32` in -1 to 1; the transforms take any dimensions
//! before the last.

pub mod compliance;
pub mod datasets;
pub mod effects;
pub mod functional;
pub mod io;
pub mod models;
pub mod pipelines;
pub mod transforms;

pub use io::{AudioMetaData, Encoding, info, load, load_with, save, save_with};

// What a program that depends on this crate alone needs a name for.
#[doc(no_inline)]
pub use flambeau_tensor::{Build, DType, Device, Error, Result, Tensor};
