//! The known messages, one file for each family.

use super::pattern::Pattern;

/// What shells and Ubuntu's command-not-found say of a command that is not there, in English, French, German and Spanish, and other
/// texts with the same meaning. A shell prints its messages in the language of the user.
macro_rules! not_found {
    ($($command:literal),+ $(; $($other:literal),+)?) => {
        Texts::Any(&[
            $(
                concat!($command, ": command not found"),
                concat!("command not found: ", $command, "$"),
                concat!("Command '", $command, "' not found"),
                concat!($command, ": commande introuvable"),
                concat!($command, " : commande introuvable"),
                concat!("La commande ' ", $command, " ' n'a pas été trouvée"),
                concat!($command, ": Kommando nicht gefunden"),
                concat!($command, ": Befehl nicht gefunden"),
                concat!("Befehl '", $command, "' nicht gefunden"),
                concat!("Befehl '", $command, "' wurde nicht gefunden"),
                concat!($command, ": orden no encontrada"),
                concat!($command, ": no se encontró la orden"),
                concat!("No se ha encontrado la orden '", $command, "'"),
            )+
            $($($other),+)?
        ])
    };
}

mod configuration;
mod docker;
mod engine;
mod engine_image;
mod files;
mod forwarding;
mod harmless;
mod macos;
mod mesa;
mod nvidia;
mod qt;
mod rendering;
mod somaworkflow;
mod ssh;
mod userns;
mod virtualbox;
mod windows;
mod x11;

/// Every known message.
pub fn patterns() -> impl Iterator<Item = &'static Pattern> {
    [
        x11::PATTERNS,
        forwarding::PATTERNS,
        rendering::PATTERNS,
        mesa::PATTERNS,
        qt::PATTERNS,
        nvidia::PATTERNS,
        userns::PATTERNS,
        engine::PATTERNS,
        engine_image::PATTERNS,
        docker::PATTERNS,
        files::PATTERNS,
        configuration::PATTERNS,
        ssh::PATTERNS,
        somaworkflow::PATTERNS,
        macos::PATTERNS,
        windows::PATTERNS,
        virtualbox::PATTERNS,
        harmless::PATTERNS,
    ]
    .into_iter()
    .flatten()
}
