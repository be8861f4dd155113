//! Attention with several heads.

use crate::functional::{self, Attention};
use crate::print::py_bool;
use crate::{Call, Forward, Inputs, Mode, Module, Parameter, init};
use flambeau_tensor::{DType, Device, Error, ErrorKind, Result, Tensor, Tensors, bail, builder, cat, ensure, options};
use std::panic::Location;

/// Attention with several heads, as `torch.nn.MultiheadAttention` (Vaswani et al. 2017).
///
/// ```
/// use flambeau_nn::{AttentionMasks, Call, MultiheadAttention};
/// use flambeau_tensor::Tensor;
///
/// let attention = MultiheadAttention::new(8, 2).batch_first(true).build()?;
/// let x = Tensor::randn([3, 5, 8]).build()?; // 3 sequences of 5 places
/// let (y, weights) = attention.call((&x, &x, &x))?;
/// assert_eq!((y.shape(), weights.shape()), (&[3, 5, 8][..], &[3, 5, 5][..]));
/// // Of each sequence, the last place is only filling.
/// let filling = Tensor::arange(0, 5).build()?.eq(4)?.expand([3, 5])?;
/// let masks = AttentionMasks::new().key_padding_mask(&filling).need_weights(false);
/// let (y, _) = attention.call((&x, &x, &x, masks))?;
/// assert_eq!(y.shape(), [3, 5, 8]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
#[derive(Module)]
pub struct MultiheadAttention {
    /// From the input to queries, keys and values, `[3 · embed_dim, embed_dim]`, where all have `embed_dim` numbers.
    pub in_proj_weight: Option<Parameter>,
    /// From the input to queries, `[embed_dim, embed_dim]`, where sizes differ.
    pub q_proj_weight: Option<Parameter>,
    /// From the input to keys, `[embed_dim, kdim]`, where sizes differ.
    pub k_proj_weight: Option<Parameter>,
    /// From the input to values, `[embed_dim, vdim]`, where sizes differ.
    pub v_proj_weight: Option<Parameter>,
    /// Added to queries, keys and values, `[3 · embed_dim]`.
    pub in_proj_bias: Option<Parameter>,
    /// One key more, `[1, 1, embed_dim]`.
    pub bias_k: Option<Parameter>,
    /// One value more, `[1, 1, embed_dim]`.
    pub bias_v: Option<Parameter>,
    /// From the heads to the output.
    pub out_proj: AttentionOutput,
    num_heads: usize,
    dropout: f64,
    add_zero_attn: bool,
    batch_first: bool,
    mode: Mode,
}

/// The linear map from the heads to the output.
#[derive(Module)]
#[module(name = "NonDynamicallyQuantizableLinear", extra_repr = "AttentionOutput::describe")]
pub struct AttentionOutput {
    /// `[embed_dim, embed_dim]`
    pub weight: Parameter,
    /// `[embed_dim]`
    pub bias: Option<Parameter>,
}

impl AttentionOutput {
    fn describe(&self) -> String {
        let size = self.weight.shape()[0];
        format!("in_features={size}, out_features={size}, bias={}", py_bool(self.bias.is_some()))
    }
}

impl Forward<&Tensor> for AttentionOutput {
    type Output = Tensor;
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        functional::linear(x, &self.weight, self.bias.as_deref())
    }
}

builder! {
    /// Options of [`MultiheadAttention`].
    pub struct MultiheadAttentionBuilder => MultiheadAttention;
    new {
        embed_dim: usize,
        num_heads: usize,
    }
    options {
        /// While training, the probability that a weight is dropped; 0 unless set.
        dropout: f64 = 0.0,
        /// With biases (the default).
        bias: bool = true,
        /// With one key and value more, which are trained.
        add_bias_kv: bool = false,
        /// With one key and value more, which are zero.
        add_zero_attn: bool = false,
        /// How many numbers a key has, `embed_dim` unless set.
        kdim: ~into Option<usize> = None,
        /// How many numbers a value has, `embed_dim` unless set.
        vdim: ~into Option<usize> = None,
        /// Batches are `[N, L, E]` instead of `[L, N, E]`.
        batch_first: bool = false,
        /// The parameters' dtype, float32 unless set.
        dtype: DType = DType::DEFAULT,
        /// Where the parameters are, the CPU unless set.
        device: Device = Device::Cpu,
    }
}

