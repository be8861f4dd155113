//! What the examples share: the option `--device`, a loss curve, digits drawn on pictures, spectrograms in colour, voices
//! that say digits.

pub mod spoken;

use flambeau::audio::transforms::{AmplitudeToDB, Spectrogram};
use flambeau::prelude::*;
use flambeau::vision::utils::{draw_bounding_boxes, make_grid};
use plotters::prelude::{BLACK, BLUE, ChartBuilder, IntoDrawingArea, LineSeries, PathElement, RED, SVGBackend, WHITE};
use std::path::Path;

/// The device that an option names: `cpu`, `cuda`, `cuda:1` and so on.
///
/// # Errors
/// Where the name is none, or there is no such device.
pub fn device(name: &str) -> Result<Device> {
    let index = match name {
        "cpu" => return Ok(Device::Cpu),
        "cuda" => Some(0),
        _ => name.strip_prefix("cuda:").and_then(|index| index.parse().ok()),
    };
    match index {
        Some(index) => Device::cuda(index),
        None => Err(Error::new(ErrorKind::Argument, "--device", format!("{name} is neither cpu nor cuda nor cuda:N"))),
    }
}

/// An error of the drawing library as one of ours.
fn drawing(path: &Path, e: impl std::fmt::Display) -> Error {
    Error::io("write", path, std::io::Error::other(e.to_string()))
}

/// The loss of every batch as an SVG curve, on a logarithmic scale.
///
/// # Errors
/// Where the file cannot be written.
pub fn loss_curve(path: &Path, losses: &[f64], batches_per_epoch: usize) -> Result<()> {
    loss_curves(path, &[("", losses)], batches_per_epoch)
}

/// The losses of several runs in one picture, each with its name; as [`loss_curve`].
///
/// # Errors
/// Where the file cannot be written.
pub fn loss_curves(path: &Path, runs: &[(&str, &[f64])], batches_per_epoch: usize) -> Result<()> {
    let error = |e: &dyn std::fmt::Display| drawing(path, e);
    let named = runs.iter().any(|(name, _)| !name.is_empty());
    let points = |losses: &[f64]| -> Vec<(f64, f64)> {
        let epoch = |i: usize| i as f64 / batches_per_epoch.max(1) as f64;
        losses.iter().enumerate().map(|(i, l)| (epoch(i), l.max(1e-6).log10())).collect()
    };
    let runs: Vec<(&str, Vec<(f64, f64)>)> = runs.iter().map(|(name, losses)| (*name, points(losses))).collect();
    let all = || runs.iter().flat_map(|(_, points)| points);
    let low = all().map(|p| p.1).fold(f64::INFINITY, f64::min).min(0.0);
    let high = all().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max).max(low + 0.1);
    let end = all().map(|p| p.0).fold(1e-3, f64::max);
    let area = SVGBackend::new(path, (720, 420)).into_drawing_area();
    area.fill(&WHITE).map_err(|e| error(&e))?;
    let mut chart = ChartBuilder::on(&area)
        .margin(16)
        .x_label_area_size(40)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..end, low..high)
        .map_err(|e| error(&e))?;
    chart
        .configure_mesh()
        .x_desc(if batches_per_epoch > 1 { "epoch" } else { "step" })
        .y_desc("loss")
        .y_label_formatter(&|y| format!("{:.4}", 10f64.powf(*y)))
        .draw()
        .map_err(|e| error(&e))?;
    for ((name, points), color) in runs.into_iter().zip([&BLUE, &RED, &BLACK].into_iter().cycle()) {
        let series = chart.draw_series(LineSeries::new(points, color)).map_err(|e| error(&e))?;
        if !name.is_empty() {
            series.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color));
        }
    }
    if named {
        chart.configure_series_labels().border_style(BLACK).draw().map_err(|e| error(&e))?;
    }
    area.present().map_err(|e| error(&e))
}

