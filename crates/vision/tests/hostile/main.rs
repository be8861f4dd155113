//! Functions and transforms on images, boxes and masks, ops of detection and drawings take any argument: the right
//! answer or an error, soon, in little memory.

mod models;
#[path = "../../../tensor/tests/attack/thrown.rs"]
mod thrown;

use flambeau_nn::functional::Reduction;
use flambeau_tensor::{DType, ErrorKind, Result, Tensor};
use flambeau_vision::ops::*;
use flambeau_vision::transforms::functional::{self as f, AffineOptions};
use flambeau_vision::transforms::{
    AugMix, CenterCrop, ColorJitter, ElasticTransform, Fill, FiveCrop, GaussianBlur, GaussianNoise, InterpolationMode,
    JPEG, Pad, PaddingMode, RandAugment, RandomAffine, RandomCrop, RandomErasing, RandomIoUCrop, RandomPerspective,
    RandomPhotometricDistort, RandomResize, RandomResizedCrop, RandomRotation, RandomShortestSize, RandomZoomOut,
    Resize, SampleTransform, ScaleJitter, TrivialAugmentWide, UniformTemporalSubsample,
};
use flambeau_vision::tv_tensors::{BoundingBoxFormat, BoundingBoxes, KeyPoints, Mask};
use flambeau_vision::utils::{draw_bounding_boxes, draw_keypoints, draw_segmentation_masks, flow_to_image, make_grid};
use thrown::{Given, Thrown};

const IMAGE: [usize; 3] = [3, 8, 9];

/// Bytes or floating point.
fn image(t: &mut Thrown) -> Given {
    let dtype = t.pick(&[DType::U8, DType::F32]);
    t.tensor_of(&IMAGE, dtype)
}

fn mode(t: &mut Thrown) -> InterpolationMode {
    use InterpolationMode::*;
    t.pick(&[Nearest, NearestExact, Bilinear, Bicubic, Lanczos])
}

fn edge(t: &mut Thrown) -> PaddingMode {
    t.pick(&[PaddingMode::Constant, PaddingMode::Edge, PaddingMode::Reflect, PaddingMode::Symmetric])
}

fn fill(t: &mut Thrown) -> Fill {
    match t.pick(&[0, 1, 2]) {
        0 => Fill::default(),
        1 => Fill::from(t.number()),
        _ => Fill::from([t.number(), t.number(), t.number()]),
    }
}

/// Mostly `right`.
fn size(t: &mut Thrown, right: usize) -> usize {
    if t.one_in(2) { right } else { t.size() }
}

fn number(t: &mut Thrown, right: f64) -> f64 {
    if t.one_in(2) { right } else { t.number() }
}

/// A place in pixels.
fn place(t: &mut Thrown) -> isize {
    t.pick(&[0, 1, -1, 5, 1 << 40, isize::MAX, isize::MIN])
}

fn format(t: &mut Thrown) -> BoundingBoxFormat {
    use BoundingBoxFormat::*;
    t.pick(&[XYXY, XYWH, CXCYWH, XYWHR, CXCYWHR, XYXYXYXY])
}

fn boxes(t: &mut Thrown) -> Result<BoundingBoxes> {
    let format = format(t);
    let numbers = t.tensor(&[3, format.numbers()]);
    let canvas = (size(t, 8), size(t, 9));
    BoundingBoxes::new((*numbers).clone(), format, canvas)
}

fn points(t: &mut Thrown) -> Result<KeyPoints> {
    let numbers = t.tensor(&[3, 2]);
    KeyPoints::new((*numbers).clone(), (size(t, 8), size(t, 9)))
}

