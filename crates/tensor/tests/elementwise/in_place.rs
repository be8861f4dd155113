//! In-place forms give what the others give, and what does not fit the tensor is an error and changes nothing.

use flambeau_tensor::{DType, Reduce, Result, Tensor, tensor};

type Out = Box<dyn Fn(&Tensor) -> Result<Tensor>>;
type In = Box<dyn Fn(&Tensor) -> Result<()>>;

macro_rules! both {
    ($($x:ident: $out:expr, $into:expr;)*) => {
        vec![$((stringify!($into), Box::new(|$x: &Tensor| $out) as Out, Box::new(|$x: &Tensor| $into.map(drop)) as In)),*]
    };
}

fn y() -> Tensor {
    tensor!([[0.5, 2.0], [1.5, 1.0]])
}

fn index() -> Tensor {
    tensor!([1i64, 0])
}

fn mask() -> Tensor {
    tensor!([[true, false], [false, true]])
}

#[test]
fn in_place_is_the_same_in_the_tensor_itself() {
    let all = both! {
        x: x.abs(), x.abs_();
        x: x.sinc(), x.sinc_();
        x: x.lgamma(), x.lgamma_();
        x: x.digamma(), x.digamma_();
        x: x.polygamma(1), x.polygamma_(1);
        x: x.mvlgamma(1), x.mvlgamma_(1);
        x: x.i0(), x.i0_();
        x: x.logical_not()?.to_dtype(DType::F32), x.logical_not_();
        x: x.nan_to_num(None, None, None), x.nan_to_num_(None, None, None);
        x: x.gt(1.0)?.to_dtype(DType::F32), x.gt_(1.0);
        x: x.hypot(&y()), x.hypot_(&y());
        x: x.igamma(&y()), x.igamma_(&y());
        x: x.xlogy(2.0), x.xlogy_(2.0);
        x: x.copysign(-1.0), x.copysign_(-1.0);
        x: x.addcmul(&y(), &y(), 2.0), x.addcmul_(&y(), &y(), 2.0);
        x: x.lerp(&y(), 0.3), x.lerp_(&y(), 0.3);
        x: x.addmm(&y(), &y(), 0.5, 2.0), x.addmm_(&y(), &y(), 0.5, 2.0);
        x: x.cumsum(0), x.cumsum_(0);
        x: x.tril(0), x.tril_(0);
        x: x.clamp_min(1.2), x.clamp_min_(1.2);
        x: x.index_add(0, &index(), &y(), 1.0), x.index_add_(0, &index(), &y(), 1.0);
        x: x.index_fill(1, &tensor!([0i64]), 3.0), x.index_fill_(1, &tensor!([0i64]), 3.0);
        x: x.masked_scatter(&mask(), &y()), x.masked_scatter_(&mask(), &y());
        x: x.scatter_reduce(0, &tensor!([[1i64, 0]]), &y(), Reduce::Amax, true),
            x.scatter_reduce_(0, &tensor!([[1i64, 0]]), &y(), Reduce::Amax, true);
    };
    for (name, out, into) in all {
        let values = tensor!([[1.25f32, 0.75], [2.5, 3.0]]);
        let right = out(&values).unwrap();
        // A view of every other column.
        let wide = Tensor::zeros([2, 4]).build().unwrap();
        let view = wide.slice(1, 0, 4, 2).unwrap();
        view.copy_(&values).unwrap();
        into(&view).unwrap();
        assert!(view.equal(&right).unwrap(), "{name}: {view}, not {right}");
        assert_eq!(wide.slice(1, 1, 4, 2).unwrap().sum(..).unwrap().item::<f32>().unwrap(), 0.0, "{name}");
    }
}

#[test]
fn what_does_not_fit_is_an_error() {
    let x = tensor!([1i64, 2]);
    let text = x.sinc_().unwrap_err().to_string();
    assert!(text.contains("sinc_") && text.contains("float32") && text.contains("int64"), "{text}");
    let text = tensor!([1.0]).hypot_(&tensor!([1.0, 2.0])).unwrap_err().to_string();
    assert!(text.contains("hypot_") && text.contains("[2]"), "{text}");
    assert_eq!(x.to_vec::<i64>().unwrap(), [1, 2]);
    x.lcm_(&tensor!([4i64, 3])).unwrap();
    assert_eq!(x.to_vec::<i64>().unwrap(), [4, 6]);
}
