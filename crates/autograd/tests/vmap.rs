//! `func`: what `vmap` and the transforms of functions give, alone and composed, against PyTorch's numbers
//! (`torch.func`, 2.x, recorded); and what they refuse.

mod common;

use common::{close, values};
use flambeau_autograd::func::{
    JacobianOptions, Randomness, VmapOptions, grad, grad_and_value, hessian, jacfwd, jacfwd_with, jacrev, jacrev_with,
    jvp, linearize, vjp, vmap, vmap_with,
};
use flambeau_autograd::{Autograd, Context, Function, no_grad};
use flambeau_tensor::{ConvOptions, DType, ErrorKind, Generator, Result, Tensor, manual_seed, stack, tensor};

fn line(low: f64, high: f64, shape: &[usize]) -> Result<Tensor> {
    let n: usize = shape.iter().product();
    Tensor::linspace(low, high, n).dtype(DType::F64).build()?.reshape(shape)
}

/// sin(x).prod() · exp(x₀ x₂)
fn f(x: &Tensor) -> Result<Tensor> {
    x.sin()?.prod(..)?.mul(&x.select(0, 0)?.mul(&x.select(0, 2)?)?.exp()?)
}

/// Four functions of three variables.
fn four(x: &Tensor) -> Result<Tensor> {
    let at = |i| x.select(0, i);
    stack(&[at(0)?.mul(&at(1)?)?, at(1)?.square()?.mul(&at(2)?)?, at(2)?.mul(&at(0)?)?.sin()?, x.sum(..)?.pow(3)?], 0)
}

fn point() -> Tensor {
    tensor!([0.3, -0.7, 1.1]; DType::F64)
}

fn points() -> Tensor {
    tensor!([[0.3, -0.7], [1.1, 0.2], [-0.4, 0.9]]; DType::F64)
}

#[test]
fn gradients_of_each_sample() -> Result<()> {
    let (w1, b1) = (line(-0.5, 0.6, &[3, 2])?, tensor!([0.1, -0.2, 0.3]; DType::F64));
    let w2 = line(0.7, -0.4, &[1, 3])?;
    let xs = tensor!([[1.0, 2.0], [-0.5, 0.3], [0.2, -1.1], [2.0, 0.4]]; DType::F64);
    let ys = tensor!([0.5, -1.0, 0.3, 0.0]; DType::F64);
    let parameters = (w1, b1, w2);
    let loss = |(w1, b1, w2): &(Tensor, Tensor, Tensor), x: &Tensor, y: &Tensor| {
        x.linear(w1, Some(b1))?.tanh()?.linear(w2, None)?.squeeze(0)?.sub(y)?.square()
    };
    let expected: [&[f64]; 3] = [
        &[
            -0.870390978,
            -1.740781956,
            -0.4166387309,
            -0.8332774618,
            0.09917711881,
            0.1983542376,
            -0.6859175999,
            0.4115505599,
            -0.1553067588,
            0.0931840553,
            0.3868866473,
            -0.2321319884,
            -0.009123101994,
            0.05017706097,
            -0.001853089182,
            0.0101919905,
            0.005285676297,
            -0.02907121963,
            -1.060906095,
            -0.212181219,
            -0.5167200192,
            -0.1033440038,
            0.3784817471,
            0.07569634942,
        ],
        &[
            -0.870390978,
            -0.4166387309,
            0.09917711881,
            1.3718352,
            0.3106135177,
            -0.7737732946,
            -0.04561550997,
            -0.009265445911,
            0.02642838148,
            -0.5304530475,
            -0.2583600096,
            0.1892408735,
        ],
        &[
            2.074748334,
            -0.1670557536,
            -2.660744957,
            0.546237652,
            -0.2551465869,
            0.5929715232,
            -0.02136445836,
            0.0264454434,
            0.01978951309,
            1.408809924,
            0.4604532232,
            -1.583646219,
        ],
    ];
    let options = VmapOptions::new().in_dims([None, Some(0), Some(0)]);
    let inputs = (parameters.clone(), xs.clone(), ys.clone());
    for chunk in [None, Some(1), Some(3), Some(100)] {
        let options = options.clone().chunk_size(chunk);
        let (g1, gb, g2) = vmap_with(|(p, x, y)| grad(|p| loss(p, x, y), p), &inputs, &options)?;
        for (ours, theirs) in [&g1, &gb, &g2].iter().zip(expected) {
            close("per sample", &values(ours), theirs, 1e-9);
            assert!(!ours.requires_grad());
        }
        assert_eq!((g1.shape(), gb.shape(), g2.shape()), (&[4, 3, 2][..], &[4, 3][..], &[4, 1, 3][..]));
    }
    // The parameters captured rather than given.
    let (g1, ..) = vmap(|(x, y)| grad(|p| loss(p, x, y), &parameters), &(xs, ys))?;
    close("captured", &values(&g1), expected[0], 1e-9);
    Ok(())
}