#[test]
fn images() {
    let mut t = Thrown::default();
    throw! { t;
        resize(x = image(&mut t), h = t.size(), w = size(&mut t, 5), m = mode(&mut t), a = t.switch()) => f::resize(&*x, (h, w), m, None, a);
        resize_one(x = image(&mut t), n = t.size(), l = t.size(), m = mode(&mut t), a = t.switch()) => f::resize(&*x, n, m, Some(l), a);
        pad(x = image(&mut t), a = t.size(), b = size(&mut t, 1), c = fill(&mut t), m = edge(&mut t)) => f::pad(&*x, [a, b], &c, m);
        crop(x = image(&mut t), a = place(&mut t), b = place(&mut t), h = t.size(), w = t.size()) => f::crop(&*x, a, b, h, w);
        center_crop(x = image(&mut t), h = t.size(), w = t.size()) => f::center_crop(&*x, (h, w));
        resized_crop(x = image(&mut t), a = place(&mut t), b = place(&mut t), h = t.size(), w = t.size(), n = t.size(), m = mode(&mut t)) => f::resized_crop(&*x, (a, b, h, w), (n, 3), m, true);
        five_crop(x = image(&mut t), h = t.size(), w = size(&mut t, 3)) => f::five_crop(&*x, (h, w));
        ten_crop(x = image(&mut t), h = size(&mut t, 3), w = t.size(), v = t.switch()) => f::ten_crop(&*x, (h, w), v);
        horizontal_flip(x = image(&mut t)) => f::horizontal_flip(&*x);
        vertical_flip(x = image(&mut t)) => f::vertical_flip(&*x);
        affine(x = image(&mut t), a = t.number(), b = t.number(), c = t.number(), d = t.number(), m = mode(&mut t), e = fill(&mut t)) =>
            f::affine(&*x, AffineOptions::new().angle(a).translate([b, 1.0]).scale(c).shear([d, 0.0]).interpolation(m).fill(e));
        affine_center(x = image(&mut t), a = t.number(), b = t.number(), c = t.number()) => f::affine(&*x, AffineOptions::new().angle(a).center([b, c]));
        rotate(x = image(&mut t), a = t.number(), m = mode(&mut t), e = t.switch(), c = fill(&mut t), p = t.number(), q = t.number()) => f::rotate(&*x, a, m, e, &c, Some([p, q]));
        rotate_expand(x = image(&mut t), a = t.number(), m = mode(&mut t)) => f::rotate(&*x, a, m, true, &Fill::default(), None);
        perspective(x = image(&mut t), a = t.pick(&[0, 1, -1, i64::MAX, i64::MIN]), b = t.pick(&[0, 1, 8, i64::MAX]), m = mode(&mut t), c = fill(&mut t)) =>
            f::perspective(&*x, [[a, 0], [8, 0], [8, b], [0, 8]], [[0, 0], [8, b], [7, 7], [a, 8]], m, &c);
        elastic(x = image(&mut t), d = t.tensor(&[1, 8, 9, 2]), m = mode(&mut t), c = fill(&mut t)) => f::elastic(&*x, &d, m, &c);
        gaussian_blur(x = image(&mut t), h = t.size(), w = size(&mut t, 3), a = t.number(), b = t.number()) => f::gaussian_blur(&*x, (h, w), Some([a, b]));
        gaussian_blur_of_no_sigma(x = image(&mut t), h = t.size()) => f::gaussian_blur(&*x, h, None);
        gaussian_noise(x = image(&mut t), a = t.number(), b = t.number(), c = t.switch()) => f::gaussian_noise(&*x, a, b, c);
        erase(x = image(&mut t), a = t.size(), b = t.size(), h = t.size(), w = t.size(), v = t.tensor(&[3, 1, 1])) => f::erase(&*x, a, b, h, w, &v);
        jpeg(x = image(&mut t), q = t.size()) => f::jpeg(&*x, q);
        normalize(x = image(&mut t), a = t.number(), b = t.number()) => f::normalize(&*x, &[a, a, a], &[b, b, b]);
        normalize_one(x = image(&mut t), a = t.number(), b = t.number()) => f::normalize(&*x, &[a], &[b]);
        to_tensor(x = t.tensor_of(&[8, 9, 3], DType::U8)) => f::to_tensor(&x);
        to_dtype(x = image(&mut t), d = t.pick(&[DType::U8, DType::F32, DType::F16, DType::I64, DType::I32, DType::Bool, DType::U16, DType::Complex64]), s = t.switch()) => f::to_dtype(&*x, d, s);
        convert_image_dtype(x = image(&mut t), d = t.pick(&[DType::U8, DType::F32, DType::F16, DType::I64, DType::I32, DType::Bool, DType::U16, DType::Complex64])) => f::convert_image_dtype(&*x, d);
        subsample(x = t.tensor(&[4, 3, 8, 9]), n = t.size()) => f::uniform_temporal_subsample(&*x, n);
    }
    t.report();
}

