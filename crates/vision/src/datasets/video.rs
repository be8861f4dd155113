//! Clips of videos: data sets that take what decodes their files, and samplers of clips.

use super::folder::{images_of_classes, subfolders};
use super::options::{TargetTransform, TransformSlot, Transforms};
use super::readers::{fault, glob, lines};
use super::split::Split;
use super::{Dataset, TvSamples};
use crate::io::pil_loader;
use crate::tv_tensors::Video;
use flambeau_data::{Draws, Sampler};
use flambeau_tensor::{Generator, Result, Tensor, bail, builder, ensure};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is known of a video before it is decoded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VideoInfo {
    /// How many frames it has.
    pub frames: usize,
    /// How many of them make a second.
    pub fps: f64,
}

/// Decodes videos: what the data sets of videos are given, as this crate has no codec.
pub trait VideoDecoder: Send + Sync {
    /// What is known of the video `path`.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn info(&self, path: &Path) -> Result<VideoInfo>;

    /// The frames from `start` up to `end`, which is not among them: `u8` `[T, C, H, W]`.
    ///
    /// # Errors
    /// Where they cannot be read.
    fn frames(&self, path: &Path, start: usize, end: usize) -> Result<Tensor>;

    /// The sound from second `start` to second `end`: `float32` `[K, L]`. Nothing (`[1, 0]`) unless a decoder has it.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn audio(&self, _path: &Path, _start: f64, _end: f64) -> Result<Tensor> {
        Tensor::from_vec(Vec::<f32>::new(), [1, 0])
    }

    /// Whether a video is a folder instead of a file. False unless a decoder says so.
    fn folders(&self) -> bool {
        false
    }
}

/// Videos whose frames lie as images in a folder each, in the order of their names.
#[derive(Clone, Copy, Debug)]
pub struct FrameFolders {
    /// How many frames make a second.
    pub fps: f64,
}

impl VideoDecoder for FrameFolders {
    fn info(&self, path: &Path) -> Result<VideoInfo> {
        Ok(VideoInfo { frames: glob(path, "*").len(), fps: self.fps })
    }

    fn frames(&self, path: &Path, start: usize, end: usize) -> Result<Tensor> {
        let files = glob(path, "*");
        ensure!(start < end && end <= files.len(), Index, "FrameFolders", "frames {start}..{end} of {}", files.len());
        let frames = files[start..end].iter().map(pil_loader).collect::<Result<Vec<_>>>()?;
        flambeau_tensor::stack(&frames, 0)
    }

    fn folders(&self) -> bool {
        true
    }
}

/// A data set's decoder: made of any [`VideoDecoder`].
#[derive(Clone)]
pub struct Decoder(Arc<dyn VideoDecoder>);

impl<D: VideoDecoder + 'static> From<D> for Decoder {
    fn from(decoder: D) -> Self {
        Decoder(Arc::new(decoder))
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decoder")
    }
}

/// How the axes of a clip stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoFormat {
    /// frames, height, width, channels
    Thwc,
    /// frames, channels, height, width: what transforms take
    Tchw,
}

/// All clips of so many frames in a list of videos, as `torchvision.datasets.video_utils.VideoClips`.
pub struct VideoClips {
    videos: Vec<PathBuf>,
    infos: Vec<VideoInfo>,
    decoder: Decoder,
    frames: usize,
    step: usize,
    frame_rate: Option<f64>,
    format: VideoFormat,
    /// Of each video the frames that its clips are made of.
    kept: Vec<Vec<usize>>,
}

impl VideoClips {
    fn new(videos: Vec<PathBuf>, decoder: Decoder, options: &ClipOptions) -> Result<Self> {
        let infos = videos.iter().map(|path| decoder.0.info(path)).collect::<Result<Vec<_>>>()?;
        let ClipOptions { frames, step, frame_rate, format } = *options;
        ensure!(frames > 0 && step > 0, Argument, "VideoClips", "clips of {frames} frames, {step} apart");
        let kept = infos.iter().map(|info| resampled(info, frame_rate)).collect::<Result<_>>()?;
        Ok(VideoClips { videos, infos, decoder, frames, step, frame_rate, format, kept })
    }

    /// How many clips each video has.
    pub fn clips_per_video(&self) -> Vec<usize> {
        let clips = |kept: &Vec<usize>| kept.len().checked_sub(self.frames).map_or(0, |more| more / self.step + 1);
        self.kept.iter().map(clips).collect()
    }

    /// How many clips there are.
    pub fn num_clips(&self) -> usize {
        self.clips_per_video().iter().sum()
    }

