//! The weights that torchvision offers: what they are, what they expect of an image, and where their files are looked
//! for. Nothing is fetched from the network.

mod presets;
mod scenes;
mod tables;

pub use presets::Preset;
pub use scenes::*;
pub use tables::*;

use flambeau_nn::Module;
use flambeau_serialize as serialize;
use flambeau_tensor::{Error, ErrorKind, Result, StateDict, ensure};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// One set of weights of one network, as an entry of torchvision's enums.
///
/// ```
/// use flambeau_vision::models::ResNet50Weights;
///
/// let weights = ResNet50Weights::DEFAULT;
/// assert_eq!((weights.name, weights.metric("acc@1")), ("IMAGENET1K_V2", Some(80.858)));
/// assert_eq!(weights.categories()[207], "golden retriever");
/// ```
#[derive(Debug, PartialEq)]
pub struct WeightsEntry {
    /// The function that makes the network.
    pub model: &'static str,
    /// What torchvision calls it: `IMAGENET1K_V1`.
    pub name: &'static str,
    /// The file as torchvision names it: the end of its URL.
    pub file: &'static str,
    /// Parameters of the network.
    pub num_params: usize,
    /// Height and width of the smallest image that the network takes.
    pub min_size: (usize, usize),
    /// What the network tells apart.
    pub labels: Labels,
    /// How good it is: the data set, the measure, its value.
    pub metrics: &'static [(&'static str, &'static str, f64)],
    /// What makes of an image what the network expects.
    pub preset: Preset,
}

/// Names of classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Labels {
    /// the 1000 classes of ImageNet-1K
    ImageNet,
    /// the 91 classes of COCO, the background first and unused ones `N/A`
    Coco,
    /// no person, person
    CocoPerson,
    /// the 21 classes of PASCAL VOC, the background first
    Voc,
    /// the 400 classes of Kinetics-400
    Kinetics,
    /// none: the network tells no classes apart
    None,
}

impl Labels {
    /// The names, by class.
    pub fn names(self) -> &'static [&'static str] {
        static IMAGENET: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("imagenet.txt").lines().collect());
        static COCO: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("coco.txt").lines().collect());
        static VOC: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("voc.txt").lines().collect());
        static KINETICS: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("kinetics.txt").lines().collect());
        match self {
            Labels::ImageNet => &IMAGENET,
            Labels::Coco => &COCO,
            Labels::CocoPerson => &["no person", "person"],
            Labels::Voc => &VOC,
            Labels::Kinetics => &KINETICS,
            Labels::None => &[],
        }
    }
}

impl WeightsEntry {
    /// The names of the classes.
    pub fn categories(&self) -> &'static [&'static str] {
        self.labels.names()
    }

    /// The value of a measure: `acc@1`, `box_map`, `miou`.
    pub fn metric(&self, measure: &str) -> Option<f64> {
        self.metrics.iter().find(|(_, name, _)| *name == measure).map(|(_, _, value)| *value)
    }

    /// What makes of an image what the network expects.
    pub fn transforms(&self) -> Preset {
        self.preset
    }

    /// Where the file is looked for: in the folder `checkpoints` of `FLAMBEAU_HOME`, which is `~/.cache/flambeau` unless
    /// set.
    pub fn path(&self) -> PathBuf {
        let home = std::env::var_os("FLAMBEAU_HOME").map(PathBuf::from).unwrap_or_else(|| {
            std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default().join(".cache").join("flambeau")
        });
        home.join("checkpoints").join(self.file)
    }

    /// The tensors in the file, by the names that the network has for them.
    ///
    /// # Errors
    /// Where the file is missing (the error says which one belongs where) or damaged.
    #[track_caller]
    pub fn state_dict(&self) -> Result<StateDict> {
        self.state_dict_of(&self.path())
    }

    /// The tensors in the file `path`, by the names that the network has for them.
    ///
    /// # Errors
    /// Where the file is missing or damaged.
    #[track_caller]
    pub fn state_dict_of(&self, path: &Path) -> Result<StateDict> {
        if !path.is_file() {
            let message = format!(
                "the weights {} are in no file {}; put torchvision's {} there, or set FLAMBEAU_HOME",
                self.name,
                path.display(),
                self.file
            );
            return Err(Error::new(ErrorKind::Argument, self.model, message));
        }
        let mut state = StateDict::new();
        for (name, tensor) in serialize::load(path)?.iter() {
            state.insert(self.renamed(name), tensor.clone());
        }
        Ok(state)
    }

    /// What the network calls what an old file calls `name`.
    fn renamed(&self, name: &str) -> String {
        if self.model.starts_with("densenet") {
            let layers = ["norm.1.", "norm.2.", "relu.1.", "relu.2.", "conv.1.", "conv.2."];
            if let Some(old) = layers.iter().find(|old| name.contains("denselayer") && name.contains(*old)) {
                return name.replacen(old, &old.replacen('.', "", 1), 1);
            }
        }
        if self.model.starts_with("vit") {
            return name.replace(".mlp.linear_1.", ".mlp.0.").replace(".mlp.linear_2.", ".mlp.3.");
        }
        if self.model == "retinanet_resnet50_fpn" {
            for (i, part) in (0..4).flat_map(|i| [(i, "weight"), (i, "bias")]) {
                if let Some(head) = name.strip_suffix(&format!("_head.conv.{}.{part}", 2 * i)) {
                    return format!("{head}_head.conv.{i}.0.{part}");
                }
            }
        }
        let name = name.replace("rpn.head.conv.weight", "rpn.head.conv.0.0.weight");
        let mut name = name.replace("rpn.head.conv.bias", "rpn.head.conv.0.0.bias");
        for i in 0..5 {
            for part in ["weight", "bias"] {
                name = name.replace(&format!(".mask_fcn{}.{part}", i + 1), &format!(".{i}.0.{part}"));
                for blocks in ["inner_blocks", "layer_blocks"] {
                    name = name.replace(&format!(".{blocks}.{i}.{part}"), &format!(".{blocks}.{i}.0.{part}"));
                }
            }
        }
        name
    }

    /// Refuses to stand for another network's weights.
    #[track_caller]
    pub(super) fn ensure_of(&self, model: &'static str) -> Result<()> {
        ensure!(self.model == model, Argument, model, "the weights {} are those of {}", self.name, self.model);
        Ok(())
    }

    /// Loads them into a network, from `file` or where they belong.
    #[track_caller]
    pub(super) fn load_into(&self, model: &dyn Module, file: Option<&Path>) -> Result<()> {
        let state = file.map_or_else(|| self.state_dict(), |file| self.state_dict_of(file));
        let (mut state, known) = (state?, model.state_dict());
        // A norm whose numbers do not change counts no batches.
        let counts = |name: &&str| name.ends_with(".num_batches_tracked") && !known.contains(name);
        let unused: Vec<String> = state.names().filter(counts).map(str::to_string).collect();
        unused.iter().for_each(|name| drop(state.remove(name)));
        model.load_state_dict(&state)
    }
}

