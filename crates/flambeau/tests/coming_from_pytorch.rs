//! The tables of `docs/coming-from-pytorch.md`: what stands in their right columns compiles and runs. The first test
//! sees that each of those cells stands in this file, so that no row can be changed or added without being tried.

use flambeau::autograd::{
    GradOptions, checkpoint, detect_anomaly, grad_with, gradcheck, graph, register_multi_grad_hook, save_on_cpu,
    saved_tensors_hooks,
};
use flambeau::func::{self, Randomness, VmapOptions};
use flambeau::prelude::*;
use flambeau::vision::datasets::Mnist;
use flambeau::vision::transforms::*;
use flambeau::vision::tv_tensors::{BoundingBoxFormat, BoundingBoxes, Image, TVTensor};
use flambeau::{Ellipsis, Generator, MemoryFormat, TopkOptions, ValuesIndices, audio};

#[test]
fn every_row_is_in_this_file() {
    let bare = |text: &str| text.split_whitespace().collect::<String>();
    let tried = bare(include_str!("coming_from_pytorch.rs"));
    let page = include_str!("../../../docs/coming-from-pytorch.md").replace("\\|", "\u{1}");
    let mut cells = 0;
    for row in page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---")) {
        let right = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default().replace('\u{1}', "|");
        for code in right.split('`').skip(1).step_by(2) {
            cells += 1;
            // `…` stands for the reader's own lines.
            for part in code.split('…') {
                assert!(tried.contains(&bare(part)), "this file does not try `{part}` of the row {row}");
            }
        }
    }
    assert!(cells > 60, "only {cells} cells were found");
}

#[test]
#[rustfmt::skip]
fn tensors() -> Result<()> {
    tensor!([[1.0, 2.0], [3.0, 4.0]]);
    Tensor::zeros([2, 3]).build()?;
    Tensor::zeros([2, 3]).dtype(DType::I64).build()?;
    Tensor::randn([5]).build()?;
    Tensor::arange(0, 10).build()?;
    Tensor::linspace(-1.0, 1.0, 100).build()?;
    flambeau::manual_seed(0);
    let x = Tensor::arange(0, 24).dtype(DType::F32).build()?.reshape([2, 3, 4])?;
    assert_eq!(x.to_dtype(DType::F64)?.dtype(), DType::F64);
    assert_eq!(x.to(DType::F64)?.dtype(), DType::F64);
    {
        let device = Device::Cpu;
        assert_eq!(x.to((device, DType::F64))?.dtype(), DType::F64);
        assert_eq!(Generator::on(device, 0)?.device(), device);
        let x = Tensor::zeros([2, 3, 4, 5]).build()?;
        assert_eq!(x.to(MemoryFormat::ChannelsLast)?.strides(), [60, 1, 15, 3]);
    }
    let _ = (x.shape(), x.dtype(), x.device());
    assert_eq!(x.sum(..)?.item::<f32>()?, 276.0);
    {
        let x = &x.sum(..)?;
        x.item::<f32>()?;
    }
    x.to_vec::<f32>()?;
    x.copy()?;
    let _ = (x.i(1)?, x.i((.., 0))?);
    {
        let x = Tensor::zeros([2, 6]).build()?;
        assert_eq!(x.i((Ellipsis, 2..5))?.shape(), [2, 3]);
    }
    assert_eq!(x.i(x.gt(1.5)?)?.shape(), [22]);
    let y = x.clone();
    let _ = (&x + &y, 2.0 * &x, x.add(&y)?, x.mul(2.0)?);
    let _ = (x.sum(..)?, x.sum(-1)?, x.sum([0, 2])?);
    x.sum_keepdim(-1)?;
    {
        use flambeau::fft::{self, Norm};
        let _ = (fft::rfft(&x, None, -1, Norm::Backward)?, fft::fftn(&x, None, None, Norm::Ortho)?);
    }
    {
        use flambeau::linalg::{self, SingularValues, Triangle};
        use flambeau::{masked, special};
        let (a, b) = (tensor!([[4.0, 1.0], [1.0, 3.0]]), tensor!([1.0, 2.0]));
        let _ = (linalg::solve(&a, &b, true)?, linalg::inv(&a)?);
        let SingularValues { u, s, vh } = linalg::svd(&a, false)?;
        assert!(u.mul(&s)?.matmul(&vh)?.allclose(&a)?);
        let _ = (linalg::eigh(&a, Triangle::Lower)?, linalg::cholesky(&a, false)?);
        let _ = (x.lgamma()?, special::i0e(&x)?);
        let m = x.gt(3.0)?;
        assert_eq!(masked::mean(&x, 0, false, Some(&m))?.shape(), [3, 4]);
    }
    let n = 6_usize;
    let _ = (x.view([2, -1])?, x.reshape((n, -1))?);
    let [b, t, c] = x.dims()?;
    assert_eq!((b, t, c), (2, 3, 4));
    let _ = (x.transpose(0, 1)?, x.permute([2, 0, 1])?);
    {
        let x = Tensor::ones([3, 2]).build()?;
        let y = x.t()?;
        assert_eq!(x.matmul(&y)?.shape(), [3, 3]);
        let (a, b) = (&x, &x);
        assert_eq!(cat(&[&a, &b], 1)?.shape(), [3, 4]);
        assert_eq!(stack(&[&a, &b], 0)?.shape(), [2, 3, 2]);
    }
    let mask = x.gt(3.0)?;
    assert!(x.where_cond(&mask, 0)?.equal(&x.masked_fill(&mask.logical_not()?, 0)?)?);
    x.masked_fill(&mask, 0)?;
    {
        let x = Tensor::randn([8]).build()?;
        let ValuesIndices { values, indices } = x.sort(-1, false)?;
        assert!(x.gather(0, &indices)?.equal(&values)?);
        assert_eq!(x.topk(5)?.values.shape(), [5]);
        assert_eq!(x.topk_with(5, TopkOptions::new().largest(false))?.indices.shape(), [5]);
    }
    assert_eq!(x.max_dim(1)?.values.shape(), [2, 4]);
    x.add_(1.0)?; x.i(0)?.mul_(10.0)?;
    assert_eq!(Tensor::zeros([2, 3]).device(Device::Meta).build()?.shape(), [2, 3]);
    Ok(())
}

