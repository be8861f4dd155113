//! Weights that torchvision wrote, and an image: what a network sees in it. A classifier names the five likeliest classes; a
//! detector draws boxes.
//!
//! `torch.save(model.state_dict(), "resnet50.pth")` makes such a file; the network is the one that the file is named after, or
//! that `--model` says.

use clap::Parser;
use flambeau::prelude::*;
use flambeau::vision::io::{read_image, write_png};
use flambeau::vision::models::{Labels, Network, Preset, get_model, get_model_weights, list_models};
use flambeau::vision::utils::draw_bounding_boxes;
use std::path::{Path, PathBuf};

/// Shows what a network of torchvision's sees in an image.
#[derive(Parser)]
struct Args {
    /// The weights
    file: PathBuf,
    /// The image: JPEG, PNG, WebP, GIF, BMP or TIFF
    image: PathBuf,
    /// The network, as torchvision calls it; told by the name of the file unless given
    #[arg(long)]
    model: Option<String>,
    /// Classes, where they are others than torchvision's own
    #[arg(long)]
    classes: Option<usize>,
    /// Boxes below this score are not drawn
    #[arg(long, default_value_t = 0.5)]
    score: f32,
    /// Where the picture with boxes goes
    #[arg(long, default_value = "runs/from_torchvision")]
    out: PathBuf,
}

/// The network whose name the file's begins with: the longest such.
fn named(file: &Path) -> Option<&'static str> {
    let stem = file.file_stem()?.to_str()?;
    list_models().into_iter().filter(|name| stem.starts_with(name)).max_by_key(|name| name.len())
}

/// The name of a class, or its number where there are others than torchvision's.
fn name(labels: &[&str], class: i64, own: bool) -> String {
    match labels.get(class as usize).filter(|_| !own) {
        Some(name) => name.to_string(),
        None => format!("class {class}"),
    }
}

fn classify(model: &dyn Network, preset: Preset, image: &Tensor, labels: &[&str], own: bool) -> Result<()> {
    let scores = no_grad(|| model.outputs(&preset.image(image)?.unsqueeze(0)?))?.remove(0).softmax(-1)?.select(0, 0)?;
    let order = scores.argsort(-1, true)?.to_vec::<i64>()?;
    let scores = scores.to_vec::<f32>()?;
    for class in order.into_iter().take(5) {
        println!("{:.6}  {}", scores[class as usize], name(labels, class, own));
    }
    Ok(())
}

fn detect(args: &Args, model: &dyn Network, image: &Tensor, labels: &[&str]) -> Result<()> {
    let detector = model.as_detector();
    let detector =
        detector.ok_or_else(|| Error::new(ErrorKind::Argument, "from_torchvision", "this finds no boxes"))?;
    let found = no_grad(|| detector.detect(&[Preset::ObjectDetection.image(image)?]))?.remove(0);
    let scores = found.scores.to_vec::<f32>()?;
    let classes = found.labels.to_vec::<i64>()?;
    let corners = found.boxes.to_vec::<f32>()?;
    let good = scores.iter().take_while(|score| **score >= args.score).count();
    let mut names = Vec::new();
    for i in 0..good {
        let name = format!("{} {:.2}", name(labels, classes[i], args.classes.is_some()), scores[i]);
        println!("{name:<24} {:8.2?}", &corners[4 * i..4 * i + 4]);
        names.push(name);
    }
    let boxes = found.boxes.narrow(0, 0, good)?;
    let drawn = draw_bounding_boxes(image, &boxes).labels(names).width(2_usize).build()?;
    write_png(&drawn, args.out.join("found.png"))?;
    println!("{good} boxes; wrote found.png to {}", args.out.display());
    Ok(())
}

fn main() -> Result<()> {
    let args = Args::parse();
    std::fs::create_dir_all(&args.out).map_err(|e| Error::io("create", &args.out, e))?;
    let unknown = || {
        let message = format!("{} is named after no network: say which by --model", args.file.display());
        Error::new(ErrorKind::Argument, "from_torchvision", message)
    };
    let model = args.model.clone().or_else(|| named(&args.file).map(str::to_string)).ok_or_else(unknown)?;
    // What the network expects of an image, and what its classes are called, torchvision's weights tell.
    let known = get_model_weights(&model).first();
    let labels = known.map_or(Labels::None, |weights| weights.labels).names();

    let network = get_model(&model);
    let network = match args.classes {
        Some(classes) => network.num_classes(classes),
        None => network,
    };
    let network = network.build()?;
    network.load_state_dict(&serialize::load(&args.file)?)?;
    network.eval();
    println!("{model}: {} parameters", network.num_parameters());
    let image = read_image(&args.image)?;
    match known.map(|weights| weights.preset) {
        Some(preset @ Preset::ImageClassification { .. }) => {
            classify(&*network, preset, &image, labels, args.classes.is_some())
        }
        _ => detect(&args, &*network, &image, labels),
    }
}