#[test]
fn colours() {
    let mut t = Thrown::default();
    throw! { t;
        gray(x = image(&mut t), n = t.size()) => f::rgb_to_grayscale(&*x, n);
        rgb(x = t.tensor_of(&[1, 8, 9], DType::U8)) => f::grayscale_to_rgb(&*x);
        gamma(x = image(&mut t), a = t.number(), b = t.number()) => f::adjust_gamma(&*x, a, b);
        posterize(x = image(&mut t), n = t.size()) => f::posterize(&*x, n);
        solarize(x = image(&mut t), a = t.number()) => f::solarize(&*x, a);
        autocontrast(x = image(&mut t)) => f::autocontrast(&*x);
        equalize(x = image(&mut t)) => f::equalize(&*x);
        invert(x = image(&mut t)) => f::invert(&*x);
        permute_channels(x = image(&mut t), a = t.size(), b = t.size()) => f::permute_channels(&*x, &[a, b, 0]);
        brightness(x = image(&mut t), a = t.number()) => f::adjust_brightness(&*x, a);
        contrast(x = image(&mut t), a = t.number()) => f::adjust_contrast(&*x, a);
        saturation(x = image(&mut t), a = t.number()) => f::adjust_saturation(&*x, a);
        hue(x = image(&mut t), a = t.number()) => f::adjust_hue(&*x, a);
        hue_within(x = image(&mut t), a = t.pick(&[0.0, 0.5, -0.5, 1e-300])) => f::adjust_hue(&*x, a);
        sharpness(x = image(&mut t), a = t.number()) => f::adjust_sharpness(&*x, a);
        flow(x = t.tensor(&[2, 8, 9])) => flow_to_image(&x);
        grid(x = t.tensor(&[5, 3, 4, 4]), n = t.size(), p = t.size(), v = t.number()) => make_grid(&*x).nrow(n).padding(p).pad_value(v).build();
        grid_normalized(x = t.tensor(&[5, 3, 4, 4]), n = t.size(), a = t.number(), b = t.number(), e = t.switch()) => make_grid(&*x).nrow(n).normalize(true).value_range((a, b)).scale_each(e).build();
        draw_boxes(x = image(&mut t), b = t.tensor(&[3, 4]), w = t.size(), s = t.size(), e = t.switch()) => draw_bounding_boxes(&x, &b).width(w).font_size(s).fill(e).labels(["a", "b", "c"]).build();
        draw_boxes_far(x = image(&mut t), a = t.number(), w = t.size(), e = t.switch()) =>
            draw_bounding_boxes(&x, &Tensor::full([1, 4], a.clamp(-3e38, 3e38)).build()?).width(w).fill(e).labels(["a"]).build();
        draw_turned(x = image(&mut t), a = t.number(), w = t.size(), e = t.switch()) =>
            draw_bounding_boxes(&x, &Tensor::full([1, 8], a.clamp(-3e38, 3e38)).build()?).width(w).fill(e).build();
        draw_masks(x = image(&mut t), m = t.tensor_of(&[2, 8, 9], DType::Bool), a = t.number()) => draw_segmentation_masks(&x, &m).alpha(a).build();
        draw_points(x = image(&mut t), p = t.tensor(&[2, 3, 2]), r = t.size(), w = t.size(), a = t.size()) => draw_keypoints(&x, &p).radius(r).width(w).connectivity(vec![(0, 1), (a, 2)]).build();
        draw_points_far(x = image(&mut t), a = t.number(), r = t.size(), w = t.size()) =>
            draw_keypoints(&x, &Tensor::full([1, 2, 2], a.clamp(-3e38, 3e38)).build()?).radius(r).width(w).connectivity(vec![(0, 1)]).build();
    }
    t.report();
}