/// The figures 0 to 9, five rows of three dots each.
const FIGURES: [[u8; 5]; 10] = [
    [7, 5, 5, 5, 7],
    [2, 6, 2, 2, 7],
    [7, 1, 7, 4, 7],
    [7, 1, 7, 1, 7],
    [5, 5, 7, 1, 1],
    [7, 4, 7, 1, 7],
    [7, 4, 7, 5, 7],
    [7, 1, 2, 2, 2],
    [7, 5, 7, 5, 7],
    [7, 5, 7, 1, 7],
];

/// Pictures `[N, 1, H, W]` in 0..1, four times as large, each with the figure that was predicted below it:
/// green where it is the right one, red where it is not. `[N, 3, …]`.
///
/// # Errors
/// Where the tensors do not fit each other.
pub fn labelled(images: &Tensor, predicted: &[i64], right: &[i64]) -> Result<Tensor> {
    let (h, w) = (images.size(2)? * 4, images.size(3)? * 4);
    let tall = h + 28;
    let mut pictures = Vec::new();
    for ((image, p), r) in images.unbind(0)?.iter().zip(predicted).zip(right) {
        let grey = image.to_dtype(DType::F32)?.to_vec::<f32>()?;
        let mut rgb = vec![0.0f32; 3 * tall * w];
        for y in 0..h {
            for x in 0..w {
                let value = grey[(y / 4) * (w / 4) + x / 4];
                (0..3).for_each(|c| rgb[(c * tall + y) * w + x] = value);
            }
        }
        let color = if p == r { [0.2, 0.9, 0.3] } else { [1.0, 0.25, 0.2] };
        for (row, dots) in FIGURES[(*p).rem_euclid(10) as usize].iter().enumerate() {
            for y in 0..4 {
                for x in 0..12.min(w) {
                    if dots >> (2 - x / 4) & 1 == 1 {
                        let at = (h + 4 + row * 4 + y) * w + w / 2 - 6.min(w / 2) + x;
                        (0..3).for_each(|c| rgb[c * tall * w + at] = color[c]);
                    }
                }
            }
        }
        pictures.push(Tensor::from_vec(rgb, [3, tall, w])?);
    }
    stack(&pictures, 0)
}

/// A spectrogram `[frequencies, frames]` of decibels as a picture `[3, frequencies, frames]` in 0..1, low pitches at the
/// bottom: black for `quiet` and below, through red and yellow to white for `loud`.
///
/// # Errors
/// Where it has other dimensions.
pub fn heat(decibels: &Tensor, quiet: f64, loud: f64) -> Result<Tensor> {
    let grey = decibels.sub(quiet)?.div((loud - quiet).max(1e-6))?.flip([0])?;
    let part = |from: f64| grey.sub(from)?.mul(3.0)?.clamp(0.0, 1.0);
    stack(&[part(0.0)?, part(1.0 / 3.0)?, part(2.0 / 3.0)?], 0)
}

/// Spectrograms of waveforms `[frames]` below each other in `columns` columns, each under its name, seconds at one scale in
/// all; as a PNG.
///
/// # Errors
/// Where there is none, or the file cannot be written.
pub fn spectrograms(path: &Path, sounds: &[(String, Tensor)], rate: u32, columns: usize) -> Result<()> {
    let decibels =
        Sequential::of((Spectrogram::new().n_fft(256).hop_length((rate as usize / 100).max(1)), AmplitudeToDB::new()))?;
    let longest = sounds.iter().map(|(_, sound)| sound.numel()).max().unwrap_or(0);
    let mut panels = Vec::new();
    for (name, sound) in sounds {
        let filled = sound.pad(&[0, (longest - sound.numel()) as isize], 0.0)?;
        let picture = heat(&decibels.call(&filled)?, -50.0, 20.0)?;
        let (height, width) = (picture.size(1)?, picture.size(2)?);
        let picture = picture.pad(&[0, 0, 12, 0], 0.0)?;
        let frame = Tensor::from_vec(vec![0.0, 0.0, width as f32 - 1.0, height as f32 + 11.0], [1, 4])?;
        panels.push(draw_bounding_boxes(&picture, &frame).labels([name.as_str()]).colors("white").build()?);
    }
    make_grid(panels).nrow(columns).padding(6).save(path)
}
