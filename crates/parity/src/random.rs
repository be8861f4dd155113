//! Seeded draws: every case seeds the generator and makes its calls one after another.

use flambeau_tensor::{DType, Result, Tensor};
use safetensors::SafeTensors;
use serde_json::Value as Json;

use crate::{
    call::{Trouble, plain, unsupported},
    case::tensors_of,
    compare::{What, same_tensor, tolerance},
};

/// Which call or module a case is about.
pub fn about(json: &Json) -> &str {
    let field = |key| json.get(key).and_then(Json::as_str);
    field("call")
        .or_else(|| field("module"))
        .unwrap_or_default()
}

type Draw = fn() -> Result<Vec<Tensor>>;

/// The recorded calls, as flambeau spells them.
const CALLS: &[(&str, Draw)] = &[
    ("rand", || {
        each([1, 3, 16, 100], |n| Tensor::rand(n).build())
    }),
    ("rand_f64", || {
        each([1, 5, 40], |n| Tensor::rand(n).dtype(DType::F64).build())
    }),
    ("randn", || {
        each([1, 2, 15, 16, 17, 31, 32, 100, 1000], |n| {
            Tensor::randn(n).build()
        })
    }),
    ("randn_f64", || {
        each([1, 2, 15, 16, 17, 100], |n| {
            Tensor::randn(n).dtype(DType::F64).build()
        })
    }),
    ("randn_2d", || {
        Ok(vec![
            Tensor::randn([3, 5]).build()?,
            Tensor::randn([4, 4, 2]).build()?,
        ])
    }),
    ("randint_0_10", || {
        each([1, 7, 50], |n| Tensor::randint(0, 10, n).build())
    }),
    ("randint_-5_1e12", || {
        each([9], |n| Tensor::randint(-5, 1_000_000_000_000, n).build())
    }),
    ("randperm", || {
        each([1, 5, 10, 100, 1000], |n| Tensor::randperm(n).build())
    }),
    ("bernoulli_0.3", || {
        each([3, 40], |n| {
            Tensor::rand(n)
                .build()?
                .lt(&Tensor::full(n, 0.3).build()?)?
                .to_dtype(DType::F32)
        })
    }),
    ("uniform_-2_3", || {
        each([1, 5, 33], |n| Ok(empty(n)?.uniform_(-2.0, 3.0)?.clone()))
    }),
    ("normal_1_2", || {
        each([1, 5, 33], |n| Ok(empty(n)?.normal_(1.0, 2.0)?.clone()))
    }),
    ("exponential_2", || {
        each([1, 5, 33], |n| Ok(empty(n)?.exponential_(2.0)?.clone()))
    }),
];

fn empty(n: usize) -> Result<Tensor> {
    Tensor::zeros(n).build()
}

fn each<const N: usize>(
    sizes: [usize; N],
    draw: impl Fn(usize) -> Result<Tensor>,
) -> Result<Vec<Tensor>> {
    sizes.into_iter().map(draw).collect()
}

/// Runs one case.
///
/// # Errors
///
/// The call is not in the table, failed, or drew other numbers than PyTorch.
pub fn run(json: &Json, data: &SafeTensors<'_>) -> std::result::Result<(), Trouble> {
    let Some(seed) = json.get("seed").and_then(Json::as_u64) else {
        return Err(Trouble::Failed(
            "damaged recording: a case without a seed".into(),
        ));
    };
    let Some((_, draw)) = CALLS.iter().find(|(name, _)| *name == about(json)) else {
        return unsupported(format!("`{}` is not in the runner's table", about(json)));
    };
    let theirs = tensors_of(json.get("outputs").unwrap_or(&Json::Null), data)?;
    flambeau_tensor::manual_seed(seed);
    let ours = draw()?;
    if ours.len() != theirs.len() {
        return Err(Trouble::Failed(format!(
            "{} draws, PyTorch made {}",
            ours.len(),
            theirs.len()
        )));
    }
    for (i, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        let Some(theirs) = theirs else { continue };
        let allowed = tolerance("random", What::Random, theirs.element);
        same_tensor(&plain(ours)?, &theirs.into(), allowed)
            .map_err(|e| Trouble::Failed(format!("draw {i}: {e}")))?;
    }
    Ok(())
}
