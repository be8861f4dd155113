//! Weights from a file of one's own.

use flambeau_nn::Module;
use flambeau_vision::models::{SqueezeNet1_1Weights, squeezenet1_1};

#[test]
fn weights_come_from_the_file_that_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.pth");
    let trained = squeezenet1_1().build().unwrap();
    flambeau_serialize::save(&path, &trained.state_dict()).unwrap();
    let weights = SqueezeNet1_1Weights::IMAGENET1K_V1;
    let read = squeezenet1_1().weights(weights).weights_file(&path).build().unwrap();
    for (name, tensor) in trained.state_dict().iter() {
        assert_eq!(
            read.state_dict().get(name).unwrap().to_vec::<f32>().unwrap(),
            tensor.to_vec::<f32>().unwrap(),
            "{name}"
        );
    }
    let missing = squeezenet1_1().weights(weights).weights_file(folder.path().join("other.pth")).build().unwrap_err();
    assert!(missing.to_string().contains("other.pth"), "{missing}");
    let which = squeezenet1_1().weights_file(&path).build().unwrap_err();
    assert!(which.to_string().contains("weights_file"), "{which}");
}