impl MultiheadAttention {
    #[track_caller]
    fn from_builder(b: MultiheadAttentionBuilder) -> Result<Self> {
        const NAME: &str = "MultiheadAttention";
        let (e, heads) = (b.embed_dim, b.num_heads);
        ensure!(
            e > 0 && heads > 0 && e.is_multiple_of(heads),
            Argument,
            NAME,
            "embed_dim = {e} does not split into num_heads = {heads}"
        );
        ensure!((0.0..=1.0).contains(&b.dropout), Argument, NAME, "dropout = {} is not a probability", b.dropout);
        let three = e.saturating_mul(3);
        let parameter = |shape: &[usize]| super::parameter(shape, b.dtype, b.device);
        let some = |on: bool, shape: &[usize]| if on { parameter(shape).map(Some) } else { Ok(None) };
        let (kdim, vdim) = (b.kdim.unwrap_or(e), b.vdim.unwrap_or(e));
        let one_size = kdim == e && vdim == e;
        let attention = MultiheadAttention {
            in_proj_weight: some(one_size, &[three, e])?,
            q_proj_weight: some(!one_size, &[e, e])?,
            k_proj_weight: some(!one_size, &[e, kdim])?,
            v_proj_weight: some(!one_size, &[e, vdim])?,
            in_proj_bias: some(b.bias, &[three])?,
            bias_k: some(b.add_bias_kv, &[1, 1, e])?,
            bias_v: some(b.add_bias_kv, &[1, 1, e])?,
            out_proj: AttentionOutput { weight: parameter(&[e, e])?, bias: some(b.bias, &[e])? },
            num_heads: heads,
            dropout: b.dropout,
            add_zero_attn: b.add_zero_attn,
            batch_first: b.batch_first,
            mode: Mode::new(),
        };
        attention.fill()?;
        Ok(attention)
    }

    /// First values in PyTorch's order of drawing: the output, which is a linear layer, then the inputs.
    #[track_caller]
    fn fill(&self) -> Result<()> {
        init::linear_defaults(&self.out_proj.weight, self.out_proj.bias.as_deref())?;
        for weight in [&self.in_proj_weight, &self.q_proj_weight, &self.k_proj_weight, &self.v_proj_weight] {
            if let Some(weight) = weight {
                init::xavier_uniform_(weight, 1.0)?;
            }
        }
        if let Some(bias) = &self.out_proj.bias {
            init::zeros_(bias)?;
        }
        for bias in [&self.bias_k, &self.bias_v] {
            if let Some(bias) = bias {
                init::xavier_normal_(bias, 1.0)?;
            }
        }
        Ok(())
    }

    /// The output and the weights of the heads.
    #[track_caller]
    fn with_weights(&self, call: &Attending, average: bool) -> Result<(Tensor, Tensor)> {
        let width = call.q.shape()[2] as f64;
        let scores = call.q.mul((1.0 / width).sqrt())?.matmul(&call.k.mt()?)?;
        let scores = match &call.mask {
            Some(mask) => scores.add(mask)?,
            None => scores,
        };
        let weights = functional::dropout(&scores.softmax(-1)?, self.dropout, self.mode.is_training())?;
        let output = call.leave(self, &weights.matmul(&call.v)?)?;
        let weights = weights.reshape([call.batch, self.num_heads, call.places, call.k.shape()[1]])?;
        let weights = if average { weights.mean(1)? } else { weights };
        Ok((output, if call.batched { weights } else { weights.squeeze(0)? }))
    }

