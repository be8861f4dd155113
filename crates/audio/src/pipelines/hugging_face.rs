//! Weights of wav2vec 2.0, HuBERT and WavLM as Hugging Face calls them.

use flambeau_tensor::{Result, StateDict, Tensor, cat, ensure};

/// What a network for pretraining has beside the one that is used.
const UNUSED: &[&str] = &["masked_spec_embed", "quantizer.", "project_q.", "project_hid.", "label_embeddings_concat"];

/// A state dict of `Wav2Vec2Model`, `HubertModel`, `WavLMModel` or their forms `ForCTC` of Hugging Face's `transformers`
/// under torchaudio's names. WavLM's queries, keys and values become one tensor; what only pretraining needs is left out.
///
/// # Errors
/// Where one of WavLM's three parts is lacking.
#[track_caller]
pub fn from_hugging_face(state: &StateDict) -> Result<StateDict> {
    let bare = |name: &str| -> String {
        let known = ["wav2vec2.", "hubert.", "wavlm."];
        known.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name).to_owned()
    };
    let wavlm = state.names().any(|name| name.contains(".gru_rel_pos_"));
    let theirs: Vec<(String, &Tensor)> = state.iter().map(|(name, tensor)| (bare(name), tensor)).collect();
    let mut ours = StateDict::new();
    for (name, tensor) in &theirs {
        if UNUSED.iter().any(|unused| name.starts_with(unused)) {
            continue;
        }
        let name = match name.as_str() {
            head if head.starts_with("lm_head.") => head.replacen("lm_head.", "aux.", 1),
            projection if projection.starts_with("feature_projection.") => format!("encoder.{projection}"),
            layer if layer.starts_with("encoder.") => layer.replacen("encoder.", "encoder.transformer.", 1),
            other => other.to_owned(),
        };
        let Some((layer, part)) = name.split_once(".attention.").filter(|_| wavlm) else {
            ours.insert(name, (*tensor).clone());
            continue;
        };
        match part.split_once('.') {
            Some(("q_proj", kind)) => {
                let of = |other: &str| {
                    let wanted = name.replacen("q_proj", other, 1).replacen("encoder.transformer.", "encoder.", 1);
                    theirs.iter().find(|(name, _)| *name == wanted).map(|(_, tensor)| *tensor)
                };
                let (key, value) = (of("k_proj"), of("v_proj"));
                ensure!(
                    key.is_some() && value.is_some(),
                    Argument,
                    "from_hugging_face",
                    "there is {name}, but no k_proj or v_proj beside it"
                );
                let parts: Vec<&Tensor> = [Some(*tensor), key, value].into_iter().flatten().collect();
                ours.insert(format!("{layer}.attention.attention.in_proj_{kind}"), cat(&parts, 0)?);
            }
            Some(("k_proj" | "v_proj", _)) => {}
            Some(("out_proj", kind)) => {
                ours.insert(format!("{layer}.attention.attention.out_proj.{kind}"), (*tensor).clone());
            }
            _ => {
                ours.insert(name, (*tensor).clone());
            }
        }
    }
    Ok(ours)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{Wav2Vec2Model, Wav2Vec2ModelBuilder};
    use crate::pipelines::load;
    use flambeau_nn::{Call, Module};

    fn small() -> Wav2Vec2ModelBuilder {
        let layers = vec![(4, 10, 5), (4, 3, 2)];
        let b = Wav2Vec2Model::new().extractor_conv_layer_config(layers).encoder_embed_dim(8).encoder_num_heads(2);
        b.encoder_num_layers(2).encoder_ff_interm_features(6).encoder_pos_conv_kernel(4).encoder_pos_conv_groups(2)
    }

    /// Our names turned to theirs, by hand.
    fn theirs(state: &StateDict, prefix: &str) -> Result<StateDict> {
        let mut found = StateDict::new();
        for (name, tensor) in state.iter() {
            let name = name.replacen("encoder.transformer.", "encoder.", 1);
            let name = name.replacen("encoder.feature_projection.", "feature_projection.", 1);
            let name = name.replacen("parametrizations.weight.original0", "weight_g", 1);
            let name = name.replacen("parametrizations.weight.original1", "weight_v", 1);
            let name = name.replacen(".attention.attention.", ".attention.", 1);
            if let Some(head) = name.strip_prefix("aux.") {
                found.insert(format!("lm_head.{head}"), tensor.clone());
            } else if let Some((layer, kind)) = name.split_once("in_proj_") {
                for (i, part) in ["q", "k", "v"].into_iter().enumerate() {
                    let rows = tensor.narrow(0, 8 * i as isize, 8)?;
                    found.insert(format!("{prefix}{layer}{part}_proj.{kind}"), rows);
                }
            } else {
                found.insert(format!("{prefix}{name}"), tensor.clone());
            }
        }
        found.insert(format!("{prefix}masked_spec_embed"), Tensor::zeros(8).build()?);
        Ok(found)
    }

    #[test]
    fn weights_of_either_name_give_one_answer() -> Result<()> {
        let x = Tensor::randn([1, 200]).build()?;
        for (b, prefix) in
            [(small().aux_num_out(5), "wav2vec2."), (small().encoder_num_buckets(8), "wavlm."), (small(), "")]
        {
            let (first, second) = (b.clone().build()?, b.build()?);
            first.eval();
            second.eval();
            load(&second, &theirs(&first.state_dict(), prefix)?)?;
            let (a, b) = (first.call((&x, None))?.0, second.call((&x, None))?.0);
            assert!(a.allclose(&b)?, "{prefix}");
        }
        Ok(())
    }

    #[test]
    fn a_bundle_knows_its_network() -> Result<()> {
        for bundle in crate::pipelines::ALL {
            let labels = bundle.labels();
            assert!(labels.is_empty() || labels[..2] == ['-', '|'], "{}", bundle.name());
        }
        let german = crate::pipelines::VOXPOPULI_ASR_BASE_10K_DE;
        assert_eq!((german.labels().len(), german.labels()[24], german.normalizes_waveform()), (32, 'ü', false));
        assert!(german.model_from(&StateDict::new()).is_err());
        Ok(())
    }
}
