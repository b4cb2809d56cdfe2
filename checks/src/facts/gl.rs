use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a child process of casa-doctor that loaded a driver ended, with what it said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChildRun<T> {
    /// The end.
    pub end: ChildEnd,
    /// The last call that the child announced before it made it.
    #[serde(default)]
    pub last_call: Option<String>,
    /// What the drivers wrote to standard error, bounded, without colour codes.
    #[serde(default)]
    pub stderr: Vec<String>,
    /// Wall time, in milliseconds.
    #[serde(default)]
    pub duration_ms: u64,
    /// What it found; `None` unless it ended well.
    pub result: Option<T>,
}

/// The ends of a child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "end")]
pub enum ChildEnd {
    /// It told a result.
    Finished,
    /// It exited without a result.
    Exited {
        /// Exit status.
        status: i32,
    },
    /// A signal ended it.
    Signal {
        /// Number.
        number: i32,
        /// Name, such as `SIGSEGV`.
        name: String,
    },
    /// It did not end within its limit and was killed.
    TimedOut {
        /// The limit, in milliseconds.
        limit_ms: u64,
    },
    /// It could not be started.
    NotStarted {
        /// Why.
        reason: String,
    },
}

/// A probe of OpenGL.
pub type GlProbe = ChildRun<GlResult>;

/// A probe of Vulkan.
pub type VulkanProbe = ChildRun<VulkanResult>;

/// A look at NVIDIA's management library.
pub type NvmlProbe = ChildRun<NvmlResult>;

/// What NVIDIA's management library (NVML) says. It asks the kernel's driver, as every program of NVIDIA does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct NvmlResult {
    /// Why the library could not be asked at all: it cannot be loaded, or lacks a function.
    pub error: Option<GlError>,
    /// What `nvmlInit_v2` returned, 0 when all is well (nvml.h, `nvmlReturn_t`).
    pub code: Option<u32>,
    /// That code in the library's own words.
    pub message: Option<String>,
    /// Version of the driver, as the kernel tells it to the library.
    pub driver_version: Option<String>,
    /// Version of the library.
    pub library_version: Option<String>,
    /// How many cards it has.
    pub devices: Option<u32>,
}

/// What a GL probe found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct GlResult {
    /// The call that failed and what it said, when there is no context at all.
    pub error: Option<GlError>,
    /// The contexts that were made: one for a display, one per device.
    pub contexts: Vec<GlContext>,
}

/// A graphics call that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct GlError {
    /// The call, such as `glXCreateNewContext`, or `dlopen libGL.so.1`.
    pub call: String,
    /// What went wrong.
    pub message: String,
}

/// One context and what it can do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct GlContext {
    /// The device, for EGL on devices: its DRM node or its index.
    pub device: Option<String>,
    /// GL_VENDOR.
    pub vendor: String,
    /// GL_RENDERER.
    pub renderer: String,
    /// GL_VERSION.
    pub version: String,
    /// GL_SHADING_LANGUAGE_VERSION.
    pub glsl: Option<String>,
    /// Whether rendering is direct (GLX).
    pub direct: Option<bool>,
    /// GLX_RENDERER_ACCELERATED_MESA, where Mesa answers.
    pub accelerated: Option<bool>,
    /// PCI vendor id that Mesa tells; 0xffffffff for a software renderer.
    pub vendor_id: Option<u32>,
    /// PCI device id that Mesa tells.
    pub device_id: Option<u32>,
    /// GLX_VENDOR of the client library, or EGL_VENDOR.
    pub platform_vendor: Option<String>,
    /// GLX_VERSION of the client library, or EGL_VERSION.
    pub platform_version: Option<String>,
    /// Name of the driver, where EGL or GLX tells it (`swrast`, `iris`).
    pub driver: Option<String>,
    /// Whether EGL says that the device is a software one (EGL_MESA_device_software).
    pub software_device: Option<bool>,
    /// The drawing test.
    pub draw: Option<Draw>,
}

/// A triangle drawn in a 512 × 512 buffer and read back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Draw {
    /// Pixels compared.
    pub pixels: u32,
    /// Pixels that have another colour than they must have.
    pub wrong: u32,
    /// The call that failed, when nothing could be drawn.
    pub error: Option<GlError>,
    /// Time to the first finished frame, in microseconds. `None`, too, where this context is one of a software renderer that was
    /// drawn with through another interface in the same process: the pixels are of that drawing.
    pub first_frame_us: Option<u64>,
    /// Time from the start of the child to the first finished frame, in microseconds: loading the driver, mostly.
    pub since_start_us: Option<u64>,
    /// The mesh that was drawn afterwards, where that was asked for.
    pub mesh: Option<super::MeshDraw>,
}

/// What the Vulkan probe found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct VulkanResult {
    /// The call that failed: no loader, or no instance.
    pub error: Option<GlError>,
    /// Version that the loader knows, such as `1.3.239`.
    pub loader_version: Option<String>,
    /// The devices.
    pub devices: Vec<VulkanDevice>,
}

/// A Vulkan device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct VulkanDevice {
    /// `deviceName`.
    pub name: String,
    /// `deviceType`: `other`, `integrated-gpu`, `discrete-gpu`, `virtual-gpu`, `cpu`.
    pub kind: String,
    /// `driverName`.
    pub driver: Option<String>,
    /// `driverInfo`.
    pub driver_info: Option<String>,
    /// `driverID` in the words of the specification, such as `MESA_LLVMPIPE`.
    pub driver_id: Option<String>,
    /// API version of the device.
    pub api_version: String,
    /// PCI vendor id.
    pub vendor_id: u32,
    /// PCI device id.
    pub device_id: u32,
}
