//! The support ticket: everything that somebody who cannot see the machine needs to know of it, as the files of an archive.
//!
//! Pure, like every renderer: what is private was taken out of the material before it came here.

mod archive;
mod said;
mod versions;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub(crate) use archive::archive;

use super::document::Document;
use super::{html, json, markdown};
use crate::recording::Recording;

/// A file of the ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// Its name in the archive, with `/` between folders.
    pub(crate) name: String,
    /// What it is, for the list that is shown before the ticket is sent.
    pub(crate) about: String,
    /// Its content.
    pub(crate) bytes: Vec<u8>,
}

impl Part {
    /// A file of the ticket.
    pub(crate) fn new(name: impl Into<String>, about: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), about: about.into(), bytes: content.into() }
    }
}

/// A configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    /// Its name in the ticket, such as `casa_distro.json`.
    pub(crate) name: &'static str,
    /// Its text, secrets hidden.
    pub(crate) now: String,
    /// Its text as `--fix` would leave it; `None` when it would not change.
    pub(crate) fixed: Option<String>,
}

/// What a ticket is made from.
#[derive(Debug)]
pub(crate) struct Material<'a> {
    /// The report.
    pub(crate) document: &'a Document,
    /// The facts, to be judged elsewhere.
    pub(crate) recording: &'a Recording,
    /// The configuration files.
    pub(crate) configs: &'a [Config],
}

/// The files of the ticket, in the order in which they are of use.
///
/// # Errors
///
/// When the facts hold a path that is not UTF-8.
pub(crate) fn parts(material: &Material<'_>) -> anyhow::Result<Vec<Part>> {
    let document = material.document;
    let mut parts = vec![
        Part::new("report.html", "the report, for a browser", html::render(document)?),
        Part::new("report.md", "the report, to be pasted into a ticket", markdown::render(document)),
        Part::new("report.json", "the report, for programs", json::render(document)?),
        Part::new("recording.json", "what was seen, for casa-doctor --replay", json::render(material.recording)?),
        Part::new("versions.txt", "versions of everything involved", versions::text(document)),
    ];
    for config in material.configs {
        let name = config.name;
        parts.push(Part::new(format!("config/{name}"), "the configuration as it is", config.now.clone()));
        if let Some(fixed) = &config.fixed {
            let fixed_name = name.replace(".json", ".fixed.json");
            parts.push(Part::new(format!("config/{fixed_name}"), "the configuration as --fix would leave it", fixed.clone()));
        }
    }
    parts.extend(said::parts(document));
    parts.extend(pictures(document));
    Ok(parts)
}

/// The pictures that the modes drew.
fn pictures(document: &Document) -> Vec<Part> {
    let with_picture = document.measurements.iter().filter_map(|measurement| {
        let data = measurement.picture.as_ref()?.strip_prefix("data:image/png;base64,")?;
        let (mode, place) = (measurement.opengl.word(), measurement.place.word());
        let bytes = STANDARD.decode(data).ok()?;
        Some(Part::new(format!("pictures/{place}-{mode}.png"), format!("what the mode {mode} drew"), bytes))
    });
    with_picture.collect()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::report::samples;

    fn made(document: &Document) -> Vec<Part> {
        let recording = Recording::new(document.facts.clone(), SystemTime::UNIX_EPOCH);
        let config = Config { name: "casa_distro.json", now: "{\"a\": 1}\n".into(), fixed: Some("{\"a\": 2}\n".into()) };
        parts(&Material { document, recording: &recording, configs: &[config] }).unwrap()
    }

    #[test]
    fn everything_that_a_supporter_asks_for_is_there() {
        let names: Vec<_> = made(&samples::measured()).into_iter().map(|part| part.name).collect();
        assert_eq!(
            names,
            [
                "report.html",
                "report.md",
                "report.json",
                "recording.json",
                "versions.txt",
                "config/casa_distro.json",
                "config/casa_distro.fixed.json",
                "stderr/measured-image-nv.txt",
                "pictures/image-container.png",
                "pictures/image-software.png",
            ]
        );
    }

    #[test]
    fn the_pictures_are_pictures() {
        let parts = made(&samples::measured());
        let picture = parts.iter().find(|part| part.name == "pictures/image-software.png").unwrap();
        assert!(picture.bytes.starts_with(b"\x89PNG\r\n\x1a\n") && picture.bytes.ends_with(b"IEND\xaeB`\x82"));
    }

    #[test]
    fn the_same_material_gives_the_same_archive() {
        let bytes = archive(&made(&samples::sick())).unwrap();
        assert_eq!(bytes, archive(&made(&samples::sick())).unwrap());
        let mut read = zip::ZipArchive::new(std::io::Cursor::new(&bytes)).unwrap();
        let names: Vec<_> = (0..read.len()).map(|index| read.by_index(index).unwrap().name().unwrap().into_owned()).collect();
        let expected: Vec<_> = made(&samples::sick()).into_iter().map(|part| part.name).collect();
        assert_eq!(names, expected);
        for part in made(&samples::sick()) {
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut read.by_name(&part.name).unwrap(), &mut content).unwrap();
            assert!(content == part.bytes, "{}", part.name);
        }
    }
}
