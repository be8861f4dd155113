use flambeau_serialize::*;
#[test]
fn torch() {
    let (s, m) = load_with_metadata("/tmp/from_torch.safetensors").unwrap();
    println!("{s:?}\n{m:?}");
    save_with_metadata("/tmp/to_torch.safetensors", &s, &[("format", "pt")]).unwrap();
    let t = std::time::Instant::now();
    let big = flambeau_tensor::Tensor::rand([50_000_000]).build().unwrap();
    println!("made {:?}", t.elapsed());
    for _ in 0..3 {
    let t = std::time::Instant::now();
    save("/tmp/big.safetensors", &[("x", big.clone())]).unwrap();
    println!("save 200 MB {:?}", t.elapsed());
    let t = std::time::Instant::now();
    load("/tmp/big.safetensors").unwrap();
    println!("load 200 MB {:?}", t.elapsed());
    }
}
