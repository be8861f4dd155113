//! `#[derive(Sample)]`: structs of every form that transforms walk through.

use flambeau_vision::transforms::{RandomVerticalFlip, SampleTransform, SanitizeBoundingBoxes};
use flambeau_vision::tv_tensors::{BoundingBoxFormat, BoundingBoxes, Image, Mask, Parts, Sample};
use flambeau_vision::{DType, Result, Tensor};
use std::sync::Arc;

#[derive(Sample)]
struct Scene<T> {
    image: Image,
    inner: Inner,
    r#type: String,
    rest: Vec<T>,
    #[sample(skip)]
    file: Arc<str>,
}

#[derive(Clone, Sample)]
struct Inner(BoundingBoxes, Tensor, Option<i64>);

#[derive(Sample)]
struct Nothing;

#[derive(Sample)]
struct Labelled {
    boxes: BoundingBoxes,
    areas: Tensor,
    labels: Tensor,
}

fn column() -> Result<Tensor> {
    Tensor::arange(0, 4).dtype(DType::F32).build()?.reshape([1, 4, 1])
}

fn boxes(rows: &[f32]) -> Result<BoundingBoxes> {
    BoundingBoxes::new(Tensor::from_slice(rows, [rows.len() / 4, 4])?, BoundingBoxFormat::XYXY, (4, 1))
}

#[test]
fn every_field_is_treated_by_its_kind() -> Result<()> {
    let scene = Scene {
        image: Image::new(column()?)?,
        inner: Inner(boxes(&[0.0, 0.0, 1.0, 1.0])?, column()?, Some(3)),
        r#type: "night".into(),
        rest: vec![Mask::new(column()?)?, Mask::new(column()?)?],
        file: "a.png".into(),
    };
    assert_eq!(Parts::of(&scene).len(), 5);
    let turned = RandomVerticalFlip::new().p(1.0).build()?.on(scene)?;
    let upside_down = [3.0, 2.0, 1.0, 0.0];
    assert_eq!(turned.image.to_vec::<f32>()?, upside_down);
    assert_eq!(turned.inner.0.to_vec::<f32>()?, [0.0, 3.0, 1.0, 4.0]);
    // A plain tensor beside an image passes through, as there.
    assert_eq!((turned.inner.1.to_vec::<f32>()?, turned.inner.2), (vec![0.0, 1.0, 2.0, 3.0], Some(3)));
    assert_eq!((&*turned.r#type, &*turned.file), ("night", "a.png"));
    for mask in turned.rest {
        assert_eq!(mask.to_vec::<f32>()?, upside_down);
    }
    assert!(Parts::of(&Nothing).is_empty());
    Ok(())
}

#[test]
fn parts_are_called_as_their_fields() -> Result<()> {
    let labels = Tensor::from_slice(&[7i64, 8], 2)?;
    let sample = Labelled { boxes: boxes(&[0.0, 0.0, 1.0, 1.0, 0.5, 2.0, 0.5, 2.0])?, areas: labels.clone(), labels };
    assert_eq!(Parts::of(&sample).labels(), Some(2));
    let sane = SanitizeBoundingBoxes::new().build()?.on(sample)?;
    assert_eq!((sane.boxes.shape(), sane.labels.to_vec::<i64>()?), (&[1, 4][..], vec![7]));
    assert_eq!(sane.areas.to_vec::<i64>()?, [7, 8]);
    // The parts of another sample do not fit.
    assert!(Parts::of(&column()?).into_sample(&sane).is_err());
    Ok(())
}
