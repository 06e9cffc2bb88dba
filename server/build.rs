//! The page is embedded from `dist/`, which Trunk builds. Without it the server still compiles, and says at its
//! start that the page is missing.

use std::path::Path;

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=../dist");
    std::fs::create_dir_all(Path::new("../dist"))
}
