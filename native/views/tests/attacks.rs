//! What a process may leave in its view, and what happens to a project while it is written.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

mod parts;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use openwrap_contracts::ErrorCode;
use openwrap_contracts::canonical::sha256_hex;
use openwrap_contracts::change::{Change, ChangeSet, Node};
use openwrap_contracts::ports::{CommitOutcome, View, Views};
use openwrap_contracts::tools_user::as_tools;
use parts::{Kit, read_tree, write};
use rustix::fs::{CWD, FileType, Mode, RenameFlags};

const SECRET: &str = "a person's own secret";

/// A project of three files, an open view of it, and a folder outside with a secret.
fn started() -> (Kit, View, std::path::PathBuf) {
    let kit = Kit::new();
    let outside = kit.folder.path().join("outside");
    write(&outside, "secret", SECRET);
    for path in ["d/x", "d/y", "z"] {
        kit.write(path, path);
    }
    let base = kit.accept().unwrap();
    let view = kit.open("t", &base, &[]);
    (kit, view, outside)
}

fn is_kept(kit: &Kit, text: &str) -> bool {
    kit.blobs.0.lock().unwrap().contains_key(&sha256_hex(text.as_bytes()))
}

fn one(path: &str, before: Option<Node>, after: Option<Node>) -> ChangeSet {
    let path = path.to_owned();
    ChangeSet {
        changes: vec![Change { path, before, after }],
    }
}

fn file(kit: &Kit, text: &str) -> Node {
    let hash = sha256_hex(text.as_bytes());
    kit.blobs.0.lock().unwrap().insert(hash.clone(), text.to_owned().into());
    Node::File {
        hash,
        size: u32::try_from(text.len()).unwrap(),
        executable: false,
    }
}

#[test]
fn links_out_of_a_view_are_not_followed_nor_committed() {
    let (kit, view, outside) = started();
    let before = read_tree(&kit.project);
    fs::remove_file(view.root.join("z")).unwrap();
    symlink(outside.join("secret"), view.root.join("z")).unwrap();
    fs::remove_dir_all(view.root.join("d")).unwrap();
    symlink(&outside, view.root.join("d")).unwrap();
    let changes = kit.changed(&view, Some(&["d/secret", "d/x", "z"])).unwrap();
    assert!(
        changes
            .changes
            .iter()
            .all(|change| !matches!(change.after, Some(Node::File { .. })))
    );
    assert_eq!(changes.paths(), ["d", "d/x", "d/y", "z"]);
    assert_eq!(kit.finish(&view).unwrap(), changes);
    assert!(!is_kept(&kit, SECRET));
    assert_eq!(kit.commit(&changes).unwrap_err().code, ErrorCode::PathOutside);
    assert_eq!(read_tree(&kit.project), before);
    kit.wait(kit.store.drop_view(view.view_id)).unwrap();
    assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), SECRET);
}

#[test]
fn links_that_leave_by_way_of_other_links_are_refused() {
    let (kit, ..) = started();
    for target in [
        "/etc/passwd",
        "..",
        "../x",
        "d/../../x",
        "d/up/../x",
        "d/..",
        "./d/./..",
    ] {
        let after = Some(Node::Symlink {
            target: target.to_owned(),
        });
        let fault = kit.commit(&one("l", None, after)).unwrap_err();
        assert_eq!(fault.code, ErrorCode::PathOutside, "{target}");
    }
    let after = Some(Node::Symlink {
        target: "../z".to_owned(),
    });
    kit.committed(&one("d/l", None, after));
    assert_eq!(fs::read_to_string(kit.project.join("d/l")).unwrap(), "z");
}

#[test]
fn a_folder_of_the_project_swapped_for_a_link_is_not_written_through() {
    let (kit, _, outside) = started();
    let changes = one("d/new", None, Some(file(&kit, "written")));
    let change_x = one("d/x", Some(file(&kit, "d/x")), Some(file(&kit, "written")));
    fs::rename(kit.project.join("d"), kit.project.join("aside")).unwrap();
    symlink(&outside, kit.project.join("d")).unwrap();
    assert_eq!(kit.commit(&changes).unwrap_err().code, ErrorCode::Conflict);
    let paths = vec!["d/x".to_owned()];
    assert_eq!(kit.commit(&change_x), Ok(CommitOutcome::PersonEdited { paths }));
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
}

