//! Networks for sound, as `torchaudio.models`: their parameters are called and begin as torchaudio's.
//!
//! ```
//! use flambeau_audio::models::Conformer;
//! use flambeau_nn::Call;
//! use flambeau_tensor::{Tensor, tensor};
//!
//! let encoder = Conformer::new(80, 4, 128, 2, 31).build()?;
//! let (features, lengths) = (Tensor::randn([2, 50, 80]).build()?, tensor!([50i64, 40]));
//! let (encoded, lengths) = encoder.call((&features, &lengths))?;
//! assert_eq!((encoded.shape(), lengths.to_vec::<i64>()?), (&[2, 50, 80][..], vec![50, 40]));
//! # Ok::<(), flambeau_tensor::Error>(())
//! ```

mod conformer;
mod conv_tasnet;
mod deepspeech;
mod wav2letter;

pub use conformer::{Conformer, ConformerBuilder, ConformerLayer};
pub use conv_tasnet::{ConvTasNet, ConvTasNetBuilder, MaskActivation, conv_tasnet_base};
pub use deepspeech::{DeepSpeech, DeepSpeechBuilder};
pub use wav2letter::{Wav2Letter, Wav2LetterBuilder, Wav2LetterInput};

flambeau_nn::plain_parts!(MaskActivation);
