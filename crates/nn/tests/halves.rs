//! Half precision is rounded where PyTorch 2.15 rounds it: after each op of a recurrent step, in the statistics that norms
//! hold, in running statistics. The numbers are PyTorch's.

use flambeau_autograd::Autograd;
use flambeau_nn::*;
use flambeau_tensor::{
    BagMode, ConvOptions, ConvTransposeOptions, DType, EmbeddingBagOptions, Padding, Result, Tensor, no_grad,
};

/// Numbers from −`half` to `half` in steps of 1 / `unit`, which half precision holds.
fn steps(shape: &[usize], (factor, modulus, half, unit): (i64, i64, i64, f64), first: i64, dtype: DType) -> Tensor {
    let count = shape.iter().product::<usize>() as i64;
    let values: Vec<f64> = (first..first + count).map(|i| ((i * factor) % modulus - half) as f64 / unit).collect();
    Tensor::from_slice(&values, shape).unwrap().to_dtype(dtype).unwrap()
}

const INPUT: (i64, i64, i64, f64) = (29, 53, 26, 32.0);
const WEIGHT: (i64, i64, i64, f64) = (37, 61, 30, 64.0);
const GRADIENT: (i64, i64, i64, f64) = (23, 41, 20, 16.0);

fn list(x: &Tensor) -> Vec<f64> {
    x.detach().to_dtype(DType::F64).unwrap().to_vec().unwrap()
}

/// The first numbers of a tensor.
#[track_caller]
fn begins(what: &str, x: &Tensor, right: &[f64]) {
    assert_eq!(list(x)[..right.len()], *right, "{what}");
}

/// Goes backward from `y` with a gradient of steps.
#[track_caller]
fn pull(y: &Tensor) {
    y.mul(&steps(y.shape(), GRADIENT, 0, y.dtype())).unwrap().sum(..).unwrap().backward().unwrap();
}

/// A layer whose weights are steps: to so many last places of the largest number, its last outputs, and the first gradients of x, of the weight from h and of its bias.
#[track_caller]
fn layer<M: Module>(
    (name, places): (&str, f64),
    module: M,
    dtype: DType,
    call: fn(&M, &Tensor) -> Result<Tensor>,
    right: [&[f64]; 4],
) {
    let module = module.to(dtype).unwrap();
    let mut first = 0;
    for p in module.parameters() {
        no_grad(|| p.copy_(&steps(p.shape(), WEIGHT, first, dtype))).unwrap();
        first += p.numel() as i64;
    }
    let x = steps(&[4, 2, 2], INPUT, 0, dtype).requires_grad_().unwrap();
    let y = call(&module, &x).unwrap();
    pull(&y);
    let parameters = module.parameters();
    // Products of several gates with a weight may be summed in another order.
    let begins = |what: &str, x: &Tensor, right: &[f64]| {
        let most = right.iter().fold(0.0f64, |most, x| most.max(x.abs()));
        let last_place = most * if dtype == DType::F16 { 2f64.powi(-10) } else { 2f64.powi(-7) };
        let near = list(x).iter().zip(right).all(|(a, b)| (a - b).abs() <= places * last_place);
        assert!(near, "{what}: {:?} for {right:?}", list(x));
    };
    begins(name, &y.select(0, -1).unwrap(), right[0]);
    begins(&format!("{name}: x"), &x.grad().unwrap(), right[1]);
    begins(&format!("{name}: weight_hh"), &parameters[1].grad().unwrap(), right[2]);
    begins(&format!("{name}: bias_hh"), &parameters[3].grad().unwrap(), right[3]);
}

