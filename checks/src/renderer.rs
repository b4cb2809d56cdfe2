//! What a GL_RENDERER string means.
//!
//! The string is what a driver calls itself, in a form that each of them chose alone; what Mesa and EGL say beside it
//! (accelerated or not, ids, the kind of device) is a second opinion that counts more.

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::facts::GlContext;

/// Who draws.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RendererClass {
    /// A graphics card.
    Hardware,
    /// The processor.
    Software,
    /// The graphics of a virtual machine, or of Windows under WSL: a card of the host does the work.
    Virtual,
    /// The X server, which is sent each command over its protocol.
    Indirect,
    /// Nobody: there is no OpenGL.
    None,
    /// A renderer that casa-doctor does not know.
    #[default]
    Unknown,
}

impl RendererClass {
    /// The word of the JSON document.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hardware => "hardware",
            Self::Software => "software",
            Self::Virtual => "virtual",
            Self::Indirect => "indirect",
            Self::None => "none",
            Self::Unknown => "unknown",
        }
    }
}

/// Whose driver it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// NVIDIA's own driver.
    Nvidia,
    /// NVIDIA's own driver on one of its boards.
    Tegra,
    /// Mesa's driver for NVIDIA cards.
    Nouveau,
    /// Mesa's Vulkan driver for NVIDIA cards, below zink.
    Nvk,
    /// Mesa's driver for AMD cards.
    Amd,
    /// Mesa's driver for old AMD and ATI cards.
    AmdOld,
    /// AMD's own driver.
    AmdProprietary,
    /// Mesa's driver for Intel.
    Intel,
    /// Mesa's driver for old Intel graphics, gone after Mesa 21.
    IntelOld,
    /// Mesa's driver for ARM Mali.
    Mali,
    /// Mesa's driver for the Mali 400 and 450, too small for desktop OpenGL.
    Lima,
    /// ARM's own driver, for OpenGL ES only.
    MaliProprietary,
    /// The Raspberry Pi.
    Broadcom,
    /// Qualcomm Adreno.
    Qualcomm,
    /// Vivante.
    Vivante,
    /// Mesa's driver for Apple's chips, under Linux.
    Asahi,
    /// Apple's own driver, under macOS: no Linux container reaches it.
    Apple,
    /// A card reached through VirtualGL.
    VirtualGl,
    /// The virtio graphics of a virtual machine.
    Virgl,
    /// Vulkan of a virtual machine.
    Venus,
    /// The graphics of VMware and of VirtualBox (VMSVGA).
    Svga3d,
    /// The old graphics of VirtualBox.
    VirtualBox,
    /// Parallels.
    Parallels,
    /// Windows under WSL.
    D3d12,
    /// A virtual machine on a Mac.
    AppleParavirtual,
    /// Mesa's fast software renderer, and its Vulkan sibling lavapipe.
    Llvmpipe,
    /// Mesa's slow software renderer.
    Softpipe,
    /// Mesa's software renderer before version 22, with OpenGL 2.1 at most.
    MesaClassic,
    /// Mesa built as an X program, which needs no GLX of the X server.
    MesaXlib,
    /// Intel's software renderer.
    Swr,
    /// Google's software renderer.
    SwiftShader,
    /// The software OpenGL 1.1 of Windows.
    Gdi,
    /// The software renderer of Windows.
    BasicRender,
    /// The software renderer of macOS.
    AppleSoftware,
}

/// What a renderer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classification {
    /// Who draws.
    pub class: RendererClass,
    /// Whose driver it is, where that is known.
    pub family: Option<Family>,
    /// The renderer's name without the layers around it: `llvmpipe (…)` of `zink Vulkan 1.3(llvmpipe (…))`.
    pub inner: String,
    /// Where the name and the second opinions disagree, each a short statement.
    pub contradictions: Vec<String>,
}

/// Tells who draws in a context.
#[must_use]
pub fn classify(context: &GlContext) -> Classification {
    let name = Name::new(context);
    let inner = name.inner.clone();
    if name.whole.is_empty() {
        return Classification { class: RendererClass::None, family: None, inner, contradictions: Vec::new() };
    }
    let (by_name, family) = name.class();
    let (class, contradictions) = second_opinion(&name, by_name, family);
    Classification { class, family, inner, contradictions }
}

