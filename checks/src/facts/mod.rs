//! What was seen on a machine, without judgement.
//!
//! A fact that could not be learnt is `None`, and the reason stands in the `unknown` map of its probe: a check that needs it
//! answers "unknown", never a guess. Every type reads older recordings: a missing key takes its default.

mod engine;
mod environment;
mod gl;
mod gpu;
mod image;
mod lossy;
mod machine;
mod manifests;
mod measurement;
mod plugins;
mod session;
mod soma_workflow;
mod ssh;
mod ssh_setup;
mod storage;
mod virtualbox;
mod windows;
mod wsl;
mod x11;
mod xquartz;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use engine::*;
pub use environment::*;
pub use gl::*;
pub use gpu::*;
pub use image::*;
pub use machine::*;
pub use manifests::*;
pub use measurement::*;
pub use plugins::*;
pub use session::*;
pub use soma_workflow::*;
pub use ssh::*;
pub use ssh_setup::*;
pub use storage::*;
pub use virtualbox::*;
pub use windows::*;
pub use wsl::*;
pub use x11::*;
pub use xquartz::*;

/// Names of fields that are `None` in the same struct, each with the reason why it could not be learnt.
pub type Unknowns = BTreeMap<String, String>;

/// Everything the probes saw. A probe that did not answer leaves `None`; [`Facts::probes`] says how it ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Facts {
    /// How each probe that was asked for ended.
    pub probes: BTreeMap<ProbeId, ProbeRun>,
    /// The computer and its operating system.
    pub machine: Option<Machine>,
    /// The user's session: who, from where, with which variables.
    pub session: Option<Session>,
    /// The casa-distro environment and its configuration; `None` inside when there is no environment.
    pub environment: Option<EnvironmentSearch>,
    /// The image that the configuration names.
    pub image: Option<Image>,
    /// The container engines.
    pub engines: Option<Engines>,
    /// The X server that DISPLAY names.
    pub x11: Option<X11>,
    /// OpenGL through GLX on the display.
    pub glx: Option<GlProbe>,
    /// OpenGL through EGL on the X display.
    pub egl_x11: Option<GlProbe>,
    /// OpenGL through EGL on devices, without a display.
    pub egl_device: Option<GlProbe>,
    /// OpenGL through EGL without any surface (Mesa's surfaceless platform).
    pub egl_surfaceless: Option<GlProbe>,
    /// Vulkan devices.
    pub vulkan: Option<VulkanProbe>,
    /// Graphics cards, kernel drivers and device nodes, read from files.
    pub gpu: Option<Gpu>,
    /// NVIDIA's management library, where any part of NVIDIA's driver is.
    pub nvml: Option<NvmlProbe>,
    /// The ssh agent.
    pub ssh_agent: Option<SshAgent>,
    /// keychain's files, the shell's start-up files, keys by name.
    pub ssh_setup: Option<SshSetup>,
    /// How soma-workflow is configured.
    pub soma_workflow: Option<SomaWorkflow>,
    /// The places that a launch writes to, and the room there.
    pub storage: Option<Storage>,
    /// The manifests that lead EGL and Vulkan to their drivers, and the libraries that `--nv` takes along.
    pub manifests: Option<Manifests>,
    /// XQuartz of macOS.
    pub xquartz: Option<Xquartz>,
    /// The Windows Subsystem for Linux.
    pub wsl: Option<Wsl>,
    /// VirtualBox, as host or as guest.
    pub virtualbox: Option<VirtualBox>,
    /// The OpenGL modes, tried out; `None` unless that was asked for.
    pub measurements: Option<Measurements>,
    /// Windows, seen from Windows itself.
    pub windows: Option<Windows>,
    /// The plug-ins of this site, which were given all of the above.
    pub plugins: Option<Plugins>,
}

impl Facts {
    /// Whether they are those of Windows itself; those of Linux in Windows are not.
    #[must_use]
    pub fn is_windows(&self) -> bool {
        self.machine.as_ref().is_some_and(|machine| machine.os == "windows")
    }

