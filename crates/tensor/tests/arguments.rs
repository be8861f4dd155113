//! Arguments that nobody means: sizes beyond memory, counts that wrap, tensors without elements. Each gives
//! PyTorch's result or an error, soon and in little memory.

use flambeau_tensor::shape::Spatial;
use flambeau_tensor::*;

fn zeros(shape: &[usize]) -> Tensor {
    Tensor::zeros(shape).build().unwrap()
}

fn ramp(shape: &[usize]) -> Tensor {
    let n = shape.iter().product::<usize>();
    Tensor::arange(1, n as i64 + 1).dtype(DType::F32).build().unwrap().reshape(shape).unwrap()
}

fn numbers(x: &Tensor) -> Vec<f32> {
    x.to_vec().unwrap()
}

#[test]
fn a_convolution_takes_memory_by_what_it_reads() {
    let far = ConvOptions::new().padding(1usize << 61).dilation(1usize << 62);
    let y = zeros(&[1, 1, 1]).conv1d(&zeros(&[1, 1, 2]), None, far).unwrap();
    assert_eq!((y.shape(), numbers(&y)), (&[1, 1, 1][..], vec![0.0]));
    // One pixel amid taps that all miss it, and one that a tap meets.
    let apart = ConvOptions::new().padding(10_000).dilation(20_000);
    let y = ramp(&[1, 1, 1, 1]).conv2d(&ramp(&[1, 1, 2, 2]), Some(&ramp(&[1])), apart).unwrap();
    assert_eq!((y.shape(), numbers(&y)), (&[1, 1, 1, 1][..], vec![1.0]));
    let meets = ConvOptions::new().padding(1usize << 40).dilation(1usize << 40).stride(1usize << 41);
    let (x, w) = (ramp(&[1, 2, 1]), ramp(&[2, 2, 3]));
    assert_eq!(numbers(&x.conv1d(&w, None, meets).unwrap()), [2.0 + 2.0 * 5.0, 8.0 + 2.0 * 11.0]);
    // A stride beyond the input, and no elements at all.
    let once = ConvOptions::new().stride(1usize << 40);
    assert_eq!(numbers(&ramp(&[1, 1, 5]).conv1d(&ramp(&[1, 1, 2]), None, once).unwrap()), [5.0]);
    assert_eq!(zeros(&[0, 1, 5]).conv1d(&zeros(&[3, 1, 2]), None, once).unwrap().shape(), [0, 3, 1]);
    let none = ramp(&[2]);
    let y = zeros(&[1, 0, 5]).conv1d(&zeros(&[2, 0, 2]), Some(&none), once).unwrap();
    assert_eq!(numbers(&y), [1.0, 2.0]);
    assert!(zeros(&[1, 1, 5]).conv1d(&zeros(&[1, 1, 2]), None, ConvOptions::new().padding(usize::MAX)).is_err());
    assert!(zeros(&[1, 1, 5]).conv1d(&zeros(&[1, 1, 2]), None, ConvOptions::new().dilation(usize::MAX)).is_err());
    let same = ConvOptions { padding: Padding::Same, dilation: (isize::MAX).into(), ..ConvOptions::new() };
    assert!(zeros(&[1, 1, 5]).conv1d(&zeros(&[1, 1, 3]), None, same).is_err());
    for dtype in [DType::I32, DType::F16, DType::Complex64] {
        let cast = |x: Tensor| x.to_dtype(dtype).unwrap();
        let y = cast(ramp(&[1, 2, 1])).conv1d(&cast(ramp(&[2, 2, 3])), None, meets).unwrap();
        assert_eq!(numbers(&y.to_dtype(DType::F32).unwrap()), [12.0, 30.0], "{dtype}");
    }
}

