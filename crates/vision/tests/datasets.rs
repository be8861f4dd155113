//! Every data set reads the folders that torchvision read, and finds what torchvision found: `datasets.json` holds what the
//! files are and a digest of each item, written by `crates/parity/record_datasets.py`.

use flambeau_data::{Collate, Sampler};
use flambeau_tensor::{DType, Generator, Tensor};
use flambeau_vision::Result;
use flambeau_vision::datasets::*;
use flambeau_vision::io::{ImageReadMode, pil_loader, read_image_as};
use flambeau_vision::transforms::RandomHorizontalFlip;
use flambeau_vision::tv_tensors::{BoundingBoxes, Image, Mask, Video};
use serde_json::{Value as Json, json};
use std::path::Path;

/// What is compared of a value.
trait Describe {
    fn describe(&self) -> Json;
}

impl Describe for Tensor {
    fn describe(&self) -> Json {
        let (name, bits): (&str, Vec<u64>) = match self.dtype() {
            DType::Bool => ("bool", wholes(self)),
            DType::U8 => ("uint8", wholes(self)),
            DType::U16 => ("uint16", wholes(self)),
            DType::I32 => ("int32", wholes(self)),
            DType::I64 => ("int64", wholes(self)),
            DType::F32 => ("float32", self.to_vec::<f32>().unwrap().iter().map(|v| u64::from(v.to_bits())).collect()),
            DType::F64 => ("float64", self.to_vec::<f64>().unwrap().iter().map(|v| v.to_bits()).collect()),
            other => panic!("{other}"),
        };
        let hash = bits.iter().fold(0u64, |h, v| h.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(*v));
        json!(format!("{name}{:?}:{hash:016x}", self.shape()))
    }
}

fn wholes(tensor: &Tensor) -> Vec<u64> {
    tensor.to_dtype(DType::I64).unwrap().to_vec::<i64>().unwrap().into_iter().map(|v| v as u64).collect()
}

macro_rules! plain {
    ($($t:ty)*) => {$(impl Describe for $t {
        fn describe(&self) -> Json {
            json!(self)
        }
    })*};
}
plain!(i64 f64 bool String);

macro_rules! as_tensor {
    ($($t:ty)*) => {$(impl Describe for $t {
        fn describe(&self) -> Json {
            Tensor::describe(self)
        }
    })*};
}
as_tensor!(Image Mask Video);

impl Describe for BoundingBoxes {
    fn describe(&self) -> Json {
        let (height, width) = self.canvas_size();
        json!([Tensor::describe(self), format!("{:?}", self.format()), [height, width]])
    }
}

impl<T: Describe> Describe for Vec<T> {
    fn describe(&self) -> Json {
        Json::Array(self.iter().map(T::describe).collect())
    }
}

impl<T: Describe> Describe for Option<T> {
    fn describe(&self) -> Json {
        self.as_ref().map_or(Json::Null, T::describe)
    }
}

macro_rules! tuples {
    ($(($($T:ident $i:tt),+))*) => {$(impl<$($T: Describe),+> Describe for ($($T,)+) {
        fn describe(&self) -> Json {
            Json::Array(vec![$(self.$i.describe()),+])
        }
    })*};
}
tuples! { (A 0, B 1) (A 0, B 1, C 2) (A 0, B 1, C 2, D 3) }

impl Describe for Target {
    fn describe(&self) -> Json {
        match self {
            Target::Label(label) => label.describe(),
            Target::Numbers(numbers) => numbers.describe(),
            Target::Box(sides) => Tensor::from_slice(sides, [4]).unwrap().describe(),
            Target::Boxes(boxes) => boxes.describe(),
            Target::Mask(mask) => mask.describe(),
            Target::Several(parts) => parts.describe(),
            Target::Polygons(polygons) => {
                let (height, width) = polygons.size;
                let object = |(label, corners): &(String, Vec<[i64; 2]>)| json!({"label": label, "polygon": corners});
                let objects: Vec<Json> = polygons.objects.iter().map(object).collect();
                json!({"imgHeight": height, "imgWidth": width, "objects": objects})
            }
        }
    }
}

