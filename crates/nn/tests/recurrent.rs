//! Recurrent layers against PyTorch 2.15: made from seed 0, so that the first weights are compared, too. Of each
//! tensor Σ xᵢ cos i is recorded. One test for what draws, for the default generator is the process's.

mod common;

use common::{alone, input, mark, near};
use flambeau_autograd::Autograd;
use flambeau_nn::utils::rnn::*;
use flambeau_nn::*;
use flambeau_tensor::{CloseOptions, DType, Device, ErrorKind, Result, Tensor, manual_seed};

/// Marks of the output, the states, and, after a backward from their sums, of the gradients of the first two
/// parameters and the last one.
#[track_caller]
fn marks(name: &str, module: &dyn Module, all: &[&Tensor], right: &[f64]) {
    let sums: Vec<Tensor> = all.iter().map(|t| t.sum(..).unwrap()).collect();
    flambeau_tensor::stack(&sums, 0).unwrap().sum(..).unwrap().backward().unwrap();
    let parameters = module.parameters();
    let grads = [&parameters[0], &parameters[1], &parameters[parameters.len() - 1]].map(|p| p.grad().unwrap());
    let found: Vec<f64> = all.iter().copied().chain(&grads).map(mark).collect();
    near(name, &found, right);
}

/// A module made from seed 0.
fn seeded<M>(make: impl FnOnce() -> Result<M>) -> M {
    manual_seed(0);
    make().unwrap()
}

