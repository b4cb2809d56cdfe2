//! Predicting which OpenGL mode works, from facts alone.
//!
//! Rests on the rule of libglvnd (the X server names the library that OpenGL programs load) and on what is known of each kind
//! of display; nothing is started. A measurement, where there is one, outranks it.

use std::cmp::Reverse;

use casa_doctor_checks::facts::{Facts, ImageContents, NotTried, Prediction};
use casa_doctor_checks::nvidia::drew_with_nvidia;
use casa_doctor_checks::renderer::{RendererClass, classify};

use super::nvidia::{NvidiaPath, nvidia_path};
use super::situation::{DisplayKind, ServerVendor, driver_trouble, server, server_vendor};
use super::{Basis, Confidence, OpenGl, Recommendation, Rejected};

/// What a mode is expected to do here.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Verdict {
    mode: OpenGl,
    outcome: Expected,
    /// A clause that explains it, without a full stop.
    reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// It is expected to work, and nothing else does it better.
    Best(Confidence),
    /// It is expected to work.
    Works(Confidence),
    /// It may work; that cannot be told without trying.
    Unsure,
    /// It is expected to fail, or to be of no use.
    Fails,
}

impl Expected {
    /// Smaller is better.
    fn rank(self) -> (u8, Reverse<Confidence>) {
        match self {
            Self::Best(confidence) => (0, Reverse(confidence)),
            Self::Works(confidence) => (1, Reverse(confidence)),
            Self::Unsure => (2, Reverse(Confidence::Low)),
            Self::Fails => (3, Reverse(Confidence::Low)),
        }
    }
}

/// Recommends a mode, or `None` when the display cannot be reached, was not looked at, or is in another system: a mode would be a guess.
pub(crate) fn predict(facts: &Facts) -> Option<Recommendation> {
    let display = DisplayKind::of(facts)?;
    if display == DisplayKind::Unreachable {
        return None;
    }
    // Containers do not run on Windows itself, and it has no display of its own for them: that of its Linux is another matter.
    if display == DisplayKind::Headless && facts.is_windows() {
        return None;
    }
    let verdicts = verdicts(facts, display);
    // The order decides between equals: the less intrusive mode first.
    let chosen = verdicts.iter().filter(|verdict| verdict.outcome != Expected::Fails).min_by_key(|verdict| verdict.outcome.rank());
    let rejected = |not: Option<OpenGl>| {
        let others = verdicts.iter().filter(|verdict| Some(verdict.mode) != not);
        others.map(|verdict| Rejected { opengl: verdict.mode, reason: verdict.reason.clone() }).collect()
    };
    Some(match chosen {
        Some(verdict) => {
            let confidence = match verdict.outcome {
                Expected::Best(confidence) | Expected::Works(confidence) => confidence,
                Expected::Unsure | Expected::Fails => Confidence::Low,
            };
            let mut reasons = vec![verdict.reason.clone()];
            reasons.extend(doubts(facts, verdict.mode));
            Recommendation {
                opengl: verdict.mode,
                basis: Basis::Predicted,
                confidence,
                reasons,
                rejected: rejected(Some(verdict.mode)),
            }
        }
        None => Recommendation {
            opengl: OpenGl::None,
            basis: Basis::Predicted,
            confidence: Confidence::Medium,
            reasons: vec!["no OpenGL mode is expected to work with this image on this display".into()],
            rejected: rejected(None),
        },
    })
}

/// What is expected of each mode, to be compared with what is measured; `None` as for [`predict`].
pub(crate) fn expectation(facts: &Facts) -> Option<Prediction> {
    let Recommendation { opengl, reasons, .. } = predict(facts)?;
    let failing = verdicts(facts, DisplayKind::of(facts)?).into_iter().filter(|verdict| verdict.outcome == Expected::Fails);
    let failing = failing.map(|verdict| NotTried { opengl: verdict.mode, reason: verdict.reason }).collect();
    Some(Prediction { opengl, reasons, failing })
}

fn verdicts(facts: &Facts, display: DisplayKind) -> [Verdict; 3] {
    [container(facts, display), nv(facts, display), software(facts, display)]
}

fn contents(facts: &Facts) -> Option<&ImageContents> {
    facts.image.as_ref()?.contents.as_ref()
}

