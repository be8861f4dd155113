//! Images without the rest: a tensor's methods come with the tensors that it hands out.

use flambeau_vision::io::{read_image, write_png};
use flambeau_vision::transforms::*;
use flambeau_vision::utils::make_grid;
use flambeau_vision::{DType, Tensor};

#[test]
fn an_image_is_written_read_and_transformed() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("noise.png");
    let image = Tensor::randint(0, 256, [3, 8, 8]).dtype(DType::U8).build()?;
    write_png(&image, &path)?;
    assert!(read_image(&path)?.equal(&image)?);

    let transform = Compose::of((CenterCrop::new(4), ToTensor::new(), Normalize::new([0.5; 3], [0.5; 3]))).build()?;
    let small = transform.on(read_image(&path)?)?;
    assert_eq!(small.shape(), [3, 4, 4]);
    assert!(small.abs()?.max_all()?.item::<f64>()? <= 1.0);
    assert_eq!(make_grid(vec![image.clone(), image]).padding(1).build()?.shape(), [3, 10, 19]);
    Ok(())
}
