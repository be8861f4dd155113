//! A small GPT learns a sentence by heart and says it: causal attention, tied weights, groups with and without decay,
//! warm-up, clipping, sampling.

use flambeau::prelude::*;

#[derive(Module)]
struct Attention {
    c_attn: Linear,
    c_proj: Linear,
    heads: usize,
}

impl Attention {
    fn new(width: usize, heads: usize) -> Result<Self> {
        Ok(Self { c_attn: Linear::new(width, 3 * width).build()?, c_proj: Linear::new(width, width).build()?, heads })
    }
}

impl Forward<&Tensor> for Attention {
    type Output = Tensor;
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let [b, t, c] = x.dims()?;
        let qkv = self.c_attn.call(x)?.view((b, t, 3, self.heads, c / self.heads))?.permute([2, 0, 3, 1, 4])?;
        let causal = functional::Attention::new().is_causal(true);
        let y = scaled_dot_product_attention(qkv.i(0)?, qkv.i(1)?, qkv.i(2)?, causal)?;
        self.c_proj.call(&y.transpose(1, 2)?.reshape((b, t, c))?)
    }
}

#[derive(Module)]
struct Block {
    ln_1: LayerNorm,
    attn: Attention,
    ln_2: LayerNorm,
    mlp: Sequential,
}

impl Block {
    fn new(width: usize, heads: usize) -> Result<Self> {
        Ok(Self {
            ln_1: LayerNorm::new(width).build()?,
            attn: Attention::new(width, heads)?,
            ln_2: LayerNorm::new(width).build()?,
            mlp: Sequential::of((Linear::new(width, 4 * width), GELU::new(), Linear::new(4 * width, width)))?,
        })
    }
}

impl Forward<&Tensor> for Block {
    type Output = Tensor;
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = x + self.attn.call(&self.ln_1.call(x)?)?;
        Ok(&x + self.mlp.call(&self.ln_2.call(&x)?)?)
    }
}

#[derive(Module)]
struct Gpt {
    wte: Embedding,
    wpe: Embedding,
    h: Vec<Block>,
    ln_f: LayerNorm,
    lm_head: Linear,
}

impl Gpt {
    fn new(words: usize, context: usize, width: usize, layers: usize, heads: usize) -> Result<Self> {
        let wte = Embedding::new(words, width).build()?;
        let mut lm_head = Linear::new(width, words).bias(false).build()?;
        lm_head.weight = wte.weight.clone();
        let model = Self {
            wte,
            wpe: Embedding::new(context, width).build()?,
            h: (0..layers).map(|_| Block::new(width, heads)).collect::<Result<_>>()?,
            ln_f: LayerNorm::new(width).build()?,
            lm_head,
        };
        for (name, parameter) in model.named_parameters() {
            match name.ends_with("bias") {
                true => init::zeros_(&parameter)?,
                false if parameter.rank() == 2 => init::normal_(&parameter, 0.0, 0.02)?,
                false => &parameter,
            };
        }
        Ok(model)
    }

    /// Says what follows `start`, `count` tokens of it.
    fn generate(&self, start: &Tensor, count: usize, temperature: f64, top_k: usize) -> Result<Tensor> {
        no_grad(|| {
            let mut said = start.clone();
            for _ in 0..count {
                let seen = said.i((.., -(said.size(1)?.min(self.wpe.weight.size(0)?) as isize)..))?;
                let logits = self.call(&seen)?.i((.., -1))? / temperature;
                let least = logits.topk(top_k)?.values.i((.., -1..))?;
                let probabilities = logits.masked_fill(logits.lt(&least)?, f64::NEG_INFINITY)?.softmax(-1)?;
                said = cat(&[&said, &probabilities.multinomial(1, false)?], 1)?;
            }
            Ok(said)
        })
    }
}

impl Forward<&Tensor> for Gpt {
    type Output = Tensor;
    fn forward(&self, tokens: &Tensor) -> Result<Tensor> {
        let [_, t] = tokens.dims()?;
        let mut x = self.wte.call(tokens)? + self.wpe.call(&Tensor::arange(0, t).build()?)?;
        for block in &self.h {
            x = block.call(&x)?;
        }
        self.lm_head.call(&self.ln_f.call(&x)?)
    }
}

#[test]
fn a_gpt_learns_a_sentence() -> Result<()> {
    let _alone = crate::alone();
    flambeau::manual_seed(1);
    let text = "the torch is passed from hand to hand. ";
    let mut letters: Vec<char> = text.chars().collect();
    letters.sort();
    letters.dedup();
    let number = |c: char| letters.binary_search(&c).expect("a letter of the text") as i64;
    let data = tensor!(text.chars().cycle().take(4 * text.len()).map(number).collect::<Vec<_>>());

    let context = 24;
    let model = Gpt::new(letters.len(), context, 32, 2, 4)?;
    assert_eq!(
        model.state_dict().len(),
        model.parameters().len() + 1,
        "tied weights are one parameter under two names"
    );

    let (decay, plain): (Vec<_>, Vec<_>) = model.parameters().into_iter().partition(|p| p.rank() >= 2);
    let mut optimizer = AdamW::new(decay)
        .lr(1e-2)
        .betas((0.9, 0.95))
        .weight_decay(0.1)
        .groups([ParamGroup::new(plain).set("weight_decay", 0.0)])
        .build()?;
    let (warmup, steps) = (10, 120);
    let mut scheduler = LambdaLR::new(&optimizer, move |step: u64| match step < warmup {
        true => (step + 1) as f64 / warmup as f64,
        false => 0.55 + 0.45 * (PI * (step - warmup) as f64 / (steps - warmup) as f64).cos(),
    })
    .build()?;

    let mut last = f64::INFINITY;
    for _ in 0..steps {
        let starts = Tensor::randint(0, (data.numel() - context - 1) as i64, [8]).build()?.to_vec::<i64>()?;
        let windows = |shift: i64| -> Result<Tensor> {
            let rows = starts.iter().map(|i| data.narrow(0, i + shift, context)).collect::<Result<Vec<_>>>()?;
            stack(&rows, 0)
        };
        let logits = model.call(&windows(0)?)?;
        let loss = cross_entropy(logits.flatten(0, 1)?, windows(1)?.flatten(0, 1)?)?;
        optimizer.zero_grad();
        loss.backward()?;
        clip_grad_norm_(model.parameters(), 1.0)?;
        optimizer.step()?;
        scheduler.step()?;
        last = loss.item()?;
    }
    assert!(last < 0.5, "{last}");

    model.eval();
    let start = tensor!("the torch ".chars().map(number).collect::<Vec<_>>()).unsqueeze(0)?;
    let said = model.generate(&start, 20, 0.1, 3)?.to_vec::<i64>()?;
    let said: String = said.into_iter().map(|i| letters[i as usize]).collect();
    assert_eq!(said, "the torch is passed from hand ");
    Ok(())
}
