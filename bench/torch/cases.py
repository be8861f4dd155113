"""The cases of `src/cases`, by the same names: each makes what it works on and gives a function to call."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from networks import Gpt, SequenceClassifier

CASES = {}
randn = torch.randn
N, SIDE, ROWS = 10_000_000, 4096, (4096, 1024)


def case(*names):
    """The case of these names; with several, or arguments, the function is told which it is."""

    def register(make):
        for name in names:
            CASES[name] = (lambda name: lambda: make(name))(name) if len(names) > 1 else make
        return make

    return register


def leaf(*shape):
    return torch.randn(*shape, requires_grad=True)


def ids(high, *shape):
    return torch.randint(0, high, shape)


def infer(f):
    def work():
        with torch.no_grad():
            return f()

    return work


def derive(leaves, f):
    return lambda: torch.autograd.grad(f().sum(), leaves)


def step(optimizer, loss):
    def work():
        value = loss()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()

    return work


def classify(optimizer, x, classes, model):
    return step(optimizer, lambda: F.cross_entropy(model(x), classes))


# dispatch


def chain(a):
    x = a + 1.0
    for _ in range(3):
        x = (x * a).tanh() + a
    return x


@case("add_1", "add_1000", "add")
def add(name):
    n = {"add_1": 1, "add_1000": 1000, "add": N}[name]
    a, b = randn(n), randn(n)
    return lambda: a + b


@case("chain10_32")
def chain10():
    a = randn(32)
    return lambda: chain(a)


@case("chain10_32_backward")
def chain10_backward():
    a = leaf(32)
    return derive([a], lambda: chain(a))


@case("tiny_mlp_train")
def tiny_mlp():
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))
    x, y = randn(4, 8), randn(4, 1)
    return step(torch.optim.SGD(model.parameters(), 1e-3), lambda: F.mse_loss(model(x), y))


@case("start_to_first_matmul")
def first_matmul():
    a, b = randn(64, 64), randn(64, 64)
    return lambda: a @ b


# elementwise


@case("add_inplace")
def add_inplace():
    a, b = randn(N), randn(N)
    return lambda: a.add_(b)


@case("mul_broadcast_row", "mul_broadcast_col")
def mul_broadcast(name):
    a, b = randn(10_000, 1000), randn(1000) if name.endswith("row") else randn(10_000, 1)
    return lambda: a * b


@case("exp", "sin", "tanh", "gelu", "sigmoid", "relu")
def unary(name):
    a, f = randn(N), F.gelu if name == "gelu" else getattr(torch, name)
    return lambda: f(a)


@case("log")
def log():
    a = randn(N).abs() + 0.1
    return lambda: a.log()


@case("pow2_5")
def power():
    a = randn(N).abs()
    return lambda: a**2.5


@case("where", "masked_fill")
def select(name):
    a, b = randn(N), randn(N)
    mask = a > 0
    return (lambda: torch.where(mask, a, b)) if name == "where" else (lambda: a.masked_fill(mask, 0.0))


@case("add_transposed")
def add_transposed():
    a, b = randn(SIDE, SIDE), randn(SIDE, SIDE).t()
    return lambda: a + b


@case("cast_bf16")
def cast():
    a = randn(N)
    return lambda: a.bfloat16()


@case("add_bf16", "add_u8", "add_i32")
def add_of(name):
    dtype = {"add_bf16": torch.bfloat16, "add_u8": torch.uint8, "add_i32": torch.int32}[name]
    a = randn(N).abs().to(dtype)
    b = a.clone()
    return lambda: a + b


@case("mul_c64")
def mul_complex():
    a = torch.view_as_complex(randn(N // 2, 2))
    return lambda: a * a


@case("u8_to_f32_div")
def bytes_to_floats():
    a = torch.ones(N, dtype=torch.uint8)
    return lambda: a.float() / 255.0


@case("transpose_copy")
def transpose_copy():
    a = randn(SIDE, SIDE).t()
    return lambda: a.contiguous()


@case("cat")
def cat():
    a = randn(N // 2)
    return lambda: torch.cat([a, a])


# rows

ROW_OPS = {
    "sum_all": lambda a: a.sum(),
    "sum_dim0": lambda a: a.sum(0),
    "sum_dim1": lambda a: a.sum(1),
    "max_all": lambda a: a.max(),
    "argmax_dim1": lambda a: a.argmax(1),
    "var_dim1": lambda a: a.var(1),
    "cumsum": lambda a: a.cumsum(1),
    "softmax": lambda a: a.softmax(1),
}


@case(*ROW_OPS)
def of_rows(name):
    a, f = randn(ROWS), ROW_OPS[name]
    return lambda: f(a)


@case("softmax_train")
def softmax_train():
    a, weight = leaf(*ROWS), randn(ROWS)
    return derive([a], lambda: a.softmax(1) * weight)


@case("layer_norm", "rms_norm")
def norm(name):
    a, module = randn(ROWS), nn.LayerNorm(1024) if name == "layer_norm" else nn.RMSNorm(1024)
    return infer(lambda: module(a))


@case("layer_norm_train")
def layer_norm_train():
    a, weight, module = leaf(*ROWS), randn(ROWS), nn.LayerNorm(1024)
    return derive([a, *module.parameters()], lambda: module(a) * weight)


@case("cross_entropy_train")
def cross_entropy_train():
    a, classes = leaf(*ROWS), ids(1024, 4096)
    return derive([a], lambda: F.cross_entropy(a, classes))


# indexing


@case("embedding")
def embedding():
    weight, rows = randn(50_000, 256), ids(50_000, 8192)
    return lambda: F.embedding(rows, weight)


@case("embedding_train")
def embedding_train():
    weight, rows = leaf(50_000, 256), ids(50_000, 8192)
    return derive([weight], lambda: F.embedding(rows, weight))


@case("gather")
def gather():
    a, index = randn(ROWS), ids(1024, 4096, 256)
    return lambda: a.gather(1, index)


@case("scatter_add")
def scatter_add():
    a, index, source = randn(ROWS), ids(1024, 4096, 256), randn(4096, 256)
    return lambda: a.scatter_add(1, index, source)


@case("index_select")
def index_select():
    a, rows = randn(ROWS), ids(4096, 2048)
    return lambda: a.index_select(0, rows)


@case("sort_1m", "topk_1m_100")
def order(name):
    a = randn(1_000_000)
    return (lambda: a.sort()) if name == "sort_1m" else (lambda: a.topk(100))


@case("unique_1m")
def unique():
    # With what it comes from and how often, which flambeau gives as well.
    a = ids(10_000, 1_000_000)
    return lambda: a.unique(return_inverse=True, return_counts=True)


@case("randn_1m")
def random():
    return lambda: randn(1_000_000)


# matmul


@case("matmul_64", "matmul_256", "matmul_512", "matmul_1024", "matmul_2048")
def matmul(name):
    n = int(name.removeprefix("matmul_"))
    a, b = randn(n, n), randn(n, n)
    return lambda: a @ b


@case("matmul_64_784_512")
def matmul_of_mlp():
    a, b = randn(64, 784), randn(784, 512)
    return lambda: a @ b


@case("matmul_1024_tn", "matmul_1024_nt", "matmul_1024_tt")
def matmul_transposed(name):
    a, b = (randn(1024, 1024).t() if side == "t" else randn(1024, 1024) for side in name[-2:])
    return lambda: a @ b


@case("matvec_4096")
def matvec():
    a, x = randn(4096, 4096), randn(4096)
    return lambda: a @ x


@case("bmm_32_128_64_128")
def bmm():
    a, b = randn(32, 128, 64), randn(32, 64, 128)
    return lambda: a @ b


@case("matmul_bf16_1024", "matmul_f64_512", "matmul_i32_512")
def matmul_of(name):
    _, dtype, n = name.split("_")
    dtype = {"bf16": torch.bfloat16, "f64": torch.float64, "i32": torch.int32}[dtype]
    a, b = (randn(int(n), int(n)).mul(10).to(dtype) for _ in range(2))
    return lambda: a @ b


@case("matmul_i8_i32_512")
def matmul_i8():
    a, b = (torch.randint(-128, 128, (512, 512), dtype=torch.int8) for _ in range(2))
    return lambda: torch._int_mm(a, b)


# conv

CONVS = {
    "conv_64_56_3x3": (F.conv2d, (8, 64, 56, 56), (64, 64, 3, 3), dict(padding=1)),
    "conv_64_56_1x1_256": (F.conv2d, (8, 64, 56, 56), (256, 64, 1, 1), {}),
    "conv_7x7s2": (F.conv2d, (8, 3, 224, 224), (64, 3, 7, 7), dict(stride=2, padding=3)),
    "conv_256_14": (F.conv2d, (8, 256, 14, 14), (256, 256, 3, 3), dict(padding=1)),
    "conv_512_7": (F.conv2d, (8, 512, 7, 7), (512, 512, 3, 3), dict(padding=1)),
    "conv_depthwise": (F.conv2d, (8, 128, 28, 28), (128, 1, 3, 3), dict(padding=1, groups=128)),
    "conv_1_28": (F.conv2d, (64, 1, 28, 28), (32, 1, 3, 3), {}),
    "conv1d": (F.conv1d, (16, 64, 4000), (64, 64, 9), dict(padding=4)),
    "conv3d": (F.conv3d, (4, 16, 16, 56, 56), (32, 16, 3, 3, 3), dict(padding=1)),
    "conv_transpose": (F.conv_transpose2d, (8, 64, 28, 28), (64, 32, 4, 4), dict(stride=2, padding=1)),
}


@case(*(name + suffix for name in CONVS for suffix in ("", "_train")))
def conv(name):
    f, input, weight, options = CONVS[name.removesuffix("_train")]
    x, w = leaf(*input), leaf(*weight)
    forward = lambda: f(x, w, **options)
    return derive([x, w], forward) if name.endswith("_train") else infer(forward)


# pool_and_norm


@case("max_pool2d", "avg_pool2d")
def pool(name):
    x = randn(8, 64, 112, 112)
    return (lambda: F.max_pool2d(x, 3, 2, 1)) if name == "max_pool2d" else (lambda: F.avg_pool2d(x, 2))


@case("batch_norm_train", "group_norm_train")
def norm_train(name):
    x, weight = leaf(8, 64, 56, 56), randn(8, 64, 56, 56)
    module = nn.BatchNorm2d(64) if name == "batch_norm_train" else nn.GroupNorm(8, 64)
    return derive([*module.parameters(), x], lambda: module(x) * weight)


@case("interpolate_bilinear", "interpolate_bilinear_aa")
def interpolate(name):
    x = randn(8, 3, 224, 224)
    return lambda: F.interpolate(x, (160, 160), mode="bilinear", antialias=name.endswith("aa"))


@case("grid_sample")
def grid_sample():
    x, grid = randn(8, 16, 64, 64), torch.rand(8, 64, 64, 2) * 2 - 1
    return lambda: F.grid_sample(x, grid, align_corners=False)


# attention, recurrent


@case("attention", "attention_causal", "attention_train", "attention_causal_2048")
def attention(name):
    shape, train = (1, 8, 2048, 64) if name.endswith("2048") else (4, 8, 256, 64), name.endswith("train")
    q, k, v = (torch.randn(shape, requires_grad=train) for _ in range(3))
    f = lambda: F.scaled_dot_product_attention(q, k, v, is_causal="causal" in name)
    return derive([q, k, v], f) if train else infer(f)


@case("lstm", "lstm_train", "gru_train")
def recurrent(name):
    x, layer = leaf(64, 32, 128), (nn.GRU if name.startswith("gru") else nn.LSTM)(128, 256)
    f = lambda: layer(x)[0]
    return derive([*layer.parameters(), x], f) if name.endswith("train") else infer(f)


# transforms


@case("solve_512", "svd_256", "eigh_256")
def linalg(name):
    n = int(name[-3:])
    a, b = randn(n, n), randn(n, n)
    if name == "eigh_256":
        a = a + a.t()
    ops = {
        "solve_512": lambda: torch.linalg.solve(a, b),
        "svd_256": lambda: torch.linalg.svd(a),
        "eigh_256": lambda: torch.linalg.eigh(a),
    }
    return ops[name]


@case("rfft_1m", "fft_1000003")
def fft(name):
    if name == "rfft_1m":
        x = randn(1_000_000)
        return lambda: torch.fft.rfft(x)
    x = torch.view_as_complex(randn(1_000_003, 2))
    return lambda: torch.fft.fft(x)


@case("stft_10s")
def stft():
    x, window = randn(160_000), torch.hann_window(400)
    return lambda: torch.stft(x, 400, 160, window=window, return_complex=True)


# steps


@case("mlp_sgd", "mlp_adam")
def mlp(name):
    model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 10))
    parameters = model.parameters()
    optimizer = torch.optim.SGD(parameters, 1e-3) if name == "mlp_sgd" else torch.optim.Adam(parameters)
    return classify(optimizer, randn(64, 784), ids(10, 64), model)


@case("cnn_adam")
def cnn():
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(9216, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )
    return classify(torch.optim.Adam(model.parameters()), randn(64, 1, 28, 28), ids(10, 64), model)


@case("lstm_classifier")
def lstm_classifier():
    model = SequenceClassifier()
    return classify(torch.optim.Adam(model.parameters()), ids(1000, 32, 64), ids(10, 32), model)


@case("encoder_adamw")
def encoder():
    layer = nn.TransformerEncoderLayer(256, 8, 1024, dropout=0.0, batch_first=True)
    layers, head = nn.TransformerEncoder(layer, 4), nn.Linear(256, 100)
    optimizer = torch.optim.AdamW([*layers.parameters(), *head.parameters()])
    return classify(optimizer, randn(8, 128, 256), ids(100, 8), lambda x: head(layers(x).mean(1)))


@case("gpt_train", "gpt_train_memory")
def gpt_train(name):
    model = Gpt()
    tokens, targets = ids(1000, 8, 128), ids(1000, 8 * 128)
    optimizer = torch.optim.AdamW(model.parameters())
    return step(optimizer, lambda: F.cross_entropy(model(tokens).flatten(0, 1), targets))


@case("gpt_generate")
def gpt_generate():
    model, prompt = Gpt(), ids(1000, 1, 32)
    return infer(lambda: model.generate(prompt, 32))


def vision(name):
    import torchvision

    return getattr(torchvision.models, name)()


@case("resnet18_train_8", "resnet18_train_8_memory")
def resnet_train(name):
    model = vision("resnet18")
    optimizer = torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9)
    return classify(optimizer, randn(8, 3, 224, 224), ids(1000, 8), model)


@case(*(f"{name}_infer_{batch}" for name in ("resnet18", "mobilenet_v3_small") for batch in (1, 8)))
def vision_infer(name):
    model, batch = name.split("_infer_")
    model, x = vision(model).eval(), randn(int(batch), 3, 224, 224)
    return infer(lambda: model(x))