    /// The videos.
    pub fn video_paths(&self) -> &[PathBuf] {
        &self.videos
    }

    /// The video that the clip with number `index` is of, and which of its clips it is.
    pub fn clip_location(&self, index: usize) -> Option<(usize, usize)> {
        let mut left = index;
        for (video, clips) in self.clips_per_video().into_iter().enumerate() {
            match left.checked_sub(clips) {
                Some(less) => left = less,
                None => return Some((video, left)),
            }
        }
        None
    }

    /// The clip with number `index`: its frames, its sound, and the number of its video.
    ///
    /// # Errors
    /// Where there is no such clip, or it cannot be decoded.
    #[track_caller]
    pub fn clip(&self, index: usize) -> Result<(Tensor, Tensor, usize)> {
        let Some((video, clip)) = self.clip_location(index) else {
            bail!(Index, "VideoClips", "index {index} is out of range for {} clips", self.num_clips())
        };
        let kept = &self.kept[video][clip * self.step..clip * self.step + self.frames];
        let (start, end) = (kept[0], kept[self.frames - 1] + 1);
        let (path, fps) = (&self.videos[video], self.infos[video].fps);
        let mut frames = self.decoder.0.frames(path, start, end)?;
        if self.frame_rate.is_some() {
            let places: Vec<i64> = kept.iter().map(|frame| (frame - start) as i64).collect();
            frames = frames.index_select(0, Tensor::from_slice(&places, [places.len()])?)?;
        }
        let audio = self.decoder.0.audio(path, start as f64 / fps, end as f64 / fps)?;
        let frames = match self.format {
            VideoFormat::Thwc => frames.permute([0, 2, 3, 1])?,
            VideoFormat::Tchw => frames,
        };
        Ok((frames, audio, video))
    }
}

/// Which frames remain at another rate.
fn resampled(info: &VideoInfo, frame_rate: Option<f64>) -> Result<Vec<usize>> {
    let rate = frame_rate.unwrap_or(info.fps);
    ensure!(info.fps > 0.0 && rate > 0.0, Argument, "VideoClips", "{rate} frames a second of {}", info.fps);
    let step = info.fps / rate;
    if step.fract() == 0.0 {
        return Ok((0..info.frames).step_by((step as usize).max(1)).collect());
    }
    let total = (info.frames as f64 * rate / info.fps).floor() as usize;
    // In float32, as there.
    let place = |i: usize| (i as f32 * step as f32).floor() as usize;
    Ok((0..total).map(place).filter(|frame| *frame < info.frames).collect())
}

struct ClipOptions {
    frames: usize,
    step: usize,
    frame_rate: Option<f64>,
    format: VideoFormat,
}

