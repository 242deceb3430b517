//! Library: what is loaded.

use std::ffi::c_char;

use crate::handle;

/// Raised when anything but additions change it.
pub const IKEY_ABI_VERSION: u32 = 1;

/// Gives the number of the ABI that the loaded library has. Use the library only if it equals IKEY_ABI_VERSION.
#[unsafe(no_mangle)]
pub extern "C" fn ikey_abi_version() -> u32 {
    IKEY_ABI_VERSION
}

/// Gives the version of the loaded library, for example "0.1.0": static text with a NUL at its end, never freed.
#[unsafe(no_mangle)]
pub extern "C" fn ikey_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// Counts the handles that were given and not yet freed in this process. A program that ends with 0 has leaked none.
#[unsafe(no_mangle)]
pub extern "C" fn ikey_live_objects() -> u64 {
    handle::live()
}
