//! Layers and functions of networks take any argument: the right answer or an error, soon, in little memory; and the
//! gradient of what they give.

#[path = "../../../tensor/tests/attack/thrown.rs"]
mod thrown;

use flambeau_autograd::Autograd;
use flambeau_nn::functional::*;
use flambeau_nn::{
    self as nn, AdaptiveLogSoftmaxWithLoss, Build, CELU, Call, ELU, Embedding, GLU, GRU, GRUCell, Hardshrink, LSTM,
    LSTMCell, MultiheadAttention, RNN, Reduction, Softplus, Softshrink, Threshold, Transformer,
    TransformerEncoderLayer,
};
use flambeau_tensor::{BagMode, BatchNormOptions, EmbeddingBagOptions, Result, Tensor};
use thrown::{Given, Thrown};

/// A leaf of a graph where it can be one.
fn leaf(x: &Given) -> Result<Tensor> {
    if x.dtype().is_differentiable() { x.detach().requires_grad_() } else { Ok((**x).clone()) }
}

/// Goes the way back, where there is one.
fn back(y: Tensor) -> Result<()> {
    if y.requires_grad() { y.sum(..)?.abs()?.backward() } else { Ok(()) }
}

fn of(t: &mut Thrown, right: usize) -> usize {
    if t.one_in(4) { t.size() } else { right }
}

fn number(t: &mut Thrown, right: f64) -> f64 {
    if t.one_in(4) { t.number() } else { right }
}

fn reductions(t: &mut Thrown) -> Reduction {
    t.pick(&[Reduction::None, Reduction::Mean, Reduction::Sum])
}

fn dims(t: &mut Thrown) -> isize {
    t.pick(&[-1, 0, 1, 2, isize::MIN, isize::MAX])
}