/// What keeps a prediction from being certain.
fn doubts(facts: &Facts, mode: OpenGl) -> Vec<String> {
    let mut doubts = Vec::new();
    if contents(facts).is_none() {
        let why = match &facts.image {
            None => "no image was looked at".to_owned(),
            Some(image) => match image.unknown.get("contents") {
                Some(reason) => format!("the inside of the image could not be read ({reason})"),
                None => "the inside of the image could not be read".to_owned(),
            },
        };
        doubts.push(format!("{why}, so this rests on the display alone"));
    }
    if mode == OpenGl::Nv
        && let NvidiaPath::Coherent { doubts: open, .. } = nvidia_path(facts)
    {
        doubts.extend(open);
    }
    doubts
}

/// The image's own Mesa.
fn container(facts: &Facts, display: DisplayKind) -> Verdict {
    let verdict = |outcome, reason: &str| Verdict { mode: OpenGl::Container, outcome, reason: reason.into() };
    let image = contents(facts);
    let lacks_mesa =
        image.is_some_and(|image| !image.glx_vendors.iter().any(|vendor| vendor == "mesa") && image.glvnd == Some(true));
    match display {
        DisplayKind::Headless => verdict(
            Expected::Best(Confidence::Medium),
            "DISPLAY is not set, so nothing is drawn on a screen and the image's own OpenGL is the plainest choice",
        ),
        DisplayKind::Untrusted => verdict(Expected::Fails, "the display came by \"ssh -X\", which hides GLX from programs"),
        DisplayKind::Ssh | DisplayKind::Remote => {
            verdict(Expected::Unsure, "the display is on another machine, where OpenGL through the X server is mostly refused")
        }
        DisplayKind::Nxagent if image.is_some_and(speaks_old_glx) => verdict(
            Expected::Unsure,
            "the x2go server offers an old OpenGL protocol, by which the image's older Mesa may still draw",
        ),
        DisplayKind::Nxagent => {
            verdict(Expected::Fails, "the x2go server offers an OpenGL protocol that is too old for the Mesa of today")
        }
        DisplayKind::Xquartz => verdict(Expected::Fails, "XQuartz offers no OpenGL that the image's Mesa can use"),
        _ if lacks_mesa => verdict(Expected::Fails, "the image has no Mesa library for GLX"),
        _ if image.is_some_and(lacks_drivers) => {
            verdict(Expected::Fails, "the image's Mesa has no driver at all, not even one for the processor")
        }
        DisplayKind::Wslg if casa_doctor_checks::windows::mesa_crashes(facts) => {
            verdict(Expected::Unsure, "the image's Mesa is older than 23.2 and crashes with the NVIDIA card that Windows lends")
        }
        DisplayKind::Wslg => match image {
            _ if facts.gpu.as_ref().is_some_and(|gpu| !gpu.dxg) => {
                verdict(Expected::Works(Confidence::Medium), "Windows lends no graphics card here, so that the processor draws")
            }
            Some(image) if !has_driver(image, &["d3d12"]) => verdict(
                Expected::Works(Confidence::Medium),
                "the image's Mesa has no d3d12 driver, by which Windows would draw, so that the processor draws",
            ),
            _ => verdict(Expected::Best(Confidence::Medium), "Windows draws for Mesa's d3d12 driver in the image"),
        },
        DisplayKind::Unreachable => verdict(Expected::Unsure, "the X server cannot be reached"),
        DisplayKind::Local | DisplayKind::Vnc => match server(facts).map(server_vendor) {
            Some(ServerVendor::Named(names)) if names.iter().any(|name| name == "mesa") => {
                if let Some(trouble) = driver_trouble(facts) {
                    return Verdict {
                        mode: OpenGl::Container,
                        outcome: Expected::Unsure,
                        reason: format!("{trouble}, and the image's own driver for the same card may fare no better"),
                    };
                }
                let Some(image) = image else {
                    return verdict(
                        Expected::Best(Confidence::Medium),
                        "your screen is driven by Mesa, which fits the OpenGL of most images",
                    );
                };
                if let Some(driver) = missing_driver(facts, image) {
                    return Verdict {
                        mode: OpenGl::Container,
                        outcome: Expected::Works(Confidence::Medium),
                        reason: format!("the image's Mesa has no driver for your card ({driver}), so that the processor draws"),
                    };
                }
                if may_not_know_the_card(facts, image) {
                    return verdict(
                        Expected::Best(Confidence::Medium),
                        "your screen is driven by Mesa and so is the OpenGL of the image, which is older: it may not know a new card, and \
                         lets the processor draw then",
                    );
                }
                verdict(
                    Expected::Best(Confidence::High),
                    "your screen is driven by Mesa and so is the OpenGL of the image, so they fit together",
                )
            }
            Some(ServerVendor::Named(names)) => Verdict {
                mode: OpenGl::Container,
                outcome: Expected::Fails,
                reason: format!(
                    "your screen is driven by the {} driver, whose library the image does not have, so the image's own Mesa opens no 3D window",
                    names.first().map_or("unknown", |name| if name == "nvidia" { "NVIDIA" } else { name })
                ),
            },
            // An OpenGL from before libglvnd asks no server.
            Some(ServerVendor::Unnamed) => match image.map(|image| image.glx_indirect || image.glvnd == Some(false)) {
                Some(true) => verdict(
                    Expected::Works(Confidence::Medium),
                    "the X server names no OpenGL library, and the image then uses its Mesa",
                ),
                Some(false) => {
                    verdict(Expected::Fails, "the X server names no OpenGL library, and the image has none for that case")
                }
                None => {
                    verdict(Expected::Unsure, "the X server names no OpenGL library, and what the image then uses is not known")
                }
            },
            Some(ServerVendor::NoGlx) => verdict(Expected::Fails, "the X server has no OpenGL (GLX) at all"),
            None => verdict(Expected::Unsure, "the X server was not asked about OpenGL"),
        },
    }
}

