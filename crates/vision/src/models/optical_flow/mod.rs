//! Networks that follow motion from one image to the next, as `torchvision.models.optical_flow`.

mod raft;

pub use raft::{RAFT, RAFTBuilder, raft_large, raft_small};
