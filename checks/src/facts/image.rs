use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EngineKind, Unknowns};

/// The image that the configuration names, examined without being started.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Image {
    /// The `image` value as it stands in the configuration.
    pub configured: String,
    /// The path that casa_distro would try first (joined to the environment's directory when relative).
    #[serde(serialize_with = "super::lossy::path")]
    pub path: PathBuf,
    /// Whether something stands at [`Image::path`]; `None` when that cannot be known (permission).
    pub exists: Option<bool>,
    /// Whether this user may read what stands there; `None` when nothing does, or when that cannot be known.
    pub readable: Option<bool>,
    /// The path that is really used: [`Image::path`], or what casa_distro's own look-up or ours found instead.
    #[serde(serialize_with = "super::lossy::option")]
    pub used: Option<PathBuf>,
    /// Images that could be the one meant when it is not there, best first: same file name near the environment, then the same
    /// name with another patch number.
    #[serde(serialize_with = "super::lossy::list")]
    pub candidates: Vec<PathBuf>,
    /// What the file is.
    pub kind: Option<ImageKind>,
    /// Size of the file, in bytes.
    pub size: Option<u64>,
    /// The header, when it is a SIF file.
    pub sif: Option<Sif>,
    /// Where the squashfs ends by its own words, in bytes from the beginning of the file, when it is no SIF file.
    pub end: Option<u64>,
    /// What is damaged in its contents, as far as they had to be read.
    pub damage: Option<String>,
    /// MD5 of the whole file, in hexadecimal; `None` unless it was asked for.
    pub md5: Option<String>,
    /// The metadata file `<image>.json`, when it exists.
    pub metadata: Option<ImageMetadata>,
    /// Whether `<image>.part`, the sign of an unfinished download, exists.
    pub part_file: bool,
    /// What is inside.
    pub contents: Option<ImageContents>,
    /// What Docker or Podman say about an image that they keep; `None` when it is a file, when they have no image of that name, or
    /// when they could not be asked.
    pub named: Option<NamedImage>,
    /// Why a field above is `None`.
    pub unknown: Unknowns,
}

/// What the file is, told by its first bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum ImageKind {
    /// A Singularity Image Format file.
    Sif,
    /// A bare squashfs.
    Squashfs,
    /// An ext3 image.
    Ext3,
    /// A directory (sandbox).
    Sandbox,
    /// A name for Docker or Podman, not a file.
    Name,
    /// Nothing that an engine can start; what it looks like (`HTML page`, `empty file`, `git-lfs pointer`, …).
    NotAnImage {
        /// In words.
        looks_like: String,
    },
}

/// An image that Docker or Podman keep, as `image inspect` tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NamedImage {
    /// Which of them has it.
    pub engine: EngineKind,
    /// Its digest.
    pub id: String,
    /// The architecture it is for, as Go names it (`amd64`).
    #[serde(default)]
    pub architecture: Option<String>,
    /// What it starts a command with.
    #[serde(default)]
    pub entry_point: Vec<String>,
    /// The user as whom it starts a command, when it says so.
    #[serde(default)]
    pub user: Option<String>,
}

/// The header of a SIF file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Sif {
    /// Architecture of the primary system partition, as Go names it (`amd64`).
    pub arch: Option<String>,
    /// Where the last data object ends, in bytes from the start: a smaller file is truncated.
    pub end: u64,
    /// Filesystem of the primary partition (`squashfs`, `ext3`, `encrypted-squashfs`).
    pub filesystem: Option<String>,
}

/// `<image>.json`, as casa_distro writes and reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ImageMetadata {
    /// Its path.
    #[serde(serialize_with = "super::lossy::path")]
    pub path: PathBuf,
    /// Why it cannot be used, if so.
    pub error: Option<String>,
    /// `image_id`.
    pub image_id: Option<String>,
    /// `image_version`.
    pub image_version: Option<String>,
    /// `size`, in bytes.
    pub size: Option<u64>,
    /// `md5`.
    pub md5: Option<String>,
    /// `compatibility`: ids of images that this one may stand in for.
    pub compatibility: Vec<String>,
}

/// What an image holds, read from its filesystem.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ImageContents {
    /// `PRETTY_NAME` of its os-release.
    pub distribution: Option<String>,
    /// Version of its C library, such as `2.31`.
    pub glibc: Option<String>,
    /// Names of the GLX vendor libraries: `mesa` for `libGLX_mesa.so.0`.
    pub glx_vendors: Vec<String>,
    /// Whether `libGLX_indirect.so.0` exists (on Debian a link to Mesa), the library that is used when the X server names no vendor.
    pub glx_indirect: bool,
    /// Whether libGL.so.1 is glvnd's (libGLdispatch is there).
    pub glvnd: Option<bool>,
    /// File names of the EGL vendor manifests.
    pub egl_vendors: Vec<String>,
    /// Names of DRI drivers (`swrast`, `iris`), or `gallium` for a libgallium of Mesa ≥ 24.3.
    pub dri_drivers: Vec<String>,
    /// Version of the system's Mesa, when a file's name or its package says it.
    pub mesa: Option<String>,
    /// Whether `/usr/local/lib/mesa/libGL.so.1`, the software OpenGL that `opengl=software` uses, is there.
    pub software_mesa: Option<bool>,
    /// Content of `/casa/image_id`: its `image_id`.
    pub image_id: Option<String>,
    /// Content of `/casa/image_id`: its `image_version`.
    pub image_version: Option<String>,
    /// Whether the image has casa-distro's entry point (`/usr/local/bin/entrypoint`).
    pub casa_entrypoint: Option<bool>,
    /// Which of the measuring programs are there: `glxinfo`, `eglinfo`, `python3`, `xauth`.
    pub tools: Vec<String>,
}
