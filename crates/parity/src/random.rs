//! Seeded draws: every case seeds the generator and makes its calls one after another.

use flambeau_nn::{
    Bilinear, Conv1d, Conv2d, ConvTranspose2d, Embedding, GRUCell, LSTM, Linear, Module, MultiheadAttention, RNN,
    StateDict, TransformerEncoderLayer, functional,
    init::{self, Fan, Nonlinearity},
};
use flambeau_tensor::{DType, IntoShape, Result, Tensor};
use safetensors::SafeTensors;
use serde_json::Value as Json;

use crate::{
    call::{Trouble, unsupported},
    case::tensors,
    compare::What,
    run::same_tensors,
    value::Recorded,
};

/// Which call or module a case is about.
pub fn about(json: &Json) -> &str {
    let field = |key| json.get(key).and_then(Json::as_str);
    field("call").or_else(|| field("module")).unwrap_or_default()
}

type Draw = fn() -> Result<Vec<Tensor>>;

/// The recorded calls, as flambeau spells them.
const CALLS: &[(&str, Draw)] = &[
    ("rand", || each([1, 3, 16, 100], |n| Tensor::rand(n).build())),
    ("rand_f64", || each([1, 5, 40], |n| Tensor::rand(n).dtype(DType::F64).build())),
    ("randn", || each([1, 2, 15, 16, 17, 31, 32, 100, 1000], |n| Tensor::randn(n).build())),
    ("randn_f64", || each([1, 2, 15, 16, 17, 100], |n| Tensor::randn(n).dtype(DType::F64).build())),
    ("randn_2d", || Ok(vec![Tensor::randn([3, 5]).build()?, Tensor::randn([4, 4, 2]).build()?])),
    ("randint_0_10", || each([1, 7, 50], |n| Tensor::randint(0, 10, n).build())),
    ("randint_-5_1e12", || each([9], |n| Tensor::randint(-5, 1_000_000_000_000, n).build())),
    ("randperm", || each([1, 5, 10, 100, 1000], |n| Tensor::randperm(n).build())),
    ("bernoulli_0.3", || {
        each([3, 40], |n| Tensor::rand(n).build()?.lt(&Tensor::full(n, 0.3).build()?)?.to_dtype(DType::F32))
    }),
    ("uniform_-2_3", || each([1, 5, 33], |n| Ok(empty(n)?.uniform_(-2.0, 3.0)?.clone()))),
    ("normal_1_2", || each([1, 5, 33], |n| Ok(empty(n)?.normal_(1.0, 2.0)?.clone()))),
    ("multinomial", || {
        let weights = Tensor::from_vec(vec![0.1f32, 0.2, 0.3, 0.4], 4)?;
        Ok(vec![weights.multinomial(6, true)?, weights.multinomial(3, false)?])
    }),
    ("dropout_0.5", || each([4, 64], |n| functional::dropout(&Tensor::ones(n).build()?, 0.5, true))),
    ("dropout2d_0.5", || {
        let ones = Tensor::ones([2, 8, 3, 3]).build()?;
        Ok(vec![functional::dropout2d(&ones, 0.5, true)?])
    }),
    ("xavier_uniform_5x7", || filled(&[5, 7], |t| init::xavier_uniform_(t, 1.0))),
    ("xavier_normal_5x7", || filled(&[5, 7], |t| init::xavier_normal_(t, 1.0))),
    ("kaiming_uniform_5x7", || filled(&[5, 7], |t| init::kaiming_uniform_(t, Fan::In, Nonlinearity::LeakyRelu(0.0)))),
    ("kaiming_normal_fan_out_relu_8x3x3x3", || {
        filled(&[8, 3, 3, 3], |t| init::kaiming_normal_(t, Fan::Out, Nonlinearity::Relu))
    }),
    ("trunc_normal_std0.02_6x6", || filled(&[6, 6], |t| init::trunc_normal_(t, 0.0, 0.02, -2.0, 2.0))),
    ("orthogonal_4x6", || filled(&[4, 6], |t| init::orthogonal_(t, 1.0))),
    ("exponential_2", || each([1, 5, 33], |n| Ok(empty(n)?.exponential_(2.0)?.clone()))),
];

type Make = fn() -> Result<StateDict>;