struct F;

impl Function for F {
    fn forward(&self, _: &mut Context<'_>, x: &Tensor) -> Result<Tensor> {
        x.mul(2.0)
    }
    fn backward(&self, _: &Context<'_>, grad: &Tensor) -> Result<Tensor> {
        grad.mul(2.0)
    }
}

#[test]
#[rustfmt::skip]
fn autograd() -> Result<()> {
    let x = tensor!([1.0, 2.0]);
    x.requires_grad_()?;
    let y = x.square()?;
    y.retain_grad()?;
    let loss = y.sum(..)?;
    loss.backward()?;
    assert_eq!(x.grad().map(|g| g.to_vec::<f32>()).transpose()?, Some(vec![2.0, 4.0]));
    let _: Option<Tensor> = x.grad();
    let y = x.square()?.sum(..)?;
    grad_with(&[&y], &[&x], GradOptions { create_graph: true, ..Default::default() })?;
    no_grad(|| x.add_(1.0).map(drop))?;
    inference_mode(|| x.square())?;
    x.detach();
    { let x = x.square()?; x.retain_grad()?; }
    let f = |_: &Tensor| Ok(None);
    let h = x.register_hook(f)?; h.remove();
    let t = Tensor::ones(2).build()?.requires_grad_()?;
    { let f = |_: &Tensor| Ok(()); t.register_post_accumulate_grad_hook(f)?; }
    let (a, b) = (t.square()?, t.exp()?);
    { let f = |_: &[Option<Tensor>]| Ok(()); register_multi_grad_hook(&[&a, &b], f)?; }
    let (pack, unpack) = (|x: &Tensor| x.to_vec::<f32>(), |x: &Vec<f32>| Tensor::from_slice(x, x.len()));
    saved_tensors_hooks(pack, unpack, || t.exp())?;
    save_on_cpu(|| t.exp())?;
    detect_anomaly(|| a.sum(..)?.backward())?;
    { let (f, x) = (|x: &Tensor| x.exp(), t.clone()); checkpoint(f, &x)?; }
    { let (model, y) = (Linear::new(2, 2).build()?, b.clone()); graph(&[&y], &model.state_dict()); }
    let f = |x: &[Tensor]| Ok(vec![F.apply(&x[0])?]);
    let x = Tensor::ones([2]).dtype(DType::F64).build()?.requires_grad_()?;
    gradcheck(f, &[x])?;
    Ok(())
}