#[test]
fn jacobians_and_hessians() -> Result<()> {
    let x = point();
    let jacobian = [-0.7, 0.3, 0.0, 0.0, -1.54, 0.49, 1.040646578, 0.0, 0.2838127031, 1.47, 1.47, 1.47];
    let second = [
        -1.728007439,
        1.213993609,
        -1.063198396,
        1.213993609,
        0.2360020469,
        0.2266659889,
        -1.063198396,
        0.2266659889,
        0.1426913539,
    ];
    for (name, ours) in [("jacrev", jacrev(four, &x)?), ("jacfwd", jacfwd(four, &x)?)] {
        assert_eq!(ours.shape(), [4, 3]);
        close(name, &values(&ours), &jacobian, 1e-9);
    }
    for chunk_size in [Some(1), Some(2), Some(9)] {
        let options = JacobianOptions { chunk_size, ..Default::default() };
        close("chunks", &values(&jacrev_with(four, &x, &options)?), &jacobian, 1e-9);
        close("chunks, forward", &values(&jacfwd_with(four, &x, &options)?), &jacobian, 1e-9);
    }
    let all = [
        ("hessian", hessian(f, &x)?),
        ("forward over reverse", jacfwd(|x| jacrev(f, x), &x)?),
        ("reverse over forward", jacrev(|x| jacfwd(f, x), &x)?),
        ("reverse over reverse", jacrev(|x| jacrev(f, x), &x)?),
        ("forward over forward", jacfwd(|x| jacfwd(f, x), &x)?),
        ("reverse over grad", jacrev(|x| grad(f, x), &x)?),
    ];
    for (name, ours) in all {
        assert_eq!(ours.shape(), [3, 3], "{name}");
        close(name, &values(&ours), &second, 1e-9);
        assert!(!ours.requires_grad(), "{name}");
    }
    let third = jacfwd(|x| jacfwd(four, x), &x)?;
    assert_eq!(third.shape(), [4, 3, 3]);
    let expected = [
        0.0,
        1.0,
        0.0,
        1.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        2.2,
        -1.4,
        0.0,
        -1.4,
        0.0,
        -0.3920920644,
        0.0,
        0.8391081442,
        0.0,
        0.0,
        0.0,
        0.8391081442,
        0.0,
        -0.02916387256,
        4.2,
        4.2,
        4.2,
        4.2,
        4.2,
        4.2,
        4.2,
        4.2,
        4.2,
    ];
    close("second derivatives of four", &values(&third), &expected, 1e-9);
    let t = tensor!([1.0, -2.0, 0.5]; DType::F64);
    let product = [-4.687593855, 0.8553225093, -1.445184697];
    close("jvp of grad", &values(&jvp(|x| grad(f, x), &x, &t)?.1), &product, 1e-9);
    close("grad of jvp", &values(&grad(|x| Ok(jvp(f, x, &t)?.1), &x)?), &product, 1e-9);
    let (_, along) = linearize(|x| grad(f, x), &x)?;
    close("linearize of grad", &values(&along(&t)?), &product, 1e-9);

    let each = vmap(|x| hessian(|x| x.pow(3)?.sum(..)?.mul(&x.select(0, 0)?.exp()?), x), &points())?;
    let expected = [
        2.732114227,
        1.984292447,
        1.984292447,
        -5.669406992,
        45.6603194,
        0.3604999229,
        0.3604999229,
        3.604999229,
        -0.5194980357,
        1.628877712,
        1.628877712,
        3.619728249,
    ];
    close("vmap of hessian", &values(&each), &expected, 1e-9);
    Ok(())
}