impl Describe for KittiObject {
    fn describe(&self) -> Json {
        json!({
            "type": self.kind, "truncated": self.truncated, "occluded": self.occluded, "alpha": self.alpha, "bbox": self.bbox,
            "dimensions": self.dimensions, "location": self.location, "rotation_y": self.rotation_y,
        })
    }
}

impl Describe for WiderFaceTarget {
    fn describe(&self) -> Json {
        let rest = [
            ("bbox", &self.bbox),
            ("blur", &self.blur),
            ("expression", &self.expression),
            ("illumination", &self.illumination),
            ("occlusion", &self.occlusion),
            ("pose", &self.pose),
            ("invalid", &self.invalid),
        ];
        rest.map(|(name, values)| (name.to_string(), values.describe())).into_iter().collect()
    }
}

impl Describe for std::collections::BTreeMap<String, Tensor> {
    fn describe(&self) -> Json {
        self.iter().map(|(name, values)| (name.clone(), values.describe())).collect()
    }
}

impl Describe for PhotoTourItem {
    fn describe(&self) -> Json {
        match self {
            PhotoTourItem::Patch(patch) => patch.describe(),
            PhotoTourItem::Pair(a, b, same) => (a.clone(), b.clone(), *same).describe(),
        }
    }
}

impl Describe for CocoAnnotation {
    fn describe(&self) -> Json {
        let Some(CocoSegmentation::Polygons(polygons)) = &self.segmentation else { panic!() };
        json!([self.id, self.category_id, self.bbox, self.area, self.iscrowd, polygons])
    }
}

/// An element as torchvision's `parse_voc_xml` has it: what stands once as it is, what stands more often as a list, and objects
/// always as one.
impl Describe for XmlElement {
    fn describe(&self) -> Json {
        json!({&self.tag: inside(self)})
    }
}

fn inside(element: &XmlElement) -> Json {
    if element.children.is_empty() {
        return json!(element.text);
    }
    let mut map = serde_json::Map::new();
    for child in &element.children {
        let all: Vec<Json> =
            element.all(&child.tag).filter(|c| !c.children.is_empty() || !c.text.is_empty()).map(inside).collect();
        let listed = all.len() > 1 || element.tag == "annotation" && child.tag == "object";
        if !all.is_empty() {
            map.insert(child.tag.clone(), if listed { Json::Array(all) } else { all[0].clone() });
        }
    }
    Json::Object(map)
}

/// What was read of a folder.
struct Read {
    classes: Vec<String>,
    items: Vec<Json>,
    wrapped: Option<Vec<Json>>,
}

fn items<D: Dataset<Item: Describe>>(set: &D) -> Vec<Json> {
    assert!(set.get(set.len()).is_err());
    (0..set.len()).map(|i| set.get(i).unwrap().describe()).collect()
}

/// A set without classes or wrapped items.
fn bare<D: Dataset<Item: Describe>>(set: Result<D>) -> Result<Read> {
    Ok(Read { classes: Vec::new(), items: items(&set?), wrapped: None })
}

/// All that a set of images has; of clips that transforms do not take no wrapped items.
macro_rules! whole {
    ($set:expr, false) => {{
        let set = $set.build()?;
        assert!(set.tv_sample(0).is_err());
        Ok(Read { classes: set.classes().to_vec(), items: items(&set), wrapped: None })
    }};
    ($set:expr) => {{
        let set = $set.build()?;
        let classes = set.classes().to_vec();
        let (items, set) = (items(&set), wrap_dataset_for_transforms_v2(set));
        let wrapped = (0..set.len()).map(|i| set.get(i).unwrap().describe()).collect();
        Ok(Read { classes, items, wrapped: Some(wrapped) })
    }};
}

/// A set of pairs of images, which is the same with a transform that does nothing.
fn pairs<D>(set: Result<D>) -> Result<Read>
where
    D: TvSamples<Item = (Tensor, Tensor, Option<Tensor>, Option<Tensor>)>,
    D::Sample: Describe,
{
    let set = set?;
    let tv: Vec<Json> = (0..set.len()).map(|i| set.tv_sample(i).unwrap().describe()).collect();
    let read = bare(Ok(set))?;
    assert_eq!(read.items, tv);
    Ok(read)
}