/// Corrects the verdict of the name by what else is known.
fn second_opinion(name: &Name<'_>, by_name: RendererClass, family: Option<Family>) -> (RendererClass, Vec<String>) {
    let context = name.context;
    // Mesa's driver svga says of every virtual machine that it is not accelerated; without a card behind it, it does not load.
    let accelerated = context.accelerated.filter(|_| family != Some(Family::Svga3d));
    // Cards that are not on a PCI bus have no ids either, so that alone is no proof where Mesa says "accelerated".
    let no_ids = context.vendor_id == Some(u32::MAX) && context.device_id == Some(u32::MAX) && accelerated != Some(true);
    // EGL reaches these two by the way of the software renderers and says so; who draws below them their name tells.
    let by_egl = !name.layers.iter().any(|layer| matches!(layer, Layer::Zink | Layer::D3d12));
    let driver = context.driver.as_deref().filter(|driver| by_egl && matches!(*driver, "swrast" | "kms_swrast"));
    let against: Vec<String> = [
        (accelerated == Some(false)).then(|| "Mesa says that it is not accelerated".to_owned()),
        no_ids.then(|| "it has no vendor and device id (0xffffffff)".to_owned()),
        (by_egl && context.software_device == Some(true)).then(|| "EGL says that its device is a software one".to_owned()),
        driver.map(|driver| format!("its driver is {driver}")),
    ]
    .into_iter()
    .flatten()
    .collect();
    let about = |statement: &str| format!("the renderer calls itself \"{}\", but {statement}", context.renderer);
    match by_name {
        RendererClass::Hardware if !against.is_empty() => {
            (RendererClass::Software, against.iter().map(|statement| about(statement)).collect())
        }
        // The name tells what kind it is, not whether there is a card behind it.
        RendererClass::Virtual | RendererClass::Unknown if !against.is_empty() => (RendererClass::Software, Vec::new()),
        RendererClass::Unknown if accelerated == Some(true) => (RendererClass::Hardware, Vec::new()),
        RendererClass::Software => {
            let accelerated = (accelerated == Some(true)).then(|| about("Mesa says that it is accelerated"));
            let device = (context.software_device == Some(false)).then(|| about("EGL says that its device is a hardware one"));
            (by_name, accelerated.into_iter().chain(device).collect())
        }
        _ => (by_name, Vec::new()),
    }
}

/// A layer around another renderer's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    Virgl,
    Zink,
    D3d12,
    Angle,
    Gallium,
    MesaDri,
}

/// The strings of a context, in lower case.
struct Name<'a> {
    context: &'a GlContext,
    whole: String,
    inner: String,
    layers: Vec<Layer>,
    vendor: String,
    version: String,
    platform: String,
}

impl<'a> Name<'a> {
    fn new(context: &'a GlContext) -> Self {
        let (layers, inner) = unwrap(context.renderer.trim());
        Self {
            context,
            whole: context.renderer.trim().to_lowercase(),
            inner: inner.to_owned(),
            layers,
            vendor: context.vendor.to_lowercase(),
            version: context.version.to_lowercase(),
            platform: context.platform_vendor.as_deref().unwrap_or_default().to_lowercase(),
        }
    }

    fn class(&self) -> (RendererClass, Option<Family>) {
        let inner = self.inner.to_lowercase();
        if let Some(family) = self.software() {
            return (RendererClass::Software, Some(family));
        }
        let is_indirect = self.context.direct == Some(false) || is_protocol_version(&self.version);
        if is_indirect || self.whole.contains("glx indirect") {
            return (RendererClass::Indirect, self.hardware(&inner));
        }
        if let Some(family) = self.virtual_machine(&inner) {
            return (RendererClass::Virtual, Some(family));
        }
        match self.hardware(&inner) {
            Some(_) if self.platform == "virtualgl" => (RendererClass::Hardware, Some(Family::VirtualGl)),
            Some(family) => (RendererClass::Hardware, Some(family)),
            None => (RendererClass::Unknown, None),
        }
    }

    /// A software renderer, wherever in the name it stands. The word LLVM is no sign of one: drivers for cards use it, too.
    fn software(&self) -> Option<Family> {
        let has = |part: &str| self.whole.contains(part);
        let apple = has("apple") || self.vendor.contains("apple");
        Some(match () {
            () if self.platform.contains("brian paul") || has("mesa x11") || has("mesa offscreen") => Family::MesaXlib,
            () if has("llvmpipe") || has("lavapipe") => Family::Llvmpipe,
            () if has("softpipe") => Family::Softpipe,
            () if has("swrast") || has("software rasterizer") => Family::MesaClassic,
            () if has_word(&self.whole, "swr") || has("openswr") => Family::Swr,
            () if has("swiftshader") => Family::SwiftShader,
            () if has("gdi generic") => Family::Gdi,
            () if has("microsoft basic render") || has_word(&self.whole, "warp") => Family::BasicRender,
            () if has("apple software renderer") || (apple && has("generic renderer")) => Family::AppleSoftware,
            () => return None,
        })
    }

    fn virtual_machine(&self, inner: &str) -> Option<Family> {
        Some(match () {
            () if self.layers.contains(&Layer::D3d12)
                || self.vendor == "microsoft corporation"
                || inner.starts_with("microsoft direct3d12") =>
            {
                Family::D3d12
            }
            () if inner.contains("venus") => Family::Venus,
            () if self.layers.contains(&Layer::Virgl) || inner.starts_with("virgl") => Family::Virgl,
            () if inner.starts_with("svga3d") => Family::Svga3d,
            () if inner == "chromium" && self.vendor.contains("humper") => Family::VirtualBox,
            () if inner.starts_with("parallels") => Family::Parallels,
            () if inner.contains("apple paravirtual") => Family::AppleParavirtual,
            () => return None,
        })
    }

