use crate::{compare, gpu, numbers, on_device};
use flambeau_tensor::*;

fn check(what: &str, inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let gpu = gpu();
    on_device(what, || compare(&gpu, what, inputs, 0.0, f));
}

#[test]
fn tensors_are_joined_turned_and_padded() {
    for dtype in [DType::F32, DType::F64, DType::BF16, DType::I64, DType::U8, DType::Bool] {
        let (a, b) = (numbers(&[3, 4, 5], dtype, 1), numbers(&[3, 2, 5], dtype, 2));
        let what = |name: &str| format!("{name} {dtype}");
        check(&what("cat"), &[a.clone(), b.clone()], |x| cat(&[&x[0], &x[1], &x[0]], 1));
        check(&what("stack"), &[a.clone()], |x| stack(&[&x[0], &x[0]], -1));
        check(&what("flip"), &[a.clone()], |x| x[0].flip([0, 2]));
        check(&what("roll"), &[a.clone()], |x| x[0].roll(2, 1));
        let value = if dtype == DType::Bool { Scalar::Bool(true) } else { Scalar::Int(7) };
        check(&what("pad"), &[a.clone()], |x| {
            dispatch(Pad { pads: [(1, 2), (-1, 0), (0, 3)].into_iter().collect(), value }, &[&x[0]])
        });
        check(&what("crop"), &[a.clone()], |x| {
            dispatch(Pad { pads: [(-1, 0), (-1, -1), (0, -3)].into_iter().collect(), value }, &[&x[0]])
        });
        check(&what("tril"), &[a.clone()], |x| x[0].tril(0));
        check(&what("repeat"), &[b], |x| x[0].repeat([2, 1, 2]));
    }
}

#[test]
fn views_are_written_back() {
    let x = numbers(&[6, 8], DType::F32, 3);
    let base = Layout::contiguous(vec![6, 8]);
    let view = base.slice(0, 1, 3, 2).slice(1, 2, 4, 1);
    let source = numbers(&[3, 4], DType::F32, 4);
    let scatter = AsStridedScatter { base: base.clone(), view: view.clone() };
    check("as_strided_scatter", &[x.clone(), source.clone()], |x| dispatch(scatter.clone(), &[&x[0], &x[1]]));
    let turned = AsStridedScatter { base: base.permute(&[1, 0]), view: view.clone() };
    check("of a transposed base", &[numbers(&[8, 6], DType::F32, 5), source.clone()], |x| {
        dispatch(turned.clone(), &[&x[0], &x[1]])
    });
    let backward = AsStridedBackward { base, view };
    check("as_strided_backward", &[source], |x| dispatch(backward.clone(), &[&x[0]]));
}
