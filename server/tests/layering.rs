//! Who may import whom, as `ARCHITECTURE.md` draws it. Reads the manifests and the `use` lines.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const MEMBERS: [&str; 6] = ["protocol", "chat", "app", "frontend", "server", "harness"];

/// Clients of databases and brokers: only the crate that hides them may name them.
const BACK_ENDS: [&str; 4] = ["sqlx", "rdkafka", "async-nats", "redis"];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("server/ lies in the workspace").to_owned()
}

fn manifest(member: &str) -> toml::Table {
    let path = workspace().join(member).join("Cargo.toml");
    std::fs::read_to_string(&path).expect("every member has a manifest").parse().expect("manifests are TOML")
}

/// Names under a table of dependencies, of every target too.
fn dependencies(manifest: &toml::Table, table: &str) -> BTreeSet<String> {
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let of_targets = targets.into_iter().flat_map(toml::Table::values).filter_map(|target| target.get(table));
    let all = manifest.get(table).into_iter().chain(of_targets).filter_map(toml::Value::as_table);
    all.flat_map(toml::Table::keys).cloned().collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of sources").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}

/// Whether a source names a crate: in a `use`, or as the start of a path. Comments do not count.
fn names_crate(source: &str, name: &str) -> bool {
    let name = name.replace('-', "_");
    source.lines().map(str::trim).filter(|line| !line.starts_with("//")).any(|line| {
        line.match_indices(&format!("{name}::")).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            before.is_none_or(|before| {
                !before.is_alphanumeric() && before != '_' && before != ':' && before != '.'
            })
        }) || line.starts_with(&format!("use {name};"))
    })
}

fn relative(path: &Path) -> String {
    path.strip_prefix(workspace()).unwrap_or(path).display().to_string()
}

#[test]
fn members_depend_only_where_the_arrows_point() {
    let arrows: [(&str, &[&str], &[&str]); 6] = [
        ("protocol", &[], &[]),
        ("chat", &["protocol"], &[]),
        ("app", &["chat", "protocol"], &[]),
        ("frontend", &["app"], &[]),
        ("server", &["app", "chat", "protocol"], &["harness"]),
        ("harness", &["protocol"], &[]),
    ];
    for (member, to, in_tests) in arrows {
        let manifest = manifest(member);
        for (table, allowed) in
            [("dependencies", to), ("dev-dependencies", in_tests), ("build-dependencies", &[])]
        {
            for other in MEMBERS {
                let depends = dependencies(&manifest, table).contains(other);
                let allowed =
                    allowed.contains(&other) || (table == "dev-dependencies" && to.contains(&other));
                assert!(!depends || allowed, "{member} must not name {other} in [{table}]");
            }
        }
        for source in sources(&workspace().join(member).join("src")) {
            let text = std::fs::read_to_string(&source).unwrap();
            for other in MEMBERS.iter().filter(|&&other| other != member && !to.contains(&other)) {
                // A module may share the name of a member; a path from the crate's root is then `crate::…`.
                let own_module = workspace().join(member).join("src").join(format!("{other}.rs")).exists()
                    || text.contains(&format!("mod {other};"));
                assert!(own_module || !names_crate(&text, other), "{} names {other}", relative(&source));
            }
        }
    }
}

#[test]
fn the_page_reaches_the_server_side_only_when_rendered_there() {
    let manifest = manifest("app");
    let chat = &manifest["dependencies"]["chat"];
    assert_eq!(chat.get("optional").and_then(toml::Value::as_bool), Some(true), "app -> chat is optional");
    let features = manifest["features"].as_table().unwrap();
    for (feature, parts) in features {
        let brings: Vec<&str> =
            parts.as_array().into_iter().flatten().filter_map(toml::Value::as_str).collect();
        let chat =
            brings.iter().any(|part| *part == "dep:chat" || *part == "chat" || part.starts_with("chat/"));
        let ssr = brings.contains(&"ssr");
        assert!(!(chat || ssr) || feature == "ssr", "feature {feature} of app brings the server side in");
    }
    let frontend = self::manifest("frontend").to_string();
    assert!(!frontend.contains("\"ssr\""), "frontend never renders on a server");
}

#[test]
fn the_vocabulary_does_nothing_by_itself() {
    let allowed = BTreeSet::from(["serde", "uuid"].map(str::to_owned));
    assert_eq!(dependencies(&manifest("protocol"), "dependencies"), allowed);
}

#[test]
fn back_ends_stand_in_one_manifest() {
    for member in MEMBERS.iter().filter(|&&member| member != "chat") {
        let manifest = manifest(member);
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for back_end in BACK_ENDS {
                assert!(!dependencies(&manifest, table).contains(back_end), "{member} names {back_end}");
            }
        }
    }
}

#[test]
fn one_file_of_chat_names_the_concrete_back_ends() {
    let chat = workspace().join("chat").join("src");
    // A back end may name itself, a test may open one, and `open.rs` composes them.
    let is_exempt = |path: &Path| {
        let path = path.strip_prefix(&chat).unwrap_or(path);
        let first = |folder: &str| path.starts_with(folder);
        let name = path.file_stem().unwrap_or_default();
        path == Path::new("open.rs")
            || first("store/sqlite")
            || path == Path::new("store/sqlite.rs")
            || first("store/postgres")
            || path == Path::new("store/postgres.rs")
            || ["channel", "kafka", "nats", "redis", "contract"].iter().any(|name| {
                first(&format!("bus/{name}")) || path == Path::new(&format!("bus/{name}.rs"))
            })
            || path == Path::new("presence/redis.rs")
            || path == Path::new("store/cached/redis.rs")
            // What an address may say belongs to the settings.
            || path == Path::new("settings.rs")
            || name == "tests"
            || path.components().any(|part| part.as_os_str() == "tests")
    };
    assert!(chat.join("open.rs").is_file(), "the composition file");
    let mut looked_at = 0;
    for source in sources(&chat).into_iter().filter(|source| !is_exempt(source)) {
        looked_at += 1;
        let text = std::fs::read_to_string(&source).unwrap();
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
            for back_end in [
                "sqlite::",
                "store::sqlite",
                "postgres::",
                "store::postgres",
                "channel::channel",
                "bus::kafka",
                "bus::nats",
                "bus::redis",
                "presence::redis",
                "cached::redis",
            ] {
                assert!(!line.contains(back_end), "{} names a back end: {line}", relative(&source));
            }
        }
        for back_end in BACK_ENDS {
            assert!(!names_crate(&text, back_end), "{} names {back_end}", relative(&source));
        }
    }
    assert!(looked_at > 5, "the steps were looked at");
}

#[test]
fn no_file_hides_behind_a_folder_or_a_catch_all_name() {
    let vague =
        ["mod", "utils", "util", "helpers", "helper", "common", "misc", "types", "manager", "service"];
    for member in MEMBERS {
        for source in sources(&workspace().join(member).join("src")) {
            let name = source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            assert!(!vague.contains(&name.as_str()), "{}: a name that says nothing", relative(&source));
        }
    }
}
