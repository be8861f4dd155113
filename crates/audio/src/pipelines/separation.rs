//! Published networks that take sound apart and that tell how good speech is.

use crate::models::{
    ConvTasNet, HDemucs, SquimObjective, SquimSubjective, conv_tasnet_base, hdemucs_high, squim_objective_base,
    squim_subjective_base,
};
use flambeau_nn::{Call, Forward, Module, utils::skip_init};
use flambeau_tensor::{Result, StateDict, Tensor};
use std::path::Path;

/// Weights into a network that is about to be used.
#[track_caller]
pub(super) fn loaded<M: Module>(make: impl FnOnce() -> Result<M>, state: &StateDict) -> Result<M> {
    let model = skip_init(make)?;
    model.load_state_dict(state)?;
    model.eval();
    Ok(model)
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    ConvTasNet,
    HDemucs,
}

/// A network that takes sound apart, as `torchaudio.pipelines.SourceSeparationBundle`.
#[derive(Clone, Copy, Debug)]
pub struct SourceSeparationBundle {
    name: &'static str,
    kind: Kind,
    sample_rate: u32,
}

/// `torchaudio.pipelines.CONVTASNET_BASE_LIBRI2MIX`: two speakers.
pub const CONVTASNET_BASE_LIBRI2MIX: SourceSeparationBundle =
    SourceSeparationBundle { name: "CONVTASNET_BASE_LIBRI2MIX", kind: Kind::ConvTasNet, sample_rate: 8000 };
/// `torchaudio.pipelines.HDEMUCS_HIGH_MUSDB`: drums, bass, other and vocals.
pub const HDEMUCS_HIGH_MUSDB: SourceSeparationBundle =
    SourceSeparationBundle { name: "HDEMUCS_HIGH_MUSDB", kind: Kind::HDemucs, sample_rate: 44_100 };
/// `torchaudio.pipelines.HDEMUCS_HIGH_MUSDB_PLUS`: the same, trained on more music.
pub const HDEMUCS_HIGH_MUSDB_PLUS: SourceSeparationBundle =
    SourceSeparationBundle { name: "HDEMUCS_HIGH_MUSDB_PLUS", kind: Kind::HDemucs, sample_rate: 44_100 };

/// All that take sound apart.
pub const SEPARATION: &[SourceSeparationBundle] =
    &[CONVTASNET_BASE_LIBRI2MIX, HDEMUCS_HIGH_MUSDB, HDEMUCS_HIGH_MUSDB_PLUS];

impl SourceSeparationBundle {
    /// torchaudio's name of it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Of the mixtures, in Hertz.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// The names of what comes out; none where they are any two speakers.
    pub fn sources(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::ConvTasNet => &[],
            Kind::HDemucs => &["drums", "bass", "other", "vocals"],
        }
    }

    /// The network with weights from a local file, for evaluation.
    ///
    /// # Errors
    /// Where the file cannot be read or has other weights.
    #[track_caller]
    pub fn model(&self, path: impl AsRef<Path>) -> Result<SeparationModel> {
        self.model_from(&flambeau_serialize::load(path)?)
    }

    /// The same with weights that are in memory.
    ///
    /// # Errors
    /// Where they are other weights.
    #[track_caller]
    pub fn model_from(&self, state: &StateDict) -> Result<SeparationModel> {
        let model = match self.kind {
            Kind::ConvTasNet => Separator::ConvTasNet(loaded(|| conv_tasnet_base(2), state)?),
            Kind::HDemucs => Separator::HDemucs(Box::new(loaded(|| hdemucs_high(self.sources()).build(), state)?)),
        };
        Ok(SeparationModel { model })
    }
}

enum Separator {
    ConvTasNet(ConvTasNet),
    HDemucs(Box<HDemucs>),
}

impl flambeau_nn::Part for Separator {
    fn visit_as<'a>(&'a self, name: &str, visitor: &mut flambeau_nn::Visitor<'_, 'a>) {
        match self {
            Separator::ConvTasNet(model) => model.visit_as(name, visitor),
            Separator::HDemucs(model) => (**model).visit_as(name, visitor),
        }
    }
    fn visit_as_mut(&mut self, name: &str, visitor: &mut flambeau_nn::VisitorMut<'_>) {
        match self {
            Separator::ConvTasNet(model) => model.visit_as_mut(name, visitor),
            Separator::HDemucs(model) => (**model).visit_as_mut(name, visitor),
        }
    }
    fn rebuild_part(&self, with: &mut flambeau_nn::Rebuild<'_>) -> Result<Self> {
        Ok(match self {
            Separator::ConvTasNet(model) => Separator::ConvTasNet(model.rebuild_part(with)?),
            Separator::HDemucs(model) => Separator::HDemucs(Box::new((**model).rebuild_part(with)?)),
        })
    }
}

/// A bundle's network: mixtures `[batch, channels, frames]` to what they are of, `[batch, sources, frames]` of one channel
/// ([`ConvTasNet`]) or `[batch, sources, channels, frames]` ([`HDemucs`]).
#[derive(Module)]
pub struct SeparationModel {
    model: Separator,
}

impl Forward<&Tensor> for SeparationModel {
    type Output = Tensor;

    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match &self.model {
            Separator::ConvTasNet(model) => model.call(x),
            Separator::HDemucs(model) => model.call(x),
        }
    }
}

macro_rules! squim {
    ($(#[$doc:meta])* $Bundle:ident of $Model:ident by $make:ident, $(#[$const_doc:meta])* $NAME:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $Bundle(());

        $(#[$const_doc])*
        pub const $NAME: $Bundle = $Bundle(());

        impl $Bundle {
            /// torchaudio's name of it.
            pub fn name(&self) -> &'static str {
                stringify!($NAME)
            }

            /// Of the speech, in Hertz.
            pub fn sample_rate(&self) -> u32 {
                16_000
            }

            /// The network with weights from a local file, for evaluation.
            ///
            /// # Errors
            /// Where the file cannot be read or has other weights.
            #[track_caller]
            pub fn model(&self, path: impl AsRef<Path>) -> Result<$Model> {
                self.model_from(&flambeau_serialize::load(path)?)
            }

            /// The same with weights that are in memory.
            ///
            /// # Errors
            /// Where they are other weights.
            #[track_caller]
            pub fn model_from(&self, state: &StateDict) -> Result<$Model> {
                loaded(|| $make().build(), state)
            }
        }
    };
}

squim! {
    /// A network that estimates STOI, PESQ and SI-SDR, as `torchaudio.pipelines.SquimObjectiveBundle`.
    SquimObjectiveBundle of SquimObjective by squim_objective_base,
    /// `torchaudio.pipelines.SQUIM_OBJECTIVE`.
    SQUIM_OBJECTIVE
}

squim! {
    /// A network that estimates mean opinion scores, as `torchaudio.pipelines.SquimSubjectiveBundle`.
    SquimSubjectiveBundle of SquimSubjective by squim_subjective_base,
    /// `torchaudio.pipelines.SQUIM_SUBJECTIVE`.
    SQUIM_SUBJECTIVE
}
