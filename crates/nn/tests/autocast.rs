//! Losses in mixed precision: those on PyTorch's list for `f32` compute there, the others in the dtype of their inputs.

use flambeau_autograd::Autograd;
use flambeau_nn::functional::*;
use flambeau_tensor::autocast::autocast;
use flambeau_tensor::{DType, Result, Tensor};

fn half(values: &[f32]) -> Tensor {
    Tensor::from_slice(values, [2, values.len() / 2]).unwrap().to_dtype(DType::BF16).unwrap()
}

/// The dtypes are those of `torch.autocast("cpu", dtype=torch.bfloat16)`, PyTorch 2.15.
#[test]
fn losses_that_need_range_compute_in_single_precision() -> Result<()> {
    let (x, y) = (half(&[0.3, 0.2, 0.7, 0.4]), half(&[0.9, 0.1, 0.5, 0.6]));
    let sign = half(&[1.0, -1.0, -1.0, 1.0]);
    let classes = Tensor::from_slice(&[1i64, 0], 2)?;
    let labels = Tensor::from_slice(&[0i64, -1, 1, -1], [2, 2])?;
    let one = Tensor::from_slice(&[1.0f32, -1.0], 2)?.to_dtype(DType::BF16)?;
    let losses: [(&str, &dyn Fn() -> Result<Tensor>); 16] = [
        ("mse_loss", &|| mse_loss(&x, &y)),
        ("l1_loss", &|| l1_loss(&x, &y)),
        ("smooth_l1_loss", &|| smooth_l1_loss(&x, &y)),
        ("huber_loss", &|| huber_loss(&x, &y)),
        ("kl_div", &|| kl_div(&x, &y)),
        ("binary_cross_entropy", &|| binary_cross_entropy(&x, &y)),
        ("binary_cross_entropy_with_logits", &|| binary_cross_entropy_with_logits(&x, &y)),
        ("nll_loss", &|| nll_loss(&x, &classes)),
        ("cross_entropy", &|| cross_entropy(&x, &classes)),
        ("margin_ranking_loss", &|| margin_ranking_loss(&x, &y, &sign)),
        ("hinge_embedding_loss", &|| hinge_embedding_loss(&x, &sign)),
        ("cosine_embedding_loss", &|| cosine_embedding_loss(&x, &y, &one)),
        ("soft_margin_loss", &|| soft_margin_loss(&x, &sign)),
        ("multi_margin_loss", &|| multi_margin_loss(&x, &classes)),
        ("multilabel_margin_loss", &|| multilabel_margin_loss(&x, &labels)),
        ("poisson_nll_loss", &|| poisson_nll_loss(&x, &y)),
    ];
    for (name, loss) in losses {
        assert_eq!(autocast(DType::BF16, loss)?.dtype(), DType::F32, "{name}");
        assert_eq!(loss()?.dtype(), DType::BF16, "{name}");
    }
    assert_eq!(autocast(DType::BF16, || gaussian_nll_loss(&x, &y, &y))?.dtype(), DType::BF16);
    Ok(())
}

#[test]
fn the_loss_is_that_of_inputs_cast_by_hand_and_so_is_its_gradient() -> Result<()> {
    let classes = Tensor::from_slice(&[1i64, 0], 2)?;
    let leaf = || half(&[0.3, 0.2, 0.7, 0.4]).requires_grad_();
    let (a, b) = (leaf()?, leaf()?);
    let inside = autocast(DType::BF16, || cross_entropy(&a, &classes))?;
    let by_hand = cross_entropy(b.to_dtype(DType::F32)?, &classes)?;
    assert_eq!(inside.item::<f32>()?, by_hand.item::<f32>()?);
    inside.backward()?;
    by_hand.backward()?;
    let grads = [a, b].map(|t| t.grad().unwrap());
    assert_eq!(grads[0].dtype(), DType::BF16);
    assert!(grads[0].equal(&grads[1])?);
    Ok(())
}