#[test]
fn each_op_of_a_step_is_rounded() -> Result<()> {
    let rnn = || RNN::new(2, 3).build();
    layer(
        ("RNN bf16", 0.0),
        rnn()?,
        DType::BF16,
        |m, x| Ok(m.call(x)?.0),
        [
            &[-0.37109375, -0.228515625, -0.126953125, -0.177734375, 0.080078125, -0.328125],
            &[0.625, 0.08642578125, -0.09326171875, -0.1796875],
            &[-0.6875, -1.03125, 1.1015625, 0.54296875, 0.92578125, -1.3203125],
            &[-2.09375, 1.5703125, 0.2734375],
        ],
    );
    layer(
        ("RNN f16", 0.0),
        rnn()?,
        DType::F16,
        |m, x| Ok(m.call(x)?.0),
        [
            &[-0.373291015625, -0.2281494140625, -0.1268310546875, -0.177978515625, 0.08001708984375, -0.32861328125],
            &[0.62548828125, 0.08746337890625, -0.09375, -0.1806640625],
            &[-0.6845703125, -1.0234375, 1.095703125, 0.541015625, 0.921875, -1.314453125],
            &[-2.078125, 1.5751953125, 0.27099609375],
        ],
    );
    layer(
        ("GRU f16", 2.0),
        GRU::new(2, 3).build()?,
        DType::F16,
        |m, x| Ok(m.call(x)?.0),
        [
            &[0.435302734375, -0.125244140625, -0.171630859375, 0.292236328125, -0.038330078125, -0.1397705078125],
            &[0.14599609375, -0.355712890625, -0.00734710693359375, 0.063720703125],
            &[-0.0179443359375, 0.01239776611328125, 0.00923919677734375, -0.0543212890625, 0.03533935546875],
            &[-0.01549530029296875, -0.13330078125, 0.020416259765625],
        ],
    );
    layer(
        ("LSTM f16", 2.0),
        LSTM::new(2, 3).build()?,
        DType::F16,
        |m, x| Ok(m.call(x)?.0),
        [
            &[-0.237060546875, 0.157470703125, -0.034423828125, -0.265625, 0.1700439453125, -0.00614166259765625],
            &[0.00817108154296875, -0.09417724609375, 0.0217132568359375, -0.0180206298828125],
            &[-0.0029926300048828125, 0.00687408447265625, -0.01080322265625, -0.015960693359375, 0.018707275390625],
            &[0.11029052734375, 0.19677734375, 0.000244140625],
        ],
    );
    // One kernel, whose states and gradients of gates are rounded.
    layer(
        ("LSTM bf16", 0.0),
        LSTM::new(2, 3).build()?,
        DType::BF16,
        |m, x| Ok(m.call(x)?.0),
        [
            &[-0.2373046875, 0.1572265625, -0.034423828125, -0.265625, 0.169921875, -0.006134033203125],
            &[0.007476806640625, -0.09375, 0.0216064453125, -0.0179443359375],
            &[-0.0029449462890625, 0.006866455078125, -0.01080322265625, -0.015869140625, 0.0186767578125],
            &[0.10986328125, 0.1962890625, 0.00067138671875],
        ],
    );
    layer(
        ("LSTM bf16 projected", 2.0),
        LSTM::new(2, 3).proj_size(2).build()?,
        DType::BF16,
        |m, x| Ok(m.call(x)?.0),
        [
            &[0.0201416015625, 0.0181884765625, 0.0091552734375, 0.00775146484375],
            &[-0.0120849609375, -0.0235595703125, -0.001861572265625, 0.0089111328125],
            &[-0.000492095947265625, -0.0005035400390625, -4.8160552978515625e-05, -3.337860107421875e-05],
            &[-0.0238037109375, -0.003204345703125, 0.01177978515625],
        ],
    );
    Ok(())
}

/// Running statistics after a call in training, and the first gradients of x.
#[track_caller]
fn norm<M: Layer>(name: &str, module: M, dtype: DType, running: &[f64], grad: &[f64]) {
    let module = module.to(dtype).unwrap();
    for (name, values) in [("running_mean", [0.3, -0.7]), ("running_var", [0.3, 0.7])] {
        let found = module.named_buffers().into_iter().find(|(n, _)| n == name);
        if let Some((_, buffer)) = found {
            buffer.copy_(&Tensor::from_slice(&values, 2).unwrap().to_dtype(dtype).unwrap()).unwrap();
        }
    }
    let x = steps(&[3, 2, 4], INPUT, 0, dtype).requires_grad_().unwrap();
    pull(&module.call(&x).unwrap());
    let all = module.named_buffers().into_iter().filter(|(n, _)| n.starts_with("running_"));
    let found: Vec<f64> = all.flat_map(|(_, b)| list(&b)).collect();
    assert_eq!(found, running, "{name}");
    begins(name, &x.grad().unwrap(), grad);
}