/// Frames by a formula, as the name of a file says how many.
struct ByFormula;

impl ByFormula {
    fn told(path: &Path) -> (u64, usize) {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let mut parts = name.split('_').skip(1);
        (parts.next().unwrap().parse().unwrap(), parts.next().unwrap().parse().unwrap())
    }
}

impl VideoDecoder for ByFormula {
    fn info(&self, path: &Path) -> Result<VideoInfo> {
        Ok(VideoInfo { frames: Self::told(path).1, fps: 24.0 })
    }

    fn frames(&self, path: &Path, start: usize, end: usize) -> Result<Tensor> {
        let frames: Vec<u8> = (start..end).flat_map(|i| noise(Self::told(path).0 + i as u64, 18, 256)).collect();
        Tensor::from_vec(frames, [end - start, 3, 2, 3])
    }
}

/// The clips that a sampler draws.
fn sampled(root: &Path, sampler: impl Fn(&VideoClips) -> Box<dyn Sampler>) -> Result<Read> {
    let set = Kinetics::new(root, 3, ByFormula).split(Split::Val).build()?;
    let sampler = sampler(set.video_clips());
    let drawn =
        sampler.iter(Some(&Generator::with_seed(5)))?.map(|clip| Ok(json!(clip?))).collect::<Result<Vec<_>>>()?;
    assert_eq!(drawn.len(), sampler.len());
    Ok(Read { classes: set.classes().to_vec(), items: drawn, wrapped: None })
}