#[test]
fn boxes_and_points() {
    let mut t = Thrown::default();
    throw! { t;
        convert(b = boxes(&mut t), k = format(&mut t)) => f::convert_bounding_box_format(&b?, k);
        clamp(b = boxes(&mut t)) => f::clamp_bounding_boxes(&b?);
        sanitize(b = boxes(&mut t), a = t.number(), c = t.number()) => f::sanitize_bounding_boxes(&b?, a, c);
        clamp_points(p = points(&mut t)) => f::clamp_keypoints(&p?);
        sanitize_points(p = points(&mut t)) => f::sanitize_keypoints(&p?);
        resize(b = boxes(&mut t), h = t.size(), w = t.size()) => f::resize(&b?, (h, w), InterpolationMode::Bilinear, None, true);
        resize_points(b = points(&mut t), h = t.size(), w = t.size()) => f::resize(&b?, (h, w), InterpolationMode::Bilinear, None, true);
        pad(b = boxes(&mut t), a = t.size(), m = edge(&mut t)) => f::pad(&b?, a, &Fill::default(), m);
        pad_points(b = points(&mut t), a = t.size()) => f::pad(&b?, a, &Fill::default(), PaddingMode::Constant);
        crop(b = boxes(&mut t), a = place(&mut t), c = place(&mut t), h = t.size(), w = t.size()) => f::crop(&b?, a, c, h, w);
        crop_points(b = points(&mut t), a = place(&mut t), c = place(&mut t), h = t.size(), w = t.size()) => f::crop(&b?, a, c, h, w);
        center_crop(b = boxes(&mut t), h = t.size(), w = t.size()) => f::center_crop(&b?, (h, w));
        flip(b = boxes(&mut t)) => f::horizontal_flip(&b?);
        flip_points(b = points(&mut t)) => f::vertical_flip(&b?);
        affine(b = boxes(&mut t), a = t.number(), c = t.number(), d = t.number(), e = t.number()) => f::affine(&b?, AffineOptions::new().angle(a).translate([c, 1.0]).scale(d).shear([e, 0.0]));
        affine_points(b = points(&mut t), a = t.number(), c = t.number(), d = t.number(), e = t.number()) => f::affine(&b?, AffineOptions::new().angle(a).translate([c, 1.0]).scale(d).shear([e, 0.0]));
        rotate(b = boxes(&mut t), a = t.number(), e = t.switch()) => f::rotate(&b?, a, InterpolationMode::Nearest, e, &Fill::default(), None);
        rotate_points(b = points(&mut t), a = t.number(), e = t.switch()) => f::rotate(&b?, a, InterpolationMode::Nearest, e, &Fill::default(), None);
        perspective(b = boxes(&mut t), a = t.pick(&[0, 1, -1, i64::MAX, i64::MIN]), c = t.pick(&[0, 1, 8, i64::MAX])) =>
            f::perspective(&b?, [[a, 0], [8, 0], [8, c], [0, 8]], [[0, 0], [8, c], [7, 7], [a, 8]], InterpolationMode::Nearest, &Fill::default());
        elastic(b = boxes(&mut t), d = t.tensor(&[1, 8, 9, 2])) => f::elastic(&b?, &d, InterpolationMode::Nearest, &Fill::default());
        elastic_points(b = points(&mut t), d = t.tensor(&[1, 8, 9, 2])) => f::elastic(&b?, &d, InterpolationMode::Nearest, &Fill::default());
        mask(x = t.tensor_of(&[2, 8, 9], DType::Bool), a = t.number(), e = t.switch()) => f::rotate(&Mask::new((*x).clone())?, a, InterpolationMode::Nearest, e, &Fill::default(), None);
        box_convert(x = t.tensor(&[3, 4]), a = format(&mut t), b = format(&mut t)) => box_convert(&x, a, b);
        box_area(x = t.tensor(&[3, 4])) => box_area(&x);
        box_iou(x = t.tensor(&[3, 4]), y = t.tensor(&[2, 4])) => box_iou(&x, &y);
        generalized(x = t.tensor(&[3, 4]), y = t.tensor(&[2, 4])) => generalized_box_iou(&x, &y);
        distance(x = t.tensor(&[3, 4]), y = t.tensor(&[2, 4])) => distance_box_iou(&x, &y);
        complete(x = t.tensor(&[3, 4]), y = t.tensor(&[2, 4])) => complete_box_iou(&x, &y);
        remove_small(x = t.tensor(&[3, 4]), a = t.number()) => remove_small_boxes(&x, a);
        clip(x = t.tensor(&[3, 4]), h = t.size(), w = t.size()) => clip_boxes_to_image(&x, (h, w));
        masks_to_boxes(x = t.tensor_of(&[3, 8, 9], DType::Bool)) => masks_to_boxes(&x);
        nms(x = t.tensor(&[5, 4]), s = t.tensor(&[5]), a = t.number()) => nms(&x, &s, a);
        batched_nms(x = t.tensor(&[5, 4]), s = t.tensor(&[5]), i = t.indices(&[5], 3), a = t.number()) => batched_nms(&x, &s, &i, a);
        giou_loss(x = t.tensor(&[3, 4]), y = t.tensor(&[3, 4]), r = t.pick(&[Reduction::None, Reduction::Mean, Reduction::Sum])) => generalized_box_iou_loss(&x, &y, r);
        ciou_loss(x = t.tensor(&[3, 4]), y = t.tensor(&[3, 4]), r = t.pick(&[Reduction::None, Reduction::Mean, Reduction::Sum])) => complete_box_iou_loss(&x, &y, r);
        diou_loss(x = t.tensor(&[3, 4]), y = t.tensor(&[3, 4]), r = t.pick(&[Reduction::None, Reduction::Mean, Reduction::Sum])) => distance_box_iou_loss(&x, &y, r);
        focal(x = t.tensor(&[3, 4]), y = t.tensor(&[3, 4]), a = t.number(), g = t.number()) => sigmoid_focal_loss(&x, &y, Some(a), g, Reduction::Mean);
    }
    t.report();
}

