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

/// Makes an enum of modules a part that has the name and the tensors of the one that it holds.
macro_rules! one_of {
    ($Enum:ident: $($Variant:ident),+) => {
        impl flambeau_nn::Part for $Enum {
            fn visit_as<'a>(&'a self, name: &str, visitor: &mut flambeau_nn::Visitor<'_, 'a>) {
                match self { $($Enum::$Variant(part) => part.visit_as(name, visitor),)+ }
            }
            fn visit_as_mut(&mut self, name: &str, visitor: &mut flambeau_nn::VisitorMut<'_>) {
                match self { $($Enum::$Variant(part) => part.visit_as_mut(name, visitor),)+ }
            }
            fn rebuild_part(&self, with: &mut flambeau_nn::Rebuild<'_>) -> flambeau_tensor::Result<Self> {
                Ok(match self { $($Enum::$Variant(part) => $Enum::$Variant(part.rebuild_part(with)?),)+ })
            }
        }
    };
}

mod conformer;
mod conv_tasnet;
pub mod decoder;
mod deepspeech;
mod emformer;
mod hdemucs;
mod rnnt;
mod squim;
mod tacotron2;
mod wav2letter;
mod wav2vec2;
mod wavernn;

pub use conformer::{Conformer, ConformerBuilder, ConformerLayer};
pub use conv_tasnet::{ConvTasNet, ConvTasNetBuilder, MaskActivation, conv_tasnet_base};
pub use deepspeech::{DeepSpeech, DeepSpeechBuilder};
pub use emformer::{Emformer, EmformerActivation, EmformerBuilder, LayerState, WeightInitScaleStrategy};
pub use hdemucs::{HDemucs, HDemucsBuilder, SourceNames, hdemucs_high, hdemucs_low, hdemucs_medium};
pub use rnnt::{RNNT, RNNTBuilder, emformer_rnnt_base};
pub use squim::{
    SquimObjective, SquimObjectiveBuilder, SquimRnn, SquimSubjective, SquimSubjectiveBuilder, squim_objective_base,
    squim_subjective_base,
};
pub use tacotron2::{Tacotron2, Tacotron2Builder};
pub use wav2letter::{Wav2Letter, Wav2LetterBuilder, Wav2LetterInput};

pub use wav2vec2::{
    ConvLayer, ExtractorMode, HuBERTPretrainModel, HuBERTPretrainModelBuilder, MaskSelection, Wav2Vec2Model,
    Wav2Vec2ModelBuilder, hubert_base, hubert_large, hubert_pretrain_base, hubert_pretrain_large,
    hubert_pretrain_xlarge, hubert_xlarge, wav2vec2_base, wav2vec2_large, wav2vec2_large_lv60k, wav2vec2_xlsr_1b,
    wav2vec2_xlsr_2b, wav2vec2_xlsr_300m, wavlm_base, wavlm_large,
};
pub use wavernn::{WaveRNN, WaveRNNBuilder};

flambeau_nn::plain_parts!(EmformerActivation, MaskActivation);