#[test]
fn layers_are_pytorchs() -> Result<()> {
    let _alone = alone();
    let x = input(&[5, 2, 3]);
    let both = || LSTM::new(3, 4).num_layers(2).bidirectional(true);
    for (batch_first, right) in [
        (false, [-0.042_561_7, 0.007_696, 0.023_908_1, 0.492_418_9, -0.228_966_1, -11.537_162_4]),
        (true, [0.015_344_5, 0.087_904_3, 0.237_064_4, 0.267_111_2, -0.203_316_9, -15.202_545_8]),
    ] {
        let lstm = seeded(|| both().batch_first(batch_first).build());
        let (y, (h, c)) = lstm.call(&x)?;
        assert_eq!((y.shape(), h.shape()), (&[5, 2, 8][..], &[4, if batch_first { 5 } else { 2 }, 4][..]));
        marks("LSTM", &lstm, &[&y, &h, &c], &right);
    }

    let lstm = seeded(|| LSTM::new(3, 4).num_layers(3).proj_size(2).dropout(0.5).build());
    let (y, (h, c)) = lstm.call(&x)?;
    assert_eq!((y.shape(), h.shape(), c.shape()), (&[5, 2, 2][..], &[3, 2, 2][..], &[3, 2, 4][..]));
    let right = [-0.008_014_3, 0.000_600_4, 0.168_767_8, 0.800_954_1, -0.100_647_5, -0.447_951_1];
    marks("LSTM with projections and dropout", &lstm, &[&y, &h, &c], &right);

    let gru = seeded(|| GRU::new(3, 4).num_layers(2).bidirectional(true).dropout(0.25).build());
    let (y, h) = gru.call(&x)?;
    marks("GRU", &gru, &[&y, &h], &[-0.782_767_6, 0.255_452_6, -0.241_355_4, 1.773_351_6, -5.356_709_9]);

    let rnn = seeded(|| RNN::new(3, 4).nonlinearity(RNNNonlinearity::Relu).bias(false).build());
    let (y, h) = rnn.call(&x)?;
    marks("RNN with relu", &rnn, &[&y, &h], &[0.466_981_3, 0.384_257_6, 9.020_424_5, 0.682_110_6, 0.682_110_6]);

    let rnn = seeded(|| RNN::new(3, 4).build());
    let (y, h) = rnn.call(&input(&[5, 3]))?;
    assert_eq!((y.shape(), h.shape()), (&[5, 4][..], &[1, 4][..]));
    marks("RNN of one sequence", &rnn, &[&y, &h], &[-0.150_234, -0.179_088_6, 0.665_848_5, -3.265_600_6, 1.938_025_6]);

    let lstm = seeded(|| both().build());
    let state = input(&[4, 2, 4]);
    let (y, (h, c)) = lstm.call((&x, (&state, &state.div(2.0)?)))?;
    let right = [0.080_875_6, -0.024_353_7, -0.044_426_2, 0.559_082_7, -0.743_542, -12.066_731_9];
    marks("LSTM from a state", &lstm, &[&y, &h, &c], &right);

    let packed = pack_padded_sequence(&input(&[5, 3, 3]), &[3, 5, 2], false, false)?;
    let lstm = seeded(|| both().build());
    let (y, (h, c)) = lstm.call(&packed)?;
    assert_eq!(y.batch_sizes(), [3, 3, 2, 1, 1]);
    let right = [-0.160_782_7, 0.245_866_3, 0.563_863_8, 1.548_264_1, -0.270_6, -12.825_154_2];
    marks("LSTM, packed", &lstm, &[y.data(), &h, &c], &right);
    let gru = seeded(|| GRU::new(3, 4).bidirectional(true).build());
    let (y, h) = gru.call(&packed)?;
    let right = [-1.228_409_7, 0.733_448_2, 1.520_632_4, 0.313_312_4, -7.998_872];
    marks("GRU, packed", &gru, &[y.data(), &h], &right);
    let rnn = seeded(|| RNN::new(3, 4).build());
    let (y, h) = rnn.call(&packed)?;
    let right = [-0.489_840_5, 0.607_852_7, 4.939_728_4, -6.331_802_4, 5.534_426];
    marks("RNN, packed", &rnn, &[y.data(), &h], &right);
    let lstm = seeded(|| LSTM::new(3, 4).bidirectional(true).build());
    let state = input(&[2, 3, 4]);
    let (y, (h, c)) = lstm.call((&packed, (&state, &state.div(2.0)?)))?;
    let right = [-0.774_858_9, 0.396_797_4, 0.677_001_8, 0.119_294_2, -0.477_131_2, -13.168_482_9];
    marks("LSTM, packed, from a state", &lstm, &[y.data(), &h, &c], &right);

    let near = |t: &Tensor, right: f64| assert!((mark(t) - right).abs() < 1e-5, "{} for {right}", mark(t));
    let (x, more) = (input(&[2, 3]), input(&[2, 3]).mul(2.0)?);
    let cell = seeded(|| RNNCell::new(3, 4).build());
    near(&cell.call((&more, &cell.call(&x)?))?, -0.249_555);
    let cell = seeded(|| LSTMCell::new(3, 4).build());
    let (h, c) = cell.call(&x)?;
    let (h, c) = cell.call((&more, (&h, &c)))?;
    near(&h, -0.042_113_6);
    near(&c, 0.158_585_5);
    let cell = seeded(|| GRUCell::new(3, 4).build());
    near(&cell.call((&more, &cell.call(&x)?))?, -0.336_824_3);
    Ok(())
}

/// What a layer computes of packed sequences is what it computes of each by itself.
#[test]
fn packed_sequences_are_each_for_itself() -> Result<()> {
    let _alone = alone();
    let gru = GRU::new(3, 4).num_layers(2).bidirectional(true).build()?;
    let sequences = [input(&[2, 3]), input(&[4, 3]).neg()?, input(&[1, 3]).add(0.5)?];
    let (packed, h) = gru.call(&pack_sequence(&sequences, false)?)?;
    for (i, (sequence, together)) in sequences.iter().zip(unpack_sequence(&packed)?).enumerate() {
        let (alone, h_alone) = gru.call(sequence)?;
        assert!(alone.allclose_with(&together, CloseOptions::new().atol(1e-6))?);
        assert!(h_alone.allclose_with(&h.select(1, i as isize)?, CloseOptions::new().atol(1e-6))?);
    }
    Ok(())
}

