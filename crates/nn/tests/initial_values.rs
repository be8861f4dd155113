//! The values that PyTorch 2.15 draws from a seed: functions of `init`, dropout, and the first weights of
//! layers. For each tensor its first, middle and last element and its sum, recorded with `torch.manual_seed`
//! (the parity crate's `random` cases hold all elements). One test, for the default generator is the
//! process's.

use flambeau_nn::init::{self, Fan, Nonlinearity};
use flambeau_nn::{Conv1d, Conv2d, ConvTranspose2d, Embedding, Linear, Module, functional};
use flambeau_tensor::{Result, Tensor, manual_seed};

/// What was drawn, the seed, which tensor of it; three elements and the sum.
type Row = (&'static str, u64, usize, [f32; 3], f64);

fn tensors(name: &str) -> Result<Vec<Tensor>> {
    let zeros = |shape: &[usize]| Tensor::zeros(shape).build();
    let ones = |shape: &[usize]| Tensor::ones(shape).build();
    let state = |module: &dyn Module| module.state_dict().into_iter().map(|(_, tensor)| tensor).collect();
    let one = |tensor: Tensor, f: &dyn Fn(&Tensor) -> Result<()>| f(&tensor).map(|()| vec![tensor]);
    Ok(match name {
        "dropout_0.5" => {
            vec![functional::dropout(&ones(&[4])?, 0.5, true)?, functional::dropout(&ones(&[64])?, 0.5, true)?]
        }
        "dropout2d_0.5" => vec![functional::dropout2d(&ones(&[2, 8, 3, 3])?, 0.5, true)?],
        "xavier_uniform_5x7" => one(zeros(&[5, 7])?, &|t| init::xavier_uniform_(t, 1.0).map(drop))?,
        "xavier_normal_5x7" => one(zeros(&[5, 7])?, &|t| init::xavier_normal_(t, 1.0).map(drop))?,
        "kaiming_uniform_5x7" => {
            one(zeros(&[5, 7])?, &|t| init::kaiming_uniform_(t, Fan::In, Nonlinearity::default()).map(drop))?
        }
        "kaiming_normal_fan_out_relu_8x3x3x3" => {
            one(zeros(&[8, 3, 3, 3])?, &|t| init::kaiming_normal_(t, Fan::Out, Nonlinearity::Relu).map(drop))?
        }
        "trunc_normal_std0.02_6x6" => {
            one(zeros(&[6, 6])?, &|t| init::trunc_normal_(t, 0.0, 0.02, -2.0, 2.0).map(drop))?
        }
        "orthogonal_4x6" => one(zeros(&[4, 6])?, &|t| init::orthogonal_(t, 1.0).map(drop))?,
        "Linear(5,3)" => state(&Linear::new(5, 3).build()?),
        "Linear(5,3,bias=False)" => state(&Linear::new(5, 3).bias(false).build()?),
        "Conv2d(3,8,3)" => state(&Conv2d::new(3, 8, 3).build()?),
        "Conv1d(4,6,5,groups=2)" => state(&Conv1d::new(4, 6, 5).groups(2).build()?),
        "ConvTranspose2d(3,4,2)" => state(&ConvTranspose2d::new(3, 4, 2).build()?),
        "Embedding(10,4)" => state(&Embedding::new(10, 4).build()?),
        other => panic!("no case is called {other}"),
    })
}

#[test]
fn values_are_pytorchs() {
    for (name, seed, index, elements, sum) in ROWS {
        manual_seed(seed);
        let values = tensors(name).unwrap()[index].to_vec::<f32>().unwrap();
        for (at, expected) in [0, values.len() / 2, values.len() - 1].into_iter().zip(elements) {
            assert!(
                (values[at] - expected).abs() <= 1e-6,
                "{name}, seed {seed}, tensor {index}: element {at} is {}, not {expected}",
                values[at]
            );
        }
        let total: f64 = values.iter().map(|v| f64::from(*v)).sum();
        assert!(
            (total - sum).abs() <= 1e-6 * values.len() as f64,
            "{name}, seed {seed}, tensor {index}: the sum is {total}, not {sum}"
        );
    }
}

#[rustfmt::skip]
const ROWS: [Row; 76] = [
    ("dropout_0.5", 0, 0, [0.0, 2.0, 0.0], 2.000000),
    ("dropout_0.5", 0, 1, [0.0, 0.0, 0.0], 64.000000),
    ("dropout_0.5", 1, 0, [2.0, 2.0, 2.0], 8.000000),
    ("dropout_0.5", 1, 1, [0.0, 0.0, 2.0], 70.000000),
    ("dropout_0.5", 42, 0, [2.0, 2.0, 2.0], 8.000000),
    ("dropout_0.5", 42, 1, [0.0, 0.0, 0.0], 76.000000),
    ("dropout_0.5", 8589934599, 0, [2.0, 0.0, 0.0], 4.000000),
    ("dropout_0.5", 8589934599, 1, [0.0, 2.0, 2.0], 54.000000),
    ("dropout2d_0.5", 0, 0, [0.0, 0.0, 2.0], 162.000000),
    ("dropout2d_0.5", 1, 0, [2.0, 0.0, 2.0], 198.000000),
    ("dropout2d_0.5", 42, 0, [2.0, 2.0, 0.0], 180.000000),
    ("dropout2d_0.5", 8589934599, 0, [2.0, 0.0, 0.0], 144.000000),
    ("xavier_uniform_5x7", 0, 0, [-0.005293981, 0.42428017, -0.4940134], -2.379284),
    ("xavier_uniform_5x7", 1, 0, [0.3643461, -0.002824766, -0.67232305], 0.532473),
    ("xavier_uniform_5x7", 42, 0, [0.5406104, 0.10451668, -0.22960077], 1.985218),
    ("xavier_uniform_5x7", 8589934599, 0, [0.049387928, -0.60379577, 0.34469014], 2.195048),
    ("xavier_normal_5x7", 0, 0, [-0.4596222, -0.69236106, -0.4899549], -1.222564),
    ("xavier_normal_5x7", 1, 0, [-0.6228219, -0.47387892, 0.10073646], -1.873724),
    ("xavier_normal_5x7", 42, 0, [0.7866599, -0.065155394, 0.02037379], -0.031370),
    ("xavier_normal_5x7", 8589934599, 0, [-0.33481854, -0.13250378, 0.16156057], -0.002579),
    ("kaiming_uniform_5x7", 0, 0, [-0.006931449, 0.55551314, -0.6468154], -3.115215),
    ("kaiming_uniform_5x7", 1, 0, [0.47704104, -0.003698487, -0.8802776], 0.697170),
    ("kaiming_uniform_5x7", 42, 0, [0.7078251, 0.13684446, -0.300618], 2.599261),
    ("kaiming_uniform_5x7", 8589934599, 0, [0.06466398, -0.7905542, 0.45130536], 2.873993),
    ("kaiming_normal_fan_out_relu_8x3x3x3", 0, 0, [-0.18763998, 0.07615669, -0.10473847], 0.942417),
    ("kaiming_normal_fan_out_relu_8x3x3x3", 1, 0, [-0.254266, -0.35034716, 0.06070636], 0.291480),
    ("kaiming_normal_fan_out_relu_8x3x3x3", 42, 0, [0.32115257, 0.044151586, -0.12067233], 2.541526),
    ("kaiming_normal_fan_out_relu_8x3x3x3", 8589934599, 0, [-0.1366891, 0.08451274, -0.13178192], -2.205089),
    ("trunc_normal_std0.02_6x6", 0, 0, [-0.022516796, 0.011333012, -9.571476e-05], -0.044945),
    ("trunc_normal_std0.02_6x6", 1, 0, [-0.030511918, 0.013990847, 0.023686532], -0.049811),
    ("trunc_normal_std0.02_6x6", 42, 0, [0.038538303, -0.009947951, 0.045334358], 0.013356),
    ("trunc_normal_std0.02_6x6", 8589934599, 0, [-0.01640269, 0.038527362, -0.027354794], -0.021559),
    ("orthogonal_4x6", 0, 0, [-0.5597333, 0.33783963, -0.32598588], 1.089432),
    ("orthogonal_4x6", 1, 0, [-0.6083158, 0.31551325, 0.79934967], -2.090199),
    ("orthogonal_4x6", 42, 0, [0.53129494, -0.23871729, 0.2429023], -2.186387),
    ("orthogonal_4x6", 8589934599, 0, [-0.427871, -0.6710853, 0.30937913], -1.985684),
    ("Linear(5,3)", 0, 0, [-0.0033482078, 0.35459095, -0.18435177], -1.219423),
    ("Linear(5,3)", 0, 1, [0.016566388, 0.17679927, 0.26833835], 0.461704),
    ("Linear(5,3)", 1, 0, [0.2304327, 0.22751717, -0.03260579], 0.248908),
    ("Linear(5,3)", 1, 1, [-0.040261447, 0.06482091, -0.0017865389], 0.022773),
    ("Linear(5,3)", 42, 0, [0.34191203, 0.26264077, 0.21564107], 2.201497),
    ("Linear(5,3)", 42, 1, [-0.06314254, 0.3447506, 0.066102155], 0.347710),
    ("Linear(5,3)", 8589934599, 0, [0.031235669, 0.11603973, -0.04911284], -0.353134),
    ("Linear(5,3)", 8589934599, 1, [-0.12585847, 0.19711424, -0.38187397], -0.310618),
    ("Linear(5,3,bias=False)", 0, 0, [-0.0033482078, 0.35459095, -0.18435177], -1.219423),
    ("Linear(5,3,bias=False)", 1, 0, [0.2304327, 0.22751717, -0.03260579], 0.248908),
    ("Linear(5,3,bias=False)", 42, 0, [0.34191203, 0.26264077, 0.21564107], 2.201497),
    ("Linear(5,3,bias=False)", 8589934599, 0, [0.031235669, 0.11603973, -0.04911284], -0.353134),
    ("Conv2d(3,8,3)", 0, 0, [-0.0014408393, -0.010603924, 0.024555292], -1.991714),
    ("Conv2d(3,8,3)", 0, 1, [-0.15053545, -0.013819109, 0.005448847], -0.000656),
    ("Conv2d(3,8,3)", 1, 0, [0.09916245, 0.13191646, 0.15908036], 1.825467),
    ("Conv2d(3,8,3)", 1, 1, [0.14226347, -0.14658126, -0.13556348], -0.157179),
    ("Conv2d(3,8,3)", 42, 0, [0.14713551, -0.16843465, 0.18616651], -1.368680),
    ("Conv2d(3,8,3)", 42, 1, [0.027839348, -0.12456441, -0.038579844], -0.125866),
    ("Conv2d(3,8,3)", 8589934599, 0, [0.013441692, -0.1113088, -0.026690077], -0.328691),
    ("Conv2d(3,8,3)", 8589934599, 1, [0.12650855, 0.024199165, 0.0027538924], 0.099099),
    ("Conv1d(4,6,5,groups=2)", 0, 0, [-0.0023675405, -0.123265564, -0.16335806], -1.382207),
    ("Conv1d(4,6,5,groups=2)", 0, 1, [0.14308454, 0.09553465, -0.039913435], 0.312162),
    ("Conv1d(4,6,5,groups=2)", 1, 0, [0.16294053, 0.088342614, 0.09814353], 0.784720),
    ("Conv1d(4,6,5,groups=2)", 1, 1, [-0.20441587, 0.2804608, -0.05205298], 0.244114),
    ("Conv1d(4,6,5,groups=2)", 42, 0, [0.24176832, 0.28558818, -0.22468412], 1.910103),
    ("Conv1d(4,6,5,groups=2)", 42, 1, [0.019910878, -0.10890324, -0.06588336], -0.176307),
    ("Conv1d(4,6,5,groups=2)", 8589934599, 0, [0.022086954, 0.22511806, 0.13998601], 1.131232),
    ("Conv1d(4,6,5,groups=2)", 8589934599, 1, [-0.037082445, -0.24786675, 0.0123814475], -0.258909),
    ("ConvTranspose2d(3,4,2)", 0, 0, [-0.001871705, -0.04029584, 0.14658031], -1.085017),
    ("ConvTranspose2d(3,4,2)", 0, 1, [-0.11087376, 0.15989017, 0.24853328], 0.288529),
    ("ConvTranspose2d(3,4,2)", 1, 0, [0.1288158, -0.08011213, 0.073526174], 0.503964),
    ("ConvTranspose2d(3,4,2)", 1, 1, [-0.0721893, -0.24034703, -0.11919543], -0.459140),
    ("ConvTranspose2d(3,4,2)", 42, 0, [0.19113463, -0.19734254, 0.044731557], 1.597874),
    ("ConvTranspose2d(3,4,2)", 42, 1, [0.12695876, -0.24747711, -0.09659013], -0.369485),
    ("ConvTranspose2d(3,4,2)", 8589934599, 0, [0.01746127, 0.010465026, -0.032271206], 0.856444),
    ("ConvTranspose2d(3,4,2)", 8589934599, 1, [0.11843121, -0.2043111, 0.199702], -0.119623),
    ("Embedding(10,4)", 0, 0, [-1.1258398, 0.59883946, 1.7066433], -3.220086),
    ("Embedding(10,4)", 1, 0, [-1.5255959, 0.8656924, -0.8424634], -3.053215),
    ("Embedding(10,4)", 42, 0, [1.9269153, -0.75813115, -1.2862155], 3.544751),
    ("Embedding(10,4)", 8589934599, 0, [-0.8201345, 0.19844505, -0.09167717], 2.791791),
];
