//! Special functions: `kernels/special.cu`, in double precision.

use super::elementwise::{Input, launch};
use super::host::on_host;
use super::{CudaKernel, Lane};
use crate::kernels::{Kernel, SPECIAL};
use flambeau_tensor::backend::{Ran, Work};
use flambeau_tensor::*;

static ONE: Kernel = Kernel::new(&SPECIAL, "special_f64");
static TWO: Kernel = Kernel::new(&SPECIAL, "special_pair_f64");

/// The number by which the kernel knows a function.
fn number(function: SpecialFunction) -> u64 {
    use SpecialFunction::*;
    match function {
        Lgamma => 0,
        Polygamma(_) => 1,
        Erfcx => 2,
        LogNdtr => 3,
        Ndtri => 4,
        I0 => 5,
        I0e => 6,
        I1 => 7,
        I1e => 8,
        BesselJ0 => 9,
        BesselJ1 => 10,
        BesselY0 => 11,
        BesselY1 => 12,
        ModifiedBesselK0 => 13,
        ModifiedBesselK1 => 14,
        ScaledModifiedBesselK0 => 15,
        ScaledModifiedBesselK1 => 16,
        SphericalBesselJ0 => 17,
        AiryAi => 18,
        Exponent => 19,
    }
}

fn number_of_pair(function: SpecialPairFunction) -> u64 {
    use SpecialPairFunction::*;
    match function {
        Igamma => 0,
        Igammac => 1,
        Zeta => 2,
        ChebyshevT => 3,
        ChebyshevU => 4,
        ChebyshevV => 5,
        ChebyshevW => 6,
        ShiftedChebyshevT => 7,
        ShiftedChebyshevU => 8,
        ShiftedChebyshevV => 9,
        ShiftedChebyshevW => 10,
        HermiteH => 11,
        HermiteHe => 12,
        Laguerre => 13,
        Legendre => 14,
        Hypot => 15,
        LogAddExp => 16,
        LogAddExp2 => 17,
        Copysign => 18,
    }
}

impl CudaKernel for Special {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let x = work.inputs[0];
        if Lane::of(x.dtype()).is_none() {
            return on_host(work);
        }
        let order = if let SpecialFunction::Polygamma(n) = self.function { n } else { 0 };
        launch(work, &ONE, None, &[Input::Tensor(x)], [number(self.function), order.into(), 0])
    }
}

impl CudaKernel for SpecialPair {
    fn run(&self, work: &Work<'_>) -> Result<Ran> {
        let [x, y] = work.inputs else { return Ok(Ran::Lacking) };
        let number = number_of_pair(self.function);
        launch(work, &TWO, None, &[Input::Tensor(x), Input::Tensor(y)], [number, 0, 0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_that_is_named_is_in_its_archive() {
        let text = SPECIAL.text().unwrap();
        [&ONE, &TWO].iter().for_each(|k| assert!(text.contains(&format!(".entry {}(", k.name)), "{}", k.name));
    }
}
