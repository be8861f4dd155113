//! Networks that tell how good speech sounds (Speech quality and intelligibility measures, SQUIM).

mod objective;
mod subjective;

pub use objective::{SquimObjective, SquimObjectiveBuilder, SquimRnn, squim_objective_base};
pub use subjective::{SquimSubjective, SquimSubjectiveBuilder, squim_subjective_base};
