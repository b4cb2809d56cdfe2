//! NVIDIA's management library (NVML), loaded at run time.
#![expect(unsafe_code, reason = "NVML is a C interface, loaded at run time")]

use std::ffi::{CStr, c_char, c_int, c_uint};

use casa_doctor_checks::facts::{GlError, NvmlResult};
use libloading::{Library, Symbol};

use super::child::failed;
use crate::probes::child::Trail;

const LIBRARY: &str = "libnvidia-ml.so.1";
/// NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE and NVML_SYSTEM_NVML_VERSION_BUFFER_SIZE (nvml.h) are 80.
const VERSION_SIZE: usize = 80;

type Plain = unsafe extern "C" fn() -> c_int;
type ErrorString = unsafe extern "C" fn(c_int) -> *const c_char;
type Version = unsafe extern "C" fn(*mut c_char, c_uint) -> c_int;
type Count = unsafe extern "C" fn(*mut c_uint) -> c_int;

/// Asks the library for the driver, and for nothing that a program could change.
pub(super) fn probe(trail: &Trail) -> NvmlResult {
    let mut facts = NvmlResult::default();
    facts.error = examine(trail, &mut facts).err();
    facts
}

fn examine(trail: &Trail, facts: &mut NvmlResult) -> Result<(), GlError> {
    trail.at(&format!("dlopen {LIBRARY}"));
    // SAFETY: loading runs the library's constructors, which is the risk that this process exists for.
    let library = unsafe { Library::new(LIBRARY) }.map_err(|error| failed(format!("dlopen {LIBRARY}"), error))?;
    let init: Symbol<'_, Plain> = function(&library, c"nvmlInit_v2")?;
    let in_words: Symbol<'_, ErrorString> = function(&library, c"nvmlErrorString")?;
    // This one answers without a driver, too.
    let own: Symbol<'_, Version> = function(&library, c"nvmlSystemGetNVMLVersion")?;
    trail.at("nvmlInit_v2");
    // SAFETY: the function takes nothing (nvml.h).
    let code = unsafe { init() };
    facts.code = u32::try_from(code).ok();
    // SAFETY: the library gives a string that it keeps, for every code (nvml.h).
    facts.message = text(unsafe { in_words(code) });
    facts.library_version = version(&own);
    if code == 0 {
        trail.at("nvmlSystemGetDriverVersion");
        facts.driver_version = version(&function(&library, c"nvmlSystemGetDriverVersion")?);
        trail.at("nvmlDeviceGetCount_v2");
        let count: Symbol<'_, Count> = function(&library, c"nvmlDeviceGetCount_v2")?;
        let mut devices = 0;
        // SAFETY: the function writes one number (nvml.h).
        facts.devices = (unsafe { count(&raw mut devices) } == 0).then_some(devices);
    }
    // The library stays as it is: the process ends, and unloading drivers has crashed.
    std::mem::forget(library);
    Ok(())
}

fn function<'a, T>(library: &'a Library, name: &CStr) -> Result<Symbol<'a, T>, GlError> {
    // SAFETY: the types above are those of nvml.h, which NVIDIA keeps compatible.
    unsafe { library.get(name.to_bytes_with_nul()) }.map_err(|error| failed(name.to_string_lossy(), error))
}

/// A version, as the function writes it into a buffer.
fn version(ask: &Symbol<'_, Version>) -> Option<String> {
    let mut buffer: [c_char; VERSION_SIZE] = [0; VERSION_SIZE];
    let size = c_uint::try_from(VERSION_SIZE - 1).ok()?;
    // SAFETY: the function writes at most that many characters, and the last one stays 0.
    let code = unsafe { ask(buffer.as_mut_ptr(), size) };
    if code == 0 { text(buffer.as_ptr()) } else { None }
}

fn text(pointer: *const c_char) -> Option<String> {
    // SAFETY: whoever calls this has a string that ends with 0, or nothing.
    (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned())
}
