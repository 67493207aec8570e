//! Bases, limits, restarts and conflicts.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

mod parts;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use openwrap_contracts::ErrorCode;
use openwrap_contracts::change::Node;
use openwrap_contracts::ports::{CommitOutcome, Views};
use parts::{Kit, read_tree, write};

#[test]
fn a_persons_edit_is_reported_and_its_version_can_be_had_back() {
    let kit = Kit::new();
    for path in ["mine", "other"] {
        kit.write(path, "first");
    }
    let base = kit.accept().unwrap();
    let view = kit.open("t", &base, &[]);
    write(&view.root, "mine", "the task's");
    write(&view.root, "other", "the task's");
    let mut changes = kit.finish(&view).unwrap();
    kit.write("mine", "the person's");
    let edited = kit.tree_hash();
    let outcome = kit.commit(&changes).unwrap();
    assert_eq!(
        outcome,
        CommitOutcome::PersonEdited {
            paths: vec!["mine".to_owned()]
        }
    );
    assert_eq!(kit.tree_hash(), edited, "nothing was written");

    // The person lets the task's version in: what it replaces is the person's.
    changes.changes[0].before = read_tree(&kit.project).remove("mine");
    kit.committed(&changes);
    assert_eq!(fs::read_to_string(kit.project.join("mine")).unwrap(), "the task's");
    let reverted = kit.revert(&changes);
    assert_eq!(reverted.tree_hash, edited);
    assert_eq!(fs::read_to_string(kit.project.join("mine")).unwrap(), "the person's");
}

#[test]
fn undo_leaves_out_what_was_changed_since() {
    let kit = Kit::new();
    kit.write("a", "a");
    kit.write("gone/deep", "gone");
    let base = kit.accept().unwrap();
    let view = kit.open("t", &base, &[]);
    write(&view.root, "a", "b");
    write(&view.root, "new/one", "1");
    write(&view.root, "new/two", "2");
    fs::remove_dir_all(view.root.join("gone")).unwrap();
    let changes = kit.finish(&view).unwrap();
    kit.committed(&changes);
    kit.write("new/one", "edited");
    kit.write("new/three", "the person's");
    kit.write("gone", "a file where a folder was");
    let reverted = kit.revert(&changes);
    assert_eq!(reverted.conflicts, ["gone/deep", "new/one"]);
    assert_eq!(reverted.reverted, ["a", "new/two"]);
    let tree = read_tree(&kit.project);
    assert_eq!(tree.keys().collect::<Vec<_>>(), ["a", "gone", "new/one", "new/three"]);
    assert_eq!(fs::read_to_string(kit.project.join("a")).unwrap(), "a");
    assert_eq!(fs::read_to_string(kit.project.join("new/one")).unwrap(), "edited");
    assert_eq!(kit.revert(&changes).conflicts, ["gone/deep", "new/one"]);
}

#[test]
fn a_project_over_a_limit_is_refused_with_the_folders_to_leave_out() {
    let kit = Kit::new();
    kit.write("small", "x");
    kit.write("web/node_modules/a/big", "x");
    let big = fs::File::create(kit.project.join("web/node_modules/a/big")).unwrap();
    big.set_len(201 * 1024 * 1024).unwrap();
    for _ in 0..2 {
        let fault = kit.accept().unwrap_err();
        assert_eq!(fault.code, ErrorCode::LimitExceeded);
        assert!(
            fault.hint.contains("`web/node_modules/a/` (201.0 MB, 1 files)"),
            "{}",
            fault.hint
        );
    }
    kit.write(".openwrapignore", "# heavy\nnode_modules/\n");
    let base = kit.accept().unwrap();
    let view = kit.open("t", &base, &[]);
    let paths: Vec<String> = read_tree(&view.root).into_keys().collect();
    assert_eq!(paths, [".openwrapignore", "small", "web"]);
    // What is left out stays so in the view, and is never committed.
    write(&view.root, "web/node_modules/b", "x");
    assert!(kit.finish(&view).unwrap().is_empty());
    write(&view.root, "added", "x");
    let mut sneaked = kit.finish(&view).unwrap();
    sneaked.changes[0].path = "web/node_modules/b".to_owned();
    assert_eq!(kit.commit(&sneaked).unwrap_err().code, ErrorCode::ProtectedPath);
}