#[test]
fn gradients_of_a_convolution_go_where_taps_lead() {
    // Few of the phases of a long stride have taps.
    let long = ConvTransposeOptions::new().stride(1usize << 20);
    let y = numbers(&ramp(&[1, 1, 2]).conv_transpose1d(&ramp(&[1, 1, 2]), None, long).unwrap());
    let found: Vec<(usize, f32)> = y.iter().copied().enumerate().filter(|(_, v)| *v != 0.0).collect();
    assert_eq!((y.len(), found), ((1 << 20) + 2, vec![(0, 1.0), (1, 2.0), (1 << 20, 2.0), ((1 << 20) + 1, 4.0)]));
    let far = Spatial::from_slice(&[1 << 40]).unwrap();
    let conv = Conv { stride: far, padding: 0.into(), end: 0.into(), dilation: 1.into(), groups: 1 };
    let (x, w, g) = (ramp(&[1, 1, 5]), ramp(&[1, 1, 3]), ramp(&[1, 1, 1]));
    assert_eq!(
        numbers(&dispatch(ConvInputGrad { conv, size: 5.into(), transposed: false }, &[&g, &w]).unwrap()),
        [1.0, 2.0, 3.0, 0.0, 0.0]
    );
    assert_eq!(numbers(&dispatch(ConvWeightGrad { conv, kernel: 3.into() }, &[&x, &g]).unwrap()), [1.0, 2.0, 3.0]);
    let apart = Spatial::from_slice(&[1 << 40]).unwrap();
    let conv = Conv { stride: 1.into(), padding: apart, end: apart, dilation: apart, groups: 1 };
    let x = ramp(&[1, 1, 1]);
    assert_eq!(numbers(&dispatch(ConvWeightGrad { conv, kernel: 3.into() }, &[&x, &g]).unwrap()), [0.0, 1.0, 0.0]);
    assert_eq!(
        numbers(&dispatch(ConvInputGrad { conv, size: 1.into(), transposed: false }, &[&g, &w]).unwrap()),
        [2.0]
    );
}

#[test]
fn ranks_of_zero_are_ranks() {
    let (x, scalar) = (ramp(&[3]), ramp(&[]));
    let error = x.matmul(&scalar).unwrap_err();
    assert_eq!(error.message(), "cannot multiply [3] by []: both need at least one dimension");
    assert!(scalar.matmul(&x).is_err() && scalar.matmul(&scalar).is_err() && ramp(&[2, 2]).matmul(&scalar).is_err());
    assert!(x.tensordot(&scalar, 0, 0).is_err() && scalar.tensordot(&scalar, [0], [0]).is_err());
    assert_eq!(numbers(&scalar.topk(1).unwrap().values), [1.0]);
    assert!(dispatch_all(Topk { k: 2, largest: true }.into(), &[&scalar]).is_err());
}

#[test]
fn views_have_as_many_elements_as_can_be_counted() {
    let error = zeros(&[1]).expand([4, 1usize << 62]).unwrap_err();
    assert_eq!(error.message(), "shape [4, 4611686018427387904] has more elements than can be counted");
    assert_eq!(zeros(&[1]).expand([4, 1usize << 60]).unwrap().numel(), 1 << 62);
    for shape in [&[1usize << 40, 1 << 40, 0][..], &[0, 1 << 40, 1 << 40]] {
        // As PyTorch: without elements, too, strides must be there.
        assert!(Tensor::zeros(shape).build().is_err() && zeros(&[0]).reshape(shape).is_err());
        assert!(zeros(&[1, 1, 0]).expand(shape).is_err() && zeros(&[1]).as_strided(shape, [0, 0, 0], 0).is_err());
    }
    assert_eq!(zeros(&[1 << 62, 0]).sum(1).map(|y| y.numel()).unwrap_err().kind(), ErrorKind::Memory);
    assert_eq!(numbers(&zeros(&[1 << 62, 0]).sum(0).unwrap()), [0.0; 0]);
    assert_eq!(numbers(&ramp(&[3]).unfold(0, 2, usize::MAX).unwrap().copy().unwrap()), [1.0, 2.0]);
    assert_eq!(numbers(&ramp(&[3]).slice(0, 1, isize::MAX, usize::MAX).unwrap().copy().unwrap()), [2.0]);
    assert!(ramp(&[3]).select(0, isize::MIN).is_err() && ramp(&[3]).i(usize::MAX).is_err());
    assert!(ramp(&[3]).view([usize::MAX]).is_err() && ramp(&[3]).expand([usize::MAX]).is_err());
    assert!(ramp(&[6]).unflatten(0, [1i64 << 40, 1 << 40, -1]).is_err());
    assert!(ramp(&[6]).split_with_sizes(&[usize::MAX, 7], 0).is_err());
}