/// Of tuples come tuples.
#[test]
fn jacobians_of_several_tensors() -> Result<()> {
    let (a, b) = (tensor!([1.0, 2.0]; DType::F64), tensor!([[3.0], [4.0]]; DType::F64));
    let g = |(a, b): &(Tensor, Tensor)| Ok((a.mul(&b.squeeze(1)?)?, a.sum(..)?));
    for found in [jacrev(g, &(a.clone(), b.clone()))?, jacfwd(g, &(a.clone(), b.clone()))?] {
        let ((product_a, product_b), (sum_a, sum_b)) = found;
        assert_eq!(values(&product_a), [3.0, 0.0, 0.0, 4.0]);
        assert_eq!((product_b.shape(), values(&product_b)), (&[2, 2, 1][..], vec![1.0, 0.0, 0.0, 2.0]));
        assert_eq!((sum_a.shape(), values(&sum_a)), (&[2][..], vec![1.0, 1.0]));
        assert_eq!((sum_b.shape(), values(&sum_b)), (&[2, 1][..], vec![0.0, 0.0]));
    }
    let ((aa, ab), (ba, bb)) = hessian(|(a, b)| a.square()?.mul(&b.squeeze(1)?)?.sum(..), &(a, b))?;
    assert_eq!(values(&aa), [6.0, 0.0, 0.0, 8.0]);
    assert_eq!((ab.shape(), values(&ab)), (&[2, 2, 1][..], vec![2.0, 0.0, 0.0, 4.0]));
    assert_eq!((ba.shape(), values(&ba)), (&[2, 1, 2][..], vec![2.0, 0.0, 0.0, 4.0]));
    assert_eq!(values(&bb), [0.0; 4]);
    let none = Tensor::zeros(0).dtype(DType::F64).build()?;
    assert_eq!(jacrev(|x| x.mul(2), &none)?.shape(), [0, 0]);
    assert_eq!(jacfwd(|x| x.sum(..), &none)?.shape(), [0]);
    Ok(())
}