macro_rules! video_sets {
    ($(
        $(#[$doc:meta])*
        $Name:ident, $Builder:ident { $($(#[$req_doc:meta])* $req:ident: $req_ty:ty,)* }
        { $($(#[$opt_doc:meta])* $opt:ident: $(~ $into:ident)? $ty:ty = $default:expr,)* } $format:expr, $find:expr;
    )*) => {$(
        $(#[$doc])*
        ///
        /// An item is a clip (`u8`, as the format says), its sound (`float32` `[K, L]`, `[1, 0]` where there is none) and the
        /// label of its video.
        pub struct $Name {
            clips: VideoClips,
            labels: Vec<i64>,
            classes: Vec<String>,
            transforms: Transforms<()>,
        }

        builder! {
            #[doc = concat!("Options of [`", stringify!($Name), "`].")]
            pub struct $Builder => $Name;
            new {
                /// The folder that holds the folders of the classes.
                root: ~into PathBuf,
                $($(#[$req_doc])* $req: ~into $req_ty,)*
                /// How many frames a clip has.
                frames_per_clip: usize,
                /// What decodes the videos.
                decoder: ~into Decoder,
            }
            options {
                $($(#[$opt_doc])* $opt: $(~ $into)? $ty = $default,)*
                /// How many frames lie between the starts of two clips; 1 unless set.
                step_between_clips: usize = 1,
                /// To how many frames a second the videos are brought; as they are unless set.
                frame_rate: ~into Option<f64> = None,
                /// How the axes of a clip stand.
                output_format: VideoFormat = $format,
                /// What is done to each clip: a transform, or the builder of one.
                transform: ~into TransformSlot = TransformSlot::default(),
            }
        }

        impl $Name {
            #[track_caller]
            fn from_builder(b: $Builder) -> Result<Self> {
                let (samples, classes): (Vec<(PathBuf, i64)>, Vec<String>) = $find(&b)?;
                let (videos, labels) = samples.into_iter().unzip();
                let options = ClipOptions {
                    frames: b.frames_per_clip,
                    step: b.step_between_clips,
                    frame_rate: b.frame_rate,
                    format: b.output_format,
                };
                let clips = VideoClips::new(videos, b.decoder, &options)?;
                Ok($Name { clips, labels, classes, transforms: Transforms::new(b.transform, TargetTransform::default())? })
            }

            /// The clips of all videos.
            pub fn video_clips(&self) -> &VideoClips {
                &self.clips
            }

            /// The names of the classes, by label.
            pub fn classes(&self) -> &[String] {
                &self.classes
            }
        }

        impl Dataset for $Name {
            type Item = (Tensor, Tensor, i64);

            fn len(&self) -> usize {
                self.clips.num_clips()
            }

            #[track_caller]
            fn get(&self, index: usize) -> Result<Self::Item> {
                let (clip, audio, video) = self.clips.clip(index)?;
                Ok((self.transforms.image(clip)?, audio, self.labels[video]))
            }
        }

        impl TvSamples for $Name {
            type Sample = (Video, Tensor, i64);

            #[track_caller]
            fn tv_sample(&self, index: usize) -> Result<Self::Sample> {
                let name = stringify!($Name);
                ensure!(self.clips.format == VideoFormat::Tchw, Argument, name, "transforms take output_format Tchw");
                let (clip, audio, video) = self.clips.clip(index)?;
                Ok((Video::new(clip)?, audio, self.labels[video]))
            }
        }

        impl std::fmt::Debug for $Name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({} clips of {} videos)", stringify!($Name), self.len(), self.labels.len())
            }
        }
    )*};
}

video_sets! {
    /// Videos of 51 actions, as `torchvision.datasets.HMDB51`: `brush_hair/….avi`, and the folds in
    /// `brush_hair_test_split1.txt` and its like.
    Hmdb51, Hmdb51Builder {
        /// The folder of the lists.
        annotation_path: PathBuf,
    } {
        /// Which of the three folds, 1 to 3; 1 unless set.
        fold: usize = 1,
        /// The videos to train on, or those held out. True unless set.
        train: bool = true,
    } VideoFormat::Thwc, hmdb51;

    /// Videos of 400, 600 or 700 actions, as `torchvision.datasets.Kinetics`: `train/abseiling/….mp4`.
    Kinetics, KineticsBuilder {} {
        /// Train, Val or Test; Train unless set.
        split: Split = Split::Train,
        /// The endings of the files: avi and mp4 unless set.
        extensions: ~into Vec<&'static str> = vec!["avi", "mp4"],
    } VideoFormat::Tchw, |b: &KineticsBuilder| {
        let split = b.split.among("Kinetics", &super::listed::TRAIN_VAL_TEST)?;
        videos(&b.root.join(split), &b.extensions, &b.decoder)
    };

    /// Videos of 101 actions, as `torchvision.datasets.UCF101`: `ApplyEyeMakeup/….avi`, and the folds in `trainlist01.txt` and
    /// its like.
    Ucf101, Ucf101Builder {
        /// The folder of the lists.
        annotation_path: PathBuf,
    } {
        /// Which of the three folds, 1 to 3; 1 unless set.
        fold: usize = 1,
        /// The videos to train on, or those held out. True unless set.
        train: bool = true,
    } VideoFormat::Thwc, ucf101;
}

/// The videos of each class.
#[track_caller]
fn videos(root: &Path, extensions: &[&str], decoder: &Decoder) -> Result<(Vec<(PathBuf, i64)>, Vec<String>)> {
    let folders = subfolders(root)?;
    let samples = if decoder.0.folders() {
        let of_class = |(label, (_, folder)): (usize, &(String, PathBuf))| {
            Ok(subfolders(folder)?.into_iter().map(|(_, video)| (video, label as i64)).collect::<Vec<_>>())
        };
        folders.iter().enumerate().map(of_class).collect::<Result<Vec<_>>>()?.concat()
    } else {
        images_of_classes(&folders, extensions)?.0
    };
    ensure!(!samples.is_empty(), Format, format!("read {}", root.display()), "there is no video in it");
    Ok((samples, folders.into_iter().map(|(name, _)| name).collect()))
}

#[track_caller]
fn checked_fold(op: &'static str, fold: usize) -> Result<usize> {
    ensure!((1..=3).contains(&fold), Argument, op, "fold {fold} is not in 1 to 3");
    Ok(fold)
}

/// The name by which a list calls a video: a folder has no ending.
fn listed_as(name: &str, decoder: &Decoder) -> String {
    let name = if decoder.0.folders() { name.rsplit_once('.').map_or(name, |(stem, _)| stem) } else { name };
    name.to_string()
}

#[track_caller]
fn hmdb51(b: &Hmdb51Builder) -> Result<(Vec<(PathBuf, i64)>, Vec<String>)> {
    let fold = checked_fold("HMDB51", b.fold)?;
    let (mut samples, classes) = videos(&b.root, &["avi"], &b.decoder)?;
    let wanted = if b.train { "1" } else { "2" };
    let mut chosen = HashSet::new();
    for list in glob(&b.annotation_path, &format!("*test_split{fold}.txt")) {
        for (i, line) in lines(&list)?.iter().enumerate() {
            let (name, tag) = line.split_once(' ').ok_or_else(|| fault(&list, i, line, "FILE TAG"))?;
            if tag.trim() == wanted {
                chosen.insert(listed_as(name, &b.decoder));
            }
        }
    }
    samples.retain(|(path, _)| path.file_name().is_some_and(|name| chosen.contains(&*name.to_string_lossy())));
    Ok((samples, classes))
}

#[track_caller]
fn ucf101(b: &Ucf101Builder) -> Result<(Vec<(PathBuf, i64)>, Vec<String>)> {
    let fold = checked_fold("UCF101", b.fold)?;
    let (mut samples, classes) = videos(&b.root, &["avi"], &b.decoder)?;
    let part = if b.train { "train" } else { "test" };
    let list = lines(&b.annotation_path.join(format!("{part}list{fold:02}.txt")))?;
    let file = |line: &String| b.root.join(listed_as(line.split(' ').next().unwrap_or_default(), &b.decoder));
    let chosen: HashSet<PathBuf> = list.iter().map(file).collect();
    samples.retain(|(path, _)| chosen.contains(path));
    Ok((samples, classes))
}

/// So many clips of each video, evenly apart, as `torchvision.datasets.samplers.UniformClipSampler`.
#[derive(Clone, Debug)]
pub struct UniformClipSampler {
    clips: Vec<usize>,
    each: usize,
}

impl UniformClipSampler {
    /// `num_clips_per_video` of each of the videos.
    pub fn new(video_clips: &VideoClips, num_clips_per_video: usize) -> Self {
        let clips = video_clips.clips_per_video().into_iter().filter(|clips| *clips > 0).collect();
        UniformClipSampler { clips, each: num_clips_per_video }
    }
}

impl Sampler for UniformClipSampler {
    fn iter(&self, _: Option<&Generator>) -> Result<Draws> {
        let (mut start, mut all) = (0, Vec::new());
        for clips in &self.clips {
            let places =
                Tensor::linspace(start as f64, (start + clips - 1) as f64, self.each).build()?.to_vec::<f32>()?;
            all.extend(places.into_iter().map(|place| Ok(place.floor() as usize)));
            start += clips;
        }
        Ok(Box::new(all.into_iter()))
    }

    fn len(&self) -> usize {
        self.clips.len() * self.each
    }
}

/// Up to so many clips of each video by chance, in an order by chance, as
/// `torchvision.datasets.samplers.RandomClipSampler`: in its order to the number.
#[derive(Clone, Debug)]
pub struct RandomClipSampler {
    clips: Vec<usize>,
    most: usize,
}

impl RandomClipSampler {
    /// At most `max_clips_per_video` of each of the videos.
    pub fn new(video_clips: &VideoClips, max_clips_per_video: usize) -> Self {
        RandomClipSampler { clips: video_clips.clips_per_video(), most: max_clips_per_video }
    }
}

impl Sampler for RandomClipSampler {
    fn iter(&self, generator: Option<&Generator>) -> Result<Draws> {
        let permutation = |n: usize| {
            let draw = Tensor::randperm(n);
            let draw = if let Some(generator) = generator { draw.generator(generator) } else { draw };
            draw.build()?.to_vec::<i64>()
        };
        let (mut start, mut all) = (0, Vec::new());
        for clips in &self.clips {
            all.extend(permutation(*clips)?.into_iter().take(self.most).map(|place| place as usize + start));
            start += clips;
        }
        let order = permutation(all.len())?;
        Ok(Box::new(order.into_iter().map(move |place| Ok(all[place as usize]))))
    }

    fn len(&self) -> usize {
        self.clips.iter().map(|clips| (*clips).min(self.most)).sum()
    }
}