#[test]
fn a_project_of_too_many_files_is_refused() {
    let kit = Kit::new();
    fs::create_dir_all(kit.project.join("many/inner")).unwrap();
    for place in 0..20_001 {
        fs::File::create(kit.project.join(format!("many/inner/{place}"))).unwrap();
    }
    let fault = kit.wait(kit.store.manifest(kit.project.clone())).unwrap_err();
    assert_eq!(fault.code, ErrorCode::LimitExceeded);
    assert!(
        fault.hint.contains("`many/inner/` (0.0 MB, 20001 files)"),
        "{}",
        fault.hint
    );
    fs::remove_file(kit.project.join("many/inner/0")).unwrap();
    let manifest = kit.wait(kit.store.manifest(kit.project.clone())).unwrap();
    assert_eq!(manifest.entries.len(), 20_000);
}

#[test]
fn bases_are_read_only_and_made_again_from_blobs() {
    let kit = Kit::new();
    kit.write("d/x", "x");
    kit.write("run", "#!");
    fs::set_permissions(kit.project.join("run"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(kit.project.join("empty")).unwrap();
    std::os::unix::fs::symlink("d/x", kit.project.join("link")).unwrap();
    let tree = read_tree(&kit.project);
    let base = kit.accept().unwrap();
    let copy = kit.folder.path().join("bases").join(&base);
    assert_eq!(read_tree(&copy), tree);
    let mode = |path: &str| fs::metadata(copy.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("d/x"), mode("run")), (0o400, 0o500));

    // The project goes on; the base stays.
    kit.write("d/x", "later");
    assert_ne!(kit.accept().unwrap(), base);
    assert_eq!(read_tree(&kit.open("t", &base, &[]).root), tree);

    // A damaged copy is not believed where it shows; a missing one is made again.
    fs::remove_file(copy.join("d/x")).unwrap();
    fs::remove_file(copy.join("run")).unwrap();
    fs::write(copy.join("run"), "longer than before").unwrap();
    assert_eq!(read_tree(&kit.open("t", &base, &[]).root), tree);
    fs::remove_dir_all(&copy).unwrap();
    assert_eq!(read_tree(&kit.open("t", &base, &[]).root), tree);
    assert_eq!(read_tree(&copy), tree);
    let manifest = kit.wait(kit.store.base_manifest(base)).unwrap();
    assert_eq!(manifest.entries.len(), tree.len());
    let unknown = kit.wait(kit.store.base_manifest("0".repeat(64)));
    assert_eq!(unknown.unwrap_err().code, ErrorCode::NotFound);
}

#[test]
fn accepting_again_reads_what_changed() {
    let kit = Kit::new();
    kit.write("a", "1");
    kit.write("b", "1");
    let first = kit.accept().unwrap();
    assert_eq!(kit.accept().unwrap(), first);
    kit.write("a", "2");
    let second = kit.accept().unwrap();
    assert_ne!(second, first);
    assert_eq!(read_tree(&kit.open("t", &second, &[]).root), read_tree(&kit.project));
    kit.write("a", "1");
    assert_eq!(kit.accept().unwrap(), first);
    fs::remove_dir_all(kit.folder.path().join("bases").join(&first)).unwrap();
    assert_eq!(kit.accept().unwrap(), first);
    assert_eq!(read_tree(&kit.open("t", &first, &[]).root), read_tree(&kit.project));
}

#[test]
fn a_run_takes_its_views_and_bases_with_it() {
    let kit = Kit::new();
    kit.write("a", "1");
    let shared = kit.accept().unwrap();
    let other = kit
        .wait(kit.store.accept_base("run_2".to_owned(), kit.project.clone()))
        .unwrap();
    assert_eq!(other, shared);
    kit.write("a", "2");
    let own = kit.accept().unwrap();
    let view = kit.open("t", &own, &[]);
    kit.wait(kit.store.drop_run("run_1".to_owned())).unwrap();
    let bases = kit.folder.path().join("bases");
    assert!(!view.root.exists() && !bases.join(&own).exists() && bases.join(&shared).exists());
    assert_eq!(kit.finish(&view).unwrap_err().code, ErrorCode::NotFound);
    kit.wait(kit.store.drop_run("run_2".to_owned())).unwrap();
    assert!(!bases.join(&shared).exists());
    kit.wait(kit.store.drop_run("run_2".to_owned())).unwrap();
    kit.wait(kit.store.drop_run("never".to_owned())).unwrap();
}

#[test]
fn a_restart_drops_views_and_keeps_bases() {
    let mut kit = Kit::new();
    kit.write("a", "1");
    let base = kit.accept().unwrap();
    let view = kit.open("t", &base, &[]);
    write(&view.root, "a", "half done");
    kit.restart();
    assert!(!view.root.exists());
    assert_eq!(kit.finish(&view).unwrap_err().code, ErrorCode::NotFound);
    assert!(kit.folder.path().join("bases").join(&base).exists());
    let again = kit.open("t", &base, &[]);
    assert_eq!(again, view);
    assert_eq!(read_tree(&again.root), read_tree(&kit.project));
    // The same attempt again is fresh as well, home and temp included. These are there once a process needs them.
    assert!(!again.home.exists() && !again.temp.exists());
    kit.furnish(&again);
    kit.furnish(&again);
    fs::write(again.home.join("left"), "x").unwrap();
    fs::write(again.temp.join("left"), "x").unwrap();
    fs::write(again.root.join("a"), "x").unwrap();
    let fresh = kit.open("t", &base, &[]);
    assert_eq!(read_tree(&fresh.root), read_tree(&kit.project));
    kit.furnish(&fresh);
    for folder in [&fresh.home, &fresh.temp] {
        assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
    }
}

#[test]
fn modes_of_replaced_files_stay() {
    let kit = Kit::new();
    for (path, mode) in [("private", 0o600), ("script", 0o750), ("plain", 0o664)] {
        kit.write(path, "old");
        fs::set_permissions(kit.project.join(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    let base = kit.accept().unwrap();
    let view = kit.open("t", &base, &[]);
    for path in ["private", "script", "plain"] {
        fs::write(view.root.join(path), "new").unwrap();
    }
    fs::set_permissions(view.root.join("plain"), fs::Permissions::from_mode(0o755)).unwrap();
    kit.committed(&kit.finish(&view).unwrap());
    let mode = |path: &str| fs::metadata(kit.project.join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("private"), mode("script"), mode("plain")), (0o600, 0o750, 0o775));
}

#[test]
fn many_views_at_once_are_alike() {
    let kit = Kit::new();
    for place in 0..20 {
        kit.write(&format!("f{}/{place}", place % 3), &place.to_string());
    }
    let base = kit.accept().unwrap();
    let tree = read_tree(&kit.project);
    let tasks = (0..64).map(|place| {
        let (kit, base) = (&kit, &base);
        async move {
            let view = kit.store.open(kit.spec(&format!("t{place}"), base, &[])).await.unwrap();
            write(&view.root, "own", &place.to_string());
            let named = kit
                .store
                .changed(view.view_id.clone(), Some(vec!["own".to_owned()]))
                .await
                .unwrap();
            assert_eq!(kit.store.finish(view.view_id.clone()).await.unwrap(), named);
            view
        }
    });
    for (place, view) in kit.wait(futures_util::future::join_all(tasks)).into_iter().enumerate() {
        let mut expected = tree.clone();
        let text = place.to_string();
        let hash = openwrap_contracts::canonical::sha256_hex(text.as_bytes());
        let size = u32::try_from(text.len()).unwrap();
        expected.insert(
            "own".to_owned(),
            Node::File {
                hash,
                size,
                executable: false,
            },
        );
        assert_eq!(read_tree(&view.root), expected);
    }
}
