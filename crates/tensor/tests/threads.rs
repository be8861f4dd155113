//! Results do not depend on the number of threads, and ops called from somebody else's threads do not
//! wait for each other for ever.

use flambeau_tensor::{Generator, Tensor, get_num_threads, set_num_threads};
use parking_lot::Mutex;
use rayon::prelude::*;

/// The number of threads is the process's: one test at a time.
static ONE: Mutex<()> = Mutex::new(());

#[test]
fn reductions_are_the_same_to_the_bit() {
    let _one = ONE.lock();
    let generator = Generator::with_seed(11);
    let run = |threads: usize| {
        set_num_threads(threads);
        assert_eq!(get_num_threads(), threads);
        let mut all = Vec::new();
        for shape in [&[700_000][..], &[300, 2000], &[9, 30, 2000], &[100_000, 7]] {
            let x = Tensor::randn(shape).generator(&generator.fork()).build().unwrap();
            for dims in [vec![0], vec![shape.len() as isize - 1], (0..shape.len() as isize).collect()] {
                all.push(x.sum(dims.clone()).unwrap().to_vec::<f32>().unwrap());
                all.push(x.var(dims.clone(), 1.0).unwrap().to_vec::<f32>().unwrap());
                all.push(x.logsumexp(dims).unwrap().to_vec::<f32>().unwrap());
            }
        }
        all
    };
    let one = run(1);
    for threads in [2, 3, 8] {
        assert!(run(threads) == one, "{threads} threads");
    }
}

/// A thread of a pool takes up other work of the pool while it waits: an op that waited for others there
/// could meet, on its own thread, another op that wants its locks.
#[test]
fn ops_from_a_pool_that_write_to_one_tensor_end() {
    let _one = ONE.lock();
    set_num_threads(2);
    let (sum, one) = (Tensor::zeros([200_000]).build().unwrap(), Tensor::ones([200_000]).build().unwrap());
    (0..64).into_par_iter().for_each(|_| {
        sum.add_(&one).unwrap();
        sum.mean(..).unwrap();
    });
    assert_eq!(sum.to_vec::<f32>().unwrap(), vec![64.0; 200_000]);
}
