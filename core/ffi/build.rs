//! Gives the shared library its name inside other programs' link tables.

/// The ABI number in that name: `IKEY_ABI_VERSION` of `src/library.rs`; `tests/c/run.sh exports` compares the two.
const ABI: u32 = 1;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let argument = match std::env::var("CARGO_CFG_TARGET_OS").as_deref() {
        // A DLL is found by its file name alone.
        Ok("windows") => return,
        Ok("macos" | "ios") => format!("-Wl,-install_name,@rpath/libinferencekey.{ABI}.dylib"),
        _ => format!("-Wl,-soname,libinferencekey.so.{ABI}"),
    };
    println!("cargo:rustc-cdylib-link-arg={argument}");
}