#[test]
fn dimensions_and_nesting() -> Result<()> {
    let a = Tensor::arange(0, 12).dtype(DType::F64).build()?.div(10)?.reshape([2, 3, 2])?;
    let twice = vmap(|m| vmap(|r| r.softmax(0)?.select(0, 0)?.mul(&r.sum(..)?), m), &a)?;
    let expected = [0.04750208125, 0.2375104063, 0.4275187313, 0.6175270563, 0.8075353813, 0.9975437063];
    close("vmap of vmap", &values(&twice), &expected, 1e-9);

    let options = VmapOptions::new().in_dims([Some(1), None]).out_dims(2);
    let inputs = (a.select(0, 0)?, tensor!([1.0, 2.0]; DType::F64));
    let outer = vmap_with(|(r, c)| r.outer(c), &inputs, &options)?;
    assert_eq!(outer.shape(), [3, 2, 2]);
    close("outer", &values(&outer), &[0.0, 0.1, 0.0, 0.2, 0.2, 0.3, 0.4, 0.6, 0.4, 0.5, 0.8, 1.0], 1e-12);

    let norms = |m: &Tensor| vmap(|r| r.square()?.sum(..)?.sqrt(), m)?.prod(0);
    let composed = vmap(|m| grad(norms, m), &a.add(0.1)?)?;
    let expected = [
        0.174642492,
        0.3492849839,
        0.1047854952,
        0.1397139936,
        0.07157479179,
        0.08588975015,
        1.442185227,
        1.648211688,
        1.157618292,
        1.286242547,
        0.9663807211,
        1.054233514,
    ];
    close("vmap of grad of vmap", &values(&composed), &expected, 1e-9);

    // Through the inner and the outer one; one level alone; several results, one of them shared.
    let table = vmap(|x| vmap(|y| x.mul(y), &tensor!([1.0, 2.0, 3.0])), &tensor!([1.0, 10.0]))?;
    assert_eq!((table.shape(), table.to_vec::<f32>()?), (&[2, 3][..], vec![1.0, 2.0, 3.0, 10.0, 20.0, 30.0]));
    let (own, shared) = vmap(|x| Ok((x.add(1)?, Tensor::ones(2).build()?)), &tensor!([1.0, 2.0]))?;
    assert_eq!((own.to_vec::<f32>()?, shared.shape()), (vec![2.0, 3.0], &[2, 2][..]));
    let options = VmapOptions::new().out_dims([Some(0), None]);
    let (_, shared) = vmap_with(|x| Ok((x.add(1)?, Tensor::ones(2).build()?)), &tensor!([1.0, 2.0]), &options)?;
    assert_eq!(shared.shape(), [2]);
    // No sample.
    let none = vmap(|x| x.square()?.sum(..), &Tensor::zeros([0, 3]).build()?)?;
    assert_eq!(none.shape(), [0]);
    Ok(())
}

/// A sample that is an inner dimension of its tensor makes results in rows, alone as among others.
#[test]
fn views_of_what_was_made_of_inner_dimensions() -> Result<()> {
    let x = line(-1.0, 1.0, &[3, 5, 4])?;
    for dim in [0, 1, 2] {
        let flat = |x: &Tensor| x.mul(2.0)?.view([-1])?.exp();
        let batched = vmap_with(flat, &x, &VmapOptions::new().in_dims(dim))?;
        let alone = x.unbind(dim)?.iter().map(flat).collect::<Result<Vec<_>>>()?;
        assert!(batched.equal(&stack(&alone, 0)?)?, "dimension {dim}");
    }
    Ok(())
}

/// The gradient of what is computed inside, by something outside.
#[test]
fn a_gradient_through_everything() -> Result<()> {
    let w = tensor!([[0.5, -0.3], [0.2, 0.8]]; DType::F64).requires_grad_()?;
    let expected = [2.42557037, 2.203376017, 2.396973156, 0.7547927797];
    let inner = |w: &Tensor, x: &Tensor| grad(|x| w.mv(x)?.tanh()?.sum(..), x);
    let each = vmap(|x| inner(&w, x), &points())?;
    assert!(each.requires_grad());
    each.square()?.sum(..)?.backward()?;
    close("backward", &values(&w.grad().unwrap()), &expected, 1e-9);

    let loss = |w: &Tensor| vmap(|x| inner(w, x), &points())?.square()?.sum(..);
    close("grad", &values(&grad(loss, &w.detach())?), &expected, 1e-9);
    let (_, along) = jvp(loss, &w.detach(), &tensor!([[1.0, 0.0], [0.0, 2.0]]; DType::F64))?;
    close("jvp", &values(&along), &[expected[0] + 2.0 * expected[3]], 1e-9);
    let rows = jacrev(|w| vmap(|x| inner(w, x), &points()), &w.detach())?;
    let columns = jacfwd(|w| vmap(|x| inner(w, x), &points()), &w.detach())?;
    assert_eq!(rows.shape(), [3, 2, 2, 2]);
    close("jacobians", &values(&rows), &values(&columns), 1e-9);
    Ok(())
}

