//! The packed recordings as a test of the workspace: what the runner's tables can express is right
//! on every case, in results and gradients; what they cannot is listed, with a reason for each case
//! of a subject that is in a table. Ops are right on the mirror device, too, whose work is in flight, and on the simulated
//! GPU.

use std::{
    collections::BTreeMap,
    error::Error,
    path::Path,
    sync::{Mutex, PoisonError},
};

use flambeau_parity::{call::on_device, modules, ops, optims, report::Report, run_all, schedulers};

fn packed(kind: &str) -> Result<Report, Box<dyn Error>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("packed/{kind}.tar.zst"));
    // One at a time: layers that drop out draw from the generator that seeded draws are compared with.
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let report = run_all(&file, "")?;
    drop(alone);
    assert!(report.unreadable.is_empty(), "{:?}", report.unreadable);
    Ok(report)
}

/// Every case of every subject in the table is right, but for those that cannot be expressed.
fn all_right(
    kind: &str,
    known: impl Fn(&str) -> bool,
    inexpressible: &[(&str, usize, &str)],
) -> Result<(), Box<dyn Error>> {
    let report = packed(kind)?;
    let expected: BTreeMap<&str, (usize, &str)> =
        inexpressible.iter().map(|&(name, cases, why)| (name, (cases, why))).collect();
    let mut faults = Vec::new();
    let mut run = 0;
    for (name, row) in report.rows().filter(|(name, _)| known(name)) {
        run += 1;
        let (cases, why) = expected.get(name).copied().unwrap_or_default();
        if row.unsupported > 0 {
            println!("{name}: {} of {} cases unsupported: {why}", row.unsupported, row.cases);
        }
        if row.unsupported != cases {
            faults.push(format!("{name}: {} cases unsupported, the table says {cases}", row.unsupported));
            faults.extend(row.notes.iter().map(|n| format!("  {n}")));
        } else if let Some(failure) = &row.first_failure {
            faults.push(failure.clone());
        }
    }
    println!("{run} of {} {kind} are in the table", report.rows().count());
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    Ok(())
}

/// Every name in the table is that of a recorded subject, as `serves` tells.
fn all_recorded(
    kind: &str,
    names: impl Iterator<Item = &'static str>,
    serves: impl Fn(&str, &str) -> bool,
) -> Result<(), Box<dyn Error>> {
    let report = packed(kind)?;
    let recorded: Vec<&str> = report.rows().map(|(name, _)| name).collect();
    let unrecorded: Vec<&str> = names.filter(|n| !recorded.iter().any(|r| serves(n, r))).collect();
    assert!(unrecorded.is_empty(), "in the table of {kind}, but in no recording: {unrecorded:?}");
    Ok(())
}

#[test]
fn ops_in_the_table_are_right_on_all_their_cases() -> Result<(), Box<dyn Error>> {
    all_right("ops", |name| ops::find(name).is_some(), ops::INEXPRESSIBLE)
}

/// Its ops run late, on another thread, in an order that a forgotten wait would turn into a wrong number.
#[test]
fn ops_in_the_table_are_right_on_a_device_with_work_in_flight() -> Result<(), Box<dyn Error>> {
    on_device(flambeau_mirror::device(0), || all_right("ops", |name| ops::find(name).is_some(), ops::INEXPRESSIBLE))
}

/// Every kernel of every op, on the simulated GPU, which checks each access.
#[test]
#[cfg(target_os = "linux")]
fn ops_in_the_table_are_right_on_the_simulated_gpu() -> Result<(), Box<dyn Error>> {
    let device = simulated_gpu()?;
    on_device(device, || all_right("ops", |name| ops::find(name).is_some(), ops::INEXPRESSIBLE))
}

