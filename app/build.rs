//! Turns `locales/*.json` into code, so that a missing key or argument does not compile.
//!
//! `leptos_i18n_build` would do the same in one call, and bring ICU's data sources and an HTTP client into every
//! build for formatters that this page does not use. The parser and the generator are what it, and the macros of
//! `leptos_i18n`, are made of.

use leptos_i18n_parser::parse_locales::options::{Config, ParseOptions};
use leptos_i18n_parser::parse_locales::parse_locales;
use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=locales");
    // Sentences with arguments are wanted as strings too, for attributes.
    let options = ParseOptions::default().interpolate_display(true);
    let config = Config::new("en")?.add_locale("zh-CN")?.parse_options(options);
    let locales = parse_locales(Some(folder), config)?;
    let code = leptos_i18n_codegen::gen_code(&locales, None, true, None, false)?;
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("i18n.rs"), code.to_string())?;
    Ok(())
}