#[test]
fn regions() {
    let mut t = Thrown::default();
    let rois = |t: &mut Thrown| {
        let x = t.tensor(&[3, 5]);
        // The first number is that of the image.
        let image = t.pick(&[0.0, 0.0, 0.0, 1.0, -1.0, 1e9, f64::NAN]);
        match x.rank() == 2 && x.shape()[1] == 5 && x.dtype() == DType::F32 && x.numel() > 0 {
            true => flambeau_tensor::cat(
                &[
                    &x.narrow(1, 0, 1).unwrap().full_like(image).unwrap(),
                    &x.narrow(1, 1, 4).unwrap().mul(20.0).unwrap(),
                ],
                1,
            )
            .unwrap(),
            false => (*x).clone(),
        }
    };
    let conv = |t: &mut Thrown| (size(t, 1), size(t, 1));
    throw! { t;
        roi_align(x = t.tensor(&[1, 4, 8, 9]), r = rois(&mut t), h = size(&mut t, 2), w = size(&mut t, 2), s = number(&mut t, 1.0), k = size(&mut t, 2), a = t.switch()) => roi_align(&x, &r, (h, w), s, Some(k), a);
        roi_align_adaptive(x = t.tensor(&[1, 4, 8, 9]), r = rois(&mut t), h = size(&mut t, 2), s = t.number(), a = t.switch()) => roi_align(&x, &r, (h, 2), s, None, a);
        ps_roi_align(x = t.tensor(&[1, 4, 8, 9]), r = rois(&mut t), h = size(&mut t, 2), w = size(&mut t, 2), s = number(&mut t, 1.0), k = size(&mut t, 2)) => ps_roi_align(&x, &r, (h, w), s, Some(k));
        ps_roi_align_adaptive(x = t.tensor(&[1, 4, 8, 9]), r = rois(&mut t), s = t.number()) => ps_roi_align(&x, &r, (2, 2), s, None);
        ps_roi_pool(x = t.tensor(&[1, 4, 8, 9]), r = rois(&mut t), h = size(&mut t, 2), w = size(&mut t, 2), s = number(&mut t, 1.0)) => ps_roi_pool(&x, &r, (h, w), s);
        roi_pool(x = t.tensor(&[1, 4, 8, 9]), r = rois(&mut t), h = size(&mut t, 2), w = size(&mut t, 2), s = number(&mut t, 1.0)) => roi_pool(&x, &r, (h, w), s);
        deform_conv2d(x = t.tensor(&[1, 2, 6, 6]), o = t.tensor(&[1, 18, 6, 6]), w = t.tensor(&[2, 2, 3, 3]), s = conv(&mut t), p = conv(&mut t), d = conv(&mut t)) =>
            deform_conv2d(&x, &o, &w, DeformConvOptions::default().stride(s).padding(p).dilation(d));
        stochastic_depth(x = t.tensor(&[2, 3]), p = t.number(), m = t.pick(&[StochasticDepthMode::Batch, StochasticDepthMode::Row])) => stochastic_depth(&x, p, m, true);
        drop_block2d(x = t.tensor(&[1, 2, 6, 6]), p = t.number(), n = t.size()) => drop_block2d(&x, p, n, true);
        drop_block3d(x = t.tensor(&[1, 2, 4, 6, 6]), p = t.number(), n = t.size()) => drop_block3d(&x, p, n, true);
    }
    t.report();
}