    /// The output alone.
    #[track_caller]
    fn without_weights(&self, call: &Attending) -> Result<Tensor> {
        let dropout = if self.mode.is_training() { self.dropout } else { 0.0 };
        // The heads of a sample as one dimension, so that what is dropped is drawn as PyTorch draws it.
        let heads = |x: &Tensor| x.unflatten(0, [call.batch, self.num_heads]);
        let mask = match &call.mask {
            Some(mask) if mask.shape()[0] == 1 => Some(mask.unsqueeze(0)?),
            Some(mask) => Some(heads(mask)?),
            None => None,
        };
        let options = Attention::new().attn_mask(mask.as_ref()).dropout_p(dropout);
        let y =
            functional::scaled_dot_product_attention(&heads(&call.q)?, &heads(&call.k)?, &heads(&call.v)?, options)?;
        call.leave(self, &y.flatten(0, 1)?)
    }
}

/// The output for queries `[L, N, E]` (`[N, L, E]` where `batch_first`, `[L, E]` of one sequence), keys `[S, N, kdim]`
/// and values `[S, N, vdim]`, of the queries' form; and the weights that values have for queries, the mean over all
/// heads, `[N, L, S]` or `[L, S]`.
impl Forward<(&Tensor, &Tensor, &Tensor)> for MultiheadAttention {
    type Output = (Tensor, Tensor);

    #[track_caller]
    fn forward(&self, (query, key, value): (&Tensor, &Tensor, &Tensor)) -> Result<(Tensor, Tensor)> {
        self.with_weights(&Attending::new(self, query, key, value, AttentionMasks::new())?, true)
    }
}

/// The same with masks; without weights where they are not needed, when a query that may attend to nothing gets 0 of
/// the values.
impl Forward<(&Tensor, &Tensor, &Tensor, AttentionMasks<'_>)> for MultiheadAttention {
    type Output = (Tensor, Option<Tensor>);

    #[track_caller]
    fn forward(
        &self,
        (query, key, value, masks): (&Tensor, &Tensor, &Tensor, AttentionMasks<'_>),
    ) -> Result<(Tensor, Option<Tensor>)> {
        let call = Attending::new(self, query, key, value, masks)?;
        if masks.need_weights {
            let (output, weights) = self.with_weights(&call, masks.average_attn_weights)?;
            return Ok((output, Some(weights)));
        }
        Ok((self.without_weights(&call)?, None))
    }
}

options! {
    /// What [`MultiheadAttention`] may attend to, and which weights it gives.
    #[derive(Clone, Copy, Debug)]
    pub struct AttentionMasks<'a> {
        /// Which keys are only filling, `[N, S]` (`[S]` of one sequence): true where one is (bool), or a number to be
        /// added to its scores.
        key_padding_mask: ~into Option<&'a Tensor> = None,
        /// Which queries may not attend to which keys, `[L, S]` or `[N · num_heads, L, S]`: true where one may not
        /// (bool), or a number to be added to the scores.
        attn_mask: ~into Option<&'a Tensor> = None,
        /// The weights are wanted, too (the default); without them no weights are kept.
        need_weights: bool = true,
        /// The mean of the weights of all heads (the default), else those of each, `[N, num_heads, L, S]`.
        average_attn_weights: bool = true,
    }
}

/// The masks with tensors of their own.
#[doc(hidden)]
pub struct OwnedMasks {
    tensors: [Option<Tensor>; 2],
    need_weights: bool,
    average_attn_weights: bool,
}

impl Tensors for OwnedMasks {
    fn visit_tensors(&self, f: &mut dyn FnMut(&Tensor)) {
        self.tensors.visit_tensors(f);
    }

    fn visit_tensors_mut(&mut self, f: &mut dyn FnMut(&mut Tensor)) {
        self.tensors.visit_tensors_mut(f);
    }
}

impl Inputs for AttentionMasks<'_> {
    type Owned = OwnedMasks;
    type At<'a> = AttentionMasks<'a>;

    fn to_owned_inputs(&self) -> OwnedMasks {
        OwnedMasks {
            tensors: [self.key_padding_mask.cloned(), self.attn_mask.cloned()],
            need_weights: self.need_weights,
            average_attn_weights: self.average_attn_weights,
        }
    }

    fn of_owned(owned: &OwnedMasks) -> AttentionMasks<'_> {
        AttentionMasks {
            key_padding_mask: owned.tensors[0].as_ref(),
            attn_mask: owned.tensors[1].as_ref(),
            need_weights: owned.need_weights,
            average_attn_weights: owned.average_attn_weights,
        }
    }
}

