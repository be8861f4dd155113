//! Other sizes: bytes are PyTorch's to the bit, numbers PyTorch's values, places PyTorch's where a factor is given.

use flambeau_tensor::{DType, ErrorKind, InterpolateMode as Mode, InterpolateOptions, MemoryFormat, Tensor};

/// The high bytes of a sequence that is easily made again elsewhere.
fn bytes(n: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..n).map(|_| next()).collect()
}

/// FNV-1a.
fn digest(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[test]
fn bytes_are_mixed_as_in_pytorch_to_the_bit() {
    // Digests of what PyTorch 2.15 makes of 60 pairs of sizes each.
    for (mode, align_corners, antialias, want) in [
        (Mode::Linear, false, false, 0x4161_6794_dde7_b4b7),
        (Mode::Linear, true, false, 0x7cf7_7f9d_f931_14ea),
        (Mode::Linear, false, true, 0x9c90_110c_e0b4_92a2),
        (Mode::Bicubic, false, false, 0xa588_c4fc_b461_05aa),
        (Mode::Bicubic, true, false, 0x08a4_a13c_dbdb_1a57),
        (Mode::Bicubic, false, true, 0x4316_d21c_e9dd_8f94),
        (Mode::Lanczos, false, true, 0x7de6_c414_8a0f_dd29),
    ] {
        let mut hash = 0xcbf2_9ce4_8422_2325;
        for c in [1, 3, 5] {
            for (h, w) in [(1, 1), (2, 9), (17, 13), (40, 71)] {
                let x = Tensor::from_vec(bytes(c * h * w), [1, c, h, w]).unwrap();
                let last = x.contiguous_in(MemoryFormat::ChannelsLast).unwrap();
                for size in [(1, 2), (3, 3), (16, 40), (17, 5), (90, 33)] {
                    let options = InterpolateOptions::size(size).mode(mode);
                    let options = options.align_corners(align_corners).antialias(antialias);
                    let made = x.interpolate(options.clone()).unwrap().to_vec::<u8>().unwrap();
                    assert_eq!(
                        last.interpolate(options).unwrap().to_vec::<u8>().unwrap(),
                        made,
                        "{mode:?} {c} {h} {w}"
                    );
                    hash = digest(hash, &made);
                }
            }
        }
        assert_eq!(hash, want, "{mode:?}, align_corners {align_corners}, antialias {antialias}");
    }
}

fn image() -> Tensor {
    Tensor::from_vec((0..12).map(|i| (i * i % 7 - 3) as f32).collect::<Vec<_>>(), [1, 1, 3, 4]).unwrap()
}

#[test]
fn numbers_are_those_of_pytorch() {
    let to = |mode| InterpolateOptions::size((2, 3)).mode(mode);
    let cases: [(_, [f32; 6]); 8] = [
        (to(Mode::Linear), [-2.291667, -0.5, -1.208334, -1.291667, -0.125, -1.458333]),
        (to(Mode::Linear).align_corners(true), [-3.0, -0.5, -1.0, -2.0, 0.0, -1.0]),
        (to(Mode::Linear).antialias(true), [-1.8375, -0.5, -1.2625, -0.8375, -0.1875, -1.6375]),
        (to(Mode::Bicubic), [-2.368603, -0.236328, -1.235999, -1.257722, 0.167969, -1.538284]),
        (to(Mode::Bicubic).antialias(true), [-1.98555, -0.414461, -1.31316, -0.756757, -0.069356, -1.851743]),
        (to(Mode::Lanczos).antialias(true), [-2.038376, -0.348605, -1.354596, -0.578283, 0.01442, -2.088638]),
        (to(Mode::Nearest), [-3.0, -2.0, 1.0, -1.0, 1.0, -2.0]),
        (to(Mode::NearestExact), [-3.0, 1.0, -1.0, -2.0, -1.0, -1.0]),
    ];
    for (options, want) in cases {
        for dtype in [DType::F32, DType::F64] {
            let made = image().to_dtype(dtype).unwrap().interpolate(options.clone()).unwrap();
            let made = made.to_dtype(DType::F32).unwrap().to_vec::<f32>().unwrap();
            assert!(made.iter().zip(&want).all(|(a, b)| (a - b).abs() < 3e-6), "{options:?}: {made:?}");
        }
    }
    // Halves are rounded once.
    let half = image().div(3.0).unwrap().to_dtype(DType::BF16).unwrap();
    for (mode, want) in [
        (Mode::Linear, [-0.765625, -0.1669921875, -0.40234375, -0.431640625, -0.041748046875, -0.486328125]),
        (Mode::Bicubic, [-0.7890625, -0.0791015625, -0.412109375, -0.41796875, 0.05615234375, -0.51171875]),
    ] {
        let made = half.interpolate(to(mode)).unwrap().to_dtype(DType::F64).unwrap();
        assert_eq!(made.to_vec::<f64>().unwrap(), want, "{mode:?}");
    }
}

#[test]
fn a_size_that_stays_or_doubles_is_no_matter_of_the_factor() {
    let x = Tensor::from_vec((0..6).map(|i| i as f32).collect::<Vec<_>>(), [1, 1, 2, 3]).unwrap();
    let made = x.interpolate(InterpolateOptions::scales(&[2.3, 1.3])).unwrap();
    assert_eq!(made.to_vec::<f32>().unwrap(), [0., 1., 2., 0., 1., 2., 3., 4., 5., 3., 4., 5.]);
    let made = x.interpolate(InterpolateOptions::scale(1.3).mode(Mode::Linear)).unwrap();
    assert_eq!(made.to_vec::<f32>().unwrap(), x.to_vec::<f32>().unwrap());
}

#[test]
fn infinities_stay_where_they_are() {
    let x = Tensor::from_vec(vec![1.0, f32::INFINITY, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], [1, 1, 1, 8]).unwrap();
    for (mode, antialias) in [(Mode::Linear, false), (Mode::Linear, true), (Mode::Bicubic, true)] {
        let made = x.interpolate(InterpolateOptions::size((1, 4)).mode(mode).antialias(antialias)).unwrap();
        assert!(made.to_vec::<f32>().unwrap()[3].is_finite(), "{mode:?}");
    }
}

#[test]
fn what_does_not_go_together_is_said() {
    let x = image();
    let fails = |x: &Tensor, o: InterpolateOptions| x.interpolate(o).unwrap_err().kind();
    let to = |mode| InterpolateOptions::size((2, 3)).mode(mode);
    assert_eq!(fails(&x, to(Mode::Lanczos)), ErrorKind::Argument);
    assert_eq!(fails(&x, to(Mode::Nearest).antialias(true)), ErrorKind::Argument);
    assert_eq!(fails(&x, to(Mode::Area).align_corners(true)), ErrorKind::Argument);
    assert_eq!(fails(&x.squeeze(0).unwrap(), InterpolateOptions::size(5).mode(Mode::Bicubic)), ErrorKind::Shape);
    assert_eq!(fails(&x.to_dtype(DType::I64).unwrap(), to(Mode::Nearest)), ErrorKind::DType);
    let signal = Tensor::from_vec(vec![1u8, 2, 3], [1, 1, 3]).unwrap();
    assert_eq!(fails(&signal, InterpolateOptions::size(5).mode(Mode::Linear)), ErrorKind::DType);
    assert!(x.interpolate(InterpolateOptions::size((isize::MAX, 3))).is_err());
}