#[test]
fn losses() {
    let mut t = Thrown::default();
    throw! { t;
        mse(x = t.tensor(&[3, 4]), y = t.tensor(&[3, 4]), r = reductions(&mut t)) => back(mse_loss_with(leaf(&x)?, &*y, r)?);
        l1(x = t.tensor(&[3, 4]), y = t.tensor(&[3, 4]), r = reductions(&mut t)) => back(l1_loss_with(leaf(&x)?, &*y, r)?);
        smooth_l1(x = t.tensor(&[3, 4]), y = t.tensor(&[3, 4]), a = t.number(), r = reductions(&mut t)) => back(smooth_l1_loss_with(leaf(&x)?, &*y, a, r)?);
        huber(x = t.tensor(&[3, 4]), y = t.tensor(&[3, 4]), a = t.number(), r = reductions(&mut t)) => back(huber_loss_with(leaf(&x)?, &*y, a, r)?);
        kl(x = t.tensor(&[3, 4]), y = t.tensor(&[3, 4]), on = t.switch(), r = reductions(&mut t)) => back(kl_div_with(leaf(&x)?, &*y, on, r)?);
        bce(x = t.tensor(&[3, 4]), y = t.tensor(&[3, 4]), w = t.tensor(&[4]), r = reductions(&mut t)) =>
            back(binary_cross_entropy_with(leaf(&x)?.sigmoid()?, &y.sigmoid()?, Bce::new().weight(&*w).reduction(r))?);
        bce_logits(x = t.tensor(&[3, 4]), y = t.tensor(&[3, 4]), w = t.tensor(&[4]), p = t.tensor(&[4]), r = reductions(&mut t)) =>
            back(binary_cross_entropy_with_logits_with(leaf(&x)?, &*y, BceWithLogits::new().weight(&*w).pos_weight(&*p).reduction(r))?);
        nll(x = t.tensor(&[3, 4]), y = t.indices(&[3], 4), w = t.tensor(&[4]), i = t.pick(&[-100, 0, i64::MAX, i64::MIN]), r = reductions(&mut t)) =>
            back(nll_loss_with(leaf(&x)?, &*y, Nll::new().weight(&*w).ignore_index(i).reduction(r))?);
        cross_entropy(x = t.tensor(&[3, 4, 2]), y = t.indices(&[3, 2], 4), w = t.tensor(&[4]), i = t.pick(&[-100, 0, i64::MIN]), s = number(&mut t, 0.1), r = reductions(&mut t)) =>
            back(cross_entropy_with(leaf(&x)?, &*y, CrossEntropy::new().weight(&*w).ignore_index(i).label_smoothing(s).reduction(r))?);
        cross_entropy_rows(x = t.tensor(&[3, 4]), y = t.tensor(&[3, 4]), s = t.number(), r = reductions(&mut t)) =>
            back(cross_entropy_with(leaf(&x)?, &*y, CrossEntropy::new().label_smoothing(s).reduction(r))?);
        margin_ranking(x = t.tensor(&[3]), y = t.tensor(&[3]), z = t.tensor(&[3]), m = t.number(), r = reductions(&mut t)) =>
            back(margin_ranking_loss_with(leaf(&x)?, &*y, &*z, m, r)?);
        hinge(x = t.tensor(&[3]), y = t.tensor(&[3]), m = t.number(), r = reductions(&mut t)) => back(hinge_embedding_loss_with(leaf(&x)?, &*y, m, r)?);
        cosine(x = t.tensor(&[3, 4]), y = t.tensor(&[3, 4]), z = t.tensor(&[3]), m = t.number(), r = reductions(&mut t)) =>
            back(cosine_embedding_loss_with(leaf(&x)?, &*y, &*z, m, r)?);
        soft_margin(x = t.tensor(&[3, 4]), y = t.tensor(&[3, 4]), r = reductions(&mut t)) => back(soft_margin_loss_with(leaf(&x)?, &*y, r)?);
        multi_margin(x = t.tensor(&[3, 4]), y = t.indices(&[3], 4), p = t.pick(&[0, 1, 2, 3, u32::MAX]), m = t.number(), w = t.tensor(&[4]), r = reductions(&mut t)) =>
            back(multi_margin_loss_with(leaf(&x)?, &*y, p, m, Some(&*w), r)?);
        multilabel(x = t.tensor(&[3, 4]), y = t.indices(&[3, 4], 4), r = reductions(&mut t)) => back(multilabel_margin_loss_with(leaf(&x)?, &*y, r)?);
        multilabel_soft(x = t.tensor(&[3, 4]), y = t.tensor(&[3, 4]), w = t.tensor(&[4]), r = reductions(&mut t)) =>
            back(multilabel_soft_margin_loss_with(leaf(&x)?, &*y, Some(&*w), r)?);
        poisson(x = t.tensor(&[3, 4]), y = t.tensor(&[3, 4]), a = t.switch(), b = t.switch(), e = t.number(), r = reductions(&mut t)) =>
            back(poisson_nll_loss_with(leaf(&x)?, &*y, a, b, e, r)?);
        gaussian(x = t.tensor(&[3, 4]), y = t.tensor(&[3, 4]), v = t.tensor(&[3, 1]), b = t.switch(), e = t.number(), r = reductions(&mut t)) =>
            back(gaussian_nll_loss_with(leaf(&x)?, &*y, &v.abs()?, b, e, r)?);
        triplet(x = t.tensor(&[3, 4]), y = t.tensor(&[3, 4]), z = t.tensor(&[3, 4]), m = t.number(), p = t.number(), e = t.number(), s = t.switch(), r = reductions(&mut t)) =>
            back(triplet_margin_loss_with(leaf(&x)?, &*y, &*z, TripletMargin::new().margin(m).p(p).eps(e).swap(s).reduction(r))?);
        ctc(x = t.tensor(&[5, 2, 4]), y = t.indices(&[2, 3], 4), a = t.pick(&[vec![5, 5], vec![5], vec![0, 6], vec![usize::MAX, 1], vec![]]), b = t.pick(&[vec![3, 3], vec![2, 0], vec![usize::MAX, 1], vec![4, 3]]), k = of(&mut t, 0), z = t.switch(), r = reductions(&mut t)) =>
            back(ctc_loss_with(leaf(&x)?.log_softmax(-1)?, &*y, &a, &b, CtcOptions::new().blank(k).zero_infinity(z).reduction(r))?);
    }
    t.report();
}