    fn hardware(&self, inner: &str) -> Option<Family> {
        let has = |part: &str| inner.contains(part);
        let by = |part: &str| self.vendor.contains(part);
        let is_mesa = self.version.contains("mesa");
        Some(match () {
            () if has_word(inner, "nvk") => Family::Nvk,
            () if by("nouveau") || is_chip(inner, "nv") => Family::Nouveau,
            () if has("tegra") || has_word(inner, "orin") || has("xavier") => Family::Tegra,
            () if by("nvidia") || has("nvidia") || has("geforce") || has("quadro") || has("tesla") => Family::Nvidia,
            () if (by("ati technologies") || by("advanced micro devices")) && !is_mesa => Family::AmdProprietary,
            () if ["amd", "ati"].iter().any(|word| has_word(inner, word))
                || has("radeon")
                || has("gfx1")
                || by("x.org")
                || has_word(&self.vendor, "amd") =>
            {
                if self.layers.contains(&Layer::Gallium) {
                    Family::AmdOld
                } else {
                    Family::Amd
                }
            }
            () if has("intel") || by("intel") || has("(dg2)") || has("(mtl)") || inner.starts_with("i915 ") => {
                if self.layers.contains(&Layer::MesaDri) { Family::IntelOld } else { Family::Intel }
            }
            () if has("lima") || has("mali400") || has("mali450") || has("mali-400") || has("mali-450") => Family::Lima,
            () if has("panfrost") || has("panthor") || (has("mali") && is_mesa) => Family::Mali,
            () if has("mali") => Family::MaliProprietary,
            () if has_word(inner, "v3d") || has_word(inner, "vc4") || has("videocore") || by("broadcom") => Family::Broadcom,
            () if has("adreno") || has("turnip") || is_chip(inner, "fd") => Family::Qualcomm,
            () if has("vivante") || by("etnaviv") => Family::Vivante,
            () if has("apple") && (self.vendor == "apple" || self.version.contains("metal")) => Family::Apple,
            () if has("apple") => Family::Asahi,
            () => return None,
        })
    }
}

/// Whether a GL_VERSION is that of the GLX protocol, with the server's own in parentheses: `1.4 (2.1.2 NVIDIA 450.80.02)`.
fn is_protocol_version(version: &str) -> bool {
    let Some((number, rest)) = version.split_once(" (") else { return false };
    let is_number = |text: &str| text.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    let server = rest.split(|c: char| c.is_whitespace() || c == ')').next().unwrap_or_default();
    number.starts_with("1.") && is_number(number) && server.contains('.') && is_number(server)
}

/// Whether a text has this word, with anything but letters and digits around it.
fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric()).any(|part| part == word)
}

/// Whether a name is a chip's: a prefix and two or three hexadecimal digits (`NV136`, `FD630`).
fn is_chip(name: &str, prefix: &str) -> bool {
    let first = name.split_whitespace().next().unwrap_or_default();
    first
        .strip_prefix(prefix)
        .is_some_and(|rest| (2..=3).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Takes the layers off a renderer's name, the outermost first.
fn unwrap(name: &str) -> (Vec<Layer>, &str) {
    let mut layers = Vec::new();
    let mut inner = name;
    while let Some((layer, rest)) = unwrap_once(inner) {
        layers.push(layer);
        inner = rest;
    }
    (layers, inner)
}

fn unwrap_once(name: &str) -> Option<(Layer, &str)> {
    let after =
        |prefix: &str| name.get(..prefix.len()).filter(|start| start.eq_ignore_ascii_case(prefix)).map(|_| &name[prefix.len()..]);
    if let Some(rest) = after("Gallium 0.4 on ") {
        return Some((Layer::Gallium, rest));
    }
    if let Some(rest) = after("Mesa DRI ") {
        return Some((Layer::MesaDri, rest));
    }
    let layers = [("virgl", Layer::Virgl), ("zink", Layer::Zink), ("D3D12", Layer::D3d12), ("ANGLE", Layer::Angle)];
    let (layer, rest) = layers.into_iter().find_map(|(prefix, layer)| Some((layer, after(prefix)?)))?;
    let (between, inside) = rest.split_once('(')?;
    // Only what a layer itself writes may stand before the parenthesis: nothing, or the version of Vulkan.
    if !(between.trim().is_empty() || between.trim().to_lowercase().starts_with("vulkan")) {
        return None;
    }
    let inside = inside.strip_suffix(')').unwrap_or(inside).trim();
    let inside = match layer {
        // Vendor, renderer, interface.
        Layer::Angle => {
            inside.split_once(", ").map_or(inside, |(_, rest)| rest.rsplit_once(", ").map_or(rest, |(middle, _)| middle))
        }
        _ => inside,
    };
    Some((layer, inside))
}