#[test]
fn names_and_prints_are_pytorchs() -> Result<()> {
    let _alone = alone();
    let lstm = LSTM::new(3, 4).num_layers(2).proj_size(2).bidirectional(true).build()?;
    let names: Vec<String> = lstm.named_parameters().into_iter().map(|(name, _)| name).collect();
    let of = |suffix: &str| {
        ["weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"].map(|name| format!("{name}{suffix}"))
    };
    assert_eq!(names, [of("_l0"), of("_l0_reverse"), of("_l1"), of("_l1_reverse")].concat());
    assert_eq!(lstm.gates(1, true).unwrap().weight_ih.shape(), [16, 4]);
    assert!(lstm.gates(2, false).is_none() && GRU::new(1, 1).build()?.gates(0, true).is_none());
    let other = LSTM::new(3, 4).num_layers(2).proj_size(2).bidirectional(true).build()?;
    other.load_state_dict(&lstm.state_dict())?;
    assert!(other.call(&input(&[2, 1, 3]))?.0.equal(&lstm.call(&input(&[2, 1, 3]))?.0)?);
    let double = lstm.to(DType::F64)?;
    assert_eq!(double.call(&input(&[2, 1, 3]).to_dtype(DType::F64)?)?.0.dtype(), DType::F64);
    for (module, right) in [
        (&double as &dyn Module, "LSTM(3, 4, proj_size=2, num_layers=2, bidirectional=True)"),
        (
            &GRU::new(3, 4).num_layers(2).batch_first(true).dropout(0.5).build()?,
            "GRU(3, 4, num_layers=2, batch_first=True, dropout=0.5)",
        ),
        (&RNN::new(3, 4).bias(false).nonlinearity(RNNNonlinearity::Relu).build()?, "RNN(3, 4, bias=False)"),
        (
            &RNNCell::new(3, 4).bias(false).nonlinearity(RNNNonlinearity::Relu).build()?,
            "RNNCell(3, 4, bias=False, nonlinearity=relu)",
        ),
        (&LSTMCell::new(3, 4).build()?, "LSTMCell(3, 4)"),
        (&GRUCell::new(3, 4).bias(false).build()?, "GRUCell(3, 4, bias=False)"),
    ] {
        assert_eq!(format!("{:?}", module.as_module()), right);
    }
    Ok(())
}

