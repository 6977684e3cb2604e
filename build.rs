//! The console that is built lately is the one that a release holds: files that come and go are noticed, too. Other builds
//! read it where it lies.

use std::{env, fs};

fn main() -> std::io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    if env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo:rerun-if-changed=console/dist");
    }
    // The folder must be there to be held, also where the console is built later, or not at all.
    fs::create_dir_all("console/dist")
}
