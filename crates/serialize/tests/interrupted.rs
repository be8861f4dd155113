//! What a checkpoint is after a save that did not come to its end: on a disk without room, in a process that was killed,
//! beside others that save the same file. Such processes are this program again, at [`another_process`].
#![cfg(unix)]

use flambeau_serialize::{load, save};
use flambeau_tensor::{ErrorKind, StateDict, Tensor};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

const PATH: &str = "FLAMBEAU_SAVES_TO";
const HOW: &str = "FLAMBEAU_SAVES_HOW";
/// Elements of each tensor: half a megabyte.
const SIZE: usize = 1 << 17;

/// Eight tensors that all hold `number`.
fn all(number: f32) -> StateDict {
    (0..8).map(|i| (format!("part{i}"), Tensor::full([SIZE], number).build().expect("a tensor"))).collect()
}

/// The number that all tensors of the file hold.
#[track_caller]
fn number_in(path: &Path) -> f32 {
    let state = load(path).expect("a whole file");
    assert_eq!(state.len(), 8);
    let mut numbers = state.iter().flat_map(|(_, x)| x.to_vec::<f32>().expect("numbers"));
    let first = numbers.next().expect("an element");
    assert!(numbers.all(|x| x == first), "two states in one file");
    first
}

fn drafts(folder: &Path) -> Vec<std::path::PathBuf> {
    let names = fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path());
    names.filter(|p| p.extension().is_some_and(|e| e == "tmp")).collect()
}

/// Not a test of its own: what the processes do that the others start.
#[test]
fn another_process() {
    let (Ok(path), Ok(how)) = (env::var(PATH), env::var(HOW)) else { return };
    match how.as_str() {
        "once" => {
            let error = save(&path, &all(2.0)).expect_err("no room");
            assert!(error.kind() == ErrorKind::Io && error.to_string().contains(&path), "{error}");
        }
        "for ever" => {
            let states = [all(1.0), all(2.0), all(3.0)];
            loop {
                states.iter().for_each(|state| save(&path, state).expect("saved"));
            }
        }
        number => {
            let state = all(number.parse().expect("a number"));
            (0..10).for_each(|_| save(&path, &state).expect("saved"));
        }
    }
}

/// This program at [`another_process`], started by `shell` before its own arguments where there is one.
fn start(shell: &[&str], path: &Path, how: &str) -> Child {
    let own = env::current_exe().expect("a program");
    let own = own.to_str().expect("a path of letters");
    let words: Vec<&str> = shell.iter().copied().chain([own, "--exact", "another_process", "--nocapture"]).collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).env(PATH, path).env(HOW, how).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("started")
}

#[test]
fn a_disk_without_room_leaves_the_old_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    save(&path, &all(1.0)).expect("saved");
    // No file of this process may be longer than some hundred kilobytes: writes fail as on a full disk.
    let shell = ["sh", "-c", "trap '' XFSZ && ulimit -f 256 && exec \"$0\" \"$@\""];
    let ended = start(&shell, &path, "once").wait().expect("waited for");
    assert!(ended.success(), "the save failed with an error that names the file");
    assert_eq!(number_in(&path), 1.0);
    assert!(drafts(folder.path()).is_empty());
}

#[test]
fn a_process_killed_while_it_saves_leaves_a_whole_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    let begun = Instant::now();
    // Until one was killed in the middle: it leaves its draft behind.
    let mut kills = 0;
    while kills < 3 || drafts(folder.path()).is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(300), "no process was met while it saved");
        let before = drafts(folder.path()).len();
        let mut child = start(&[], &path, "for ever");
        while !path.exists() || drafts(folder.path()).len() == before {
            assert!(child.try_wait().expect("asked").is_none(), "it saves for ever");
            assert!(begun.elapsed() < Duration::from_secs(300), "nothing is saved");
            thread::yield_now();
        }
        child.kill().expect("killed");
        child.wait().expect("waited for");
        kills += 1;
        assert!([1.0, 2.0, 3.0].contains(&number_in(&path)));
    }
    // A later save clears away what has been left for an hour.
    for draft in drafts(folder.path()) {
        let file = fs::File::options().write(true).open(draft).expect("opened");
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(7200)).expect("dated");
    }
    save(&path, &all(4.0)).expect("saved");
    assert_eq!(number_in(&path), 4.0);
    assert!(drafts(folder.path()).is_empty());
}

#[test]
fn of_those_who_save_at_once_one_has_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    save(&path, &all(0.0)).expect("saved");
    let mut processes: Vec<Child> = (1..3).map(|i| start(&[], &path, &i.to_string())).collect();
    thread::scope(|scope| {
        for number in 3..6 {
            let path = &path;
            scope.spawn(move || {
                let state = all(number as f32);
                (0..10).for_each(|_| save(path, &state).expect("saved"));
            });
        }
        (0..20).for_each(|_| assert!((0..6).contains(&(number_in(&path) as i32))));
    });
    for process in &mut processes {
        assert!(process.wait().expect("waited for").success());
    }
    assert!((1..6).contains(&(number_in(&path) as i32)));
    assert!(drafts(folder.path()).is_empty());
}