/// All weights of the network that the function `model` makes, as `torchvision.models.get_model_weights`; none where
/// there are none, or no such network.
pub fn get_model_weights(model: &str) -> &'static [&'static WeightsEntry] {
    tables::ALL.iter().chain(scenes::ALL).find(|(name, _)| *name == model).map_or(&[], |(_, entries)| entries)
}

/// The weights called `name`, as `torchvision.models.get_weight`: `ResNet50_Weights.IMAGENET1K_V2`, `.DEFAULT` for the
/// best.
///
/// ```
/// let weights = flambeau_vision::models::get_weight("ViT_B_16_Weights.DEFAULT")?;
/// assert_eq!(weights.file, "vit_b_16-c867db91.pth");
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where there are no such weights.
#[track_caller]
pub fn get_weight(name: &str) -> Result<&'static WeightsEntry> {
    let (family, entry) = name.split_once('.').unwrap_or((name, ""));
    let model = family.strip_suffix("_Weights").unwrap_or(family).to_lowercase();
    let entries = get_model_weights(&model);
    let found = entries.iter().find(|weights| weights.name == entry).copied();
    let best = || {
        tables::DEFAULTS
            .iter()
            .chain(scenes::DEFAULTS)
            .find(|weights| weights.model == model && entry == "DEFAULT")
            .copied()
    };
    found.or_else(best).ok_or_else(|| {
        let known: Vec<&str> = entries.iter().map(|weights| weights.name).collect();
        let message = match known.is_empty() {
            true => format!("there is no network {model:?} with weights"),
            false => format!("{model} has no weights {entry:?}, it has {}", known.join(", ")),
        };
        Error::new(ErrorKind::Argument, "get_weight", message)
    })
}

/// Writes the enum of each network: a struct without fields whose constants are the entries.
macro_rules! weights {
    ($($Name:ident of $model:literal, default $default:ident {
        $($entry:ident: $file:literal, $params:literal, ($h:literal, $w:literal), $labels:ident,
            [$(($data:literal, $measure:literal, $value:literal)),*], $preset:expr;)*
    })*) => {
        $(
            #[doc = concat!("The weights of `", $model, "`.")]
            #[derive(Debug)]
            #[allow(non_camel_case_types)] // torchvision's names
            pub struct $Name;

            impl $Name {
                $(
                    #[doc = concat!("`", stringify!($entry), "`", $("; ", $data, " ", $measure, " ", $value,)* ".")]
                    pub const $entry: &'static WeightsEntry = &WeightsEntry {
                        model: $model,
                        name: stringify!($entry),
                        file: $file,
                        num_params: $params,
                        min_size: ($h, $w),
                        labels: Labels::$labels,
                        metrics: &[$(($data, $measure, $value)),*],
                        preset: $preset,
                    };
                )*

                /// The best ones.
                pub const DEFAULT: &'static WeightsEntry = Self::$default;
            }
        )*

        /// The entries of each network.
        pub(super) const ALL: &[(&str, &[&WeightsEntry])] = &[$(($model, &[$($Name::$entry),*])),*];
        /// The best of each.
        pub(super) const DEFAULTS: &[&WeightsEntry] = &[$($Name::DEFAULT),*];
    };
}
pub(super) use weights;