#[test]
fn functions() {
    let mut t = Thrown::default();
    throw! { t;
        linear(x = t.tensor(&[3, 4]), w = t.tensor(&[2, 4]), b = t.tensor(&[2])) => back(linear(leaf(&x)?, leaf(&w)?, Some(&leaf(&b)?))?);
        bilinear(x = t.tensor(&[3, 4]), y = t.tensor(&[3, 5]), w = t.tensor(&[2, 4, 5]), b = t.tensor(&[2])) => back(bilinear(leaf(&x)?, leaf(&y)?, leaf(&w)?, Some(&leaf(&b)?))?);
        cosine_similarity(x = t.tensor(&[3, 4]), y = t.tensor(&[3, 4]), d = dims(&mut t), e = t.number()) => back(cosine_similarity_with(leaf(&x)?, leaf(&y)?, d, e)?);
        pairwise_distance(x = t.tensor(&[3, 4]), y = t.tensor(&[3, 4]), p = t.number(), e = t.number(), k = t.switch()) => back(pairwise_distance_with(leaf(&x)?, leaf(&y)?, p, e, k)?);
        dropout(x = t.tensor(&[3, 4]), p = t.number(), on = t.switch()) => back(dropout(leaf(&x)?, p, on)?);
        dropout1d(x = t.tensor(&[3, 4]), p = t.number()) => back(dropout1d(leaf(&x)?, p, true)?);
        dropout2d(x = t.tensor(&[3, 4, 2, 2]), p = t.number()) => back(dropout2d(leaf(&x)?, p, true)?);
        dropout3d(x = t.tensor(&[3, 4, 2, 2]), p = t.number()) => back(dropout3d(leaf(&x)?, p, true)?);
        alpha_dropout(x = t.tensor(&[3, 4]), p = t.number()) => back(alpha_dropout(leaf(&x)?, p, true)?);
        feature_alpha_dropout(x = t.tensor(&[3, 4, 2]), p = t.number()) => back(feature_alpha_dropout(leaf(&x)?, p, true)?);
        gumbel(x = t.tensor(&[3, 4]), a = t.number(), h = t.switch(), d = dims(&mut t)) => back(gumbel_softmax(leaf(&x)?, a, h, d)?);
        rrelu(x = t.tensor(&[3, 4]), a = t.number(), b = t.number(), on = t.switch()) => back(rrelu(leaf(&x)?, a, b, on)?);
        embedding(i = t.indices(&[3, 2], 5), w = t.tensor(&[5, 4]), p = t.pick(&[None, Some(0), Some(-1), Some(isize::MIN), Some(5)]), m = t.number(), q = t.number(), a = t.switch(), b = t.switch()) =>
            back(embedding_with(&*i, leaf(&w)?, EmbeddingOptions::new().padding_idx(p).max_norm(if a { Some(m) } else { None }).norm_type(q).scale_grad_by_freq(a).sparse(b && !a))?);
        bags(i = t.indices(&[6], 5), w = t.tensor(&[5, 4]), o = t.indices(&[3], 7), s = t.tensor(&[6]), m = t.pick(&[BagMode::Sum, BagMode::Mean, BagMode::Max]), l = t.switch(), p = t.pick(&[None, Some(0), Some(-1), Some(isize::MIN)])) =>
            back(embedding_bag(&*i, leaf(&w)?, EmbeddingBagOptions { offsets: Some(&*o), mode: m, per_sample_weights: (m == BagMode::Sum).then_some(&*s), include_last_offset: l, padding_idx: p })?);
        bags_2d(i = t.indices(&[3, 2], 5), w = t.tensor(&[5, 4]), m = t.pick(&[BagMode::Sum, BagMode::Mean, BagMode::Max])) => back(embedding_bag(&*i, leaf(&w)?, EmbeddingBagOptions { mode: m, ..Default::default() })?);
        layer_norm(x = t.tensor(&[3, 4]), n = of(&mut t, 4), w = t.tensor(&[4]), b = t.tensor(&[4]), e = t.number()) => back(layer_norm(leaf(&x)?, [n], Some(&leaf(&w)?), Some(&leaf(&b)?), e)?);
        rms_norm(x = t.tensor(&[3, 4]), n = of(&mut t, 4), w = t.tensor(&[4]), e = t.number()) => back(rms_norm(leaf(&x)?, [n], Some(&leaf(&w)?), Some(e))?);
        group_norm(x = t.tensor(&[3, 4, 2]), n = of(&mut t, 2), w = t.tensor(&[4]), b = t.tensor(&[4]), e = t.number()) => back(group_norm(leaf(&x)?, n, Some(&leaf(&w)?), Some(&leaf(&b)?), e)?);
        batch_norm(x = t.tensor(&[3, 4, 2]), m = t.tensor(&[4]), v = t.tensor(&[4]), w = t.tensor(&[4]), on = t.switch(), p = t.number(), e = t.number()) =>
            back(batch_norm(leaf(&x)?, BatchNormOptions::new().running_mean(&*m).running_var(&*v).weight(&*w).training(on).momentum(p).eps(e))?);
        instance_norm(x = t.tensor(&[3, 4, 2]), m = t.tensor(&[4]), v = t.tensor(&[4]), on = t.switch(), p = t.number(), e = t.number()) =>
            back(instance_norm(leaf(&x)?, BatchNormOptions::new().running_mean(&*m).running_var(&*v).training(on).momentum(p).eps(e))?);
        local_response(x = t.tensor(&[3, 4, 2]), n = t.size(), a = t.number(), b = t.number(), k = t.number()) => back(local_response_norm(leaf(&x)?, n, a, b, k)?);
        attention(q = t.tensor(&[2, 3, 4]), k = t.tensor(&[2, 5, 4]), v = t.tensor(&[2, 5, 4]), m = t.tensor(&[3, 5]), p = number(&mut t, 0.0), s = t.number()) =>
            back(scaled_dot_product_attention(leaf(&q)?, leaf(&k)?, leaf(&v)?, Attention::new().attn_mask(&*m).dropout_p(p).scale(s))?);
        attention_heads(q = t.tensor(&[2, 4, 3, 4]), k = t.tensor(&[2, 2, 5, 4]), v = t.tensor(&[2, 2, 5, 4]), c = t.switch(), g = t.switch()) =>
            back(scaled_dot_product_attention(leaf(&q)?, leaf(&k)?, leaf(&v)?, Attention::new().is_causal(c).enable_gqa(g))?);
    }
    t.report();
}

