//! What the modules inside a network give, as `torchvision.models.feature_extraction`.

use flambeau_nn::{DynModule, Module, ModuleHooks, RemovableHandle, Tensors};
use flambeau_tensor::{Result, Tensor, ensure};
use std::sync::{Arc, Mutex, PoisonError};

/// What listens to modules inside a network: what [`create_feature_extractor`] makes. While it lives the modules tell what
/// they give.
pub struct FeatureExtractor {
    handles: Vec<RemovableHandle>,
    features: Arc<Mutex<Vec<Feature>>>,
}

/// What is asked of a module.
struct Feature {
    /// The name that it gets.
    name: String,
    /// Which of its runs counts.
    run: usize,
    /// How often it has run.
    runs: usize,
    tensor: Option<Tensor>,
}

impl Drop for FeatureExtractor {
    fn drop(&mut self) {
        self.handles.drain(..).for_each(RemovableHandle::remove);
    }
}

/// Listens to the modules with the paths `return_nodes`, each under a name: as
/// `torchvision.models.feature_extraction.create_feature_extractor` with nodes that are modules. The whole network
/// runs; a module that runs several times tells its first output (`PATH_1` names the second), and one that gives several
/// tensors the first.
///
/// ```
/// use flambeau_nn::{Call, Module};
/// use flambeau_tensor::Tensor;
/// use flambeau_vision::models::{create_feature_extractor, resnet18};
///
/// let model = resnet18().build()?;
/// model.eval();
/// let extractor = create_feature_extractor(&model, &[("layer1", "fine"), ("layer4.1.relu", "coarse")])?;
/// let features = extractor.features(|| model.call(&Tensor::zeros([1, 3, 64, 64]).build()?))?;
/// assert_eq!((features[0].0.as_str(), features[0].1.shape()), ("fine", &[1, 64, 16, 16][..]));
/// assert_eq!((features[1].0.as_str(), features[1].1.shape()), ("coarse", &[1, 512, 2, 2][..]));
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where the network has no module of a path.
#[track_caller]
pub fn create_feature_extractor(model: &dyn Module, return_nodes: &[(&str, &str)]) -> Result<FeatureExtractor> {
    let mut extractor = FeatureExtractor { handles: Vec::new(), features: Arc::default() };
    let modules = model.named_modules();
    let of_path = |path: &str| modules.iter().find(|(name, _)| name == path);
    for (i, (path, name)) in return_nodes.iter().enumerate() {
        let (module, run) = match (of_path(path), path.rsplit_once('_')) {
            (None, Some((path, run))) => (of_path(path), run.parse().unwrap_or(0)),
            (module, _) => (module, 0),
        };
        let feature = Feature { name: name.to_string(), run, runs: 0, tensor: None };
        extractor.features.lock().unwrap_or_else(PoisonError::into_inner).push(feature);
        ensure!(
            module.is_some(),
            Argument,
            "create_feature_extractor",
            "there is no module {path:?}; `get_graph_node_names` lists them"
        );
        let features = extractor.features.clone();
        let tell = move |_: &DynModule, _: &dyn Tensors, outputs: &mut dyn Tensors| {
            let feature = &mut features.lock().unwrap_or_else(PoisonError::into_inner)[i];
            if feature.runs == feature.run {
                feature.tensor = outputs.tensors().into_iter().next();
            }
            feature.runs += 1;
            Ok(())
        };
        if let Some((_, module)) = module {
            extractor.handles.push(module.register_forward_hook(tell)?);
        }
    }
    Ok(extractor)
}

impl FeatureExtractor {
    /// Runs the network by `call` and gives the features, in the order and under the names that were asked for.
    ///
    /// # Errors
    /// Where the network fails, or a module did not run.
    #[track_caller]
    pub fn features<T>(&self, call: impl FnOnce() -> Result<T>) -> Result<Vec<(String, Tensor)>> {
        let lock = || self.features.lock().unwrap_or_else(PoisonError::into_inner);
        lock().iter_mut().for_each(|feature| (feature.runs, feature.tensor) = (0, None));
        call()?;
        let mut features = Vec::new();
        for feature in lock().iter_mut() {
            let tensor = feature.tensor.take();
            ensure!(tensor.is_some(), Argument, "FeatureExtractor", "the module of {:?} did not run", feature.name);
            features.extend(tensor.map(|tensor| (feature.name.clone(), tensor)));
        }
        Ok(features)
    }
}

/// The paths of the modules of a network in order, which [`create_feature_extractor`] takes, as
/// `torchvision.models.feature_extraction.get_graph_node_names` without the nodes that are no modules.
pub fn get_graph_node_names(model: &dyn Module) -> Vec<String> {
    model.named_modules().into_iter().map(|(name, _)| name).filter(|name| !name.is_empty()).collect()
}