/// One call, its tensors by head.
struct Attending {
    batched: bool,
    batch: usize,
    places: usize,
    /// `[N · heads, L, E / heads]`
    q: Tensor,
    /// `[N · heads, S, E / heads]`, with the further keys
    k: Tensor,
    /// as `k`
    v: Tensor,
    /// To be added to the scores, `[1 or N · heads, L or 1, S]`.
    mask: Option<Tensor>,
}

const NAME: &str = "MultiheadAttention";

impl Attending {
    #[track_caller]
    fn new(
        module: &MultiheadAttention,
        query: &Tensor,
        key: &Tensor,
        value: &Tensor,
        masks: AttentionMasks<'_>,
    ) -> Result<Attending> {
        let batched = query.rank() == 3;
        ensure!(
            matches!(query.rank(), 2 | 3) && key.rank() == query.rank() && value.rank() == query.rank(),
            Shape,
            NAME,
            "query {:?}, key {:?} and value {:?} must all have three dimensions, or all two",
            query.shape(),
            key.shape(),
            value.shape()
        );
        let one = query.is(key) && key.is(value);
        // [L, N, E] from here on.
        let form = |x: &Tensor| match (batched, module.batch_first) {
            (false, _) => x.unsqueeze(1),
            (true, true) => x.transpose(0, 1),
            (true, false) => Ok(x.clone()),
        };
        let (query, key, value) = (form(query)?, form(key)?, form(value)?);
        let (places, batch, sources) = (query.shape()[0], query.shape()[1], key.shape()[0]);
        let (e, kdim, vdim) = module.sizes();
        for (what, x, right) in [
            ("query", &query, [places, batch, e]),
            ("key", &key, [sources, batch, kdim]),
            ("value", &value, [sources, batch, vdim]),
        ] {
            ensure!(
                *x.shape() == right[..],
                Shape,
                NAME,
                "the {what} is {:?} as [length, batch, size]; beside the others it must be {right:?}",
                x.shape()
            );
        }
        let mut mask = merged(module, &query, sources, batched, masks)?;
        let (q, mut k, mut v) = module.project(&query, &key, &value, one)?;
        let mut further = 0;
        if let (Some(bias_k), Some(bias_v)) = (&module.bias_k, &module.bias_v) {
            k = cat(&[k, bias_k.expand([1, batch, e])?], 0)?;
            v = cat(&[v, bias_v.expand([1, batch, e])?], 0)?;
            further += 1;
        }
        let heads = module.num_heads;
        let by_head = |x: &Tensor| x.reshape([x.shape()[0], batch * heads, e / heads])?.transpose(0, 1);
        let (q, mut k, mut v) = (by_head(&q)?, by_head(&k)?, by_head(&v)?);
        if module.add_zero_attn {
            k = k.pad(&[0, 0, 0, 1], 0)?;
            v = v.pad(&[0, 0, 0, 1], 0)?;
            further += 1;
        }
        if let Some(all) = &mask
            && further > 0
        {
            mask = Some(all.pad(&[0, further], 0)?);
        }
        Ok(Attending { batched, batch, places, q, k, v, mask })
    }

    /// What the heads give, `[N · heads, L, E / heads]`, through the output, in the form of the query.
    #[track_caller]
    fn leave(&self, module: &MultiheadAttention, heads: &Tensor) -> Result<Tensor> {
        let (e, ..) = module.sizes();
        let y = module.out_proj.call(&heads.transpose(0, 1)?.reshape([self.places, self.batch, e])?)?;
        match (self.batched, module.batch_first) {
            (false, _) => y.squeeze(1),
            (true, true) => y.transpose(0, 1),
            (true, false) => Ok(y),
        }
    }
}

