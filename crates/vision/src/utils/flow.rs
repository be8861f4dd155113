//! Optical flow as colours: the direction gives the hue, the length how strong it is.

use flambeau_tensor::{DType, Result, Tensor, bail, ensure};

/// Flow as pictures, `u8`: of `[2, H, W]` one of `[3, H, W]`, of `[N, 2, H, W]` `[N, 3, H, W]`, by the colour wheel of
/// Baker et al., "A Database and Evaluation Methodology for Optical Flow" (2007). The longest arrow of all has full colour.
/// Follows `torchvision.utils.flow_to_image`.
///
/// ```
/// use flambeau_tensor::Tensor;
/// use flambeau_vision::utils::flow_to_image;
///
/// let picture = flow_to_image(&Tensor::randn([2, 8, 9]).build()?)?;
/// assert_eq!(picture.shape(), [3, 8, 9]);
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where the flow is not `float32`, or of another shape.
#[track_caller]
pub fn flow_to_image(flow: &Tensor) -> Result<Tensor> {
    let (dtype, shape) = (flow.dtype(), flow.shape());
    ensure!(dtype == DType::F32, DType, "flow_to_image", "flow is float32, this is {dtype}");
    let (images, h, w) = match *shape {
        [2, h, w] => (1, h, w),
        [n, 2, h, w] => (n, h, w),
        _ => bail!(Shape, "flow_to_image", "shape {shape:?} is neither [2, H, W] nor [N, 2, H, W]"),
    };
    let mut to = shape.to_vec();
    to[shape.len() - 3] = 3;
    let values = flow.detach().to_vec::<f32>()?;
    let pixels = h * w;
    let arrows = || (0..images * pixels).map(|i| i / pixels.max(1) * 2 * pixels + i % pixels.max(1));
    let longest = arrows().map(|i| length(values[i], values[i + pixels])).fold(0f32, f32::max) + f32::EPSILON;
    let wheel = wheel();
    let mut out = vec![0u8; 3 * images * pixels];
    for (k, i) in arrows().enumerate() {
        let (u, v) = (values[i] / longest, values[i + pixels] / longest);
        let place = ((-v).atan2(-u) / std::f32::consts::PI + 1.0) / 2.0 * (wheel.len() - 1) as f32;
        let first = place.floor() as usize;
        let (first, second, part) = (first.min(wheel.len() - 1), (first + 1) % wheel.len(), place - first as f32);
        let at = k / pixels * 3 * pixels + k % pixels;
        for c in 0..3 {
            let color = (1.0 - part) * (wheel[first][c] / 255.0) + part * (wheel[second][c] / 255.0);
            out[at + c * pixels] = (255.0 * (1.0 - length(u, v) * (1.0 - color))).floor() as u8;
        }
    }
    Tensor::from_vec(out, to)
}

fn length(u: f32, v: f32) -> f32 {
    (u * u + v * v).sqrt()
}

/// Red, yellow, green, cyan, blue, magenta and back: from each to the next one channel rises or falls.
fn wheel() -> Vec<[f32; 3]> {
    // How many steps, which channel is full, which one moves, and whether it falls.
    let stretches =
        [(15, 0, 1, false), (6, 1, 0, true), (4, 1, 2, false), (11, 2, 1, true), (13, 2, 0, false), (6, 0, 2, true)];
    let steps = stretches.into_iter().flat_map(|(steps, full, moving, falls)| {
        (0..steps).map(move |step| {
            let rise = (255 * step / steps) as f32;
            let mut color = [0.0; 3];
            color[full] = 255.0;
            color[moving] = if falls { 255.0 - rise } else { rise };
            color
        })
    });
    steps.collect()
}
