//! A small network learns a sine: tensors, a module, a loss, an optimizer.

use flambeau::prelude::*;

fn main() -> Result<()> {
    flambeau::manual_seed(0);
    let x = Tensor::linspace(-PI, PI, 2000).build()?.unsqueeze(-1)?;
    let y = x.sin()?;

    let model = Sequential::of((Linear::new(1, 64), Tanh::new(), Linear::new(64, 1)))?;
    let mut optimizer = Adam::new(model.parameters()).lr(1e-2).build()?;

    for step in 0..500 {
        let loss = mse_loss(&model.call(&x)?, &y)?;
        optimizer.zero_grad();
        loss.backward()?;
        optimizer.step()?;
        if step % 100 == 0 {
            println!("{step:>4}  {:.5}", loss.item::<f32>()?);
        }
    }

    // How many points that training never saw come within 0.05 of the sine?
    let unseen = Tensor::linspace(-3.0, 3.0, 777).build()?.unsqueeze(-1)?;
    let error = no_grad(|| model.call(&unseen)?.sub(unseen.sin()?)?.abs())?;
    println!("test accuracy: {:.4}", error.lt(0.05)?.to_dtype(DType::F64)?.mean(..)?.item::<f64>()?);
    Ok(())
}
