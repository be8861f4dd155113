//! Attention against PyTorch 2.15: made from seed 0, so that the first weights are compared, too. Of each tensor
//! Σ xᵢ cos i is recorded. One test for what draws, for the default generator is the process's.

mod common;

use common::{alone, input, mark, near};
use flambeau_autograd::Autograd;
use flambeau_nn::functional::{Attention, scaled_dot_product_attention};
use flambeau_nn::*;
use flambeau_tensor::{DType, Device, Result, Tensor, manual_seed};

/// Marks of the output and the weights, and, after a backward, of the gradients of the first parameter and the last
/// but one.
#[track_caller]
fn marks(module: &MultiheadAttention, output: &Tensor, weights: Option<&Tensor>, right: &[f64]) {
    let mut sum = output.sum(..).unwrap();
    if let Some(weights) = weights {
        sum = sum.add(weights.mul(input(weights.shape())).unwrap().sum(..).unwrap()).unwrap();
    }
    sum.backward().unwrap();
    let parameters = module.parameters();
    let grads = [&parameters[0], &parameters[parameters.len() - 2]].map(|p| p.grad().unwrap());
    let found: Vec<f64> = [output].into_iter().chain(weights).chain(&grads).map(mark).collect();
    near("attention", &found, right);
}

/// The output without weights.
#[track_caller]
fn alone_of(
    module: &MultiheadAttention,
    (q, k, v, masks): (&Tensor, &Tensor, &Tensor, AttentionMasks<'_>),
) -> Result<Tensor> {
    let (y, weights) = module.call((q, k, v, masks.need_weights(false)))?;
    assert!(weights.is_none());
    Ok(y)
}

/// A module made from seed 0.
fn seeded(builder: MultiheadAttentionBuilder) -> MultiheadAttention {
    manual_seed(0);
    builder.build().unwrap()
}

/// A mask that is true at the places given.
fn mask(shape: [usize; 2], places: &[[usize; 2]]) -> Tensor {
    let mut list = vec![false; shape[0] * shape[1]];
    places.iter().for_each(|[i, j]| list[i * shape[1] + j] = true);
    Tensor::from_vec(list, shape).unwrap()
}

#[test]
fn heads_are_pytorchs() -> Result<()> {
    let _alone = alone();
    let (q, k, v) = (input(&[4, 2, 6]), input(&[5, 2, 6]).mul(0.5)?, input(&[5, 2, 6]).add(0.1)?);
    let plain = || seeded(MultiheadAttention::new(6, 2));
    let module = plain();
    let (y, w) = module.call((&q, &k, &v))?;
    assert_eq!((y.shape(), w.shape()), (&[4, 2, 6][..], &[2, 4, 5][..]));
    marks(&module, &y, Some(&w), &[0.405_024_3, 0.327_624_2, -0.483_139_5, -3.331_738_9]);

    let module = plain();
    let (y, w) = module.call((&q, &q, &q, AttentionMasks::new().average_attn_weights(false)))?;
    let w = w.unwrap();
    assert_eq!(w.shape(), [2, 2, 4, 4]);
    marks(&module, &y, Some(&w), &[-0.258_122_2, 0.480_822, 2.013_867_1, 9.214_099]);

    let filling = mask([2, 5], &[[0, 3], [0, 4], [1, 4]]);
    let hidden = mask([4, 5], &[[0, 1], [0, 2], [0, 3], [0, 4], [2, 2]]);
    let masks = AttentionMasks::new().key_padding_mask(&filling).attn_mask(&hidden);
    let module = plain();
    let (y, w) = module.call((&q, &k, &v, masks))?;
    let w = w.unwrap();
    marks(&module, &y, Some(&w), &MASKED);
    let module = plain();
    marks(&module, &alone_of(&module, (&q, &k, &v, masks))?, None, &MASKED_ALONE);

    let by_head = input(&[4, 4, 5]);
    let options = MultiheadAttention::new(6, 2).batch_first(true).bias(false).add_bias_kv(true).add_zero_attn(true);
    let module = seeded(options);
    let first = |x: &Tensor| x.transpose(0, 1);
    let masks = AttentionMasks::new().attn_mask(&by_head);
    let (y, w) = module.call((&first(&q)?, &first(&k)?, &first(&v)?, masks))?;
    let w = w.unwrap();
    assert_eq!((y.shape(), w.shape()), (&[2, 4, 6][..], &[2, 4, 7][..]));
    marks(&module, &y, Some(&w), &[-0.111_813, -0.101_818_7, 0.167_890_7, 0.455_508_5]);

    let sizes = || seeded(MultiheadAttention::new(6, 3).kdim(4).vdim(5).dropout(0.5));
    let (k4, v5) = (input(&[5, 2, 4]), input(&[5, 2, 5]));
    let module = sizes();
    let (y, w) = module.call((&q, &k4, &v5))?;
    marks(&module, &y, Some(&w), &[-1.306_832_6, -0.465_573_7, -0.585_973_6, 14.493_945_2]);
    let module = sizes();
    let y = alone_of(&module, (&q, &k4, &v5, AttentionMasks::new()))?;
    marks(&module, &y, None, &[-1.306_832_6, -0.628_131_4, 14.493_945_4]);

    let one = |x: &Tensor| x.select(1, 0);
    let filling = filling.select(0, 0)?;
    let masks = AttentionMasks::new().key_padding_mask(&filling);
    let module = plain();
    let (y, w) = module.call((&one(&q)?, &one(&k)?, &one(&v)?, masks))?;
    let w = w.unwrap();
    assert_eq!((y.shape(), w.shape()), (&[4, 6][..], &[4, 5][..]));
    marks(&module, &y, Some(&w), &[0.076_229_4, 0.380_732_9, -0.164_721_5, -23.222_961_4]);
    let module = plain();
    let y = alone_of(&module, (&one(&q)?, &one(&k)?, &one(&v)?, masks))?;
    marks(&module, &y, None, &[0.076_229_2, -0.207_758_7, -23.222_960_6]);
    Ok(())
}

#[test]
fn names_and_prints_are_pytorchs() -> Result<()> {
    let _alone = alone();
    let names = |module: &MultiheadAttention| -> Vec<String> {
        module.named_parameters().into_iter().map(|(name, _)| name).collect()
    };
    let module = MultiheadAttention::new(6, 2).add_bias_kv(true).build()?;
    let right = ["in_proj_weight", "in_proj_bias", "bias_k", "bias_v", "out_proj.weight", "out_proj.bias"];
    assert_eq!(names(&module), right);
    let module = MultiheadAttention::new(6, 2).kdim(4).build()?;
    let right = ["q_proj_weight", "k_proj_weight", "v_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"];
    assert_eq!(names(&module), right);
    assert_eq!(
        format!("{module:?}"),
        "MultiheadAttention(
  (out_proj): NonDynamicallyQuantizableLinear(in_features=6, out_features=6, bias=True)
)"
    );
    Ok(())
}

