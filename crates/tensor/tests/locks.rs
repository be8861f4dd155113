//! Slices that several threads hold, crosswise: an error that names both places, not a wait for ever.

use flambeau_tensor::storage::lock;
use flambeau_tensor::{Result, Tensor};
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

fn zeros() -> Tensor {
    Tensor::zeros([3]).build().unwrap()
}

/// Runs `hold` on two threads at once, each with the two tensors in its own order, and returns what came of it.
fn crosswise(hold: fn(&Tensor, &Tensor, &Barrier) -> Result<()>) -> Vec<Result<()>> {
    let (x, y, both, (to, from)) = (zeros(), zeros(), Arc::new(Barrier::new(2)), mpsc::channel());
    for (own, other) in [(x.clone(), y.clone()), (y, x)] {
        let (both, to) = (both.clone(), to.clone());
        std::thread::spawn(move || to.send(hold(&own, &other, &both)));
    }
    (0..2).map(|_| from.recv_timeout(Duration::from_secs(60)).expect("both threads end")).collect()
}

/// Just one of the two fails, and says where both tensors are held.
fn one_fails(outcomes: &[Result<()>], names: [&str; 2]) {
    let errors: Vec<String> = outcomes.iter().filter_map(|o| o.as_ref().err()).map(|e| e.message().into()).collect();
    let [error] = &errors[..] else { panic!("{} errors: {errors:?}", errors.len()) };
    assert!(error.starts_with("would wait for ever") && error.matches("locks.rs:").count() == 2, "{error}");
    assert!(names.iter().all(|name| error.contains(name)), "{error}");
}

#[test]
fn readers_that_write_to_each_other_s_tensor() {
    let outcomes = crosswise(|own, other, both| {
        let _slice = own.data::<f32>()?;
        both.wait();
        other.add_(1).map(|_| ())
    });
    one_fails(&outcomes, ["`data` at", "`data` at"]);
}

#[test]
fn crossed_writers() {
    let outcomes = crosswise(|own, other, both| {
        let _slice = own.data_mut::<f32>()?;
        both.wait();
        other.data_mut::<f32>().map(|mut slice| slice.fill(1.0))
    });
    one_fails(&outcomes, ["`data_mut` at", "`data_mut` at"]);
}

#[test]
fn a_lock_beside_an_op_of_the_same_thread() {
    let x = zeros();
    {
        let _guard = lock("mine", &[&x], &[]).unwrap();
        let error = x.add_(1).map(|_| ()).unwrap_err();
        assert!(error.message().starts_with("this thread holds a slice of the tensor's data (`mine` at "), "{error}");
        // To read is no harm.
        assert_eq!(x.sum(..).unwrap().item::<f32>().unwrap(), 0.0);
    }
    let guard = lock("mine", &[], &[&x]).unwrap();
    assert!(x.sum(..).is_err() && x.data::<f32>().is_err());
    drop(guard);
    assert_eq!(x.add_(1).unwrap().to_vec::<f32>().unwrap(), [1.0; 3]);
}

#[test]
fn a_slice_held_for_a_while_is_waited_for() {
    let x = zeros();
    let slice = x.data::<f32>().unwrap();
    let y = x.clone();
    let writer = std::thread::spawn(move || y.add_(1).map(|_| ()));
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(slice[..], [0.0; 3]);
    drop(slice);
    writer.join().unwrap().unwrap();
    assert_eq!(x.to_vec::<f32>().unwrap(), [1.0; 3]);
}
