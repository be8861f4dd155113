//! Drawings against torchvision's pixels. `#` is full colour, `+` the light inside of a filled box.

use super::*;
use flambeau_tensor::{DType, Tensor};

fn black() -> Tensor {
    Tensor::zeros([3, 14, 20]).dtype(DType::U8).build().unwrap()
}

fn floats(values: &[f32], shape: &[usize]) -> Tensor {
    Tensor::from_slice(values, shape).unwrap()
}

/// The red channel.
fn shown(drawn: &Tensor) -> Vec<String> {
    let rows = drawn.select(0, 0).unwrap().to_vec::<u8>().unwrap();
    let sign = |v: &u8| {
        if *v >= 200 {
            '#'
        } else if *v > 0 {
            '+'
        } else {
            '.'
        }
    };
    rows.chunks(drawn.shape()[2]).map(|row| row.iter().map(sign).collect()).collect()
}

#[test]
fn a_box_and_a_rotated_one() {
    let drawn = draw_bounding_boxes(&black(), &floats(&[2.0, 1.0, 9.0, 6.0], &[1, 4])).colors("red").build().unwrap();
    let rows = shown(&drawn);
    assert_eq!(rows[1], "..########..........");
    assert!(rows[2..6].iter().all(|row| row == "..#......#.........."), "{rows:?}");
    assert_eq!((&rows[6], rows[7..].concat().contains('#')), (&rows[1], false));

    let corners = floats(&[4.0, 1.0, 15.0, 5.0, 12.0, 12.0, 1.0, 8.0], &[1, 8]);
    let drawn = draw_bounding_boxes(&black(), &corners).colors([255, 0, 0]).build().unwrap();
    assert_eq!(
        shown(&drawn),
        [
            "....................",
            "....##..............",
            "....#.###...........",
            "...#................",
            "...#.........#......",
            "..#...........##....",
            "..#............#....",
            ".#............#.....",
            ".##...........#.....",
            "...###.......#......",
            "......##.....#......",
            "........###.#.......",
            "...........##.......",
            "....................",
        ]
    );
    let corners = floats(&[6.0, 2.0, 15.0, 5.0, 12.0, 11.0, 4.0, 8.0], &[1, 8]);
    let drawn = draw_bounding_boxes(&black(), &corners).colors("#ff0000").width(3usize).fill(true).build().unwrap();
    assert_eq!(
        shown(&drawn),
        [
            "....................",
            "......#.............",
            ".....######.........",
            ".....######.........",
            "....###+++#++.......",
            "....###+++++++###...",
            "....###+++++++##....",
            "...###+++++++###....",
            "...#####+++++##.....",
            "....######++###.....",
            ".......#######......",
            ".........#####......",
            "............#.......",
            "....................",
        ]
    );
}

#[test]
fn a_filled_box_on_floats() {
    let image = Tensor::full([3, 6, 6], 0.5).dtype(DType::F32).build().unwrap();
    let drawn = draw_bounding_boxes(&image, &floats(&[1.0, 1.0, 4.0, 4.0], &[1, 4])).colors("lime").fill(true);
    let drawn = drawn.build().unwrap();
    let at = |c: isize| drawn.select(0, c).unwrap().select(0, 2).unwrap().to_vec::<f32>().unwrap();
    assert_eq!(at(0)[1..3], [0.0, 0.301_960_8]);
    assert_eq!(at(1)[1..3], [1.0, 0.694_117_67]);
}

#[test]
fn labels_are_written_and_filled() {
    let boxes = floats(&[0.0, 0.0, 19.0, 13.0], &[1, 4]);
    let plain = draw_bounding_boxes(&black(), &boxes).colors("red").build().unwrap();
    let with = draw_bounding_boxes(&black(), &boxes).colors("red").labels(["I"]).build().unwrap();
    let rows = shown(&with);
    // An I, two pixels from the corner.
    let letter: Vec<&str> = rows[2..9].iter().map(|row| &row[2..7]).collect();
    assert_eq!(letter, [".###.", "..#..", "..#..", "..#..", "..#..", "..#..", ".###."]);
    let filled = draw_bounding_boxes(&black(), &boxes).colors("red").labels(["I"]).fill_labels(true).build().unwrap();
    assert_eq!(shown(&filled)[2][1..9].to_string(), "##...###");
    assert!(!with.equal(&plain).unwrap());
}