#[test]
fn scaled_products() -> Result<()> {
    let _alone = alone();
    let (q, k, v) = (input(&[2, 4, 3, 8]), input(&[2, 4, 5, 8]).mul(0.5)?, input(&[2, 4, 5, 6]));
    let is = |options: Attention<'_>, k: &Tensor, v: &Tensor, right: f64| {
        let found = mark(&scaled_dot_product_attention(&q, k, v, options).unwrap());
        assert!((found - right).abs() < 2e-5, "{found} for {right}");
    };
    is(Attention::new(), &k, &v, -0.397_579_9);
    is(Attention::new().is_causal(true).scale(0.3), &k, &v, 2.326_534);
    let numbers = input(&[3, 5]);
    is(Attention::new().attn_mask(&numbers), &k, &v, -0.172_243_7);
    is(Attention::new().enable_gqa(true), &k.narrow(1, 0, 2)?, &v.narrow(1, 0, 2)?, 1.861_977_4);
    // The second query may attend to nothing.
    let may = mask([3, 5], &[[1, 0], [1, 1], [1, 2], [1, 3], [1, 4], [0, 2]]).logical_not()?;
    is(Attention::new().attn_mask(&may), &k, &v, -0.692_041_7);
    let q = q.copy()?.requires_grad_()?;
    let y = scaled_dot_product_attention(&q, &k, &v, Attention::new().attn_mask(&may))?;
    y.sum(..)?.backward()?;
    assert!(q.grad().unwrap().isfinite()?.all(..)?.item::<bool>()?);
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() -> Result<()> {
    let _alone = alone();
    #[track_caller]
    fn refused<T>(result: Result<T>, words: &str) {
        let fault = result.map(drop).unwrap_err();
        assert!(fault.to_string().contains(words), "{fault}");
        assert_eq!(fault.location().unwrap().file(), file!());
    }
    refused(MultiheadAttention::new(6, 4).build(), "embed_dim = 6 does not split into num_heads = 4");
    refused(MultiheadAttention::new(6, 0).build(), "num_heads = 0");
    refused(MultiheadAttention::new(6, 2).dropout(-0.5).build(), "not a probability");
    let module = MultiheadAttention::new(6, 2).build()?;
    let x = input(&[4, 2, 6]);
    refused(module.call((&x, &x, &input(&[4, 6]))), "must all have three dimensions, or all two");
    refused(module.call((&x, &input(&[4, 2, 5]), &x)), "the key is [4, 2, 5]");
    refused(module.call((&x, &x, &input(&[5, 2, 6]))), "the value is [5, 2, 6]");
    let bad = mask([4, 5], &[]);
    refused(module.call((&x, &x, &x, AttentionMasks::new().attn_mask(&bad))), "it must be [4, 4] or [4, 4, 4]");
    refused(module.call((&x, &x, &x, AttentionMasks::new().key_padding_mask(&bad))), "it must be [2, 4]");
    let whole = Tensor::zeros([4, 4]).dtype(DType::I64).build()?;
    refused(module.call((&x, &x, &x, AttentionMasks::new().attn_mask(&whole))), "it must be bool or numbers");
    let attend = |k: &Tensor, options| scaled_dot_product_attention(&x, k, &x, options);
    refused(attend(&input(&[4, 2, 5]), Attention::new()), "must be […, L, E], […, S, E] and […, S, Ev]");
    refused(attend(&x.to_dtype(DType::F64)?, Attention::new()), "all must be of one floating dtype");
    refused(attend(&x, Attention::new().attn_mask(&whole).is_causal(true)), "a mask and is_causal");
    refused(attend(&x, Attention::new().dropout_p(2.0)), "not a probability");
    for n in [usize::MAX, 1 << 40] {
        assert!(MultiheadAttention::new(n, 1).build().is_err());
        assert!(MultiheadAttention::new(n, n).kdim(n).build().is_err());
    }
    let meta = MultiheadAttention::new(6, 2).device(Device::Meta).build()?;
    let x = Tensor::zeros([4, 2, 6]).device(Device::Meta).build()?;
    assert_eq!(meta.call((&x, &x, &x))?.0.shape(), [4, 2, 6]);
    Ok(())
}