#[test]
#[rustfmt::skip]
fn transforms_of_functions() -> Result<()> {
    let f = |x: &Tensor| x.square()?.sum(..);
    let g = |a: &Tensor, b: &Tensor| a.mul(b)?.sum(..);
    let (x, t) = (tensor!([1.0, 2.0]), tensor!([1.0, 0.0]));
    let (a, b) = (x.clone(), t.clone());
    let _ = (func::grad(f, &x)?, func::grad_and_value(f, &x)?);
    assert_eq!(func::grad(|(a, b)| g(a, b), &(a, b))?.0.to_vec::<f32>()?, [1.0, 0.0]);
    let v = tensor!(1.0);
    let (y, back) = func::vjp(f, &x)?; assert!(y.equal(&f(&x)?)?); back(&v)?;
    func::jvp(f, &x, &t)?;
    let (y, along) = func::linearize(f, &x)?; assert!(y.equal(&f(&x)?)?); along(&t)?;
    let _ = (func::jacrev(f, &x)?, func::jacfwd(f, &x)?, func::hessian(f, &x)?);
    let xs = Tensor::ones([4, 2]).build()?;
    func::vmap(f, &xs)?;
    func::vmap(|x| func::grad(f, x), &xs)?;
    func::vmap_with(f, &xs, &VmapOptions::new().randomness(Randomness::Different).chunk_size(8))?;
    {
        let (f, w) = (|(x, w): &(Tensor, Tensor)| x.mul(w), x.clone());
        let y = func::vmap_with(f, &(xs, w), &VmapOptions::new().in_dims([Some(0), None]).out_dims(1))?;
        assert_eq!(y.shape(), [2, 4]);
    }
    let model = Linear::new(2, 1).build()?;
    let params = model.state_dict();
    functional_call(&model, &params, &x)?;
    let models = [&model, &model];
    stack_module_state(&models)?;
    Ok(())
}

#[derive(Module)]
struct Net {
    conv: Conv2d,
    downsample: Option<Sequential>,
}

impl Net {
    fn new() -> Result<Self> {
        Ok(Net { conv: Conv2d::new(3, 64, 7).stride(2).build()?, downsample: None })
    }
}

impl Forward<&Tensor> for Net {
    type Output = Tensor;
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.conv.call(x)?;
        self.downsample.as_ref().map_or(Ok(y.clone()), |down| down.call(&y))
    }
}