fn open(key: &str, r: &Path) -> Result<Read> {
    use Split::*;
    match key {
        "CIFAR10" => whole!(Cifar10::new(r)),
        "CIFAR10:test" => whole!(Cifar10::new(r).train(false)),
        "CIFAR100" => whole!(Cifar100::new(r)),
        "CREStereo" => pairs(CreStereo::new(r).build()),
        "CarlaStereo" => pairs(CarlaStereo::new(r).build()),
        "CLEVRClassification" => whole!(ClevrClassification::new(r).split(Val)),
        "CLEVRClassification:test" => whole!(ClevrClassification::new(r).split(Test)),
        "Caltech101" => whole!(Caltech101::new(r)),
        "Caltech101:both" => whole!(Caltech101::new(r).target_type(["annotation", "category"])),
        "Caltech256" => whole!(Caltech256::new(r)),
        "CelebA" => whole!(CelebA::new(r)),
        "CelebA:all" => whole!(CelebA::new(r).split(All).target_type("landmarks")),
        "CelebA:box" => whole!(CelebA::new(r).split(Test).target_type(["bbox", "identity"])),
        "Cityscapes" => whole!(Cityscapes::new(r).split(Val)),
        "Cityscapes:all" => whole!(Cityscapes::new(r).split(Val).target_type(["semantic", "color", "polygon"])),
        "Cityscapes:semantic" => whole!(Cityscapes::new(r).split(Val).target_type("semantic")),
        "CocoCaptions" => whole!(CocoCaptions::new(r.join("img"), r.join("c.json"))),
        "CocoDetection" => {
            let set = CocoDetection::new(r.join("img"), r.join("c.json")).build()?;
            let items = items(&set);
            Ok(Read {
                classes: Vec::new(),
                items,
                wrapped: Some((0..set.len()).map(|i| set.tv_sample(i).unwrap().describe()).collect()),
            })
        }
        "CocoDetection:masks" => {
            let set = CocoDetection::new(r.join("img"), r.join("c.json")).build()?;
            Ok(Read { classes: Vec::new(), items: vec![set.masks(0)?.describe()], wrapped: None })
        }
        "Country211" => whole!(Country211::new(r).split(Val)),
        "DTD" => whole!(Dtd::new(r).split(Val).partition(3)),
        "ETH3DStereo" => pairs(Eth3dStereo::new(r).build()),
        "ETH3DStereo:test" => pairs(Eth3dStereo::new(r).split(Test).build()),
        "EMNIST" => whole!(Emnist::new(r, EmnistSplit::Letters)),
        "EuroSAT" => whole!(EuroSat::new(r)),
        "FER2013" => whole!(Fer2013::new(r).split(Test)),
        "FER2013:test" => whole!(Fer2013::new(r).split(Test)),
        "FGVCAircraft" => whole!(FgvcAircraft::new(r).split(Test).annotation_level("family")),
        "FakeData" => bare(FakeData::new().size(3).image_size((3, 4, 5)).num_classes(7).random_offset(11).build()),
        "FallingThingsStereo" => pairs(FallingThingsStereo::new(r).build()),
        "FashionMNIST" => whole!(FashionMnist::new(r).train(false)),
        "Flickr30k" => whole!(Flickr30k::new(r.join("img"), r.join("f.token"))),
        "Flickr8k" => whole!(Flickr8k::new(r.join("img"), r.join("f.html"))),
        "Flowers102" => whole!(Flowers102::new(r)),
        "Flowers102:test" => whole!(Flowers102::new(r).split(Test)),
        "FlyingChairs" => pairs(FlyingChairs::new(r).build()),
        "FlyingChairs:val" => pairs(FlyingChairs::new(r).split(Val).build()),
        "FlyingThings3D" => pairs(FlyingThings3D::new(r).build()),
        "Food101" => whole!(Food101::new(r).split(Test)),
        "GTSRB" => whole!(Gtsrb::new(r)),
        "GTSRB:test" => whole!(Gtsrb::new(r).split(Test)),
        "HMDB51" => {
            let lists = r.join("lists");
            whole!(Hmdb51::new(r.join("videos"), lists, 3, ByFormula).frame_rate(12.0).train(false), false)
        }
        "Kinetics" => whole!(Kinetics::new(r, 3, ByFormula).split(Val)),
        "Kinetics:rate" => whole!(Kinetics::new(r, 3, ByFormula).split(Val).frame_rate(16.0)),
        "RandomClipSampler" => sampled(r, |clips| Box::new(RandomClipSampler::new(clips, 4))),
        "UCF101" => {
            let lists = r.join("lists");
            whole!(Ucf101::new(r.join("videos"), lists, 4, ByFormula).step_between_clips(2).fold(2), false)
        }
        "UniformClipSampler" => sampled(r, |clips| Box::new(UniformClipSampler::new(clips, 3))),
        "HD1K" => pairs(Hd1k::new(r).build()),
        "INaturalist" => whole!(INaturalist::new(r).version("2021_valid")),
        "INaturalist:2017" => whole!(INaturalist::new(r).version("2017").target_type("super")),
        "INaturalist:2018" => whole!(INaturalist::new(r).version("2018").target_type(["full", "super"])),
        "INaturalist:ranks" => {
            let ranks = ["kingdom", "phylum", "class", "full", "genus"];
            whole!(INaturalist::new(r).version("2021_valid").target_type(ranks))
        }
        "DatasetFolder" => {
            let set = DatasetFolder::new(r, |path: &Path| pil_loader(path)).extensions(["jpg", "png"]).build()?;
            Ok(Read { classes: set.classes().to_vec(), items: items(&set), wrapped: None })
        }
        "ImageFolder" => whole!(ImageFolder::new(r)),
        "ImageFolder:valid" => {
            let second = |path: &Path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.contains('2') && !name.ends_with("txt")
            };
            whole!(ImageFolder::new(r).is_valid_file(second).allow_empty(true))
        }
        "ImageNet" => whole!(ImageNet::new(r).split(Val)),
        "Imagenette" => whole!(Imagenette::new(r).split(Val).size("160px")),
        "InStereo2k" => pairs(InStereo2k::new(r).split(Test).build()),
        "KMNIST" => whole!(Kmnist::new(r).train(false)),
        "Kitti" => whole!(Kitti::new(r)),
        "Kitti:test" => whole!(Kitti::new(r).train(false)),
        "Kitti2012Stereo" => pairs(Kitti2012Stereo::new(r).build()),
        "Kitti2015Stereo" => pairs(Kitti2015Stereo::new(r).build()),
        "Kitti2015Stereo:test" => pairs(Kitti2015Stereo::new(r).split(Test).build()),
        "KittiFlow" => pairs(KittiFlow::new(r).build()),
        "KittiFlow:test" => pairs(KittiFlow::new(r).split(Test).build()),
        "LFWPairs" => bare(LfwPairs::new(r).build()),
        "LFWPairs:train" => bare(LfwPairs::new(r).split(Train).build()),
        "LFWPeople" => whole!(LfwPeople::new(r)),
        "LFWPeople:test" => whole!(LfwPeople::new(r).split(Test)),
        "MNIST" => whole!(Mnist::new(r).train(false)),
        "Middlebury2014Stereo" => pairs(Middlebury2014Stereo::new(r).calibration("both").build()),
        "Middlebury2014Stereo:test" => pairs(Middlebury2014Stereo::new(r).split(Test).calibration(None).build()),
        "MovingMNIST" => bare(MovingMnist::new(r).build()),
        "MovingMNIST:test" => bare(MovingMnist::new(r).split(Test).split_ratio(7).build()),
        "Omniglot" => whole!(Omniglot::new(r).background(false)),
        "OxfordIIITPet" => whole!(OxfordIiitPet::new(r).split(Test)),
        "OxfordIIITPet:all" => {
            whole!(OxfordIiitPet::new(r).split(Test).target_types(["binary-category", "segmentation", "category"]))
        }
        "PhotoTour" => bare(PhotoTour::new(r, "liberty").build()),
        "PhotoTour:pairs" => bare(PhotoTour::new(r, "liberty").train(false).build()),
        "Places365" => whole!(Places365::new(r).small(true)),
        "Places365:test" => whole!(Places365::new(r).split(Test)),
        "Places365:val" => whole!(Places365::new(r).split(Val)),
        "QMNIST" => whole!(Qmnist::new(r).what(Test10k)),
        "QMNIST:all" => {
            let set = Qmnist::new(r).what(Test).build()?;
            let item = |i: usize| (set.get(i).unwrap().0, set.records().select(0, i as isize).unwrap()).describe();
            Ok(Read { classes: set.classes().to_vec(), items: (0..set.len()).map(item).collect(), wrapped: None })
        }
        "RenderedSST2" => whole!(RenderedSst2::new(r).split(Val)),
        "SBDataset" => whole!(SbDataset::new(r).image_set(TrainNoVal)),
        "SBDataset:mask" => whole!(SbDataset::new(r).image_set(TrainNoVal).mode("segmentation")),
        "SBU" => whole!(Sbu::new(r)),
        "SEMEION" => whole!(Semeion::new(r)),
        "STL10" => whole!(Stl10::new(r).folds(1)),
        "STL10:both" => whole!(Stl10::new(r).split(TrainUnlabeled)),
        "STL10:test" => whole!(Stl10::new(r).split(Test)),
        "SUN397" => whole!(Sun397::new(r)),
        "SceneFlowStereo" => pairs(SceneFlowStereo::new(r).variant("Monkaa").pass_name("final").build()),
        "Sintel" => pairs(Sintel::new(r).pass_name("both").build()),
        "Sintel:test" => pairs(Sintel::new(r).split(Test).pass_name("final").build()),
        "SintelStereo" => pairs(SintelStereo::new(r).build()),
        "SVHN" => whole!(Svhn::new(r)),
        "StanfordCars" => whole!(StanfordCars::new(r)),
        "StanfordCars:test" => whole!(StanfordCars::new(r).split(Test)),
        "USPS" => whole!(Usps::new(r).train(false)),
        "VOCDetection" => whole!(VocDetection::new(r).year(2007).image_set(Test)),
        "VOCSegmentation" => whole!(VocSegmentation::new(r).year(2007).image_set(Val)),
        "WIDERFace" => whole!(WiderFace::new(r).split(Val)),
        "WIDERFace:test" => whole!(WiderFace::new(r).split(Test)),
        other => panic!("no case {other}"),
    }
}