const MASKED: [f64; 4] = [1.086_452_7, 1.678_827_4, 0.168_681_2, 0.008_177_8];
const MASKED_ALONE: [f64; 3] = [1.086_452_6, 0.262_019_2, 0.008_179];

/// The gradient of a parameter, by its name.
fn grad_of(module: &dyn Module, name: &str) -> Tensor {
    let found = module.named_parameters().into_iter().find(|(own, _)| own == name);
    found.unwrap().1.grad().unwrap()
}

#[test]
fn stacks_of_transformer_layers_are_pytorchs() -> Result<()> {
    let _alone = alone();
    let (x, memory) = (input(&[2, 5, 4]), input(&[2, 3, 4]));
    let causal = Tensor::ones([5, 5]).build()?.triu(1)?.ne(0)?;
    let causal = AttentionMasks::new().attn_mask(Some(&causal));
    let pull = |y: &Tensor| y.mul(&x)?.sum(..)?.backward();

    manual_seed(0);
    let layer = TransformerEncoderLayer::new(4, 2).dim_feedforward(8).dropout(0.0).batch_first(true).build()?;
    let encoder = TransformerEncoder::new(&layer, 2)?.with_norm(LayerNorm::new(4).build()?);
    let padding = mask([2, 5], &[[1, 4]]);
    let y = encoder.call((&x, causal.key_padding_mask(Some(&padding))))?;
    pull(&y)?;
    let grads = ["layers.0.self_attn.in_proj_weight", "layers.1.linear1.weight", "norm.weight"];
    let found: Vec<f64> = [mark(&y)].into_iter().chain(grads.map(|name| mark(&grad_of(&encoder, name)))).collect();
    near("encoder", &found, &[-5.042_586_5, -0.463_230_7, -4.274_601_6, -1.162_673]);
    assert_eq!(encoder.state_dict().len(), 26);
    let text = format!("{encoder:?}");
    assert!(
        text.contains("(0-1): 2 x TransformerEncoderLayer(") && text.contains("\n  (norm): LayerNorm((4,)"),
        "{text}"
    );

    manual_seed(0);
    let layer = TransformerDecoderLayer::new(4, 2).dim_feedforward(8).dropout(0.0).batch_first(true).build()?;
    let decoder = TransformerDecoder::new(&layer, 2)?;
    let padding = mask([2, 3], &[[1, 2]]);
    let y = decoder.call((&x, &memory, causal, AttentionMasks::new().key_padding_mask(Some(&padding))))?;
    pull(&y)?;
    let grads =
        ["layers.0.multihead_attn.in_proj_weight", "layers.1.linear2.weight", "layers.0.self_attn.in_proj_weight"];
    let found: Vec<f64> = [mark(&y)].into_iter().chain(grads.map(|name| mark(&grad_of(&decoder, name)))).collect();
    near("decoder", &found, &[-3.012_883_7, 0.715_007_2, 2.734_478_4, -0.716_912_9]);
    assert_eq!(decoder.state_dict().len(), 36);
    Ok(())
}