#[test]
fn a_folder_swapped_while_it_is_written_leads_nowhere() {
    let (kit, _, outside) = started();
    symlink(&outside, kit.folder.path().join("link")).unwrap();
    let (link, place) = (kit.folder.path().join("link"), kit.project.join("d"));
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let swapping = std::thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            rustix::fs::renameat_with(CWD, &link, CWD, &place, RenameFlags::EXCHANGE).unwrap();
        }
    });
    let mut texts = ["one", "two"].into_iter().cycle();
    for round in 0..60 {
        let after = Some(file(&kit, texts.next().unwrap()));
        // Whatever the answer is, it is about the project.
        let _ = kit.commit(&one(&format!("d/{round}"), None, after.clone()));
        let _ = kit.commit(&one("d/deep/er", None, after));
        let _ = kit.wait(
            kit.store
                .revert(kit.project.clone(), one("d/x", None, Some(file(&kit, "d/x")))),
        );
    }
    stop.store(true, Ordering::Relaxed);
    swapping.join().unwrap();
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), SECRET);
}

#[test]
fn pipes_and_sockets_are_no_content_and_hang_nothing() {
    let (kit, view, _) = started();
    let pipe = |path: &Path| rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
    pipe(&view.root.join("pipe"));
    fs::remove_file(view.root.join("z")).unwrap();
    pipe(&view.root.join("z"));
    fs::create_dir(view.root.join("only")).unwrap();
    let _socket = UnixListener::bind(view.root.join("only/s")).unwrap();
    let changes = kit.changed(&view, Some(&["pipe", "z", "only/s"])).unwrap();
    assert_eq!(changes.paths(), ["only", "z"]);
    assert_eq!(kit.finish(&view).unwrap(), changes);
    kit.committed(&changes);
    assert_eq!(read_tree(&kit.project)["only"], Node::Directory);

    // A person's own pipe is left alone, and what is wanted in its place is said.
    pipe(&kit.project.join("mine"));
    let wanted = one("mine", None, Some(file(&kit, "text")));
    assert_eq!(kit.commit(&wanted).unwrap_err().code, ErrorCode::Conflict);
    kit.wait(kit.store.drop_view(view.view_id)).unwrap();
}

#[test]
fn rights_a_process_gave_or_took_do_not_matter() {
    let (kit, view, _) = started();
    let set =
        |path: &str, mode: u32| fs::set_permissions(view.root.join(path), fs::Permissions::from_mode(mode)).unwrap();
    write(&view.root, "tool", "#!/bin/sh");
    set("tool", 0o6755);
    write(&view.root, "hidden/in/here", "found");
    set("hidden/in/here", 0o000);
    set("hidden/in", 0o000);
    set("hidden", 0o400);
    set("d", 0o000);
    set("", 0o000);
    let named = kit.changed(&view, Some(&["hidden/in/here", "tool"])).unwrap();
    assert_eq!(named.paths(), ["hidden/in/here", "tool"]);
    set("hidden/in/here", 0o000);
    set("hidden/in", 0o000);
    set("hidden", 0o100);
    set("", 0o100);
    let changes = kit.finish(&view).unwrap();
    assert_eq!(changes, named);
    kit.committed(&changes);
    let mode = fs::metadata(kit.project.join("tool")).unwrap().mode();
    assert_eq!(mode & 0o7100, 0o100, "{mode:o}");
    set("hidden/in", 0o000);
    set("hidden", 0o000);
    set("", 0o000);
    kit.wait(kit.store.drop_view(view.view_id)).unwrap();
    assert!(!view.root.exists());
}

#[test]
fn names_that_are_no_text_are_said() {
    let (kit, view, _) = started();
    let name = view.root.join("d").join(OsStr::from_bytes(b"caf\xe9"));
    fs::write(&name, "x").unwrap();
    let fault = kit.finish(&view).unwrap_err();
    assert_eq!(fault.code, ErrorCode::InvalidState);
    assert!(fault.message.contains("d/caf\\xe9"), "{fault}");
    fs::remove_file(name).unwrap();
    symlink(OsStr::from_bytes(b"\xff"), view.root.join("l")).unwrap();
    assert_eq!(kit.finish(&view).unwrap_err().code, ErrorCode::InvalidState);
    fs::remove_file(view.root.join("l")).unwrap();
    for name in [
        "\u{65e5}\u{672c} \u{1f600}",
        "new\nline",
        "tab\t\"quote\"",
        "-rf",
        &"n".repeat(255),
    ] {
        write(&view.root, name, name);
    }
    for name in ["A", "a"] {
        write(&view.root, name, name);
    }
    let changes = kit.finish(&view).unwrap();
    assert_eq!(changes.changes.len(), 7);
    kit.committed(&changes);
    assert_eq!(read_tree(&kit.project), read_tree(&view.root));
}

