//! Features as other toolkits compute them, to the number.

pub mod kaldi;