#[test]
fn convolution_with_a_kernel_for_each_sample() -> Result<()> {
    let wave =
        |n: usize, f: fn(&Tensor) -> Result<Tensor>| f(&Tensor::arange(0, n as i64).dtype(DType::F64).build()?);
    let images = wave(64, Tensor::sin)?.reshape([2, 1, 2, 4, 4])?;
    let kernel = wave(24, Tensor::cos)?.reshape([3, 2, 2, 2])?;
    let own = |x: &Tensor| grad(|k| x.conv2d(k, None, ConvOptions::new().stride(2))?.square()?.sum(..), &kernel);
    let each = vmap(own, &images)?;
    assert_eq!(each.shape(), [2, 3, 2, 2, 2]);
    close("sums", &values(&each.sum([1, 2, 3, 4])?), &[2.122989414724729, 2.167637891225636], 1e-9);
    let theirs = [8.465042824351283, 11.430040499912844, -11.699595424139108, -5.412162564858243];
    close("one", &values(&each.select(0, 1)?.select(0, 2)?.select(0, 1)?), &theirs, 1e-9);
    Ok(())
}

#[test]
fn random_numbers() -> Result<()> {
    let xs = Tensor::zeros([3, 4]).build()?;
    let noisy = |x: &Tensor| x.add(&Tensor::randn(4).build()?);
    let e = vmap(noisy, &xs).unwrap_err();
    assert!(e.to_string().contains("randomness") && e.to_string().contains("vmap.rs"), "{e}");
    let rows = |x: Tensor| (0..3).map(|i| x.select(0, i)?.to_vec::<f32>()).collect::<Result<Vec<_>>>();
    for chunk in [None, Some(2)] {
        let options = VmapOptions::new().chunk_size(chunk);
        manual_seed(3);
        let same = rows(vmap_with(noisy, &xs, &options.clone().randomness(Randomness::Same))?)?;
        assert!(same[0] == same[1] && same[1] == same[2]);
        let different = rows(vmap_with(noisy, &xs, &options.clone().randomness(Randomness::Different))?)?;
        assert!(different[0] != different[1] && different[1] != different[2] && different[0] != different[2]);
        // In place, and of what is like a sample.
        let filled = |x: &Tensor| {
            let own = x.copy()?;
            own.uniform_(0.0, 1.0)?;
            own.add(&x.rand_like()?)
        };
        let filled = rows(vmap_with(filled, &xs, &options.clone().randomness(Randomness::Different))?)?;
        assert!(filled[0] != filled[1] && filled[1] != filled[2]);
    }
    // As PyTorch draws them: all at once.
    manual_seed(5);
    let different = VmapOptions::new().randomness(Randomness::Different);
    let ours = vmap_with(noisy, &xs, &different)?;
    manual_seed(5);
    assert_eq!(ours.to_vec::<f32>()?, Tensor::randn([3, 4]).build()?.to_vec::<f32>()?);
    // Into what all share.
    let shared = Tensor::zeros(4).build()?;
    let e = vmap_with(|x| x.add(shared.uniform_(0.0, 1.0)?), &xs, &different).unwrap_err();
    assert!(e.to_string().contains("share"), "{e}");
    Ok(())
}

