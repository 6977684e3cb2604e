//! The console that is built lately is the one that the program holds: files that come and go are noticed, too.

fn main() {
    println!("cargo:rerun-if-changed=console/dist");
}