impl MultiheadAttention {
    /// embed_dim, kdim and vdim.
    fn sizes(&self) -> (usize, usize, usize) {
        let e = self.out_proj.weight.shape()[0];
        let of = |weight: &Option<Parameter>| weight.as_ref().map_or(e, |weight| weight.shape()[1]);
        (e, of(&self.k_proj_weight), of(&self.v_proj_weight))
    }

    /// Queries, keys and values of the inputs, which may be `one` tensor.
    #[track_caller]
    fn project(&self, query: &Tensor, key: &Tensor, value: &Tensor, one: bool) -> Result<(Tensor, Tensor, Tensor)> {
        let (e, ..) = self.sizes();
        let part = |x: &Parameter, i: usize| x.narrow(0, (i * e) as isize, e);
        let mapped = |x: &Tensor, own: &Option<Parameter>, i: usize| {
            let weight = match (&self.in_proj_weight, own) {
                (Some(all), _) => part(all, i)?,
                (None, Some(own)) => own.tensor().clone(),
                (None, None) => bail!(State, NAME, "there is neither in_proj_weight nor a weight of its own"),
            };
            let bias = self.in_proj_bias.as_ref().map(|all| part(all, i)).transpose()?;
            x.linear(&weight, bias.as_ref())
        };
        if let Some(all) = &self.in_proj_weight
            && one
        {
            // One product for all three.
            let all = query.linear(all, self.in_proj_bias.as_deref())?;
            let part = |i: usize| all.narrow(-1, (i * e) as isize, e);
            return Ok((part(0)?, part(1)?, part(2)?));
        }
        let q = mapped(query, &self.q_proj_weight, 0)?;
        Ok((q, mapped(key, &self.k_proj_weight, 1)?, mapped(value, &self.v_proj_weight, 2)?))
    }
}

/// Both masks as one to be added to the scores `[N · heads, L, S]`.
#[track_caller]
fn merged(
    module: &MultiheadAttention,
    query: &Tensor,
    sources: usize,
    batched: bool,
    masks: AttentionMasks<'_>,
) -> Result<Option<Tensor>> {
    let (places, batch, heads) = (query.shape()[0], query.shape()[1], module.num_heads);
    let at = Location::caller();
    let number = |what: &str, mask: &Tensor| -> Result<Tensor> {
        if mask.dtype() == DType::Bool {
            let zeros = Tensor::zeros(mask.shape()).dtype(query.dtype()).device(query.device()).build()?;
            return zeros.masked_fill(mask, f64::NEG_INFINITY);
        }
        if !mask.dtype().is_float() {
            let message = format!("{what} is {}; it must be bool or numbers to be added", mask.dtype());
            return Err(Error::new(ErrorKind::DType, NAME, message).located(at));
        }
        mask.to_dtype(query.dtype())
    };
    let attn = match masks.attn_mask {
        None => None,
        Some(mask) => {
            let (one, each) = ([places, sources], [batch * heads, places, sources]);
            ensure!(
                *mask.shape() == one[..] || *mask.shape() == each[..],
                Shape,
                NAME,
                "attn_mask has shape {:?}; it must be {one:?} or {each:?}",
                mask.shape()
            );
            let mask = number("attn_mask", mask)?;
            Some(if mask.rank() == 2 { mask.unsqueeze(0)? } else { mask })
        }
    };
    let padding = match masks.key_padding_mask {
        None => return Ok(attn),
        Some(mask) => {
            let right = if batched { vec![batch, sources] } else { vec![sources] };
            ensure!(
                *mask.shape() == right[..],
                Shape,
                NAME,
                "key_padding_mask has shape {:?}; it must be {right:?}",
                mask.shape()
            );
            let by_sample = number("key_padding_mask", mask)?.reshape([batch, 1, 1, sources])?;
            by_sample.expand([batch, heads, 1, sources])?.reshape([batch * heads, 1, sources])?
        }
    };
    Ok(Some(match attn {
        Some(attn) => attn.add(&padding)?,
        None => padding,
    }))
}