#[test]
fn norms_hold_rounded_statistics() -> Result<()> {
    let (f16, bf16) = (DType::F16, DType::BF16);
    let instance = || InstanceNorm1d::new(2).affine(true).track_running_stats(true).build();
    norm(
        "BatchNorm1d f16",
        BatchNorm1d::new(2).build()?,
        f16,
        &[0.262939453125, -0.6337890625, 0.296630859375, 0.65478515625],
        &[-1.4873046875, 0.625, -0.9921875, 1.1201171875],
    );
    norm(
        "BatchNorm1d bf16",
        BatchNorm1d::new(2).build()?,
        bf16,
        &[0.26171875, -0.6328125, 0.296875, 0.65234375],
        &[-1.484375, 0.625, -0.9921875, 1.1171875],
    );
    let right = [-0.058135986328125, -0.078857421875, 0.078857421875, 0.058135986328125];
    norm(
        "InstanceNorm1d f16",
        instance()?,
        f16,
        &[0.262939453125, -0.6337890625, 0.298583984375, 0.65869140625],
        &right,
    );
    norm("LayerNorm f16", LayerNorm::new(4).build()?, f16, &[], &right);
    let right = [-0.061279296875, -0.07666015625, 0.07666015625, 0.061279296875];
    norm("InstanceNorm1d bf16", instance()?, bf16, &[0.26171875, -0.6328125, 0.298828125, 0.65625], &right);
    norm("LayerNorm bf16", LayerNorm::new(4).build()?, bf16, &[], &right);
    let right = [-0.1251220703125, -0.223388671875, -0.0089874267578125, -0.107177734375];
    norm("GroupNorm f16", GroupNorm::new(1, 2).build()?, f16, &[], &right);
    let right = [-0.11669921875, -0.2265625, -0.0021820068359375, -0.1123046875];
    norm("GroupNorm bf16", GroupNorm::new(1, 2).build()?, bf16, &[], &right);
    Ok(())
}

#[test]
fn gradients_of_a_layer_norms_parameters_are_rounded_after_each_row() -> Result<()> {
    for (dtype, weight, bias) in [
        (DType::F16, [0.0753173828125, 1.361328125, 0.7060546875], [-0.8251953125, 0.65625, -0.1688232421875]),
        (DType::BF16, [0.0771484375, 1.3671875, 0.7109375], [-0.82421875, 0.65625, -0.16796875]),
    ] {
        let module = LayerNorm::new(3).build()?.to(dtype)?;
        let y = module.call(&steps(&[7, 3], INPUT, 0, dtype))?;
        y.mul(&steps(&[7, 3], GRADIENT, 0, dtype).mul(0.3)?)?.sum(..)?.backward()?;
        let grads: Vec<_> = module.parameters().iter().map(|p| list(&p.grad().unwrap())).collect();
        assert_eq!(grads, [weight, bias], "{dtype}");
    }
    Ok(())
}