/// The first device of the stand-in for the driver, which lies beside the test and is loaded before anybody asks for one.
#[cfg(target_os = "linux")]
fn simulated_gpu() -> Result<flambeau_tensor::Device, Box<dyn Error>> {
    use std::sync::OnceLock;
    static STAND_IN: OnceLock<libloading::Library> = OnceLock::new();
    STAND_IN.get_or_init(|| {
        let path = std::env::current_exe().expect("the test's own path").with_file_name("libflambeau_cuda_sim.so");
        // SAFETY: the stand-in does nothing when it is loaded.
        unsafe { libloading::Library::new(&path) }.unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    });
    Ok(flambeau_cuda::device(0)?)
}

#[test]
fn modules_in_the_table_are_right_on_all_their_cases() -> Result<(), Box<dyn Error>> {
    all_right("modules", |name| modules::find(name).is_some(), modules::INEXPRESSIBLE)
}

#[test]
fn optimizers_in_the_table_are_right_on_all_their_cases() -> Result<(), Box<dyn Error>> {
    all_right("optims", |name| optims::find(name).is_some(), &[])
}

#[test]
fn schedulers_in_the_table_are_right_on_all_their_cases() -> Result<(), Box<dyn Error>> {
    all_right("schedulers", |name| schedulers::find(name).is_some(), &[])
}

#[test]
fn every_entry_of_the_tables_has_a_recording() -> Result<(), Box<dyn Error>> {
    let same = |name: &str, recorded: &str| name == recorded;
    all_recorded("ops", ops::names(), |name, r| name == r || ops::base(r) == Some(name))?;
    all_recorded("modules", modules::names(), same)?;
    all_recorded("optims", optims::names(), same)?;
    all_recorded("schedulers", schedulers::names(), same)?;
    all_recorded("ops", ops::INEXPRESSIBLE.iter().map(|i| i.0), |name, r| name == r && ops::find(r).is_some())?;
    all_recorded("modules", modules::INEXPRESSIBLE.iter().map(|i| i.0), |name, r| {
        name == r && modules::find(r).is_some()
    })
}

#[test]
fn seeded_draws_are_pytorchs() -> Result<(), Box<dyn Error>> {
    let report = packed("random")?;
    let (_, row) = report.rows().next().ok_or("no random cases")?;
    for note in &row.notes {
        println!("{note}");
    }
    assert_eq!(row.first_failure, None);
    Ok(())
}

#[test]
fn every_kind_of_jpeg_is_as_libjpeg_has_it() -> Result<(), Box<dyn Error>> {
    let report = packed("jpeg")?;
    assert_eq!(report.rows().map(|(_, row)| row.cases).sum::<usize>(), 1196);
    all_right("jpeg", |_| true, &[])
}

#[test]
fn functions_on_images_boxes_and_points_are_torchvisions() -> Result<(), Box<dyn Error>> {
    all_right("vision_transforms", |_| true, &[])
}

#[test]
fn seeded_transforms_are_torchvisions() -> Result<(), Box<dyn Error>> {
    all_right("vision_random", |_| true, &[])
}

#[test]
fn ops_of_detection_are_torchvisions() -> Result<(), Box<dyn Error>> {
    all_right("vision_ops", |_| true, &[])
}

#[test]
fn networks_are_torchvisions() -> Result<(), Box<dyn Error>> {
    all_right("vision_models", |_| true, &[])
}

#[test]
fn functions_on_sound_are_torchaudios() -> Result<(), Box<dyn Error>> {
    all_right("audio_functional", |_| true, &[])?;
    all_right("audio_kaldi", |_| true, &[])
}

#[test]
fn transforms_of_sound_are_torchaudios() -> Result<(), Box<dyn Error>> {
    all_right("audio_transform", |_| true, &[])
}

#[test]
fn networks_for_sound_are_torchaudios() -> Result<(), Box<dyn Error>> {
    all_right("audio_model", |_| true, &[])
}

#[test]
fn sound_files_are_read_and_written_as_others_do() -> Result<(), Box<dyn Error>> {
    all_right("audio_io", |_| true, &[])
}

#[test]
fn sets_of_recordings_are_torchaudios() -> Result<(), Box<dyn Error>> {
    all_right("audio_dataset", |_| true, &[])
}