/// Whether the image has Mesa's library for GLX and nothing that it could load to draw.
fn lacks_drivers(image: &ImageContents) -> bool {
    image.dri_drivers.is_empty() && image.glx_vendors.iter().any(|vendor| vendor == "mesa")
}

/// Whether the image has one of these drivers of Mesa; since Mesa 24.3 one library (libgallium) has them all.
fn has_driver(image: &ImageContents, wanted: &[&str]) -> bool {
    image.dri_drivers.iter().any(|driver| driver == "gallium" || wanted.contains(&driver.as_str()))
}

/// The kernel's drivers of cards that Mesa draws with, and Mesa's own drivers for them.
const MESA_DRIVERS: [(&str, &[&str]); 6] = [
    ("i915", &["iris", "crocus", "i965", "i915"]),
    ("xe", &["iris"]),
    ("amdgpu", &["radeonsi"]),
    ("radeon", &["radeonsi", "r600", "r300"]),
    ("nouveau", &["nouveau", "nouveau_vieux"]),
    ("vmwgfx", &["vmwgfx"]),
];

/// The kernel's driver of the card, when none of the machine's cards has a driver in the image.
fn missing_driver<'a>(facts: &'a Facts, image: &ImageContents) -> Option<&'a str> {
    let cards = facts.gpu.iter().flat_map(|gpu| &gpu.cards).filter_map(|card| card.driver.as_deref());
    let of_card = |driver: &str| MESA_DRIVERS.iter().find(|(known, _)| *known == driver).map(|(_, wanted)| *wanted);
    let known: Vec<_> = cards.filter_map(|driver| Some((driver, of_card(driver)?))).collect();
    known.first().filter(|_| known.iter().all(|(_, wanted)| !has_driver(image, wanted))).map(|(driver, _)| *driver)
}

/// How many of Mesa's yearly numbers an image may be behind before it is doubted that it knows the machine's card.
const YEARS: u32 = 3;

/// Whether the image's Mesa is so much older than the one that draws on this machine with a card that it may not know the card, or
/// older than the kernel's driver of it.
fn may_not_know_the_card(facts: &Facts, image: &ImageContents) -> bool {
    let year = |text: &str| text.split('.').next().and_then(|year| year.trim().parse::<u32>().ok());
    let contexts = facts.glx_contexts();
    let by_card = contexts.filter(|context| classify(context).class == RendererClass::Hardware);
    let here = by_card.filter_map(|context| year(context.version.split_once("Mesa ")?.1)).max();
    let cards = facts.gpu.iter().flat_map(|gpu| &gpu.cards);
    // The kernel's newer driver for Intel, which Mesa serves since 24.1 however it was built.
    let by_xe = cards.into_iter().any(|card| card.driver.as_deref() == Some("xe"));
    let of_image = mesa(image);
    by_xe && !of_image.is_empty() && of_image < vec![24, 1]
        || matches!((here, of_image.first()), (Some(here), Some(there)) if here >= there + YEARS)
}

/// The numbers of the image's Mesa; none where it is not known.
fn mesa(image: &ImageContents) -> Vec<u32> {
    image.mesa.as_deref().unwrap_or_default().split('.').map_while(|part| part.parse().ok()).collect()
}

/// Whether the image's Mesa may draw by GLX 1.2: version 20.3 does on a real nxagent, version 22.3 does not; what lies between was
/// not tried.
fn speaks_old_glx(image: &ImageContents) -> bool {
    let numbers = mesa(image);
    !numbers.is_empty() && numbers < vec![22, 3]
}

