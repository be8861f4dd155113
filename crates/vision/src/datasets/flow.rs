//! Optical flow: two images of a scene, one after the other, and how far each pixel went.

use super::listed::{TRAIN_TEST, TRAIN_VAL};
use super::pairs::{Field, Files, pair_sets};
use super::readers::{fault, glob, lines, names, read_flo, read_flow_png, read_pfm};
use super::split::Split;
use flambeau_tensor::{Error, Result, bail, ensure};
use std::path::{Path, PathBuf};

pair_sets! {
    /// Chairs that fly, as `torchvision.datasets.FlyingChairs`: `FlyingChairs/data/00001_img1.ppm`, `…/00001_flow.flo`,
    /// `FlyingChairs/FlyingChairs_train_val.txt`.
    ///
    /// An item is two images, `u8` `[3, H, W]`, the flow from the first to the second, float32 `[2, H, W]`, and nothing.
    FlyingChairs, FlyingChairsBuilder {
        /// Train or Val; Train unless set.
        split: Split = Split::Train,
    } flying_chairs, |path| flow(read_flo(path));

    /// Things that fly, as `torchvision.datasets.FlyingThings3D`: `FlyingThings3D/frames_cleanpass/TRAIN/A/0000/left/0006.png`,
    /// `FlyingThings3D/optical_flow/TRAIN/A/0000/into_future/left/….pfm`.
    ///
    /// An item is two images, `u8` `[3, H, W]`, the flow from the first to the second, float32 `[2, H, W]`, and nothing.
    FlyingThings3D, FlyingThings3DBuilder {
        /// Train or Test; Train unless set.
        split: Split = Split::Train,
        /// `clean`, `final` or `both`; clean unless set.
        pass_name: &'static str = "clean",
        /// `left`, `right` or `both`; left unless set.
        camera: &'static str = "left",
    } flying_things, |path| flow(read_pfm(path, 2));

    /// Streets measured exactly, as `torchvision.datasets.HD1K`: `hd1k/hd1k_input/image_2/000000_0010.png`,
    /// `hd1k/hd1k_flow_gt/flow_occ/000000_0010.png`, `hd1k/hd1k_challenge/image_2/…`.
    ///
    /// An item is two images, `u8` `[3, H, W]`, the flow from the first to the second, float32 `[2, H, W]`, and where it is
    /// known, bool `[H, W]`; none of both for images to test on.
    Hd1k, Hd1kBuilder {
        /// Train or Test; Train unless set.
        split: Split = Split::Train,
    } hd1k, measured;

    /// Streets, as `torchvision.datasets.KittiFlow`: `KittiFlow/training/image_2/000000_10.png`,
    /// `KittiFlow/training/flow_occ/000000_10.png`.
    ///
    /// An item is two images, `u8` `[3, H, W]`, the flow from the first to the second, float32 `[2, H, W]`, and where it is
    /// known, bool `[H, W]`; none of both for images to test on.
    KittiFlow, KittiFlowBuilder {
        /// Train or Test; Train unless set.
        split: Split = Split::Train,
    } kitti_flow, measured;

    /// Scenes of a drawn film, as `torchvision.datasets.Sintel`: `Sintel/training/clean/alley_1/frame_0001.png`,
    /// `Sintel/training/flow/alley_1/frame_0001.flo`. The scenes come in the order of their names; torchvision's order is that
    /// of the file system.
    ///
    /// An item is two images, `u8` `[3, H, W]`, the flow from the first to the second, float32 `[2, H, W]`, which is none for
    /// images to test on, and nothing.
    Sintel, SintelBuilder {
        /// Train or Test; Train unless set.
        split: Split = Split::Train,
        /// `clean`, `final` or `both`; clean unless set.
        pass_name: &'static str = "clean",
    } sintel, |path| flow(read_flo(path));
}

fn flow(read: Result<flambeau_tensor::Tensor>) -> Result<Field> {
    Ok((Some(read?), None))
}

fn measured(path: &Path) -> Result<Field> {
    let (flow, known) = read_flow_png(path)?;
    Ok((Some(flow), Some(known)))
}

/// The names for `both` or one of two.
#[track_caller]
pub(super) fn one_or_both(
    op: &'static str,
    option: &str,
    both: [&'static str; 2],
    given: &str,
) -> Result<Vec<&'static str>> {
    match given {
        "both" => Ok(both.to_vec()),
        one => match both.iter().find(|name| **name == one) {
            Some(name) => Ok(vec![name]),
            None => bail!(Argument, op, "{option} {one:?}: {}, {} or both", both[0], both[1]),
        },
    }
}

/// Images one after the other, and a flow for each two.
#[track_caller]
fn along(folder: &Path, images: &[PathBuf], flows: &[PathBuf], back: bool) -> Result<Vec<Files>> {
    let two = |i: usize| {
        let images = images.get(i).zip(images.get(i + 1));
        let (first, second) =
            images.ok_or_else(|| Error::format(folder, format!("there are {} flows for fewer images", flows.len())))?;
        Ok(match back {
            true => Files::new([second.clone(), first.clone()], flows.get(i + 1).cloned()),
            false => Files::new([first.clone(), second.clone()], flows.get(i).cloned()),
        })
    };
    (0..flows.len().saturating_sub(1)).map(two).collect()
}

