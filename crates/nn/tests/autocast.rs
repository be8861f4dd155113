//! Losses in mixed precision: those on PyTorch's list for `f32` compute there, the others in the dtype of their inputs.

use flambeau_autograd::Autograd;
use flambeau_nn::functional::*;
use flambeau_tensor::autocast::autocast;
use flambeau_tensor::{BatchNormOptions, DType, InterpolateOptions, PadMode, Result, Tensor, einsum, linalg, stack};

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

/// What the functions of PyTorch's lists give, and some that are on none: `torch.autocast("cpu", dtype=torch.bfloat16)`,
/// PyTorch 2.15.
#[test]
fn functions_have_the_dtypes_of_pytorchs_lists() -> Result<()> {
    let wide = |shape: &[usize]| Tensor::rand(shape).build()?.add(0.1);
    let half = |shape: &[usize]| wide(shape)?.to_dtype(DType::BF16);
    let (x, deep, m, v) = (half(&[2, 3, 4, 4])?, half(&[2, 3, 4, 4, 4])?, half(&[4, 4])?, half(&[4])?);
    let (m32, v32, b32) = (wide(&[4, 4])?, wide(&[4])?, wide(&[2, 4, 4])?);
    let places =
        |n: i64, shape: &[usize]| Tensor::arange(0, n).build()?.view((1, -1))?.expand([3, n as usize])?.reshape(shape);
    let (flat, plane, volume) = (places(4, &[3, 4])?, places(16, &[3, 4, 4])?, places(64, &[3, 4, 4, 4])?);
    let plane = plane.unsqueeze(0)?.expand([2, 3, 4, 4])?;
    let volume = volume.unsqueeze(0)?.expand([2, 3, 4, 4, 4])?;
    let pads = |n: usize| vec![1isize; 2 * n];
    let half_way = Tensor::full((), 0.5f32).build()?;
    let spd = m32.matmul(m32.t()?)?.add(&Tensor::eye(4).build()?)?;
    let no = || InterpolateOptions::size(8);
    use DType::{BF16, F32};
    let mut wrong = Vec::new();
    let mut check = |name: &str, right: DType, f: &dyn Fn() -> Result<Tensor>| match autocast(BF16, f) {
        Ok(y) if y.dtype() == right => {}
        Ok(y) => wrong.push(format!("{name}: {} where {right} is right", y.dtype())),
        Err(e) => wrong.push(format!("{name}: {e}")),
    };
    check("prod", F32, &|| m.prod(..));
    check("prod of rows", F32, &|| m.prod(0));
    check("reflection_pad1d", F32, &|| pad_with(&v.view([1, 4])?, &pads(1), PadMode::Reflect));
    check("reflection_pad2d", F32, &|| pad_with(&x, &pads(2), PadMode::Reflect));
    check("reflection_pad3d", BF16, &|| pad_with(&deep, &pads(3), PadMode::Reflect));
    check("replication_pad2d", F32, &|| pad_with(&x, &pads(2), PadMode::Replicate));
    check("replication_pad3d", F32, &|| pad_with(&deep, &pads(3), PadMode::Replicate));
    check("circular", BF16, &|| pad_with(&x, &pads(2), PadMode::Circular));
    check("constant", BF16, &|| pad(&x, &pads(2), 0));
    check("adaptive_avg_pool3d", F32, &|| deep.adaptive_avg_pool3d(2));
    check("adaptive_avg_pool2d", BF16, &|| x.adaptive_avg_pool2d(2));
    check("adaptive_max_pool3d", F32, &|| deep.adaptive_max_pool3d(2));
    check("adaptive_max_pool2d", BF16, &|| x.adaptive_max_pool2d(2));
    check("max_pool3d", F32, &|| deep.max_pool3d(2));
    check("avg_pool3d", F32, &|| deep.avg_pool3d(2));
    check("avg_pool2d", BF16, &|| x.avg_pool2d(2));
    check("fractional_max_pool2d", F32, &|| Ok(x.fractional_max_pool2d(2, 2, None)?.values));
    check("fractional_max_pool3d", F32, &|| Ok(deep.fractional_max_pool3d(2, 2, None)?.values));
    check("max_unpool1d", F32, &|| {
        x.i(0)?.select(0, 0)?.view([1, 4, 4])?.narrow(1, 0, 3)?.squeeze(0)?.max_unpool1d(&flat, 2)
    });
    check("max_unpool2d", F32, &|| x.max_unpool2d(&plane, 2));
    check("max_unpool3d", F32, &|| deep.max_unpool3d(&volume, 2));
    check("triplet_margin_loss", F32, &|| triplet_margin_loss(&m, &m.add(1)?, &m.add(2)?));
    check("multilabel_soft_margin_loss", BF16, &|| multilabel_soft_margin_loss(&m, &m));
    check("interpolate", BF16, &|| x.interpolate(no()));
    check("nanquantile", F32, &|| m.nanquantile(&half_way, None, false, Default::default()));
    check("index_copy", F32, &|| m.index_copy(0, Tensor::from_slice(&[0i64], 1)?, m32.narrow(0, 0, 1)?));
    check("stack", F32, &|| stack(&[&m, &m32], 0));
    check("softmax", BF16, &|| m.softmax(0));
    check("layer_norm", BF16, &|| m.layer_norm(4, None, None, 1e-5));
    check("group_norm", BF16, &|| x.group_norm(3, None, None, 1e-5));
    check("batch_norm", BF16, &|| x.batch_norm(BatchNormOptions::new().training(true)));
    check("sum", BF16, &|| m.sum(..));
    check("cumsum", BF16, &|| m.cumsum(0));
    check("norm", BF16, &|| m.norm(2.0, ..));
    check("log_softmax", BF16, &|| m.log_softmax(0));
    check("cosine_similarity", BF16, &|| cosine_similarity(&m, &m));
    check("pairwise_distance", BF16, &|| pairwise_distance(&m, &m));
    check("renorm", BF16, &|| m.renorm(2.0, 0, 1.0));
    check("cov", BF16, &|| m.cov(1, None, None));
    check("corrcoef", BF16, &|| m.corrcoef());
    check("einsum", BF16, &|| einsum("ij,jk->ik", &[&m32, &m32]));
    check("addmm", BF16, &|| m32.addmm(&m32, &m32, 1, 1));
    check("baddbmm", BF16, &|| b32.baddbmm(&b32, &b32, 1, 1));
    check("addbmm", BF16, &|| m32.addbmm(&b32, &b32, 1, 1));
    check("mv", F32, &|| m32.mv(&v32));
    check("addmv", F32, &|| v32.addmv(&m32, &v32, 1, 1));
    check("addr", F32, &|| m32.addr(&v32, &v32, 1, 1));
    check("outer", F32, &|| v32.outer(&v32));
    check("dot", F32, &|| v32.dot(&v32));
    check("vecdot", BF16, &|| linalg::vecdot(&m32, &m32, -1));
    check("tensordot", BF16, &|| m32.tensordot(&m32, 1, 0));
    check("multi_dot", BF16, &|| linalg::multi_dot(&[&m32, &m32, &m32]));
    check("kron", F32, &|| m32.kron(&m32));
    check("inverse", F32, &|| spd.to_dtype(BF16)?.inverse());
    check("cholesky", F32, &|| spd.to_dtype(BF16)?.cholesky(false));
    check("svdvals", F32, &|| linalg::svdvals(&m));
    check("attention", BF16, &|| scaled_dot_product_attention(&b32, &b32, &b32, Default::default()));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