#[test]
fn dropout_ends_with_training() -> Result<()> {
    let _alone = alone();
    let gru = GRU::new(3, 4).num_layers(2).dropout(0.9).build()?;
    gru.eval();
    let (one, two) = (gru.call(&input(&[3, 1, 3]))?.0, gru.call(&input(&[3, 1, 3]))?.0);
    assert!(one.equal(&two)? && !gru.is_training());
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() -> Result<()> {
    let _alone = alone();
    #[track_caller]
    fn refused<T>(result: Result<T>, words: &str) {
        let fault = result.map(drop).unwrap_err();
        assert!(fault.to_string().contains(words), "{fault}");
        assert_eq!(fault.location().unwrap().file(), file!());
    }
    let lstm = LSTM::new(3, 4).build()?;
    let (x, h) = (input(&[5, 2, 3]), input(&[1, 2, 4]));
    refused(lstm.call(&input(&[5, 2, 4])), "4 features, its last dimension; input_size is 3");
    refused(lstm.call(&input(&[3])), "it must be [T, N, features] or [T, features]");
    refused(lstm.call(&Tensor::zeros([0, 2, 3]).build()?), "no steps");
    refused(lstm.call(&x.to_dtype(DType::F64)?), "the input is float64, the weights are float32");
    refused(
        lstm.call((&x, (&input(&[1, 3, 4]), &h))),
        "the state h has shape [1, 3, 4]; for this input it must be [1, 2, 4]",
    );
    refused(lstm.call((&x, (&h, &input(&[2, 4])))), "the state c has shape [2, 4]");
    refused(lstm.call((&input(&[5, 3]), (&h, &h))), "must be [1, 4]");
    refused(LSTM::new(3, 4).proj_size(4).build(), "proj_size = 4 must be below");
    refused(LSTM::new(3, 4).dropout(1.5).build(), "not a probability");
    refused(GRU::new(0, 4).build(), "input_size must be at least 1");
    refused(GRU::new(3, 4).num_layers(0).build(), "num_layers must be at least 1");
    let cell = GRUCell::new(3, 4).build()?;
    refused(cell.call(&input(&[2, 4])), "it must be [N, 3] or [3]");
    refused(cell.call((&input(&[2, 3]), &input(&[4]))), "it must be [2, 4]");
    refused(pack_padded_sequence(&x, &[3, 5], false, true), "are not sorted");
    refused(pack_padded_sequence(&x, &[5, 0], false, true), "sequence 1 has length 0");
    refused(pack_padded_sequence(&x, &[5, 6], false, false), "sequence 1 has length 6");
    refused(pack_padded_sequence(&x, &[5], false, false), "1 lengths for 2 sequences");
    refused(pad_sequence(&[input(&[2, 3]), input(&[2, 4])], false, 0.0), "only the lengths may differ");
    refused(pad_sequence::<Tensor>(&[], false, 0.0), "no sequences");
    let packed = pack_padded_sequence(&x, &[5, 3], false, true)?;
    refused(pad_packed_sequence(&packed, false, 0.0, Some(4)), "a total length of 4 is below 5");
    Ok(())
}

#[test]
fn sizes_of_any_kind() -> Result<()> {
    let _alone = alone();
    for n in [1 << 40, usize::MAX, usize::MAX / 2] {
        assert!(LSTM::new(3, n).build().is_err());
        assert!(LSTM::new(n, 3).build().is_err());
        assert!(GRU::new(3, 4).num_layers(n).build().is_err());
        assert!(GRUCell::new(3, n).build().is_err());
    }
    // No sequence, of ever so many steps.
    let lstm = LSTM::new(3, 4).bidirectional(true).build()?;
    let (y, (h, _)) = lstm.call(&Tensor::zeros([1usize << 40, 0, 3]).build()?)?;
    assert_eq!((y.shape(), h.shape()), (&[1 << 40, 0, 8][..], &[2, 0, 4][..]));
    let meta = LSTM::new(3, 4).device(Device::Meta).build()?;
    assert_eq!(meta.call(&Tensor::zeros([2, 5, 3]).device(Device::Meta).build()?)?.0.shape(), [2, 5, 4]);
    assert_eq!(lstm.call(&input(&[2, 1, 4])).unwrap_err().kind(), ErrorKind::Shape);
    Ok(())
}

#[test]
fn padding_there_and_back() -> Result<()> {
    let _alone = alone();
    let sequences = [input(&[2, 3]), input(&[4, 3]), input(&[1, 3])];
    let padded = pad_sequence(&sequences, true, -1.0)?;
    assert_eq!(padded.shape(), [3, 4, 3]);
    assert_eq!(padded.select(0, 2)?.select(0, 3)?.to_vec::<f32>()?, [-1.0; 3]);
    for (one, again) in sequences.iter().zip(unpad_sequence(&padded, &[2, 4, 1], true)?) {
        assert!(one.equal(&again)?);
    }
    let packed = pack_sequence(&sequences, false)?;
    assert_eq!((packed.lengths()?, packed.batch_sizes()), (vec![2, 4, 1], &[3, 2, 1, 1][..]));
    let (longer, lengths) = pad_packed_sequence(&packed, true, -1.0, Some(6))?;
    assert_eq!((longer.shape(), lengths), (&[3, 6, 3][..], vec![2, 4, 1]));
    assert!(longer.narrow(1, 0, 4)?.equal(&padded)?);
    assert!(longer.narrow(1, 4, 2)?.eq(-1.0)?.all(..)?.item::<bool>()?);
    Ok(())
}
