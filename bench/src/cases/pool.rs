//! Pooling, normalisation over channels, resampling.

use crate::case::{Case, Work, call, derive, leaf, randn};
use flambeau::prelude::*;
use flambeau::{AvgPoolOptions, GridMode, GridPadding, InterpolateMode, InterpolateOptions, MaxPoolOptions};

const IMAGES: [usize; 4] = [8, 64, 112, 112];
const FEATURES: [usize; 4] = [8, 64, 56, 56];

fn norm_train<M>(module: M) -> Result<Work>
where
    M: Module + for<'a> Forward<&'a Tensor, Output = Tensor> + 'static,
{
    let (x, weight) = (leaf(&FEATURES)?, randn(&FEATURES)?);
    let mut leaves = module.parameters();
    leaves.push(x.clone());
    derive(leaves, move || module.forward(&x)?.mul(&weight))
}

/// Images of 224² made smaller to 160².
fn interpolate(antialias: bool) -> Result<Work> {
    let x = randn(&[8, 3, 224, 224])?;
    call(move || {
        let options = InterpolateOptions::size([160, 160]).mode(InterpolateMode::Linear).antialias(antialias);
        x.interpolate(options)
    })
}

fn grid_sample() -> Result<Work> {
    let (x, grid) = (randn(&[8, 16, 64, 64])?, Tensor::rand([8, 64, 64, 2]).build()?.mul(2.0)?.sub(1.0)?);
    call(move || x.grid_sample(&grid, GridMode::Bilinear, GridPadding::Zeros, false))
}

pub(super) fn cases() -> Vec<Case> {
    const N: usize = IMAGES[0] * IMAGES[1] * IMAGES[2] * IMAGES[3];
    vec![
        Case::new("max_pool2d", || {
            let x = randn(&IMAGES)?;
            call(move || x.max_pool2d(MaxPoolOptions::new(3).stride(2).padding(1)))
        })
        .bytes(5 * N),
        Case::new("avg_pool2d", || {
            let x = randn(&IMAGES)?;
            call(move || x.avg_pool2d(AvgPoolOptions::new(2)))
        })
        .bytes(5 * N),
        Case::new("batch_norm_train", || norm_train(BatchNorm2d::new(64).build()?)),
        Case::new("group_norm_train", || norm_train(GroupNorm::new(8, 64).build()?)),
        Case::new("interpolate_bilinear", || interpolate(false)),
        Case::new("interpolate_bilinear_aa", || interpolate(true)),
        Case::new("grid_sample", grid_sample),
    ]
}