#[test]
#[rustfmt::skip]
fn modules() -> Result<()> {
    {
        let (net, x) = (Net::new()?, Tensor::zeros([1, 3, 9, 9]).build()?);
        net.call(&x)?;
    }
    let model = Net::new()?;
    assert_eq!(model.call(&Tensor::zeros([1, 3, 9, 9]).build()?)?.shape(), [1, 64, 2, 2]);
    let (a, b) = (Linear::new(2, 3), Linear::new(3, 2));
    let small = Sequential::of((a, b))?;
    assert_eq!((model.parameters().len(), small.named_parameters().len()), (2, 4));
    let linear = || Linear::new(3, 3).build();
    {
        let (a, b) = (linear()?, linear()?);
        assert_eq!(vec![a, b].state_dict().len(), 4);
        let (a, b) = (linear()?, linear()?);
        let dict = ModuleDict::of([("a", a), ("b", b)])?;
        assert_eq!(dict.keys().collect::<Vec<_>>(), ["a", "b"]);
    }
    {
        let (mut m, x) = (linear()?, Tensor::zeros([1, 3]).build()?);
        parametrizations::weight_norm(&mut m, "weight", 0)?;
        let mut m = linear()?;
        prune::l1_unstructured(&mut m, "weight", 0.3)?;
        let model = linear()?;
        assert_eq!(summary(&model, &x)?.macs, 9);
        let ps = model.parameters();
        assert_eq!(parameters_to_vector(ps)?.shape(), [12]);
        let (conv, bn) = (Conv1d::new(2, 3, 1).build()?, BatchNorm1d::new(3).build()?);
        bn.eval();
        fuse_conv_bn_eval(&conv, &bn)?;
    }
    model.train(); model.eval();
    let d = model.state_dict();
    model.load_state_dict(&d)?;
    println!("{model:?}");
    let (logits, labels) = (Tensor::zeros([2, 10]).build()?, tensor!([1_i64, 2]));
    cross_entropy(&logits, &labels)?;
    {
        let log_probs = Tensor::randn([5, 1, 3]).build()?.log_softmax(-1)?;
        let (targets, lengths, target_lengths) = (tensor!([[1i64, 2]]), [5], [2]);
        assert!(ctc_loss(&log_probs, &targets, &lengths, &target_lengths)?.item::<f32>()? > 0.0);
    }
    let w = Tensor::zeros([3, 4]).build()?;
    init::kaiming_uniform_(&w, init::Fan::In, init::Nonlinearity::default())?;
    let ps = model.parameters();
    clip_grad_norm_(ps, 1.0)?;
    let folder = tempfile::tempdir()?;
    std::env::set_current_dir(folder.path())?;
    serialize::save("m.safetensors", &model.state_dict())?;
    assert_eq!(model.to(DType::F64)?.parameters()[0].dtype(), DType::F64);
    Ok(())
}

struct D;

impl Dataset for D {
    type Item = (Tensor, i64);
    fn len(&self) -> usize {
        4
    }
    fn get(&self, index: usize) -> Result<Self::Item> {
        Ok((tensor!([index as f64]), index as i64))
    }
}

/// Compiled, not run: the files are not there.
#[rustfmt::skip]
fn _files(root: &str) -> Result<()> {
    let t = ToTensor::new();
    Mnist::new(root).train(true).transform(t).build()?;
    audio::load("a.wav")?;
    audio::load_with("a.flac").frame_offset(8000).num_frames(4000).build()?;
    let _ = audio::info("a.flac")?.num_frames;
    use flambeau::audio::functional::ResampleOptions;
    let waveform = Tensor::zeros([1, 4]).build()?;
    audio::io::StreamReader::new("a.mp3", 4096).sample_rate(16_000).build()?;
    audio::save("a.flac", &waveform, 16_000)?;
    audio::functional::resample(&waveform, 44_100, 16_000, &ResampleOptions::default())?;
    audio::datasets::LibriSpeech::new(root).url("dev-clean").build()?;
    audio::models::Conformer::new(80, 4, 128, 2, 31).build()?;
    audio::models::wav2vec2_base().aux_num_out(29).build()?;
    audio::models::emformer_rnnt_base(4097).build()?;
    audio::models::hdemucs_high(["drums", "bass", "other", "vocals"]).build()?;
    audio::models::squim_objective_base().build()?;
    audio::pipelines::WAV2VEC2_ASR_BASE_960H.model("weights.pth")?;
    let (emission, tokens) = (Tensor::zeros([9, 29]).build()?, vec![vec![7, 19, 5]]);
    audio::pipelines::MMS_FA.aligner().align(&emission, &tokens)?;
    audio::pipelines::TACOTRON2_WAVERNN_CHAR_LJSPEECH.wavernn("weights.pth")?;
    let x = waveform.clone();
    audio::effects::EffectsChain::of(["highpass 80", "rate 8000"])?.apply(&x, 16_000)?;
    let sos = tensor!([[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]]);
    audio::functional::sosfilt(&x, &sos, false)?;
    use flambeau::audio::models::decoder::CTCDecoder;
    use flambeau::audio::transforms::{MVDR, MVDRSolution};
    let (tokens, lexicon, emissions) = (["-", "|", "a"], [("a", "a |")], Tensor::zeros([1, 5, 3]).build()?);
    CTCDecoder::new(tokens).lexicon(lexicon).nbest(3).build()?.decode(&emissions, None)?;
    MVDR::new().solution(MVDRSolution::StvEvd).build()?;
    Ok(())
}