#[test]
fn attention_rounds_what_stands_between_two_products() -> Result<()> {
    let recorded = [
        (
            DType::F16,
            3,
            [
                [-0.4599609375, 0.1673583984375, -0.1474609375, -0.318115234375, 0.297119140625],
                [-0.3046875, 0.06109619140625, 0.08795166015625, 0.09625244140625, -0.038726806640625],
                [-0.298583984375, 0.0272369384765625, -0.28271484375, 0.324951171875, -0.0279998779296875],
                [0.32373046875, 0.486083984375, -0.619140625, 0.44873046875, 0.4189453125],
            ],
        ),
        (
            DType::BF16,
            3,
            [
                [-0.458984375, 0.1669921875, -0.1474609375, -0.318359375, 0.296875],
                [-0.3046875, 0.06103515625, 0.08740234375, 0.09619140625, -0.038818359375],
                [-0.298828125, 0.027099609375, -0.283203125, 0.32421875, -0.028076171875],
                [0.3203125, 0.486328125, -0.6171875, 0.44921875, 0.419921875],
            ],
        ),
        (
            DType::F16,
            5,
            [
                [-0.34619140625, 0.05072021484375, -0.033599853515625, -0.341552734375, 0.1627197265625],
                [-0.143798828125, -0.13330078125, 0.0660400390625, 0.0491943359375, 0.02923583984375],
                [-0.262939453125, 0.04388427734375, -0.1602783203125, 0.2091064453125, -0.0382080078125],
                [0.64306640625, 0.3935546875, -0.62890625, 0.86083984375, 0.385498046875],
            ],
        ),
        (
            DType::BF16,
            5,
            [
                [-0.345703125, 0.05078125, -0.033935546875, -0.341796875, 0.1630859375],
                [-0.1435546875, -0.1328125, 0.06591796875, 0.04931640625, 0.0291748046875],
                [-0.263671875, 0.0439453125, -0.16015625, 0.208984375, -0.038330078125],
                [0.64453125, 0.39453125, -0.62890625, 0.86328125, 0.38671875],
            ],
        ),
    ];
    for (dtype, n, right) in recorded {
        let [q, k, v] = [INPUT, WEIGHT, GRADIENT].map(|c| steps(&[1, 2, n, 3], c, 0, dtype).requires_grad_().unwrap());
        let y = functional::scaled_dot_product_attention(&q, &k, &v, functional::Attention::new())?;
        y.mul(&steps(y.shape(), (31, 47, 23, 16.0), 0, dtype))?.sum(..)?.backward()?;
        for (name, found, right) in
            [("y", Some(y), right[0]), ("q", q.grad(), right[1]), ("k", k.grad(), right[2]), ("v", v.grad(), right[3])]
        {
            begins(&format!("{name} {dtype}"), &found.unwrap(), &right);
        }
    }
    Ok(())
}

#[test]
fn weighted_bags_are_rounded_once() -> Result<()> {
    for (dtype, right) in [
        (DType::F16, [0.2015380859375, -0.262451171875, -0.05950927734375]),
        (DType::BF16, [0.201171875, -0.26171875, -0.059814453125]),
    ] {
        let weights = Tensor::from_slice(&[0.3, 0.7, 0.9, 0.1], 4)?.to_dtype(dtype)?;
        let offsets = Tensor::from_slice(&[0i64], 1)?;
        let options = EmbeddingBagOptions {
            offsets: Some(&offsets),
            mode: BagMode::Sum,
            per_sample_weights: Some(&weights),
            ..EmbeddingBagOptions::default()
        };
        let table = steps(&[4, 3], WEIGHT, 0, dtype);
        let bag = table.embedding_bag(Tensor::from_slice(&[0i64, 1, 2, 3], 4)?, options)?;
        assert_eq!(list(&bag), right, "{dtype}");
    }
    Ok(())
}

/// The gradient of x, after a gradient of steps times 0.3.
#[track_caller]
fn padded<M: Layer>(name: &str, module: M, shape: &[usize], dtype: DType, right: &[f64]) {
    let x = steps(shape, INPUT, 0, dtype).requires_grad_().unwrap();
    let y = module.call(&x).unwrap();
    let g = steps(y.shape(), GRADIENT, 0, dtype).mul(0.3).unwrap();
    y.mul(&g).unwrap().sum(..).unwrap().backward().unwrap();
    assert_eq!(list(&x.grad().unwrap()), right, "{name} {dtype}");
    assert!(list(&y) == list(&module.call(&x.to_dtype(DType::F32).unwrap()).unwrap()), "{name} {dtype}");
}

