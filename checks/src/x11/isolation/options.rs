//! The options that a configuration gives to the container engine, as far as they cut programs off the X server.

use std::iter::Peekable;
use std::vec::IntoIter;

use serde_json::Value;

use crate::facts::{ConfigFile, Environment};

/// Options of `apptainer run` that take the next word as their value, unless it is joined with `=` (apptainer,
/// cmd/internal/cli/action_flags.go). The others of that file are switches.
const WITH_VALUE: &[&str] = &[
    "--add-caps",
    "--app",
    "--apply-cgroups",
    "--bind",
    "--blkio-weight",
    "--blkio-weight-device",
    "--cpu-shares",
    "--cpus",
    "--cpuset-cpus",
    "--cpuset-mems",
    "--cwd",
    "--dns",
    "--docker-host",
    "--drop-caps",
    "--env",
    "--env-file",
    "--fusemount",
    "--home",
    "--hostname",
    "--memory",
    "--memory-reservation",
    "--memory-swap",
    "--mount",
    "--network",
    "--network-args",
    "--no-mount",
    "--overlay",
    "--pem-path",
    "--pids-limit",
    "--pwd",
    "--scratch",
    "--security",
    "--shell",
    "--workdir",
];
/// One-letter options with a value: bind, home, overlay, scratch, shell, workdir.
const SHORT_WITH_VALUE: &str = "BHoSsW";

/// One word of the options, with its place.
#[derive(Debug, Clone)]
pub(super) struct Word<'a> {
    file: &'a ConfigFile,
    key: &'static str,
    index: usize,
    /// The word itself.
    pub(super) text: &'a str,
}

impl Word<'_> {
    /// File, key and word, as evidence.
    pub(super) fn tell(&self) -> String {
        let line =
            self.file.lines.get(&format!("/{}/{}", self.key, self.index)).map_or_else(String::new, |line| format!(":{line}"));
        format!("{}{line}: \"{}\" contains \"{}\"", self.file.path.display(), self.key, self.text)
    }

    /// Key and file.
    pub(super) fn place(&self) -> String {
        format!("\"{}\" in {}", self.key, self.file.path.display())
    }
}

/// What the options do.
#[derive(Debug, Default)]
pub(super) struct Options<'a> {
    /// The option that makes an IPC namespace.
    pub(super) ipc: Option<Word<'a>>,
    /// The option that makes another /tmp.
    pub(super) tmp: Option<Word<'a>>,
    /// The option that makes a network.
    pub(super) network: Option<Word<'a>>,
    /// Paths in the container at which something of the machine is mounted.
    pub(super) binds: Vec<String>,
    docker_ipc_host: bool,
}

impl<'a> Options<'a> {
    /// Reads the options that a launch with windows uses, in casa_distro's order: those of the environment's file before
    /// those of the user's.
    pub(super) fn read(environment: &'a Environment) -> Self {
        let files = || std::iter::once(&environment.file).chain(&environment.user_file);
        let keys = ["container_options", "container_gui_options"];
        let words: Vec<_> = keys.into_iter().flat_map(|key| files().flat_map(move |file| words(file, key))).collect();
        let mut options = Self::default();
        let mut words = words.into_iter().peekable();
        while let Some(word) = words.next() {
            options.take(word, &mut words);
        }
        options
    }

    /// Whether a container of Docker or Podman gets the machine's shared memory, as `casa-doctor run` gives it to them unless an option
    /// says something else. Nothing else starts them with this configuration.
    pub(super) fn named_images_share_ipc(&self) -> bool {
        self.docker_ipc_host || self.ipc.is_none()
    }

    fn take(&mut self, word: Word<'a>, rest: &mut Peekable<IntoIter<Word<'a>>>) {
        let (name, joined) = word.text.split_once('=').map_or((word.text, None), |(name, value)| (name, Some(value)));
        if !name.starts_with("--") {
            return self.take_short(&word, rest);
        }
        let next_is_value = WITH_VALUE.contains(&name) || (name == "--ipc" && rest.peek().is_some_and(|next| next.text == "host"));
        let value = match joined {
            Some(value) => Some(value),
            None if next_is_value => rest.next().map(|next| next.text),
            None => None,
        };
        if value == Some("false") {
            return;
        }
        match name {
            // Of Docker; Apptainer's --ipc has no value but true and false.
            "--ipc" if value == Some("host") => self.docker_ipc_host = true,
            "--ipc" => self.ipc = Some(word),
            "--net" => self.network = Some(word),
            "--contain" => self.tmp = Some(word),
            // --compat implies --containall, which implies --contain and a namespace for IPC.
            "--containall" | "--compat" => {
                self.ipc = Some(word.clone());
                self.tmp = Some(word);
            }
            "--no-mount" if value.is_some_and(|list| list.split(',').any(|name| name == "tmp")) => self.tmp = Some(word),
            "--bind" => self.bind(value),
            "--mount" => {
                let fields = value.into_iter().flat_map(|value| value.split(','));
                let inside = fields
                    .filter_map(|field| field.split_once('='))
                    .find(|(key, _)| matches!(*key, "dst" | "destination" | "target"));
                self.binds.extend(inside.map(|(_, path)| path.to_owned()));
            }
            _ => {}
        }
    }

    /// One-letter options may be joined: `-ec`.
    fn take_short(&mut self, word: &Word<'a>, rest: &mut Peekable<IntoIter<Word<'a>>>) {
        let Some(letters) = word.text.strip_prefix('-') else { return };
        for (index, letter) in letters.char_indices() {
            match letter {
                'c' => self.tmp = Some(word.clone()),
                'C' => {
                    self.ipc = Some(word.clone());
                    self.tmp = Some(word.clone());
                }
                'i' => self.ipc = Some(word.clone()),
                'n' => self.network = Some(word.clone()),
                _ if SHORT_WITH_VALUE.contains(letter) => {
                    let joined =
                        letters.get(index + 1..).map(|value| value.trim_start_matches('=')).filter(|value| !value.is_empty());
                    let value = joined.or_else(|| rest.next().map(|next| next.text));
                    if letter == 'B' {
                        self.bind(value);
                    }
                    return;
                }
                _ => {}
            }
        }
    }

    /// `source[:inside[:options]]`, several separated by commas.
    fn bind(&mut self, value: Option<&str>) {
        let specifications = value.into_iter().flat_map(|value| value.split(','));
        self.binds.extend(specifications.map(|specification| {
            let mut parts = specification.split(':');
            let source = parts.next().unwrap_or_default();
            parts.next().unwrap_or(source).to_owned()
        }));
    }
}

fn words<'a>(file: &'a ConfigFile, key: &'static str) -> Vec<Word<'a>> {
    let list = file.value.as_ref().and_then(|value| value.get(key)).and_then(Value::as_array);
    let items = list.into_iter().flatten().enumerate();
    items.filter_map(|(index, item)| Some(Word { file, key, index, text: item.as_str()? })).collect()
}