/// The host's NVIDIA driver in the container.
fn nv(facts: &Facts, display: DisplayKind) -> Verdict {
    let verdict = |outcome, reason: String| Verdict { mode: OpenGl::Nv, outcome, reason };
    let drives = match server(facts).map(server_vendor) {
        Some(ServerVendor::Named(names)) => names.iter().any(|name| name == "nvidia"),
        _ => false,
    };
    let (version, doubts, gap) = match nvidia_path(facts) {
        NvidiaPath::Coherent { version, doubts, gap } => (version, doubts, gap),
        NvidiaPath::Broken(why) => return verdict(Expected::Fails, why),
        NvidiaPath::Unknown if drives && drew_with_nvidia(facts) => {
            return verdict(
                Expected::Best(Confidence::Low),
                "NVIDIA's driver draws on this display, but the graphics cards could not be looked at".into(),
            );
        }
        NvidiaPath::Unknown => return verdict(Expected::Unsure, "the graphics cards were not looked at".into()),
    };
    match display {
        // The module vnc makes a screen of a card one of VNC as well.
        DisplayKind::Local | DisplayKind::Vnc | DisplayKind::Wslg if drives => {
            if let Some(trouble) = driver_trouble(facts) {
                return verdict(Expected::Fails, format!("{trouble}, and the mode nv brings that very driver into the container"));
            }
            if let Some(gap) = gap {
                return verdict(Expected::Unsure, format!("{gap}; --measure tries it out"));
            }
            let confidence = if doubts.is_empty() && contents(facts).is_some() { Confidence::High } else { Confidence::Medium };
            verdict(
                Expected::Best(confidence),
                format!("your screen is driven by the NVIDIA driver {version}, and only its own library draws on it with the card"),
            )
        }
        DisplayKind::Headless => verdict(
            Expected::Works(Confidence::Low),
            format!("the NVIDIA driver {version} could be used for computing, but no display asks for it"),
        ),
        DisplayKind::Ssh | DisplayKind::Remote | DisplayKind::Untrusted => {
            verdict(Expected::Fails, "the display is on another machine, which the NVIDIA card of this one cannot draw on".into())
        }
        _ => {
            verdict(Expected::Fails, "the X server is not driven by the NVIDIA card, so its OpenGL library finds no screen".into())
        }
    }
}

/// Software rendering in the image.
fn software(facts: &Facts, display: DisplayKind) -> Verdict {
    let verdict = |outcome, reason: &str| Verdict { mode: OpenGl::Software, outcome, reason: reason.into() };
    let own_mesa = contents(facts).and_then(|image| image.software_mesa);
    let best = match display {
        DisplayKind::Ssh | DisplayKind::Remote => {
            Some("the display is on another machine, so pictures are best computed here by the processor and sent as images")
        }
        DisplayKind::Untrusted => Some("the display came by \"ssh -X\", which hides GLX, and software rendering does without it"),
        DisplayKind::Nxagent => Some("the x2go server's OpenGL is too old, and software rendering does without it"),
        DisplayKind::Xquartz => Some("XQuartz gives containers no usable OpenGL, and software rendering does without it"),
        _ => None,
    };
    match (best, own_mesa) {
        (Some(reason), Some(true)) => verdict(Expected::Best(Confidence::High), reason),
        (Some(reason), None) => verdict(Expected::Best(Confidence::Medium), reason),
        (Some(_), Some(false)) if matches!(display, DisplayKind::Ssh | DisplayKind::Remote) => verdict(
            Expected::Works(Confidence::Low),
            "the display is on another machine; the image lacks /usr/local/lib/mesa, so software rendering must go through the X server's OpenGL protocol",
        ),
        (Some(_), Some(false)) => verdict(
            Expected::Fails,
            "the image lacks /usr/local/lib/mesa, the software OpenGL that works without the X server's help",
        ),
        (None, Some(false)) => match server(facts).map(server_vendor) {
            Some(ServerVendor::NoGlx) => verdict(
                Expected::Fails,
                "the X server has no OpenGL and the image lacks /usr/local/lib/mesa, which works without it",
            ),
            _ => verdict(
                Expected::Works(Confidence::Low),
                "it works nearly everywhere but is slow, and the image lacks the /usr/local/lib/mesa that is made for it",
            ),
        },
        (None, _) => verdict(
            Expected::Works(Confidence::Medium),
            "it works nearly everywhere but is slow, because the processor draws instead of a graphics card",
        ),
    }
}