#[test]
fn transforms() {
    let mut t = Thrown::default();
    throw! { t;
        resize(x = image(&mut t), h = t.size(), m = mode(&mut t)) => Resize::new(h).interpolation(m).build()?.on((*x).clone());
        random_resize(x = image(&mut t), a = t.size(), b = t.size()) => RandomResize::new(a, b).build()?.on((*x).clone());
        shortest(x = image(&mut t), a = t.size(), b = t.size()) => RandomShortestSize::new(vec![a]).max_size(b).build()?.on((*x).clone());
        scale_jitter(x = image(&mut t), a = t.size(), b = t.size(), c = t.number(), d = t.number()) => ScaleJitter::new((a, b)).scale_range((c, d)).build()?.on((*x).clone());
        center_crop(x = image(&mut t), a = t.size()) => CenterCrop::new(a).build()?.on((*x).clone());
        pad(x = image(&mut t), a = t.size(), m = edge(&mut t), c = fill(&mut t)) => Pad::new(a).padding_mode(m).fill(c).build()?.on((*x).clone());
        random_crop(x = image(&mut t), a = t.size(), b = size(&mut t, 0), n = t.switch(), m = edge(&mut t)) => RandomCrop::new(a).padding(b).pad_if_needed(n).padding_mode(m).build()?.on((*x).clone());
        random_resized_crop(x = image(&mut t), n = size(&mut t, 4), a = t.number(), b = t.number(), c = t.number(), d = t.number()) => RandomResizedCrop::new(n).scale((a, b)).ratio((c, d)).build()?.on((*x).clone());
        five_crop(x = image(&mut t), n = t.size()) => FiveCrop::new(n).build()?.crops(&*x);
        rotation(x = image(&mut t), a = t.number(), e = t.switch()) => RandomRotation::new(a).expand(e).build()?.on((*x).clone());
        affine(x = image(&mut t), a = t.number(), b = t.number(), c = t.number()) => RandomAffine::new(a).translate([b, 0.1]).scale([c, c]).build()?.on((*x).clone());
        perspective(x = image(&mut t), a = t.number()) => RandomPerspective::new().distortion_scale(a).p(1.0).build()?.on((*x).clone());
        elastic(x = image(&mut t), a = t.number(), b = t.number()) => ElasticTransform::new().alpha(a).sigma(b).build()?.on((*x).clone());
        zoom_out(x = image(&mut t), a = t.number(), b = t.number()) => RandomZoomOut::new().side_range((a, b)).p(1.0).build()?.on((*x).clone());
        iou_crop(x = image(&mut t), a = t.number(), b = t.number()) => RandomIoUCrop::new().min_scale(a).max_scale(b).build()?.on((*x).clone());
        blur(x = image(&mut t), n = t.size(), a = t.number(), b = t.number()) => GaussianBlur::new(n).sigma((a, b)).build()?.on((*x).clone());
        noise(x = image(&mut t), a = t.number(), b = t.number()) => GaussianNoise::new().mean(a).sigma(b).build()?.on((*x).clone());
        jpeg(x = image(&mut t), a = t.size(), b = t.size()) => JPEG::new([a, b]).build()?.on((*x).clone());
        erasing(x = image(&mut t), a = t.number(), b = t.number(), c = t.number(), d = t.number()) => RandomErasing::new().p(1.0).scale((a, b)).ratio((c, d)).build()?.on((*x).clone());
        jitter(x = image(&mut t), a = t.number(), b = t.number(), c = t.number(), d = t.number()) => ColorJitter::new().brightness(a).contrast(b).saturation(c).hue(d).build()?.on((*x).clone());
        distort(x = image(&mut t), a = t.number(), b = t.number()) => RandomPhotometricDistort::new().brightness((a, b)).p(1.0).build()?.on((*x).clone());
        rand_augment(x = image(&mut t), n = t.pick(&[0, 1, 3]), m = t.size(), b = t.size()) => RandAugment::new().num_ops(n).magnitude(m).num_magnitude_bins(b).build()?.on((*x).clone());
        trivial(x = image(&mut t), b = t.size()) => TrivialAugmentWide::new().num_magnitude_bins(b).build()?.on((*x).clone());
        aug_mix(x = image(&mut t), s = t.size(), w = t.size(), a = t.number()) => AugMix::new().severity(s).mixture_width(w).alpha(a).build()?.on((*x).clone());
        subsample(x = t.tensor(&[4, 3, 8, 9]), n = t.size()) => UniformTemporalSubsample::new(n).build()?.on((*x).clone());
    }
    t.report();
}

