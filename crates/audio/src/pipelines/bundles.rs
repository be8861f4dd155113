//! What each of torchaudio's bundles is made of.

use super::{Norms, Wav2Vec2Bundle, Wav2Vec2FABundle};

const BASE: [usize; 4] = [768, 12, 12, 3072];
const LARGE: [usize; 4] = [1024, 24, 16, 4096];
const XLARGE: [usize; 4] = [1280, 48, 16, 5120];
const XXLARGE: [usize; 4] = [1920, 48, 16, 7680];

const ENGLISH: &str = "-|ETAONIHSRDLUMWCFGYPBVK'XJQZ";
const DE_LABELS: &str = "-|enirstadhulgcmobwfkzpvüäöjßyxq";
const EN_LABELS: &str = "-|etoiansrhldcumpfgwybvkxjqz";
const ES_LABELS: &str = "-|eaosnrildctupmbqygvhófíájzñéxúkwü";
const FR_LABELS: &str = "-|esnitraouldcpmévqfgbhxàjèyêzôkçœûùîâwïëüæ";
const IT_LABELS: &str = "-|eiaontrlscdupmgvhzfbqàèùéòìkyxwjóíï";

macro_rules! bundles {
    ($($NAME:ident: $size:ident, $norms:ident, $dropout:expr, $wavlm:literal, $labels:expr;)+) => {
        $(
            #[doc = concat!("`torchaudio.pipelines.", stringify!($NAME), "`.")]
            pub const $NAME: Wav2Vec2Bundle = Wav2Vec2Bundle {
                name: stringify!($NAME),
                size: $size,
                norms: Norms::$norms,
                dropout: $dropout,
                wavlm: $wavlm,
                labels: $labels,
            };
        )+

        /// All of them.
        pub const ALL: &[Wav2Vec2Bundle] = &[$($NAME),+];
    };
}

bundles! {
    HUBERT_ASR_LARGE: LARGE, All, [0.0, 0.0, 0.1, 0.0, 0.1], false, Some(ENGLISH);
    HUBERT_ASR_XLARGE: XLARGE, All, [0.0, 0.0, 0.1, 0.0, 0.1], false, Some(ENGLISH);
    HUBERT_BASE: BASE, Once, [0.1, 0.1, 0.0, 0.1, 0.05], false, None;
    HUBERT_LARGE: LARGE, All, [0.0, 0.0, 0.0, 0.0, 0.0], false, None;
    HUBERT_XLARGE: XLARGE, All, [0.0, 0.0, 0.0, 0.0, 0.0], false, None;
    VOXPOPULI_ASR_BASE_10K_DE: BASE, Once, [0.0, 0.0, 0.1, 0.0, 0.1], false, Some(DE_LABELS);
    VOXPOPULI_ASR_BASE_10K_EN: BASE, Once, [0.0, 0.0, 0.1, 0.0, 0.1], false, Some(EN_LABELS);
    VOXPOPULI_ASR_BASE_10K_ES: BASE, Once, [0.0, 0.0, 0.1, 0.0, 0.1], false, Some(ES_LABELS);
    VOXPOPULI_ASR_BASE_10K_FR: BASE, Once, [0.0, 0.0, 0.1, 0.0, 0.1], false, Some(FR_LABELS);
    VOXPOPULI_ASR_BASE_10K_IT: BASE, Once, [0.0, 0.0, 0.1, 0.0, 0.1], false, Some(IT_LABELS);
    WAV2VEC2_ASR_BASE_100H: BASE, Once, [0.1, 0.1, 0.0, 0.1, 0.05], false, Some(ENGLISH);
    WAV2VEC2_ASR_BASE_10M: BASE, Once, [0.1, 0.1, 0.0, 0.1, 0.05], false, Some(ENGLISH);
    WAV2VEC2_ASR_BASE_960H: BASE, Once, [0.1, 0.1, 0.0, 0.1, 0.05], false, Some(ENGLISH);
    WAV2VEC2_ASR_LARGE_100H: LARGE, Once, [0.1, 0.1, 0.0, 0.0, 0.2], false, Some(ENGLISH);
    WAV2VEC2_ASR_LARGE_10M: LARGE, Once, [0.1, 0.1, 0.0, 0.0, 0.2], false, Some(ENGLISH);
    WAV2VEC2_ASR_LARGE_960H: LARGE, Once, [0.1, 0.1, 0.0, 0.0, 0.2], false, Some(ENGLISH);
    WAV2VEC2_ASR_LARGE_LV60K_100H: LARGE, AllBiased, [0.1, 0.1, 0.0, 0.0, 0.0], false, Some(ENGLISH);
    WAV2VEC2_ASR_LARGE_LV60K_10M: LARGE, AllBiased, [0.1, 0.1, 0.0, 0.0, 0.0], false, Some(ENGLISH);
    WAV2VEC2_ASR_LARGE_LV60K_960H: LARGE, AllBiased, [0.1, 0.1, 0.0, 0.0, 0.0], false, Some(ENGLISH);
    WAV2VEC2_BASE: BASE, Once, [0.1, 0.1, 0.0, 0.1, 0.05], false, None;
    WAV2VEC2_LARGE: LARGE, Once, [0.1, 0.1, 0.0, 0.0, 0.2], false, None;
    WAV2VEC2_LARGE_LV60K: LARGE, AllBiased, [0.1, 0.1, 0.0, 0.0, 0.0], false, None;
    WAV2VEC2_XLSR53: LARGE, AllBiased, [0.0, 0.0, 0.0, 0.0, 0.0], false, None;
    WAV2VEC2_XLSR_1B: XLARGE, AllBiased, [0.1, 0.0, 0.0, 0.0, 0.0], false, None;
    WAV2VEC2_XLSR_2B: XXLARGE, AllBiased, [0.1, 0.0, 0.0, 0.0, 0.0], false, None;
    WAV2VEC2_XLSR_300M: LARGE, AllBiased, [0.0, 0.0, 0.0, 0.0, 0.0], false, None;
    WAVLM_BASE: BASE, Once, [0.1, 0.1, 0.0, 0.1, 0.05], true, None;
    WAVLM_BASE_PLUS: BASE, Once, [0.1, 0.1, 0.0, 0.1, 0.05], true, None;
    WAVLM_LARGE: LARGE, All, [0.1, 0.1, 0.0, 0.1, 0.05], true, None;
}

/// `torchaudio.pipelines.MMS_FA`, for texts of many languages in Latin letters.
pub const MMS_FA: Wav2Vec2FABundle = Wav2Vec2FABundle {
    inner: Wav2Vec2Bundle {
        name: "MMS_FA",
        size: LARGE,
        norms: Norms::AllBiased,
        dropout: [0.0, 0.0, 0.1, 0.0, 0.1],
        wavlm: false,
        labels: Some("-aienoutsrmkldghybpwcvjzf'qx"),
    },
};