#[test]
fn layers() {
    let mut t = Thrown::default();
    throw! { t;
        threshold(x = t.tensor(&[3, 4]), a = t.number(), b = t.number()) => back(Threshold::new(a, b).call(&leaf(&x)?)?);
        softplus(x = t.tensor(&[3, 4]), a = t.number(), b = t.number()) => back(Softplus::new().beta(a).threshold(b).build()?.call(&leaf(&x)?)?);
        elu(x = t.tensor(&[3, 4]), a = t.number()) => back(ELU::new().alpha(a).build()?.call(&leaf(&x)?)?);
        celu(x = t.tensor(&[3, 4]), a = t.number()) => back(CELU::new().alpha(a).build()?.call(&leaf(&x)?)?);
        softshrink(x = t.tensor(&[3, 4]), a = t.number()) => back(Softshrink::new().lambd(a).build()?.call(&leaf(&x)?)?);
        hardshrink(x = t.tensor(&[3, 4]), a = t.number()) => back(Hardshrink::new().lambd(a).build()?.call(&leaf(&x)?)?);
        glu(x = t.tensor(&[3, 4]), d = dims(&mut t)) => back(GLU::new().dim(d).build()?.call(&leaf(&x)?)?);
        embedding_layer(i = t.indices(&[3], 5), n = of(&mut t, 5), d = of(&mut t, 4), m = t.number()) => back(Embedding::new(n, d).max_norm(m).build()?.call(&*i)?);
        rnn(x = t.tensor(&[3, 2, 4]), i = of(&mut t, 4), h = of(&mut t, 5), l = t.pick(&[0, 1, 2, usize::MAX]), b = t.switch(), d = number(&mut t, 0.0)) =>
            back(RNN::new(i, h).num_layers(l).bidirectional(b).dropout(d).build()?.call(&leaf(&x)?)?.0);
        lstm(x = t.tensor(&[3, 2, 4]), s = t.tensor(&[1, 2, 5]), c = t.tensor(&[1, 2, 5]), i = of(&mut t, 4), h = of(&mut t, 5), p = t.pick(&[0, 0, 3, usize::MAX])) =>
            back(LSTM::new(i, h).proj_size(p).build()?.call((&leaf(&x)?, (&*s, &*c)))?.0);
        gru(x = t.tensor(&[3, 2, 4]), s = t.tensor(&[1, 2, 5]), i = of(&mut t, 4), h = of(&mut t, 5), f = t.switch()) =>
            back(GRU::new(i, h).batch_first(f).build()?.call((&leaf(&x)?, &*s))?.0);
        gru_cell(x = t.tensor(&[2, 4]), s = t.tensor(&[2, 5]), i = of(&mut t, 4), h = of(&mut t, 5)) => back(GRUCell::new(i, h).build()?.call((&leaf(&x)?, &*s))?);
        lstm_cell(x = t.tensor(&[2, 4]), s = t.tensor(&[2, 5]), c = t.tensor(&[2, 5]), i = of(&mut t, 4), h = of(&mut t, 5)) =>
            back(LSTMCell::new(i, h).build()?.call((&leaf(&x)?, (&*s, &*c)))?.0);
        heads(q = t.tensor(&[3, 2, 4]), k = t.tensor(&[5, 2, 4]), v = t.tensor(&[5, 2, 4]), e = of(&mut t, 4), n = of(&mut t, 2), a = t.switch(), b = t.switch()) =>
            back(MultiheadAttention::new(e, n).add_bias_kv(a).add_zero_attn(b).build()?.call((&leaf(&q)?, &leaf(&k)?, &leaf(&v)?))?.0);
        encoder(x = t.tensor(&[3, 2, 4]), e = of(&mut t, 4), n = of(&mut t, 2), f = of(&mut t, 8), d = number(&mut t, 0.1), z = t.number()) =>
            back(TransformerEncoderLayer::new(e, n).dim_feedforward(f).dropout(d).layer_norm_eps(z).build()?.call(&leaf(&x)?)?);
        transformer(x = t.tensor(&[3, 2, 4]), y = t.tensor(&[2, 2, 4]), n = t.pick(&[0, 1, usize::MAX]), m = t.pick(&[0, 1, 1 << 40])) =>
            back(Transformer::new(4, 2).num_encoder_layers(n).num_decoder_layers(m).dim_feedforward(8).build()?.call((&leaf(&x)?, &leaf(&y)?))?);
        adaptive(x = t.tensor(&[3, 4]), y = t.indices(&[3], 9), n = of(&mut t, 9), c = t.pick(&[vec![2, 5], vec![5, 2], vec![], vec![0], vec![usize::MAX], vec![8]]), d = t.number()) =>
            back(AdaptiveLogSoftmaxWithLoss::new(4, n, c.clone()).div_value(d).build()?.call((&leaf(&x)?, &*y))?.loss);
        linear_layer(x = t.tensor(&[3, 4]), i = of(&mut t, 4), o = of(&mut t, 2)) => back(nn::Linear::new(i, o).build()?.call(&leaf(&x)?)?);
    }
    t.report();
}
