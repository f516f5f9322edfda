//! Where the executables look for the shared libraries of sherpa-onnx: beside themselves, in the `lib` beside their
//! `bin`, and, those of tests, in the folder above, where cargo puts them.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN:$ORIGIN/../lib:$ORIGIN/..");
}