    /// Whether they are those of a Mac.
    #[must_use]
    pub fn is_mac(&self) -> bool {
        self.machine.as_ref().is_some_and(|machine| machine.os == "macos")
    }

    /// The contexts that the test through GLX got on the display, from the driver of this machine.
    pub fn glx_contexts(&self) -> impl Iterator<Item = &GlContext> {
        self.glx.iter().filter_map(|run| run.result.as_ref()).flat_map(|result| &result.contexts)
    }
}

/// The probes, in the order in which their facts are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProbeId {
    /// [`Facts::machine`].
    Machine,
    /// [`Facts::session`].
    Session,
    /// [`Facts::environment`].
    Environment,
    /// [`Facts::image`].
    Image,
    /// [`Facts::engines`].
    Engines,
    /// [`Facts::x11`].
    X11,
    /// [`Facts::glx`].
    Glx,
    /// [`Facts::egl_x11`].
    EglX11,
    /// [`Facts::egl_device`].
    EglDevice,
    /// [`Facts::egl_surfaceless`].
    EglSurfaceless,
    /// [`Facts::vulkan`].
    Vulkan,
    /// [`Facts::gpu`].
    Gpu,
    /// [`Facts::nvml`].
    Nvml,
    /// [`Facts::ssh_agent`].
    SshAgent,
    /// [`Facts::ssh_setup`].
    SshSetup,
    /// [`Facts::soma_workflow`].
    SomaWorkflow,
    /// [`Facts::storage`].
    Storage,
    /// [`Facts::manifests`].
    Manifests,
    /// [`Facts::xquartz`].
    Xquartz,
    /// [`Facts::wsl`].
    Wsl,
    /// [`Facts::virtualbox`].
    Virtualbox,
    /// [`Facts::windows`].
    Windows,
    /// [`Facts::plugins`].
    Plugins,
}

impl ProbeId {
    /// Every probe.
    pub const ALL: &[Self] = &[
        Self::Machine,
        Self::Session,
        Self::Environment,
        Self::Image,
        Self::Engines,
        Self::X11,
        Self::Glx,
        Self::EglX11,
        Self::EglDevice,
        Self::EglSurfaceless,
        Self::Vulkan,
        Self::Gpu,
        Self::Nvml,
        Self::SshAgent,
        Self::SshSetup,
        Self::SomaWorkflow,
        Self::Storage,
        Self::Manifests,
        Self::Xquartz,
        Self::Wsl,
        Self::Virtualbox,
        Self::Windows,
        Self::Plugins,
    ];

    /// The name under which the probe's facts stand in the JSON document.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Session => "session",
            Self::Environment => "environment",
            Self::Image => "image",
            Self::Engines => "engines",
            Self::X11 => "x11",
            Self::Glx => "glx",
            Self::EglX11 => "egl_x11",
            Self::EglDevice => "egl_device",
            Self::EglSurfaceless => "egl_surfaceless",
            Self::Vulkan => "vulkan",
            Self::Gpu => "gpu",
            Self::Nvml => "nvml",
            Self::SshAgent => "ssh_agent",
            Self::SshSetup => "ssh_setup",
            Self::SomaWorkflow => "soma_workflow",
            Self::Storage => "storage",
            Self::Manifests => "manifests",
            Self::Xquartz => "xquartz",
            Self::Wsl => "wsl",
            Self::Virtualbox => "virtualbox",
            Self::Windows => "windows",
            Self::Plugins => "plugins",
        }
    }
}

/// How a probe ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeRun {
    /// The end itself.
    pub end: ProbeEnd,
    /// Why, for every end but [`ProbeEnd::Answered`].
    #[serde(default)]
    pub reason: Option<String>,
    /// Wall time, in milliseconds.
    #[serde(default)]
    pub duration_ms: u64,
}

/// The ends a probe can come to. A hang or a crash of something that a probe looks *at* is a fact inside an answered probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeEnd {
    /// It told its facts.
    Answered,
    /// It was not started, on request or because it has no meaning here.
    Skipped,
    /// It did not answer within its limit and was abandoned.
    TimedOut,
    /// It failed in a way that its author did not foresee.
    Crashed,
}