#[test]
fn what_pads_repeat_is_added_up_with_rounding() -> Result<()> {
    let (cube, plane) =
        (|| ReplicationPad3d::new([2, 1, 3, 2, 1, 2]).build(), || ReplicationPad2d::new([2, -1, 3, 2]).build());
    let mirror = || ReflectionPad2d::new([2, 2, 1, 2]).build();
    let line = || ReplicationPad1d::new((7, 5)).build();
    let right = [
        -0.2626953125,
        0.150146484375,
        0.6572265625,
        0.2252197265625,
        -0.1312255859375,
        -0.95556640625,
        0.75,
        0.093994140625,
        -0.43115234375,
        -0.9189453125,
        -0.4873046875,
        0.67529296875,
    ];
    padded("cube", cube()?, &[1, 1, 2, 2, 3], DType::F16, &right);
    let right = [
        -0.65625,
        -0.1124267578125,
        0.505859375,
        -0.2626953125,
        0.338134765625,
        -0.05615234375,
        0.056396484375,
        -0.05621337890625,
        -0.1312255859375,
    ];
    padded("mirror", mirror()?, &[1, 1, 3, 3], DType::F16, &right);
    padded(
        "plane",
        plane()?,
        &[1, 1, 2, 3],
        DType::F16,
        &[-0.5625, 0.187255859375, 0.0, -0.28125, 0.187744140625, 0.0],
    );
    padded("line", line()?, &[1, 1, 2], DType::F16, &[-0.150390625, -0.44970703125]);
    let right = [
        -0.267578125,
        0.1494140625,
        0.65234375,
        0.2265625,
        -0.12890625,
        -0.953125,
        0.75390625,
        0.09375,
        -0.4296875,
        -0.9140625,
        -0.48828125,
        0.671875,
    ];
    padded("cube", cube()?, &[1, 1, 2, 2, 3], DType::BF16, &right);
    let right = [
        -0.65625,
        -0.11181640625,
        0.5078125,
        -0.26171875,
        0.33984375,
        -0.05859375,
        0.056640625,
        -0.0556640625,
        -0.130859375,
    ];
    padded("mirror", mirror()?, &[1, 1, 3, 3], DType::BF16, &right);
    padded("plane", plane()?, &[1, 1, 2, 3], DType::BF16, &[-0.5625, 0.1875, 0.0, -0.28125, 0.1875, 0.0]);
    padded("line", line()?, &[1, 1, 2], DType::BF16, &[-0.15234375, -0.451171875]);
    Ok(())
}

#[test]
fn sums_by_number_are_rounded_after_each_addition() -> Result<()> {
    let numbers: Vec<i64> = (0..40).map(|i| i * i % 3).collect();
    let index = Tensor::from_vec(numbers, 40)?;
    for (dtype, each, once, rows) in [
        (
            DType::F16,
            [-1.337890625, 0.65576171875, -0.65625],
            [-1.3369140625, 0.65625, -0.65625],
            [-0.5244140625, 0.56201171875, 0.0],
        ),
        (DType::BF16, [-1.328125, 0.65625, -0.65625], [-1.3359375, 0.65625, -0.65625], [-0.52734375, 0.5625, 0.0]),
    ] {
        let (base, source) = (steps(&[3], INPUT, 0, dtype), steps(&[40], GRADIENT, 0, dtype).mul(0.3)?);
        let wide = |x: &Tensor| x.unsqueeze(-1)?.expand([x.numel(), 2]);
        let column = |x: Tensor| x.select(-1, 1).map(|x| list(&x));
        assert_eq!(list(&base.index_add(0, &index, &source, 1)?), each);
        let (base2, source2) = (wide(&base)?, wide(&source)?);
        assert_eq!(column(base2.index_put(&[Some(&index)], &source2, true)?)?, each);
        let within = base2.unsqueeze(0)?.index_add(1, &index, source2.unsqueeze(0)?, 1)?;
        assert_eq!(column(within.select(0, 0)?)?, each, "along an inner dimension");
        assert_eq!(column(base2.index_add(0, &index, &source2, 1)?)?, once, "a scatter_add in PyTorch");
        assert_eq!(list(&base.scatter_add(0, &index, &source)?), once);
        let weight = base2.copy()?.requires_grad_()?;
        weight.embedding(&index, None)?.mul(&source2)?.sum(..)?.backward()?;
        assert_eq!(column(weight.grad().expect("a gradient"))?, rows);
    }
    Ok(())
}

