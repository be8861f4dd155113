//! All parameters as one vector: `torch.nn.utils.parameters_to_vector` and `vector_to_parameters`.

use flambeau_tensor::{Result, Tensor, cat, ensure, no_grad};

/// All elements of `parameters`, one after another, as a vector with their history.
///
/// ```
/// use flambeau_nn::{Linear, Module, utils::{parameters_to_vector, vector_to_parameters}};
///
/// let layer = Linear::new(2, 3).build()?;
/// let vector = parameters_to_vector(layer.parameters())?;
/// assert_eq!(vector.shape(), [9]);
/// vector_to_parameters(&vector.mul(2.0)?, layer.parameters())?;
/// # Ok::<(), flambeau_tensor::Error>(())
/// ```
///
/// # Errors
/// Where there are none, or they are on different devices.
#[track_caller]
pub fn parameters_to_vector<T: AsRef<Tensor>>(parameters: impl IntoIterator<Item = T>) -> Result<Tensor> {
    let parts = parameters.into_iter().map(|p| p.as_ref().reshape(-1)).collect::<Result<Vec<_>>>()?;
    ensure!(!parts.is_empty(), Argument, "parameters_to_vector", "there are no parameters");
    for part in &parts {
        ensure!(
            part.device() == parts[0].device(),
            Device,
            "parameters_to_vector",
            "parameters are on {} and {}",
            parts[0].device(),
            part.device()
        );
    }
    cat(&parts, 0)
}

/// Writes the elements of `vector`, one after another, into `parameters`.
///
/// # Errors
/// Where they are not as many; nothing is written then.
#[track_caller]
pub fn vector_to_parameters<T: AsRef<Tensor>>(
    vector: impl AsRef<Tensor>,
    parameters: impl IntoIterator<Item = T>,
) -> Result<()> {
    const NAME: &str = "vector_to_parameters";
    let (vector, parameters) = (vector.as_ref().detach(), parameters.into_iter().collect::<Vec<_>>());
    let wanted = parameters.iter().map(|p| p.as_ref().numel()).sum::<usize>();
    ensure!(
        vector.rank() == 1 && vector.numel() == wanted,
        Shape,
        NAME,
        "the vector is {:?}, the parameters have {wanted} elements",
        vector.shape()
    );
    no_grad(|| {
        let mut start = 0;
        for parameter in &parameters {
            let parameter = parameter.as_ref();
            let part = vector.narrow(0, start as isize, parameter.numel())?;
            parameter.copy_(&part.reshape(parameter.shape())?)?;
            start += parameter.numel();
        }
        Ok(())
    })
}