/// What a draw seldom finds: many of nothing, and an image that does not fit turned.
#[test]
fn many_of_nothing() -> Result<()> {
    let zeros = |shape: &[usize]| Tensor::zeros(shape).build();
    let (none, image) = (zeros(&[3, 8, 0])?, zeros(&[3, 8, 9])?);
    let masks = zeros(&[1 << 40, 8, 0])?.to_dtype(DType::Bool)?;
    assert_eq!(draw_segmentation_masks(&none, &masks).build()?.shape(), none.shape());
    assert_eq!(draw_keypoints(&image, &zeros(&[1 << 40, 0, 2])?).build()?.shape(), image.shape());
    assert_eq!(make_grid(&zeros(&[1 << 40, 3, 4, 0])?).padding(0).build()?.shape(), [3, 1 << 39, 0]);
    let wide = zeros(&[0, 1 << 31, 1 << 20])?;
    assert_eq!(f::affine(&wide, AffineOptions::new().angle(30.0))?.shape(), wide.shape());
    let thin = zeros(&[1, 1, 1 << 20])?;
    let turned = f::rotate(&thin, 45.0, InterpolationMode::Nearest, true, &Fill::default(), None);
    assert_eq!(turned.unwrap_err().kind(), ErrorKind::Memory);
    Ok(())
}
