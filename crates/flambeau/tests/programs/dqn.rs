//! Deep Q-learning: a replay memory, a target network that follows slowly, a loss that large errors do not rule.

use super::cart_pole::CartPole;
use flambeau::prelude::*;
use std::collections::VecDeque;

struct Transition {
    state: Tensor,
    action: i64,
    next: Tensor,
    stands: bool,
}

fn learn(
    memory: &VecDeque<Transition>,
    network: &Sequential,
    target: &Sequential,
    optimizer: &mut AdamW,
) -> Result<()> {
    let picked = Tensor::randint(0, memory.len() as i64, [64]).build()?.to_vec::<i64>()?;
    let batch: Vec<&Transition> = picked.into_iter().map(|i| &memory[i as usize]).collect();
    let states = stack(&batch.iter().map(|t| &t.state).collect::<Vec<_>>(), 0)?;
    let next = stack(&batch.iter().map(|t| &t.next).collect::<Vec<_>>(), 0)?;
    let actions = tensor!(batch.iter().map(|t| t.action).collect::<Vec<_>>()).unsqueeze(1)?;
    let stands = tensor!(batch.iter().map(|t| t.stands).collect::<Vec<_>>());

    let values = network.call(&states)?.gather(1, &actions)?.squeeze(-1)?;
    let wanted = no_grad(|| {
        let best = target.call(&next)?.max_dim(1)?.values;
        best.mul(0.9)?.add(1.0)?.where_cond(&stands, 0)
    })?;
    let loss = smooth_l1_loss(&values, &wanted)?;
    optimizer.zero_grad();
    loss.backward()?;
    clip_grad_value_(network.parameters(), 100.0)?;
    optimizer.step()?;

    no_grad(|| {
        for (slow, fast) in target.parameters().iter().zip(network.parameters()) {
            slow.mul_(0.9)?.add_(0.1 * &fast)?;
        }
        Ok(())
    })
}

#[test]
fn values_of_actions_are_learned() -> Result<()> {
    let _alone = crate::alone();
    flambeau::manual_seed(3);
    let network = Sequential::of((Linear::new(4, 32), ReLU::new(), Linear::new(32, 2)))?;
    let target = network.deepcopy()?;
    target.requires_grad_(false)?;
    let mut optimizer = AdamW::new(network.parameters()).lr(1e-2).amsgrad(true).build()?;
    let mut memory = VecDeque::with_capacity(2000);
    let (mut lengths, mut steps) = (Vec::new(), 0);
    while steps < 1200 {
        let (mut world, mut length) = (CartPole::new()?, 0);
        loop {
            let state = world.observation()?;
            let explore = Tensor::rand([]).build()?.item::<f64>()? < 0.05 + 0.9 * (-(steps as f64) / 300.0).exp();
            let action = match explore {
                true => Tensor::randint(0, 2, []).build()?.item()?,
                false => no_grad(|| network.call(&state)?.argmax(-1)?.item())?,
            };
            let stands = world.step(action == 1);
            if memory.len() == 2000 {
                memory.pop_front();
            }
            memory.push_back(Transition { state, action, next: world.observation()?, stands });
            if memory.len() >= 64 {
                learn(&memory, &network, &target, &mut optimizer)?;
            }
            (steps, length) = (steps + 1, length + 1);
            if !stands {
                break;
            }
        }
        lengths.push(length);
    }
    let mean = |part: &[usize]| part.iter().sum::<usize>() as f64 / part.len() as f64;
    let (first, last) = (mean(&lengths[..8]), mean(&lengths[lengths.len() - 4..]));
    assert!(last > 2.0 * first, "{lengths:?}");
    Ok(())
}
