//! Stereo: two images of a scene from beside each other, and how far each pixel of the left one stands to the left in the
//! right one.

use super::flow::one_or_both;
use super::listed::TRAIN_TEST;
use super::pairs::{Field, Files, pair_sets};
use super::readers::{json, read_depth, read_pfm, some};
use super::split::Split;
use crate::io::read_image;
use flambeau_tensor::{DType, Error, Result, Tensor, bail, ensure};
use std::path::{Path, PathBuf};

pair_sets! {
    /// Drawn streets, as `torchvision.datasets.CarlaStereo`: `carla-highres/trainingF/SCENE/im0.png`, `im1.png`, `disp0GT.pfm`.
    ///
    /// An item is the left and the right image, `u8` `[3, H, W]`, the disparity, float32 `[1, H, W]`, and nothing.
    CarlaStereo, CarlaStereoBuilder {} |b: &CarlaStereoBuilder| {
        scan(&b.root.join("carla-highres"), ["trainingF/*/im0.png", "trainingF/*/im1.png"], Some("trainingF/*/disp0GT.pfm"))
    }, |path| Ok((Some(read_pfm(path, 1)?.abs()?), None));

    /// Drawn things, as `torchvision.datasets.CREStereo`: `CREStereo/tree/00001_left.jpg`, `…_right.jpg`, `…_left.disp.png`.
    ///
    /// An item is the left and the right image, `u8` `[3, H, W]`, the disparity, float32 `[1, H, W]`, and nothing.
    CreStereo, CreStereoBuilder {} |b: &CreStereoBuilder| {
        let kinds = ["shapenet", "reflective", "tree", "hole"];
        all(kinds.map(|kind| {
            let [left, right] = ["left", "right"].map(|side| format!("{kind}/*_{side}.jpg"));
            scan(&b.root.join("CREStereo"), [&left, &right], Some(&format!("{kind}/*_left.disp.png")))
        }))
    }, |path| scaled(path, DType::F32, 32.0);

    /// Buildings, as `torchvision.datasets.ETH3DStereo`: `ETH3D/two_view_training/SCENE/im0.png`, `im1.png`,
    /// `ETH3D/two_view_training_gt/SCENE/disp0GT.pfm`, `mask0nocc.png`.
    ///
    /// An item is the left and the right image, `u8` `[3, H, W]`, the disparity, float32 `[1, H, W]`, and where it is known,
    /// bool `[H, W]`; none of both for images to test on.
    Eth3dStereo, Eth3dStereoBuilder {
        /// Train or Test; Train unless set.
        split: Split = Split::Train,
    } |b: &Eth3dStereoBuilder| {
        let train = b.split.among("ETH3DStereo", &TRAIN_TEST)? == "train";
        let folder = if train { "two_view_training" } else { "two_view_test" };
        let [left, right] = ["im0", "im1"].map(|side| format!("{folder}/*/{side}.png"));
        scan(&b.root.join("ETH3D"), [&left, &right], train.then_some("two_view_training_gt/*/disp0GT.pfm"))
    }, |path| {
        let mask = read_depth(&path.with_file_name("mask0nocc.png"))?.select(0, 0)?.to_dtype(DType::Bool)?;
        Ok((Some(read_pfm(path, 1)?.abs()?), Some(mask)))
    };

    /// Household things that fall, as `torchvision.datasets.FallingThingsStereo`:
    /// `FallingThings/single/002_master_chef_can_16k/kitchen_0/000000.left.jpg`, `….left.depth.png`, `_camera_settings.json`.
    ///
    /// An item is the left and the right image, `u8` `[3, H, W]`, the disparity, float32 `[1, H, W]`, and nothing.
    FallingThingsStereo, FallingThingsStereoBuilder {
        /// `single`, `mixed` or `both`; single unless set.
        variant: &'static str = "single",
    } |b: &FallingThingsStereoBuilder| {
        all(one_or_both("FallingThingsStereo", "variant", ["single", "mixed"], b.variant)?.into_iter().map(|variant| {
            let folder = if variant == "single" { "single/*/*" } else { "mixed/*" };
            let [left, right] = ["left", "right"].map(|side| format!("{folder}/*.{side}.jpg"));
            scan(&b.root.join("FallingThings"), [&left, &right], Some(&format!("{folder}/*.left.depth.png")))
        }))
    }, falling_things;

    /// Rooms, as `torchvision.datasets.InStereo2k`: `InStereo2k/train/SCENE/left.png`, `right.png`, `left_disp.png`.
    ///
    /// An item is the left and the right image, `u8` `[3, H, W]`, the disparity, float32 `[1, H, W]`, and nothing.
    InStereo2k, InStereo2kBuilder {
        /// Train or Test; Train unless set.
        split: Split = Split::Train,
    } |b: &InStereo2kBuilder| {
        let root = b.root.join("InStereo2k").join(b.split.among("InStereo2k", &TRAIN_TEST)?);
        scan(&root, ["*/left.png", "*/right.png"], Some("*/left_disp.png"))
    }, |path| scaled(path, DType::F32, 1024.0);

    /// Streets, as `torchvision.datasets.Kitti2012Stereo`: `Kitti2012/training/colored_0/000000_10.png`, `colored_1`,
    /// `disp_noc`.
    ///
    /// An item is the left and the right image, `u8` `[3, H, W]`, the disparity, float64 `[1, H, W]` (none for images to test
    /// on), and nothing.
    Kitti2012Stereo, Kitti2012StereoBuilder {
        /// Train or Test; Train unless set.
        split: Split = Split::Train,
    } |b: &Kitti2012StereoBuilder| {
        let split = b.split.among("Kitti2012Stereo", &TRAIN_TEST)?;
        let root = b.root.join("Kitti2012").join(format!("{split}ing"));
        scan(&root, ["colored_0/*_10.png", "colored_1/*_10.png"], (split == "train").then_some("disp_noc/*.png"))
    }, |path| scaled(path, DType::F64, 256.0);

    /// Streets, as `torchvision.datasets.Kitti2015Stereo`: `Kitti2015/training/image_2/000000_10.png`, `image_3`,
    /// `disp_occ_0`.
    ///
    /// An item is the left and the right image, `u8` `[3, H, W]`, the disparity, float64 `[1, H, W]` (none for images to test
    /// on), and nothing.
    Kitti2015Stereo, Kitti2015StereoBuilder {
        /// Train or Test; Train unless set.
        split: Split = Split::Train,
    } |b: &Kitti2015StereoBuilder| {
        let split = b.split.among("Kitti2015Stereo", &TRAIN_TEST)?;
        let root = b.root.join("Kitti2015").join(format!("{split}ing"));
        scan(&root, ["image_2/*.png", "image_3/*.png"], (split == "train").then_some("disp_occ_0/*.png"))
    }, |path| scaled(path, DType::F64, 256.0);

    /// Rooms measured exactly, as `torchvision.datasets.Middlebury2014Stereo`: `Middlebury2014/train/Piano-perfect/im0.png`,
    /// `im1.png`, `disp0.pfm`.
    ///
    /// An item is the left and the right image, `u8` `[3, H, W]`, the disparity, float32 `[1, H, W]`, 0 where it is not known,
    /// and where it is, bool `[H, W]`; none of both for images to test on.
    Middlebury2014Stereo, Middlebury2014StereoBuilder {
        /// Train, Test or Additional; Train unless set.
        split: Split = Split::Train,
        /// `perfect`, `imperfect` or `both`; perfect unless set. Images to test on have none: `None`.
        calibration: ~into Option<&'static str> = Some("perfect"),
        /// Draw the right image of each item, evenly, from those of other exposures and lights beside it (`im1E.png`,
        /// `im1L.png`) and itself, by the default generator. False unless set.
        use_ambient_views: bool = false,
    } middlebury, |path| {
        let disparity = read_pfm(path, 1)?.abs()?;
        let disparity = disparity.masked_fill(&disparity.eq(f64::INFINITY)?, 0.0)?;
        let known = disparity.gt(0.0)?.select(0, 0)?;
        Ok((Some(disparity), Some(known)))
    };

    /// Scenes of drawn films, as `torchvision.datasets.SceneFlowStereo`:
    /// `SceneFlow/FlyingThings3D/frames_cleanpass/TRAIN/A/0000/left/0006.png`, `SceneFlow/FlyingThings3D/disparity/….pfm`.
    ///
    /// An item is the left and the right image, `u8` `[3, H, W]`, the disparity, float32 `[1, H, W]`, and nothing.
    SceneFlowStereo, SceneFlowStereoBuilder {
        /// `FlyingThings3D`, `Driving` or `Monkaa`; FlyingThings3D unless set.
        variant: &'static str = "FlyingThings3D",
        /// `clean`, `final` or `both`; clean unless set.
        pass_name: &'static str = "clean",
    } |b: &SceneFlowStereoBuilder| {
        let folder = match b.variant {
            "FlyingThings3D" | "Driving" => "*/*/*",
            "Monkaa" => "*",
            other => bail!(Argument, "SceneFlowStereo", "variant {other:?}: FlyingThings3D, Driving or Monkaa"),
        };
        let root = b.root.join("SceneFlow").join(b.variant);
        all(one_or_both("SceneFlowStereo", "pass_name", ["clean", "final"], b.pass_name)?.into_iter().map(|pass| {
            let [left, right] = ["left", "right"].map(|side| format!("frames_{pass}pass/{folder}/{side}/*.png"));
            scan(&root, [&left, &right], Some(&format!("disparity/{folder}/left/*.pfm")))
        }))
    }, |path| Ok((Some(read_pfm(path, 1)?.abs()?), None));

    /// Scenes of a drawn film, as `torchvision.datasets.SintelStereo`: `Sintel/training/final_left/alley_1/frame_0001.png`,
    /// `final_right`, `disparities`, `occlusions`, `outofframe`.
    ///
    /// An item is the left and the right image, `u8` `[3, H, W]`, the disparity, float32 `[1, H, W]`, and where it can be seen
    /// in both, bool `[H, W]`.
    SintelStereo, SintelStereoBuilder {
        /// `final`, `clean` or `both`; final unless set.
        pass_name: &'static str = "final",
    } |b: &SintelStereoBuilder| {
        let root = b.root.join("Sintel").join("training");
        all(one_or_both("SintelStereo", "pass_name", ["final", "clean"], b.pass_name)?.into_iter().map(|pass| {
            let [left, right] = ["left", "right"].map(|side| format!("{pass}_{side}/*/*.png"));
            scan(&root, [&left, &right], Some("disparities/*/*.png"))
        }))
    }, sintel;
}

