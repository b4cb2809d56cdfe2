//! Does the image's Mesa get along with the card that Windows lends?

use super::wsl;
use crate::check::{Category, Check, Outcome};
use crate::facts::{Facts, ProbeId};
use crate::finding::{FindingKind, Severity};

pub(super) static CHECK: Check = Check {
    id: "wsl-mesa",
    category: Category::Windows,
    question: "Does the image's Mesa get along with the graphics card that Windows lends?",
    needs: &[ProbeId::Image, ProbeId::Wsl],
    findings: &[&OLD_MESA],
    run,
};

static OLD_MESA: FindingKind = FindingKind {
    id: "wsl-gl-old-mesa",
    code: "CD0606",
    severity: Severity::Warning,
    title: "The image's Mesa crashes with the NVIDIA card that Windows lends",
    why: "In WSL the card is reached through Mesa's driver d3d12. Before Mesa 23.2 that driver crashes OpenGL programs with cards of NVIDIA, as \
          soon as the libraries of Windows are mounted into the container.",
    cure: "Use the OpenGL mode software, or an image with Mesa 23.2 or later.",
    example: "Segmentation fault (core dumped)",
    since: "0.1.0",
};

/// The first Mesa that draws with the driver d3d12 at all, and the first that does not crash with cards of NVIDIA.
const CRASHES: [[u32; 2]; 2] = [[21, 0], [23, 2]];

fn run(facts: &Facts) -> Outcome {
    let wsl = match wsl(facts) {
        Ok(wsl) => wsl,
        Err(outcome) => return outcome,
    };
    if wsl.version == 1 || wsl.dxg == Some(false) {
        return Outcome::Skipped("Windows lends no graphics card here".to_owned());
    }
    let Some(mesa) = facts.image.as_ref().and_then(|image| image.contents.as_ref()?.mesa.as_deref()) else {
        return Outcome::Unknown("which Mesa the image has is not known".to_owned());
    };
    if !is_between(mesa) {
        return Outcome::Pass;
    }
    match card(facts) {
        None => Outcome::Unknown("which card Windows lends is not known".to_owned()),
        Some(card) if card.contains("NVIDIA") => Outcome::Findings(vec![
            OLD_MESA
                .found()
                .evidence(format!("image: Mesa {mesa}, older than 23.2"))
                .evidence(format!("this machine draws with {card}"))
                .advise_command("Start programs in the mode software.", "casa-doctor run --opengl software -- COMMAND")
                .advise("Or take an image with Mesa 23.2 or later, which draws with the card."),
        ]),
        Some(_) => Outcome::Pass,
    }
}

/// Whether the image's Mesa would crash with the card.
#[must_use]
pub fn crashes(facts: &Facts) -> bool {
    matches!(CHECK.judge(facts), Outcome::Findings(_))
}

fn is_between(version: &str) -> bool {
    let numbers: Vec<u32> = version.split('.').map_while(|part| part.parse().ok()).collect();
    let [from, to] = CRASHES;
    numbers.as_slice() >= from.as_slice() && numbers.as_slice() < to.as_slice()
}

/// The card as Mesa of this machine names it: `D3D12 (NVIDIA GeForce RTX 3060)`.
fn card(facts: &Facts) -> Option<&str> {
    let contexts = facts.glx.as_ref()?.result.as_ref()?.contexts.iter();
    contexts.map(|context| context.renderer.as_str()).find(|renderer| renderer.starts_with("D3D12"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for (version, expected) in
            [("20.3.5", false), ("21.0.0", true), ("22.3.6", true), ("23.1.9", true), ("23.2.1", false), ("24.0", false)]
        {
            assert_eq!(is_between(version), expected, "{version}");
        }
    }
}