#[test]
fn points_and_lines() {
    let points = floats(&[4.0, 5.0, 15.0, 9.0], &[1, 2, 2]);
    let drawing = draw_keypoints(&black(), &points).connectivity(vec![(0, 1)]).colors("red").radius(3usize);
    let drawn = drawing.width(2usize).build().unwrap();
    assert_eq!(
        shown(&drawn),
        [
            "....................",
            "....................",
            "...###..............",
            "..#####.............",
            ".#######............",
            ".#######............",
            ".#######......###...",
            "..########...#####..",
            "...###....#########.",
            "............#######.",
            "............#######.",
            ".............#####..",
            "..............###...",
            "....................",
        ]
    );
    let white = drawn.select(0, 1).unwrap().to_vec::<u8>().unwrap();
    assert_eq!(white.iter().map(|v| u32::from(*v)).sum::<u32>(), 4080);
    let hidden = Tensor::from_slice(&[true, false], [1, 2]).unwrap();
    let drawing = draw_keypoints(&black(), &points).connectivity(vec![(0, 1)]).colors("red").visibility(&hidden);
    let drawn = drawing.build().unwrap();
    assert!(shown(&drawn).iter().all(|row| !row[8..].contains('#')));
}

#[test]
fn masks_colour_pixels() {
    let levels = Tensor::from_slice(&[10u8, 20, 30, 40], [1, 1, 4]).unwrap().expand([3, 1, 4]).unwrap();
    let masks = Tensor::from_slice(&[true, true, false, false, false, true, true, false], [2, 1, 4]).unwrap();
    let drawing = draw_segmentation_masks(&levels, &masks).alpha(0.3).colors(vec!["red", "#0f0"]);
    assert_eq!(drawing.build().unwrap().to_vec::<u8>().unwrap(), [83, 14, 21, 40, 7, 14, 97, 40, 7, 14, 21, 40]);
    let drawn = draw_segmentation_masks(&levels, &masks).build().unwrap();
    assert_eq!(drawn.to_vec::<u8>().unwrap(), [2, 4, 6, 40, 2, 4, 107, 40, 2, 4, 30, 40]);
}

#[test]
fn flow_has_the_colours_of_the_wheel() {
    let flow = floats(&[1.0, 0.0, -1.0, 0.5, 0.0, 1.0, 0.25, -2.0], &[2, 1, 4]);
    let picture = flow_to_image(&flow).unwrap();
    assert_eq!(picture.to_vec::<u8>().unwrap(), [255, 255, 127, 129, 131, 242, 255, 0, 131, 131, 251, 255]);
    assert_eq!(flow_to_image(&flow.unsqueeze(0).unwrap()).unwrap().shape(), [1, 3, 1, 4]);
}

#[test]
fn what_cannot_be_drawn_is_an_error() {
    let boxes = |values: &[f32]| draw_bounding_boxes(&black(), &floats(values, &[1, values.len()]));
    let message = |result: Result<Tensor>| result.unwrap_err().message().to_string();
    assert!(message(boxes(&[9.0, 1.0, 2.0, 6.0]).build()).contains("upside down"));
    assert!(message(boxes(&[1.0, 2.0, 3.0]).build()).contains("neither [N, 4] nor [N, 8]"));
    assert!(message(boxes(&[1.0, 2.0, f32::NAN, 3.0]).build()).contains("out of range"));
    assert!(message(boxes(&[1.0, 2.0, 1e30, 3.0]).build()).contains("out of range"));
    assert!(message(boxes(&[1.0, 2.0, 3.0, 3.0]).colors("rot").build()).contains("`rot` names no colour"));
    assert!(message(boxes(&[1.0, 2.0, 3.0, 3.0]).labels(["a", "b"]).build()).contains("2 labels for 1 boxes"));
    assert!(message(boxes(&[1.0, 2.0, 3.0, 3.0]).colors(Vec::<[u8; 3]>::new()).build()).contains("too few"));
    assert!(message(boxes(&[1.0, 2.0, 3.0, 3.0]).width(1_000_000usize).build()).contains("too wide"));
    let points = floats(&[1.0; 4], &[1, 2, 2]);
    assert!(message(draw_keypoints(&black(), &points).connectivity(vec![(0, 2)]).build()).contains("has 2"));
    assert!(draw_segmentation_masks(&black(), &points).build().is_err());
    assert!(flow_to_image(&points).is_err());
    let none = floats(&[], &[0, 4]);
    assert!(draw_bounding_boxes(&black(), &none).build().unwrap().equal(&black()).unwrap());
}