#[track_caller]
fn flying_chairs(b: &FlyingChairsBuilder) -> Result<Vec<Files>> {
    let wanted = if b.split.among("FlyingChairs", &TRAIN_VAL)? == "train" { 1.0 } else { 2.0 };
    let root = b.root.join("FlyingChairs");
    let (images, flows) = (glob(&root.join("data"), "*.ppm"), glob(&root.join("data"), "*.flo"));
    let list = root.join("FlyingChairs_train_val.txt");
    let parts: Vec<f64> = lines(&list)?
        .iter()
        .enumerate()
        .filter(|(_, line)| !line.is_empty())
        .map(|(i, line)| line.parse().map_err(|_| fault(&list, i, line, "1 or 2")))
        .collect::<Result<_>>()?;
    let fits = parts.len() >= flows.len() && images.len() >= 2 * flows.len();
    if !fits {
        let text = format!("{} parts and {} images for {} flows", parts.len(), images.len(), flows.len());
        return Err(Error::format(&list, text));
    }
    let here = flows.into_iter().enumerate().filter(|(i, _)| parts[*i] == wanted);
    Ok(here.map(|(i, flow)| Files::new([images[2 * i].clone(), images[2 * i + 1].clone()], Some(flow))).collect())
}

#[track_caller]
fn flying_things(b: &FlyingThings3DBuilder) -> Result<Vec<Files>> {
    let op = "FlyingThings3D";
    let split = b.split.among(op, &[(Split::Train, "TRAIN"), (Split::Test, "TEST")])?;
    let passes = one_or_both(op, "pass_name", ["clean", "final"], b.pass_name)?;
    let cameras = one_or_both(op, "camera", ["left", "right"], b.camera)?;
    let root = b.root.join("FlyingThings3D");
    let mut files = Vec::new();
    for pass in passes {
        for camera in &cameras {
            for (direction, back) in [("into_future", false), ("into_past", true)] {
                let images = glob(&root, &format!("frames_{pass}pass/{split}/*/*"));
                let flows = glob(&root, &format!("optical_flow/{split}/*/*"));
                ensure!(
                    !images.is_empty() && !flows.is_empty(),
                    Format,
                    format!("read {}", root.display()),
                    "there are no images or no flows of {split}"
                );
                for (images, flows) in images.iter().zip(&flows) {
                    let images = glob(&images.join(camera), "*.png");
                    let flows = glob(&flows.join(direction).join(camera), "*.pfm");
                    files.extend(along(&root, &images, &flows, back)?);
                }
            }
        }
    }
    Ok(files)
}

#[track_caller]
fn hd1k(b: &Hd1kBuilder) -> Result<Vec<Files>> {
    let root = b.root.join("hd1k");
    let mut files = Vec::new();
    if b.split.among("HD1K", &TRAIN_TEST)? == "train" {
        for scene in 0..36 {
            let flows = glob(&root, &format!("hd1k_flow_gt/flow_occ/{scene:06}_*.png"));
            let images = glob(&root, &format!("hd1k_input/image_2/{scene:06}_*.png"));
            files.extend(along(&root, &images, &flows, false)?);
        }
    } else {
        let [first, second] = ["10", "11"].map(|end| glob(&root, &format!("hd1k_challenge/image_2/*{end}.png")));
        files.extend(first.into_iter().zip(second).map(|(a, b)| Files::new([a, b], None)));
    }
    ensure!(!files.is_empty(), Format, format!("read {}", root.display()), "there are no images of {:?}", b.split);
    Ok(files)
}

#[track_caller]
fn kitti_flow(b: &KittiFlowBuilder) -> Result<Vec<Files>> {
    let split = b.split.among("KittiFlow", &TRAIN_TEST)?;
    let root = b.root.join("KittiFlow").join(format!("{split}ing"));
    let [first, second] = ["10", "11"].map(|end| glob(&root, &format!("image_2/*_{end}.png")));
    ensure!(!first.is_empty() && !second.is_empty(), Format, format!("read {}", root.display()), "there are no images");
    let flows = if split == "train" { glob(&root, "flow_occ/*_10.png") } else { Vec::new() };
    if split == "train" && flows.len() < first.len().min(second.len()) {
        return Err(Error::format(root.join("flow_occ"), format!("{} flows for {} images", flows.len(), first.len())));
    }
    let pair = |(i, (a, b))| Files::new([a, b], flows.get(i).cloned());
    Ok(first.into_iter().zip(second).enumerate().map(pair).collect())
}

#[track_caller]
fn sintel(b: &SintelBuilder) -> Result<Vec<Files>> {
    let op = "Sintel";
    let train = b.split.among(op, &TRAIN_TEST)? == "train";
    let root = b.root.join("Sintel");
    let mut files = Vec::new();
    for pass in one_or_both(op, "pass_name", ["clean", "final"], b.pass_name)? {
        let folder = root.join(if train { "training" } else { "test" }).join(pass);
        for scene in names(&folder)? {
            let images = glob(&folder.join(&scene), "*.png");
            let flows =
                if train { glob(&root.join("training").join("flow").join(&scene), "*.flo") } else { Vec::new() };
            if train && flows.len() + 1 != images.len() {
                return Err(Error::format(
                    folder.join(&scene),
                    format!("{} images with {} flows", images.len(), flows.len()),
                ));
            }
            let pair =
                |(i, pair): (usize, &[PathBuf])| Files::new([pair[0].clone(), pair[1].clone()], flows.get(i).cloned());
            files.extend(images.windows(2).enumerate().map(pair));
        }
    }
    Ok(files)
}