/// What a convolution of steps gives where it is transposed, else the gradient of its input; and that of its weight: the
/// sum of all magnitudes, and some numbers that are others where sums are rounded once.
struct Convolved {
    sizes: [&'static [usize]; 2],
    transposed: bool,
    options: fn() -> ConvOptions,
    first: (f64, [(usize, f64); 3]),
    weight: (f64, [(usize, f64); 3]),
}

#[test]
fn gradients_of_f16_convolutions_are_rounded_after_each_tap_and_each_sample() -> Result<()> {
    let cases = [
        Convolved {
            sizes: [&[3, 2, 7], &[3, 2, 3]],
            transposed: false,
            options: || ConvOptions::new().stride(2).padding(1),
            first: (311.830810546875, [(10, -2.78125), (15, 6.7578125), (40, -3.40234375)]),
            weight: (227.5244140625, [(0, 0.568359375), (11, -0.50732421875), (17, 0.73583984375)]),
        },
        Convolved {
            sizes: [&[2, 4, 4, 5], &[2, 2, 3, 2]],
            transposed: false,
            options: || ConvOptions::new().padding(1).groups(2),
            first: (1323.83447265625, [(1, 8.0234375), (4, 0.0703125), (6, -3.0859375)]),
            weight: (566.6923828125, [(2, -41.71875), (13, -0.2744140625), (23, 9.9921875)]),
        },
        Convolved {
            sizes: [&[3, 2, 5, 5], &[2, 2, 2, 3]],
            transposed: false,
            options: || ConvOptions::new().padding(1).dilation(2),
            first: (982.4501953125, [(13, 1.2421875), (17, 0.181640625), (32, -9.8125)]),
            weight: (826.79296875, [(5, 2.13671875), (15, 2.66796875), (21, -4.98828125)]),
        },
        Convolved {
            sizes: [&[2, 2, 3, 4, 3], &[3, 2, 2, 3, 2]],
            transposed: false,
            options: || ConvOptions::new().padding(1),
            first: (1811.9501953125, [(2, 7.6875), (6, 17.34375), (10, 1.94921875)]),
            weight: (3038.21484375, [(15, -4.38671875), (36, 56.21875), (52, -10.0625)]),
        },
        Convolved {
            sizes: [&[3, 2, 4], &[2, 3, 3]],
            transposed: true,
            options: || ConvOptions::new().stride(2).padding(1),
            first: (304.99853515625, [(1, 1.951171875), (17, -0.02685546875), (22, -6.5390625)]),
            weight: (246.30078125, [(5, -14.5078125), (8, 2.310546875), (13, -14.4609375)]),
        },
        Convolved {
            sizes: [&[2, 4, 3, 4], &[4, 1, 3, 2]],
            transposed: true,
            options: || ConvOptions::new().groups(2),
            first: (1023.58203125, [(2, 13.40625), (14, -3.48828125), (15, 4.28125)]),
            weight: (751.20703125, [(8, 6.28125), (10, 36.59375), (20, 7.17578125)]),
        },
    ];
    for Convolved { sizes: [of_x, of_w], transposed, options, first, weight } in cases {
        let o = options();
        let call = |x: &Tensor, w: &Tensor| -> Result<Tensor> {
            let mut t = ConvTransposeOptions::new().stride(o.stride).groups(o.groups);
            if let Padding::Zeros(zeros) = o.padding {
                t = t.padding(zeros);
            }
            match (of_x.len(), transposed) {
                (3, false) => x.conv1d(w, None, o),
                (4, false) => x.conv2d(w, None, o),
                (5, false) => x.conv3d(w, None, o),
                (3, true) => x.conv_transpose1d(w, None, t),
                (4, true) => x.conv_transpose2d(w, None, t),
                _ => x.conv_transpose3d(w, None, t),
            }
        };
        let steps = |shape: &[usize], (factor, modulus, half): (i64, i64, i64), unit: f64| {
            steps(shape, (factor, modulus, half, unit), 0, DType::F16)
        };
        let x = steps(of_x, (29, 53, 26), 7.0).requires_grad_()?;
        let w = steps(of_w, (37, 61, 30), 11.0).requires_grad_()?;
        let y = call(&x, &w)?;
        y.mul(&steps(y.shape(), (23, 41, 20), 5.0))?.sum(..)?.backward()?;
        let found = [if transposed { y } else { x.grad().unwrap() }, w.grad().unwrap()].map(|t| list(&t));
        for (what, found, (all, some)) in [("first", &found[0], first), ("weight", &found[1], weight)] {
            let case = format!("{what} of {of_x:?}, {of_w:?}, transposed {transposed}");
            assert_eq!(some.map(|(i, _)| (i, found[i])), some, "{case}");
            assert_eq!(found.iter().map(|x| x.abs()).sum::<f64>(), all, "{case}");
        }
    }
    Ok(())
}
