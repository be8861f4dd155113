//! Networks take any image: an answer or an error.

use super::thrown::{self, Thrown};
use flambeau_vision::models::get_model;

/// Networks of each family that are small.
const NAMES: [&str; 8] = [
    "squeezenet1_1",
    "mobilenet_v3_small",
    "resnet18",
    "googlenet",
    "swin_t",
    "vit_b_16",
    "lraspp_mobilenet_v3_large",
    "ssdlite320_mobilenet_v3_large",
];

#[test]
fn networks() {
    let mut t = Thrown::default();
    for name in NAMES {
        for training in [false, true] {
            let Ok(network) = get_model(name).build() else { panic!("{name}") };
            if training {
                network.train()
            } else {
                network.eval()
            };
            for _ in 0..thrown::rounds().div_ceil(20) {
                let side = t.pick(&[1, 2, 7, 33, 64]);
                let x = t.tensor(&[2, 3, side, 64]);
                t.call(&format!("{name} in training {training} of {x:?}"), || network.outputs(&x).map(drop));
            }
        }
    }
    let raft = get_model("raft_small").build().unwrap();
    let film = get_model("mc3_18").build().unwrap();
    for _ in 0..thrown::rounds().div_ceil(20) {
        let x = t.tensor(&[2, 1, 3, 128, 128]);
        t.call(&format!("raft of {x:?}"), || raft.outputs(&x).map(drop));
        let x = t.tensor(&[1, 3, 4, 16, 16]);
        t.call(&format!("mc3_18 of {x:?}"), || film.outputs(&x).map(drop));
    }
    t.report();
}