#[test]
fn what_is_refused() -> Result<()> {
    let xs = points();
    let message = |e: flambeau_tensor::Error| e.to_string();
    for e in [
        vmap(|x| Ok(tensor!(x.sum(..)?.item::<f64>()?)), &xs).unwrap_err(),
        vmap(|x| Ok(if x.sum(..)?.to_vec::<f64>()?[0] > 0.0 { x.clone() } else { x.neg()? }), &xs).unwrap_err(),
        vmap(|x| x.i(x.gt(0)?), &xs).unwrap_err(),
    ] {
        assert_eq!(e.kind(), ErrorKind::Unsupported);
        let text = message(e);
        assert!(text.contains("looks at the values") && text.contains("vmap.rs"), "{text}");
    }
    let shared = Tensor::zeros(2).dtype(DType::F64).build()?;
    let e = message(vmap(|x| Ok(shared.add_(x)?.clone()), &xs).unwrap_err());
    assert!(e.contains("cannot be written into") && e.contains("vmap.rs"), "{e}");
    let e = message(vmap(|x| Ok(Tensor::zeros(2).dtype(DType::F64).build()?.copy_(x)?.clone()), &xs).unwrap_err());
    assert!(e.contains("cannot be written into"), "{e}");
    assert_eq!(values(&shared), [0.0, 0.0]);
    Ok(())
}

#[test]
fn arguments_that_do_not_fit() -> Result<()> {
    let (a, b) = (Tensor::zeros([2, 3]).build()?, Tensor::zeros([3, 2]).build()?);
    let tried = |options: VmapOptions| match vmap_with(|(a, b)| a.add(b), &(a.clone(), b.clone()), &options) {
        Ok(sum) => panic!("it gave {:?}", sum.shape()),
        Err(e) => e.to_string(),
    };
    let o = VmapOptions::new;
    assert!(tried(o()).contains("input 1 has 3 samples, the ones before it have 2"));
    assert!(tried(o().in_dims(2)).contains("has no dimension 2"));
    assert!(tried(o().in_dims([0, 1, 0])).contains("`in_dims` has 3 entries"));
    assert!(tried(o().in_dims(None)).contains("no input is mapped over"));
    assert!(tried(o().in_dims([0, 1]).out_dims(None)).contains("differs between the samples"));
    assert!(tried(o().in_dims([0, 1]).out_dims(2)).contains("out of range"));
    assert!(tried(o().in_dims([0, 1]).chunk_size(0)).contains("chunk of 0"));

    let x = point();
    let e = grad(|x| x.mul(2), &x).unwrap_err().to_string();
    assert!(e.contains("one real number"), "{e}");
    let e = grad(|x| x.sum(..), &tensor!([1, 2])).unwrap_err().to_string();
    assert!(e.contains("has no derivatives"), "{e}");
    let (_, back) = vjp(|x| x.mul(2), &x)?;
    let e = back(&tensor!([1.0]; DType::F64)).unwrap_err().to_string();
    assert!(e.contains("gradient 0 has shape [1]"), "{e}");
    Ok(())
}

/// What is on a tape outside is kept, what is on the transform's own is not.
#[test]
fn tapes_do_not_leak() -> Result<()> {
    let x = point();
    let (by, value) = grad_and_value(f, &x)?;
    assert!(!by.requires_grad() && !value.requires_grad());
    let y = x.requires_grad_()?;
    let (by, value) = grad_and_value(f, &y)?;
    assert!(by.requires_grad() && value.requires_grad());
    let (by, value) = no_grad(|| grad_and_value(f, &y))?;
    assert!(!by.requires_grad() && !value.requires_grad());
    let by = grad(|x| no_grad(|| x.square())?.mul(x)?.sum(..), &y.detach())?;
    close("no_grad inside", &values(&by), &values(&y.square()?), 1e-12);
    // A function that does not depend on its input.
    assert_eq!(values(&grad(|_| Ok(tensor!(1.0; DType::F64)), &y.detach())?), [0.0; 3]);
    // One that is called with the same tensor as it captures.
    let by = grad(|x| x.mul(&y)?.sum(..), &y)?;
    close("captured", &values(&by), &values(&y), 1e-12);
    assert!(y.grad().is_none());
    Ok(())
}