fn noise(seed: u64, n: u64, top: u64) -> Vec<u8> {
    (0..n).map(|i| ((seed * 37 + i * 11 + i * i * 3) % top) as u8).collect()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

/// The bytes of a file.
fn content(spec: &Json) -> Vec<u8> {
    let (kind, text, number) =
        (spec[0].as_str().unwrap(), |i: usize| spec[i].as_str().unwrap(), |i: usize| spec[i].as_u64().unwrap());
    match kind {
        "text" => text(2).as_bytes().to_vec(),
        "hex" => hex(text(2)),
        "zlib" => {
            let (mut bytes, packed) = (Vec::new(), hex(text(2)));
            std::io::Read::read_to_end(&mut flate2::read::ZlibDecoder::new(&packed[..]), &mut bytes).unwrap();
            bytes
        }
        "fill" => [hex(text(2)), noise(number(4), number(3), 256)].concat(),
        "f32" | "f32be" => {
            let value = |i: u64| ((number(4) * 37 + i * 11) % 101) as f32 - 50.0;
            let bytes = |v: f32| if kind == "f32" { (v * 0.25).to_le_bytes() } else { (v * 0.25).to_be_bytes() };
            let values = (0..number(3)).flat_map(|i| bytes(value(i)));
            hex(text(2)).into_iter().chain(values).collect()
        }
        "png" => png(text(2), number(3), number(4), number(5)),
        other => panic!("{other}"),
    }
}

fn png(mode: &str, height: u64, width: u64, seed: u64) -> Vec<u8> {
    let (channels, color) = match mode {
        "RGB" | "RGB16" => (3, png::ColorType::Rgb),
        "P" => (1, png::ColorType::Indexed),
        _ => (1, png::ColorType::Grayscale),
    };
    let n = height * width * channels;
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(color);
    let samples = if mode.ends_with("16") {
        encoder.set_depth(png::BitDepth::Sixteen);
        (0..n).flat_map(|i| (((seed * 37 + i * 1011 + i * i * 13) % 65536) as u16).to_be_bytes()).collect()
    } else if mode == "Z" {
        (0..n).map(|i| if i % 3 == seed { 255 } else { 0 }).collect()
    } else {
        noise(seed, n, if mode == "P" { 21 } else { 256 })
    };
    if mode == "P" {
        encoder.set_palette((0..21u32).flat_map(|k| [k * 5, k * 7, k * 11].map(|v| v as u8)).collect::<Vec<u8>>());
    }
    encoder.write_header().unwrap().write_image_data(&samples).unwrap();
    bytes
}

#[test]
fn folders_are_read_as_torchvision_reads_them() {
    let cases: Vec<Json> = serde_json::from_str(include_str!("datasets.json")).unwrap();
    let mut wrong = Vec::new();
    for case in &cases {
        let key = case["key"].as_str().unwrap();
        let folder = tempfile::tempdir().unwrap();
        for file in case["files"].as_array().unwrap() {
            let path = folder.path().join(file[1].as_str().unwrap());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content(file)).unwrap();
        }
        let read = match open(key, folder.path()) {
            Ok(read) => read,
            Err(error) => {
                wrong.push(format!("{key}: {error}"));
                continue;
            }
        };
        let mut compare = |what: &str, ours: Json, theirs: &Json| {
            if !theirs.is_null() && ours != *theirs {
                wrong.push(format!("{key}: {what}\n  ours   {ours}\n  theirs {theirs}"));
            }
        };
        compare("classes", json!(read.classes), &case["classes"]);
        compare("items", json!(read.items), &case["items"]);
        compare("wrapped items", json!(read.wrapped), &case["wrapped"]);
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Files cut anywhere, or with any byte changed, are read as they are or refused: nothing panics, and no cut file is taken for
/// a whole one.
#[test]
fn cut_and_broken_files_are_refused() {
    let cases: Vec<Json> = serde_json::from_str(include_str!("datasets.json")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut seen = [0; 3];
    for file in cases.iter().flat_map(|case| case["files"].as_array().unwrap()) {
        let name = file[1].as_str().unwrap();
        let (kind, read): (usize, fn(&Path) -> bool) = match name.rsplit_once('.').map(|(_, ending)| ending) {
            Some("mat") => (0, |path| read_mat(path).is_ok()),
            Some("flo") => (1, |path| read_flo(path).is_ok()),
            Some("pfm") => (2, |path| read_pfm(path, 2).is_ok()),
            _ => continue,
        };
        seen[kind] += 1;
        if seen[kind] > 2 {
            continue;
        }
        let (path, whole) = (folder.path().join("file"), content(file));
        std::fs::write(&path, &whole).unwrap();
        let all = read_mat(&path).map_or(0, |variables| variables.len());
        let step = 1 + whole.len() / 60;
        for at in (0..whole.len()).step_by(step) {
            std::fs::write(&path, &whole[..at]).unwrap();
            // A MATLAB file that ends where a variable does is whole.
            let fewer = || read_mat(&path).is_ok_and(|variables| variables.len() < all);
            assert!(!read(&path) || kind == 0 && fewer(), "{name} cut at byte {at}");
            for change in [0x01, 0x80, 0xff] {
                let mut broken = whole.clone();
                broken[at] ^= change;
                std::fs::write(&path, &broken).unwrap();
                read(&path);
            }
        }
    }
    assert!(seen.iter().all(|n| *n > 0));
    // Sizes that no file could hold.
    for (name, bytes) in [
        ("big.flo", [&b"PIEH"[..], &i32::MAX.to_le_bytes(), &i32::MAX.to_le_bytes()].concat()),
        ("big.pfm", b"PF\n99999999999 99999999999\n-1\n".to_vec()),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let error = if name.ends_with("flo") { read_flo(&path) } else { read_pfm(&path, 1) }.unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("promises"), "{error}");
    }
}

/// Lists and annotations that make no sense are errors that name the file and the place.
#[test]
fn what_makes_no_sense_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let root = folder.path();
    let fault = |error: Option<flambeau_vision::Error>, wanted: &[&str]| {
        let error = error.unwrap().to_string();
        assert!(wanted.iter().all(|part| error.contains(part)), "{error}");
    };
    write("places365_val.txt", "a.jpg x\n");
    write("categories_places365.txt", "/a/abbey 0\n");
    fault(Places365::new(root).split(Split::Val).build().err(), &["places365_val.txt", "line 1"]);
    write("food-101/meta/train.json", "{\"a\": [1");
    fault(Food101::new(root).build().err(), &["train.json", "line 1"]);
    write("gtsrb/GT-final_test.csv", "Filename;ClassId\na.ppm;x\n");
    fault(Gtsrb::new(root).split(Split::Test).build().err(), &["GT-final_test.csv", "row 2"]);
    write("fer2013/train.csv", "emotion,pixels\n1,1 2 300\n");
    fault(Fer2013::new(root).build().err(), &["train.csv", "row 2", "2304"]);
    write("semeion.data", "1 0 1\n");
    fault(Semeion::new(root).build().err(), &["semeion.data", "line 1"]);
    write("usps.bz2", "BZh9");
    fault(Usps::new(root).build().err(), &["usps.bz2", "byte 4"]);
    write("widerface/wider_face_split/wider_face_train_bbx_gt.txt", "a.jpg\n999999999999\n1 2 3\n");
    fault(WiderFace::new(root).build().err(), &["wider_face_train_bbx_gt.txt", "999999999999"]);
    write("lfw-py/pairs.txt", "10\t999999999999999999\n");
    fault(LfwPairs::new(root).build().err(), &["pairs.txt", "promises"]);
    write("train_32x32.mat", "MATLAB");
    fault(Svhn::new(root).build().err(), &["train_32x32.mat", "byte 6"]);
    let voc = "VOCdevkit/VOC2012";
    write(&format!("{voc}/ImageSets/Main/train.txt"), "1\n");
    for (text, wanted) in [
        ("<annotation><a></b>", "byte 15"),
        ("<annotation>", "byte 12"),
        ("<annotation>&nothing;</annotation>", "nothing"),
    ] {
        write(&format!("{voc}/Annotations/1.xml"), text);
        write(&format!("{voc}/JPEGImages/1.jpg"), "P5 1 1 255 x");
        fault(VocDetection::new(root).build().unwrap().get(0).err(), &["1.xml", wanted]);
    }
    assert!(VocDetection::new(root).year(2013).build().is_err());
    assert!(CelebA::new(root).target_type("hair").build().is_err());
    assert!(Stl10::new(root).folds(10).build().is_err());
    assert!(Kitti2012Stereo::new(root).split(Split::Val).build().is_err());
}

/// A folder of frames is a video; the transform of a clip draws once for all of its frames.
#[test]
fn folders_of_frames_are_videos() {
    let root = tempfile::tempdir().unwrap();
    for frame in 0..5 {
        let path = root.path().join(format!("train/run/v1/{frame}.png"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, png("RGB", 2, 3, frame)).unwrap();
    }
    let set = Kinetics::new(root.path(), 2, FrameFolders { fps: 5.0 }).step_between_clips(3).build().unwrap();
    assert_eq!((set.len(), set.video_clips().clips_per_video()), (2, vec![2]));
    let (clip, audio, label) = set.get(1).unwrap();
    assert_eq!((clip.shape(), audio.shape(), label), (&[2, 3, 2, 3][..], &[1, 0][..], 0));
    let first: Vec<u8> = clip.select(0, 0).unwrap().permute([1, 2, 0]).unwrap().contiguous().unwrap().to_vec().unwrap();
    assert_eq!(first, noise(3, 18, 256));
    assert!(set.get(2).is_err());
}

/// A loader reads, a transform is of the image alone, one of the wrapper or of pairs is of all that belongs together.
#[test]
fn options_are_applied() {
    let root = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: Vec<u8>| {
        let path = root.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    let flip = || RandomHorizontalFlip::new().p(1.0);
    let turned = |x: &Tensor| x.flip([-1]).unwrap().describe();
    write("eurosat/2750/Forest/1.jpg", png("RGB", 2, 3, 1));
    let gray = |path: &Path| read_image_as(path, ImageReadMode::Gray);
    let plain = EuroSat::new(root.path()).loader(gray).build().unwrap().get(0).unwrap().0;
    let land =
        EuroSat::new(root.path()).loader(gray).transform(flip()).target_transform(|label| label + 5).build().unwrap();
    let (image, label) = land.get(0).unwrap();
    assert_eq!((plain.shape(), image.describe(), label), (&[1, 2, 3][..], turned(&plain), 5));

    write("VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt", b"a\n".to_vec());
    write("VOCdevkit/VOC2012/JPEGImages/a.jpg", png("RGB", 2, 3, 2));
    write("VOCdevkit/VOC2012/SegmentationClass/a.png", png("P", 2, 3, 3));
    let (image, mask) = VocSegmentation::new(root.path()).build().unwrap().get(0).unwrap();
    let wrapped = wrap_dataset_for_transforms_v2(VocSegmentation::new(root.path()).build().unwrap());
    let (flipped, with_it) = wrapped.transforms(flip()).unwrap().get(0).unwrap();
    assert_eq!((flipped.describe(), with_it.describe()), (turned(&image), turned(&mask)));

    for (name, seed) in [("000000_10.png", 4), ("000000_11.png", 5)] {
        write(&format!("KittiFlow/testing/image_2/{name}"), png("RGB", 2, 3, seed));
    }
    let flow = || KittiFlow::new(root.path()).split(Split::Test);
    let (first, second, ..) = flow().build().unwrap().get(0).unwrap();
    let (a, b, flow, known) = flow().transforms(flip()).build().unwrap().get(0).unwrap();
    assert_eq!((a.describe(), b.describe()), (turned(&first), turned(&second)));
    assert!(flow.is_none() && known.is_none());
}

/// Targets of several kinds make batches, each kind for itself.
#[test]
fn targets_make_batches() {
    let target = |label: i64, sides: [i64; 4]| Target::Several(vec![Target::Label(label), Target::Box(sides)]);
    let batch = Target::collate(vec![target(3, [0, 1, 2, 3]), target(5, [4, 5, 6, 7])]).unwrap();
    let [labels, boxes] = batch.parts() else { panic!("{batch:?}") };
    assert_eq!(labels.numbers().unwrap().to_vec::<i64>().unwrap(), [3, 5]);
    assert_eq!(boxes.numbers().unwrap().shape(), [2, 4]);
    let mixed = vec![Target::Label(1), target(3, [0; 4])];
    assert!(Target::collate(mixed).is_err());
}