#[test]
fn protected_names_stay_as_they_are() {
    let (kit, view, _) = started();
    kit.write(".git/config", "mine");
    let before = read_tree(&kit.project);
    write(&view.root, ".git/hooks/post-checkout", "evil");
    assert!(
        kit.finish(&view).unwrap().is_empty(),
        "version control state is never part of a tree"
    );
    for path in [
        ".GIT/config",
        ".env",
        "d/.envrc",
        ".openwrapignore",
        ".ssh/authorized_keys",
        ".Bashrc",
        ".g\u{200c}it/x",
    ] {
        write(&view.root, path, "evil");
        write(&view.root, "fine", "fine");
        let changes = kit.finish(&view).unwrap();
        assert_eq!(
            kit.commit(&changes).unwrap_err().code,
            ErrorCode::ProtectedPath,
            "{path}"
        );
        let inverse = kit.wait(kit.store.revert(kit.project.clone(), changes));
        assert_eq!(inverse.unwrap_err().code, ErrorCode::ProtectedPath, "{path}");
        parts::remove(&view.root.join(path.split_once('/').map_or(path, |(top, _)| top)));
        write(&view.root, "d/x", "d/x");
        write(&view.root, "d/y", "d/y");
    }
    let direct = one(".git/config", Some(file(&kit, "mine")), Some(file(&kit, "evil")));
    assert_eq!(kit.commit(&direct).unwrap_err().code, ErrorCode::ProtectedPath);
    assert_eq!(read_tree(&kit.project), before);
}

#[test]
fn paths_and_ids_from_outside_are_refused() {
    let (kit, view, outside) = started();
    for path in [
        "../outside/secret",
        "/etc/passwd",
        "d/../../x",
        "",
        "d//x",
        "d/./x",
        "a\0b",
    ] {
        let fault = kit.changed(&view, Some(&[path])).unwrap_err();
        assert_eq!(fault.code, ErrorCode::PathOutside, "{path:?}");
        let fault = kit.commit(&one(path, None, Some(file(&kit, "x")))).unwrap_err();
        assert_eq!(fault.code, ErrorCode::PathOutside, "{path:?}");
    }
    let mut twice = one("n", None, Some(file(&kit, "x")));
    twice.changes.push(twice.changes[0].clone());
    assert_eq!(kit.commit(&twice).unwrap_err().code, ErrorCode::InvalidArguments);
    for view_id in ["../outside", "run_1/../../outside", "run_1/..", "x", "/", "run_1/"] {
        assert!(kit.wait(kit.store.drop_view(view_id.to_owned())).is_err(), "{view_id}");
    }
    assert!(kit.wait(kit.store.drop_run("../outside".to_owned())).is_err());
    let mut spec = kit.spec("../../t", &"0".repeat(64), &[]);
    assert!(kit.wait(kit.store.open(spec.clone())).is_err());
    spec.task_id = "t".to_owned();
    spec.base_hash = "../outside".to_owned();
    assert_eq!(kit.wait(kit.store.open(spec)).unwrap_err().code, ErrorCode::NotFound);
    assert!(outside.join("secret").exists());
}

#[test]
fn trees_too_deep_or_too_large_are_refused_and_still_removed() {
    let (kit, view, _) = started();
    let mut place = view.root.clone();
    for _ in 0..90 {
        place.push("f");
        fs::create_dir(&place).unwrap();
    }
    assert_eq!(kit.finish(&view).unwrap().changes.len(), 1);
    // Deeper than a path can be long: by descriptors.
    let mut at = rustix::fs::open(&place, rustix::fs::OFlags::DIRECTORY, Mode::empty()).unwrap();
    for _ in 0..3_000 {
        rustix::fs::mkdirat(&at, "deeper", Mode::from_raw_mode(0o755)).unwrap();
        at = rustix::fs::openat(&at, "deeper", rustix::fs::OFlags::DIRECTORY, Mode::empty()).unwrap();
    }
    assert_eq!(kit.finish(&view).unwrap_err().code, ErrorCode::LimitExceeded);
    kit.wait(kit.store.drop_view(view.view_id)).unwrap();
    assert!(!view.root.exists());

    let view = kit.open("t", &kit.accept().unwrap(), &[]);
    let sparse = fs::File::create(view.root.join("d/sparse")).unwrap();
    sparse.set_len(1 << 40).unwrap();
    assert_eq!(kit.finish(&view).unwrap_err().code, ErrorCode::LimitExceeded);
    assert_eq!(
        kit.changed(&view, Some(&["d/sparse"])).unwrap_err().code,
        ErrorCode::LimitExceeded
    );
}