#[test]
#[rustfmt::skip]
fn training() -> Result<()> {
    let ps = Linear::new(1, 1).build()?.parameters();
    let mut opt = Adam::new(ps).lr(1e-3).build()?;
    opt.zero_grad(); opt.step()?;
    let n = 10;
    OneCycleLR::new(&opt, 0.1, n).build()?;
    let (d, items) = (D, (D.len(), D.get(0)?));
    assert_eq!(items.0, 4);
    let loader = DataLoader::new(d).batch_size(64).shuffle(true).workers(2).build()?;
    for batch in loader.iter() { let (x, y) = batch?; assert_eq!((x.shape(), y.shape()), (&[4, 1][..], &[4][..])); }
    let (d, f, device) = (D, |items: Vec<<D as Dataset>::Item>| <D as Dataset>::Item::collate(items), Device::Cpu);
    DataLoader::new(d).collate_with(f).device(device).build()?;
    struct S;
    impl IterableDataset for S { type Item = i64; fn iter(&self) -> Result<Stream<i64>> { Ok(Box::new((0..3).map(Ok))) } }
    let s = S;
    assert_eq!(DataLoader::stream(s).batch_size(64).build()?.iter().count(), 1);
    let (a, b) = (ToTensor::new(), CenterCrop::new(2));
    let transform = Compose::of((a, b)).build()?;
    let (x, b, (h, w)) = (Tensor::rand([3, 4, 4]).build()?, Tensor::zeros([1, 4]).build()?, (4, 4));
    let image = Image::new(x.clone())?;
    let boxes = BoundingBoxes::new(b, BoundingBoxFormat::XYXY, (h, w))?;
    let (image, boxes) = transform.on((image, boxes))?;
    assert_eq!((image.shape(), boxes.canvas_size()), (&[3, 2, 2][..], (2, 2)));
    use flambeau::vision::transforms::functional;
    functional::resize(&x, 224, InterpolationMode::Bilinear, None, true)?;
    audio::transforms::MelSpectrogram::new(16_000).n_mels(64).build()?;
    Ok(())
}

#[test]
#[rustfmt::skip]
fn optimizers() -> Result<()> {
    let (a, b) = (Linear::new(2, 2).build()?.parameters(), Linear::new(2, 2).build()?.parameters());
    let weight = a[0].clone();
    let mut optimizer = Adam::new(a).groups([ParamGroup::new(b).set("lr", 1e-2)]).build()?;
    assert_eq!(optimizer.groups().number(0, "lr")?, 1e-3);
    assert_eq!(optimizer.groups().number(1, "lr")?, 1e-2);
    let mut closure = || -> Result<Tensor> {
        let loss = weight.square()?.sum(..)?;
        loss.backward()?;
        Ok(loss)
    };
    optimizer.step_with(&mut closure)?;
    let mut scheduler = ReduceLROnPlateau::new(&optimizer).build()?;
    let metric = 1.0;
    scheduler.step_metric(metric)?;
    // Compiled, not run: it would leave a file.
    let _ = || -> Result<()> { serialize::torch::save("o.pt", &optimizer.state_dict()?)?; Ok(()) };
    Ok(())
}

/// Brighter by a number that is drawn once a sample.
#[derive(Module)]
struct T {
    id: ModuleId,
}

impl Transform for T {
    type Params = f64;
    fn make_params(&self, _: &[&TVTensor]) -> Result<f64> {
        Tensor::rand(()).build()?.item()
    }
    fn transform(&self, part: TVTensor, by: &f64) -> Result<TVTensor> {
        match part {
            TVTensor::Image(image) => Ok(TVTensor::Image(Image::new(image.add(*by)?)?)),
            other => Ok(other),
        }
    }
}

#[test]
fn a_transform_of_ones_own() -> Result<()> {
    let x = Tensor::zeros([3, 4, 4]).build()?;
    let image = Image::new(x)?;
    let t = T { id: ModuleId::new() };
    let params = t.make_params(&[])?;
    let brighter = t.transform(TVTensor::Image(image), &params)?;
    assert!(matches!(brighter, TVTensor::Image(i) if i.amin(..)?.item::<f64>()? == params));
    Ok(())
}