#[test]
fn in_place_ops() -> Result<()> {
    let xs = points();
    let step = |x: &Tensor| {
        let y = x.mul(2)?;
        y.select(0, 0)?.mul_(&x.select(0, 1)?)?;
        y.add_(x)?.square()?.sum(..)
    };
    let by_loop = |g: &dyn Fn(&Tensor) -> Result<Tensor>| {
        stack(&(0..3).map(|i| g(&xs.select(0, i)?)).collect::<Result<Vec<_>>>()?, 0)
    };
    close("value", &values(&vmap(step, &xs)?), &values(&by_loop(&step)?), 1e-12);
    let gradient = |x: &Tensor| grad(step, x);
    close("gradient", &values(&vmap(gradient, &xs)?), &values(&by_loop(&gradient)?), 1e-12);
    let second = |x: &Tensor| hessian(step, x);
    close("hessian", &values(&vmap(second, &xs)?), &values(&by_loop(&second)?), 1e-12);
    // The sample itself is a part of the input.
    let own = xs.copy()?;
    vmap(|x| Ok(x.mul_(3)?.clone()), &own)?;
    close("input", &values(&own), &values(&xs.mul(3)?), 1e-12);
    Ok(())
}

/// x², whose derivative says it is 5.
struct Five;

impl Function for Five {
    fn forward(&self, ctx: &mut Context<'_>, x: &Tensor) -> Result<Tensor> {
        ctx.save(x);
        x.square()
    }
    fn backward(&self, ctx: &Context<'_>, grad: &Tensor) -> Result<Tensor> {
        grad.mul(&ctx.saved(0)?.mul(0)?.add(5)?)
    }
}

#[test]
fn functions_of_ones_own() -> Result<()> {
    let xs = points();
    let each = vmap(|x| grad(|x| Five.apply(x)?.sum(..), x), &xs)?;
    assert_eq!(values(&each), [5.0; 6]);
    let through = |xs: &Tensor| vmap(|x| Five.apply(x), xs)?.sum(..);
    assert_eq!(values(&grad(through, &xs)?), [5.0; 6]);
    assert_eq!(values(&jvp(through, &xs, &xs.ones_like()?)?.1), [30.0]);
    Ok(())
}

/// What is drawn by rejection, with a generator of its own.
const DRAWS: [fn(&Tensor, &Generator) -> Result<Tensor>; 4] = [
    |x, g| x.poisson(Some(g)),
    |x, g| x.round()?.binomial(0.3, Some(g)),
    |x, g| x.standard_gamma(Some(g)),
    |x, g| x.sample_dirichlet(Some(g)),
];

#[test]
fn draws_by_rejection_are_those_of_all_samples() -> Result<()> {
    let x = line(0.5, 30.0, &[3, 4])?;
    let seeded = || Generator::with_seed(5);
    let options = |randomness| VmapOptions::new().randomness(randomness);
    for draw in DRAWS {
        let inside = vmap_with(|x: &Tensor| draw(x, &seeded()), &x, &options(Randomness::Different))?;
        assert_eq!(values(&inside), values(&draw(&x, &seeded())?));
        for randomness in [Randomness::Error, Randomness::Same] {
            assert!(vmap_with(|x: &Tensor| draw(x, &seeded()), &x, &options(randomness)).is_err());
        }
        // The gradients of samples pass, implicit ones.
        let whole = x.detach().requires_grad_()?;
        let squared = |x: &Tensor| draw(x, &seeded())?.square()?.sum(..);
        squared(&whole)?.backward()?;
        let inside = vmap_with(|x: &Tensor| grad(squared, x), &x, &options(Randomness::Different))?;
        let right = whole.grad().unwrap_or(x.zeros_like()?);
        close("gradient of a sample", &values(&inside), &values(&right), 1e-12);
    }
    // Of a single number for each sample there are no shares, though all samples together look like a row.
    let numbers = line(1.0, 2.0, &[3])?;
    let shares = vmap_with(|x: &Tensor| x.sample_dirichlet(None), &numbers, &options(Randomness::Different));
    assert!(shares.is_err());
    Ok(())
}
