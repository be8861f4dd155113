//! Grids against torchvision's, and the files they are saved to.

use super::*;
use crate::io::read_image;

fn ramp(shape: &[usize]) -> Tensor {
    Tensor::arange(0.0, shape.iter().product::<usize>() as f64).build().unwrap().reshape(shape).unwrap()
}

#[test]
fn images_stand_in_rows() {
    let grid = make_grid(&ramp(&[3, 1, 1, 2])).nrow(2).padding(1).pad_value(9.0).build().unwrap();
    assert_eq!(grid.shape(), [3, 5, 7]);
    let plane = grid.select(0, 2).unwrap().to_vec::<f32>().unwrap();
    let rows: Vec<&[f32]> = plane.chunks(7).collect();
    assert_eq!(rows[0], [9.0; 7]);
    assert_eq!(rows[1], [9.0, 0.0, 1.0, 9.0, 2.0, 3.0, 9.0]);
    assert_eq!(rows[2], [9.0; 7]);
    assert_eq!(rows[3], [9.0, 4.0, 5.0, 9.0, 9.0, 9.0, 9.0]);
    assert_eq!(rows[4], [9.0; 7]);
}

#[test]
fn one_image_is_not_framed() {
    for shape in [&[2, 3][..], &[1, 2, 3], &[1, 1, 2, 3]] {
        assert_eq!(make_grid(&ramp(shape)).build().unwrap().shape(), [3, 2, 3], "{shape:?}");
    }
    assert_eq!(make_grid(&ramp(&[5, 2, 3])).build().unwrap().shape(), [5, 2, 3]);
    let list = vec![ramp(&[2, 2, 2]), ramp(&[2, 2, 2])];
    assert_eq!(make_grid(&list).padding(0).build().unwrap().shape(), [2, 2, 4]);
}

#[test]
fn normalizing() {
    let images = Tensor::from_slice(&[0.0f32, 2.0, 4.0, 4.0, 5.0, 8.0], [2, 1, 1, 3]).unwrap();
    let rows = |grid: GridBuilder| {
        grid.nrow(2).padding(0).normalize(true).build().unwrap().select(0, 0).unwrap().to_vec::<f32>().unwrap()
    };
    assert_eq!(rows(make_grid(&images)), [0.0, 0.25, 0.5, 0.5, 0.625, 1.0]);
    assert_eq!(rows(make_grid(&images).scale_each(true)), [0.0, 0.5, 1.0, 0.0, 0.25, 1.0]);
    assert_eq!(rows(make_grid(&images).value_range((2.0, 4.0))), [0.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
    // The images themselves are as they were.
    assert_eq!(images.to_vec::<f32>().unwrap(), [0.0, 2.0, 4.0, 4.0, 5.0, 8.0]);
}

#[test]
fn saved_values_are_rounded_to_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grid.png");
    save_image(&Tensor::from_slice(&[-1.0f32, 0.0, 0.5, 0.999, 1.0, 7.0], [1, 2, 3]).unwrap(), &path).unwrap();
    let saved = read_image(&path).unwrap();
    assert_eq!(saved.shape(), [3, 2, 3]);
    assert_eq!(saved.select(0, 1).unwrap().to_vec::<u8>().unwrap(), [0, 0, 128, 255, 255, 255]);
    let bytes = Tensor::from_vec((0..24u8).collect(), [2, 3, 2, 2]).unwrap();
    make_grid(&bytes).padding(0).save(&path).unwrap();
    assert_eq!(read_image(&path).unwrap().to_vec::<u8>().unwrap()[..8], [0, 1, 12, 13, 2, 3, 14, 15]);
}

#[test]
fn errors() {
    assert!(make_grid(&ramp(&[4])).build().is_err());
    assert!(make_grid(&ramp(&[2, 1, 2, 2])).nrow(0).build().is_err());
    assert!(make_grid(&Tensor::zeros([0, 3, 2, 2]).build().unwrap()).build().is_err());
    assert!(make_grid(Vec::new()).build().is_err());
    let bytes = Tensor::zeros([2, 3, 2, 2]).dtype(DType::U8).build().unwrap();
    assert!(make_grid(&bytes).normalize(true).build().is_err());
    assert!(save_image(&bytes.to_dtype(DType::I32).unwrap(), "grid.png").is_err());
}