#[test]
fn lists_by_an_argument_end_in_an_error() {
    let (none, one) = (zeros(&[0]), ramp(&[1]));
    let huge = 1usize << 40;
    assert!(
        none.chunk(usize::MAX, 0).is_err()
            && zeros(&[huge, 0]).unbind(0).is_err()
            && zeros(&[huge, 0]).split(1, 0).is_err()
    );
    assert_eq!(none.chunk(5, 0).unwrap().len(), 5);
    assert!(Tensor::hann_window(huge, true, DType::F32).is_err());
    let error = ramp(&[40]).combinations(20, false).unwrap_err();
    assert!(error.to_string().contains("arguments.rs") && one.combinations(huge, true).is_err(), "{error}");
    assert_eq!(ramp(&[3]).combinations(5, false).unwrap().shape(), [0, 5]);
    assert_eq!(numbers(&ramp(&[3]).combinations(2, false).unwrap()), [1.0, 2.0, 1.0, 3.0, 2.0, 3.0]);
    assert_eq!(numbers(&ramp(&[2]).combinations(2, true).unwrap()), [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
    for (rows, columns, offset) in [(huge, 0, 0), (0, huge, 0), (huge, 1, -(1 << 40)), (1, huge, isize::MIN)] {
        assert_eq!(Tensor::tril_indices(rows, columns, offset).unwrap().shape(), [2, 0]);
    }
    assert_eq!(Tensor::triu_indices(huge, huge, 1 << 40).unwrap().shape(), [2, 0]);
    assert!(
        Tensor::tril_indices(huge, huge, 0).is_err()
            && Tensor::triu_indices(usize::MAX, usize::MAX, isize::MIN).is_err()
    );
    let lower = Tensor::tril_indices(5, 3, -1).unwrap().to_vec::<i64>().unwrap();
    assert_eq!(lower, [1, 2, 2, 3, 3, 3, 4, 4, 4, 0, 0, 1, 0, 1, 2, 0, 1, 2]);
    let upper = Tensor::triu_indices(5, 3, -1).unwrap().to_vec::<i64>().unwrap();
    assert_eq!(upper, [0, 0, 0, 1, 1, 1, 2, 2, 3, 0, 1, 2, 0, 1, 2, 1, 2, 2]);
    assert!(ramp(&[2]).repeat_interleave_each(&Tensor::new([1i64 << 40, 1]).unwrap(), None).is_err());
    let times = Tensor::new([3i64, 1]).unwrap();
    assert_eq!(zeros(&[2, 0]).repeat_interleave_each(&times, Some(0)).unwrap().shape(), [4, 0]);
    assert!(ramp(&[2]).repeat_interleave(usize::MAX, None).is_err() && ramp(&[2]).repeat([usize::MAX, 2]).is_err());
    assert!(Tensor::new([i64::MAX]).unwrap().one_hot(None).is_err());
    let giant = ramp(&[1]).expand([1usize << 62]).unwrap();
    assert!(cat(&[&giant, &giant, &giant, &giant], 0).is_err() && cartesian_prod(&[&giant, &giant]).is_err());
    let wide = zeros(&[0, 1 << 62]);
    assert!(ramp(&[1, 1]).diag_embed(isize::MIN, 0, 1).is_err() && block_diag(&[&wide; 5]).is_err());
}

#[test]
fn windows_over_nothing_have_no_tables() {
    let huge = 1usize << 40;
    assert_eq!(zeros(&[0, 5]).rfft(Some(huge), 1).unwrap().shape(), [0, huge / 2 + 1]);
    assert_eq!(zeros(&[0, 5]).irfft(Some(huge), 1).unwrap().shape(), [0, huge]);
    assert!(ramp(&[5]).rfft(Some(huge), 0).is_err() && ramp(&[5]).stft(huge, &StftOptions::new()).is_err());
    assert!(zeros(&[0]).stft(huge, &StftOptions::new()).is_err());
    assert_eq!(zeros(&[0, 2, huge]).max_pool1d(3).unwrap().shape(), [0, 2, (huge - 3) / 3 + 1]);
    assert_eq!(zeros(&[0, 2, huge]).avg_pool1d(1).unwrap().shape(), [0, 2, huge]);
    assert_eq!(zeros(&[0, 2, 5]).adaptive_max_pool1d(huge).unwrap().shape(), [0, 2, huge]);
    assert!(ramp(&[1, 2, 5]).adaptive_max_pool1d(huge).is_err() && ramp(&[1, 2, 5]).adaptive_avg_pool1d(huge).is_err());
    assert_eq!(zeros(&[0, 2, 5]).pad_with(&[1 << 40, 1], PadMode::Replicate).unwrap().shape(), [0, 2, huge + 6]);
    assert!(ramp(&[1, 2, 5]).pad_with(&[1 << 40, 1], PadMode::Replicate).is_err());
    assert!(
        ramp(&[5]).pad(&[isize::MAX, isize::MAX], 0).is_err() && ramp(&[5]).pad(&[isize::MIN, isize::MIN], 0).is_err()
    );
    // A window whose elements all lie beside the input has no place; no gradient goes there.
    let beside = MaxPoolOptions::new(2).padding(5).dilation(10);
    let ValuesIndices { values, indices: places } = ramp(&[1, 1, 1]).max_pool1d_with_indices(beside).unwrap();
    assert_eq!((numbers(&values)[0], places.item::<i64>().unwrap()), (f32::NEG_INFINITY, -1));
    let back = dispatch(MaxPoolBackward { size: 1.into() }, &[&values, &places]).unwrap();
    assert_eq!(numbers(&back), [0.0]);
}

#[test]
fn padding_by_its_own_elements_follows_each_mode() {
    // torch.nn.functional.pad
    let x = ramp(&[1, 5]);
    let pad = |pads: &[isize], mode| numbers(&x.pad_with(pads, mode).unwrap());
    assert_eq!(pad(&[2, 3], PadMode::Reflect), [3.0, 2.0, 1.0, 2.0, 3.0, 4.0, 5.0, 4.0, 3.0, 2.0]);
    assert_eq!(pad(&[-1, 2], PadMode::Reflect), [2.0, 3.0, 4.0, 5.0, 4.0, 3.0]);
    assert_eq!(pad(&[2, -4], PadMode::Reflect), [3.0, 2.0, 1.0]);
    assert_eq!(pad(&[2, 1], PadMode::Replicate), [1.0, 1.0, 1.0, 2.0, 3.0, 4.0, 5.0, 5.0]);
    assert_eq!(pad(&[-2, 1], PadMode::Replicate), [3.0, 4.0, 5.0, 5.0]);
    assert_eq!(pad(&[2, 1], PadMode::Circular), [4.0, 5.0, 1.0, 2.0, 3.0, 4.0, 5.0, 1.0]);
    assert!(x.pad_with(&[5, 0], PadMode::Reflect).is_err() && x.pad_with(&[6, 0], PadMode::Circular).is_err());
    assert!(x.pad_with(&[-9, 1], PadMode::Replicate).is_err());
}

#[test]
fn settings_beyond_reason_are_cut_to_what_there_is() {
    let before = get_num_threads();
    set_num_threads(100_000);
    assert!((1..=1024).contains(&get_num_threads()));
    assert_eq!(ramp(&[3]).sum(..).unwrap().item::<f32>().unwrap(), 6.0);
    set_num_threads(before);
    let third = Tensor::new([1.0f64 / 3.0]).unwrap();
    for precision in [65_536, usize::MAX] {
        let text = PrintOptions { precision, edgeitems: usize::MAX, threshold: 0, ..PrintOptions::default() };
        set_print_options(text);
        let (printed, halves) = (third.to_string(), Tensor::new([0.5f32, 0.25]).unwrap().to_string());
        set_print_options(PrintOptions::default());
        assert!(printed.starts_with("tensor([0.33333333333333331482961625624739") && printed.len() < 1200, "{printed}");
        assert!(halves.contains("0.5000") && halves.contains("0.2500"));
    }
}

#[test]
fn an_expanded_input_is_copied_only_where_there_is_memory() {
    let giant = ramp(&[1, 1]).expand([1, 1usize << 60]).unwrap();
    assert!(giant.median(1).is_err() && giant.topk(1).is_err() && giant.sort(1, true).is_err());
    let once = ConvOptions::new().stride(1usize << 60);
    assert!(giant.unsqueeze(0).unwrap().conv1d(&ramp(&[1, 1, 1]), None, once).is_err());
    assert!(giant.max_pool1d(MaxPoolOptions::new(1).stride(1usize << 60)).is_err());
    // What is read where it lies costs nothing.
    let picked = giant.index_select(1, &Tensor::new([0i64, (1 << 60) - 1]).unwrap()).unwrap();
    assert_eq!(numbers(&picked), [1.0, 1.0]);
    assert_eq!(numbers(&giant.gather(1, &Tensor::new([[5i64]]).unwrap()).unwrap()), [1.0]);
}