/// The recorded modules; their initial state is what was drawn.
const MODULES: &[(&str, Make)] = &[
    ("Conv2d(3,8,3)", || Ok(Conv2d::new(3, 8, 3).build()?.state_dict())),
    ("Conv1d(4,6,5,groups=2)", || Ok(Conv1d::new(4, 6, 5).groups(2).build()?.state_dict())),
    ("ConvTranspose2d(3,4,2)", || Ok(ConvTranspose2d::new(3, 4, 2).build()?.state_dict())),
    ("Bilinear(3,4,2)", || Ok(Bilinear::new(3, 4, 2).build()?.state_dict())),
    ("RNN(3,4)", || Ok(RNN::new(3, 4).build()?.state_dict())),
    ("LSTM(3,4,num_layers=2,bidirectional=True)", || {
        Ok(LSTM::new(3, 4).num_layers(2).bidirectional(true).build()?.state_dict())
    }),
    ("GRUCell(3,4)", || Ok(GRUCell::new(3, 4).build()?.state_dict())),
    ("MultiheadAttention(8,2)", || Ok(MultiheadAttention::new(8, 2).build()?.state_dict())),
    ("TransformerEncoderLayer(8,2,16)", || {
        Ok(TransformerEncoderLayer::new(8, 2).dim_feedforward(16).build()?.state_dict())
    }),
    ("Embedding(10,4)", || Ok(Embedding::new(10, 4).build()?.state_dict())),
    ("Linear(5,3)", || Ok(Linear::new(5, 3).build()?.state_dict())),
    ("Linear(5,3,bias=False)", || Ok(Linear::new(5, 3).bias(false).build()?.state_dict())),
];

fn empty(shape: impl IntoShape) -> Result<Tensor> {
    Tensor::zeros(shape).build()
}

/// One fresh tensor, filled.
fn filled(shape: &[usize], fill: impl Fn(&Tensor) -> Result<&Tensor>) -> Result<Vec<Tensor>> {
    let tensor = empty(shape)?;
    fill(&tensor)?;
    Ok(vec![tensor])
}

fn each<const N: usize>(sizes: [usize; N], draw: impl Fn(usize) -> Result<Tensor>) -> Result<Vec<Tensor>> {
    sizes.into_iter().map(draw).collect()
}

/// Runs one case.
///
/// # Errors
///
/// The call or module is not in the table, failed, or drew other numbers than PyTorch.
pub fn run(json: &Json, data: &SafeTensors<'_>) -> std::result::Result<(), Trouble> {
    let Some(seed) = json.get("seed").and_then(Json::as_u64) else {
        return damaged("a case without a seed");
    };
    let name = about(json);
    let ours = if let Some((_, draw)) = CALLS.iter().find(|(n, _)| *n == name) {
        flambeau_tensor::manual_seed(seed);
        draw()?
    } else if let Some((_, make)) = MODULES.iter().find(|(n, _)| *n == name) {
        flambeau_tensor::manual_seed(seed);
        let state = make()?;
        let Some(Json::Object(recorded)) = json.get("state") else {
            return damaged("a module without a state");
        };
        if !state.names().eq(recorded.keys()) {
            let (ours, theirs) = (state.names().collect::<Vec<_>>(), recorded.keys().collect::<Vec<_>>());
            return Err(Trouble::Failed(format!("our state has {ours:?}, PyTorch's {theirs:?}")));
        }
        state.iter().map(|(_, tensor)| tensor.clone()).collect()
    } else {
        return unsupported(format!("`{name}` is not in the runner's table"));
    };
    same_tensors("random", What::Random, "draw", &ours, &theirs(json, data)?)
}

fn damaged<T>(what: &str) -> std::result::Result<T, Trouble> {
    Err(Trouble::Failed(format!("damaged recording: {what}")))
}

/// What PyTorch drew: the outputs of a call, or a module's state in order.
fn theirs(json: &Json, data: &SafeTensors<'_>) -> std::result::Result<Vec<Recorded>, Trouble> {
    match (json.get("outputs"), json.get("state")) {
        (Some(outputs), _) => Ok(tensors(outputs, data)?),
        (None, Some(Json::Object(state))) => Ok(tensors(&Json::Array(state.values().cloned().collect()), data)?),
        _ => damaged("neither outputs nor state"),
    }
}