/// The left and the right images, and the disparities of the left ones; as many of each.
#[track_caller]
fn scan(root: &Path, [left, right]: [&str; 2], disparities: Option<&str>) -> Result<Vec<Files>> {
    let images = [some(root, left)?, some(root, right)?];
    let fields = disparities.map(|pattern| Ok::<_, Error>((pattern, some(root, pattern)?))).transpose()?;
    let [left_files, right_files] = images;
    let n = left_files.len();
    let same = |what: &str, found: usize| {
        ensure!(found == n, Format, format!("read {}", root.display()), "{n} of {left}, but {found} of {what}");
        Ok(())
    };
    same(right, right_files.len())?;
    let mut fields = match fields {
        Some((pattern, files)) => {
            same(pattern, files.len())?;
            files.into_iter().map(Some).collect::<Vec<_>>()
        }
        None => vec![None; n],
    };
    let pairs = left_files.into_iter().zip(right_files).zip(fields.drain(..));
    Ok(pairs.map(|((left, right), field)| Files::new([left, right], field)).collect())
}

/// One list after the other.
fn all(parts: impl IntoIterator<Item = Result<Vec<Files>>>) -> Result<Vec<Files>> {
    Ok(parts.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// The numbers of a PNG, divided.
fn scaled(path: &Path, dtype: DType, by: f64) -> Result<Field> {
    Ok((Some(read_depth(path)?.to_dtype(dtype)?.div(by)?), None))
}

/// The disparity of the depths in a PNG, from the camera's focal length beside it.
fn falling_things(path: &Path) -> Result<Field> {
    let settings = path.with_file_name("_camera_settings.json");
    let told = json(&settings)?;
    let focal = told.pointer("/camera_settings/0/intrinsic_settings/fx").and_then(|fx| fx.as_f64());
    let focal =
        focal.ok_or_else(|| Error::format(&settings, "there is no camera_settings[0].intrinsic_settings.fx"))?;
    let depth = read_depth(path)?.to_dtype(DType::F32)?;
    // Six centimetres between the cameras, a hundred units to the metre.
    Ok((Some(Tensor::full_like(&depth, 6.0 * focal * 100.0)?.div(&depth)?), None))
}

#[track_caller]
fn middlebury(b: &Middlebury2014StereoBuilder) -> Result<Vec<Files>> {
    let op = "Middlebury2014Stereo";
    let parts = [(Split::Train, "train"), (Split::Test, "test"), (Split::Additional, "additional")];
    let split = b.split.among(op, &parts)?;
    let endings = match (split, b.calibration) {
        ("test", None) => vec![""],
        ("test", Some(_)) => bail!(Argument, op, "images to test on have no calibration: set it to None"),
        (_, None) => bail!(Argument, op, "{:?} takes a calibration: perfect, imperfect or both", b.split),
        (_, Some(given)) => one_or_both(op, "calibration", ["perfect", "imperfect"], given)?,
    };
    let root = b.root.join("Middlebury2014").join(split);
    let mut files = all(endings.into_iter().map(|ending| {
        let scene = if ending.is_empty() { "*".to_string() } else { format!("*-{ending}") };
        let [left, right] = ["im0", "im1"].map(|side| format!("{scene}/{side}.png"));
        let disparities = format!("{scene}/disp0.pfm");
        scan(&root, [&left, &right], (split != "test").then_some(disparities.as_str()))
    }))?;
    if b.use_ambient_views {
        for files in &mut files {
            let beside = ["im1E.png", "im1L.png"].map(|view| files.images[1].with_file_name(view));
            files.views = beside.into_iter().filter(|view| view.is_file()).collect();
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datasets::Dataset;
    use crate::io::write_image;
    use flambeau_tensor::Generator;
    use flambeau_tensor::random::with_generator;

    #[test]
    fn ambient_views_are_drawn_evenly_where_asked_for() {
        let root = tempfile::tempdir().unwrap();
        let scene = root.path().join("Middlebury2014/test/Piano");
        std::fs::create_dir_all(&scene).unwrap();
        for (name, value) in [("im0.png", 0u8), ("im1.png", 1), ("im1E.png", 2), ("im1L.png", 3)] {
            write_image(&Tensor::from_vec(vec![value; 12], [3, 2, 2]).unwrap(), scene.join(name)).unwrap();
        }
        let set = |ambient: bool| {
            let set = Middlebury2014Stereo::new(root.path()).split(Split::Test).calibration(None);
            set.use_ambient_views(ambient).build().unwrap()
        };
        let right = |set: &Middlebury2014Stereo| set.get(0).unwrap().1.to_vec::<u8>().unwrap()[0] as usize;
        with_generator(&Generator::with_seed(1), || {
            let (plain, drawn, mut counts) = (set(false), set(true), [0; 4]);
            (0..300).for_each(|_| counts[right(&drawn)] += 1);
            assert!(counts[0] == 0 && counts[1..].iter().all(|n| (70..130).contains(n)), "{counts:?}");
            assert!((0..20).all(|_| right(&plain) == 1));
        });
    }
}

/// A disparity in three channels of eight bits, and what is neither hidden nor outside in the right image.
fn sintel(path: &Path) -> Result<Field> {
    let image = read_image(path)?;
    if image.rank() != 3 || image.shape()[0] != 3 {
        return Err(Error::format(path, format!("has the shape {:?}, not three channels", image.shape())));
    }
    let channel = |i: isize, by: f64| image.narrow(0, i, 1)?.to_dtype(DType::F32)?.mul(by);
    let disparity = channel(0, 4.0)?.add(&channel(1, 1.0 / 64.0)?)?.add(&channel(2, 1.0 / 16384.0)?)?;
    let beside = |folder: &str| -> Option<PathBuf> {
        let scene = path.parent()?;
        Some(scene.parent()?.parent()?.join(folder).join(scene.file_name()?).join(path.file_name()?))
    };
    let clear = |folder: &str| {
        let file = beside(folder).ok_or_else(|| Error::format(path, format!("there is no {folder} beside it")))?;
        read_depth(&file)?.select(0, 0)?.eq(0.0)
    };
    Ok((Some(disparity), Some(clear("outofframe")?.logical_and(&clear("occlusions")?)?)))
}