#[test]
fn further_names_of_a_file_become_files_of_their_own() {
    let (kit, view, _) = started();
    fs::hard_link(view.root.join("z"), view.root.join("second")).unwrap();
    let changes = kit.finish(&view).unwrap();
    assert_eq!(changes.paths(), ["second"]);
    kit.committed(&changes);
    fs::write(kit.project.join("second"), "other").unwrap();
    assert_eq!(fs::read_to_string(kit.project.join("z")).unwrap(), "z");

    // A second name the person gave a file elsewhere keeps its content when the first is replaced.
    fs::hard_link(kit.project.join("z"), kit.folder.path().join("elsewhere")).unwrap();
    kit.committed(&one("z", Some(file(&kit, "z")), Some(file(&kit, "new"))));
    assert_eq!(fs::read_to_string(kit.folder.path().join("elsewhere")).unwrap(), "z");
}

/// Needs root, as a core that has a uid of its own for tools.
#[test]
fn views_belong_to_the_tools_and_projects_keep_their_owners() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let (tools, person) = (61_234, 61_235);
    let kit = Kit::owned_by(Some((tools, tools)));
    kit.write("d/x", "x");
    kit.write("mine", "mine");
    fs::set_permissions(kit.project.join("mine"), fs::Permissions::from_mode(0o640)).unwrap();
    for path in ["", "d", "d/x"] {
        std::os::unix::fs::chown(kit.project.join(path), Some(person), Some(person)).unwrap();
    }
    std::os::unix::fs::chown(kit.project.join("mine"), Some(person + 1), Some(person + 2)).unwrap();
    let base = kit.accept().unwrap();
    let view = kit.open("t", &base, &[]);
    for path in ["", "d", "d/x", "mine"] {
        assert_eq!(fs::metadata(view.root.join(path)).unwrap().uid(), tools, "{path}");
    }
    assert_eq!(fs::metadata(&view.root).unwrap().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(view.root.parent().unwrap()).unwrap().mode() & 0o777, 0o731);

    fs::write(view.root.join("mine"), "changed").unwrap();
    write(&view.root, "new/file", "new");
    for path in ["new", "new/file"] {
        std::os::unix::fs::chown(view.root.join(path), Some(tools), Some(tools)).unwrap();
    }
    kit.committed(&kit.finish(&view).unwrap());
    let mine = fs::metadata(kit.project.join("mine")).unwrap();
    assert_eq!(
        (mine.uid(), mine.gid(), mine.mode() & 0o777),
        (person + 1, person + 2, 0o640)
    );
    for path in ["new", "new/file"] {
        assert_eq!(fs::metadata(kit.project.join(path)).unwrap().uid(), person, "{path}");
    }

    // A file of somebody else's that got a name in the view.
    let secret = kit.folder.path().join("secret");
    fs::write(&secret, SECRET).unwrap();
    fs::hard_link(&secret, view.root.join("stolen")).unwrap();
    assert_eq!(
        kit.changed(&view, Some(&["stolen"])).unwrap_err().code,
        ErrorCode::PermissionDenied
    );
    assert_eq!(kit.finish(&view).unwrap_err().code, ErrorCode::PermissionDenied);
    assert!(!is_kept(&kit, SECRET));
}

/// Needs root. What programs of another user leave is read and removed as that user, however they lock it.
#[test]
fn what_the_tools_lock_is_read_and_removed_as_their_user() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let tools = Some((61_234, 61_234));
    let kit = Kit::owned_by(tools);
    kit.write("kept", "kept");
    let base = kit.accept().unwrap();
    let view = kit.open("t", &base, &[]);
    kit.furnish(&view);
    let lock = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o0)).unwrap();
    // By descriptor, since the folders above are closed to the tools here.
    let root = fs::File::open(&view.root).unwrap();
    let inside = std::path::PathBuf::from(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&root)));
    as_tools(tools, || {
        fs::create_dir_all(inside.join("a/b")).unwrap();
        fs::write(inside.join("a/b/file"), "found").unwrap();
        rustix::fs::mknodat(&root, "pipe", FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        symlink("/etc/shadow", inside.join("way")).unwrap();
        for path in ["a/b/file", "a/b", "a", ""] {
            lock(&inside.join(path));
        }
    });
    let changes = kit.finish(&view).unwrap();
    let paths: Vec<&str> = changes.changes.iter().map(|change| change.path.as_str()).collect();
    assert_eq!(paths, ["a/b/file", "way"]);
    assert_eq!(changes.changes[0].after, Some(file(&kit, "found")));
    as_tools(tools, || {
        fs::create_dir_all(inside.join("deep").join("d/".repeat(60))).unwrap();
        lock(&inside.join("deep/d/d"));
        lock(&inside);
    });
    kit.wait(kit.store.drop_view(view.view_id.clone())).unwrap();
    assert!(!view.root.parent().unwrap().exists());
    assert!(rustix::process::geteuid().is_root() && rustix::process::getegid().is_root());
}
