//! REINFORCE: actions are drawn, and what followed weighs their log-probabilities.

use super::cart_pole::CartPole;
use flambeau::prelude::*;

#[test]
fn a_policy_learns_to_balance_a_pole() -> Result<()> {
    let _alone = crate::alone();
    flambeau::manual_seed(1);
    let policy = Sequential::of((Linear::new(4, 32), Tanh::new(), Linear::new(32, 2)))?;
    let mut optimizer = Adam::new(policy.parameters()).lr(2e-2).build()?;
    let mut lengths = Vec::new();
    for _ in 0..60 {
        let (mut world, mut observations, mut actions) = (CartPole::new()?, Vec::new(), Vec::new());
        loop {
            let observation = world.observation()?;
            let action = no_grad(|| policy.call(&observation)?.softmax(-1)?.multinomial(1, true))?;
            let stands = world.step(action.item::<i64>()? == 1);
            observations.push(observation);
            actions.push(action);
            if !stands {
                break;
            }
        }
        // Returns, the last first: r + 0.99 r' + …
        let mut returns: Vec<f32> = Vec::with_capacity(actions.len());
        for _ in &actions {
            returns.push(1.0 + 0.99 * returns.last().unwrap_or(&0.0));
        }
        returns.reverse();
        let returns = tensor!(returns);
        let advantage = (&returns - returns.mean(..)?) / (returns.std(.., 1.0)? + 1e-6);

        let log_probabilities = policy.call(&stack(&observations, 0)?)?.log_softmax(-1)?;
        let taken = log_probabilities.gather(1, stack(&actions, 0)?)?.squeeze(-1)?;
        let loss = -(taken * advantage).sum(..)?;
        optimizer.zero_grad();
        loss.backward()?;
        optimizer.step()?;
        lengths.push(actions.len());
    }
    let mean = |part: &[usize]| part.iter().sum::<usize>() as f64 / part.len() as f64;
    assert!(mean(&lengths[45..]) > 2.0 * mean(&lengths[..15]), "{lengths:?}");
    Ok(())
}
