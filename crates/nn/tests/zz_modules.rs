#![allow(missing_docs, unused_braces, unused_imports, clippy::all)]
use flambeau_autograd::{Autograd, BackwardOptions};
use flambeau_nn::*;
use flambeau_tensor::{DType, Padding, Result, Tensor};
struct Run {
    module: Box<dyn Module>,
    forward: Box<dyn Fn(&[Tensor]) -> Result<Tensor>>,
}
fn layer<L: Layer>(l: L) -> Run {
    let l = std::sync::Arc::new(l);
    let m = Shared(l.clone());
    Run { module: Box::new(m), forward: Box::new(move |x| l.forward(&x[0])) }
}
struct Shared<L>(std::sync::Arc<L>);
impl<L: Module> Module for Shared<L> {
    fn type_name(&self) -> &'static str {
        self.0.type_name()
    }
    fn visit<'a>(&'a self, v: &mut Visitor<'_, 'a>) {
        self.0.visit(v)
    }
    fn visit_mut(&mut self, _: &mut VisitorMut<'_>) {}
    fn as_module(&self) -> &DynModule {
        self
    }
    fn as_module_mut(&mut self) -> &mut DynModule {
        self
    }
}
struct T {
    tag: String,
    name: String,
    t: Option<Tensor>,
    rg: bool,
}
fn parse(line: &str) -> T {
    let f: Vec<&str> = line.split('|').collect();
    if f[0] == "nograd" {
        return T { tag: f[0].into(), name: f[1].into(), t: None, rg: false };
    }
    let shape: Vec<usize> = f[3].split(',').filter(|s| !s.is_empty()).map(|s| s.parse().unwrap()).collect();
    let v: Vec<f64> = f[5].split(' ').filter(|s| !s.is_empty()).map(|s| s.parse().unwrap()).collect();
    let t = Tensor::from_vec(v, shape).unwrap().to_dtype(DType::from_name(f[2]).unwrap()).unwrap();
    T { tag: f[0].into(), name: f[1].into(), t: Some(t), rg: f[4] == "1" }
}
fn close(a: &Tensor, b: &Tensor, k: f64) -> bool {
    if a.shape() != b.shape() || a.dtype() != b.dtype() {
        println!("   shape/dtype {:?} {} vs {:?} {}", a.shape(), a.dtype(), b.shape(), b.dtype());
        return false;
    }
    let (x, y) = (
        a.detach().to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap(),
        b.to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap(),
    );
    let ok = x.iter().zip(&y).all(|(x, y)| (x - y).abs() <= k * (1e-5 + 1.3e-5 * y.abs()) || x.is_nan() && y.is_nan());
    if !ok {
        println!("   got {:?}\n   want {:?}", &x[..x.len().min(6)], &y[..y.len().min(6)]);
    }
    ok
}
fn check(make: fn(&dyn Fn(&str) -> Tensor) -> Result<Run>, training: bool, rows: &[T]) -> Result<bool> {
    let get = |n: &str| rows.iter().find(|r| r.tag == "state" && r.name == n).unwrap().t.clone().unwrap();
    let run = make(&get)?;
    let by = |tag: &str| rows.iter().filter(|r| r.tag == tag).collect::<Vec<_>>();
    let state: Vec<(String, Tensor)> = by("state").iter().map(|r| (r.name.clone(), r.t.clone().unwrap())).collect();
    if run.module.type_name() != "Identity" {
        run.module.load_state_dict(&state)?;
    }
    run.module.train_mode(training);
    let inputs: Vec<Tensor> = by("in")
        .iter()
        .map(|r| {
            let t = r.t.clone().unwrap();
            if r.rg {
                t.set_requires_grad(true).unwrap();
            }
            t
        })
        .collect();
    let out = (run.forward)(&inputs)?;
    let mut ok = close(&out, by("out")[0].t.as_ref().unwrap(), 1.0);
    let sd = run.module.named_buffers();
    for r in by("after") {
        let b = &sd.iter().find(|(n, _)| *n == r.name).unwrap().1;
        if !close(b, r.t.as_ref().unwrap(), 1.0) {
            println!("   buffer {}", r.name);
            ok = false;
        }
    }
    if let Some(c) = by("cot").first() {
        out.backward_with(BackwardOptions { gradient: c.t.clone(), ..Default::default() })?;
        let params = run.module.named_parameters();
        let mut leaves = inputs.iter().filter(|t| t.requires_grad());
        for r in rows.iter().filter(|r| r.tag == "grad" || r.tag == "nograd") {
            let leaf = if r.name.is_empty() {
                leaves.next().unwrap().clone()
            } else {
                params.iter().find(|(n, _)| *n == r.name).unwrap().1.clone()
            };
            match (&r.t, leaf.grad()) {
                (Some(t), Some(g)) => {
                    if !close(&g, t, 10.0) {
                        println!("   grad {:?}", r.name);
                        ok = false;
                    }
                }
                (None, None) => {}
                (a, b) => {
                    println!("   grad {:?}: {} {}", r.name, a.is_some(), b.is_some());
                    ok = false;
                }
            }
        }
    }
    Ok(ok)
}
#[test]
fn all() {
    let text = std::fs::read_to_string("/tmp/nn_mod.txt").unwrap();
    let mut cases: Vec<(String, bool, Vec<T>)> = vec![];
    for l in text.lines() {
        if l.starts_with("case|") {
            let f: Vec<&str> = l.split('|').collect();
            cases.push((format!("{} {} {}", f[1], f[2], f[4]), f[3] == "1", vec![]));
        } else {
            cases.last_mut().unwrap().2.push(parse(l));
        }
    }
    let mut bad = 0;
    for (i, (name, training, rows)) in cases.iter().enumerate() {
        match check(CASES[i], *training, rows) {
            Ok(true) => {}
            Ok(false) => {
                println!("WRONG {name}");
                bad += 1
            }
            Err(e) => {
                println!("ERR {name}: {e}");
                bad += 1
            }
        }
    }
    println!("{} cases, {bad} bad", cases.len());
    assert!(bad == 0);
}
fn case0(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Linear::new(10, 8).build()?))
}
fn case1(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Linear::new(10, 8).bias(false).build()?))
}
fn case2(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Linear::new(3, 5).build()?))
}
fn case3(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Conv1d::new(4, 5, 3).build()?))
}
fn case4(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Conv1d::new(4, 5, 3).padding(Padding::Same).build()?))
}
fn case5(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Conv1d::new(4, 5, 3).build()?))
}
fn case6(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Conv1d::new(4, 5, 3).padding(Padding::Same).build()?))
}
fn case7(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Conv2d::new(4, 5, 3).build()?))
}
fn case8(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Conv2d::new(4, 5, 3).padding(Padding::Same).build()?))
}
fn case9(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Conv2d::new(4, 5, 3).build()?))
}
fn case10(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Conv2d::new(4, 5, 3).padding(Padding::Same).build()?))
}
fn case11(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Conv3d::new(4, 5, 3).build()?))
}
fn case12(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Conv3d::new(4, 5, 3).padding(Padding::Same).build()?))
}
fn case13(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Conv3d::new(4, 5, 3).build()?))
}
fn case14(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Conv3d::new(4, 5, 3).padding(Padding::Same).build()?))
}
fn case15(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(ConvTranspose1d::new(4, 5, 3).build()?))
}
fn case16(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(ConvTranspose1d::new(4, 5, 3).build()?))
}
fn case17(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(ConvTranspose2d::new(4, 5, 3).build()?))
}
fn case18(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(ConvTranspose2d::new(4, 5, 3).build()?))
}
fn case19(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(ConvTranspose3d::new(4, 5, 3).build()?))
}
fn case20(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(ConvTranspose3d::new(4, 5, 3).build()?))
}
fn case21(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm1d::new(10).build()?))
}
fn case22(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm1d::new(5).build()?))
}
fn case23(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm1d::new(10).eps(0.001).momentum(None).build()?))
}
fn case24(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm1d::new(10).eps(0.001).momentum(0.3).affine(false).build()?))
}
fn case25(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm1d::new(10).eps(0.001).momentum(0.3).affine(true).track_running_stats(false).build()?))
}
fn case26(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm1d::new(5).eps(0.001).momentum(0.3).affine(false).build()?))
}
fn case27(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm1d::new(10).build()?))
}
fn case28(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm1d::new(5).build()?))
}
fn case29(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm1d::new(10).eps(0.001).momentum(None).build()?))
}
fn case30(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm1d::new(10).eps(0.001).momentum(0.3).affine(false).build()?))
}
fn case31(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm1d::new(10).eps(0.001).momentum(0.3).affine(true).track_running_stats(false).build()?))
}
fn case32(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm1d::new(5).eps(0.001).momentum(0.3).affine(false).build()?))
}
fn case33(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm2d::new(3).build()?))
}
fn case34(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm2d::new(3).eps(0.001).momentum(None).build()?))
}
fn case35(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm2d::new(3).eps(0.001).momentum(0.8).build()?))
}
fn case36(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm2d::new(3).eps(0.001).momentum(0.8).affine(false).build()?))
}
fn case37(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm2d::new(3).eps(0.001).momentum(0.8).affine(true).track_running_stats(false).build()?))
}
fn case38(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm2d::new(5).eps(0.001).momentum(0.3).affine(false).build()?))
}
fn case39(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm2d::new(3).build()?))
}
fn case40(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm2d::new(3).eps(0.001).momentum(None).build()?))
}
fn case41(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm2d::new(3).eps(0.001).momentum(0.8).build()?))
}
fn case42(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm2d::new(3).eps(0.001).momentum(0.8).affine(false).build()?))
}
fn case43(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm2d::new(3).eps(0.001).momentum(0.8).affine(true).track_running_stats(false).build()?))
}
fn case44(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm2d::new(5).eps(0.001).momentum(0.3).affine(false).build()?))
}
fn case45(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm3d::new(3).build()?))
}
fn case46(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm3d::new(3).eps(0.001).momentum(None).build()?))
}
fn case47(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm3d::new(3).eps(0.001).momentum(0.7).build()?))
}
fn case48(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm3d::new(3).eps(0.001).momentum(0.7).affine(false).build()?))
}
fn case49(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm3d::new(3).eps(0.001).momentum(0.7).affine(true).track_running_stats(false).build()?))
}
fn case50(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm3d::new(5).eps(0.001).momentum(0.3).affine(false).build()?))
}
fn case51(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm3d::new(3).build()?))
}
fn case52(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm3d::new(3).eps(0.001).momentum(None).build()?))
}
fn case53(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm3d::new(3).eps(0.001).momentum(0.7).build()?))
}
fn case54(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm3d::new(3).eps(0.001).momentum(0.7).affine(false).build()?))
}
fn case55(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm3d::new(3).eps(0.001).momentum(0.7).affine(true).track_running_stats(false).build()?))
}
fn case56(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(BatchNorm3d::new(5).eps(0.001).momentum(0.3).affine(false).build()?))
}
fn case57(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm1d::new(3).eps(0.001).momentum(0.3).build()?))
}
fn case58(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm1d::new(3).eps(0.001).momentum(0.3).affine(false).track_running_stats(true).build()?))
}
fn case59(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm1d::new(3).eps(0.001).momentum(0.3).build()?))
}
fn case60(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm1d::new(3).eps(0.001).momentum(0.3).affine(false).track_running_stats(true).build()?))
}
fn case61(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm1d::new(3).eps(0.001).momentum(0.3).affine(true).build()?))
}
fn case62(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm1d::new(3).eps(0.001).momentum(0.3).affine(true).bias(false).build()?))
}
fn case63(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm1d::new(3).eps(0.001).momentum(0.3).build()?))
}
fn case64(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm1d::new(3).eps(0.001).momentum(0.3).affine(false).track_running_stats(true).build()?))
}
fn case65(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm1d::new(3).eps(0.001).momentum(0.3).build()?))
}
fn case66(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm1d::new(3).eps(0.001).momentum(0.3).affine(false).track_running_stats(true).build()?))
}
fn case67(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm1d::new(3).eps(0.001).momentum(0.3).affine(true).build()?))
}
fn case68(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm1d::new(3).eps(0.001).momentum(0.3).affine(true).bias(false).build()?))
}
fn case69(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm2d::new(3).eps(0.001).momentum(0.3).build()?))
}
fn case70(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm2d::new(3).eps(0.001).momentum(0.3).affine(false).track_running_stats(true).build()?))
}
fn case71(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm2d::new(3).eps(0.001).momentum(0.3).build()?))
}
fn case72(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm2d::new(3).eps(0.001).momentum(0.3).affine(false).track_running_stats(true).build()?))
}
fn case73(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm2d::new(3).eps(0.001).momentum(0.3).affine(true).build()?))
}
fn case74(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm2d::new(3).eps(0.001).momentum(0.3).affine(true).bias(false).build()?))
}
fn case75(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm2d::new(3).eps(0.001).momentum(0.3).build()?))
}
fn case76(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm2d::new(3).eps(0.001).momentum(0.3).affine(false).track_running_stats(true).build()?))
}
fn case77(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm2d::new(3).eps(0.001).momentum(0.3).build()?))
}
fn case78(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm2d::new(3).eps(0.001).momentum(0.3).affine(false).track_running_stats(true).build()?))
}
fn case79(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm2d::new(3).eps(0.001).momentum(0.3).affine(true).build()?))
}
fn case80(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm2d::new(3).eps(0.001).momentum(0.3).affine(true).bias(false).build()?))
}
fn case81(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm3d::new(3).eps(0.001).momentum(0.3).build()?))
}
fn case82(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm3d::new(3).eps(0.001).momentum(0.3).affine(false).track_running_stats(true).build()?))
}
fn case83(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm3d::new(3).eps(0.001).momentum(0.3).build()?))
}
fn case84(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm3d::new(3).eps(0.001).momentum(0.3).affine(false).track_running_stats(true).build()?))
}
fn case85(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm3d::new(3).eps(0.001).momentum(0.3).affine(true).build()?))
}
fn case86(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm3d::new(3).eps(0.001).momentum(0.3).affine(true).bias(false).build()?))
}
fn case87(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm3d::new(3).eps(0.001).momentum(0.3).build()?))
}
fn case88(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm3d::new(3).eps(0.001).momentum(0.3).affine(false).track_running_stats(true).build()?))
}
fn case89(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm3d::new(3).eps(0.001).momentum(0.3).build()?))
}
fn case90(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm3d::new(3).eps(0.001).momentum(0.3).affine(false).track_running_stats(true).build()?))
}
fn case91(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm3d::new(3).eps(0.001).momentum(0.3).affine(true).build()?))
}
fn case92(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(InstanceNorm3d::new(3).eps(0.001).momentum(0.3).affine(true).bias(false).build()?))
}
fn case93(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(GroupNorm::new(3, 6).eps(0.001).build()?))
}
fn case94(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(GroupNorm::new(3, 6).eps(0.001).bias(false).build()?))
}
fn case95(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(GroupNorm::new(3, 12).eps(0.001).build()?))
}
fn case96(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(GroupNorm::new(1, 6).eps(0.001).build()?))
}
fn case97(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(GroupNorm::new(5, 5).eps(0.001).affine(false).build()?))
}
fn case98(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(GroupNorm::new(1, 10).eps(0.001).affine(false).build()?))
}
fn case99(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(LayerNorm::new([5]).eps(0.001).build()?))
}
fn case100(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(LayerNorm::new([5]).eps(0.001).build()?))
}
fn case101(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(LayerNorm::new([5]).eps(0.001).elementwise_affine(false).build()?))
}
fn case102(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(LayerNorm::new([2, 2, 5]).eps(0.001).build()?))
}
fn case103(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(LayerNorm::new([2, 2, 5]).eps(0.001).elementwise_affine(false).build()?))
}
fn case104(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(LayerNorm::new([5]).eps(0.001).build()?))
}
fn case105(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(RMSNorm::new([5]).eps(0.001).build()?))
}
fn case106(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(RMSNorm::new([5]).eps(0.001).build()?))
}
fn case107(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(RMSNorm::new([5]).eps(0.001).elementwise_affine(false).build()?))
}
fn case108(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(RMSNorm::new([2, 2, 5]).eps(0.001).build()?))
}
fn case109(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(RMSNorm::new([2, 2, 5]).eps(0.001).elementwise_affine(false).build()?))
}
fn case110(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(RMSNorm::new([5]).eps(0.001).build()?))
}
fn case111(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Embedding::new(4, 3).build()?))
}
fn case112(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Embedding::new(4, 3).build()?))
}
fn case113(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(ReLU::new()))
}
fn case114(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(ReLU::new()))
}
fn case115(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(ReLU::new()))
}
fn case116(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(ReLU::new()))
}
fn case117(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(ReLU6::new()))
}
fn case118(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(ReLU6::new()))
}
fn case119(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(ReLU6::new()))
}
fn case120(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(ReLU6::new()))
}
fn case121(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(GELU::new().approximate(Approximate::None).build()?))
}
fn case122(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(GELU::new().approximate(Approximate::None).build()?))
}
fn case123(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(GELU::new().build()?))
}
fn case124(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Tanh::new()))
}
fn case125(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Tanh::new()))
}
fn case126(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Tanh::new()))
}
fn case127(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Sigmoid::new()))
}
fn case128(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Sigmoid::new()))
}
fn case129(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Sigmoid::new()))
}
fn case130(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Sigmoid::new()))
}
fn case131(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(SiLU::new()))
}
fn case132(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(SiLU::new()))
}
fn case133(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(SiLU::new()))
}
fn case134(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Mish::new()))
}
fn case135(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Mish::new()))
}
fn case136(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Mish::new()))
}
fn case137(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(SELU::new()))
}
fn case138(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(SELU::new()))
}
fn case139(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(SELU::new()))
}
fn case140(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Hardswish::new()))
}
fn case141(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Hardswish::new()))
}
fn case142(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(LogSigmoid::new()))
}
fn case143(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(LogSigmoid::new()))
}
fn case144(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(LogSigmoid::new()))
}
fn case145(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Softsign::new()))
}
fn case146(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Softsign::new()))
}
fn case147(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Softsign::new()))
}
fn case148(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Tanhshrink::new()))
}
fn case149(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Tanhshrink::new()))
}
fn case150(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Tanhshrink::new()))
}
fn case151(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(LeakyReLU::new().build()?))
}
fn case152(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(LeakyReLU::new().build()?))
}
fn case153(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(LeakyReLU::new().negative_slope(0.5).build()?))
}
fn case154(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(LeakyReLU::new().negative_slope(0.0).build()?))
}
fn case155(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(LeakyReLU::new().negative_slope(0.5).build()?))
}
fn case156(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(ELU::new().alpha(2.0).build()?))
}
fn case157(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(ELU::new().alpha(2.0).build()?))
}
fn case158(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(ELU::new().build()?))
}
fn case159(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(ELU::new().alpha(2.0).build()?))
}
fn case160(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Softplus::new().build()?))
}
fn case161(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Softplus::new().beta(2.0).build()?))
}
fn case162(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Softplus::new().beta(2.0).threshold(-100.0).build()?))
}
fn case163(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Softplus::new().beta(2.0).threshold(-100.0).build()?))
}
fn case164(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Softplus::new().build()?))
}
fn case165(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(GLU::new().build()?))
}
fn case166(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(GLU::new().dim(1).build()?))
}
fn case167(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(GLU::new().build()?))
}
fn case168(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Softmax::new(1)))
}
fn case169(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Softmax::new(0)))
}
fn case170(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(Softmax::new(-1)))
}
fn case171(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(LogSoftmax::new(1)))
}
fn case172(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(LogSoftmax::new(1)))
}
fn case173(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(LogSoftmax::new(0)))
}
fn case174(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(LogSoftmax::new(-1)))
}
fn case175(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(PReLU::new().build()?))
}
fn case176(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(PReLU::new().build()?))
}
fn case177(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(PReLU::new().build()?))
}
fn case178(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(PReLU::new().num_parameters(3).build()?))
}
fn case179(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(PReLU::new().build()?))
}
fn case180(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(PReLU::new().num_parameters(3).build()?))
}
fn case181(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(MaxPool1d::new(4).build()?))
}
fn case182(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(MaxPool1d::new(4).stride(4).build()?))
}
fn case183(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(MaxPool2d::new((3, 3)).stride((2, 2)).padding((1, 1)).build()?))
}
fn case184(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(MaxPool2d::new((3, 3)).stride((2, 2)).padding((1, 1)).build()?))
}
fn case185(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(MaxPool3d::new((2, 2, 2)).build()?))
}
fn case186(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(MaxPool3d::new(2).stride((2, 2, 2)).build()?))
}
fn case187(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(MaxPool3d::new(2).stride(2).padding((1, 1, 1)).build()?))
}
fn case188(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(AvgPool1d::new(2).build()?))
}
fn case189(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(AvgPool1d::new(2).build()?))
}
fn case190(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(AvgPool1d::new((2,)).stride((2,)).build()?))
}
fn case191(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(AvgPool1d::new(2).stride(2).padding(1).build()?))
}
fn case192(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(AvgPool2d::new((2, 2)).build()?))
}
fn case193(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(AvgPool2d::new((2, 2)).build()?))
}
fn case194(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(AvgPool2d::new((2, 2)).stride((2, 2)).build()?))
}
fn case195(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(AvgPool2d::new((2, 2)).stride((2, 2)).padding((1, 1)).build()?))
}
fn case196(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(AvgPool2d::new((2, 2)).divisor_override(1).build()?))
}
fn case197(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(AvgPool2d::new((2, 2)).stride((2, 2)).divisor_override(1).build()?))
}
fn case198(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(AvgPool3d::new((2, 2, 2)).build()?))
}
fn case199(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(AvgPool3d::new((2, 2, 2)).build()?))
}
fn case200(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(AvgPool3d::new(2).stride((2, 2, 2)).build()?))
}
fn case201(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(AvgPool3d::new(2).stride(2).padding((1, 1, 1)).build()?))
}
fn case202(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(AvgPool3d::new(4).stride(2).padding((1, 2, 1)).build()?))
}
fn case203(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(AvgPool3d::new((2, 4, 8)).stride(1).padding((1, 1, 2)).build()?))
}
fn case204(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(AdaptiveAvgPool1d::new(3).build()?))
}
fn case205(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(AdaptiveAvgPool1d::new(3).build()?))
}
fn case206(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(AdaptiveAvgPool1d::new(1).build()?))
}
fn case207(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(AdaptiveAvgPool2d::new(3).build()?))
}
fn case208(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(AdaptiveAvgPool2d::new(3).build()?))
}
fn case209(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(AdaptiveAvgPool2d::new(1).build()?))
}
fn case210(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(AdaptiveAvgPool2d::new((3, 4)).build()?))
}
fn case211(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(AdaptiveAvgPool2d::new((3, -1)).build()?))
}
fn case212(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(AdaptiveMaxPool1d::new(3).build()?))
}
fn case213(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(AdaptiveMaxPool1d::new(3).build()?))
}
fn case214(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(AdaptiveMaxPool2d::new(3).build()?))
}
fn case215(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(AdaptiveMaxPool2d::new(3).build()?))
}
fn case216(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(AdaptiveMaxPool2d::new((3, 4)).build()?))
}
fn case217(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok(layer(AdaptiveMaxPool2d::new((3, -1)).build()?))
}
fn case218(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = CrossEntropyLoss::new().reduction(Reduction::Mean).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case219(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = CrossEntropyLoss::new().reduction(Reduction::Mean).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case220(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = CrossEntropyLoss::new().reduction(Reduction::Mean).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case221(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = CrossEntropyLoss::new().reduction(Reduction::Mean).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case222(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = CrossEntropyLoss::new().reduction(Reduction::Mean).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case223(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = CrossEntropyLoss::new().reduction(Reduction::Mean).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case224(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = NLLLoss::new().build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case225(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = NLLLoss::new().build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case226(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = NLLLoss::new().build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case227(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = NLLLoss::new().build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case228(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = NLLLoss::new().reduction(Reduction::Sum).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case229(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = NLLLoss::new().reduction(Reduction::Sum).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case230(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = MSELoss::new().build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case231(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = MSELoss::new().build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case232(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = MSELoss::new().reduction(Reduction::Sum).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case233(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = MSELoss::new().reduction(Reduction::Sum).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case234(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = MSELoss::new().reduction(Reduction::Mean).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case235(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = MSELoss::new().reduction(Reduction::Mean).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case236(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = L1Loss::new();
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case237(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = L1Loss::new();
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case238(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = L1Loss::new().reduction(Reduction::None);
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case239(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = L1Loss::new().reduction(Reduction::Mean);
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case240(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = L1Loss::new().reduction(Reduction::Sum);
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case241(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = SmoothL1Loss::new().build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case242(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = SmoothL1Loss::new().build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case243(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = SmoothL1Loss::new().reduction(Reduction::Sum).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case244(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = SmoothL1Loss::new().reduction(Reduction::Sum).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case245(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = SmoothL1Loss::new().reduction(Reduction::Mean).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case246(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = SmoothL1Loss::new().reduction(Reduction::Mean).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case247(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = HuberLoss::new().build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case248(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = HuberLoss::new().reduction(Reduction::Sum).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case249(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = HuberLoss::new().reduction(Reduction::Mean).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case250(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = HuberLoss::new().reduction(Reduction::None).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case251(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = BCELoss::new().build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case252(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = BCELoss::new().reduction(Reduction::Sum).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case253(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = BCELoss::new().reduction(Reduction::Mean).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case254(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = BCELoss::new().reduction(Reduction::None).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case255(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let weight = state("weight");
        let m = BCELoss::new().weight(weight).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case256(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let weight = state("weight");
        let m = BCELoss::new().weight(weight).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case257(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = BCEWithLogitsLoss::new().build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case258(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = BCEWithLogitsLoss::new().reduction(Reduction::Sum).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case259(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = BCEWithLogitsLoss::new().reduction(Reduction::Mean).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case260(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = BCEWithLogitsLoss::new().reduction(Reduction::None).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case261(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let weight = state("weight");
        let m = BCEWithLogitsLoss::new().weight(weight).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case262(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let weight = state("weight");
        let m = BCEWithLogitsLoss::new().weight(weight).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case263(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = KLDivLoss::new().build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case264(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = KLDivLoss::new().build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case265(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = KLDivLoss::new().reduction(Reduction::Sum).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case266(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = KLDivLoss::new().reduction(Reduction::Sum).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case267(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = KLDivLoss::new().reduction(Reduction::BatchMean).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
fn case268(state: &dyn Fn(&str) -> Tensor) -> Result<Run> {
    let _ = state;
    Ok({
        let m = KLDivLoss::new().reduction(Reduction::BatchMean).build()?;
        Run { module: Box::new(Identity::new()), forward: Box::new(move |x| m.forward(&x[0], &x[1])) }
    })
}
const CASES: &[fn(&dyn Fn(&str) -> Tensor) -> Result<Run>] = &[
    case0, case1, case2, case3, case4, case5, case6, case7, case8, case9, case10, case11, case12, case13, case14,
    case15, case16, case17, case18, case19, case20, case21, case22, case23, case24, case25, case26, case27, case28,
    case29, case30, case31, case32, case33, case34, case35, case36, case37, case38, case39, case40, case41, case42,
    case43, case44, case45, case46, case47, case48, case49, case50, case51, case52, case53, case54, case55, case56,
    case57, case58, case59, case60, case61, case62, case63, case64, case65, case66, case67, case68, case69, case70,
    case71, case72, case73, case74, case75, case76, case77, case78, case79, case80, case81, case82, case83, case84,
    case85, case86, case87, case88, case89, case90, case91, case92, case93, case94, case95, case96, case97, case98,
    case99, case100, case101, case102, case103, case104, case105, case106, case107, case108, case109, case110, case111,
    case112, case113, case114, case115, case116, case117, case118, case119, case120, case121, case122, case123,
    case124, case125, case126, case127, case128, case129, case130, case131, case132, case133, case134, case135,
    case136, case137, case138, case139, case140, case141, case142, case143, case144, case145, case146, case147,
    case148, case149, case150, case151, case152, case153, case154, case155, case156, case157, case158, case159,
    case160, case161, case162, case163, case164, case165, case166, case167, case168, case169, case170, case171,
    case172, case173, case174, case175, case176, case177, case178, case179, case180, case181, case182, case183,
    case184, case185, case186, case187, case188, case189, case190, case191, case192, case193, case194, case195,
    case196, case197, case198, case199, case200, case201, case202, case203, case204, case205, case206, case207,
    case208, case209, case210, case211, case212, case213, case214, case215, case216, case217, case218, case219,
    case220, case221, case222, case223, case224, case225, case226, case227, case228, case229, case230, case231,
    case232, case233, case234, case235, case236, case237, case238, case239, case240, case241, case242, case243,
    case244, case245, case246, case247, case248, case249, case250, case251, case252, case253, case254, case255,
    case256, case257, case258, case259, case260, case261, case262, case263, case264, case265, case266, case267,
    case268,
];
