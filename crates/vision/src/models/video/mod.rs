//! Networks that tell what a video shows, as `torchvision.models.video`. They take videos `[N, 3, T, H, W]`.

mod mvit;
mod resnet;
mod s3d;
mod swin;

pub use mvit::{MViT, MViTBuilder, mvit_v1_b, mvit_v2_s};
pub use resnet::{VideoResNet, VideoResNetBuilder, mc3_18, r2plus1d_18, r3d_18};
pub use s3d::{S3D, S3DBuilder, s3d};
pub use swin::{SwinTransformer3d, SwinTransformer3dBuilder, swin3d_b, swin3d_s, swin3d_t};
