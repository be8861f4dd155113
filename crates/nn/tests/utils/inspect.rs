//! What a model's table says.

use flambeau_nn::*;
use flambeau_tensor::{Result, Tensor};
use std::sync::Arc;

#[test]
fn a_table_of_layers() -> Result<()> {
    let model = Sequential::of((
        Conv2d::new(1, 4, 3).bias(false),
        BatchNorm2d::new(4),
        ReLU::new(),
        ConvTranspose2d::new(4, 2, 2).stride(2),
        Flatten::new(),
        Linear::new(2 * 8 * 8, 3),
    ))?;
    let x = Tensor::zeros([2, 1, 6, 6]).build()?;
    let summary = summary(&model, &x)?;
    let macs: Vec<u64> = summary.layers.iter().map(|layer| layer.macs).collect();
    // Outputs times what each sums; for the transposed one inputs times what each goes to.
    let (conv, transposed, linear) = (2 * 4 * 16 * 9, 2 * 4 * 16 * 2 * 4, 2 * 3 * 128);
    assert_eq!(macs, [conv + transposed + linear, conv, 0, 0, transposed, 0, linear]);
    assert_eq!(summary.layers[4].outputs, [[2, 2, 8, 8]]);
    assert_eq!(summary.layers[0].depth, 0);
    assert_eq!((summary.parameters, summary.trainable, summary.buffers), (36 + 8 + 34 + 387, 465, 9));
    let buffer = model.named_buffers()[2].1.item::<i64>()?;
    assert_eq!(buffer, 0, "the model itself was not called");
    let text = summary.to_string();
    assert!(text.contains("0: Conv2d") && text.contains("Parameters: 465 (465 trained)"), "{text}");
    Ok(())
}

/// Hooks are everybody's: those by which one thread watches its model must not touch another's figures.
#[test]
fn threads_look_at_models_of_their_own() {
    let figures = || -> Result<Vec<u64>> {
        let model = Sequential::of((Linear::new(8, 4), Flatten::new(), ReLU::new(), Linear::new(4, 2)))?;
        Ok(summary(&model, &Tensor::zeros([3, 8]).build()?)?.layers.iter().map(|layer| layer.macs).collect())
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    assert_eq!(figures().expect("a table"), [120, 96, 0, 0, 24]);
                }
            });
        }
    });
}

#[test]
fn modules_of_several_inputs_and_outputs() -> Result<()> {
    let lstm = LSTM::new(3, 4).build()?;
    let table = summary(&lstm, &Tensor::zeros([5, 2, 3]).build()?)?;
    assert_eq!(table.layers[0].outputs, [vec![5, 2, 4], vec![1, 2, 4], vec![1, 2, 4]]);
    assert_eq!(table.macs, 5 * 2 * 16 * (3 + 4));
    let projected = summary(&LSTM::new(3, 4).proj_size(2).build()?, &Tensor::zeros([5, 2, 3]).build()?)?;
    assert_eq!(projected.macs, 5 * 2 * (16 * (3 + 2) + 2 * 4));
    let attention = MultiheadAttention::new(6, 2).build()?;
    let (q, kv) = (Tensor::zeros([5, 2, 6]).build()?, Tensor::zeros([7, 2, 6]).build()?);
    // Projections of the queries, keys, values and the output, then weights and weighted sums of both heads.
    let projections = 2 * 6 * 6 * (5 + 7 + 7 + 5);
    assert_eq!(
        summary::<(&Tensor, &Tensor, &Tensor), _>(&attention, (&q, &kv, &kv))?.macs,
        projections + 2 * 2 * 2 * (5 * 7 * 3)
    );
    let (x, y) = (Tensor::zeros([2, 3]).build()?, Tensor::zeros([2, 4]).build()?);
    assert_eq!(summary(&Bilinear::new(3, 4, 5).build()?, (&x, &y))?.layers[0].outputs, [[2, 5]]);
    assert!(summary(&Linear::new(4, 1).build()?, &x).is_err());
    // Nothing hangs on modules afterwards.
    let mut normed = Sequential::of((Linear::new(3, 4), Tanh::new()))?;
    utils::parametrizations::weight_norm(&mut normed, "0.weight", 0)?;
    let table = summary(&normed, &x)?;
    assert_eq!((table.layers.len(), table.parameters, table.layers[1].parameters), (3, 20, 20));
    assert_eq!(table.layers[1].outputs, [[2, 4]]);
    Ok(())
}

#[test]
fn a_shared_module_has_one_box() -> Result<()> {
    #[derive(Module)]
    struct Net {
        first: Linear,
        act: Arc<PReLU>,
        second: Linear,
        also: Arc<PReLU>,
    }
    let act = Arc::new(PReLU::new().build()?);
    let (first, second) = (Linear::new(1, 1).build()?, Linear::new(1, 1).build()?);
    let model = Net { first, act: act.clone(), second, also: act };
    let dot = module_graph(&model);
    assert_eq!(dot.matches("PReLU").count(), 1, "{dot}");
    assert_eq!(dot.matches("->").count(), 4, "{dot}");
    assert_eq!(gradient_norms(&model)?.iter().filter(|(_, norm)| norm.is_none()).count(), 5);
    Ok(())
}
